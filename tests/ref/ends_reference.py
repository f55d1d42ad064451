"""Writes tests/ref/ends_of_text.h: what transformers' generate returns where several ids end a text.

    pip install torch transformers
    python tests/ref/ends_reference.py > tests/ref/ends_of_text.h

The model is table_model.py's; greedy and beam search, with what forbids, favours and forces an end."""
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers
from transformers import GenerationConfig

transformers.logging.set_verbosity_error()
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from table_model import TABLE_EOS, TABLE_V, Table  # noqa: E402

ENDS = [TABLE_EOS, 30, 11, 2]
NEW = 12


def run(seed, prompt, ends, width, least, decay, forced):
    c = GenerationConfig(num_beams=width, num_return_sequences=width, max_new_tokens=NEW, do_sample=False, eos_token_id=ENDS[:ends],
                         pad_token_id=TABLE_V, min_new_tokens=least or None, forced_eos_token_id=ENDS[:ends] if forced else None,
                         exponential_decay_length_penalty=(2, decay) if decay else None, output_scores=True,
                         return_dict_in_generate=True, use_cache=False)
    ids = torch.tensor([prompt])
    out = Table(seed).generate(ids, generation_config=c, attention_mask=torch.ones_like(ids))
    scores = out.sequences_scores.tolist() if width > 1 else [0]
    for s, score in zip(out.sequences.tolist(), scores):
        s = s[len(prompt):]
        while s and s[-1] == TABLE_V:
            s.pop()
        yield s, score


rows, sequences = [], []
for seed in range(1, 7):
    for ends in (1, 2, 4):
        for width in (1, 2, 4):
            for least, decay, forced in ((0, 0, 0), (4, 0, 0), (0, 1.3, 0), (0, 0, 1)):
                got = list(run(seed, [3, 1 + seed], ends, width, least, decay, forced))
                rows.append("{%d, %d, %d, %d, %g, %d, %d, %d}" % (seed, ends, width, least, decay, forced, len(sequences), len(got)))
                sequences += ["{%.8g, %d, {%s}}" % (score, len(s), ", ".join(map(str, s))) for s, score in got]

print(f"""/* ends_of_text.h -- written by tests/ref/ends_reference.py with transformers {transformers.__version__} and torch {torch.__version__}; not to
 * be edited.  A case is a line of settings, then each sequence with its score (beams alone), best first. */
enum {{ REF_ENDS = {len(ENDS)}, REF_ENDS_NEW = {NEW}, REF_ENDS_CASES = {len(rows)} }};
static const int ref_ends[REF_ENDS] = {{{", ".join(map(str, ENDS))}}};
static const struct {{
    int seed, ends, width, least; /* ends: so many of ref_ends; least: of min_new_tokens */
    double decay;                 /* exponential_decay_length_penalty from 2 generated tokens on; 0 = off */
    int forced, first, n;         /* sequences first .. first + n - 1 of ref_ends_ids */
}} ref_ends_cases[REF_ENDS_CASES] = {{""")


def fill(items):
    line = "   "
    for item in items:
        if len(line) + len(item) > 138:
            print(line)
            line = "   "
        line += " " + item + ","
    print(line)


fill(rows)
print("};\nstatic const struct {\n    double score;\n    int n, ids[REF_ENDS_NEW];\n} ref_ends_ids[%d] = {" % len(sequences))
fill(sequences)
print("};")
