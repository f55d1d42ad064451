"""Writes tests/ref/hf_logits.h: logits of small random models in Hugging Face's layouts, computed by nothing of this project.

    pip install numpy && python tests/ref/hf_reference.py > tests/ref/hf_logits.h

A forward pass in NumPy and float64, written from transformers' modeling_gpt2.py, modeling_llama.py, _mistral, _qwen2, _qwen3
and modeling_rope_utils.py.  The header holds each model's config.json as text, its tensors in order with their shapes as
the files have them, and the logits after prompts of 1, 7 and 40 ids.  Tensor i of model m has the splitmix64 stream that
begins at state 1000000 + 1000 m + i; an element is ((next >> 56) - 128) / 256 * scale, scale 1 for embeddings and head,
1/2 for the rest; weights of norms are 1 + ((next >> 58) - 32) / 128."""
import json
import math

import numpy as np

MASK = (1 << 64) - 1
T, V, C, L, H = 64, 61, 48, 4, 4
LLAMA = dict(model_type="llama", architectures=["LlamaForCausalLM"], hidden_size=C, num_hidden_layers=L, num_attention_heads=H,
             vocab_size=V, max_position_embeddings=T, intermediate_size=80, rms_norm_eps=1e-5, hidden_act="silu",
             bos_token_id=1, eos_token_id=2, tie_word_embeddings=False)
MODELS = [
    ("gpt2", dict(model_type="gpt2", architectures=["GPT2LMHeadModel"], n_embd=C, n_layer=L, n_head=H, n_positions=T, n_ctx=T,
                  vocab_size=V, activation_function="gelu_new", layer_norm_epsilon=1e-5, bos_token_id=60, eos_token_id=60)),
    ("llama2", dict(LLAMA, rope_scaling=None, pretraining_tp=1, torch_dtype="float16")),
    ("llama3", dict(LLAMA, num_key_value_heads=2, head_dim=12, rope_theta=500000.0, attention_bias=False, mlp_bias=False,
                    eos_token_id=[2, 8, 9],
                    rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                      original_max_position_embeddings=128))),
    ("smollm2", dict(LLAMA, num_key_value_heads=2, tie_word_embeddings=True,
                     rope_parameters=dict(rope_type="default", rope_theta=100000))),
    ("mistral", dict(LLAMA, model_type="mistral", architectures=["MistralForCausalLM"], num_key_value_heads=2, head_dim=16,
                     sliding_window=9, rope_theta=10000.0)),
    ("qwen2", dict(LLAMA, model_type="qwen2", architectures=["Qwen2ForCausalLM"], num_key_value_heads=2, rms_norm_eps=1e-6,
                   rope_theta=1000000.0, use_sliding_window=True, sliding_window=6, max_window_layers=2,
                   tie_word_embeddings=True)),
    ("qwen3", dict(LLAMA, model_type="qwen3", architectures=["Qwen3ForCausalLM"], num_key_value_heads=1, head_dim=20,
                   rms_norm_eps=1e-6, rope_theta=1000000.0, use_sliding_window=False, sliding_window=None,
                   attention_bias=False, max_window_layers=4)),
    ("linear", dict(LLAMA, num_key_value_heads=4, attention_bias=True, mlp_bias=True,
                    rope_scaling=dict(type="linear", factor=2.5))),
    ("yarn", dict(LLAMA, model_type="qwen3", architectures=["Qwen3ForCausalLM"], num_key_value_heads=4, head_dim=16,
                  layer_types=["sliding_attention", "full_attention"] * 2, sliding_window=8, use_sliding_window=True,
                  rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, rope_theta=10000.0))),
    # nanoGPT's: the exact GELU
    ("nanogpt", dict(model_type="gpt2", n_embd=C, n_layer=L, n_head=H, n_positions=T, vocab_size=V, activation_function="gelu",
                     layer_norm_epsilon=1e-5)),
]


