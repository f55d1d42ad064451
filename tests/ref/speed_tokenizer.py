"""Encoding speed beside Hugging Face tokenizers, one thread each, in turns, in one run; both in processor time, so that others
on the machine do not count, and both the best of as many tries.  Theirs is slower on a long text than on many short ones, ours
is not: they get the text in the form in which they are fastest, ours is whole.

    python tests/ref/speed_tokenizer.py build/release/bench/bench_tokenizer tokenizer.json TEXT"""
import os
import re
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer

TRIES = 5  # as `bench_tokenizer speed`
program, path, text = sys.argv[1:]
t, s = Tokenizer.from_file(path), open(text, newline="").read()
size = len(s.encode())


def pieces(n):
    return [s[i:i + n] for i in range(0, len(s), n)] if n else [s]


def theirs_once(given):
    start = time.process_time()
    t.encode_batch_fast(given, add_special_tokens=False)
    return size / (time.process_time() - start) / 1e6


forms = {n: pieces(n) for n in (0, 100000, 10000, 2000, 500)}
speeds = {n: theirs_once(x) for n, x in forms.items()}
best = max(speeds, key=speeds.get)
print("theirs by characters a text: " + ", ".join(f"{n or 'whole'} {x:.2f} MB/s" for n, x in speeds.items()))
ratios, backs = [], []
for _ in range(3):
    theirs = max(theirs_once(forms[best]) for _ in range(TRIES))
    line = subprocess.run([program, "speed", path, text], capture_output=True, text=True, check=True).stdout
    ours, back = map(float, re.search(r"encode\s+([\d.]+) MB/s\s+decode\s+([\d.]+)", line).groups())
    ratios.append(ours / theirs)
    backs.append(back)
    print(f"theirs {theirs:.2f} MB/s, ours {ours:.1f} MB/s, {ours / theirs:.1f} times; decode {back:.0f} MB/s", flush=True)
print(f"median {sorted(ratios)[1]:.1f} times; decode {sorted(backs)[1]:.0f} MB/s")
