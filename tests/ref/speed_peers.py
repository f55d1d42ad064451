"""The same work as Glimpse does it and as its users would otherwise: GPT-2 124M of random weights, f32, on the CPU, 128 tokens
behind a prompt of 64, top_k 200 at 0.8, by two threads each, in turns, in one run.  Reported are medians of the ratios of
neighbours in time.  Ours is what a run's journal says (seconds.prefill + seconds.decode: with every token's record and ten
alternatives), theirs the bare call, behind one that warms it up; models are loaded before.

    generate     transformers' model.generate with its cache
    no cache     nanoGPT's loop: a forward pass over the whole text for each token, the head over its last position alone
    llama.cpp    its llama-batched-bench, where LLAMA is given: forward passes alone, nothing is drawn or recorded
    matplotlib   a heatmap a token, one figure used again, against the whole of `glimpse report`, its start to its end: those
                 128 heatmaps, the sheet, the page, TensorBoard's file and all others

    python tests/ref/speed_peers.py build/release/glimpse DIR [LLAMA]      DIR keeps the models; LLAMA = llama-batched-bench;
                                                                            T=generate in the environment: that one alone"""
import json
import os
import re
import subprocess
import sys
import time

THREADS, PROMPT, TOKENS, ROUNDS = 2, 64, 128, 3
os.environ["OMP_NUM_THREADS"] = str(THREADS)
import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

glimpse, where = sys.argv[1], sys.argv[2]
llama = sys.argv[3] if len(sys.argv) > 3 else None
model_dir, gguf_path = os.path.join(where, "hf"), os.path.join(where, "gpt2.gguf")
torch.set_num_threads(THREADS)
torch.manual_seed(1)
config = GPT2Config(bos_token_id=50256, eos_token_id=50256)
ids = torch.randint(0, 50000, (1, PROMPT))


def make_model():
    model = GPT2LMHeadModel(config).float().eval()
    model.save_pretrained(model_dir)
    return model


def write_gguf(model):
    """As llama.cpp's own converter names and shapes them; a vocabulary without texts."""
    import gguf
    w = gguf.GGUFWriter(gguf_path, "gpt2")
    w.add_context_length(config.n_positions)
    w.add_embedding_length(config.n_embd)
    w.add_feed_forward_length(4 * config.n_embd)
    w.add_block_count(config.n_layer)
    w.add_head_count(config.n_head)
    w.add_layer_norm_eps(config.layer_norm_epsilon)
    w.add_vocab_size(config.vocab_size)
    w.add_tokenizer_model("none")
    w.add_file_type(gguf.LlamaFileType.ALL_F32)
    tensors = {k: v.detach().numpy() for k, v in model.transformer.state_dict().items()}
    kinds = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
             "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    for name, x in {"wte.weight": "token_embd.weight", "wpe.weight": "position_embd.weight", "ln_f.weight": "output_norm.weight",
                    "ln_f.bias": "output_norm.bias"}.items():
        w.add_tensor(x, tensors[name])
    w.add_tensor("output.weight", tensors["wte.weight"])
    for i in range(config.n_layer):
        for theirs, ours in kinds.items():
            weight = tensors[f"h.{i}.{theirs}.weight"]
            w.add_tensor(f"blk.{i}.{ours}.weight", np.ascontiguousarray(weight.T) if weight.ndim == 2 else weight)
            w.add_tensor(f"blk.{i}.{ours}.bias", tensors[f"h.{i}.{theirs}.bias"])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def ours(samples, *more):
    """Seconds of a run, as its journal says them."""
    out = os.path.join(where, "out")
    subprocess.run(["rm", "-rf", out], check=True)
    prompt = "IDS:" + ",".join(map(str, ids[0].tolist()))
    subprocess.run([glimpse, "--checkpoint", model_dir, "--prompt", prompt, "--num_samples", str(samples), "--max_new_tokens",
                    str(TOKENS), "--top_k", "200", "--temperature", "0.8", "--ignore_eos", "--threads", str(THREADS), "--device",
                    "cpu", "--out_dir", out, "--quiet", *more], check=True, capture_output=True)
    line = json.loads(open(os.path.join(out, "evals.jsonl")).readline())
    assert len(line["samples"]) == samples and all(len(s["tokens"]) == TOKENS for s in line["samples"])
    return line["seconds"]


