"""Trains small tokenizers of each family with Hugging Face tokenizers, and writes what they make of nasty texts.

    pip install tokenizers && python tests/ref/tokenizer_files.py tests/fuzz/corpus/tokenizer_json > tests/ref/tokenizer_ids.h

The files are seeds of the fuzzer too.  With a second argument it only compares: `... DIR N PROGRAM` gives PROGRAM (a program
that reads lines of hex bytes and writes lines of ids) N random texts a family."""
import json
import os
import random
import subprocess
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

R2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
R3 = R2.replace(r"\p{N}{1,3}", r"\p{N}")
UP, LO = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
S = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
R4 = rf"[^\r\n\p{{L}}\p{{N}}]?{UP}*{LO}+{S}|[^\r\n\p{{L}}\p{{N}}]?{UP}+{LO}*{S}|\p{{N}}{{1,3}}" + TAIL
R5 = R4.replace(S, "").replace(r"\p{N}{1,3}", r"\p{N}")
TEXT = ["The quick brown fox jumps over the lazy dog. It's 2024, isn't it? We'll see what they've done; I'd say 1,234,567.89!",
        "def f(x):\n    return x ** 2  # squares\n\n\tif x:\n\t\tpass\n", "caf\u00e9 na\u00efve \u00fcber \u4e2d\u6587\u6d4b\u8bd5 \u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4 \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \U0001f600\U0001f3fd",
        "hello hello hello world world  the the the  and then there was another one, another two\r\n\r\nand a third"] * 8
NASTY = ["", " ", "  ", "   a", "a   ", "\n", " \n \n x", "\r\n\r\n a", "a\n\n  ", "\t\ttab", "Hello world", " Hello", "I'LL don't WE'VE x'\u017f it's 's", "12345678 9", "1\u00bd\u0661\u0662",
         "caf\u00e9 cafe\u0301", "\u1e0b\u0323 \u0065\u0301\u0327", "\ufb01 \u2460 \uff21", "\u4e2d\u6587\u6d4b\u8bd5", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "a\u00a0b\u2003c\u3000d\u180ee", "\u0000\u0001\u001f", "x\u200bx\ufeffx",
         "<|endoftext|>", "a<|endoftext|>b", "a <mask>  b", "<mask>", "x<mask>y", " word word words", "sword word", "<s>hello</s>", "<s> hello </s> there",
         "\u2581under\u2581score", "!!!???...---", "a.b,c;d", "x=10!!  y /// \n\n", "\u0130stanbul \u01c5 STRASSE", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "[BOS] Instruction: x Response:", "[UNK] [EOS]",
         "\u00ff\u00fe\u00ad", "\U0010ffff\ue000", "unbelievable antidisestablishmentarianism", "The  quick   brown", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u0928\u092e\u0938\u094d\u0924\u0947", "a\u0301\u0323\u0301"]




def byte_level(pre, specials, size=400, normalizer=None, post=None, ignore_merges=False):
    t = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                                    show_progress=False, special_tokens=specials))
    t.decoder = decoders.ByteLevel()
    t.post_processor = post or processors.ByteLevel(trim_offsets=False)
    return t


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def bl(**kw):
    return pre_tokenizers.ByteLevel(**dict(dict(add_prefix_space=False, use_regex=False), **kw))


def template(t, name):
    t.post_processor = processors.TemplateProcessing(single=f"{name} $A", pair=f"{name} $A {name} $B", special_tokens=[(name, t.token_to_id(name))])


def llama2(metaspace):
    t = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    if metaspace:
        t.pre_tokenizer = pre_tokenizers.Metaspace("\u2581", prepend_scheme=metaspace, split=metaspace == "always")
    else:
        t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    t.train_from_iterator([x[:60] for x in TEXT], trainers.BpeTrainer(vocab_size=380, show_progress=False, special_tokens=specials[:3]))
    d = json.loads(t.to_str())
    shift = 256  # bytes go between the special tokens and the rest, as sentencepiece has them
    vocab = {k: (v if v < 3 else v + shift) for k, v in d["model"]["vocab"].items()}
    vocab.update({f"<0x{i:02X}>": 3 + i for i in range(256)})
    d["model"]["vocab"] = vocab
    t = Tokenizer.from_str(json.dumps(d))
    template(t, "<s>")
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return t


