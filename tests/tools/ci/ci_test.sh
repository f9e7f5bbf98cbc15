#!/bin/sh
# What .ci/run makes of Bazel's events: passed, failed, skipped, and skipped for want of something
# that is installed. On a machine that is not there: Bazel only writes events.
set -eu

tree=$TEST_TMPDIR/tree
machine=$TEST_TMPDIR/machine
mkdir -p "$tree/.ci" "$tree/tools" "$machine"
cp .ci/run "$tree/.ci/run"

program() {
  cat >"$1"
  chmod +x "$1"
}

program "$tree/tools/setup" <<'END'
#!/bin/sh
END
program "$machine/dpkg-query" <<'END'
#!/bin/sh
for package in "$@"; do :; done
[ "$package" = installed ] && printf 'ii '
END
program "$machine/bazel" <<'END'
#!/bin/sh
for argument in "$@"; do
  case $argument in --build_event_json_file=*) cp "$EVENTS" "${argument#*=}" ;; esac
done
exit "$BAZEL_STATUS"
END

configured() {
  echo "{\"id\":{\"targetConfigured\":{\"label\":\"//a:$1\"}},\"configured\":{\"targetKind\":\"cc_test rule\"$2}}"
}

# NAME STATUS LINE: a test that ended so and has written the line.
summary() {
  echo "$3" >"$TEST_TMPDIR/$1.log"
  echo "{\"id\":{\"testSummary\":{\"label\":\"//a:$1\"}},\"testSummary\":{\"overallStatus\":\"$2\",\"passed\":[{\"uri\":\"file://$TEST_TMPDIR/$1.log\"}]}}"
}

# WANTED-LAST-LINE WANTED-STATUS BAZEL-STATUS
expect() {
  status=0
  said=$(PATH=$machine:$PATH EVENTS=$TEST_TMPDIR/events BAZEL_STATUS=$3 \
    sh "$tree/.ci/run" 2>"$TEST_TMPDIR/errors" </dev/null) || status=$?
  last=$(printf '%s\n' "$said" | tail -n 1)
  if [ "$last" = "$1" ] && [ "$status" -eq "$2" ]; then return; fi
  echo "said '$last' and ended with $status, wanted '$1' and $2"
  cat "$TEST_TMPDIR/errors"
  exit 1
}

{
  configured good '' && configured long ',"tag":["long"]'
  summary good PASSED "all is well"
} >"$TEST_TMPDIR/events"
expect '1 passed, 0 failed, 0 skipped' 0 0
# A broken BUILD file fails no test.
expect '1 passed, 1 failed, 0 skipped' 1 1

{
  configured good '' && configured away '' && configured broken ''
  summary good PASSED "all is well"
  summary away PASSED "skipped: needs nowhere: it is not to be had"
} >"$TEST_TMPDIR/events"
expect '1 passed, 1 failed, 1 skipped' 1 1

{
  configured good '' && configured lazy ''
  summary good FLAKY "all is well"
  summary lazy PASSED "skipped: needs installed: it says"
} >"$TEST_TMPDIR/events"
expect '1 passed, 1 failed, 0 skipped' 1 0
grep -q '//a:lazy did not run although installed is installed' "$TEST_TMPDIR/errors"

: >"$TEST_TMPDIR/events"
expect '0 passed, 0 failed, 0 skipped' 1 0
