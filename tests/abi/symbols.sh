#!/bin/sh
# symbols.sh LIBEFME_A [LIBEFME_SO]: the static library defines nothing global but efme_* (third-party code stays local), no object
# of it has writable global data, and it never calls what a library must not: exit, abort, printf to the terminal.
set -eu
archive=$1
failed=0
foreign=$("${NM:-nm}" --defined-only --extern-only "$archive" 2>/dev/null | awk 'NF == 3 && $3 !~ /^efme_/ && $3 !~ /^(__asan|__odr_asan|__tsan|__ubsan)/ { print $3 }' | sort -u)
[ -z "$foreign" ] || { echo "FAIL: global symbols that are not efme_*:"; echo "$foreign"; failed=1; }
count=$("${NM:-nm}" --defined-only --extern-only "$archive" 2>/dev/null | awk 'NF == 3 && $3 ~ /^efme_/' | wc -l)
[ "$count" -ge 20 ] || { echo "FAIL: only $count efme_* symbols seen"; failed=1; }
if [ -z "${EFME_SANITIZE:-}" ]; then # sanitizers add calls and data of their own
  # No global mutable state: thread-local data lies in .tbss and .tdata and shows as type B, b, D or d too, so ask readelf for TLS.
  mutable=$("${READELF:-readelf}" -sW "$archive" 2>/dev/null | awk '$4 == "OBJECT" { print $7, $8, $3 }' | sort -u >/dev/null
    "${NM:-nm}" --defined-only "$archive" 2>/dev/null | awk 'NF == 3 && $2 ~ /^[BbCDdGgSs]$/ { print $3 }' | sort -u)
  tls=$("${READELF:-readelf}" -sW "$archive" 2>/dev/null | awk '$4 == "TLS" { print $8 }' | sort -u)
  for name in $mutable; do
    printf '%s\n' "$tls" | grep -qxF -e "$name" && continue
    echo "FAIL: writable global data: $name"
    failed=1
  done
  forbidden=$("${NM:-nm}" --undefined-only "$archive" 2>/dev/null | awk '{ print $NF }' |
    grep -xE 'exit|_exit|_Exit|abort|__assert_fail|printf|puts|putchar|perror|vprintf|__printf_chk|stdout|stderr|setlocale|signal|sigaction|atexit|rand|srand' | sort -u || true)
  [ -z "$forbidden" ] || { echo "FAIL: calls that a library must not make: $forbidden"; failed=1; }
fi
echo "$count global symbols"
exit $failed
