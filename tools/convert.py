#!/usr/bin/env python3
"""Converts EfficientNet-B0 weights of Keras and PyTorch to safetensors, for efme_model_import.

    convert.py INPUT OUTPUT.safetensors

INPUT is one of
    .h5            Keras model or weights (Keras 2 or 3)
    .weights.h5    Keras 3 weights
    .keras         Keras 3 model
    .pth .pt       PyTorch state dict (timm or torchvision names); read without PyTorch, and without running code of the file

Keras tensors are written as `layer/variable` ("block2a_expand_conv/kernel"), the only dense layer as "head"; PyTorch's keep
their names and layouts, which the library knows. Packages: pip install -r requirements.txt (beside this file).
Exit codes: 0 converted, 1 the input cannot be converted, 2 usage, 3 a Python package is missing.
"""
import argparse
import collections
import io
import json
import os
import pickle
import re
import struct
import sys
import zipfile


class Refused(Exception):
    """The input cannot be converted; the text says why."""


def need(package):
    try:
        return __import__(package)
    except ImportError:
        print(f"convert.py: this file needs the Python package {package}: pip install -r tools/requirements.txt", file=sys.stderr)
        sys.exit(3)


# ---- Keras ----

# Variables in the order in which Keras 3 stores them, by the layer's class as it names its groups.
VARIABLES = {
    "conv2d": ("kernel", "bias"),
    "depthwise_conv2d": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "normalization": ("mean", "variance", "count"),
}
STAGE_REPEATS = (1, 2, 2, 3, 3, 4, 1)


def layers_in_order():
    """B0's layers with weights, as (class, name): what the counters of older files count."""
    yield "conv2d", "stem_conv"
    yield "batch_normalization", "stem_bn"
    for stage, repeats in enumerate(STAGE_REPEATS, 1):
        for repeat in range(repeats):
            block = f"block{stage}{'abcd'[repeat]}"
            if stage > 1:
                yield "conv2d", f"{block}_expand_conv"
                yield "batch_normalization", f"{block}_expand_bn"
            yield "depthwise_conv2d", f"{block}_dwconv"
            yield "batch_normalization", f"{block}_bn"
            yield "conv2d", f"{block}_se_reduce"
            yield "conv2d", f"{block}_se_expand"
            yield "conv2d", f"{block}_project_conv"
            yield "batch_normalization", f"{block}_project_bn"
    yield "conv2d", "top_conv"
    yield "batch_normalization", "top_bn"


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def split_counter(group):
    """"conv2d_12" -> ("conv2d", 12)"""
    match = re.fullmatch(r"(.*?)(?:_(\d+))?", group)
    return match[1], int(match[2] or 0)


def read_counted(root):
    """Keras 3: groups `.../conv2d_3/vars/0`, whose `vars` carry the layer's name in newer files."""
    h5py = need("h5py")
    found = []

    def visit(path, item):
        parts = path.split("/")
        if isinstance(item, h5py.Group) and parts[-1] == "vars" and len(parts) > 1 and len(item):
            found.append((parts[-2], item))

    root.visititems(visit)
    by_class = {}
    for kind, name in layers_in_order():
        by_class.setdefault(kind, []).append(name)
    tensors = {}
    for group, variables in found:
        kind, number = split_counter(group)
        if kind not in VARIABLES:
            if "optimizer" in variables.name:
                continue
            raise Refused(f"group {variables.name}: no layer of EfficientNet-B0 is a {kind}")
        name = text(variables.attrs.get("name", ""))
        if not name:
            names = {"dense": ["head"], "normalization": ["normalization"]}.get(kind) or by_class[kind]
            if number >= len(names):
                raise Refused(f"group {variables.name}: EfficientNet-B0 has only {len(names)} layers of class {kind}")
            name = names[number]
        for index in variables:
            store(tensors, f"{name}/{VARIABLES[kind][int(index)]}", variables[index][()])
    return tensors


def read_listed(root):
    """Keras 2, and .h5 of Keras 3: a group a layer, its attribute weight_names lists the variables."""
    tensors = {}
    for layer in root:
        for name in root[layer].attrs.get("weight_names", ()):
            name = text(name)
            parts = name.split(":")[0].split("/")
            if len(parts) < 2:
                parts = [layer] + parts
            variable = {"depthwise_kernel": "kernel"}.get(parts[-1], parts[-1])
            store(tensors, f"{parts[-2]}/{variable}", root[layer][name][()])
    return tensors


