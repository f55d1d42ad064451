"""Our ids against those of Hugging Face tokenizers, tiktoken and sentencepiece, and texts back from ids.

    python tests/ref/parity_tokenizer.py build/release/bench/bench_tokenizer [STRINGS-A-FAMILY]

Trains a small tokenizer of every kind (tokenizer_families.py), then compares 100,000 random Unicode strings a family, the nasty
list and megabytes of real text, cut into pieces of up to 2,000 characters: what lies in REAL_FOLDERS.  Every text's ids are
decoded again, and ids drawn at random.  Prints one line a family and a total; exits 1 on a difference.  From the environment:
FAMILY=part of a name; SEED=1, other strings; JOBS=2, in two processes; KEEP=folder, where the tokenizers and the references'
answers stay, so that the next run asks our side alone; RESUME=1 with KEEP, passes over what this very program has proven.

The last full run: 107 families and the files of mistral-common; of each 103,677 texts (100,000 random, the nasty list, 4.2 MB of
real text) and 10,000 rows of random ids: no difference; 15 minutes of one processor, 5 where the references' answers are kept."""
import glob
import gzip
import hashlib
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("RUST_BACKTRACE", "0")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_families as families

program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100000
part, keep, resume = os.environ.get("FAMILY", ""), os.environ.get("KEEP", ""), os.environ.get("RESUME", "") not in ("", "0")
seed, jobs = int(os.environ.get("SEED", "1")), int(os.environ.get("JOBS", "1"))
REAL_BYTES = 4 << 20
REAL_FOLDERS = ["README.md", "LICENSE", "include/*.h", "viz/*.c", "/usr/share/common-licenses/*", "/usr/share/doc/*/copyright", "/usr/share/doc/*/*.gz", "/usr/share/man/man*/*.gz", "/usr/share/man/??/man*/*.gz",
                "/usr/share/perl/*/unicore/*.txt", "/usr/share/i18n/locales/*", "/usr/share/zoneinfo/*.tab", "/usr/share/X11/locale/*/*", os.path.dirname(os.__file__) + "/*.py", os.path.dirname(os.__file__) + "/test/*.txt", os.path.dirname(os.__file__) + "/encodings/*.py"]


def real_texts():
    """As much of every folder as of any other, until there are REAL_BYTES."""
    out, total = [], 0
    for pattern in REAL_FOLDERS:
        share = 0
        for path in sorted(glob.glob(pattern)):
            if not os.path.isfile(path) or share > REAL_BYTES // 8:
                continue
            try:
                text = (gzip.open(path) if path.endswith(".gz") else open(path, "rb")).read(100000).decode()
            except (UnicodeDecodeError, OSError):
                continue
            share += len(text.encode())
            at = 0
            while at < len(text):
                end = at + 500 + (at * 7 + len(out)) % 1500
                out.append(text[at:end])
                at = end
        total += share
        if total > 2 * REAL_BYTES:
            break
    random.Random(1).shuffle(out)
    size = 0
    for i, x in enumerate(out):
        size += len(x.encode())
        if size > REAL_BYTES:
            return out[:i]
    return out


def seconds():
    """Of this process and of those it has run: others may have the processor."""
    return sum(os.times()[:4])


def all_texts():
    """Made once a seed: a third of a cheap family's time."""
    path = f"{keep}/texts.{count}.{seed}"
    if keep and os.path.exists(path):
        with open(path, "rb") as f:
            return pickle.load(f)
    r = random.Random(seed)
    texts = families.NASTY + families.REAL + [families.random_text(r) for _ in range(count)] + (real_texts() if count >= 1000 else [])
    if keep:
        save(path, texts)
    return texts


def save(path, what):
    with open(path + ".part", "wb") as f:
        pickle.dump(what, f)
    os.rename(path + ".part", path)


