#!/bin/sh
# skipped.sh BUILD: what the last ctest run in BUILD left out. Tests print a line `SKIP: why` for each check that needs something that is
# not here (and end with code 77 where that is all of them): this counts and names them, test by test.
set -eu
awk '
/^[0-9]+\/[0-9]+ Testing: / { name = $3; tests++ }
/^SKIP: / { count++; if (!(name in seen)) { seen[name] = 1; order[++parts] = name } text[name] = text[name] "  " substr($0, 7) "\n" }
END {
  for (i = 1; i <= parts; i++) printf "%s:\n%s", order[i], text[order[i]]
  printf "%d tests ran; %d checks in %d of them were skipped\n", tests, count, parts
}' "$1/Testing/Temporary/LastTest.log"
