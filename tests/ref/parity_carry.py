"""Tokenizers without a Hugging Face form, carried beside converted weights: what transformers opens there gives the ids of the
original's own software.

    python tests/ref/parity_carry.py build/release/glimpse build/release/bench/bench_tokenizer [TEXTS-A-FAMILY] [PART-OF-A-NAME]

`glimpse convert` of a small model with each tokenizer of tokenizer_families.py (tiktoken, tekken, sentencepiece, llama2.c,
GGUF), with llm.c's file and with nanoGPT's meta.pkl.  Where a tokenizer.json was written, AutoTokenizer's ids are compared on the
nasty list and 2,000 random strings; where the original was copied (what has no exact form: rules of normalisation, user-defined
and unused pieces, blanks as suffixes, whole words), Glimpse's own ids from the copy."""
import os
import pathlib
import pickle
import random
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tiktoken  # noqa: E402
import torch  # noqa: E402
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, logging  # noqa: E402

import tokenizer_families as families  # noqa: E402

program, bench, count, part = (sys.argv[1:] + ["", "", "", ""][len(sys.argv) - 1:])[:4]
count = int(count) if count.isdigit() else 2000
COPIED = {"spm_word", "spm_bpe", "spm_unigram", "spm_char", "spm_bpe_user", "spm_unigram_user", "spm_bpe_suffix", "spm_unigram_suffix",
          "spm_bpe_casefold", "spm_unigram_casefold", "spm_bpe_unused", "spm_unigram_unused", "gguf_t5"}


def llmc(folder):
    ranks = families.ranks_of(families.old.byte_level(families.old.bl(use_regex=True), [], 500))
    e = tiktoken.Encoding("llmc", pat_str=families.PATTERNS["gpt2"], mergeable_ranks=ranks, special_tokens={"<|endoftext|>": len(ranks)})
    path = f"{folder}/gpt2_tokenizer.bin"
    with open(path, "wb") as f:
        f.write(struct.pack("<256I", 20240328, 2, len(ranks) + 1, len(ranks), *[0] * 252))
        for x in list(ranks) + [b"<|endoftext|>"]:
            f.write(bytes([len(x)]) + x)
    yield families.Family("llmc", path, len(ranks) + 1, lambda x: e.encode(x, allowed_special="all"), e.decode_bytes)


def nanogpt(folder):
    chars = sorted(set("\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\u00e9\u4e2d\u2028\U0001f600\u0301\t"))
    stoi = {c: i for i, c in enumerate(chars)}
    path = f"{folder}/meta.pkl"
    with open(path, "wb") as f:
        pickle.dump({"vocab_size": len(chars), "itos": dict(enumerate(chars)), "stoi": stoi}, f)
    yield families.Family("nanogpt", path, len(chars), lambda x: [stoi[c] for c in x], lambda ids: "".join(chars[i] for i in ids).encode(),
                          skip=lambda x: any(c not in stoi for c in x))


def ours(path, texts, pattern):
    lines = "".join(x.encode().hex() + "\n" for x in texts)
    done = subprocess.run([bench, "ids", path] + ([pattern] if pattern else []), input=lines, capture_output=True, text=True, check=True)
    return [[int(i) for i in line.split()] for line in done.stdout.split("\n")[:-1]]


def check(f, source, tmp):
    out = pathlib.Path(tmp) / f"{f.name}_out"
    said = subprocess.run([program, "convert", source, out, "--tokenizer", f.path], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    r = random.Random(f.name)
    alphabet = "\n !',-.3:;?AZaz\u00e9\u4e2d\u2028\U0001f600\u0301\t"
    texts = families.NASTY + families.REAL + [families.random_text(r) for _ in range(count)]
    texts += ["".join(r.choice(alphabet) for _ in range(r.randrange(30))) for _ in range(count if f.name == "nanogpt" else 100)]
    texts += ["<unk>", "a<unk>b", "<0x41>", " <0x41> x", "<unk <0x4 <", "<unk><unk>"]
    texts = [x for x in texts if not f.skip or not f.skip(x)]
    want = [list(f.encode(x)) for x in texts]
    json = (out / "tokenizer.json").exists()
    if json == (f.name in COPIED):
        print(f"{f.name}: {'a tokenizer.json, not expected' if json else 'copied, not expected: ' + said.stderr.strip()}")
        return 1
    if json:
        t = AutoTokenizer.from_pretrained(out)
        got = [t(x, add_special_tokens=False)["input_ids"] for x in texts]
        back = sum(t.decode(w).encode() != f.decode(w) for w in want if f.name in ("llmc", "nanogpt") or f.name.startswith("tiktoken"))
    else:
        copy, = [p for p in out.iterdir() if p.suffix not in (".safetensors", ".json")]
        got, back = ours(copy, texts, f.pattern), 0
    wrong = [(x, a, b) for x, a, b in zip(texts, got, want) if a != b]
    for x, a, b in wrong[:3]:
        print(f"   {x!a:.200}\n      transformers {a}\n      original     {b}")
    print(f"{f.name}: {len(texts)} texts, {'tokenizer.json' if json else 'copied'}, {len(wrong)} differences, {back} texts read otherwise"
          + ("" if json else f"; {said.stderr.strip()[-90:]}"), flush=True)
    return len(wrong) + back > 0


def main():
    bad = 0
    with tempfile.TemporaryDirectory() as tmp:
        source = pathlib.Path(tmp) / "model"
        torch.manual_seed(1)
        GPT2LMHeadModel(GPT2Config(vocab_size=1000, n_positions=32, n_embd=16, n_layer=1, n_head=2, bos_token_id=None, eos_token_id=None)).save_pretrained(source)
        (source / "generation_config.json").unlink(missing_ok=True)
        logging.set_verbosity_error()
        makers = [families.tiktoken_families, families.spm_families, families.llama2c, families.gguf_families, families.gguf_bert, families.tekken_other, llmc, nanogpt]
        for make in makers:
            for f in make(tmp):
                if part in f.name and f.name not in ("tiktoken_tekken",):  # a file whose name does not tell its pattern
                    bad += check(f, source, tmp)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
