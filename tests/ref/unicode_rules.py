"""Writes sampling/tokenizer/unicode_forms_table.c and unicode_sets.c: what Hugging Face tokenizers does to every code point.

    pip install tokenizers==0.23.3 unicodedata2==16.0.0
    python tests/ref/unicode_rules.py scripts.rs sampling/tokenizer

Its parts follow different versions of Unicode (normal forms 9.0, BERT's classes 8.0, letters 16.0 and later), so nothing is
taken from a Unicode file: each rule is asked about all 1,112,064 scalar values.  scripts.rs is
tokenizers/src/pre_tokenizers/unicode_scripts/scripts.rs of huggingface/tokenizers.  Combining classes come from Python's
unicodedata where the library's own order of marks shows that it knows them."""
import io
import re
import sys
import unicodedata
from collections import defaultdict

import sentencepiece
import sentencepiece.sentencepiece_model_pb2 as pb
import unicodedata2
from tokenizers import Regex, normalizers, pre_tokenizers

CPS = [cp for cp in range(0x110000) if not 0xD800 <= cp < 0xE000]
nfd, nfkd, nfc = (n.normalize_str for n in (normalizers.NFD(), normalizers.NFKD(), normalizers.NFC()))
lower = normalizers.Lowercase().normalize_str
accents = normalizers.StripAccents().normalize_str
clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False).normalize_str
bert_accents = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False).normalize_str
out = sys.argv[2]


def hangul(cp):
    return 0xAC00 <= cp < 0xAC00 + 11172


def members(test):
    runs = []
    for cp in CPS:
        if test(cp):
            if runs and runs[-1][1] == cp - 1:
                runs[-1][1] = cp
            else:
                runs.append([cp, cp])
    return runs


def pieces(pre, text):
    return [x for x, _ in pre.pre_tokenize_str(text)]


def numbers(values, per=24):
    return "".join("    " + ", ".join(values[i:i + per]) + ",\n" for i in range(0, len(values), per))


# === Normal forms ===
canonical = {cp: nfd(chr(cp)) for cp in CPS if not hangul(cp) and nfd(chr(cp)) != chr(cp)}
compat = {cp: nfkd(chr(cp)) for cp in CPS if not hangul(cp) and nfkd(chr(cp)) not in (chr(cp), canonical.get(cp))}


def ccc(cp):
    """Known to the library if it moves before or behind a mark of another class."""
    c = unicodedata.combining(chr(cp))
    if not c:
        return 0
    low, high = "\u0334", "\u0345"  # classes 1 and 240
    x = chr(cp)
    if c > 1:
        return c if nfd(x + low) != x + low or nfd(x + low) == low + x else 0
    return c if nfd(high + x) == x + high else 0


classes = {cp: ccc(cp) for cp in CPS if ccc(cp) and cp not in canonical}
for cp in canonical:  # marks that decompose to marks are never met after decomposition
    assert cp not in classes
compositions = {}
for cp, text in canonical.items():
    d = unicodedata.decomposition(chr(cp))
    if not d or d[0] == "<":
        d = unicodedata2.decomposition(chr(cp))
    parts = [int(x, 16) for x in d.split()]
    if len(parts) == 2 and nfc(chr(parts[0]) + chr(parts[1])) == chr(cp):
        compositions[tuple(parts)] = cp
assert all(nfc(x) == x or True for x in map(chr, compositions.values()))

texts, at, rows = "", {}, []
for cp in sorted(set(canonical) | set(compat)):
    row = [cp]
    for source in (canonical, compat):
        text = source.get(cp, "")
        if text not in at:
            found = texts.find(text)
            if found < 0:
                found = len(texts)
                texts += text
            at[text] = found
        row += [at[text], len(text)]
    rows.append(row)
