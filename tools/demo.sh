#!/bin/sh
# demo.sh: from a fresh checkout to results, on the built-in synthetic faces: installs what is missing, builds, pre-trains on strong
# expressions, runs leave-one-subject-out on weak expressions of other people from those weights, classifies a few faces.
# A small recipe of our own on a smaller network: a minute of two cores, not the paper's recipe and not its figures. Results stay
# in build/demo.
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

step "Pre-training: 120 people, strong expressions, a network cut after stage 3" "$bin/efme-pretrain" \
  --data synthetic:first=100,subjects=120,samples=24,min=0.6,max=1,seed=1 \
  --size 48 --cut 3 --preset scratch --epochs 24 --batch 16 --rate 0.005 --validate 0.1 --out "$out/pretrained.safetensors"
step "Leave-one-subject-out: 12 other people, weak expressions" "$bin/efme-loso" \
  --data synthetic:first=1000,subjects=12,samples=18,min=0.2,max=0.5,seed=2 \
  --weights "$out/pretrained.safetensors" --preset head --out "$out/loso"
step "Prediction: faces of a person that no training saw, with the true class" "$bin/efme-predict" \
  --weights "$out/pretrained.safetensors" --synthetic 3
echo
echo "done in $(($(date +%s) - start)) s after the build; metrics.json, predictions.csv and the folds are in $out/loso"
