"""Efficient-ME in PyTorch with Keras' padding, batch normalisation and initialisation: the peer of every comparison here."""
import math
import torch, torch.nn as nn, torch.nn.functional as F

# repeats, kernel, stride, expand, in, out
STAGES = [(1, 3, 1, 1, 32, 16), (2, 3, 2, 6, 16, 24), (2, 5, 2, 6, 24, 40), (3, 3, 2, 6, 40, 80), (3, 5, 1, 6, 80, 112), (4, 5, 2, 6, 112, 192), (1, 3, 1, 6, 192, 320)]
class Conv(nn.Conv2d):
    """'same' convolution with Keras' explicit padding for stride 2, He fan-out truncated normal."""
    def __init__(s, i, o, k, stride=1, groups=1, bias=False):
        super().__init__(i, o, k, stride, 0, groups=groups, bias=bias)
        fan = k * k * (1 if groups > 1 else o)                       # Keras' fan_out of an HWIO or HWCM kernel
        sd = math.sqrt(2 / fan) / .87962566103423978
        nn.init.trunc_normal_(s.weight, std=sd, a=-2 * sd, b=2 * sd)
        if bias: nn.init.zeros_(s.bias)
    def forward(s, x):
        k = s.kernel_size[0]; c = k // 2
        if s.stride[0] == 2: ah, aw = 1 - x.shape[-2] % 2, 1 - x.shape[-1] % 2; x = F.pad(x, (c - aw, c, c - ah, c))
        elif c: x = F.pad(x, (c, c, c, c))
        return super().forward(x)
bn = lambda c: nn.BatchNorm2d(c, eps=1e-3, momentum=.01)
class MB(nn.Module):
    def __init__(s, i, o, k, st, e, drop):
        super().__init__(); m = i * e; s.drop, s.res = drop, st == 1 and i == o
        s.ex = nn.Sequential(Conv(i, m, 1), bn(m), nn.SiLU()) if e > 1 else nn.Identity()
        s.dw = nn.Sequential(Conv(m, m, k, st, m), bn(m), nn.SiLU()); q = max(1, i // 4)
        s.se = nn.Sequential(nn.AdaptiveAvgPool2d(1), Conv(m, q, 1, bias=True), nn.SiLU(), Conv(q, m, 1, bias=True), nn.Sigmoid())
        s.pr = nn.Sequential(Conv(m, o, 1), bn(o))
    def forward(s, x):
        y = s.dw(s.ex(x)); y = s.pr(y * s.se(y))
        if not s.res: return y
        if s.training and s.drop: y = y * (torch.rand(len(y), 1, 1, 1) >= s.drop).float() / (1 - s.drop)
        return x + y
class Net(nn.Module):
    def __init__(s, cut=5):
        super().__init__(); b, L = 0, [Conv(3, 32, 3, 2), bn(32), nn.SiLU()]
        for r, k, st, e, i, o in STAGES[:cut]:
            for j in range(r): L.append(MB(o if j else i, o, k, 1 if j else st, e, .2 * b / 16)); b += 1
        s.f = nn.Sequential(*L); s.fc = nn.Linear(STAGES[cut - 1][5], 3); w = math.sqrt(6 / (s.fc.in_features + 3))   # Keras' Dense: Glorot uniform
        nn.init.uniform_(s.fc.weight, -w, w); nn.init.zeros_(s.fc.bias)
        s.register_buffer("m", torch.tensor([.485, .456, .406]).view(1, 3, 1, 1)); s.register_buffer("d", torch.tensor([.229, .224, .225]).view(1, 3, 1, 1))
    def forward(s, x): return s.fc(F.dropout(s.f(((x / 255).expand(-1, 3, -1, -1) - s.m) / s.d).mean((2, 3)), .5, s.training))