assert len(texts) < 65536 and max(r[2] for r in rows) < 256 and max(r[4] for r in rows) < 256
with open(f"{out}/unicode_forms_table.c", "w") as f:
    f.write("""/* unicode_forms_table.c -- written by tests/ref/unicode_rules.py from what Hugging Face tokenizers does (Unicode 9.0); not to
 * be edited.  Hangul is computed in unicode_forms.c. */
#include "sampling/tokenizer/unicode_forms.h"

""")
    f.write(f"const uint32_t form_texts[{len(texts)}] = {{\n" + numbers([hex(ord(c)) for c in texts], 40) + "};\n\n")
    f.write(f"const form_row form_rows[{len(rows)}] = {{\n" + numbers(["{%#x,%d,%d,%d,%d}" % tuple(r) for r in rows], 16) + "};\n")
    f.write(f"const int n_form_rows = {len(rows)};\n\n")
    runs = []
    for cp in sorted(classes):
        if runs and runs[-1][1] == cp - 1 and runs[-1][2] == classes[cp]:
            runs[-1][1] = cp
        else:
            runs.append([cp, cp, classes[cp]])
    f.write(f"const form_class form_classes[{len(runs)}] = {{\n" + numbers(["{%#x,%#x,%d}" % tuple(r) for r in runs], 12) + "};\n")
    f.write(f"const int n_form_classes = {len(runs)};\n\n")
    pairs = sorted((a, b, c) for (a, b), c in compositions.items())
    f.write(f"const form_pair form_pairs[{len(pairs)}] = {{\n" + numbers(["{%#x,%#x,%#x}" % p for p in pairs], 16) + "};\n")
    f.write(f"const int n_form_pairs = {len(pairs)};\n")

# === Sets and small letters ===
white = pre_tokenizers.WhitespaceSplit()
digits = pre_tokenizers.Digits(individual_digits=True)
punct = pre_tokenizers.Punctuation()
word = pre_tokenizers.Whitespace()
rules = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(["a b c"] * 9), model_writer=rules, vocab_size=8, hard_vocab_limit=False, minloglevel=2, normalization_rule_name="nmt_nfkc_cf")
proto = pb.ModelProto()
proto.ParseFromString(rules.getvalue())
folded = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap).normalize_str
sets = {
    # a cluster of less than 6 bytes is replaced by the rule for its beginning: A and what joins it become an a
    "joins": members(lambda cp: folded("A" + chr(cp)) == "a" and folded("\u4e2d" + chr(cp)) != "\u4e2d"),
    "mark": members(lambda cp: accents(chr(cp)) == ""),
    # asked of the character alone: what NFD leaves of it
    "nonspacing": members(lambda cp: cp not in canonical and bert_accents(chr(cp)) == ""),
    "control": members(lambda cp: cp not in (0, 0xFFFD) and clean(chr(cp)) == ""),
    "punctuation": members(lambda cp: len(pieces(punct, "a" + chr(cp) + "a")) == 3),
    "numeric": members(lambda cp: len(pieces(digits, "a" + chr(cp) + "a")) == 3),
    "word": members(lambda cp: pieces(word, "a" + chr(cp)) == ["a" + chr(cp)]),
}
assert members(lambda cp: pieces(white, "a" + chr(cp)) == ["a"]) == [[9, 13], [32, 32], [0x85, 0x85], [0xA0, 0xA0], [0x1680, 0x1680], [0x2000, 0x200A],
                                                                    [0x2028, 0x2029], [0x202F, 0x202F], [0x205F, 0x205F], [0x3000, 0x3000]]
small = [(cp, lower(chr(cp))) for cp in CPS if lower(chr(cp)) != chr(cp)]
assert [cp for cp, text in small if len(text) > 1] == [0x130]
runs = []  # first, last, step, difference
for cp, text in small:
    if len(text) > 1:
        continue
    d = ord(text) - cp
    if runs and runs[-1][3] == d and (runs[-1][0] == runs[-1][1] and cp - runs[-1][1] in (1, 2) or runs[-1][2] == cp - runs[-1][1]):
        runs[-1][2] = cp - runs[-1][1]
        runs[-1][1] = cp
    else:
        runs.append([cp, cp, 1, d])
names = {}
scripts = []
for low, high, name in re.findall(r"^\s+0x([0-9A-F]+)(?:\.\.=0x([0-9A-F]+))? => Script::(\w+),", open(sys.argv[1]).read(), re.M):
    number = names.setdefault(name, len(names) + 1)
    low, high = int(low, 16), int(high or low, 16)
    if scripts and scripts[-1][1] == low - 1 and scripts[-1][2] == number:
        scripts[-1][1] = high
    else:
        scripts.append([low, high, number])
