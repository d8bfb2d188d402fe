#!/usr/bin/env python3
"""facenet-pytorch's side of bench/compare.py, with efme-bench's protocol: `run SECONDS` on standard input, one JSON line back.

  face_peer.py IMAGE FACES THREADS"""
import json, os, resource, sys, time, types
path, faces, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.environ["OMP_NUM_THREADS"] = str(threads)
try: import requests
except ImportError: # it is for downloads of other models
    for name in ("requests", "requests.adapters"): sys.modules[name] = types.ModuleType(name)
    sys.modules["requests.adapters"].HTTPAdapter = object
import numpy as np, torch
from PIL import Image
from facenet_pytorch import MTCNN
torch.set_num_threads(threads)
net, image = MTCNN(min_face_size=40, keep_all=True), Image.open(path).convert("RGB")
def step():
    boxes, _, _ = net.detect(image, landmarks=True)
    if len(boxes) != faces: sys.exit(f"{len(boxes)} faces, not {faces}")
for _ in range(3): step()
print("ready", json.dumps({"torch": torch.__version__, "facenet_pytorch": "2.6.0"}), flush=True)
for line in sys.stdin:
    end, ts = time.perf_counter() + float(line.split()[1]), []
    while time.perf_counter() < end or len(ts) < 3:
        t = time.perf_counter(); step(); ts.append((time.perf_counter() - t) * 1e3)
    print(json.dumps({"ms": float(np.median(ts)), "min": min(ts), "calls": len(ts), "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}), flush=True)
