"""Our ids against those of Hugging Face tokenizers, tiktoken and sentencepiece, and texts back from ids.

    python tests/ref/parity_tokenizer.py build/release/bench/bench_tokenizer [TEXTS-A-FAMILY] [PART-OF-A-NAME]

Trains a small tokenizer of every kind (tokenizer_families.py), then compares 100,000 random Unicode strings a family, the nasty
list and real text.  Prints one line a family; exits 1 on a difference."""
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_families as families

program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100000
part = sys.argv[3] if len(sys.argv) > 3 else ""


def ask(mode, path, pattern, lines):
    done = subprocess.run([program, mode, path] + ([pattern] if pattern else []), input="".join(x + "\n" for x in lines), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{path}: {done.stderr.strip()}")
    return done.stdout.split("\n")[:-1]


def compare(name, what, given, ours, theirs):
    wrong = [x for x in zip(given, ours, theirs) if x[1] != x[2]]
    for x, a, b in wrong[:3]:
        print(f"   {name} {what}: {ascii(x)}\n      ours   {a[:300]}\n      theirs {b[:300]}")
    return len(wrong)


bad = 0
with tempfile.TemporaryDirectory() as folder:
    for f in families.all(folder):
        if part not in f.name:
            continue
        r = random.Random(f.name)
        texts = [x for x in families.NASTY + families.REAL + [families.random_text(r) for _ in range(count)] if not f.skip or not f.skip(x)]
        ids = [f.encode(x) for x in texts]
        n = compare(f.name, "ids", texts, ask("ids", f.path, f.pattern, [x.encode().hex() for x in texts]), [" ".join(map(str, x)) for x in ids])
        if f.encode_special:
            some = texts[:2000]
            n += compare(f.name, "with specials", some, ask("prompt", f.path, f.pattern, [x.encode().hex() for x in some]),
                         [" ".join(map(str, f.encode_special(x))) for x in some])
        some = [x for x in ids if x] + [[r.randrange(f.vocab) for _ in range(r.randrange(1, 12))] for _ in range(count // 10)]
        theirs = [(x, y.hex()) for x in some if (y := f.decode(x)) is not None]
        some = [x for x, _ in theirs]
        n += compare(f.name, "text", some, ask("text", f.path, f.pattern, [" ".join(map(str, x)) for x in some]), [y for _, y in theirs])
        print(f"{f.name}: {len(texts)} texts, {len(some)} decoded, {n} differences", flush=True)
        bad += n > 0
sys.exit(bad > 0)