scripts.sort()
# Letters and so on of the general categories: what a regex engine of an older Unicode does not know.
older = defaultdict(list)
for cp in CPS:
    new, old = unicodedata2.category(chr(cp)), unicodedata.category(chr(cp))
    if new != old and old == "Cn" and new != "Cn":
        a = older[new]
        if a and a[-1][1] == cp - 1:
            a[-1][1] = cp
        else:
            a.append([cp, cp])
with open(f"{out}/unicode_sets.c", "w") as f:
    f.write(f"""/* unicode_sets.c -- written by tests/ref/unicode_rules.py from what Hugging Face tokenizers does; not to be edited.
 * Ranges of code points, rising.  Categories are Unicode {unicodedata2.unidata_version}'s, those "new" are not yet in Unicode {unicodedata.unidata_version}. */
#include "sampling/tokenizer/unicode_sets.h"

#include <stddef.h>

""")
    for name, runs_of in sets.items():
        f.write(f"static const unicode_range {name}[] = {{\n" + numbers(["{%#x,%#x}" % tuple(r) for r in runs_of], 16) + "};\n")
    f.write("const unicode_set unicode_sets[] = {\n" + "".join(f"    {{{n}, {len(r)}}},\n" for n, r in sets.items()) + "};\n\n")
    f.write("const small_letters unicode_small[] = {\n" + numbers(["{%#x,%#x,%d,%d}" % tuple(r) for r in runs], 12) + "};\n")
    f.write(f"const int n_unicode_small = {len(runs)};\n\n")
    f.write("const unicode_script unicode_scripts[] = {\n" + numbers(["{%#x,%#x,%d}" % tuple(r) for r in scripts], 14) + "};\n")
    f.write(f"const int n_unicode_scripts = {len(scripts)};\n")
    f.write(f"const int unicode_script_han = {names['Han']}, unicode_script_hiragana = {names['Hiragana']}, unicode_script_katakana = {names['Katakana']};\n\n")
    for name in sorted(older):
        f.write(f"static const unicode_range new_{name}[] = {{\n" + numbers(["{%#x,%#x}" % tuple(r) for r in older[name]], 16) + "};\n")
    f.write("const unicode_new unicode_news[] = {\n" + "".join(f'    {{"{n}", new_{n}, {len(older[n])}}},\n' for n in sorted(older)) + "};\n")
    f.write(f"const int n_unicode_news = {len(older)};\n")

# === General categories ===
CATS = ["Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"]
values = [CATS.index(unicodedata2.category(chr(cp))) for cp in range(0x110000)]
blocks, first = {}, []
for start in range(0, 0x110000, 128):
    first.append(blocks.setdefault(bytes(values[start:start + 128]), len(blocks)))
last = max(i for i, b in enumerate(first) if b != first[-1]) + 1
with open(f"{out}/unicode_categories.c", "w") as f:
    f.write(f"""/* unicode_categories.c -- written by tests/ref/unicode_rules.py from Unicode {unicodedata2.unidata_version}; not to be edited.
 * Two stages: first[cp / 128] is a block of 128 categories.  Beyond the first stage: private use and nothing. */
#include "sampling/tokenizer/unicode_categories.h"

static const uint16_t first[{last}] = {{
{numbers(list(map(str, first[:last])), 40)}}};

static const uint8_t blocks[{len(blocks)}][128] = {{
""")
    for b in blocks:
        f.write("    {" + ",".join(map(str, b)) + "},\n")
    f.write(f"""}};

unicode_category unicode_category_of(uint32_t cp) {{
    if (cp / 128 < {last}) return (unicode_category)blocks[first[cp / 128]][cp % 128];
    return cp >= 0xe000 && cp <= 0x10ffff && (cp & 0xfffe) != 0xfffe ? CATEGORY_CO : CATEGORY_CN;
}}
""")
tail = [values[cp] for cp in range(last * 128, 0x110000)]
assert all(v == (29 if (cp & 0xFFFE) != 0xFFFE else 0) for cp, v in zip(range(last * 128, 0x110000), tail)), "beyond the table"
