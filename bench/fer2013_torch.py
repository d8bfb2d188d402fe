#!/usr/bin/env python3
"""The FER2013 scratch recipe of libefme in PyTorch: the peer that our training is held against.

  fer2013_torch.py fer2013.csv OUT.json [--seed S] [--epochs 20] [--threads 1]

Same network (Efficient-ME, Keras semantics and initialisation), same samples (Usage = Training, three classes,
balanced by libefme's documented draw with seed 1), same loss, schedule and augmentation; its own random numbers.
Scores PublicTest and PrivateTest (three classes, neutral dropped) with the weights of the last epoch."""
import argparse, csv, json, math, time
import numpy as np, torch, torch.nn.functional as F
from torch_model import Net
p = argparse.ArgumentParser(); p.add_argument("csv"); p.add_argument("out")
p.add_argument("--seed", type=int, default=0); p.add_argument("--epochs", type=int, default=20); p.add_argument("--threads", type=int, default=1)
p.add_argument("--batch", type=int, default=32); p.add_argument("--lr", type=float, default=2e-3)
a = p.parse_args(); torch.set_num_threads(a.threads); torch.manual_seed(a.seed)

def philox(index, purpose, seed):
    """Philox4x32-10, counter (0, index, 0, purpose), key (seed low, seed high): the first two words as one 64-bit number."""
    M0, M1, W0, W1, m = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57), 0x9E3779B9, 0xBB67AE85, np.uint64(0xFFFFFFFF)
    c = [np.zeros(len(index), np.uint64), np.asarray(index, np.uint64), np.zeros(len(index), np.uint64), np.full(len(index), purpose, np.uint64)]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        h, l = M0 * c[0], M1 * c[2]
        c = [(l >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), l & m, (h >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), h & m]
        k0, k1 = (k0 + W0) & 0xFFFFFFFF, (k1 + W1) & 0xFFFFFFFF
    return c[0] << np.uint64(32) | c[1]

MEG = {0: 0, 1: 0, 2: 0, 4: 0, 3: 1, 5: 2}
X, Y = {}, {}
for r in csv.DictReader(open(a.csv)):
    c = MEG.get(int(r["emotion"]))
    if c is None: continue
    X.setdefault(r["Usage"], []).append(np.array(r["pixels"].split(), np.uint8)); Y.setdefault(r["Usage"], []).append(c)
X = {k: np.stack(v).reshape(-1, 48, 48) for k, v in X.items()}; Y = {k: np.array(v) for k, v in Y.items()}
# --without split!=Training: images that a test split repeats are taken out of training
held = {x.tobytes() for u in X if u != "Training" for x in X[u]}
fresh = np.array([x.tobytes() not in held for x in X["Training"]]); X["Training"], Y["Training"] = X["Training"][fresh], Y["Training"][fresh]
# the draw of efme_dataset_balance: keep the n samples of each class with the smallest generator value of their position
key = philox(np.arange(len(Y["Training"])), 2, 1); n = np.bincount(Y["Training"]).min()
keep = np.sort(np.concatenate([np.flatnonzero(Y["Training"] == c)[np.argsort(key[Y["Training"] == c], kind="stable")[:n]] for c in range(3)]))
xt, yt = torch.from_numpy(X["Training"][keep]), torch.from_numpy(Y["Training"][keep]); print(len(yt), np.bincount(yt.numpy()), flush=True)

def augment(x):
    n = len(x); u = lambda r: (torch.rand(n) * 2 - 1) * r; on = lambda: (torch.rand(n) < .5).float()
    t, sc, fl = u(10 * math.pi / 180), 1 + u(.1), 1 - 2 * on()
    th = torch.zeros(n, 2, 3); th[:, 0, 0] = t.cos() / sc * fl; th[:, 0, 1] = t.sin() / sc * fl; th[:, 1, 0] = -t.sin() / sc; th[:, 1, 1] = t.cos() / sc
    th[:, 0, 2], th[:, 1, 2] = u(.16), u(.16)                       # +-8 % of the width: the grid spans 2
    x = F.grid_sample(x, F.affine_grid(th, list(x.shape), False), "bilinear", "border", False)
    b, c = 1 + u(.2) * on(), 1 + u(.2) * on()
    return (((x * b.view(-1, 1, 1, 1)) - 127.5) * c.view(-1, 1, 1, 1) + 127.5).clamp(0, 255)
net = Net(); opt = torch.optim.Adam(net.parameters(), lr=a.lr, eps=1e-7)
steps = math.ceil(len(yt) / a.batch); total = a.epochs * steps; t = 0; t0 = time.time()
for e in range(a.epochs):
    net.train(); order = torch.randperm(len(yt)); s = 0.
    for i in range(0, len(yt), a.batch):
        q = order[i:i + a.batch]; y = yt[q]
        warm = min(1., (t + 1) / steps)
        for g in opt.param_groups: g["lr"] = a.lr * warm * .5 * (1 + math.cos(math.pi * t / total))
        l = F.cross_entropy(net(augment(xt[q][:, None].float())), y)
        opt.zero_grad(); l.backward(); opt.step(); t += 1; s += float(l.detach()) * len(q)
    print(f"seed {a.seed} epoch {e + 1} loss {s / len(yt):.4f} {time.time() - t0:.0f} s", flush=True)
net.eval(); R = dict(seed=a.seed, epochs=a.epochs, batch=a.batch, lr=a.lr, threads=a.threads, seconds=round(time.time() - t0), torch=torch.__version__)
for u in ("PublicTest", "PrivateTest"):
    with torch.inference_mode(): pr = torch.cat([net(torch.from_numpy(X[u][i:i + 256])[:, None].float()).argmax(1) for i in range(0, len(X[u]), 256)]).numpy()
    C = np.zeros((3, 3), int); np.add.at(C, (Y[u], pr), 1); tp = np.diag(C)
    R[u] = dict(n=int(C.sum()), uf1=float((2 * tp / (C.sum(0) + C.sum(1))).mean()), uar=float((tp / C.sum(1)).mean()), acc=float(tp.sum() / C.sum()), confusion=C.tolist())
json.dump(R, open(a.out, "w"), indent=1); print(R, flush=True)
