#!/usr/bin/env python3
"""Fetches the weights of the face detector (MTCNN, 2 MB, MIT licence) out of the PyPI package facenet-pytorch, without PyTorch.

    mtcnn.py [--out DIR] [SOURCE]

SOURCE is a wheel of facenet-pytorch, a folder with its pnet.pt, rnet.pt and onet.pt, or an mtcnn.safetensors; without it the wheel is
downloaded from the package index that pip would use (PIP_INDEX_URL, pip's configuration, else pypi.org). Every tensor's bytes are checked
against known hashes. DIR/mtcnn.safetensors is written; DIR is by default where libefme looks: $EFME_MODEL_DIR, else the installed
library's directory of models (pkg-config), else /usr/local/share/efme/models.
Needs Python's standard library only. Exit codes: 0 written, 1 it cannot be had, 2 usage.
"""
import argparse
import hashlib
import html.parser
import json
import os
import pickle
import shutil
import ssl
import struct
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from convert import Refused, storages_of_legacy, storages_of_zip, tensors_of  # noqa: E402  a restricted unpickler

PACKAGE, VERSION = "facenet-pytorch", "2.6.0"
NETS = ("pnet", "rnet", "onet")
# The dense layers that read a map: facenet-pytorch flattens it as w, h, c, the file as c, h, w. (channels, side)
MAPS = {"rnet.dense4.weight": (64, 3), "onet.dense5.weight": (128, 3)}
# SHA-256 of each tensor's bytes as they are written, first 16 digits.
HASHES = {
    "pnet.conv1.weight": "5b5127d88290a180",
    "pnet.conv1.bias": "83fd809228678b04",
    "pnet.prelu1.weight": "45adbefa01108f18",
    "pnet.conv2.weight": "b85e783a5f632a12",
    "pnet.conv2.bias": "72bd983207b4b5c5",
    "pnet.prelu2.weight": "6540801da4f97819",
    "pnet.conv3.weight": "9d5aae6ca2dbba98",
    "pnet.conv3.bias": "dd636cec55f59b36",
    "pnet.prelu3.weight": "6465b2b6d0df8df6",
    "pnet.conv4_1.weight": "f745afb4a8007397",
    "pnet.conv4_1.bias": "575f7af6d2ed0b63",
    "pnet.conv4_2.weight": "d72b47f2c3d67d19",
    "pnet.conv4_2.bias": "7376962a9927027d",
    "rnet.conv1.weight": "fd5f12eccbfe96d9",
    "rnet.conv1.bias": "f7bd9286c7b3aa48",
    "rnet.prelu1.weight": "42b0c54781fc7361",
    "rnet.conv2.weight": "a921c39aa1f6b845",
    "rnet.conv2.bias": "04b80fb5aae9d77c",
    "rnet.prelu2.weight": "0aa91929316a7cd0",
    "rnet.conv3.weight": "88fe7c5e27e73c1a",
    "rnet.conv3.bias": "b3e6770cbe228a16",
    "rnet.prelu3.weight": "a5b79c5059bed19d",
    "rnet.dense4.weight": "cc7ef7772e47aace",
    "rnet.dense4.bias": "0cf842da76d58e25",
    "rnet.prelu4.weight": "35584fab2394cae7",
    "rnet.dense5_1.weight": "64f4d5008e5de380",
    "rnet.dense5_1.bias": "b555be378329f96c",
    "rnet.dense5_2.weight": "9ac9dcb83bc0bead",
    "rnet.dense5_2.bias": "e582b351d83a6677",
    "onet.conv1.weight": "5b340742d11a94bb",
    "onet.conv1.bias": "ab2cb50b8ab09e34",
    "onet.prelu1.weight": "086c5ebd4e3fe6a1",
    "onet.conv2.weight": "9875450005e45041",
    "onet.conv2.bias": "b15ef643de6dffad",
    "onet.prelu2.weight": "f845e959e39af5a2",
    "onet.conv3.weight": "5009324ed8fe9555",
    "onet.conv3.bias": "bcc269e5ac7a34fd",
    "onet.prelu3.weight": "3c2ce013c59bb613",
    "onet.conv4.weight": "b955ec8834bd21e0",
    "onet.conv4.bias": "428c93386721bda3",
    "onet.prelu4.weight": "b1c63881685c7d1a",
    "onet.dense5.weight": "5491ba041169c369",
    "onet.dense5.bias": "f0036a201d80624a",
    "onet.prelu5.weight": "c56085cb34fc1985",
    "onet.dense6_1.weight": "b87b20d9e81428e2",
    "onet.dense6_1.bias": "25661428eefab11c",
    "onet.dense6_2.weight": "898e4f29cb939404",
    "onet.dense6_2.bias": "425d0d73964abbf0",
    "onet.dense6_3.weight": "7dadf90e7caccefa",
    "onet.dense6_3.bias": "d0f2173da9dc0ab3",
}


