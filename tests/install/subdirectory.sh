#!/bin/sh
# subdirectory.sh SOURCE: libefme as a folder of another project: its targets carry what they need, it adds nothing else to the
# host's build (no tests, examples, install rules), and it also builds without optimisation.
set -eu
source=$1
. "$source/tests/install/common.sh"
EFME_SANITIZE=''
by_cmake add_subdirectory "-DEFME_SOURCE=$source" -DCMAKE_BUILD_TYPE=Debug
mkdir "$scratch/none"
"$CMAKE" --install "$scratch/consumer" --prefix "$scratch/none" >"$scratch/log" 2>&1 || fail "install of the host project: $(cat "$scratch/log")"
[ -z "$(find "$scratch/none" -type f)" ] || fail "libefme put files into the host's install: $(find "$scratch/none" -type f | head -3)"
finish
