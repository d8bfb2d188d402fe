#!/usr/bin/env python3
"""Adds to optimizers.json what an optimizer of a framework does with a few weights, in double precision: five steps whose gradients and
learning rates are drawn here, the rate another one in each step.

Needs keras (with any backend) or torch.    usage: optimizers.py keras|torch [JSON]
"""
import json
import os
import random
import struct
import sys

STEPS, WEIGHTS = 5, 6
CASES = {
    "keras": [
        {"kind": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7},
        {"kind": "adam", "beta1": 0.5, "beta2": 0.8, "epsilon": 1e-2},
        {"kind": "adamw", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7, "weight_decay": 0.3},
        {"kind": "sgd", "momentum": 0.9},
        {"kind": "sgd", "momentum": 0.0},
    ],
    "torch": [
        {"kind": "rmsprop", "rho": 0.9, "epsilon": 1e-7},
        {"kind": "rmsprop", "rho": 0.6, "epsilon": 1e-2},
        {"kind": "sgd", "momentum": 0.0},
    ],
}


def draws(number):
    g = random.Random(number)
    weights = [g.uniform(-1, 1) for _ in range(WEIGHTS)]
    gradients = [[g.uniform(-1, 1) * 10.0 ** g.randint(-3, 1) for _ in range(WEIGHTS)] for _ in range(STEPS)]
    rates = [struct.unpack("f", struct.pack("f", g.uniform(0.001, 0.1)))[0] for _ in range(STEPS)]  # Keras keeps them in float32
    return weights, gradients, rates


def keras_optimizer(c, keras):
    kind = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}[c["kind"]]
    names = {"beta1": "beta_1", "beta2": "beta_2"}
    return kind(**{names.get(k, k): v for k, v in c.items() if k != "kind"})


def run_keras(c, weights, gradients, rates):
    import keras
    import numpy

    keras.config.set_floatx("float64")
    w, optimizer, after = keras.Variable(numpy.array(weights), dtype="float64"), keras_optimizer(c, keras), []
    for g, rate in zip(gradients, rates):
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.convert_to_tensor(numpy.array(g))], [w])
        after.append([float(x) for x in keras.ops.convert_to_numpy(w)])
    return "Keras " + keras.__version__, after


def run_torch(c, weights, gradients, rates):
    import torch

    w, after = torch.tensor(weights, dtype=torch.float64), []
    if c["kind"] == "rmsprop":
        optimizer = torch.optim.RMSprop([w], lr=1, alpha=c["rho"], eps=c["epsilon"])
    else:
        optimizer = torch.optim.SGD([w], lr=1, momentum=c["momentum"])
    for g, rate in zip(gradients, rates):
        w.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        after.append(w.tolist())
    return "PyTorch " + torch.__version__, after


def main():
    framework = sys.argv[1]
    path = sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.json")
    old = json.load(open(path))["cases"] if os.path.exists(path) else []
    cases = [c for c in old if not c["source"].lower().replace("pytorch", "torch").startswith(framework)]
    for number, c in enumerate(CASES[framework]):
        weights, gradients, rates = draws(f"{framework} {number}")
        source, after = {"keras": run_keras, "torch": run_torch}[framework](c, weights, gradients, rates)
        cases.append({"source": source, **c, "weights": weights, "gradients": gradients, "rates": rates, "after": after})
    with open(path, "w") as f:
        f.write('{"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")


main()