def ask(mode, path, pattern, lines):
    """In chunks: what is compared may be large."""
    answers = []
    for at in range(0, len(lines), 20000):
        done = subprocess.run([program, mode, path] + ([pattern] if pattern else []), input="".join(x + "\n" for x in lines[at:at + 20000]), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{path}: {done.stderr.strip()}")
        answers += done.stdout.split("\n")[:-1]
    return answers


def compare(name, what, given, ours, theirs):
    wrong = [x for x in zip(given, ours, theirs) if x[1] != x[2]]
    for x, a, b in wrong[:3]:
        print(f"   {name} {what}: {ascii(x)[:500]}\n      ours   {a[:300]}\n      theirs {b[:300]}")
    return len(wrong) + abs(len(ours) - len(theirs))


def reference(f, texts):
    """What the reference says: ids, the first with specials, ids and their bytes; and the file that it read."""
    r = random.Random(f"{f.name} {seed}")
    given = [f.clean(x) for x in texts]
    ids = [f.encode(x) for x in given]
    special = [" ".join(map(str, f.encode_special(x))) for x in given[:2000]] if f.encode_special else []
    some = ids + [[r.randrange(f.vocab) for _ in range(r.randrange(1, 12))] for _ in range(count // 10)]
    noise, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)  # where its Strip panics, each time
    try:
        back = [f.decode(x) if x else b"" for x in some]
    finally:
        os.dup2(noise, 2)
        os.close(noise), os.close(null)
    whole = sum(x.encode() == y for x, y in zip(given, back))
    back = [(" ".join(map(str, x)), y.hex()) for x, y in zip(some, back) if y is not None]
    with open(f.path, "rb") as file:
        return {"file": (os.path.basename(f.path), file.read()), "pattern": f.pattern, "ids": [" ".join(map(str, x)) for x in ids], "special": special, "back": back, "whole": whole}


def check(f, texts):
    """One family: (name, texts, decoded, differences)."""
    start = seconds()
    kept = f"{keep}/{f.name}.{count}.{seed}.answers"
    if keep and os.path.exists(kept):
        with open(kept, "rb") as file:
            a = pickle.load(file)
    else:
        a = reference(f, texts)
        if keep:
            save(kept, a)
    theirs = seconds() - start
    given = [f.clean(x) for x in texts]
    raw = [x.encode().hex() for x in given]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/{a['file'][0]}"
        with open(path, "wb") as file:
            file.write(a["file"][1])
        n = compare(f.name, "ids", given, ask("ids", path, a["pattern"], raw), a["ids"])
        if a["special"]:
            n += compare(f.name, "with specials", given[:2000], ask("prompt", path, a["pattern"], raw[:2000]), a["special"])
        n += compare(f.name, "text", [x for x, _ in a["back"]], ask("text", path, a["pattern"], [x for x, _ in a["back"]]), [y for _, y in a["back"]])
    print(f"{f.name}: {len(given)} texts, {sum(map(len, raw)) / 2e6:.1f} MB, {len(a['back'])} decoded, {a['whole']} whole again, {n} differences, {seconds() - start:.1f} s ({theirs:.1f} s the reference)", flush=True)
    return f.name, len(given), len(a["back"]), n


def main():
    start = time.time()
    if keep:
        os.makedirs(keep, exist_ok=True)
    with open(program, "rb") as f:
        build = hashlib.sha256(f.read()).hexdigest()[:16]
    log, done = f"{keep}/proven.{build}.{count}.{seed}", set()
    if keep and resume and os.path.exists(log):
        with open(log) as f:
            done = set(f.read().split("\n"))
    with tempfile.TemporaryDirectory() as folder:
        global chosen, texts
        chosen = [f for f in families.all(folder) if part in f.name and f.name not in done]
        texts = all_texts()
        results = []
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            for result in pool.imap_unordered(one, range(len(chosen))):
                results.append(result)
                if keep and not result[3]:
                    with open(log, "a") as f:
                        f.write(result[0] + "\n")
    bad = [x[0] for x in results if x[3]]
    print(f"total: {len(results)} families, {sum(x[1] for x in results)} texts, {sum(x[2] for x in results)} decoded, {sum(x[3] for x in results)} differences, {time.time() - start:.0f} s, {seconds():.0f} s of a processor" +
          (f"; {len(done) - 1} proven before" if done else "") + (f"; differing: {' '.join(bad)}" if bad else ""))
    return bool(bad) or not results and not done


def one(i):
    return check(chosen[i], texts)


if __name__ == "__main__":
    sys.exit(main())
