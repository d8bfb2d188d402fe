#!/bin/sh
# symbols.sh LIBEFME_A [LIBEFME_SO]: the static library defines nothing global but efme_* (third-party code stays local), no object
# of it has writable global data, and it never calls what a library must not: exit, abort, printf to the terminal. Neither library
# has, or asks for, anything of the reference (lib/cpu/ref).
set -eu
archive=$1
failed=0
foreign=$("${NM:-nm}" --defined-only --extern-only "$archive" 2>/dev/null | awk 'NF == 3 && $3 !~ /^efme_/ && $3 !~ /^(__asan|__odr_asan|__tsan|__ubsan)/ { print $3 }' | sort -u)
[ -z "$foreign" ] || { echo "FAIL: global symbols that are not efme_*:"; echo "$foreign"; failed=1; }
count=$("${NM:-nm}" --defined-only --extern-only "$archive" 2>/dev/null | awk 'NF == 3 && $3 ~ /^efme_/' | wc -l)
[ "$count" -ge 20 ] || { echo "FAIL: only $count efme_* symbols seen"; failed=1; }
for library in "$@"; do
  names=$("${NM:-nm}" "$library" 2>/dev/null | awk '{ print $NF }')
  echo "$names" | grep -q efme_cpu_backend || { echo "FAIL: $library shows no efme_cpu_backend: stripped?"; failed=1; }
  reference=$(echo "$names" | grep efme_ref_ || true)
  [ -z "$reference" ] || { echo "FAIL: $library holds or needs the reference:" $reference; failed=1; }
done
if [ -z "${EFME_SANITIZE:-}" ]; then # sanitizers add calls and data of their own
  # No global mutable state. Thread-local data is allowed, and constants that hold pointers: the loader makes those read-only.
  mutable=$("${NM:-nm}" --defined-only --format=sysv "$archive" 2>/dev/null | awk -F '|' '
    { gsub(/ /, "", $1); gsub(/ /, "", $7) }
    ($7 ~ /^\.(data|bss)/ && $7 !~ /^\.data\.rel\.ro/) || $7 == "*COM*" { if ($1 !~ /^\./) print $1 }' | sort -u)
  for name in $mutable; do
    echo "FAIL: writable global data: $name"
    failed=1
  done
  forbidden=$("${NM:-nm}" --undefined-only "$archive" 2>/dev/null | awk '{ print $NF }' |
    grep -xE 'exit|_exit|_Exit|abort|__assert_fail|printf|puts|putchar|perror|vprintf|__printf_chk|stdout|stderr|setlocale|signal|sigaction|atexit|rand|srand' | sort -u || true)
  [ -z "$forbidden" ] || { echo "FAIL: calls that a library must not make: $forbidden"; failed=1; }
fi
echo "$count global symbols"
exit $failed
