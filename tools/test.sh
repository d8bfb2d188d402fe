#!/bin/sh
# test.sh: from a fresh checkout to a passed test run: installs what is missing, builds the release preset, runs every test.
# Arguments go to ctest: `sh tools/test.sh -L fast`. EFME_JOBS: how many at a time (all CPUs).
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh
jobs=${EFME_JOBS:-$(nproc)}
cmake --preset release -DEFME_TESTS=ON
cmake --build --preset release -j "$jobs"
ctest --preset release -j "$jobs" "$@"
