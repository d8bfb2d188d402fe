#!/bin/sh
# tools/convert.py on the golden files, where a Python with h5py is at hand: $EFME_PYTHON, or python3.
set -eu
python=${EFME_PYTHON:-python3}
golden=${EFME_SHARED:-../shared}/golden
if [ ! -r "$golden/cut3_48.keras" ]; then
  echo "SKIP: $golden is not here"
  exit 77
fi
if ! "$python" -c "import numpy, h5py" 2>/dev/null; then
  echo "SKIP: $python has no numpy and h5py (EFME_PYTHON names another Python)"
  exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$python" tests/weights/convert.py tools/convert.py "$golden" "$scratch"
