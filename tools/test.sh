#!/bin/sh
# test.sh: from a fresh checkout to a passed test run: installs what is missing, builds the release preset, runs every test, says what
# was skipped.
# Arguments go to ctest: `sh tools/test.sh -L fast`. EFME_JOBS: how many at a time (all CPUs).
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh
jobs=${EFME_JOBS:-$(nproc)}
cmake --preset release -DEFME_TESTS=ON
cmake --build --preset release -j "$jobs"
code=0
ctest --preset release -j "$jobs" "$@" || code=$?
sh tools/skipped.sh build/release
exit "$code"
