"""Writes a nanoGPT checkpoint with PyTorch itself (which ends its zips with a ZIP64 record, whatever their size):

    pip install torch && python tests/ref/torch_real.py tests/fuzz/corpus/torch/nanogpt_whole.pt

Number i of tensor k is k + i / 256; test_torch.c reads it.  Keys as torch.compile saves them, parameters as an nn.Module has them, a
tied head, a transposed view, an optimizer's state beside."""
import collections
import sys

import torch

V, T, C = 5, 4, 4
shapes = [("wte.weight", (V, C)), ("wpe.weight", (T, C))]
for name, shape in (("ln_1.weight", (C,)), ("ln_1.bias", (C,)), ("attn.c_attn.weight", (3 * C, C)), ("attn.c_attn.bias", (3 * C,)),
                    ("attn.c_proj.weight", (C, C)), ("attn.c_proj.bias", (C,)), ("ln_2.weight", (C,)), ("ln_2.bias", (C,)),
                    ("mlp.c_fc.weight", (4 * C, C)), ("mlp.c_fc.bias", (4 * C,)), ("mlp.c_proj.weight", (C, 4 * C)), ("mlp.c_proj.bias", (C,))):
    shapes.append(("h.0." + name, shape))
shapes += [("ln_f.weight", (C,)), ("ln_f.bias", (C,))]
state = collections.OrderedDict()
for k, (name, shape) in enumerate(shapes):
    n = 1
    for d in shape:
        n *= d
    t = torch.nn.Parameter((k + torch.arange(n, dtype=torch.float32) / 256).reshape(shape))
    if name == "h.0.mlp.c_fc.weight":
        t = torch.nn.Parameter(t.detach().T.contiguous().T)
    state["_orig_mod.transformer." + name] = t
state["_orig_mod.lm_head.weight"] = state["_orig_mod.transformer.wte.weight"]
torch.save({"model": state, "optimizer": {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.95)}]},
            "model_args": dict(n_layer=1, n_head=2, n_embd=C, block_size=T, bias=True, vocab_size=V, dropout=0.0),
            "iter_num": 7, "best_val_loss": torch.tensor(1.5), "config": dict(dataset="x", compile=True, learning_rate=6e-4)}, sys.argv[1])
