#!/bin/sh
# subdirectory.sh SOURCE JPEG PNG: libefme as a folder of another project: its targets carry what they need, and it adds nothing else to the
# host's build (no tests, examples, install rules). As this builds the library once more, it does so in all that the present build is not:
# with the decoders that it has not (JPEG and PNG say what it has), unoptimised, with make where there is one; it looks at what that
# library needs and defines, and installs it after all, so that efme.pc and the package are tried with the other decoders too.
set -eu
source=$1
flip() { [ "$1" = OFF ] && echo ON || echo OFF; }
jpeg=$(flip "$2") png=$(flip "$3")
. "$source/tests/install/common.sh"
[ -z "${EFME_SANITIZE:-}" ] || { echo "SKIP: nothing of it depends on sanitizers: left to the plain builds"; exit 77; }
for module in $([ "$jpeg" = OFF ] || echo libjpeg) $([ "$png" = OFF ] || echo libpng); do
  "$PKG_CONFIG" --exists "$module" || { echo "SKIP: $module is not installed here"; exit 77; }
done

command -v make >/dev/null && generator='Unix Makefiles'
by_cmake add_subdirectory "-DEFME_SOURCE=$source" -DCMAKE_BUILD_TYPE=Debug "-DEFME_JPEG=$jpeg" "-DEFME_PNG=$png"
sh "$source/tests/abi/needed.sh" "$scratch/consumer/efme/lib/libefme.so" "$jpeg" "$png" || fail "needed libraries"
sh "$source/tests/abi/symbols.sh" "$scratch/consumer/efme/lib/libefme.a" || fail "symbols of the static library"
mkdir "$scratch/none"
"$CMAKE" --install "$scratch/consumer" --prefix "$scratch/none" >"$scratch/log" 2>&1 || fail "install of the host project: $(cat "$scratch/log")"
[ -z "$(find "$scratch/none" -type f)" ] || fail "libefme put files into the host's install: $(find "$scratch/none" -type f | head -3)"

"$CMAKE" "$scratch/consumer" -DEFME_INSTALL=ON >"$scratch/log" 2>&1 && "$CMAKE" --build "$scratch/consumer" -j 2 >>"$scratch/log" 2>&1 &&
  "$CMAKE" --install "$scratch/consumer" --prefix "$scratch/other" >>"$scratch/log" 2>&1 || fail "install: $(tail -20 "$scratch/log")"
for module in $([ "$jpeg" = OFF ] || echo jpeg) $([ "$png" = OFF ] || echo png); do
  PKG_CONFIG_PATH=$(dirname "$(find "$scratch/other" -name efme.pc)") "$PKG_CONFIG" --static --libs efme | grep -q -- "-l$module" || fail "efme.pc lacks $module"
done
try_prefix "$scratch/other" "other decoders"
finish
