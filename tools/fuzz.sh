#!/bin/sh
# fuzz.sh [SECONDS [NAME...]]: builds the libFuzzer targets of tests/fuzz (Clang, address and undefined behaviour sanitizers) and runs
# each for so many seconds (10), from its seeds and the inputs that once found something. What grows stays in build/fuzz/corpus.
# Ends with 1 where a target found something; the input is then in build/fuzz/found: mend the library, and put the input into
# tests/fuzz/regressions/NAME, where the ordinary test fuzz_NAME runs it from then on.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-10}
[ $# -eq 0 ] || shift
sh tools/setup.sh clang libclang-rt-dev
cmake --preset fuzz
cmake --build --preset fuzz -j "${EFME_JOBS:-$(nproc)}"
build=build/fuzz
[ $# -gt 0 ] || set -- $(ls "$build"/tests/fuzz/fuzz_* | sed 's|.*/fuzz_||')
mkdir -p "$build/found"
bad=0
export UBSAN_OPTIONS=print_stacktrace=1
for name in "$@"; do
  corpus=$build/corpus/$name old=
  mkdir -p "$corpus"
  "$build/tests/fuzz/test_fuzz_$name" --write "$corpus"
  [ ! -d "tests/fuzz/regressions/$name" ] || old=tests/fuzz/regressions/$name
  # A log a target: its last lines say how many inputs were run.
  "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=512 -print_final_stats=1 \
    -artifact_prefix="$build/found/$name-" "$corpus" $old >"$build/found/$name.log" 2>&1 || {
    echo "fuzz_$name FOUND something:"
    tail -60 "$build/found/$name.log"
    bad=1
  }
  awk -v name="$name" '/number_of_executed_units/ { n = $2 } /new_units_added/ { a = $2 } /peak_rss_mb/ { m = $2 }
    END { printf "fuzz_%s: %d inputs run, %d kept, %d MB\n", name, n, a, m }' "$build/found/$name.log"
done
exit $bad
