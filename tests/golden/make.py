#!/usr/bin/env python3
"""Makes cut2_33x40.safetensors: golden values of a small network from PyTorch, for tests that need no other data.

EfficientNet-B0 cut after stage 2, 33 x 40, 3 classes, 2 images, float32 on the CPU; weights, pixels and statistics are drawn
here. The model is written out plainly on torch.nn.functional, with Keras' conventions (padding, epsilon, biased variance in
the moving statistics, Adam). Needs: torch, safetensors.    usage: make.py [OUTPUT]
"""
import os
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

SEED, H, W, BATCH = 20261, 33, 40, 2
BLOCKS = [("block1a", 3, 1, 1, 32, 16), ("block2a", 3, 2, 6, 16, 24), ("block2b", 3, 1, 6, 24, 24)]
ALPHA, GAMMA, L1, L2 = torch.tensor([0.27, 0.35, 0.38]), 2.0, 0.01, 0.01
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def draw_weights(g):
    """Names and layouts as Keras: kernels HWIO, depthwise HWC1, dense IO."""
    w = {}

    def normal(name, *shape, scale=1.0, offset=0.0):
        w[name] = torch.randn(*shape, generator=g) * scale + offset

    def bn(name, c):
        normal(f"{name}/gamma", c, scale=0.2, offset=1.0)
        normal(f"{name}/beta", c, scale=0.2)
        normal(f"{name}/moving_mean", c, scale=0.2)
        w[f"{name}/moving_variance"] = torch.rand(c, generator=g) + 0.5

    normal("stem_conv/kernel", 3, 3, 3, 32, scale=(2 / 27) ** 0.5)
    bn("stem_bn", 32)
    for name, k, _, expand, cin, cout in BLOCKS:
        mid, se = cin * expand, max(1, cin // 4)
        if expand > 1:
            normal(f"{name}_expand_conv/kernel", 1, 1, cin, mid, scale=(2 / cin) ** 0.5)
            bn(f"{name}_expand_bn", mid)
        normal(f"{name}_dwconv/kernel", k, k, mid, 1, scale=(2 / (k * k)) ** 0.5)
        bn(f"{name}_bn", mid)
        normal(f"{name}_se_reduce/kernel", 1, 1, mid, se, scale=(2 / mid) ** 0.5)
        normal(f"{name}_se_reduce/bias", se, scale=0.3)
        normal(f"{name}_se_expand/kernel", 1, 1, se, mid, scale=(2 / se) ** 0.5)
        normal(f"{name}_se_expand/bias", mid, scale=0.3)
        normal(f"{name}_project_conv/kernel", 1, 1, mid, cout, scale=(1 / mid) ** 0.5)
        bn(f"{name}_project_bn", cout)
    normal("head/kernel", 24, 3, scale=0.3)
    normal("head/bias", 3, scale=0.1)
    return w


def nhwc(t):
    return t.permute(0, 2, 3, 1) if t.dim() == 4 else t


class Net:
    def __init__(self, w, train_bn, symmetric=False, epsilon=1e-3):
        self.w, self.train_bn, self.symmetric, self.epsilon = w, train_bn, symmetric, epsilon
        self.acts, self.after = {}, {}

    def keep(self, name, t):
        self.acts[name] = t
        return t

    def pad(self, x, k, stride):
        if stride == 1 or self.symmetric:
            return F.pad(x, [k // 2] * 4)
        h, w = x.shape[2] % 2, x.shape[3] % 2  # even sizes: one less in front
        return F.pad(x, [k // 2 - 1 + w, k // 2, k // 2 - 1 + h, k // 2])

    def conv(self, name, x, stride=1, bias=None):
        kernel = self.w[f"{name}/kernel"].permute(3, 2, 0, 1)
        return F.conv2d(self.pad(x, kernel.shape[2], stride), kernel, bias, stride)

    def depthwise(self, name, x, stride):
        kernel = self.w[f"{name}/kernel"].permute(2, 3, 0, 1)
        return F.conv2d(self.pad(x, kernel.shape[2], stride), kernel, None, stride, groups=x.shape[1])

    def bn(self, name, x):
        mean, var = self.w[f"{name}/moving_mean"], self.w[f"{name}/moving_variance"]
        if self.train_bn:
            batch_mean, batch_var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
            self.after[f"{name}/moving_mean"] = (0.99 * mean + 0.01 * batch_mean).detach()
            self.after[f"{name}/moving_variance"] = (0.99 * var + 0.01 * batch_var).detach()
            mean, var = batch_mean, batch_var
        s = self.w[f"{name}/gamma"] / torch.sqrt(var + self.epsilon)
        return (x - mean[:, None, None]) * s[:, None, None] + self.w[f"{name}/beta"][:, None, None]

    def block(self, x, name, k, stride, expand, cin, cout):
        skip = x
        if expand > 1:
            x = self.keep(f"{name}_expand_conv", self.conv(f"{name}_expand_conv", x))
            x = self.keep(f"{name}_expand_activation", F.silu(self.bn(f"{name}_expand_bn", x)))
        x = self.keep(f"{name}_dwconv", self.depthwise(f"{name}_dwconv", x, stride))
        x = self.keep(f"{name}_activation", F.silu(self.keep(f"{name}_bn", self.bn(f"{name}_bn", x))))
        s = self.keep(f"{name}_se_squeeze", x.mean((2, 3), keepdim=True))
        s = self.keep(f"{name}_se_reduce", F.silu(self.conv(f"{name}_se_reduce", s, bias=self.w[f"{name}_se_reduce/bias"])))
        s = self.keep(f"{name}_se_expand", torch.sigmoid(self.conv(f"{name}_se_expand", s, bias=self.w[f"{name}_se_expand/bias"])))
        x = self.keep(f"{name}_se_excite", x * s)
        x = self.keep(f"{name}_project_conv", self.conv(f"{name}_project_conv", x))
        x = self.keep(f"{name}_project_bn", self.bn(f"{name}_project_bn", x))
        return self.keep(f"{name}_add", x + skip) if stride == 1 and cin == cout else x

    def __call__(self, pixels):
        x = ((pixels / 255 - MEAN) / STD).permute(0, 3, 1, 2)
        x = self.keep("stem_bn", self.bn("stem_bn", self.keep("stem_conv", self.conv("stem_conv", x, 2))))
        x = self.keep("stem_activation", F.silu(x))
        for b in BLOCKS:
            x = self.block(x, *b)
        x = self.keep("gap", x.mean((2, 3)))
        return x @ self.w["head/kernel"] + self.w["head/bias"]


def loss_of(w, logits, y):
    log_p = F.log_softmax(logits, 1).gather(1, y[:, None])[:, 0]
    focal = -(ALPHA[y] * (1 - log_p.exp()) ** GAMMA * log_p).mean()
    k = w["head/kernel"]
    return focal + L1 * k.abs().sum() + L2 * (k * k).sum()


def trainable(w):
    return [n for n in w if "moving_" not in n]


def one_pass(w, x, y, train_bn):
    w = {n: v.clone().requires_grad_("moving_" not in n) for n, v in w.items()}
    net = Net(w, train_bn)
    logits = net(x)
    for t in net.acts.values():
        t.retain_grad()
    loss = loss_of(w, logits, y)
    loss.backward()
    return w, net, logits, loss


def adam(w, x, y, train_bn, lr, steps):
    """Keras' form: the bias correction scales the rate, epsilon stays as it is."""
    w = {n: v.clone() for n, v in w.items()}
    m, v = ({n: torch.zeros_like(w[n]) for n in trainable(w)} for _ in range(2))
    losses = []
    for t in range(1, steps + 1):
        used, net, _, loss = one_pass(w, x, y, train_bn)
        losses.append(loss.item())
        rate = lr * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
        for n in m:
            g = used[n].grad
            m[n] = 0.9 * m[n] + 0.1 * g
            v[n] = 0.999 * v[n] + 0.001 * g * g
            w[n] = w[n] - rate * m[n] / (v[n].sqrt() + 1e-7)
        w.update(net.after)
    return torch.tensor(losses), w


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    g = torch.Generator().manual_seed(SEED)
    w = draw_weights(g)
    x = torch.randint(0, 256, (BATCH, H, W, 3), generator=g).float()
    y = torch.tensor([2, 0])
    out = dict(w, x=x, y=y.int())
    with torch.no_grad():
        net = Net(w, False)
        out["logits"] = net(x)
        out["probs"] = out["logits"].softmax(1)
        out["symmetric/logits"] = Net(w, False, symmetric=True, epsilon=1e-5)(x)
        for name in ("block1a_project_bn", "block1a_se_expand", "block2a_se_excite", "block2b_project_bn", "block2b_add", "gap"):
            out[f"act/{name}"] = nhwc(net.acts[name])
    for mode, train_bn in (("bnfixed", False), ("bntrain", True)):
        used, net, logits, loss = one_pass(w, x, y, train_bn)
        out[f"{mode}/loss"], out[f"{mode}/logits"] = loss.detach()[None], logits.detach()
        for n in trainable(w):
            out[f"{mode}/grad/{n}"] = used[n].grad
        for n in ("block1a_project_bn", "block2a_dwconv", "block2b_se_expand", "block2b_add", "gap"):
            if train_bn or n != "block2a_dwconv":  # the file stays small
                out[f"{mode}/dact/{n}"] = nhwc(net.acts[n].grad)
        for n, v in net.after.items():
            out[f"{mode}/after/{n}"] = v
        losses, after = adam(w, x, y, train_bn, 1e-3, 2)
        out[f"steps/{mode}/losses"] = losses
        for n in ("head/kernel", "stem_conv/kernel", "block2b_se_reduce/bias", "block2a_bn/gamma"):
            out[f"steps/{mode}/after/{n}"] = after[n]
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "cut2_33x40.safetensors")
    meta = {"source": f"PyTorch {torch.__version__}", "script": "tests/golden/make.py", "seed": str(SEED),
            "layout": "activations NHWC, conv kernels HWIO, depthwise HWC1, dense IO"}
    save_file({n: t.detach().clone(memory_format=torch.contiguous_format) for n, t in out.items()}, path, meta)
    print(f"{path}: {len(out)} tensors, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
