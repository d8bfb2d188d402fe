#!/bin/sh
# demo.sh: from a fresh checkout to results, on the built-in synthetic faces: installs what is missing, builds, pre-trains on strong
# expressions, runs leave-one-subject-out on weak expressions of other people from those weights, classifies a few faces.
# A small recipe that takes minutes, not the paper's. Results stay in build/demo.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh
jobs=${EFME_JOBS:-$(nproc)}
cmake --preset release
cmake --build --preset release -j "$jobs" --target efme-pretrain efme-loso efme-predict
bin=build/release/examples out=build/demo
rm -rf "$out"
mkdir -p "$out"
start=$(date +%s)

step() {
  echo
  echo "== $1"
  shift
  echo "\$ $*"
  code=0
  "$@" || code=$?
  # efme-loso ends with 4 when its audit has something to say; the report above says what.
  [ "$code" -eq 0 ] || [ "$code" -eq 4 ] || exit "$code"
}

step "Pre-training: 40 people, strong expressions" "$bin/efme-pretrain" --data synthetic:subjects=40,samples=24,min=0.6,max=1,seed=1 \
  --size 48 --preset scratch --epochs 8 --validate 0.2 --out "$out/pretrained.safetensors"
step "Leave-one-subject-out: 12 other people, weak expressions" "$bin/efme-loso" \
  --data synthetic:subjects=12,samples=18,min=0.2,max=0.5,first=1000,seed=2 --weights "$out/pretrained.safetensors" --preset head --out "$out/loso"
step "Prediction: the first faces of the built-in set, with their true class" "$bin/efme-predict" --weights "$out/pretrained.safetensors" --synthetic 3
echo
echo "done in $(($(date +%s) - start)) s after the build; metrics.json, predictions.csv and the folds are in $out/loso"
