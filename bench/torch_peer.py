#!/usr/bin/env python3
"""PyTorch's side of bench/compare.py, with efme-bench's protocol: `run SECONDS` on standard input, one JSON line back.

  torch_peer.py infer CUT SIZE BATCH THREADS | train CUT SIZE BATCH THREADS [fixed]"""
import json, os, resource, sys, time
what, cut, size, batch, threads = sys.argv[1], *map(int, sys.argv[2:6])
os.environ["OMP_NUM_THREADS"] = str(threads)
import numpy as np, torch, torch.nn.functional as F
from torch_model import Net
torch.set_num_threads(threads); torch.manual_seed(0)
net = Net(cut).to(memory_format=torch.channels_last)
x = (torch.rand(batch, 3, size, size) * 255).contiguous(memory_format=torch.channels_last)
if what == "infer":
    net.eval()
    def step():
        with torch.inference_mode(): net(x)
else:
    net.train(); y = torch.randint(0, 3, (batch,)); opt = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7)
    if "fixed" in sys.argv:
        for m in net.modules():
            if isinstance(m, torch.nn.BatchNorm2d): m.eval()
    def step():
        opt.zero_grad(); F.cross_entropy(net(x), y).backward(); opt.step()
for _ in range(3): step()
print("ready", json.dumps({"torch": torch.__version__}), flush=True)
for line in sys.stdin:
    end, ts = time.perf_counter() + float(line.split()[1]), []
    while time.perf_counter() < end or len(ts) < 3:
        t = time.perf_counter(); step(); ts.append((time.perf_counter() - t) * 1e3 / batch)
    print(json.dumps({"ms": float(np.median(ts)), "min": min(ts), "calls": len(ts), "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}), flush=True)