# ---- reading ----

def read_state(path, net):
    """name -> (shape, bytes) of one .pt file in row-major order."""
    try:
        state, data = storages_of_zip(path) if zipfile.is_zipfile(path) else storages_of_legacy(path)
        found, storages = {}, {}
        for name, tensor in tensors_of(state).items():
            kind, key = tensor.storage
            shape, places = tuple(tensor.shape), [tensor.offset]
            for n, stride in zip(shape, tensor.stride):  # element numbers in the order of the indices
                places = [place + i * stride for place in places for i in range(n)]
            if kind != "FloatStorage":
                raise Refused(f"{net}.pt: tensor {name} is no float32")
            if key not in storages:
                raw = data(kind, key)
                storages[key] = struct.unpack(f"<{len(raw) // 4}f", raw)
            if min(places, default=0) < 0 or max(places, default=-1) >= len(storages[key]):
                raise Refused(f"{net}.pt: tensor {name} does not lie within its storage")
            values = struct.pack(f"<{len(places)}f", *(storages[key][place] for place in places))
            found[f"{net}.{name}"] = (shape, values)
        return found
    except (pickle.UnpicklingError, zipfile.BadZipFile, EOFError, KeyError, ValueError, TypeError, AttributeError, IndexError, struct.error) as error:
        raise Refused(f"{net}.pt: damaged, or not a PyTorch file: {error}") from None


def channels_first(shape, data, channels, side):
    """Columns from (w, h, c) to (c, h, w)."""
    order = [(x * side + y) * channels + c for c in range(channels) for y in range(side) for x in range(side)]
    row = len(order)
    if shape[-1] != row:
        raise Refused("a dense layer has another shape")
    values = struct.unpack(f"<{shape[0] * row}f", data)
    return struct.pack(f"<{len(values)}f", *(values[o * row + k] for o in range(shape[0]) for k in order))


def read_folder(folder):
    tensors = {}
    for net in NETS:
        path = os.path.join(folder, f"{net}.pt")
        if not os.path.exists(path):
            raise Refused(f"{path} is not there")
        tensors.update(read_state(path, net))
    for name, (channels, side) in MAPS.items():
        if name in tensors:
            shape, data = tensors[name]
            tensors[name] = (shape, channels_first(shape, data, channels, side))
    return tensors


def read_wheel(path):
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as wheel:
                for net in NETS:
                    with wheel.open(f"facenet_pytorch/data/{net}.pt") as source, open(os.path.join(folder, f"{net}.pt"), "wb") as target:
                        shutil.copyfileobj(source, target)
        except (KeyError, zipfile.BadZipFile) as error:
            raise Refused(f"{path}: not a wheel of {PACKAGE}: {error}") from None
        return read_folder(folder)


