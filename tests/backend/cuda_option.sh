#!/bin/sh
# EFME_CUDA: ON without a toolkit is an error that says so, AUTO and OFF then build no module; with one, AUTO and ON build and install it.
# Anything else is no setting.
set -eu
dir=$1
cmake=${CMAKE:-cmake}
rm -rf "$dir"
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT

configure() { # log name, options
  log=$dir/$1.log
  shift
  "$cmake" -S . -B "$dir/build" -DEFME_TESTS=OFF -DEFME_EXAMPLES=OFF -DEFME_BENCH=OFF "$@" >"$log" 2>&1
}
has_module() {
  "$cmake" --build "$dir/build" --target help >"$dir/targets"
  grep -q efme_cuda "$dir/targets"
}
fail() {
  echo "FAIL: $1"
  cat "$dir"/*.log
  exit 1
}

if configure none-on -DEFME_CUDA=ON -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON; then fail "ON without a toolkit was accepted"; fi
tr -s ' \n' ' ' <"$dir/none-on.log" | grep -q "EFME_CUDA=ON, but no CUDA toolkit is found" || fail "ON without a toolkit does not say why"
rm -rf "$dir/build"
if configure wrong -DEFME_CUDA=auto; then fail "a wrong setting was accepted"; fi
grep -q "EFME_CUDA=auto: AUTO, ON and OFF are possible" "$dir/wrong.log" || fail "a wrong setting is not named"
rm -rf "$dir/build"
configure none-auto -DEFME_CUDA=AUTO -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON || fail "AUTO without a toolkit"
grep -q "CUDA module: not built" "$dir/none-auto.log" || fail "AUTO without a toolkit does not say so"
if has_module; then fail "AUTO without a toolkit has the module"; fi
rm -rf "$dir/build"
configure off -DEFME_CUDA=OFF || fail "OFF"
if has_module; then fail "OFF has the module"; fi
rm -rf "$dir/build"
configure auto -DEFME_CUDA=AUTO || fail "AUTO"
if grep -q "CUDA module: not built" "$dir/auto.log"; then
  echo "SKIP: no CUDA toolkit here: the module itself was not built"
  exit 0
fi
has_module || fail "AUTO with a toolkit has no module"
rm -rf "$dir/build"
configure on -DEFME_CUDA=ON || fail "ON with a toolkit"
"$cmake" --build "$dir/build" --target efme_cuda >"$dir/build.log" 2>&1 || fail "the module does not build"
"$cmake" --install "$dir/build/cuda" --prefix "$dir/prefix" >"$dir/install.log" 2>&1 || fail "the module does not install"
module=$(find "$dir/prefix" -path "*/efme/efme-cuda.so")
[ -n "$module" ] || fail "efme-cuda.so is not in lib/efme"
exported=$("${NM:-nm}" -D --defined-only "$module" | awk '{ print $3 }' | grep -vxE '_init|_fini' | tr '\n' ' ')
[ "$exported" = "efme_backend_entry " ] || fail "the module exports $exported"
