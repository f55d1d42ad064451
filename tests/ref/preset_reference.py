"""Writes tests/ref/preset_rows.h: what other systems keep of a row, and with which probabilities.

    pip install torch transformers && python tests/ref/preset_reference.py > tests/ref/preset_rows.h

hf: transformers' own logits processors, in the order of its generate().  vllm and llamacpp: restated here from the sources of
vLLM (V1 sampler: penalties, temperature, min_p, top_k, top_p) and llama.cpp (llama-sampler.cpp: penalties over the last 64
tokens, top_n_sigma, top_k, typical, top_p, min_p, temperature last), in NumPy and float64.  Logit v of row r is
((mix(r << 32 | v) >> 48) - 32768) / 4096, mix being splitmix64's: exact in f32.  Prompt ids are 3 r mod 40 .. + 5, output ids
7 r mod 40 .. + 3 and twice the first."""
import os
import random

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import torch
import transformers
from transformers.generation import logits_process as lp

V, ROWS = 40, 40
MASK = (1 << 64) - 1


def mix(z):
    z = (z + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def row(r):
    return np.array([((mix(r << 32 | v) >> 48) - 32768) / 4096 for v in range(V)])


def prompt(r):
    return [(3 * r + i) % V for i in range(6)]


def output(r):
    return [(7 * r + i) % V for i in range(4)] + [7 * r % V]


def softmax(l):
    e = np.exp(l - l.max())
    return e / e.sum()


def hf(l, s, r):
    x = torch.tensor(l, dtype=torch.float64)[None]
    ids = torch.tensor([prompt(r) + output(r)])
    chain = [("repetition_penalty", lp.RepetitionPenaltyLogitsProcessor), ("temperature", lp.TemperatureLogitsWarper),
             ("top_h", lp.TopHLogitsWarper), ("top_k", lp.TopKLogitsWarper), ("top_p", lp.TopPLogitsWarper),
             ("min_p", lp.MinPLogitsWarper), ("typical_p", lp.TypicalLogitsWarper), ("epsilon_cutoff", lp.EpsilonLogitsWarper),
             ("eta_cutoff", lp.EtaLogitsWarper)]
    for name, kind in chain:
        if name in s or name == "top_k":
            value = s.get(name, 50)
            x = (kind(value, device="cpu") if name == "eta_cutoff" else kind(value))(ids, x)
    return softmax(x[0].numpy())


def penalised(l, s, repeated, counted):
    l = l.copy()
    for v in set(repeated):
        r = s.get("repetition_penalty", 1)
        l[v] = l[v] / r if l[v] > 0 else l[v] * r
    for v in set(counted):
        l[v] -= counted.count(v) * s.get("frequency_penalty", 0) + s.get("presence_penalty", 0)
    return l


def keep_top_p(l, p):
    order = np.argsort(-l, kind="stable")
    before = np.cumsum(softmax(l)[order]) - softmax(l)[order]
    out = np.full(V, -np.inf)
    keep = order[before < p]
    out[keep] = l[keep]
    return out


def vllm(l, s, r):
    l = penalised(l, s, prompt(r) + output(r), output(r)) / s.get("temperature", 1)
    if "min_p" in s:
        p = softmax(l)
        l = np.where(p >= s["min_p"] * p.max(), l, -np.inf)
    if "top_k" in s:
        l = np.where(l >= np.sort(l)[-s["top_k"]], l, -np.inf)
    return softmax(keep_top_p(l, s["top_p"]) if "top_p" in s else l)


def llamacpp(l, s, r):
    seen = (prompt(r) + output(r))[-64:]
    l = penalised(l, s, seen, seen)
    if "top_n_sigma" in s:
        l = np.where(l >= l.max() - s["top_n_sigma"] * l.std(), l, -np.inf)
    k = s.get("top_k", 40)
    order = np.argsort(-l, kind="stable")
    l[order[k:]] = -np.inf
    if "typical_p" in s:
        p = softmax(l)
        with np.errstate(divide="ignore", invalid="ignore"):
            h = -np.nansum(p * np.log(p))
            distance = np.where(p > 0, np.abs(-np.log(p) - h), np.inf)
        order = np.argsort(distance, kind="stable")
        n = int(np.argmax(np.cumsum(p[order]) > s["typical_p"])) + 1
        l[order[n:]] = -np.inf
    l = keep_top_p(l, s.get("top_p", 0.95))
    p = softmax(l)
    l = np.where(p >= s.get("min_p", 0.05) * p.max(), l, -np.inf)
    return softmax(l / s.get("temperature", 0.8))


random.seed(5)
draw = dict(temperature=lambda: round(random.uniform(0.4, 2), 3), top_k=lambda: random.randint(2, 30),
            top_p=lambda: round(random.uniform(0.3, 0.99), 3), min_p=lambda: round(random.uniform(0.01, 0.4), 3),
            typical_p=lambda: round(random.uniform(0.3, 0.95), 3), epsilon_cutoff=lambda: round(random.uniform(0.001, 0.05), 4),
            eta_cutoff=lambda: round(random.uniform(0.001, 0.2), 4), top_h=lambda: round(random.uniform(0.2, 0.9), 3),
            repetition_penalty=lambda: round(random.uniform(1.05, 2), 3), top_n_sigma=lambda: round(random.uniform(0.5, 2.5), 3),
            frequency_penalty=lambda: round(random.uniform(-1, 1.5), 3), presence_penalty=lambda: round(random.uniform(-1, 1.5), 3))
common = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty"]
names = dict(hf=common + ["typical_p", "epsilon_cutoff", "eta_cutoff", "top_h"], vllm=common + ["frequency_penalty", "presence_penalty"],
             llamacpp=common + ["typical_p", "top_n_sigma", "frequency_penalty", "presence_penalty"])
print(f"""/* preset_rows.h -- written by tests/ref/preset_reference.py with transformers {transformers.__version__}; not to be edited.  For a
 * preset, flags and row r: which ids are kept (bit v), and their probabilities by rising id. */
enum {{ REF_PRESET_V = {V} }};
typedef struct ref_preset_row {{
    const char *preset, *flags;
    int row;
    unsigned long long kept;
    double p[REF_PRESET_V];
}} ref_preset_row;
static const ref_preset_row ref_preset_rows[] = {{""")
for preset, run in (("hf", hf), ("vllm", vllm), ("llamacpp", llamacpp)):
    for r in range(ROWS):
        chosen = random.sample(names[preset], r % 6) if r else []
        s = {n: draw[n]() for n in names[preset] if n in chosen}
        p = run(row(r), s, r)
        kept = sum(1 << v for v in range(V) if p[v] > 0)
        flags = " ".join(f"{n}={x}" for n, x in s.items())
        numbers = ["%.9g" % x for x in p if x > 0]
        print('    {"%s", "%s", %d, 0x%xull,' % (preset, flags, r, kept))
        lines = [", ".join(numbers[i:i + 10]) for i in range(0, len(numbers), 10)]
        print("     {" + ",\n      ".join(lines) + "}},")
print("};")