def stream(state):
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def shapes(c):
    if c["model_type"] == "gpt2":
        out = [("transformer.wte.weight", (V, C)), ("transformer.wpe.weight", (T, C))]
        for l in range(L):
            p = f"transformer.h.{l}."
            out += [(p + "ln_1.weight", (C,)), (p + "ln_1.bias", (C,)), (p + "attn.c_attn.weight", (C, 3 * C)),
                    (p + "attn.c_attn.bias", (3 * C,)), (p + "attn.c_proj.weight", (C, C)), (p + "attn.c_proj.bias", (C,)),
                    (p + "ln_2.weight", (C,)), (p + "ln_2.bias", (C,)), (p + "mlp.c_fc.weight", (C, 4 * C)),
                    (p + "mlp.c_fc.bias", (4 * C,)), (p + "mlp.c_proj.weight", (4 * C, C)), (p + "mlp.c_proj.bias", (C,))]
        return out + [("transformer.ln_f.weight", (C,)), ("transformer.ln_f.bias", (C,))]
    hd, kv, F = head_dim(c), kv_heads(c), c["intermediate_size"]
    qkv_bias, bias = c["model_type"] == "qwen2" or c.get("attention_bias"), c.get("attention_bias")
    out = [("model.embed_tokens.weight", (V, C))]
    for l in range(L):
        p = f"model.layers.{l}."
        for n, rows in (("q", H * hd), ("k", kv * hd), ("v", kv * hd)):
            out.append((p + f"self_attn.{n}_proj.weight", (rows, C)))
            if qkv_bias:
                out.append((p + f"self_attn.{n}_proj.bias", (rows,)))
        out.append((p + "self_attn.o_proj.weight", (C, H * hd)))
        if bias:
            out.append((p + "self_attn.o_proj.bias", (C,)))
        if c["model_type"] == "qwen3":
            out += [(p + "self_attn.q_norm.weight", (hd,)), (p + "self_attn.k_norm.weight", (hd,))]
        for n, s in (("gate", (F, C)), ("up", (F, C)), ("down", (C, F))):
            out.append((p + f"mlp.{n}_proj.weight", s))
            if c.get("mlp_bias"):
                out.append((p + f"mlp.{n}_proj.bias", (s[0],)))
        out += [(p + "input_layernorm.weight", (C,)), (p + "post_attention_layernorm.weight", (C,))]
    out.append(("model.norm.weight", (C,)))
    return out if c["tie_word_embeddings"] else out + [("lm_head.weight", (V, C))]


def head_dim(c):
    return c.get("head_dim") or C // H


def kv_heads(c):
    return c.get("num_key_value_heads") or H


def is_norm(name):
    return "norm" in name and name.endswith("weight") or any(x in name for x in ("ln_1.weight", "ln_2.weight", "ln_f.weight"))


def weights(index, c):
    out = {}
    for i, (name, shape) in enumerate(shapes(c)):
        s = stream(1000000 + 1000 * index + i)
        raw = np.array([(next(s) >> 56) - 128 for _ in range(int(np.prod(shape)))], dtype=np.float64).reshape(shape)
        scale = 1 if any(x in name for x in ("wte", "wpe", "embed_tokens", "lm_head")) else 0.5
        out[name] = 1 + np.floor(raw / 4) / 128 if is_norm(name) else raw / 256 * scale
    return out


