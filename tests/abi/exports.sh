#!/bin/sh
# exports.sh SOURCE: prints, sorted, every function that a public header declares with EFME_API.
set -eu
for header in "$1"/include/efme/*.h; do
  [ "${header##*/}" = export.h ] && continue # it defines the macro
  # Comments out (block comments may run over lines), preprocessor lines out, then one declaration a line.
  sed 's|//.*||' "$header" | tr '\n' '\001' | sed 's|/\*[^*]*\*\**\([^/*][^*]*\*\**\)*/| |g' | tr '\001' '\n' |
    grep -v '^[[:space:]]*#' | tr '\n' ' ' | tr ';{}' '\n\n\n'
done | grep 'EFME_API' | sed 's/.*EFME_API//; s/(.*//; s/[[:space:]]*$//; s/.*[ *]//' | LC_ALL=C sort
