#!/bin/sh
# tools/mtcnn.py on a wheel made from the weights in ../shared.
set -eu
weights=${EFME_SHARED:-../shared}/data/mtcnn/mtcnn.safetensors
[ -r "$weights" ] || { echo "SKIP: $weights is not here"; exit 77; }
command -v python3 >/dev/null || { echo "SKIP: no python3 here"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 tests/face/tool.py tools/mtcnn.py "$weights" "$scratch"
