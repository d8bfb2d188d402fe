#!/bin/sh
# needed.sh LIBEFME_SO JPEG PNG: what the shared library needs at run time: libc, libm, pthread (on an old glibc) and cJSON, plus libjpeg
# and libpng exactly where the options JPEG and PNG (ON or OFF) asked for them. Prints the stripped size. Run on the library of
# this build, and by subdirectory.sh on one with both decoders the other way.
set -eu
library=$1 jpeg=$2 png=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# The loader is part of libc: it is named where thread-local data is used.
allowed='libc\.so\.[0-9]+|libm\.so\.[0-9]+|libpthread\.so\.[0-9]+|ld-linux[a-z0-9_-]*\.so\.[0-9]+|libcjson\.so\.[0-9]+'
[ "$jpeg" = OFF ] || allowed="$allowed|libjpeg\.so\.[0-9]+"
[ "$png" = OFF ] || allowed="$allowed|libpng[0-9]*\.so\.[0-9]+"
[ -z "${EFME_SANITIZE:-}" ] || allowed="$allowed|libasan\.so\.[0-9]+|libubsan\.so\.[0-9]+|libtsan\.so\.[0-9]+|libgcc_s\.so\.[0-9]+"
needed=$("${READELF:-readelf}" -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
other=$(echo "$needed" | grep -vxE "$allowed" || true)
[ -z "$other" ] || { echo "FAIL: JPEG=$jpeg PNG=$png needs $other"; failed=1; }
# The other direction: cJSON is used, and so is a decoder that was asked for.
for want in cjson $([ "$jpeg" = OFF ] || echo jpeg) $([ "$png" = OFF ] || echo png); do
  echo "$needed" | grep -q "^lib$want" || { echo "FAIL: JPEG=$jpeg PNG=$png does not use lib$want"; failed=1; }
done
# Since glibc 2.34 threads are in libc.
if echo "$needed" | grep -q '^libpthread' && [ "$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/.*2\.//')" -ge 34 ]; then
  echo "FAIL: libpthread is needed on a libc that holds it"; failed=1
fi
"${STRIP:-strip}" -o "$scratch/stripped.so" "$library"
echo "JPEG=$jpeg PNG=$png:" $needed "stripped $(wc -c <"$scratch/stripped.so") bytes"
exit $failed
