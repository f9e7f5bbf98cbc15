#!/bin/sh
# Runs the program named by the first argument with the rest; the body of every smoke test.
program=$1
shift
exec "$program" "$@"
