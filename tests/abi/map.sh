#!/bin/sh
# map.sh SOURCE LIBEFME_SO: three lists agree, name by name: what the public headers declare, what lib/efme.map names, and what the
# shared library exports under that version node.
set -eu
source=$1 library=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
LC_ALL=C
export LC_ALL
failed=0

sh "$source/tests/abi/exports.sh" "$source" >"$scratch/declared"
[ "$(wc -l <"$scratch/declared")" -ge 20 ] || { echo "FAIL: fewer than 20 declarations found: is exports.sh broken?"; exit 1; }
uniq -d "$scratch/declared" >"$scratch/twice"
[ ! -s "$scratch/twice" ] || { echo "FAIL: declared twice:"; cat "$scratch/twice"; failed=1; }

# "name@NODE", sorted, from the map: the global names of each node.
sed 's/#.*//' "$source/lib/efme.map" | awk '
  /^[A-Za-z0-9_.]+[[:space:]]*\{/ { node = $1; sub(/\{.*/, "", node); global = 0 }
  /global:/ { global = 1; sub(/.*global:/, "") }
  /local:/ { global = 0 }
  global { gsub(/[[:space:]]/, ""); n = split($0, names, ";"); for (i = 1; i <= n; i++) if (names[i] != "") print names[i] "@" node }
' | sort >"$scratch/map"
sed 's/@.*//' "$scratch/map" | sort >"$scratch/mapped"
nm -D --defined-only --with-symbol-versions "$library" | awk '$2 != "A" { sub(/@@/, "@", $3); print $3 }' | sort >"$scratch/exported"

# compare WHAT LEFT RIGHT: prints what is in one list only.
compare() {
  if ! cmp -s "$2" "$3"; then
    echo "FAIL: $1 (< only in the first, > only in the second)"
    diff "$2" "$3" | grep '^[<>]' || true
    failed=1
  fi
}
compare "include/efme and lib/efme.map differ" "$scratch/declared" "$scratch/mapped"
compare "lib/efme.map and the shared library differ" "$scratch/map" "$scratch/exported"

# The newest node is the version of the headers; every node is EFME_major.minor and no newer than that.
major=$(sed -n 's/#define EFME_VERSION_MAJOR //p' "$source/include/efme/version.h")
minor=$(sed -n 's/#define EFME_VERSION_MINOR //p' "$source/include/efme/version.h")
for node in $(sed 's/.*@//' "$scratch/map" | sort -u); do
  case $node in
  EFME_[0-9]*.[0-9]*) ;;
  *) echo "FAIL: node $node is not EFME_major.minor"; failed=1; continue ;;
  esac
  n=${node#EFME_}
  if [ "${n%%.*}" -gt "$major" ] || { [ "${n%%.*}" -eq "$major" ] && [ "${n#*.}" -gt "$minor" ]; }; then
    echo "FAIL: node $node is newer than version $major.$minor of the headers"; failed=1
  fi
done
case $(grep -c '\*' "$scratch/mapped") in 0) ;; *) echo "FAIL: a pattern in the map: name every export"; failed=1 ;; esac

soname=$("${READELF:-readelf}" -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
[ "$soname" = "libefme.so.$major" ] || { echo "FAIL: soname is $soname, not libefme.so.$major"; failed=1; }
echo "$(wc -l <"$scratch/declared") declared, $(wc -l <"$scratch/mapped") mapped, $(wc -l <"$scratch/exported") exported, soname $soname"
exit $failed
