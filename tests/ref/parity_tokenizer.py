"""Our ids against those of Hugging Face tokenizers, tiktoken and sentencepiece, and texts back from ids.

    python tests/ref/parity_tokenizer.py build/release/bench/bench_tokenizer [TEXTS-A-FAMILY] [PART-OF-A-NAME] [FOLDER]

Trains a small tokenizer of every kind (tokenizer_families.py), then compares 100,000 random Unicode strings a family, the nasty
list and megabytes of real text, cut into pieces of up to 2,000 characters: what lies in REAL_FOLDERS.  Prints one line a
family; exits 1 on a difference.  In FOLDER the tokenizers and the references' answers stay: another run with the same FOLDER
asks our side alone.  JOBS=4: in four processes.

Of 103,675 texts each (100,000 random, the nasty list, 4.2 MB of real text) the last run compared, without a difference:
added albert bert (four) gemma gpt2 gpt2_prefix invert_isolated llama2 llama2_first llama3 metaspace norm (accents lower nfc nfd
nfkc nfkd nmt strip) o200k pre_white pre_words qwen2 smollm2 split_isolated t5 tekken unigram unigram_bytes unigram_whole
wordlevel wordpiece, all of Hugging Face's.  The others had 500 to 20,000."""
import glob
import gzip
import os
import pickle
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tokenizer_families as families

program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100000
part = sys.argv[3] if len(sys.argv) > 3 else ""
keep = sys.argv[4] if len(sys.argv) > 4 else ""
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
    wrong = [x for x in zip(given, ours, theirs) if x[1] != x[2]] + [None] * (len(ours) != len(theirs))
    for x, a, b in [w for w in wrong if w][:3]:
        print(f"   {name} {what}: {ascii(x)[:500]}\n      ours   {a[:300]}\n      theirs {b[:300]}")
    return len(wrong)


def reference(f, texts):
    """What the reference says: texts, ids, the first with specials, ids and their bytes."""
    r = random.Random(f.name)
    given = [x for x in families.NASTY + families.REAL + texts if not f.skip or not f.skip(x)]
    ids = [f.encode(x) for x in given]
    special = [" ".join(map(str, f.encode_special(x))) for x in given[:2000]] if f.encode_special else []
    some = [x for x in ids if x] + [[r.randrange(f.vocab) for _ in range(r.randrange(1, 12))] for _ in range(count // 10)]
    back = [(" ".join(map(str, x)), y.hex()) for x in some if (y := f.decode(x)) is not None]
    return f.name, f.path, f.pattern, given, [" ".join(map(str, x)) for x in ids], special, back


def check(name, path, pattern, texts, ids, special, back):
    n = compare(name, "ids", texts, ask("ids", path, pattern, [x.encode().hex() for x in texts]), ids)
    if special:
        n += compare(name, "with specials", texts[:2000], ask("prompt", path, pattern, [x.encode().hex() for x in texts[:2000]]), special)
    n += compare(name, "text", [x for x, _ in back], ask("text", path, pattern, [x for x, _ in back]), [y for _, y in back])
    print(f"{name}: {len(texts)} texts, {sum(len(x.encode()) for x in texts) / 1e6:.1f} MB, {len(back)} decoded, {n} differences", flush=True)
    return n > 0


bad = 0
with tempfile.TemporaryDirectory() as temporary:
    folder = keep or temporary
    os.makedirs(folder, exist_ok=True)
    kept = sorted(glob.glob(f"{folder}/*.answers"))
    if kept:
        for path in kept:
            if part in os.path.basename(path):
                with open(path, "rb") as f:
                    bad += check(*pickle.load(f))
        sys.exit(bad > 0)
    r = random.Random(count)
    texts = [families.random_text(r) for _ in range(count)]
    if count >= 1000:
        texts += real_texts()
    chosen = [f for f in families.all(folder) if part in f.name and f.name not in os.environ.get("SKIP", "").split(",")]
    jobs, children, job = int(os.environ.get("JOBS", "1")), [], 0
    for job in range(1, jobs):
        child = os.fork()
        if not child:
            break
        children.append(child)
    else:
        job = 0
    for f in chosen[job::jobs]:
        answer = reference(f, texts)
        if keep:
            with open(f"{folder}/{f.name}.answers", "wb") as out:
                pickle.dump(answer, out)
        bad += check(*answer)
    if job:
        os._exit(bad > 0)
    bad += sum(os.waitpid(child, 0)[1] != 0 for child in children)
sys.exit(bad > 0)
