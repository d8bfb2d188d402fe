"""tool.py TOOL WEIGHTS SCRATCH: a wheel as facenet-pytorch's, made of WEIGHTS; the tool must give back the same tensors from it, from a
folder, from a package index and from WEIGHTS themselves, and must refuse what is damaged, by name."""
import collections, hashlib, http.server, io, json, os, pickle, struct, subprocess, sys, threading, types, zipfile

TOOL, WEIGHTS, SCRATCH = sys.argv[1:]
MAPS = {"rnet.dense4.weight": (64, 3), "onet.dense5.weight": (128, 3)}

def read(path):
    data = open(path, "rb").read()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + n])
    meta = header.pop("__metadata__", {})
    return {k: (t["dtype"], t["shape"], data[8 + n :][slice(*t["data_offsets"])]) for k, t in header.items()}, meta

class FloatStorage:
    def __init__(self, key, data): self.key, self.data = key, data
def _rebuild_tensor_v2(*arguments): raise NotImplementedError
for name, item, module in (("FloatStorage", FloatStorage, "torch"), ("_rebuild_tensor_v2", _rebuild_tensor_v2, "torch._utils")):
    sys.modules.setdefault(module, types.ModuleType(module))
    item.__module__ = module
    setattr(sys.modules[module], name, item)

class Tensor:
    def __init__(self, shape, stride, storage): self.shape, self.stride, self.storage = shape, stride, storage
    def __reduce__(self): return _rebuild_tensor_v2, (self.storage, 0, self.shape, self.stride, False, collections.OrderedDict())

class Pickler(pickle.Pickler):
    def persistent_id(self, item):
        return ("storage", FloatStorage, item.key, "cpu", len(item.data) // 4) if isinstance(item, FloatStorage) else None

def pt(tensors):
    """A .pt in the zip format; matrices lie transposed, as some of the package's do."""
    state, storages, out = collections.OrderedDict(), [], io.BytesIO()
    for name, (_, shape, data) in tensors.items():
        values = struct.unpack(f"<{len(data) // 4}f", data)
        if name in MAPS:
            channels, side = MAPS[name]
            row = [c * side * side + y * side + x for x in range(side) for y in range(side) for c in range(channels)]
            values = [values[o * len(row) + k] for o in range(shape[0]) for k in row]
        stride, step = [], 1
        for n in reversed(shape): stride.insert(0, step); step *= n
        if len(shape) == 2:
            values = [values[o * shape[1] + k] for k in range(shape[1]) for o in range(shape[0])]
            stride = [1, shape[0]]
        storages.append(FloatStorage(str(len(storages)), struct.pack(f"<{len(values)}f", *values)))
        state[name.partition(".")[2]] = Tensor(tuple(shape), tuple(stride), storages[-1])
    head = io.BytesIO(); Pickler(head, protocol=2).dump(state)
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("net/data.pkl", head.getvalue())
        for s in storages: archive.writestr(f"net/data/{s.key}", s.data)
    return out.getvalue()

def wheel(path, tensors):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for net in ("pnet", "rnet", "onet"): archive.writestr(f"facenet_pytorch/data/{net}.pt", pt({k: v for k, v in tensors.items() if k.startswith(net)}))

def run(*arguments, **environment):
    r = subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, env={**os.environ, **environment})
    return r.returncode, r.stdout + r.stderr

def gives(out, *arguments, **environment):
    code, text = run(*arguments, **environment)
    assert code == 0, text
    have, meta = read(os.path.join(out, "mtcnn.safetensors"))
    assert have == WANT and meta["licence"] == "MIT" and meta["version"] == "2.6.0", meta
    os.unlink(os.path.join(out, "mtcnn.safetensors"))

def refuses(words, *arguments, **environment):
    out = os.path.join(SCRATCH, "refused")
    code, text = run("--out", out, *arguments, **environment)
    assert code == 1 and words in text and "Traceback" not in text, text
    assert not os.path.exists(os.path.join(out, "mtcnn.safetensors"))

WANT, _ = read(WEIGHTS)
name = "facenet_pytorch-2.6.0-py3-none-any.whl"
good, out = os.path.join(SCRATCH, name), os.path.join(SCRATCH, "out")
wheel(good, WANT)
gives(out, "--out", out, good)
gives(out, "--out", out, WEIGHTS)
gives(out, good, EFME_MODEL_DIR=out)
folder = os.path.join(SCRATCH, "folder")
with zipfile.ZipFile(good) as archive: archive.extractall(folder)
gives(out, "--out", out, os.path.join(folder, "facenet_pytorch", "data"))

# An index on this machine, with the right hash of the wheel and with a wrong one.
class Index(http.server.BaseHTTPRequestHandler):
    sha = hashlib.sha256(open(good, "rb").read()).hexdigest()
    def do_GET(self):
        page = f'<a href="../files/{name}#sha256={Index.sha}">{name}</a>'.encode() if self.path == "/simple/facenet-pytorch/" else open(good, "rb").read() if self.path == f"/simple/files/{name}" else None
        self.send_response(200 if page else 404); self.send_header("Content-Type", "text/html"); self.end_headers(); self.wfile.write(page or b"")
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Index)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/simple"
local = {"PIP_INDEX_URL": url, "no_proxy": "127.0.0.1"}
gives(out, "--out", out, **local)
Index.sha = "0" * 64
refuses("SHA-256 is not the index's", **local)
refuses("cannot be read", **{**local, "PIP_INDEX_URL": url + "/none"})
server.shutdown()

changed = {k: (t, s, bytes([d[0] ^ 1]) + d[1:] if k == "onet.conv2.bias" else d) for k, (t, s, d) in WANT.items()}
bad = os.path.join(SCRATCH, "bad.whl"); wheel(bad, changed)
refuses("tensor onet.conv2.bias is not what", bad)
wheel(bad, {k: v for k, v in WANT.items() if k != "pnet.prelu2.weight"}); refuses("tensor pnet.prelu2.weight is missing", bad)
with open(bad, "wb") as file: file.write(b"no wheel")
refuses("not a wheel", bad)
with zipfile.ZipFile(bad, "w") as archive:
    for net in ("pnet", "rnet", "onet"): archive.writestr(f"facenet_pytorch/data/{net}.pt", b"junk")
refuses("pnet.pt", bad)
refuses("pnet.pt is not there", SCRATCH)
with zipfile.ZipFile(bad, "w") as archive: # a pickle that would run a command
    head = io.BytesIO(); inner = io.BytesIO(); pickle.Pickler(head, protocol=2).dump(print)
    with zipfile.ZipFile(inner, "w") as z: z.writestr("net/data.pkl", head.getvalue())
    for net in ("pnet", "rnet", "onet"): archive.writestr(f"facenet_pytorch/data/{net}.pt", inner.getvalue())
refuses("it wants", bad)
print("50 tensors four ways, 8 refusals" if len(WANT) == 50 else "another number of tensors")
