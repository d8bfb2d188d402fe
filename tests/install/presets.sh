#!/bin/sh
# presets.sh SOURCE: every preset of CMakePresets.json configures by itself, with what docs/building.md says of it in the cache and on the
# compiler's command line, and has its build and test presets. Works on a copy of the source and configures only.
set -eu
source=$1
cmake=$(command -v "${CMAKE:-cmake}") ctest=$(dirname "$cmake")/ctest
command -v ninja >/dev/null || { echo "SKIP: ninja is not installed here"; exit 77; }
unset CC CXX CFLAGS CXXFLAGS LDFLAGS CMAKE_GENERATOR CMAKE_BUILD_TYPE
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/efme"
for entry in "$source"/*; do
  case $entry in */build*) ;; *) cp -R "$entry" "$scratch/efme" ;; esac
done
cd "$scratch/efme"
failed=0
fail() { echo "FAIL: $*"; failed=1; }
names() { sed -n 's/^ *"\([^"]*\)".*/\1/p' | sort; }

# try PRESET BUILD_TYPE SANITIZE CUDA FLAG...: the flags stand in the command line of one of the library's files.
try() {
  preset=$1 type=$2 sanitize=$3 cuda=$4 dir=build/$1
  shift 4
  echo "$preset" >>"$scratch/tried"
  if ! "$cmake" --preset "$preset" >"$scratch/log" 2>&1; then fail "$preset: $(tail -20 "$scratch/log")"; return; fi
  for line in CMAKE_GENERATOR:INTERNAL=Ninja "CMAKE_BUILD_TYPE:STRING=$type" "EFME_SANITIZE:STRING=$sanitize" "EFME_CUDA:STRING=$cuda"; do
    grep -qx "$line" "$dir/CMakeCache.txt" || fail "$preset: no $line, but $(grep "^${line%%:*}:" "$dir/CMakeCache.txt")"
  done
  command=$(awk '/util\/error\.c\.o: / { there = 1 } there && / FLAGS = / { print $0 " "; exit }' "$dir/build.ninja")
  for flag in -Werror "$@" ${sanitize:+"-fsanitize=$sanitize" -fno-sanitize-recover=all}; do
    case $command in *" $flag "*) ;; *) fail "$preset: no $flag in$command" ;; esac
  done
  [ -n "$sanitize" ] || case $command in *-fsanitize=*) fail "$preset: a sanitizer in$command" ;; esac
}
tests() { "$ctest" -N "$@" | sed -n 's/^Total Tests: //p'; }

try dev RelWithDebInfo '' AUTO -O2 -g
try release Release '' AUTO -O3
try asan RelWithDebInfo address,undefined AUTO -O2 -g
try tsan RelWithDebInfo thread AUTO -O2 -g
try coverage RelWithDebInfo '' OFF -O2 -g --coverage -fprofile-update=atomic
if command -v clang >/dev/null && command -v clang++ >/dev/null; then
  try clang RelWithDebInfo '' AUTO -O2 -g
  try fuzz RelWithDebInfo address,undefined AUTO -O2 -g -fsanitize=fuzzer-no-link
  for preset in clang fuzz; do
    grep -q '^CMAKE_C_COMPILER:[A-Z]*=.*clang$' "build/$preset/CMakeCache.txt" || fail "$preset: not with Clang"
  done
else
  echo "SKIP: clang is not installed here"
  printf 'clang\nfuzz\n' >>"$scratch/tried"
fi

threads=$(tests --test-dir build/tsan -L '^threads$')
if [ "$threads" -eq 0 ] || [ "$(tests --preset tsan)" -ne "$threads" ]; then fail "tsan: not the tests labelled threads"; fi
sort "$scratch/tried" >"$scratch/all"
"$cmake" --list-presets | names | cmp -s - "$scratch/all" || fail "this test tries other configure presets than there are"
"$cmake" --build --list-presets | names | cmp -s - "$scratch/all" || fail "not one build preset for each configure preset"
grep -vx fuzz "$scratch/all" >"$scratch/tested" # tools/fuzz.sh runs its programs
"$ctest" --list-presets | names | cmp -s - "$scratch/tested" || fail "not one test preset for each configure preset"
sed -n '/^| preset/,/^$/s/^| `\([a-z]*\)`.*/\1/p' docs/building.md | sort | cmp -s - "$scratch/all" || fail "docs/building.md lists other presets"
echo "$(wc -l <"$scratch/all") presets"
exit $failed