def store(tensors, name, value):
    if name in tensors:
        raise Refused(f"variable {name} is there twice")
    tensors[name] = value


def read_h5(file):
    if "model_weights" in file:
        return read_listed(file["model_weights"])
    if "layers" in file or "_layer_checkpoint_dependencies" in file:
        return read_counted(file)
    return read_listed(file)


def read_keras(path):
    h5py = need("h5py")
    if path.endswith(".keras"):
        try:
            with zipfile.ZipFile(path) as archive:
                data = io.BytesIO(archive.read("model.weights.h5"))
        except (zipfile.BadZipFile, KeyError) as error:
            raise Refused(f"not a .keras file: {error}") from None
    else:
        data = path
    try:
        with h5py.File(data, "r") as file:
            tensors = read_h5(file)
    except OSError as error:
        raise Refused(f"not an HDF5 file: {error}") from None
    return finish_keras(tensors)


def finish_keras(tensors):
    """Names the head, and takes Normalization out: it is a field of the model file, so its values become a hint."""
    dense = sorted({name.split("/")[0] for name, value in tensors.items() if name.endswith("/kernel") and value.ndim == 2})
    if len(dense) > 1:
        raise Refused(f"more than one dense layer ({', '.join(dense)}): the library's head is one")
    result, metadata = {}, {}
    for name, value in tensors.items():
        layer, variable = name.split("/")
        if layer.startswith("normalization"):
            if variable in ("mean", "variance"):
                metadata[f"normalization_{variable}"] = " ".join(f"{float(v):.9g}" for v in value.reshape(-1))
            continue
        result[f"head/{variable}" if dense and layer == dense[0] else name] = value
    return result, metadata


def normalisation_hint(metadata):
    """What the stored variance says about efme_load_options.normalisation (Keras divides by its square root)."""
    values = metadata.get("normalization_variance")
    if not values:
        return None
    first = float(values.split()[0])
    if abs(first - 0.229**2) < 1e-4:
        return "normalisation: the stored variance is std^2: EFME_NORM_STD"
    if abs(first - 0.229) < 1e-4:
        return "normalisation: the stored variance is std: EFME_NORM_SQRT_STD, unless the model divides by sqrt(std) once more"
    return f"normalisation: the stored variance begins with {first:g}, which is none of the known variants"


# ---- PyTorch ----

# What a state dict is pickled as: tensors name a storage, and where in it they lie. Nothing else is made, nothing is called.
STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bf16", "LongStorage": "<i8",
            "IntStorage": "<i4", "ByteStorage": "|u1", "BoolStorage": "|b1"}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # files of PyTorch before 1.6: pickles one after the other, then the storages


class Tensor:
    def __init__(self, storage, offset, shape, stride, *_):
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride


class StateDict(pickle.Unpickler):
    def __init__(self, file):
        super().__init__(file)
        self.kinds = {}  # of the storages, by key

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return Tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if module == "torch" and name in STORAGES:
            return name
        raise Refused(f"not a plain state dict: it wants {module}.{name}")

    def persistent_load(self, saved):
        if not isinstance(saved, tuple) or len(saved) < 5 or saved[0] != "storage" or saved[1] not in STORAGES:
            raise Refused("not a plain state dict: an unknown kind of storage")
        self.kinds[str(saved[2])] = saved[1]
        return saved[1], str(saved[2])


def storages_of_zip(path):
    """The pickled object, and a function key -> bytes."""
    archive = zipfile.ZipFile(path)
    heads = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(heads) != 1:
        raise Refused("not a PyTorch file: no data.pkl in it")
    folder = heads[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
        raise Refused("written on a big-endian machine")
    if any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist()):
        raise Refused("not a PyTorch file: it is compressed")
    return StateDict(io.BytesIO(archive.read(heads[0]))).load(), lambda kind, key: archive.read(f"{folder}data/{key}")


