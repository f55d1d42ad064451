"""Encoding speed beside Hugging Face tokenizers, one thread each, in turns, in one run.

    python tests/ref/speed_tokenizer.py build/release/bench/bench_tokenizer tokenizer.json TEXT"""
import os
import re
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer

program, path, text = sys.argv[1:]
t, s = Tokenizer.from_file(path), open(text).read()
ratios = []
for _ in range(3):
    start = time.perf_counter()
    ids = t.encode(s, add_special_tokens=False).ids
    theirs = len(s.encode()) / (time.perf_counter() - start) / 1e6
    line = subprocess.run([program, "speed", path, text], capture_output=True, text=True, check=True).stdout
    ours, back = map(float, re.search(r"encode\s+([\d.]+) MB/s\s+decode\s+([\d.]+)", line).groups())
    ratios.append(ours / theirs)
    print(f"theirs {theirs:.2f} MB/s, ours {ours:.1f} MB/s, {ours / theirs:.1f} times; decode {back:.0f} MB/s")
print(f"median {sorted(ratios)[1]:.1f} times")
