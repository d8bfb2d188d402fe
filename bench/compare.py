#!/usr/bin/env python3
"""libefme against PyTorch (and facenet-pytorch, rows detect-*) on the same work, in interleaved pairs; prints a Markdown table of medians and of ratios.

  compare.py --bench build/bench/efme-bench --golden DIR [--python PYTHON] [--rounds 9] [--seconds 1] [--threads 2]
             [--faces DIR --mtcnn WEIGHTS] [rows ...]

DIR holds cut5_48.safetensors, cut5_48_weights.safetensors and the same for 224 (tensors x, logits; Keras names). PYTHON
has torch and numpy. The rows detect-* want DIR of photographs (obama.jpg, astronaut.png, solvay1927.jpg), the weights that tools/mtcnn.py
fetches, and facenet-pytorch and Pillow in PYTHON. In each round both sides run for SECONDS, one after the other, in changing order; a ratio belongs to one round."""
import argparse, json, os, platform, statistics, subprocess, sys, time
p = argparse.ArgumentParser(); p.add_argument("--bench", required=True); p.add_argument("--golden", required=True)
p.add_argument("--python", default=sys.executable); p.add_argument("--rounds", type=int, default=9); p.add_argument("--seconds", type=float, default=1.0)
p.add_argument("--threads", type=int, default=2); p.add_argument("--faces"); p.add_argument("--mtcnn"); p.add_argument("rows", nargs="*"); a = p.parse_args()
here = os.path.dirname(os.path.abspath(__file__))
ROWS = {f"{w}-{s}-{b}": (w, s, b) for w, s, b in [("infer", 224, 1), ("infer", 224, 16), ("infer", 48, 1), ("infer", 48, 16), ("train", 48, 16), ("train", 224, 16)]}

DETECT = {f"detect-{n.partition('.')[0]}": (n, faces) for n, faces in [("obama.jpg", 1), ("astronaut.png", 1), ("solvay1927.jpg", 30)]}

class Side:
    def __init__(s, command):
        s.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=here)
        for line in s.p.stdout:
            if line.startswith("ready"): break
        else: sys.exit("failed: " + " ".join(command))
        s.info = line[6:].strip()
    def run(s):
        s.p.stdin.write(f"run {a.seconds}\n"); s.p.stdin.flush(); line = s.p.stdout.readline()
        if not line: sys.exit("a side ended early")
        return json.loads(line)
    def end(s):
        s.p.stdin.close()
        if s.p.wait(): sys.exit("a side found its own results wrong")

cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
print(f"{cpu}, {os.cpu_count()} CPUs, {a.threads} threads, {time.strftime('%Y-%m-%d')}, {a.rounds} rounds of {a.seconds} s\n")
print("| row | libefme ms/image | PyTorch ms/image | ratio (median of pairs) | min..max | libefme MiB | PyTorch MiB |\n|---|---|---|---|---|---|---|")
for name in a.rows or (list(ROWS) + (list(DETECT) if a.faces and a.mtcnn else [])):
    what, size, batch = ROWS.get(name, ("detect", 0, 1)); g = os.path.abspath(a.golden); bench = os.path.abspath(a.bench)
    tail = ["5", str(size), str(batch), str(a.threads)]
    ours = [bench, "infer", f"{g}/cut5_{size}_weights.safetensors", f"{g}/cut5_{size}.safetensors", *tail] if what == "infer" else [bench, "train", *tail]
    theirs = [a.python, os.path.join(here, "torch_peer.py"), what, *tail]
    if name in DETECT:
        photo, faces = DETECT[name]; path = os.path.join(os.path.abspath(a.faces), photo)
        ours = [bench, "detect", os.path.abspath(a.mtcnn), path, str(faces), str(a.threads)]
        theirs = [a.python, os.path.join(here, "face_peer.py"), path, str(faces), str(a.threads)]
    o, t = Side(ours), Side(theirs); pairs = []
    for i in range(a.rounds):
        first, second = (o, t) if i % 2 == 0 else (t, o)
        time.sleep(.2); r1 = first.run(); time.sleep(.2); r2 = second.run(); pairs.append((r1, r2) if i % 2 == 0 else (r2, r1))
    ratio = [x["ms"] / y["ms"] for x, y in pairs]; m = statistics.median
    print(f"| {f'detect, {DETECT[name][0]}' if name in DETECT else f'{what} {size}, batch {batch}'} | {m(x['ms'] for x, _ in pairs):.3f} | {m(y['ms'] for _, y in pairs):.3f} | {m(ratio):.3f} | {min(ratio):.3f}..{max(ratio):.3f} | {pairs[-1][0]['rss_mib']} | {pairs[-1][1]['rss_mib']} |", flush=True)
    peer = t.info; o.end(); t.end()
print("\nPyTorch:", peer)
