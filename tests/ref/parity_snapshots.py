"""What --save_snapshots leaves, opened by transformers: logits against Glimpse's own on the weights that were bound, ids against
the tokenizer's own software.

    python tests/ref/parity_snapshots.py [SEED]

Writes a GPT-2 in float32 and bfloat16, a Llama and a Gemma 2 with tokenizers that have no Hugging Face form (llm.c's file,
tiktoken's ranks, sentencepiece, tekken), runs the test `parity_snapshots` on them (a trainer's two evals in worker mode), and
opens snapshots/step_00000010 with from_pretrained: no tensor missing, none unexpected, max|diff| / max|logit| below 1e-5, the ends
of a text as the tokenizer has them, every id equal on the nasty list and 2,000 random strings."""
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tokenizer_families as families  # noqa: E402
from parity_carry import llmc  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, logging  # noqa: E402

V, T = 700, 64
GPT2 = dict(model_type="gpt2", architectures=["GPT2LMHeadModel"], n_embd=48, n_layer=3, n_head=4, n_positions=T, vocab_size=V, bos_token_id=None, eos_token_id=None)
LLAMA = dict(model_type="llama", architectures=["LlamaForCausalLM"], hidden_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
             vocab_size=V, max_position_embeddings=T, intermediate_size=80, bos_token_id=None, eos_token_id=None, tie_word_embeddings=False)
GEMMA = dict(LLAMA, model_type="gemma2", architectures=["Gemma2ForCausalLM"], head_dim=12, query_pre_attn_scalar=12, sliding_window=16, tie_word_embeddings=True)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else int.from_bytes(os.urandom(2), "little")
    print(f"parity_snapshots: seed {seed}", flush=True)
    torch.manual_seed(seed)
    logging.set_verbosity_error()
    failed = 0
    with tempfile.TemporaryDirectory() as tmp, tempfile.TemporaryDirectory() as made:
        by_name = {f.name: f for make in (families.tiktoken_families, families.spm_families, llmc) for f in make(made)}
        cases = [("gpt2_f32", GPT2, torch.float32, "llmc", "gpt2_tokenizer.bin", (None, by_name["llmc"].vocab - 1)), ("gpt2_bf16", GPT2, torch.bfloat16, "tiktoken_gpt2", "gpt2.tiktoken", (None, None)),
                 ("llama", LLAMA, torch.float32, "spm_bpe_llama", "tokenizer.model", (1, 2)), ("llama_bf16", LLAMA, torch.bfloat16, "spm_unigram_llama", "tokenizer.model", (1, 2)),
                 ("gemma2", GEMMA, torch.float32, "tekken", "tekken.json", (1, 2))]
        for name, config, dtype, family, file, _ in cases:
            c = AutoConfig.for_model(**config)
            model = AutoModelForCausalLM.from_config(c, attn_implementation="eager").eval()
            with torch.no_grad():
                for n, p in model.named_parameters():
                    p.copy_(torch.randn_like(p) * 0.15 + (1 if "norm" in n and n.endswith("weight") and "gemma" not in name else 0))
            case = pathlib.Path(tmp) / name
            model.to(dtype).save_pretrained(case)
            shutil.copy(by_name[family].path, case / file)
            torch.randint(0, V, (57,), dtype=torch.int32).numpy().tofile(case / "ids.bin")
        root = pathlib.Path(__file__).parents[2]
        if subprocess.call(["make", "-s", "run-tests", "T=parity_snapshots", "NOFORK=1"], cwd=root, env=dict(os.environ, GLIMPSE_SNAPSHOT_DIR=tmp)):
            return 1
        for name, config, dtype, family, _, ends in cases:
            case, f, r = pathlib.Path(tmp) / name, by_name[family], random.Random(seed)
            snapshot = case / "run/snapshots/step_00000010"
            model, info = AutoModelForCausalLM.from_pretrained(snapshot, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
            assert not info["missing_keys"] and not info["unexpected_keys"], (name, info)
            ids = torch.from_numpy(np.fromfile(case / "ids.bin", np.int32)).long()[None]
            ours = torch.from_numpy(np.fromfile(case / "logits.bin", np.float32)).view(-1, V)
            with torch.no_grad():
                theirs = model.eval()(ids, use_cache=False).logits[0]
            worst = float((ours - theirs).abs().max() / theirs.abs().max())
            t = AutoTokenizer.from_pretrained(snapshot)
            texts = [x for x in families.NASTY + families.REAL + [families.random_text(r) for _ in range(2000)] if not f.skip or not f.skip(x)]
            wrong = sum(t(x, add_special_tokens=False)["input_ids"] != list(f.encode(x)) for x in texts)
            said = (model.config.bos_token_id, model.config.eos_token_id)
            named = (t.bos_token_id, t.eos_token_id)
            stored = AutoConfig.from_pretrained(snapshot).dtype
            print(f"  {name:12} {str(stored):14} max|diff| / max|logit| {worst:.2g}; {family}: {len(texts)} texts, {wrong} differences; bos, eos {said}, {named}")
            failed += not worst < 1e-5 or wrong > 0 or said != ends or named != ends or stored != dtype
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
