"""The metrics of hooks/metrics.h in plain Python, by their formulas alone, over fixed texts: tests/ref/metrics_frozen.h.

The nanoGPT fork's five (its sample_metrics.py: spelling_correctness, avg_sentence_length, lexical_diversity,
correct_char_fraction, correct_char_total) and Glimpse's own.  Words are the fork's runs of [A-Za-z'], for the spelling
those of all letters; spylls, a port of Hunspell to Python, knows them.

    pip install spylls && python tests/ref/metrics_reference.py DIR/en_US > tests/ref/metrics_frozen.h

With --numbers, names and values alone, a line each; tests/ref/parity_metrics.py compares those with `glimpse`'s.
The tokens of a text are its bytes; token i has ln p = -(37 i mod 101) / 16, entropy (53 i mod 97) / 32, rank 1 + i^2 mod 5."""
import math
import re
import sys
import unicodedata

TEXTS = [
    ("plain", b"Once upon a time there was a little girl named Lily. She liked to play with her dog. The dog was happy!", True),
    ("empty", b"", False),
    ("one_word", b"hello", False),
    ("one_unknown_word", b"becuase", True),
    ("punctuation", b"... !!! ??? --- ;;; ,,,", False),
    ("blanks", b" \t\n \r\n  \v\f ", False),
    ("repeated", b"the cat sat on the mat. " * 12, False),
    ("repeated_token", b"a" * 64, False),
    ("misspelt", b"Teh dog saw teh cat becuase teh cat wsa there. Dog, DOG, dOg and Becuase.", True),
    ("apostrophes", b"isn't it? It's Lily's dog's bone, 'tis said; they'll don''t ' '' 'dog'", False),
    ("names", b"lily and LILY and Lily went to paris, Paris and PARIS. london!", True),
    ("unicode", "Ça va, été naïve café. Привет мир! 你好。 こんにちは the end 🙂 dog".encode(), False),
    ("invalid", b"ab\xffc \xc3( dog \xed\xa0\x80 cat \xf8\x88 \xef\xbf\xbd end \xc0\xaf", True),
    ("cut_short", "the dog ran … naïve 🙂".encode()[:-2], False),
    ("hostile", b"\x1b[31mred\x1b[0m \x00null\x00 \x07bell\x7f ]0;title\x9b1m {\"a\":1} <script>x</script> \xe2\x80\xae.!?", True),
    ("code", b"for (int i = 0; i < n; i++) { sum += x[i] * y[i]; }\nreturn sum / n; // mean\nif (a == b) return a; if (a == b) return a;\n", False),
    ("sentences", b"One. Two words! Three words here? ... And. then..some!?more  . trailing words", True),
    ("long_word", b"x" * 90 + b" dog " + b"q" * 81 + b" cat", False),
    ("separators", b"one\x1ctwo\x1dthree\x1efour\x1ffive six\x0bseven.\x0ceight\x85nine\xa0ten", False),
    ("scripts", "Der CAFÉ war schön, SCHÖN! cafe\u0301 naïve NAÏVE \u0301x résumé's ΑΒΓ αβγ Straße 中文 हिन्दी the".encode(), False),
    ("dashes", b"---------------\n run_name: x \n---------------\nthe-dog the_dog the/dog 3dogs dog4cat", True),
]


def words(text):
    return [w.decode() for w in re.findall(rb"[A-Za-z']+", text)]


def all_words(text):
    """Runs of letters of any script with their marks, and '."""
    out, word = [], ""
    for c in text.decode("utf-8", "replace") + " ":
        kind = unicodedata.category(c)[0]
        if kind == "L" or c == "'" or (kind == "M" and word):
            word += c
        elif word:
            out.append(word)
            word = ""
    return out


def grams(items, n):
    return [tuple(items[i:i + n]) for i in range(len(items) - n + 1)]


def share_new(items, n):
    g = grams(items, n)
    return len(set(g)) / len(g) if g else math.nan


def share_again(items, n):
    g = grams(items, n)
    return sum(x in g[:i] for i, x in enumerate(g)) / len(g) if g else math.nan


def longest_repeat(items):
    """By the lengths of common beginnings of all pairs of places."""
    best, n = 0, len(items)
    row = [0] * (n + 1)
    for i in range(n - 1, -1, -1):
        new = [0] * (n + 1)
        for j in range(n - 1, i, -1):
            if items[i] == items[j]:
                new[j] = row[j + 1] + 1
                best = max(best, new[j])
        row = new
    return best


