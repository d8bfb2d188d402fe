#!/bin/sh
# layout.sh SOURCE [--print]: size and field offsets of every public struct, on LP64, and the number of every enumerator are those of
# tests/abi/layout.txt. A field may be added at a struct's end only; whoever adds one adds its line (`sh tests/abi/layout.sh . --print >tests/abi/layout.txt`) and tells it
# in CHANGELOG.md under ABI. A line that changes or goes is a broken ABI.
set -eu
source=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[ "$(getconf LONG_BIT)" = 64 ] || { echo "SKIP: the numbers are those of 64-bit machines"; exit 77; }

{
  echo '#include <efme/efme.h>'
  echo '#include <stddef.h>'
  echo '#include <stdio.h>'
  echo 'int main(void) {'
  for header in "$source"/include/efme/*.h; do
    # Comments and preprocessor lines out, then a line for each struct (@name;fields) and each enum (#name;enumerators).
    sed 's|//.*||' "$header" | tr '\n' '\001' | sed 's|/\*[^*]*\*\**\([^/*][^*]*\*\**\)*/| |g' | tr '\001' '\n' | grep -v '^[[:space:]]*#' | tr '\n' ' ' |
      sed 's/typedef struct \(efme_[a-z0-9_]*\) {\([^}]*\)}/\n@\1;\2\n/g; s/typedef enum \(efme_[a-z0-9_]*\) {\([^}]*\)}/\n#\1;\2\n/g' | grep '^[@#]' || true
  done | awk -F ';' '
  /^#/ {
    n = split($2, list, ",")
    for (j = 1; j <= n; j++) { name = list[j]; gsub(/[ \t]|=.*/, "", name); if (name != "") printf "  printf(\"%s %%d\\n\", (int)%s);\n", name, name }
  }
  /^@/ {
    sub(/^@/, "", $1)
    printf "  printf(\"%s: size %%zu\\n\", sizeof(%s));\n", $1, $1
    for (i = 2; i <= NF; i++) {
      field = $i
      if (field !~ /[a-z]/) continue
      if (match(field, /\(\*[a-z0-9_]+\)/)) { n = 1; list[1] = substr(field, RSTART + 2, RLENGTH - 3) }
      else n = split(field, list, ",")
      for (j = 1; j <= n; j++) {
        name = list[j]
        sub(/\[.*/, "", name); sub(/[ \t]+$/, "", name); sub(/.*[ *]/, "", name)
        printf "  printf(\"%s.%s %%zu\\n\", offsetof(%s, %s));\n", $1, name, $1, name
      }
    }
  }'
  echo '  return 0; }'
} >"$scratch/layout.c"
# No padding: a field that came into it later would read what an older caller never wrote.
"${CC:-cc}" -std=c11 -Werror=padded -I"$source/include" "$scratch/layout.c" -o "$scratch/layout"
"$scratch/layout" >"$scratch/now"
if [ "${2:-}" = --print ]; then cat "$scratch/now"; exit 0; fi
structs=$(grep -c ': size' "$scratch/now")
echo "$structs structs, $(grep -c '\.' "$scratch/now") fields, $(grep -c '^EFME' "$scratch/now") enumerators"
[ "$structs" -ge 20 ] || { echo "FAIL: too few structs found"; exit 1; }
diff "$source/tests/abi/layout.txt" "$scratch/now" || { echo "FAIL: a public struct is not as tests/abi/layout.txt has it; see the head of this script"; exit 1; }
