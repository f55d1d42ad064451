"""Checkpoints that PyTorch itself saves, read by `glimpse score`, against transformers' logits: nanoGPT's keys and wrappers, parameters,
views, half types, archives in a buffer, pickle protocols; and what must be refused without being run.

    python tests/ref/parity_torch.py build/release/glimpse          needs torch and transformers

tests/torch_files.c writes such files by hand, for `make test`; that it writes them as PyTorch does is what this shows."""
import io
import os
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

program, ids = sys.argv[1], [5, 17, 3, 22, 9, 40, 1, 33]
torch.manual_seed(1)
config = GPT2Config(vocab_size=61, n_positions=32, n_embd=24, n_layer=2, n_head=3, activation_function="gelu", bos_token_id=None, eos_token_id=None)
model = GPT2LMHeadModel(config).eval()
with torch.no_grad():
    for name, p in model.named_parameters():
        p.copy_(torch.randn_like(p) * 0.2 + (1 if "ln_" in name and "weight" in name else 0))
turned = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
state = {k: (v.T.contiguous() if k.endswith(turned) else v.clone()) for k, v in model.state_dict().items()}
state["lm_head.weight"] = state["transformer.wte.weight"]
some = "transformer.h.0.mlp.c_fc.weight"


def checkpoint(weights, **more):
    return {"model": weights, "optimizer": {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(3)}}, "param_groups": [{"betas": (0.9, 0.95)}]},
            "model_args": dict(n_layer=2, n_head=3, n_embd=24, block_size=32, bias=True, vocab_size=61, dropout=0.0), "iter_num": 5,
            "best_val_loss": torch.tensor(1.5), "config": dict(dataset="x", compile=True, beta=None), **more}


def logits(dtype):
    other = GPT2LMHeadModel(config).eval()
    other.load_state_dict({k: v.to(dtype).float() for k, v in model.state_dict().items()})
    with torch.no_grad():
        return other(torch.tensor([ids])).logits[0, :-1].numpy()


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.path.join(folder, "executed"),)


def in_buffer(what, path):
    out = io.BytesIO()
    torch.save(what, out)
    with open(path, "wb") as f:
        f.write(out.getvalue())


wide = torch.zeros(state[some].shape[0] * 2, state[some].shape[1] * 3)
wide[::2, ::3] = state[some]
behind = torch.cat([torch.ones(100), state[some].flatten()])[100:].view_as(state[some])
read = {f"prefix {p}": checkpoint({p + k: v for k, v in state.items()}) for p in ("", "_orig_mod.", "module.", "model.", "module._orig_mod.")}
read |= {"parameters": checkpoint({k: torch.nn.Parameter(v) for k, v in state.items()}), "turned": checkpoint({**state, some: state[some].T.contiguous().T}),
         "strided": checkpoint({**state, some: wide[::2, ::3]}), "with an offset": checkpoint({**state, some: behind}),
         "state_dict": {"state_dict": state, "hyper_parameters": checkpoint(state)["model_args"]}, "bfloat16": checkpoint({k: v.bfloat16() for k, v in state.items()}),
         "float16": checkpoint({k: v.half() for k, v in state.items()})}
refused = {"evil": (checkpoint(state, config=Evil()), "nothing of it was run"), "double": (checkpoint({k: v.double() for k, v in state.items()}), "type Double"),
           "expanded": (checkpoint({**state, "transformer.ln_f.bias": torch.ones(1).expand(24)}), "Float, expanded"),
           "module": (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear")}
bad = 0
with tempfile.TemporaryDirectory() as folder:
    path, out = folder + "/ckpt.pt", folder + "/logits.npy"

    def ask():
        return subprocess.run([program, "score", "--checkpoint", path, "--prompt", "IDS:" + ",".join(map(str, ids)), "--logits_out", out], capture_output=True, text=True)

    def compare(name, dtype=torch.float32):
        global bad
        want, done = logits(dtype), ask()
        error = np.abs(np.load(out) - want).max() / np.abs(want).max() if not done.returncode else np.nan
        bad += not error < 1e-5
        print(f"  {name:28} max|diff| / max|logit| {error:.2g} {done.stderr.strip() if done.returncode else ''}")

    for name, what in read.items():
        torch.save(what, path)
        compare(name, getattr(torch, name, torch.float32) if name.endswith("float16") else torch.float32)
    for protocol in (2, 4, 5):
        torch.save(read["prefix "], path, pickle_protocol=protocol)
        compare(f"protocol {protocol}")
    in_buffer(read["prefix "], path)
    compare("in a buffer")
    for name, (what, says) in refused.items():
        torch.save(what, path)
        done = ask()
        bad += not done.returncode or says not in done.stderr
        print(f"  {name:28} {done.stderr.strip().splitlines()[0] if done.stderr else 'READ'}")
    torch.jit.script(torch.nn.Linear(2, 2)).save(path)
    bad += "TorchScript" not in ask().stderr
    torch.save(read["prefix "], path, _use_new_zipfile_serialization=False)
    bad += "from before 1.6" not in ask().stderr
    bad += os.path.exists(folder + "/executed")
print(f"parity_torch: torch {torch.__version__}, {bad} differences")
sys.exit(bool(bad))
