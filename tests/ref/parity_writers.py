"""What Glimpse writes, opened by transformers: `glimpse convert` of a random model of every architecture, its logits after
from_pretrained against those before.

    pip install torch transformers && python tests/ref/parity_writers.py [SEED]

Run in the repository after `make`; float32, equal to the last bit but for the order of sums."""
import os
import pathlib
import subprocess
import sys
import tempfile

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from hf_reference import MODELS  # noqa: E402
from hf_transformers import MORE  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else int.from_bytes(os.urandom(2), "little")
    print(f"parity_writers: seed {seed}", flush=True)
    torch.manual_seed(seed)
    program = pathlib.Path(__file__).parents[2] / "build/release/glimpse"
    failed = 0
    with tempfile.TemporaryDirectory() as tmp:
        for name, config in MODELS + MORE:
            c = AutoConfig.for_model(**dict(dict(architectures=["GPT2LMHeadModel"]), **config))
            model = AutoModelForCausalLM.from_config(c, attn_implementation="eager").float().eval()
            with torch.no_grad():
                for n, p in model.named_parameters():
                    p.copy_(torch.randn_like(p) * 0.15 + (1 if "norm" in n and n.endswith("weight") else 0))
            source, out = pathlib.Path(tmp) / name, pathlib.Path(tmp) / f"{name}_out"
            model.save_pretrained(source)
            subprocess.run([program, "convert", source, out], check=True, stdout=subprocess.DEVNULL)
            other, info = AutoModelForCausalLM.from_pretrained(out, attn_implementation="eager", output_loading_info=True)
            assert not info["missing_keys"] and not info["unexpected_keys"], (name, info)
            ids = torch.randint(0, c.vocab_size, (1, 57))
            with torch.no_grad():
                a, b = model(ids, use_cache=False).logits, other.float().eval()(ids, use_cache=False).logits
            worst = float((a - b).abs().max() / a.abs().max())
            print(f"  {name:14} max|diff| / max|logit| {worst:.2g}")
            failed += not worst < 1e-6
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
