#!/bin/sh
# needed.sh SOURCE LIBEFME_SO JPEG PNG: what the shared library needs at run time: libc, libm, pthread (on an old glibc) and cJSON,
# plus libjpeg and libpng exactly where they were asked for. Read from the library of this build (JPEG and PNG say how it was
# configured) and from one built here with both decoders the other way. Prints the stripped size of each.
set -eu
source=$1 library=$2 jpeg=$3 png=$4
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# The loader is part of libc: it is named where thread-local data is used.
base='libc\.so\.[0-9]+|libm\.so\.[0-9]+|libpthread\.so\.[0-9]+|ld-linux[a-z0-9_-]*\.so\.[0-9]+|libcjson\.so\.[0-9]+'
[ -z "${EFME_SANITIZE:-}" ] || sanitizers='|libasan\.so\.[0-9]+|libubsan\.so\.[0-9]+|libtsan\.so\.[0-9]+'

# check LIBRARY JPEG PNG EXTRA
check() {
  needed=$("${READELF:-readelf}" -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
  allowed="$base$4"
  [ "$2" = OFF ] || allowed="$allowed|libjpeg\.so\.[0-9]+"
  [ "$3" = OFF ] || allowed="$allowed|libpng[0-9]*\.so\.[0-9]+"
  other=$(echo "$needed" | grep -vxE "$allowed" || true)
  [ -z "$other" ] || { echo "FAIL: JPEG=$2 PNG=$3 needs $other"; failed=1; }
  # The other direction: a decoder that was asked for is really used, and cJSON is.
  for want in cjson $([ "$2" = OFF ] || echo jpeg) $([ "$3" = OFF ] || echo png); do
    echo "$needed" | grep -q "^lib$want" || { echo "FAIL: JPEG=$2 PNG=$3 does not use lib$want"; failed=1; }
  done
  # Since glibc 2.34 threads are in libc.
  if echo "$needed" | grep -q '^libpthread' && [ "$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/.*2\.//')" -ge 34 ]; then
    echo "FAIL: libpthread is needed on a libc that holds it"; failed=1
  fi
  "${STRIP:-strip}" -o "$scratch/stripped.so" "$1"
  echo "JPEG=$2 PNG=$3: $(echo $needed); stripped $(wc -c <"$scratch/stripped.so") bytes"
}
flip() { [ "$1" = OFF ] && echo ON || echo OFF; }

check "$library" "$jpeg" "$png" "${sanitizers:-}"
jpeg=$(flip "$jpeg") png=$(flip "$png")
for module in $([ "$jpeg" = OFF ] || echo libjpeg) $([ "$png" = OFF ] || echo libpng); do
  "${PKG_CONFIG:-pkg-config}" --exists "$module" || { echo "$module is not installed here"; [ $failed -eq 0 ] && exit 77; exit 1; }
done
generator=$(command -v ninja >/dev/null && echo Ninja || echo 'Unix Makefiles')
"${CMAKE:-cmake}" -S "$source" -B "$scratch/build" -G "$generator" -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER="${CC:-cc}" -DEFME_TESTS=OFF \
  -DEFME_EXAMPLES=OFF -DEFME_BENCH=OFF -DEFME_CUDA=OFF -DEFME_JPEG="$jpeg" -DEFME_PNG="$png" >"$scratch/log" 2>&1 &&
  "${CMAKE:-cmake}" --build "$scratch/build" --target efme_shared efme_static -j 2 >>"$scratch/log" 2>&1 ||
  { tail -30 "$scratch/log"; echo "FAIL: JPEG=$jpeg PNG=$png does not build"; exit 1; }
check "$scratch/build/lib/libefme.so" "$jpeg" "$png" ""
EFME_SANITIZE='' sh "$source/tests/abi/symbols.sh" "$scratch/build/lib/libefme.a" || failed=1
exit $failed