def storages_of_legacy(path):
    with open(path, "rb") as file:
        if StateDict(file).load() != LEGACY_MAGIC or StateDict(file).load() != 1001:
            raise Refused("not a PyTorch file")
        if not StateDict(file).load().get("little_endian", True):
            raise Refused("written on a big-endian machine")
        reader = StateDict(file)
        state, keys, rest, data, at = reader.load(), StateDict(file).load(), file.read(), {}, 0
    for key in keys:
        (count,) = struct.unpack_from("<q", rest, at)
        kind = reader.kinds[key]
        size = count * (2 if kind == "BFloat16Storage" else int(STORAGES[kind][-1]))
        data[key] = rest[at + 8 : at + 8 + size]
        at += 8 + size
    return state, lambda kind, key: data[key]


def tensors_of(state):
    """name -> Tensor, out of the dictionary that training scripts wrap it in."""
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise Refused("not a state dict: a dictionary of tensors is needed")
    return state


def read_tensor(name, tensor, data):
    numpy = need("numpy")
    kind, key = tensor.storage
    values = numpy.frombuffer(data(kind, key), "<u2" if kind == "BFloat16Storage" else STORAGES[kind])
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride))
    if 0 in tensor.shape or min(tensor.shape + tensor.stride + (tensor.offset,), default=0) < 0 or last >= values.size:
        raise Refused(f"tensor {name}: does not lie within its storage")
    steps = [step * values.itemsize for step in tensor.stride]
    value = numpy.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, steps).copy()
    return ("BF16", tensor.shape, value.tobytes()) if kind == "BFloat16Storage" else value


def read_torch(path):
    try:
        state, data = storages_of_zip(path) if zipfile.is_zipfile(path) else storages_of_legacy(path)
        tensors = {}
        for name, tensor in tensors_of(state).items():
            store(tensors, name.removeprefix("module."), read_tensor(name, tensor, data))
        return tensors, {}
    except (pickle.UnpicklingError, zipfile.BadZipFile, EOFError, KeyError, ValueError, TypeError, AttributeError, IndexError,
            struct.error) as error:  # pickle has many
        raise Refused(f"damaged, or not a PyTorch file: {error}") from None


# ---- safetensors ----

DTYPES = {"float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "uint8": "U8", "bool": "BOOL"}


def encode(name, value):
    """(type, shape, bytes)"""
    if isinstance(value, tuple):
        return value
    numpy = need("numpy")
    value = numpy.asarray(value)
    if value.dtype == numpy.float64:
        value = value.astype(numpy.float32)
    if value.dtype.name not in DTYPES:
        raise Refused(f"tensor {name}: type {value.dtype} is not supported")
    little = value.dtype.newbyteorder("<")
    return DTYPES[value.dtype.name], value.shape, numpy.ascontiguousarray(value).astype(little).tobytes()


def write_safetensors(path, tensors, metadata):
    header, parts, at = {"__metadata__": metadata}, [], 0
    # Wide types first, so that every tensor is aligned; then by name: the same input gives the same bytes.
    encoded = {name: encode(name, value) for name, value in tensors.items()}
    width = {"I64": 0, "F32": 1, "I32": 1, "F16": 2, "BF16": 2}
    for name in sorted(encoded, key=lambda n: (width.get(encoded[n][0], 3), n)):
        dtype, shape, data = encoded[name]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(struct.pack("<Q", len(head)) + head)
            for data in parts:
                file.write(data)
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def convert(source, target):
    if source.endswith((".h5", ".hdf5", ".keras")):
        tensors, metadata = read_keras(source)
    elif source.endswith((".pth", ".pt")):
        tensors, metadata = read_torch(source)
    else:
        raise Refused("its name must end in .h5, .weights.h5, .keras, .pth or .pt")
    if not tensors:
        raise Refused("no weights in it")
    metadata["converted_from"] = os.path.basename(source)
    write_safetensors(target, tensors, metadata)
    return tensors, metadata


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input")
    parser.add_argument("output")
    arguments = parser.parse_args()
    try:
        tensors, metadata = convert(arguments.input, arguments.output)
    except (Refused, OSError) as error:
        print(f"convert.py: {arguments.input}: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.output}: {len(tensors)} tensors")
    hint = normalisation_hint(metadata)
    if hint:
        print(hint)
    return 0


if __name__ == "__main__":
    sys.exit(main())
