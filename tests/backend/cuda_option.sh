#!/bin/sh
# EFME_CUDA: ON without a toolkit is an error that says so, AUTO and OFF then build no module; with one, AUTO builds and installs it.
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
fail() {
  echo "FAIL: $1"
  cat "$dir"/*.log
  exit 1
}

if configure none-on -DEFME_CUDA=ON -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON; then fail "ON without a toolkit was accepted"; fi
tr -s ' \n' ' ' <"$dir/none-on.log" | grep -q "EFME_CUDA=ON, but no CUDA toolkit is found" || fail "ON without a toolkit does not say why"
rm -rf "$dir/build"
configure none-auto -DEFME_CUDA=AUTO -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON || fail "AUTO without a toolkit"
grep -q "CUDA module: not built" "$dir/none-auto.log" || fail "AUTO without a toolkit does not say so"
if "$cmake" --build "$dir/build" --target help | grep -q "efme_cuda"; then fail "AUTO without a toolkit has the module"; fi
rm -rf "$dir/build"
configure off -DEFME_CUDA=OFF || fail "OFF"
if "$cmake" --build "$dir/build" --target help | grep -q "efme_cuda"; then fail "OFF has the module"; fi
rm -rf "$dir/build"
configure auto -DEFME_CUDA=AUTO || fail "AUTO"
if grep -q "CUDA module: not built" "$dir/auto.log"; then
  echo "no CUDA toolkit here: the module itself was not built"
  exit 0
fi
"$cmake" --build "$dir/build" --target efme_cuda >"$dir/build.log" 2>&1 || fail "the module does not build"
"$cmake" --install "$dir/build/cuda" --prefix "$dir/prefix" >"$dir/install.log" 2>&1 || fail "the module does not install"
find "$dir/prefix" -path "*/efme/efme-cuda.so" | grep -q . || fail "efme-cuda.so is not in lib/efme"
