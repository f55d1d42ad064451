"""Writes tests/ref/hf_more.h: more models like those of hf_logits.h, their logits computed by transformers itself.

    pip install torch transformers && python tests/ref/hf_transformers.py > tests/ref/hf_more.h

The weights and the prompts are those that hf_reference.py describes; the numbers of the models go on after its own.  The
models run in float64 with eager attention (parts of transformers still compute in float32)."""
import json

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from hf_reference import C, H, L, LLAMA, MODELS, T, V, stream

NEOX = dict(model_type="gpt_neox", architectures=["GPTNeoXForCausalLM"], hidden_size=C, num_hidden_layers=L,
            num_attention_heads=H, vocab_size=V, max_position_embeddings=T, intermediate_size=80, layer_norm_eps=1e-5,
            hidden_act="gelu", rotary_pct=0.5, rotary_emb_base=10000, bos_token_id=0, eos_token_id=0,
            tie_word_embeddings=False)
GEMMA = dict(LLAMA, model_type="gemma", architectures=["GemmaForCausalLM"], num_key_value_heads=1, head_dim=16,
             hidden_act="gelu", hidden_activation=None, tie_word_embeddings=True, rms_norm_eps=1e-6)
GEMMA2 = dict(GEMMA, model_type="gemma2", architectures=["Gemma2ForCausalLM"], num_key_value_heads=2,
              hidden_activation="gelu_pytorch_tanh", query_pre_attn_scalar=24, sliding_window=6, attn_logit_softcapping=5.0,
              final_logit_softcapping=7.0)
GEMMA3 = dict(GEMMA2, model_type="gemma3_text", architectures=["Gemma3ForCausalLM"], attn_logit_softcapping=None,
              final_logit_softcapping=None, sliding_window=5)
PHI3 = dict(LLAMA, model_type="phi3", pad_token_id=0, architectures=["Phi3ForCausalLM"], num_key_value_heads=2)
SHORT, LONG = [1.0, 1.05, 1.2, 1.5, 2.0, 2.25], [1.1, 1.4, 2.0, 4.0, 7.5, 9.0]
MORE = [
    ("neox", dict(NEOX)),
    ("neox_serial", dict(NEOX, use_parallel_residual=False, attention_bias=False, rotary_pct=1.0)),
    ("gemma", dict(GEMMA)),
    ("gemma2", dict(GEMMA2)),
    ("gemma3", dict(GEMMA3, sliding_window_pattern=3, rope_theta=1000000.0, rope_local_base_freq=10000.0,
                    rope_scaling=dict(rope_type="linear", factor=8.0))),
    ("gemma3_v5", dict(GEMMA3, layer_types=["sliding_attention", "full_attention"] * 2,
                       rope_parameters=dict(full_attention=dict(rope_type="default", rope_theta=500000.0),
                                            sliding_attention=dict(rope_type="default", rope_theta=20000.0)))),
    ("smollm3", dict(LLAMA, model_type="smollm3", pad_token_id=0, architectures=["SmolLM3ForCausalLM"], num_key_value_heads=2,
                     no_rope_layers=[1, 0, 1, 0], use_sliding_window=False, rope_theta=2000000.0, tie_word_embeddings=True)),
    ("phi3", dict(PHI3, sliding_window=9, partial_rotary_factor=0.5)),
    ("longrope", dict(PHI3, sliding_window=31, original_max_position_embeddings=20,
                      rope_scaling=dict(type="longrope", short_factor=SHORT, long_factor=LONG))),
    ("dynamic", dict(LLAMA, rope_scaling=dict(rope_type="dynamic", factor=2.0))),
    ("yarn_mscale", dict(LLAMA, rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16,
                                                  beta_fast=16, beta_slow=2, mscale=0.7, mscale_all_dim=1.0))),
]


def fill(index, model):
    """The tensors in the order of the file, tied ones once; norms are told by their names, as tests/hf_files.c does."""
    out = []
    for name, p in model.named_parameters():
        s = stream(1000000 + 1000 * index + len(out))
        raw = torch.tensor([(next(s) >> 56) - 128 for _ in range(p.numel())], dtype=torch.float64).reshape(p.shape)
        norm = name.endswith(".weight") and "norm" in name
        outer = any(x in name for x in ("wte", "wpe", "embed_tokens", "lm_head"))
        with torch.no_grad():
            p.copy_(1 + torch.floor(raw / 4) / 128 if norm else raw / 256 * (1 if outer else 0.5))
        out.append((name, tuple(p.shape)))
    return out


def build(config):
    c = AutoConfig.for_model(**config)
    c._attn_implementation = "eager"
    return AutoModelForCausalLM.from_config(c, attn_implementation="eager").double().eval()


def main():
    print("/* hf_more.h -- written by tests/ref/hf_transformers.py; not to be edited.  As hf_logits.h, which comes before it. */")
    print("static const hf_model hf_more[] = {")
    for index, (name, config) in enumerate(MORE, len(MODELS)):
        model = build(config)
        tensors = fill(index, model)
        print(f'    {{"{name}",')
        for key in sorted(config):
            part = ("{" if key == min(config) else ", ") + json.dumps({key: config[key]})[1:-1]
            print("     " + json.dumps(part))
        print('     "}"')
        print("     , {")
        cells = [f'{{"{n}", {{{s[0]}, {s[1] if len(s) > 1 else 0}}}}},' for n, s in tensors]
        for i in range(0, len(cells), 2):
            print("      " + " ".join(cells[i:i + 2]))
        print("     }, {")
        for p, n in enumerate((1, 7, 40)):
            ids = torch.tensor([[(7 * i * i + 3 * i + 11 * p) % V for i in range(n)]])
            with torch.no_grad():
                row = ["%.10g" % x for x in model(ids, use_cache=False).logits[0, -1].tolist()]
            print("      {" + ",\n       ".join(", ".join(row[i:i + 9]) for i in range(0, len(row), 9)) + "},")
        print("     }},")
    print("};")


if __name__ == "__main__":
    main()
