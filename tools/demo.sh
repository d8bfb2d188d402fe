#!/bin/sh
# demo.sh: from a fresh checkout to results, on faces that the library draws: installs what is missing, builds, pre-trains on strong
# expressions, writes SMIC, CASME II and SAMM with drawn people, prepares their composite of 442 clips, runs leave-one-subject-out over its
# 68 subjects from those weights, classifies a few faces. A small recipe of our own on a smaller network: two minutes of two cores, not the
# paper's recipe and not its figures. Results stay in build/demo. Where the face detector's weights cannot be fetched, frames are taken whole.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh python3 ca-certificates # for tools/mtcnn.py
jobs=${EFME_JOBS:-$(nproc)}
cmake --preset release
cmake --build --preset release -j "$jobs" --target efme-pretrain efme-release efme-prepare efme-loso efme-predict
bin=build/release/examples out=build/demo
rm -rf "$out"
mkdir -p "$out"
export EFME_MODEL_DIR="$PWD/build/models"
detect='' find=--whole
if [ -f "$EFME_MODEL_DIR/mtcnn.safetensors" ] || python3 tools/mtcnn.py --out "$EFME_MODEL_DIR"; then detect=--detect find='--min-face 24'; fi
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
step "Three archives in the official layouts, with drawn faces in the place of people" "$bin/efme-release" "$out/archives" $detect
step "The composite: 442 apex frames, faces found, turned upright and cut out" "$bin/efme-prepare" --smic "$out/archives/SMIC" \
  --casme2 "$out/archives/CASME2" --samm "$out/archives/SAMM" --size 48 $find --out "$out/faces"
step "Leave-one-subject-out over its 68 subjects: the head alone, on cached features" "$bin/efme-loso" \
  --data "manifest:$out/faces/manifest.csv" --weights "$out/pretrained.safetensors" --preset head --out "$out/loso"
step "Prediction: faces of a person that no training saw, with the true class" "$bin/efme-predict" \
  --weights "$out/pretrained.safetensors" --synthetic 3
echo
echo "done in $(($(date +%s) - start)) s after the build; metrics.json, predictions.csv and the folds are in $out/loso,"
echo "the faces on one page in $out/faces/faces.html"
