#!/bin/sh
# skips.sh SOURCE: what a test run says that it skipped is what was skipped: tools/skipped.sh on a log made up here, and a `SKIP:` beside
# every exit code 77 of a script.
set -eu
cd "$1"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
mkdir -p "$scratch/Testing/Temporary"
cat >"$scratch/Testing/Temporary/LastTest.log" <<'LOG'
Start testing: Nov 25 16:00 UTC
----------------------------------------------------------
1/3 Testing: first
1/3 Test: first
Output:
----------------------------------------------------------
SKIP: /a/b is not here
SKIP: /a/c is not here
not a line that begins with SKIP: though
<end of output>
2/3 Testing: second
Output:
100%: Checks: 3, Failures: 0, Errors: 0
3/3 Testing: third
Output:
SKIP: no compiler here
LOG
cat >"$scratch/wanted" <<'LOG'
first:
  /a/b is not here
  /a/c is not here
third:
  no compiler here
3 tests ran; 3 checks in 2 of them were skipped
LOG
sh tools/skipped.sh "$scratch" >"$scratch/said"
diff "$scratch/wanted" "$scratch/said" || { echo "FAIL: tools/skipped.sh says something else"; failed=1; }
scripts=$(grep -l 'exit 77' tests/*/*.sh | grep -v install/skips.sh)
for script in $scripts; do
  if grep -B 1 'exit 77' "$script" | awk '/exit 77/ { if (!(line ~ /SKIP: / || $0 ~ /SKIP: /)) bad = 1 } { line = $0 } END { exit !bad }'; then
    echo "FAIL: $script skips without saying SKIP:"
    failed=1
  fi
done
echo "$(echo "$scripts" | wc -l) scripts that may skip"
exit $failed
