#!/bin/sh
# layering.sh SOURCE: nothing includes upward. The arrows of docs/conventions.md:
#   include/efme <- lib/api -> {net, train, data, release, face, eval, prepare} -> lib/backend/backend.h <- {lib/cpu, cuda};  io, util are leaves
# Every #include "..." of the tree is reduced to the folder that it names and looked up in the list of its own folder.
set -eu
cd "$1"
list=$(mktemp)
trap 'rm -f "$list"' EXIT
# file, included, quoted or angle, for every #include
find include lib cuda examples bench -type f \( -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' -o -name '*.inc' \) 2>/dev/null | sort |
  while read -r file; do
    sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1	quoted/p; s/^[[:space:]]*#[[:space:]]*include[[:space:]]*<\([^>]*\)>.*/\1	angle/p' "$file" |
      sed "s|^|$file	|"
  done >"$list"

awk -F '\t' '
BEGIN {
  # folder -> the folders whose headers it may include, besides its own; "public" is include/efme.
  may["public"] = ""
  may["util"] = "public"
  may["io"] = "public util"
  may["backend"] = "public util" # the registry
  may["cpu"] = "public util backend.h"
  may["cuda"] = "public util backend.h"
  may["net"] = "public util io backend.h context.h"
  may["data"] = "public util io net train backend.h context.h"
  may["release"] = "public util io data context.h" # readers of archives, above the datasets that they make
  may["train"] = "public util io net data backend.h context.h scores.h" # validation scores: eval/scores.h is arithmetic alone
  may["face"] = "public util io net data backend.h context.h"
  may["prepare"] = "public util io data face backend.h context.h"
  may["eval"] = "public util io net data train face backend.h context.h"
  may["api"] = "public util io net data release train face eval prepare scores.h backend.h context.h backend"
  may["examples"] = "public"
  may["bench"] = "public"
}
function folder_of(path, parts, n) {
  n = split(path, parts, "/")
  if (path ~ /^include\/efme\//) return "public"
  if (path ~ /^lib\//) return n > 2 ? parts[2] : "lib"
  return parts[1]
}
{
  from = folder_of($1)
  name = $2
  checked++
  if (name ~ /^efme\//) target = "public"
  else if (name ~ /^backend\/backend\.h$/) target = "backend.h"
  else if (name ~ /^backend\/context\.h$/) target = "context.h"
  else if (name == "eval/scores.h" && from != "eval") target = "scores.h"
  else if (name ~ /^\.\.\//) { print "FAIL: " $1 " includes " name ": write the path from lib/"; bad++; next }
  else if (name ~ /\//) { split(name, p, "/"); target = p[1]; if (!(target in may)) next } # a system or third-party header
  else { # beside the file itself, or a system header
    here = $1; sub(/[^\/]*$/, name, here)
    if ($3 == "quoted" && system("test -f \"" here "\"") != 0) { print "FAIL: " $1 " includes \"" name "\", which does not lie beside it"; bad++ }
    next
  }
  if (!(from in may)) { print "FAIL: " $1 ": no rule for folder " from; bad++; next }
  # cpu/ref is part of cpu, and so on: own folder is always allowed.
  if (target == from || (target ~ /\.h$/ && from == "backend")) next
  if (index(" " may[from] " ", " " target " ") == 0) { print "FAIL: " $1 " includes " name ": " from " may include only: " may[from]; bad++ }
}
END {
  print checked " includes, " bad + 0 " upward"
  if (checked < 20) { print "FAIL: too few includes seen"; bad++ }
  exit bad ? 1 : 0
}' "$list"
