"""Writes what `make test` compares with: small tokenizer files of every kind and the ids that their own systems give.

    pip install tokenizers tiktoken sentencepiece && python tests/ref/tokenizer_freeze.py tests/fuzz/corpus/tokenizer tests/ref/tokenizer_frozen.txt

A line "text HEX" is a text, by its number; a line "file NAME PATTERN" begins a family; "N ID ID ..." are the ids of text N, "= HEX" after
it what they decode to where that is not the text."""
import os
import random
import shutil
import sys
import tempfile

import tokenizer_families as families

WANTED = """bert_1n11 bert_0110 unigram unigram_whole norm_nfc norm_nfd norm_nfkc norm_nfkd norm_accents norm_nmt norm_bytes roberta falcon deepseek pre_scripts pre_words
pre_fixed split_merged_with_next invert_removed meta_first_1 suffix subword ctc chain addedrules wordpiece tiktoken_gpt2 tiktoken_cl100k tiktoken_o200k tekken spm_bpe_llama
spm_unigram_llama spm_bpe_user spm_unigram_user llama2c gguf_llama gguf_gpt2""".split()
folder, target = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
r = random.Random(7)
texts = families.NASTY + families.REAL + [families.random_text(r) for _ in range(40)]
out = ["text " + x.encode().hex() for x in texts]
with tempfile.TemporaryDirectory() as temporary:
    for f in families.all(temporary):
        short = f.name[3:] if f.name.startswith("hf_") else f.name
        if short not in WANTED or f.name == "hf_tekken":
            continue
        name = short + os.path.splitext(f.path)[1]
        shutil.copyfile(f.path, f"{folder}/{name}")
        out.append(f"file {name} {f.pattern}".rstrip())
        for i, x in enumerate(texts):
            if f.clean(x) != x:
                continue
            ids = f.encode(x)
            back = f.decode(ids) if ids else b""
            out.append(" ".join(map(str, [i] + ids)) + ("" if back is None or back == x.encode() else " = " + back.hex()))
with open(target, "w") as f:
    f.write("\n".join(out) + "\n")
