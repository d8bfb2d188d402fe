#!/bin/sh
# readme.sh SOURCE: the program that README.md shows is examples/consumer/consumer.c, word for word (but for its opening comment),
# so that what is shown is what is built; and the commands that it names exist.
set -eu
cd "$1"
shown=$(mktemp)
real=$(mktemp)
trap 'rm -f "$shown" "$real"' EXIT
awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' README.md >"$shown"
sed '1{/^\/\*.*\*\/$/d}' examples/consumer/consumer.c >"$real"
diff "$real" "$shown" || { echo "FAIL: README.md shows another program than examples/consumer/consumer.c"; exit 1; }
for script in $(grep -oE 'sh tools/[a-z_-]+\.sh' README.md | sed 's/sh //' | sort -u) tools/demo.sh tools/test.sh; do
  [ -f "$script" ] || { echo "FAIL: README.md names $script, which is missing"; exit 1; }
  sh -n "$script"
done
grep -q 'tools/test.sh' .ci/run || { echo "FAIL: .ci/run does not run the README's test command"; exit 1; }