def read_safetensors(path):
    try:
        with open(path, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header, data = json.loads(file.read(min(size, 1 << 20))), file.read()
        header.pop("__metadata__", None)
        return {name: (tuple(t["shape"]), data[slice(*t["data_offsets"])]) for name, t in header.items()}
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{path}: not a safetensors file: {error}") from None


def check(tensors):
    for name, want in HASHES.items():
        if name not in tensors:
            raise Refused(f"tensor {name} is missing")
        if hashlib.sha256(tensors[name][1]).hexdigest()[:16] != want:
            raise Refused(f"tensor {name} is not what {PACKAGE} {VERSION} has")
    for name in tensors:
        if name not in HASHES:
            raise Refused(f"tensor {name} does not belong to MTCNN")


# ---- the package index ----

def index_url():
    url = os.environ.get("PIP_INDEX_URL")
    if not url:
        asked = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False)
        url = asked.stdout.strip() if asked.returncode == 0 else ""
    return (url or "https://pypi.org/simple").rstrip("/") + "/"


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []

    def handle_starttag(self, tag, attributes):
        self.links += [value for key, value in attributes if tag == "a" and key == "href" and value]


def fetch(url, accept="*/*"):
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT") or None)
    request = urllib.request.Request(url, headers={"Accept": accept, "User-Agent": "libefme-mtcnn"})
    with urllib.request.urlopen(request, timeout=120, context=context if url.startswith("https:") else None) as answer:
        return answer.read(), answer.headers.get_content_type(), answer.geturl()


def download(folder):
    """The wheel, its hash checked where the index names one."""
    base = urllib.parse.urljoin(index_url(), PACKAGE + "/")
    try:
        page, kind, base = fetch(base, "application/vnd.pypi.simple.v1+json, text/html;q=0.5")
        if kind.endswith("json"):
            links = [(f["url"], f.get("hashes", {}).get("sha256")) for f in json.loads(page)["files"]]
        else:
            parser = Links()
            parser.feed(page.decode("utf-8", "replace"))
            links = [(link, urllib.parse.urlsplit(link).fragment.partition("sha256=")[2] or None) for link in parser.links]
        name = f"{PACKAGE.replace('-', '_')}-{VERSION}-py3-none-any.whl"
        found = [(urllib.parse.urljoin(base, link), sha) for link, sha in links if os.path.basename(urllib.parse.urlsplit(link).path) == name]
        if not found:
            raise Refused(f"the package index has no {name}")
        wheel, _, _ = fetch(found[0][0].partition("#")[0])
    except (OSError, ValueError, KeyError) as error:
        raise Refused(f"{base} cannot be read: {error}") from None
    if found[0][1] and hashlib.sha256(wheel).hexdigest() != found[0][1]:
        raise Refused(f"{name}: its SHA-256 is not the index's")
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(wheel)
    return path


# ---- writing ----

def model_directory():
    if os.environ.get("EFME_MODEL_DIR"):
        return os.environ["EFME_MODEL_DIR"]
    if shutil.which("pkg-config"):
        asked = subprocess.run(["pkg-config", "--variable=modeldir", "efme"], capture_output=True, text=True, check=False)
        if asked.returncode == 0 and asked.stdout.strip():
            return asked.stdout.strip()
    return "/usr/local/share/efme/models"


def write(path, tensors):
    metadata = {"format": "pt", "source": f"PyPI {PACKAGE} {VERSION}, data/{{pnet,rnet,onet}}.pt", "version": VERSION, "licence": "MIT",
                "layout": "conv OIHW; dense weights [out][C*H*W], flattened C,H,W"}
    header, at = {"__metadata__": metadata}, 0
    for name in HASHES:
        shape, data = tensors[name]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(struct.pack("<Q", len(head)) + head + b"".join(tensors[name][1] for name in HASHES))
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def read(source):
    if source is None:
        with tempfile.TemporaryDirectory() as folder:
            return read_wheel(download(folder))
    if os.path.isdir(source):
        return read_folder(source)
    return read_safetensors(source) if source.endswith(".safetensors") else read_wheel(source)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="directory to write mtcnn.safetensors to")
    parser.add_argument("source", nargs="?")
    arguments = parser.parse_args()
    folder = arguments.out or model_directory()
    try:
        tensors = read(arguments.source)
        check(tensors)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "mtcnn.safetensors")
        write(path, tensors)
    except (Refused, OSError) as error:
        print(f"mtcnn.py: {error}", file=sys.stderr)
        return 1
    print(f"{path}: {len(tensors)} tensors of {PACKAGE} {VERSION} (MIT licence)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
