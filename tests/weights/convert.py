"""tools/convert.py on the golden files: every tensor with its shape, equal to the reference's own dump of the same weights.

    convert.py CONVERTER GOLDEN_DIR SCRATCH_DIR
"""
import contextlib
import importlib.util
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile

converter, golden, scratch = sys.argv[1:4]
here = os.path.dirname(os.path.abspath(__file__))


def read(path):
    """name -> (type, shape, bytes)"""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    body = data[8 + size :]
    return {n: (t["dtype"], t["shape"], body[slice(*t["data_offsets"])]) for n, t in header.items()}, metadata


spec = importlib.util.spec_from_file_location("converter", converter)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)


class Done:
    pass


def run(source, target=os.path.join(scratch, "out.safetensors")):
    """As from the shell, but in this process: quicker."""
    done, out, err = Done(), io.StringIO(), io.StringIO()
    sys.argv = [converter, source, target]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            done.returncode = module.main()
        except SystemExit as stop:
            done.returncode = stop.code
    done.stdout, done.stderr = out.getvalue(), err.getvalue()
    return done, target


def expect_same(source, reference, names):
    done, target = run(source)
    assert done.returncode == 0, done.stderr
    have, metadata = read(target)
    want, _ = read(reference)
    names = names or sorted(want)
    assert set(have) == set(names), f"{source}: {set(have) ^ set(names)}"
    for name in names:
        assert have[name] == want[name], f"{source}: {name} differs"
    assert metadata["converted_from"] == os.path.basename(source)
    print(f"{os.path.basename(source)}: {len(names)} tensors equal")
    return done.stdout, metadata


def expect_error(source, message, code=1):
    done, _ = run(source)
    assert done.returncode == code, (source, done.returncode, done.stderr)
    assert message in done.stderr and (code == 3 or source in done.stderr), done.stderr
    assert not any(name.endswith(".tmp") for name in os.listdir(scratch))


def without_names(source, target):
    """The same weights as older Keras 3 writes them: only the groups' counters tell the layers apart."""
    import h5py

    with h5py.File(source) as old, h5py.File(target, "w") as new:
        for layer in old["layers"]:
            old.copy(f"layers/{layer}", new, f"layers/{layer}")
            if "vars" in new[f"layers/{layer}"]:
                new[f"layers/{layer}/vars"].attrs.pop("name", None)


keras = os.path.join(golden, "cut3_48_weights.safetensors")
for name in ("cut3_48.h5", "cut3_48.weights.h5", "cut3_48.keras"):
    output, metadata = expect_same(os.path.join(golden, name), keras, None)
    assert "EFME_NORM_STD" in output, output
    assert metadata["normalization_mean"].split()[0] == "0.485000014", metadata
older = os.path.join(scratch, "older.weights.h5")
without_names(os.path.join(golden, "cut3_48.weights.h5"), older)
expect_same(older, keras, None)

whole = os.path.join(golden, "timm_tf_efficientnet_b0_stage1to5.safetensors")
names = [n for n in read(whole)[0] if not n.startswith(("blocks.3", "blocks.4"))]
expect_same(os.path.join(golden, "timm_tf_efficientnet_b0_stage1to3.pth"), whole, names)
# {"state_dict": {...}, "epoch": 3}, every name below "module.", as PyTorch 2.15 writes it, and in the form of PyTorch before 1.6.
wanted = {
    "a": ("BF16", [2], b"\x80\x3f\x00\x40"),
    "b": ("F32", [3, 2], struct.pack("<6f", 0, 3, 1, 4, 2, 5)),  # a transposed view
    "c.num_batches_tracked": ("I64", [], struct.pack("<q", 7)),
    "e": ("F32", [2], struct.pack("<2f", 1, 2)),  # from the middle of a storage
    "h": ("F16", [1], b"\x00\x38"),
}
for name in ("wrapped.pth", "legacy.pth"):
    with open(os.path.join(here, name), "rb") as file:
        data = file.read()
    done, target = run(os.path.join(here, name))
    assert done.returncode == 0, done.stderr
    assert read(target)[0] == wanted, (name, read(target)[0])
    for size in [*range(0, len(data) - 1, 37), len(data) - 1]:  # any truncation is an error
        with open(os.path.join(scratch, "cut.pth"), "wb") as file:
            file.write(data[:size])
        expect_error(os.path.join(scratch, "cut.pth"), "")


class Harmful:
    def __reduce__(self):
        return os.mkdir, (os.path.join(scratch, "harmed"),)


for name, value, says in (
    ("list.pth", [1, 2], "not a PyTorch file"),
    ("harm.pth", Harmful(), "not a plain state dict: it wants posix.mkdir"),
):
    with open(os.path.join(scratch, name), "wb") as file:
        pickle.dump(value, file)
    expect_error(os.path.join(scratch, name), says)
with zipfile.ZipFile(os.path.join(scratch, "harm2.pth"), "w") as archive:
    archive.writestr("x/data.pkl", pickle.dumps({"a": Harmful()}))
expect_error(os.path.join(scratch, "harm2.pth"), "it wants posix.mkdir")
assert not os.path.exists(os.path.join(scratch, "harmed"))
with open(os.path.join(scratch, "text.pth"), "w") as file:
    file.write("text")
expect_error(os.path.join(scratch, "text.pth"), "not a PyTorch file")

for name in ("text.h5", "text.keras", "text.weights.h5"):
    with open(os.path.join(scratch, name), "w") as file:
        file.write("text")
expect_error(os.path.join(scratch, "text.h5"), "not an HDF5 file")
expect_error(os.path.join(scratch, "text.weights.h5"), "not an HDF5 file")
expect_error(os.path.join(scratch, "text.keras"), "not a .keras file")
with zipfile.ZipFile(os.path.join(scratch, "empty.keras"), "w") as archive:
    archive.writestr("config.json", "{}")
expect_error(os.path.join(scratch, "empty.keras"), "not a .keras file")
expect_error(os.path.join(scratch, "absent.h5"), "not an HDF5 file")
expect_error(os.path.join(scratch, "weights.bin"), "must end in")
done, _ = run(os.path.join(golden, "cut3_48.h5"), os.path.join(scratch, "no", "out"))
assert done.returncode == 1 and "No such file" in done.stderr, done.stderr
# Without site-packages there is no h5py: the message says what to install.
command = [sys.executable, "-S", converter, os.path.join(golden, "cut3_48.h5"), os.path.join(scratch, "x")]
done = subprocess.run(command, capture_output=True, text=True)
assert done.returncode == 3 and "h5py: pip install -r" in done.stderr, done.stderr
print("all as expected")
