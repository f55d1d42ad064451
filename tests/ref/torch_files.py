"""Writes small files as torch.save and nanoGPT's prepare.py do, with CPython's own pickler: seeds of tests/fuzz/corpus/pickle.

    python tests/ref/torch_files.py tests/fuzz/corpus/pickle

torch itself is not needed: what its __reduce_ex__ hands to the pickler is made here (torch/_utils.py, torch/serialization.py)."""
import collections
import io
import pickle
import struct
import sys
import types
import zipfile

torch = types.ModuleType("torch")
torch_utils = types.ModuleType("torch._utils")
sys.modules["torch"], sys.modules["torch._utils"] = torch, torch_utils


def named(module, name):
    def f(*a):
        return None
    f.__module__, f.__qualname__, f.__name__ = module.__name__, name, name
    setattr(module, name, f)
    return f


rebuild, parameter = named(torch_utils, "_rebuild_tensor_v2"), named(torch_utils, "_rebuild_parameter")
float_storage = named(torch, "FloatStorage")


class Storage:
    def __init__(self, key, values):
        self.key, self.values = key, values


class Tensor:
    def __init__(self, storage, offset, size, stride, is_parameter=False):
        self.args, self.is_parameter = (storage, offset, size, stride, False, collections.OrderedDict()), is_parameter

    def __reduce_ex__(self, protocol):
        if self.is_parameter:
            return parameter, (Tensor(*self.args[:4]), True, collections.OrderedDict())
        return rebuild, self.args


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        if isinstance(obj, Storage):
            return "storage", float_storage, obj.key, "cuda:0", len(obj.values)


def save(path, obj, storages):
    data = io.BytesIO()
    Pickler(data, 2).dump(obj)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        z.writestr(zipfile.ZipInfo("ckpt/data.pkl"), data.getvalue())
        z.writestr(zipfile.ZipInfo("ckpt/byteorder"), "little")
        for s in storages:
            z.writestr(zipfile.ZipInfo("ckpt/data/" + s.key), struct.pack(f"<{len(s.values)}f", *s.values))
        z.writestr(zipfile.ZipInfo("ckpt/version"), "3\n")


def nanogpt(path):
    V, T, C, storages, state = 5, 4, 4, [], collections.OrderedDict()
    state._metadata = collections.OrderedDict([("", {"version": 1})])

    def tensor(*size, is_parameter=False):
        n = 1
        for x in size:
            n *= x
        s = Storage(str(len(storages)), [len(storages) + i / 256 for i in range(n)])
        storages.append(s)
        stride = tuple([size[1], 1] if len(size) == 2 else [1])
        return Tensor(s, 0, size, stride, is_parameter)

    state["_orig_mod.transformer.wte.weight"] = wte = tensor(V, C)
    state["_orig_mod.transformer.wpe.weight"] = tensor(T, C, is_parameter=True)
    for name, size in (("ln_1.weight", (C,)), ("attn.c_attn.weight", (3 * C, C)), ("attn.c_proj.weight", (C, C)), ("ln_2.weight", (C,)),
                       ("mlp.c_fc.weight", (4 * C, C)), ("mlp.c_proj.weight", (C, 4 * C))):
        state["_orig_mod.transformer.h.0." + name] = tensor(*size)
    state["_orig_mod.transformer.ln_f.weight"] = tensor(C)
    state["_orig_mod.lm_head.weight"] = Tensor(*wte.args[:4])
    loss = tensor(1)
    save(path, {"model": state, "optimizer": {"state": {0: {"step": 7, "exp_avg": tensor(3)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.95)}]},
                "model_args": dict(n_layer=1, n_head=2, n_embd=C, block_size=T, bias=False, vocab_size=V, dropout=0.0),
                "iter_num": 5000, "best_val_loss": Tensor(loss.args[0], 0, (), ()),
                "config": {"out_dir": "out", "always_save": True, "big": 1 << 40, "negative": -3, "none": None, "learning_rate": 6e-4}}, storages)


out = sys.argv[1]
nanogpt(out + "/nanogpt.pt")
chars = sorted(set("\n !,.abcdefghijklmnopqrstuvwxyz\u00e9\u4e2d"))
meta = {"vocab_size": len(chars), "itos": dict(enumerate(chars)), "stoi": {c: i for i, c in enumerate(chars)}}
for protocol in (2, 4):
    with open(f"{out}/meta{protocol}.pkl", "wb") as f:
        f.write(pickle.dumps(meta, protocol))
big = [chr(0x4e00 + i) for i in range(700)]
with open(out + "/meta_large.pkl", "wb") as f:
    f.write(pickle.dumps({"vocab_size": 700, "itos": dict(enumerate(big)), "stoi": {c: i for i, c in enumerate(big)}}))