def rms(x, w, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w


def layer_norm(x, w, b, eps):
    c = x - x.mean(-1, keepdims=True)
    return c / np.sqrt((c * c).mean(-1, keepdims=True) + eps) * w + b


def frequencies(c):
    """inv_freq and what multiplies cos and sin."""
    d = head_dim(c)
    s = c.get("rope_parameters") or c.get("rope_scaling") or {}
    theta = s.get("rope_theta", c.get("rope_theta", 10000.0))
    f = theta ** (-2.0 * np.arange(d // 2) / d)
    kind = s.get("rope_type", s.get("type", "default"))
    if kind == "linear":
        return f / s["factor"], 1.0
    if kind == "llama3":
        old = s["original_max_position_embeddings"]
        low, high = old / s["low_freq_factor"], old / s["high_freq_factor"]
        out = []
        for x in f:
            wave = 2 * math.pi / x
            if wave < high:
                out.append(x)
            elif wave > low:
                out.append(x / s["factor"])
            else:
                m = (old / wave - s["low_freq_factor"]) / (s["high_freq_factor"] - s["low_freq_factor"])
                out.append((1 - m) * x / s["factor"] + m * x)
        return np.array(out), 1.0
    if kind == "yarn":
        def dim(turns):
            return d * math.log(s["original_max_position_embeddings"] / (turns * 2 * math.pi)) / (2 * math.log(theta))
        low, high = max(math.floor(dim(32)), 0), min(math.ceil(dim(1)), d - 1)
        if low == high:
            high += 0.001
        extrapolate = 1 - np.clip((np.arange(d // 2) - low) / (high - low), 0, 1)
        return f / s["factor"] * (1 - extrapolate) + f * extrapolate, 0.1 * math.log(s["factor"]) + 1
    return f, 1.0


def attention(c, l, q, k, v):
    n, hd, g = q.shape[0], q.shape[2], q.shape[1] // k.shape[1]
    window = c.get("sliding_window") if c["model_type"] == "mistral" or c.get("use_sliding_window") else None
    if "layer_types" in c:
        window = window if c["layer_types"][l] == "sliding_attention" else None
    elif c["model_type"] == "qwen2" and l < c["max_window_layers"]:
        window = None
    i, j = np.arange(n)[:, None], np.arange(n)[None, :]
    seen = j <= i if window is None else (j <= i) & (j > i - window)
    out = np.zeros((n, H, hd))
    for h in range(H):
        s = np.where(seen, q[:, h] @ k[:, h // g].T / math.sqrt(hd), -np.inf)
        e = np.exp(s - s.max(-1, keepdims=True))
        out[:, h] = (e / e.sum(-1, keepdims=True)) @ v[:, h // g]
    return out.reshape(n, H * hd)


def gpt2(c, w, ids):
    n = len(ids)
    x = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"][:n]
    eps = c["layer_norm_epsilon"]
    for l in range(L):
        p = f"transformer.h.{l}."
        y = layer_norm(x, w[p + "ln_1.weight"], w[p + "ln_1.bias"], eps) @ w[p + "attn.c_attn.weight"] + w[p + "attn.c_attn.bias"]
        q, k, v = (y[:, i * C:(i + 1) * C].reshape(n, H, C // H) for i in range(3))
        x = x + attention(c, l, q, k, v) @ w[p + "attn.c_proj.weight"] + w[p + "attn.c_proj.bias"]
        y = layer_norm(x, w[p + "ln_2.weight"], w[p + "ln_2.bias"], eps) @ w[p + "mlp.c_fc.weight"] + w[p + "mlp.c_fc.bias"]
        if c["activation_function"] == "gelu":
            y = 0.5 * y * (1 + np.vectorize(math.erf)(y / math.sqrt(2)))
        else:
            y = 0.5 * y * (1 + np.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y ** 3)))
        x = x + y @ w[p + "mlp.c_proj.weight"] + w[p + "mlp.c_proj.bias"]
    return layer_norm(x, w["transformer.ln_f.weight"], w["transformer.ln_f.bias"], eps) @ w["transformer.wte.weight"].T


def llama(c, w, ids):
    n, hd, eps = len(ids), head_dim(c), c["rms_norm_eps"]
    f, grow = frequencies(c)
    angle = np.concatenate([np.arange(n)[:, None] * f[None, :]] * 2, -1)[:, None, :]
    cos, sin = np.cos(angle) * grow, np.sin(angle) * grow

    def rotate(x):
        return x * cos + np.concatenate([-x[..., hd // 2:], x[..., :hd // 2]], -1) * sin

    def linear(name, x):
        y = x @ w[name + ".weight"].T
        return y + w[name + ".bias"] if name + ".bias" in w else y

    x = w["model.embed_tokens.weight"][ids]
    for l in range(L):
        p = f"model.layers.{l}."
        y = rms(x, w[p + "input_layernorm.weight"], eps)
        q, k, v = (linear(p + f"self_attn.{i}_proj", y).reshape(n, -1, hd) for i in "qkv")
        if c["model_type"] == "qwen3":
            q, k = rms(q, w[p + "self_attn.q_norm.weight"], eps), rms(k, w[p + "self_attn.k_norm.weight"], eps)
        x = x + linear(p + "self_attn.o_proj", attention(c, l, rotate(q), rotate(k), v))
        y = rms(x, w[p + "post_attention_layernorm.weight"], eps)
        g = linear(p + "mlp.gate_proj", y)
        x = x + linear(p + "mlp.down_proj", g / (1 + np.exp(-g)) * linear(p + "mlp.up_proj", y))
    x = rms(x, w["model.norm.weight"], eps)
    return x @ w["model.embed_tokens.weight" if c["tie_word_embeddings"] else "lm_head.weight"].T


def main():
    print("""/* hf_logits.h -- written by tests/ref/hf_reference.py; not to be edited.  config.json, the tensors as the file has them, and
 * the logits that follow prompts of 1, 7 and 40 ids; id i of prompt p is (7 i i + 3 i + 11 p) mod 61. */
typedef struct hf_tensor { const char *name; int dims[2]; } hf_tensor;
typedef struct hf_model { const char *name, *config; hf_tensor tensors[72]; double logits[3][61]; } hf_model;
enum { HF_V = 61, HF_T = 64, HF_L = 4 };
static const int hf_lengths[3] = {1, 7, 40};
static const hf_model hf_models[] = {""")
    for index, (name, c) in enumerate(MODELS):
        w = weights(index, c)
        print(f'    {{"{name}",')
        for key in sorted(c):  # one key a line
            part = ("{" if key == min(c) else ", ") + json.dumps({key: c[key]})[1:-1]
            print("     " + json.dumps(part))
        print('     "}"')
        print("     , {")
        cells = [f'{{"{n}", {{{s[0]}, {s[1] if len(s) > 1 else 0}}}}},' for n, s in shapes(c)]
        for i in range(0, len(cells), 2):
            print("      " + " ".join(cells[i:i + 2]))
        print("     }, {")
        for p, n in enumerate((1, 7, 40)):
            ids = [(7 * i * i + 3 * i + 11 * p) % V for i in range(n)]
            row = ["%.10g" % x for x in (gpt2 if c["model_type"] == "gpt2" else llama)(c, w, ids)[-1]]
            print("      {" + ",\n       ".join(", ".join(row[i:i + 9]) for i in range(0, len(row), 9)) + "},")
        print("     }},")
    print("};")


if __name__ == "__main__":
    main()
