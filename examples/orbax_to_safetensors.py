"""Exports an Orbax checkpoint (JAX) to safetensors, which Glimpse reads:

    pip install orbax-checkpoint safetensors
    python orbax_to_safetensors.py output/best_checkpoint [names.json]

Writes output/best_checkpoint/model.safetensors; output/model_config.json and output/tokenizer.json are found from there.
names.json maps this model's names to GPT-2's ({"params.embed.embedding": "transformer.wte.weight", ...}); a name that ends
in "^T" is stored transposed, as a Flax kernel (in, out) must be.  Without it the names are printed."""
import json
import os
import sys

import numpy as np
import orbax.checkpoint
import safetensors.numpy


def flat(tree, prefix=""):
    for key, value in (tree.items() if isinstance(tree, dict) else enumerate(tree)):
        if isinstance(value, (dict, list, tuple)):
            yield from flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", np.asarray(value)


path = os.path.abspath(sys.argv[1])
tensors = dict(flat(orbax.checkpoint.PyTreeCheckpointer().restore(path)))
if len(sys.argv) > 2:
    names = json.load(open(sys.argv[2]))
    tensors = {new.removesuffix("^T"): np.ascontiguousarray(tensors[old].T if new.endswith("^T") else tensors[old]) for old, new in names.items()}
else:
    print(*(f"{name} {value.dtype} {value.shape}" for name, value in tensors.items()), sep="\n")
safetensors.numpy.save_file(tensors, os.path.join(path, "model.safetensors"))
