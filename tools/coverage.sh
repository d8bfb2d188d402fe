#!/bin/sh
# coverage.sh: runs the tests on a build that counts, and prints which part of each folder's lines in lib/ ran. Arguments go to ctest.
# What did not run stands in build/coverage/lines.csv and, line by line, in build/coverage/html.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh gcovr
jobs=${EFME_JOBS:-$(nproc)}
cmake --preset coverage -DEFME_TESTS=ON
cmake --build --preset coverage -j "$jobs"
find build/coverage -name '*.gcda' -delete
ctest --preset coverage -j "$jobs" -LE package "$@"
mkdir -p build/coverage/html
gcovr -r . --filter lib/ --exclude lib/cpu/ref/ -j "$jobs" --csv build/coverage/lines.csv --html-details build/coverage/html/index.html build/coverage >/dev/null
awk -F, 'NR > 1 { folder = $1; sub("/[^/]*$", "", folder); lines[folder] += $2; ran[folder] += $3; all += $2; hit += $3 }
  END { for (f in lines) printf "%-16s %6d lines  %5.1f %%\n", f, lines[f], 100 * ran[f] / lines[f]
        printf "%-16s %6d lines  %5.1f %%\n", "~all", all, 100 * hit / all }' build/coverage/lines.csv | sort | tr -d '~'
