"""What Glimpse writes, opened by transformers: `glimpse convert` of a random model of every architecture, its logits after
from_pretrained against those before.

    pip install torch transformers && python tests/ref/parity_writers.py [SEED]

Then tokenizers of several kinds that lay beside a model: what stands beside the converted one is opened by AutoTokenizer and
PreTrainedTokenizerFast and gives the ids of the first.

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


def tokenizers_travel(program, tmp):
    """Of the tokenizers of tokenizer_files.py, each beside a converted model of its class."""
    import tokenizer_files as files
    from transformers import AutoTokenizer, PreTrainedTokenizerFast
    wrong = 0
    kinds = {"gpt2": "gpt2", "llama3": "llama2", "llama2": "llama2", "qwen2": "qwen2", "unigram": "llama2", "added": "gpt2"}
    for name, t in files.families():
        if name not in kinds:
            continue
        source, out = pathlib.Path(tmp) / kinds[name], pathlib.Path(tmp) / f"{name}_tokenizer"
        (source / "tokenizer.json").write_text(t.to_str())
        (source / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false}')
        subprocess.run([program, "convert", source, out], check=True, stdout=subprocess.DEVNULL)
        texts = files.NASTY + files.TEXT
        want = [t.encode(x, add_special_tokens=False).ids for x in texts]
        for how, other in (("AutoTokenizer", AutoTokenizer.from_pretrained(out)), ("PreTrainedTokenizerFast", PreTrainedTokenizerFast(tokenizer_file=str(out / "tokenizer.json")))):
            n = sum(other(x, add_special_tokens=False)["input_ids"] != w for x, w in zip(texts, want))
            print(f"  {name:14} {how}: {len(texts)} texts, {n} differences")
            wrong += n
    return wrong


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else int.from_bytes(os.urandom(2), "little")
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
        failed += tokenizers_travel(program, tmp) > 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
