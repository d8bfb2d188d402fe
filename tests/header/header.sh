#!/bin/sh
# header.sh SOURCE: every public header compiles alone, as C99, C11 and C++11, pedantic, without a warning, under each compiler
# that is here; efme.h includes all the others; and every _INIT macro initialises every field of its struct, in both languages.
set -eu
source=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0 compiled=0 inits=0

# compile COMPILER LANGUAGE STANDARD HEADER
compile() {
  command -v "$1" >/dev/null || return 0
  # Twice in a row: the include guard works. Only include/ is searched, so nothing private can be included.
  printf '#include <efme/%s>\n#include <efme/%s>\n%s\n' "$4" "$4" 'extern int used; int used = 1;' >"$scratch/alone.$2"
  # -Wextra warns of a field that an initialiser leaves out.
  sed -n 's/^#define \(EFME_[A-Z0-9_]*_INIT\) .*sizeof(\(efme_[a-z0-9_]*\)).*/\2 init_\2(void); \2 init_\2(void) { \2 s = \1; return s; }/p' \
    "$source/include/efme/$4" >>"$scratch/alone.$2"
  inits=$((inits + $(grep -c ' init_efme' "$scratch/alone.$2" || true)))
  if ! "$1" "-std=$3" -pedantic -Wall -Wextra -Wshadow -Werror -I"$source/include" -fsyntax-only "$scratch/alone.$2"; then
    echo "FAIL: efme/$4 alone as $3 with $1"
    failed=$((failed + 1))
  fi
  compiled=$((compiled + 1))
}

for header in "$source"/include/efme/*.h; do
  name=${header##*/}
  for cc in gcc clang; do
    compile $cc c c99 "$name"
    compile $cc c c11 "$name"
  done
  for cxx in g++ clang++; do compile $cxx cpp c++11 "$name"; done
  if [ "$name" != efme.h ] && [ -f "$source/include/efme/efme.h" ] && ! grep -q "^#include \"efme/$name\"" "$source/include/efme/efme.h"; then
    echo "FAIL: efme.h does not include efme/$name"
    failed=$((failed + 1))
  fi
done
[ -f "$source/include/efme/efme.h" ] || { echo "FAIL: include/efme/efme.h is missing"; failed=$((failed + 1)); }
[ "$compiled" -ge 18 ] || { echo "FAIL: only $compiled compilations: is there no compiler?"; failed=$((failed + 1)); }
[ "$inits" -ge 18 ] || { echo "FAIL: only $inits initialisers tried"; failed=$((failed + 1)); }
echo "$compiled compilations, $inits initialisers, $failed failures"
[ "$failed" -eq 0 ]
