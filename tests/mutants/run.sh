#!/bin/sh
# run.sh: does a test notice? Each patch beside this script puts one wrong line into the library and names, on its line `Test:`, the test
# program (and its arguments) that must fail with it. The patches are applied one by one to a scratch copy of what git has, built, and that
# program is run. A mutant that survives, or no longer applies or builds, is an error.
#
#   run.sh [--some N] [NAME...]    all mutants, these, or N whose turn it is today
#   run.sh --table                 the table of all mutants, as README.md beside this script has it
#
# Ends with "N passed, M failed"; 0 if none failed. EFME_JOBS: compilers at a time (all CPUs).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$root/build/mutants
jobs=${EFME_JOBS:-$(nproc)}
export EFME_SHARED="${EFME_SHARED:-$root/../shared}" # the copy lies elsewhere

title_of() { sed -n 1p "$here/$1.patch"; }
test_of() { sed -n 's/^Test: //p' "$here/$1.patch"; }
file_of() { sed -n 's|^+++ b/||p' "$here/$1.patch"; }
names() { for patch in "$here"/*.patch; do basename "$patch" .patch; done; }

table() {
  echo '| mutant | file | what is wrong | must fail |'
  echo '|---|---|---|---|'
  for name in $(names); do echo "| $name | $(file_of "$name") | $(title_of "$name") | \`$(test_of "$name")\` |"; done
}

# A different window over the list each day.
some() {
  names | awk -v n="$1" -v day="$(($(date +%s) / 86400))" '{ line[NR] = $0 } END { for (i = 0; i < n && i < NR; i++) print line[(day * n + i) % NR + 1] }'
}

run() { # program arguments...
  program=$(find "$work/build/tests" -type f -name "test_$1")
  shift
  [ -n "$program" ] || return 127
  (cd "$work/build" && timeout 120 "$program" "$@")
}

build() { cmake --build "$work/build" -j "$jobs" --target "test_${1%% *}" >"$work/log" 2>&1; }

chosen=
while [ $# -gt 0 ]; do
  case $1 in
  --table) table && exit 0 ;;
  --some) chosen="$chosen $(some "$2")" && shift ;;
  *) chosen="$chosen $1" ;;
  esac
  shift
done
[ -n "$chosen" ] || chosen=$(names)

rm -rf "$work/source"
mkdir -p "$work/source"
(cd "$root" && git ls-files -z | tar -c --null -T - --ignore-failed-read 2>/dev/null) | tar -x -m -C "$work/source" # -m: newer than any object of an earlier run
cmake -S "$work/source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DEFME_CUDA=OFF -DEFME_EXAMPLES=OFF -DEFME_BENCH=OFF \
  -DEFME_INSTALL=OFF -DEFME_TESTS=ON >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

passed=0 failed=0
bad() { # name reason
  echo "FAILED  $1: $2"
  failed=$((failed + 1))
}
table >"$work/table"
sed -n '/^| mutant/,$p' "$here/README.md" | cmp -s - "$work/table" || bad README.md "its table is not what --table prints"
for name in $(names); do # those whose turn it is not, too
  patch -d "$work/source" -p1 --dry-run -s -F0 <"$here/$name.patch" >/dev/null 2>&1 || bad "$name" "its patch does not apply"
done
for name in $chosen; do
  test=$(test_of "$name")
  # The same program must pass without the mutant: once for each.
  case " ${green:-} " in
  *" ${test%% *} "*) ;;
  *)
    # shellcheck disable=SC2086
    if ! build "$test" || ! run $test >"$work/log" 2>&1; then
      tail -n 20 "$work/log"
      bad "$name" "$test fails without it"
      continue
    fi
    green="${green:-} ${test%% *}"
    ;;
  esac
  if ! patch -d "$work/source" -p1 --no-backup-if-mismatch -s <"$here/$name.patch" >"$work/log" 2>&1; then
    bad "$name" "its patch does not apply"
    (cd "$root" && git show ":$(file_of "$name")") >"$work/source/$(file_of "$name")"
    rm -f "$work/source/$(file_of "$name").rej"
    continue
  fi
  if ! build "$test"; then
    grep -m 3 'error' "$work/log" || true
    bad "$name" "it does not build"
  else
    code=0
    # shellcheck disable=SC2086
    run $test >"$work/log" 2>&1 || code=$?
    case $code in
    0) bad "$name" "survived $test" ;;
    127) bad "$name" "there is no test program ${test%% *}" ;;
    *) echo "caught  $name by $test" && passed=$((passed + 1)) ;;
    esac
  fi
  patch -d "$work/source" -p1 -R -s <"$here/$name.patch" >/dev/null
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
