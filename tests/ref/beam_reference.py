"""Writes tests/ref/beam_search.h: what transformers' beam search returns on random tables and on a small GPT-2.

    pip install torch transformers
    pip install --target OLD --no-deps transformers==4.51.3 tokenizers==0.21.1 huggingface-hub==0.30.2
    python tests/ref/beam_reference.py OLD > tests/ref/beam_search.h

Groups of beams left transformers' own code after 4.51, so those cases run there, the others on what is installed.
The tables are table_model.py's, the GPT-2 is gpt2_reference.py's."""
import contextlib
import io
import json
import os
import subprocess
import sys

OLD = sys.argv[1]
GROUPS = len(sys.argv) > 2
if GROUPS:
    sys.path.insert(0, OLD)
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel

transformers.logging.set_verbosity_error()
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
with contextlib.redirect_stdout(io.StringIO()):
    import gpt2_reference as small
from table_model import TABLE_EOS, TABLE_V, Table

GPT2_EOS = 30


def gpt2():
    c = GPT2Config(vocab_size=small.VP, n_positions=small.T, n_embd=small.C, n_layer=small.L, n_head=small.H,
                   activation_function="gelu_new", resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)
    m = GPT2LMHeadModel(c).eval()
    m = m if GROUPS else m.double()  # 4.51's groups want f32
    w = [torch.tensor(x) for x in small.weights(0, small.MODELS[0])]
    wte, wpe, _, l1w, l1b, qkvw, qkvb, ow, ob, l2w, l2b, uw, ub, dw, db, lfw, lfb = w
    with torch.no_grad():
        t = m.transformer
        t.wte.weight.copy_(wte), t.wpe.weight.copy_(wpe), t.ln_f.weight.copy_(lfw), t.ln_f.bias.copy_(lfb)
        for i, h in enumerate(t.h):
            h.ln_1.weight.copy_(l1w[i]), h.ln_1.bias.copy_(l1b[i]), h.ln_2.weight.copy_(l2w[i]), h.ln_2.bias.copy_(l2b[i])
            h.attn.c_attn.weight.copy_(qkvw[i].T), h.attn.c_attn.bias.copy_(qkvb[i])
            h.attn.c_proj.weight.copy_(ow[i].T), h.attn.c_proj.bias.copy_(ob[i])
            h.mlp.c_fc.weight.copy_(uw[i].T), h.mlp.c_fc.bias.copy_(ub[i])
            h.mlp.c_proj.weight.copy_(dw[i].T), h.mlp.c_proj.bias.copy_(db[i])
    m.tie_weights()
    forward = m.forward

    def cut(*args, **kwargs):  # rows beyond the vocabulary are padding
        out = forward(*args, **kwargs)
        out.logits[..., small.V:] = -float("inf")
        return out

    m.forward = cut
    return m


def run(model, prompt, eos, case):
    width, groups, diversity, penalty, early, new, repetition, ngram, least = case
    extra = dict(num_beam_groups=groups, diversity_penalty=diversity) if GROUPS else {}
    c = GenerationConfig(num_beams=width, num_return_sequences=width, length_penalty=penalty, early_stopping=early,
                         max_new_tokens=new, do_sample=False, eos_token_id=eos, pad_token_id=TABLE_V if eos == TABLE_EOS else 62,
                         repetition_penalty=repetition, no_repeat_ngram_size=ngram, min_new_tokens=least or None,
                         output_scores=True, return_dict_in_generate=True, use_cache=eos != TABLE_EOS, **extra)
    ids = torch.tensor([prompt])
    out = model.generate(ids, generation_config=c, attention_mask=torch.ones_like(ids))
    got = []
    for s, score in zip(out.sequences.tolist(), out.sequences_scores.tolist()):
        s = s[len(prompt):]
        while s and s[-1] == c.pad_token_id:
            s.pop()
        if eos in s:
            s = s[:s.index(eos) + 1]
        got.append((s, score))
    return got


def cases():
    early = {False: 0, True: 1, "never": 2}
    if GROUPS:
        grid = [(w, g, d, p, e, 12, r, 0, 0) for w, g in ((2, 2), (4, 2), (6, 3), (6, 2)) for d in (0.1, 0.5, 2.5)
                for p in (0.0, 1.0, 2.0) for e in early for r in (1.0,)] + [(4, 2, 1.0, 1.0, False, 12, 1.4, 2, 3)]
    else:
        grid = [(w, 1, 0.0, p, e, 12, 1.0, 0, 0) for w in (2, 3, 5, 8) for p in (-0.5, 0.0, 1.0, 2.5) for e in early]
        grid += [(4, 1, 0.0, 1.0, e, 12, r, n, m) for e in early for r, n, m in ((1.3, 0, 0), (1.0, 2, 0), (1.0, 0, 5), (1.2, 2, 4))]
        grid += [(3, 1, 0.0, 1.0, e, 1, 1.0, 0, 0) for e in early]
    models = [(f, Table(f + 1), [3, 1 + f], TABLE_EOS) for f in range(3)] + [(3, gpt2(), [(7 * i * i + 3 * i) % 61 for i in range(7)], GPT2_EOS)]
    for k, case in enumerate(grid):
        for f, model, prompt, eos in models:
            if f < 3 and (k + f) % 3 and case[0] != 5:
                continue
            yield [f, *case[:4], early[case[4]], *case[5:]], run(model, prompt, eos, case)


if GROUPS:
    json.dump(list(cases()), sys.stdout)
    sys.exit()
old = subprocess.run([sys.executable, __file__, OLD, "groups"], check=True, capture_output=True, text=True).stdout
every = list(cases()) + json.loads(old)
print(f"""/* beam_search.h -- written by tests/ref/beam_reference.py with transformers {transformers.__version__} (groups: 4.51.3) and torch
 * {torch.__version__}; not to be edited.  A case is a line of settings, then each sequence with its score, best first. */
typedef struct ref_beam_case {{
    int model, width, groups; /* models 0..2: tables of seed model + 1; 3: the small GPT-2 */
    double diversity, length_penalty;
    int early_stopping, max_new; /* 0 false, 1 true, 2 never */
    double repetition;
    int ngram, min_new, first, n; /* sequences first .. first + n - 1 of ref_beam_ids */
}} ref_beam_case;
typedef struct ref_beam_sequence {{
    double score;
    int n, ids[12];
}} ref_beam_sequence;
enum {{ REF_BEAM_CASES = {len(every)}, REF_TABLE_V = {TABLE_V}, REF_TABLE_EOS = {TABLE_EOS}, REF_GPT2_EOS = {GPT2_EOS} }};
static const ref_beam_case ref_beam_cases[REF_BEAM_CASES] = {{""")


def fill(items):
    line = "   "
    for item in items:
        if len(line) + len(item) > 138:
            print(line)
            line = "   "
        line += " " + item + ","
    print(line)


first, rows, sequences = 0, [], []
for c, got in every:
    rows.append("{%d, %d, %d, %g, %g, %d, %d, %g, %d, %d, %d, %d}" % (*c, first, len(got)))
    first += len(got)
    sequences += ["{%.8g, %d, {%s}}" % (score, len(s), ", ".join(map(str, s))) for s, score in got]
fill(rows)
print("};\nstatic const ref_beam_sequence ref_beam_sequences[%d] = {" % first)
fill(sequences)
print("};")
