#!/bin/sh
# A flag that does not exist ends the program named by the first argument with 2 and one sentence.
errors=$("$1" --no-such-flag 2>&1 >/dev/null)
code=$?
lines=$(printf '%s\n' "$errors" | wc -l)
case $code:$lines:$errors in
  2:1:*--no-such-flag*) exit 0 ;;
esac
echo "exit code $code, $lines lines: $errors"
exit 1
