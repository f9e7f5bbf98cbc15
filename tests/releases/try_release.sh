#!/bin/sh
# Builds this tree on another release of Debian or Ubuntu, in a folder that debootstrap makes, and
# runs a smoke set there: README.md in this folder. As root.
#
#   tests/releases/try_release.sh [--compiler=CC] [--targets=FILE] RELEASE FOLDER
#
# RELEASE is Debian's or Ubuntu's name for it (trixie, sid, noble). FOLDER/RELEASE becomes the
# system and FOLDER/cache-RELEASE keeps what was compiled, so that the next try is quick. What is
# built is the last commit.
set -eu

here=$(dirname "$(readlink -f "$0")")
checkout=$(readlink -f "$here/../..")
compiler=g++
set_file=""

die() {
  echo "try_release: $1" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --compiler=*) compiler=${1#*=} ;;
    --targets=*) set_file=${1#*=} ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) die "unknown flag $1" ;;
    *) break ;;
  esac
  shift
done
[ $# -eq 2 ] || die "usage: try_release.sh [--compiler=CC] [--targets=FILE] RELEASE FOLDER"
release=$1
folder=$(readlink -m "$2")
root=$folder/$release
cache=$folder/cache-$release
# Ubuntu has no LibTorch: what needs none is tried.
case $release in
  jammy | noble | plucky | questing) ubuntu=yes set_file=${set_file:-$here/without_libtorch} ;;
  *) ubuntu=no set_file=${set_file:-$here/smoke_set} ;;
esac

[ "$(id -u)" -eq 0 ] || die "debootstrap and chroot need root"
case $folder/ in "$checkout"/*) die "$folder lies in the tree; name a folder outside" ;; esac
[ -r "$set_file" ] || die "cannot read $set_file"

leave() {
  for mount in "$root/cache" "$root/dev/shm" "$root/proc"; do
    if mountpoint -q "$mount"; then umount "$mount" || umount -l "$mount"; fi
  done
}
trap leave EXIT
trap 'exit 1' INT TERM HUP

make_root() {
  command -v debootstrap >/dev/null || die "no debootstrap: apt-get install debootstrap"
  if [ "$ubuntu" = yes ]; then
    keys=/usr/share/keyrings/ubuntu-archive-keyring.gpg
    [ -r "$keys" ] || die "no $keys: apt-get install ubuntu-keyring (Debian 13 and newer have it)"
    # debootstrap may be older than the release; all of Ubuntu's are made as gutsy was.
    debootstrap --variant=minbase --components=main,universe --include=ca-certificates \
      --keyring="$keys" "$release" "$root" http://archive.ubuntu.com/ubuntu gutsy
  else
    debootstrap --variant=minbase --include=ca-certificates \
      "$release" "$root" http://deb.debian.org/debian
  fi || die "debootstrap $release failed (see above)"
  # A mirror that stands still is good enough to compile on.
  echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/99-stale-mirror"
  touch "$root/.made"
}

inside() {
  chroot "$root" /usr/bin/env -i HOME=/root USER=root LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

[ -e "$root/.made" ] || make_root
mkdir -p "$root/cache" "$root/dev/shm" "$root/swarm" "$cache"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
mountpoint -q "$root/dev/shm" || mount -t tmpfs tmpfs "$root/dev/shm"
mountpoint -q "$root/cache" || mount --bind "$cache" "$root/cache"

# A clean clone, as a stranger has it.
find "$root/swarm" -mindepth 1 -delete
commit=$(git -C "$checkout" rev-parse --short HEAD)
git -C "$checkout" archive "$commit" | tar -x -C "$root/swarm"

# A LibTorch of one's own is not installed.
home=""
[ "$ubuntu" = no ] || home=/nowhere
inside env LIBTORCH_HOME="$home" sh -c 'cd /swarm && exec tools/setup' || die "tools/setup failed in $root"
case $compiler in
  g++) ;;
  g++-*) inside apt-get install -y -qq --no-install-recommends "$compiler" >/dev/null ;;
  clang*) inside apt-get install -y -qq --no-install-recommends "$compiler" >/dev/null ;;
  *) die "--compiler=$compiler: takes g++, g++-N, clang or clang-N" ;;
esac || die "apt-get install $compiler failed in $root"
cc=$(printf '%s' "$compiler" | sed 's/^g++/gcc/')

# For the Bazel that a test starts, too.
cat >"$root/root/.bazelrc" <<'BAZELRC'
build --disk_cache=/cache/disk --jobs=2 --local_ram_resources=4096
build --color=no --curses=no --show_progress_rate_limit=60
BAZELRC

run_bazel() {
  inside env CC="$cc" sh -c 'cd /swarm && exec nice -n 15 "$@"' sh \
    bazel --output_base="/cache/output-$cc" --max_idle_secs=60 "$@"
}

# One line each: `build LABEL`, `test PATTERN`, `run LABEL ARGUMENTS`.
failed=""
passed=0
while read -r verb target arguments; do
  case $verb in "" | "#"*) continue ;; esac
  # shellcheck disable=SC2086
  case $verb in
    build) run_bazel build "$target" ;;
    test) run_bazel test "$target" ;;
    run) run_bazel run "$target" -- $arguments ;;
    *) die "$set_file: '$verb' is none of build, test, run" ;;
  esac </dev/null && passed=$((passed + 1)) || failed="$failed $verb:$target"
done <"$set_file"

run_bazel shutdown
version_of() {
  inside dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo none
}
echo "try_release: $release, $(date -u +%F), commit $commit:" \
  "$(inside "$cc" --version | head -n 1)," \
  "Bazel $(version_of bazel-bootstrap), Cap'n Proto $(version_of libcapnp-dev)," \
  "LibTorch $(version_of libtorch-dev), CAF $(version_of libcaf-dev)"
if [ -n "$failed" ]; then
  echo "try_release: $passed passed, failed:$failed"
  exit 1
fi
echo "try_release: $passed passed, 0 failed"
