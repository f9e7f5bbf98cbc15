#!/bin/sh
# Builds and runs a stranger's workspace that holds this tree as @swarm, as actors/peer/README.md
# says. Arguments: the program to build, and a compiler if it is not to be the usual one.
#
# The stranger turns every warning into an error, and the network is not used. The stranger's Bazel
# keeps its output in this one's output base: the first run compiles what //actors/peer needs, and
# `bazel clean --expunge` removes it.
set -eu

program=$1
compiler=${2:-}
here=tests/embedding/workspace
checkout=$(dirname "$(readlink -f WORKSPACE)")

fail() {
  echo "embedding_test: $1" >&2
  exit 1
}

if ! command -v bazel >/dev/null; then
  echo "skipped: needs bazel-bootstrap: there is no bazel on PATH ($PATH)"
  exit 0
fi
if [ -n "$compiler" ] && ! command -v "$compiler" >/dev/null; then
  echo "skipped: needs $compiler: it is not on PATH ($PATH)"
  exit 0
fi

# Every file stands in the page word for word.
blocks=$TEST_TMPDIR/blocks
mkdir -p "$blocks"
awk -v folder="$blocks" '
  /^```/ { if (inside) { close(file); inside = 0 } else { file = folder "/" ++count; inside = 1
           printf "" > file }
           next }
  inside { print > file }' actors/peer/README.md
for file in WORKSPACE .bazelrc BUILD own_engine.cpp gpt.cpp; do
  found=no
  for block in "$blocks"/*; do
    cmp -s "$block" "$here/$file" && found=yes
  done
  [ "$found" = yes ] || fail "actors/peer/README.md does not show $here/$file as it is"
done

# .../OUTPUT_BASE/execroot/swarm/bazel-out/...
base=${TEST_SRCDIR%%/execroot/*}
[ "$base" != "$TEST_SRCDIR" ] || base=$TEST_TMPDIR
stranger=$base/embedding
mkdir -p "$stranger/workspace"
for file in WORKSPACE .bazelrc BUILD own_engine.cpp gpt.cpp; do
  sed "s|/path/to/swarm|$checkout|" "$here/$file" >"$stranger/new"
  # An unchanged file keeps its time.
  cmp -s "$stranger/new" "$stranger/workspace/$file" ||
    cp "$stranger/new" "$stranger/workspace/$file"
done
grep -q "path = \"$checkout\"" "$stranger/workspace/WORKSPACE" || fail "WORKSPACE names no path"

# The home folder has the person's .bazelrc, often with a disk cache. TEST_TMPDIR would move Bazel's
# output there.
HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
export HOME
unset TEST_TMPDIR TMPDIR
# In a test /bin comes first, so that the compiler is another to Bazel than the person's is.
PATH=/usr/local/bin:/usr/bin:/bin
cd "$stranger/workspace"
[ -z "$compiler" ] || export CC="$compiler"
output=$stranger/output${compiler:+_$compiler}

bazel --output_base="$output" --max_idle_secs=60 build --color=no --curses=no --noshow_progress \
  --experimental_convenience_symlinks=ignore --experimental_repository_disable_download \
  --incompatible_strict_action_env --copt=-Wall --copt=-Wextra --copt=-Wpedantic --copt=-Werror \
  "//:$program" || fail "the build of //:$program failed"
bin=$(bazel --output_base="$output" --max_idle_secs=60 info bazel-bin 2>/dev/null)
"$bin/$program" || fail "$program ended with $?"