def invalid_rate(text):
    """Characters that are invalid or U+FFFD; Python's own decoder finds where.  A last one cut short does not count."""
    good = bad = 0
    while text:
        try:
            s = text.decode()
            return _rate(good + len(s), bad + s.count("\ufffd"))
        except UnicodeDecodeError as e:
            s = text[:e.start].decode()
            good, bad = good + len(s), bad + s.count("\ufffd")
            if e.reason == "unexpected end of data":
                return _rate(good, bad)
            good, bad, text = good + 1, bad + 1, text[e.start + 1:]
    return _rate(good, bad)


def _rate(n, bad):
    return bad / n if n else math.nan


def sentence_length(text):
    lengths = [len(p.split(None)) for p in re.split(r"[.!?]+", text.decode("latin1").replace("\x85", "x").replace("\xa0", "x"))]
    lengths = [n for n in lengths if n]
    return sum(lengths) / len(lengths) if lengths else math.nan


def metrics(text, eos, knows):
    n = len(text)
    logprob = [-(37 * i % 101) / 16 for i in range(n)]
    entropy = [(53 * i % 97) / 32 for i in range(n)]
    rank = [1 + i * i % 5 for i in range(n)]
    mean = lambda x: sum(x) / len(x) if x else math.nan
    w = words(text)
    low = [x.lower() for x in w]
    types = set(low)
    spelt = all_words(text)
    spelt_low = [x.lower() for x in spelt]
    known_spelling = [knows(x) for x in spelt]
    known_types = {x for x, k in zip(spelt_low, known_spelling) if k}
    out = {
        "perplexity": math.exp(-mean(logprob)), "mean_logprob": mean(logprob), "mean_entropy": mean(entropy),
        "mean_rank": mean(rank), "rank1_share": mean([r == 1 for r in rank]), "eos_stop": float(eos),
        "repetition_tokens": share_again(list(text), 4), "longest_repeat": longest_repeat(list(text)),
        "repetition": share_again(low, 4), "invalid_utf8_rate": invalid_rate(text),
        "distinct_1": share_new(low, 1), "distinct_2": share_new(low, 2), "distinct_3": share_new(low, 3),
        "avg_sentence_length": sentence_length(text), "lexical_diversity": len(types) / len(low) if low else math.nan,
        "spelling_token_rate": mean(known_spelling),
        "spelling_correctness": 1 - len(set(spelt_low) - known_types) / len(spelt) if spelt else math.nan,
        "correct_char_fraction": sum(map(len, known_types)) / sum(map(len, spelt)) if spelt else math.nan,
        "correct_char_total": sum(map(len, known_types)),
    }
    return out


def speller(dictionary):
    from spylls.hunspell import Dictionary
    d = Dictionary.from_files(dictionary)
    return lambda w: len(w.encode()) <= 80 and any(d.lookup(f) for f in (w, w.lower(), w.lower().capitalize()))


def c_string(b):
    return '"' + "".join(chr(c) if 32 <= c < 127 and c not in b'"\\?' else f"\\{c:03o}" for c in b) + '"'


def main():
    knows = speller(sys.argv[1])
    all_ = [(name, text, eos, metrics(text, eos, knows)) for name, text, eos in TEXTS]
    if "--numbers" in sys.argv:
        for name, _, _, m in all_:
            for k, v in m.items():
                print(name, k, repr(float(v)))
        return
    names = list(all_[0][3])
    print("/* metrics_frozen.h -- texts and their metrics, written by tests/ref/metrics_reference.py; NAN = not defined. */")
    print("#ifndef GLIMPSE_TESTS_METRICS_FROZEN_H\n#define GLIMPSE_TESTS_METRICS_FROZEN_H\n\n#include <math.h>\n#include <stdbool.h>\n#include <stddef.h>\n")
    print(f"enum {{ N_FROZEN_METRICS = {len(names)} }};")
    print("static const char *const frozen_names[N_FROZEN_METRICS] = {\n    " + ",\n    ".join(
        ", ".join(f'"{n}"' for n in names[i:i + 5]) for i in range(0, len(names), 5)) + ",\n};\n")
    print("typedef struct frozen_text {\n    const char *name, *text;\n    size_t bytes;\n    bool eos;\n    double value[N_FROZEN_METRICS];\n} frozen_text;\n")
    print("static const frozen_text frozen_texts[] = {")
    for name, text, eos, m in all_:
        parts = [text[i:i + 100] for i in range(0, len(text), 100)] or [b""]
        print(f'    {{"{name}",\n     ' + "\n     ".join(c_string(p) for p in parts) + f",\n     {len(text)}, {str(eos).lower()},")
        values = ["NAN" if math.isnan(v) else repr(float(v)) for v in m.values()]
        print("     {" + ",\n      ".join(", ".join(values[i:i + 5]) for i in range(0, len(values), 5)) + "}},")
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