def ours_speaks(samples):
    s = ours(samples)
    return s["prefill"] + s["decode"]


def timed(f):
    start = time.monotonic()
    f()
    return time.monotonic() - start


@torch.inference_mode()
def generate(model, samples):
    x = model.generate(ids.expand(samples, -1), attention_mask=torch.ones(samples, PROMPT, dtype=torch.long), do_sample=True, top_k=200,
                       temperature=0.8, min_new_tokens=TOKENS, max_new_tokens=TOKENS, pad_token_id=50256)
    assert x.shape == (samples, PROMPT + TOKENS)


@torch.inference_mode()
def no_cache(model, samples):
    x = ids.expand(samples, -1)
    for _ in range(TOKENS):
        logits = model(x, use_cache=False, logits_to_keep=1).logits[:, -1] / 0.8
        logits[logits < torch.topk(logits, 200).values[:, [-1]]] = -float("inf")
        x = torch.cat((x, torch.multinomial(torch.softmax(logits, -1), 1)), 1)


def llama_speaks(samples):
    """Its columns: PP, TG, B, N_KV, T_PP s, S_PP, T_TG s, S_TG, T s, S."""
    text = subprocess.run([llama, "-m", gguf_path, "-t", str(THREADS), "-tb", str(THREADS), "-npp", str(PROMPT), "-ntg", str(TOKENS), "-npl",
                           str(samples), "-c", str(samples * (PROMPT + TOKENS)), "-fa", "off", "-pps", "-kvu", "-ctk", "f32", "-ctv", "f32"],
                          capture_output=True, text=True, check=True).stdout
    row = re.search(rf"^\|\s*{PROMPT}\s*\|\s*{TOKENS}\s*\|\s*{samples}\s*\|(.*)\|", text, re.M).group(1).split("|")
    return float(row[1]) + float(row[3])


def figures():
    """A token's 20 likeliest in each of the last 10 rows: what seeds of this kind draw."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    fig, ax = plt.subplots(figsize=(9.6, 2.4))
    rng = np.random.default_rng(1)
    image = ax.imshow(rng.random((10, 20)), aspect="auto", vmin=0, vmax=1)
    fig.colorbar(image)
    for i in range(TOKENS):
        image.set_data(rng.random((10, 20)))
        ax.set_yticks(range(10), [f"token {i - j}" for j in range(10)])
        fig.savefig(os.path.join(where, "figure.png"))
    plt.close(fig)


def report():
    out = os.path.join(where, "out")
    took = timed(lambda: subprocess.run([glimpse, "report", out], check=True, capture_output=True))
    assert sum(f.startswith("token_") for _, _, files in os.walk(out) for f in files) == TOKENS
    return took


def compare(name, theirs, mine):
    if os.environ.get("T", "") not in name:
        return
    theirs(), mine()
    pairs = [(theirs(), mine()) for _ in range(ROUNDS)]
    ratios = sorted(a / b for a, b in pairs)
    a, b = pairs[[x / y for x, y in pairs].index(ratios[ROUNDS // 2])]
    print(f"{name:38s} {ratios[ROUNDS // 2]:7.2f} times ours ({ratios[0]:.2f} to {ratios[-1]:.2f}); theirs {a:.3f} s, ours {b:.3f} s", flush=True)


os.makedirs(where, exist_ok=True)
model = make_model()
for n in (1, 16):
    compare(f"generate, {n} x {TOKENS} tokens", lambda: timed(lambda: generate(model, n)), lambda: ours_speaks(n))
compare(f"no cache, 1 x {TOKENS} tokens", lambda: timed(lambda: no_cache(model, 1)), lambda: ours_speaks(1))
if llama:
    write_gguf(model)
    for n in (1, 16):
        compare(f"llama.cpp, {n} x {TOKENS} tokens", lambda: llama_speaks(n), lambda: ours_speaks(n))
try:
    ours(1, "--show_heatmaps")
    compare(f"matplotlib, {TOKENS} heatmaps", lambda: timed(figures), report)
except ImportError:
    print("matplotlib: not found")