def gemma():
    d = json.loads(llama2("never").to_str())
    d["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    d["pre_tokenizer"] = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    return Tokenizer.from_str(json.dumps(d))


def families():
    end = ["<|endoftext|>"]
    yield "gpt2", byte_level(bl(use_regex=True), end)
    yield "gpt2_prefix", byte_level(bl(use_regex=True, add_prefix_space=True), end)
    t = byte_level(pre_tokenizers.Sequence([split(R2), bl()]), ["<|begin_of_text|>"] + end, ignore_merges=True)
    template(t, "<|begin_of_text|>")
    yield "llama3", t
    yield "qwen2", byte_level(pre_tokenizers.Sequence([split(R3), bl()]), end, normalizer=normalizers.NFC())
    yield "smollm2", byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), bl(use_regex=True)]), end)
    yield "o200k", byte_level(pre_tokenizers.Sequence([split(R4), bl()]), end)
    yield "tekken", byte_level(pre_tokenizers.Sequence([split(R5), bl()]), end, ignore_merges=True)
    yield "llama2", llama2(None)
    yield "llama2_first", llama2("first")
    yield "metaspace", llama2("always")
    yield "gemma", gemma()
    t = byte_level(bl(use_regex=True), end)
    t.add_tokens([AddedToken("<mask>", lstrip=True, special=True), AddedToken(" word", single_word=False, normalized=False),
                  AddedToken("word", single_word=True), AddedToken("   ", normalized=False), AddedToken("hello", rstrip=True)])
    yield "added", t
    t = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.train_from_iterator(TEXT, trainers.WordLevelTrainer(show_progress=False, special_tokens=["[UNK]", "[BOS]", "[EOS]"]))
    template(t, "[BOS]")
    yield "wordlevel", t
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()])
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=200, show_progress=False, special_tokens=["[UNK]", "[CLS]", "[SEP]"]))
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.BertProcessing(("[SEP]", t.token_to_id("[SEP]")), ("[CLS]", t.token_to_id("[CLS]")))
    yield "wordpiece", t


ALPHABET = (" \n\t\r" * 3 + "aetsrvmldLSTRn'0195.,!/-_" + "\u00e9\u00b5\u00aa\u00bd\u0661\u4e2d\u6587\ud55c\u0440\u0441\u0130\u017f\u01c5\u0301\u0323\u00a0\u2003\u3000\u2028\u0085"
            "\U0001f600\u200d\ufe0f\u200b\ufb01\uff21\u2460\u0e31\u094d\u2581\u0000\u001c")
BITS = ["the ", "hello", "word", " word", "<mask>", "<|endoftext|>", "<s>", "</s>", "[BOS]", "don't", "  ", "   ", "\n\n", "123", "quick", "\u4e2d\u6587"]


def random_text(r):
    return "".join(r.choice(BITS) if r.random() < 0.15 else r.choice(ALPHABET) for _ in range(r.randrange(1, 40)))


def compare(folder, n, program):
    bad = 0
    for name in sorted(os.listdir(folder)):
        t = Tokenizer.from_file(os.path.join(folder, name))
        r = random.Random(name)
        texts = NASTY + TEXT + [random_text(r) for _ in range(n)]
        feed = "".join(x.encode().hex() + "\n" for x in texts)
        lines = subprocess.run([program, os.path.join(folder, name)], input=feed, capture_output=True, text=True, check=True).stdout.split("\n")
        wrong = [(x, got) for x, got in zip(texts, lines) if got.split() != [str(i) for i in t.encode(x, add_special_tokens=False).ids]]
        bad += len(wrong)
        print(name, len(texts), "texts,", len(wrong), "differences", file=sys.stderr)
        for x, got in wrong[:3]:
            print("  ", ascii(x), "\n   ours  ", got, "\n   theirs", *t.encode(x, add_special_tokens=False).ids, file=sys.stderr)
    return bad


def main():
    if len(sys.argv) > 3:
        sys.exit(compare(sys.argv[1], int(sys.argv[2]), sys.argv[3]) > 0)
    print("""/* tokenizer_ids.h -- written by tests/ref/tokenizer_files.py; not to be edited.  For each file of the corpus, texts (UTF-8,
 * their bytes) and the ids that Hugging Face tokenizers 0.23 gives, without special tokens; prefix: what it puts before. */
typedef struct tokenizer_case { const char *text; int bytes, n_ids; const int *ids; } tokenizer_case;
typedef struct tokenizer_family { const char *file; int n_prefix, prefix; const tokenizer_case *cases; int n_cases; } tokenizer_family;""")
    rows = []
    for name, t in families():
        with open(f"{sys.argv[1]}/{name}.json", "w") as f:
            f.write(t.to_str())
        print(f"static const tokenizer_case {name}_cases[] = {{")
        for x in NASTY:
            ids = t.encode(x, add_special_tokens=False).ids
            raw = x.encode()
            text = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else "\\%03o" % b for b in raw)
            print(f'    {{"{text}", {len(raw)}, {len(ids)}, (const int[]){{{", ".join(map(str, ids)) or 0}}}}},')
        print("};")
        with_special = t.encode("a").ids
        extra = len(with_special) - len(t.encode("a", add_special_tokens=False).ids)
        rows.append(f'    {{"{name}.json", {1 if extra else 0}, {with_special[0] if extra else -1}, {name}_cases, {len(NASTY)}}},')
    print("static const tokenizer_family tokenizer_families[] = {\n" + "\n".join(rows) + "\n};")


if __name__ == "__main__":
    main()
