#!/usr/bin/env python3
"""Start to first result of a program: wall time and peak memory over several runs, medians.

  first_result.py RUNS -- efme-predict --weights FILE IMAGE"""
import os, statistics, subprocess, sys, time
runs, command = int(sys.argv[1]), sys.argv[sys.argv.index("--") + 1:]
ms, mib = [], []
for _ in range(runs + 1):
    t = time.perf_counter(); child = subprocess.Popen(command, stdout=subprocess.DEVNULL); _, status, usage = os.wait4(child.pid, 0)
    ms.append((time.perf_counter() - t) * 1e3); mib.append(usage.ru_maxrss / 1024)
    if status: sys.exit(f"it failed: {status}")
print(f"start to end: median {statistics.median(ms[1:]):.1f} ms, min {min(ms[1:]):.1f}; peak memory {max(mib):.1f} MiB")
