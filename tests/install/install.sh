#!/bin/sh
# install.sh SOURCE BUILD: what is installed is enough, and may be moved. The build is installed into a scratch prefix; the C and
# C++ programs of examples/consumer are built against it, shared and static, through pkg-config and through find_package, and run;
# then the prefix is moved, and all of it is done again.
set -eu
source=$1 build=$2
. "$source/tests/install/common.sh"

"$CMAKE" --install "$build" --prefix "$scratch/first" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
# Public headers only, all of them.
(cd "$scratch/first/include" && find . -type f | sort) >"$scratch/installed"
(cd "$source/include" && find . -type f -name '*.h' | sort) >"$scratch/public"
cmp -s "$scratch/installed" "$scratch/public" || fail "installed headers are not those of include/: $(diff "$scratch/installed" "$scratch/public" | tr '\n' ' ')"
# A path of this machine in what is installed would break relocation.
for file in $(find "$scratch/first" -name '*.pc' -o -name '*.cmake'); do
  grep -l -e "$scratch" -e "$source" -e "$build" "$file" && fail "${file#"$scratch"/} holds an absolute path"
done

try_prefix "$scratch/first" first
mkdir -p "$scratch/elsewhere"
mv "$scratch/first" "$scratch/elsewhere/moved"
try_prefix "$scratch/elsewhere/moved" moved
finish
