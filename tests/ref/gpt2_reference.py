"""Writes tests/ref/gpt2_logits.h: logits of small models, computed by nothing of this project.

    pip install numpy && python tests/ref/gpt2_reference.py > tests/ref/gpt2_logits.h

A forward pass in NumPy and float64, written from the papers and from Hugging Face's modeling_gpt2.py and
modeling_llama.py.  The weights come from splitmix64 with 8 bits each, so that tests/gpt2_weights.c repeats them exactly
and f32, bf16 and f16 hold them exactly: one set of logits serves all three.

Tensor i of a model has the stream that begins at state 1000 * model + i; an element is
((next >> 56) - 128) / 256 * scale, scale 1 for embeddings and head, 1/2 for matrices and biases; weights of norms are
1 + ((next >> 58) - 32) / 128 (model 2, "plus one", stores them without the 1)."""
import math

import numpy as np

MASK = (1 << 64) - 1
T, V, VP, C, L, H = 32, 61, 64, 48, 3, 4
MODELS = [
    dict(name="gpt2", kv=4, F=192, hd=12, norm="layer", bias=True, act="gelu_tanh", pos="learned", tied=True),
    # Llama's values: RMSNorm, grouped heads, rotary halves, a gate, no bias, its own head; and every cap there is.
    dict(name="llama-like", kv=2, F=80, hd=16, norm="rms", bias=False, act="silu", pos="rope", theta=500.0, gated=True,
         tied=False, window=5, att_cap=3.0, logit_cap=4.0, emb_scale=1.5, att_scale=0.3, eps=1e-3),
    dict(name="mixed", kv=4, F=96, hd=12, norm="layer", bias=True, act="gelu_erf", pos="rope", theta=10000.0, rope_dims=8,
         interleaved=True, plus_one=True, tied=True),
]


def stream(state):
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def weights(index, m):
    rows_qkv = (H + 2 * m["kv"]) * m["hd"]
    up = m["F"] * (2 if m.get("gated") else 1)
    shapes = [(VP, C), (T, C), (VP, C), (L, C), (L, C), (L, rows_qkv, C), (L, rows_qkv), (L, C, H * m["hd"]), (L, C), (L, C),
              (L, C), (L, up, C), (L, up), (L, C, m["F"]), (L, C), (C,), (C,)]
    out = []
    for i, shape in enumerate(shapes):
        s = stream(1000 * index + i)
        raw = np.array([(next(s) >> 56) - 128 for _ in range(int(np.prod(shape)))], dtype=np.float64).reshape(shape)
        if i in (3, 9, 15):
            out.append(1 + np.floor(raw / 4) / 128)  # stored without the 1 in a plus_one model: the value is the same
        else:
            out.append(raw / 256 * (1 if i < 3 else 0.5))
    return out


def norm(m, x, w, b):
    if m["norm"] == "rms":
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + m.get("eps", 1e-5)) * w
    c = x - x.mean(-1, keepdims=True)
    y = c / np.sqrt((c * c).mean(-1, keepdims=True) + m.get("eps", 1e-5)) * w
    return y + b if m["bias"] else y


def act(m, x):
    if m["act"] == "silu":
        return x / (1 + np.exp(-x))
    if m["act"] == "gelu_erf":
        return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def rotate(m, x):
    """x (n, heads, hd), positions 0..n-1."""
    n, _, hd = x.shape
    d = m.get("rope_dims", hd)
    half = d // 2
    angle = np.arange(n)[:, None] * (m["theta"] ** (-2.0 * np.arange(half) / d))[None, :]
    cos, sin = np.cos(angle)[:, None, :], np.sin(angle)[:, None, :]
    y = x.copy()
    if m.get("interleaved"):
        a, b = x[..., 0:d:2], x[..., 1:d:2]
        y[..., 0:d:2], y[..., 1:d:2] = a * cos - b * sin, b * cos + a * sin
    else:
        a, b = x[..., :half], x[..., half:d]
        y[..., :half], y[..., half:d] = a * cos - b * sin, b * cos + a * sin
    return y


def forward(m, w, ids):
    wte, wpe, head, l1w, l1b, qkvw, qkvb, ow, ob, l2w, l2b, uw, ub, dw, db, lfw, lfb = w
    n, hd, kv = len(ids), m["hd"], m["kv"]
    bias = 1 if m["bias"] else 0
    x = wte[ids] * m.get("emb_scale", 1.0)
    if m["pos"] == "learned":
        x = x + wpe[:n]
    for l in range(L):
        y = norm(m, x, l1w[l], l1b[l]) @ qkvw[l].T + bias * qkvb[l]
        q = y[:, :H * hd].reshape(n, H, hd)
        k = y[:, H * hd:(H + kv) * hd].reshape(n, kv, hd)
        v = y[:, (H + kv) * hd:].reshape(n, kv, hd)
        if m["pos"] == "rope":
            q, k = rotate(m, q), rotate(m, k)
        att = np.zeros((n, H, hd))
        for h in range(H):
            g = h // (H // kv)
            s = q[:, h] @ k[:, g].T * m.get("att_scale", 1 / math.sqrt(hd))
            if "att_cap" in m:
                s = m["att_cap"] * np.tanh(s / m["att_cap"])
            for t in range(n):
                lo = max(0, t - m["window"] + 1) if "window" in m else 0
                e = np.exp(s[t, lo:t + 1] - s[t, lo:t + 1].max())
                att[t, h] = (e / e.sum()) @ v[lo:t + 1, g]
        x = x + att.reshape(n, H * hd) @ ow[l].T + bias * ob[l]
        y = norm(m, x, l2w[l], l2b[l]) @ uw[l].T + bias * ub[l]
        y = act(m, y[:, :m["F"]]) * y[:, m["F"]:] if m.get("gated") else act(m, y)
        x = x + y @ dw[l].T + bias * db[l]
    logits = norm(m, x, lfw, lfb) @ (wte if m["tied"] else head).T
    if "logit_cap" in m:
        logits = m["logit_cap"] * np.tanh(logits / m["logit_cap"])
    return logits[:, :V]


print("""/* gpt2_logits.h -- written by tests/ref/gpt2_reference.py; not to be edited.  For each model, the logits (61) that follow
 * prompts of 1, 7 and 32 ids; id i of prompt p is (7 i i + 3 i + 11 p) mod 61. */
static const int ref_lengths[3] = {1, 7, 32};
static const double ref_logits[3][3][61] = {""")
for index, m in enumerate(MODELS):
    w = weights(index, m)
    print(f"    {{ /* {m['name']} */")
    for p, n in enumerate((1, 7, 32)):
        ids = [(7 * i * i + 3 * i + 11 * p) % V for i in range(n)]
        row = ["%.10g" % x for x in forward(m, w, ids)[-1]]
        print("        {" + ",\n         ".join(", ".join(row[i:i + 8]) for i in range(0, len(row), 8)) + "},")
    print("    },")
print("};")
