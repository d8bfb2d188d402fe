#!/bin/sh
# tools/convert.py on the golden files, where a Python with h5py is at hand: $EFME_PYTHON, or python3.
set -eu
golden=${EFME_SHARED:-../shared}/golden
if [ ! -r "$golden/cut3_48.keras" ]; then
  echo "SKIP: $golden is not here"
  exit 77
fi
python=
for candidate in "${EFME_PYTHON:-python3}" /usr/bin/python3; do # another python3 may stand before the one that Debian's packages are for
  if [ -z "$python" ] && "$candidate" -c "import numpy, h5py" 2>/dev/null; then python=$candidate; fi
done
if [ -z "$python" ]; then
  echo "SKIP: no Python with numpy and h5py here (EFME_PYTHON names one)"
  exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$python" tests/weights/convert.py tools/convert.py "$golden" "$scratch"
