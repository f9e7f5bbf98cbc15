#!/bin/sh
# Every header of actors/ and tensors/ compiles in a program that has all warnings on, with each
# compiler that is installed. Those that show LibTorch's types are left out: they are not for others.
set -eu

checkout=$(dirname "$(readlink -f WORKSPACE)")
program=$TEST_TMPDIR/headers.cpp
cd "$checkout"
find actors tensors -name '*.hpp' ! -path '*/tests/*' | sort |
  xargs grep -L -E '^#include <(torch|ATen|c10)/' | sed 's|.*|#include "&"|' >"$program"
[ "$(wc -l <"$program")" -gt 100 ] || { echo "headers_test: too few headers found"; exit 1; }

status=0
tried=0
for compiler in g++ clang++; do
  if ! command -v "$compiler" >/dev/null; then
    echo "not tried: there is no $compiler"
    continue
  fi
  tried=$((tried + 1))
  "$compiler" -fsyntax-only -std=c++17 -Wall -Wextra -Wpedantic -Werror -iquote . \
    -I "$TEST_SRCDIR/$TEST_WORKSPACE" "$program" || status=1
done
[ "$tried" -gt 0 ] || { echo "headers_test: there is no compiler"; exit 1; }
exit "$status"
