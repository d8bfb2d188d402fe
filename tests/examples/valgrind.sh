#!/bin/sh
# valgrind.sh PRETRAIN PREDICT: one training step and one forward of the whole network under valgrind's memory check: nothing unset is read,
# nothing leaks. What it does not know of the processor (AVX-512) is not there then.
set -eu
[ -z "${EFME_SANITIZE:-}" ] || { echo "SKIP: a sanitizer is built in"; exit 77; }
command -v valgrind >/dev/null || { echo "SKIP: valgrind is not installed here"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
valgrind -q "$2" --help >"$scratch/log" 2>&1 || ! grep -q "debuginfo reader" "$scratch/log" || {
  echo "SKIP: this valgrind cannot read the debug information of this compiler"
  exit 77
}
check() { valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect "$@"; }
check "$1" --data synthetic:subjects=2,samples=3,size=32 --size 32 --batch 8 --epochs 1 --threads 2 --out "$scratch/weights"
check "$2" --weights "$scratch/weights" --synthetic 1 --threads 2
