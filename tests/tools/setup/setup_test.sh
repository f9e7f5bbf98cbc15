#!/bin/sh
# tools/setup tells each Bazel what it needs to know, and only that. On a machine that is not there:
# every package is installed, and Bazel only has a version.
set -eu

setup=$PWD/tools/setup
machine=$TEST_TMPDIR/machine
tree=$TEST_TMPDIR/tree
mkdir -p "$machine" "$tree/tools"
cp "$setup" "$tree/tools/setup"

program() {
  cat >"$machine/$1"
  chmod +x "$machine/$1"
}

program dpkg-query <<'END'
#!/bin/sh
case "$*" in
  *Version}*bazel-bootstrap) printf '%s' "$BAZEL_PACKAGE" ;;
  *) for package in "$@"; do echo "ii $package"; done ;;
esac
END
program apt-get <<'END'
#!/bin/sh
echo "apt-get was called: $*" >&2
exit 1
END
program bazel <<'END'
#!/bin/sh
[ "$*" = --version ] && echo "bazel $BAZEL_NAME"
END
program java </dev/null
program update-alternatives </dev/null

# Of Debian's Bazel 7, which has what it would otherwise download.
cat >"$machine/bazelrc" <<'END'
build --sandbox_debug
common --override_module=rules_cc=/usr/share/bazel/rules/cc
common --override_module=bazel_skylib=/usr/share/bazel/tools/skylib
END

status=0
# What it writes for a Bazel that calls itself $1 and comes from a package of version $2.
expect() {
  BAZEL_NAME=$1 BAZEL_PACKAGE=$2 SWARM_BAZELRC=${4:-/dev/null} PATH=$machine:$PATH \
    "$tree/tools/setup" >"$TEST_TMPDIR/says" 2>&1 || {
    echo "tools/setup failed with bazel $1:"
    cat "$TEST_TMPDIR/says"
    status=1
  }
  got=$(grep -v '^#' "$tree/.bazelrc.setup" 2>/dev/null || true)
  if [ "$got" != "$3" ]; then
    printf 'bazel %s, package %s: .bazelrc.setup has\n%s\ninstead of\n%s\n' "$1" "$2" "$got" "$3"
    status=1
  fi
}

expect no_version 4.2.3+ds-9 ""
expect 7.7.1 7.7.1+ds-8 "common --noenable_bzlmod"
expect "7.7.1- (@non-git)" 7.7.1+ds-8 "common --noenable_bzlmod"
expect no_version 7.7.1+ds-8 "common --noenable_bzlmod"
expect 7.7.1 7.7.1+ds-8 "common --noenable_bzlmod
common --override_repository=bazel_skylib=/usr/share/bazel/tools/skylib" "$machine/bazelrc"
expect 8.0.1 "" "common --noenable_bzlmod
common --enable_workspace"
# The machine went back to a version that would refuse these.
expect no_version 4.2.3+ds-9 ""
[ ! -e "$tree/.bazelrc.setup" ] || { echo "an empty .bazelrc.setup is left"; status=1; }
exit "$status"
