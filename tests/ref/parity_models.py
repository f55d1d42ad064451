"""Fresh random models of every architecture: Glimpse's logits against transformers' own, in float32.

    pip install torch transformers && python tests/ref/parity_models.py [SEED]

Writes each model with save_pretrained, its ids and the logits of every position (of the whole text at once; where the cached
decode of transformers must agree with that, it is checked here first), then runs the test `parity_models` on them: the text
at once and token by token, max|diff| / max|logit| < 1e-5."""
import os
import pathlib
import subprocess
import sys
import tempfile

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from hf_reference import MODELS  # noqa: E402
from hf_transformers import LLAMA, MORE  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

LENGTHS = (3, 19, 57)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else int.from_bytes(os.urandom(2), "little")
    print(f"parity_models: seed {seed}", flush=True)
    torch.manual_seed(seed)
    root = pathlib.Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as tmp:
        for name, config in MODELS + MORE:
            config = dict(config)
            if config["model_type"] == "gpt2" and "architectures" not in config:
                config["architectures"] = ["GPT2LMHeadModel"]
            c = AutoConfig.for_model(**config)
            model = AutoModelForCausalLM.from_config(c, attn_implementation="eager").float().eval()
            with torch.no_grad():
                for n, p in model.named_parameters():
                    p.copy_(torch.randn_like(p) * (0.15 if p.dim() > 1 else 0.2) + (1 if "norm" in n and n.endswith("weight") else 0))
            for length in LENGTHS:
                case = pathlib.Path(tmp) / f"{name}_{length}"
                ids = torch.randint(0, c.vocab_size, (1, length))
                with torch.no_grad():
                    logits = model(ids, use_cache=False).logits[0].float()
                    if name != "longrope":
                        cache, steps = None, []
                        for t in range(length):
                            out = model(ids[:, t:t + 1], past_key_values=cache, use_cache=True)
                            cache = out.past_key_values
                            steps.append(out.logits[0, 0])
                        worst = (torch.stack(steps) - logits).abs().max() / logits.abs().max()
                        assert worst < 1e-4, (name, length, worst)
                model.save_pretrained(case)
                ids[0].to(torch.int32).numpy().tofile(case / "ids.bin")
                logits.numpy().tofile(case / "logits.bin")
        env = dict(os.environ, GLIMPSE_PARITY_DIR=tmp)
        return subprocess.call(["make", "-s", "run-tests", "T=parity_models", "NOFORK=1"], cwd=root, env=env)


if __name__ == "__main__":
    sys.exit(main())
