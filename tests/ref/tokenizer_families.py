"""Small tokenizers of every kind, trained or made by hand, with the reference that reads each.  Called by parity_tokenizer.py and
tokenizer_freeze.py."""
import base64
import io
import json
import os
import random
import struct
import sys
from dataclasses import dataclass
from typing import Callable, Optional

import sentencepiece
import sentencepiece.sentencepiece_model_pb2 as pb
import tiktoken
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import tokenizer_files as old

NASTY = old.NASTY + ["\u1112\u1161\u11ab \ud55c\u1100", "\u0344 \u0958 \u1e9b\u0323 \ufdfa", "a" * 300, "\u2581" * 5, "\u2581a \u2581 b", " \u2581 a", "  a  b  ", "\u3000a\u3000", "1.5\u00b2 \u2153 \u2167",
                     "\U0001e944 \u1df6\u0301\u0323", "\u0300\u0301\u0302a\u0327\u0300", "'S 'LL I'\u017f 'reX", "ABCdef GHI\u0301jk \u01c5x", "x'sy' 's'T", "//\n/ \r\n/a", "\u0600\u0601 \u06dd", "e\u0301\u0301" * 9,
                     "\u30ab\u30bf\u30ab\u30ca\u3072\u3089\u304c\u306a\u6f22\u5b57\u30fc", "\u0915\u094d\u0937\u093f", "\U0001f1e9\U0001f1ea\U0001f1eb", "\r\n\r\n", "a\r\nb", "\x85\u2028\u2029", "don't do not n't ' . , ? !", "a . b ! c ?",
                     "\uff76\uff9e \u2474 \u33a5 \u00bd", "\ufeffbom", "tab\there", "\u00ad\u200b\u200c\u200d\u2060", "x\u0000y", "hello world " * 40]
REAL = old.TEXT[:4] + ["To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n", "Größe über alles; façade, naïveté — “quotes” … 100 €\n",
                       "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u041a\u0430\u043a \u0434\u0435\u043b\u0430?", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "for (int i = 0; i < n; i++) { a[i] += b[i] * 2; }  // ok\n"]
CORPUS = (REAL + old.TEXT + ["hello world, this is some more text to learn pieces from; the cat sat on the mat", "another day, another 12 dollars and 50 cents"]) * 6


def any_scalar(r):
    while True:
        cp = r.choice((r.randrange(0x250), r.randrange(0x3000), r.randrange(0x10000), r.randrange(0x1F000, 0x1FB00), r.randrange(0x20000), r.randrange(0x110000)))
        if not 0xD800 <= cp < 0xE000:
            return chr(cp)


def random_text(r):
    if r.random() < 0.4:
        return old.random_text(r)
    return "".join(r.choice(old.BITS) if (x := r.random()) < 0.1 else r.choice(old.ALPHABET) if x < 0.5 else any_scalar(r) for _ in range(r.randrange(1, 30)))


@dataclass
class Family:
    name: str
    path: str
    vocab: int
    encode: Callable
    decode: Callable
    encode_special: Optional[Callable] = None
    pattern: str = ""
    without: tuple = ()  # what the reference's encoder does not know as a token, and we do

    def clean(self, x):
        while any(w in x for w in self.without):
            for w in self.without:
                x = x.replace(w, "")
        return x


def hf(folder, name, t):
    path = f"{folder}/hf_{name}.json"
    with open(path, "w") as f:
        f.write(t.to_str())
    t = Tokenizer.from_file(path)

    def decode(ids):
        try:
            return t.decode(ids, skip_special_tokens=True).encode()
        except BaseException as e:  # its Strip panics where nothing is left to strip
            if "Panic" not in type(e).__name__:
                raise
            return None
    return Family("hf_" + name, path, t.get_vocab_size(), lambda x: t.encode(x, add_special_tokens=False).ids, decode, lambda x: t.encode(x).ids)


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def trained(model, trainer, normalizer=None, pre=None, decoder=None, post=None):
    t = Tokenizer(model)
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    t.train_from_iterator(CORPUS, trainer)
    if decoder:
        t.decoder = decoder
    if post:
        t.post_processor = post(t)
    return t


def charsmap(folder):
    """sentencepiece's own rules (nmt_nfkc), out of a model trained with them."""
    m = pb.ModelProto()
    m.ParseFromString(spm_train(folder, "rules", model_type="unigram", vocab_size=200))
    return m.normalizer_spec.precompiled_charsmap


def unigram(**kw):
    return trainers.UnigramTrainer(show_progress=False, **dict(dict(vocab_size=300, unk_token="<unk>", special_tokens=["<unk>", "<s>", "</s>"]), **kw))


def edit(t, change):
    d = json.loads(t.to_str())
    change(d)
    return Tokenizer.from_str(json.dumps(d))


def byte_fallback_unigram(d):
    d["model"]["vocab"] = d["model"]["vocab"][:3] + [[f"<0x{i:02X}>", -30.0] for i in range(256)] + d["model"]["vocab"][3:]
    d["model"]["byte_fallback"] = True


def hf_families(folder):
    yield from ((name, t) for name, t in old.families())
    W, P = pre_tokenizers, normalizers
    wordpiece = lambda **kw: trainers.WordPieceTrainer(show_progress=False, **dict(dict(vocab_size=300, special_tokens=["[UNK]", "[CLS]", "[SEP]", "[PAD]"]), **kw))
    bpe = lambda **kw: trainers.BpeTrainer(show_progress=False, **dict(dict(vocab_size=300, special_tokens=["<unk>"]), **kw))
    cls = lambda t: processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", t.token_to_id("[CLS]")), ("[SEP]", t.token_to_id("[SEP]"))])
    for small, strip, cjk, clean in ((True, None, True, True), (False, None, True, True), (True, False, False, True), (False, True, True, False)):
        yield f"bert_{small:d}{'n' if strip is None else int(strip)}{cjk:d}{clean:d}", trained(models.WordPiece(unk_token="[UNK]"), wordpiece(), P.BertNormalizer(clean_text=clean, handle_chinese_chars=cjk, strip_accents=strip, lowercase=small), W.BertPreTokenizer(), decoders.WordPiece(cleanup=small), cls)
    meta = lambda **kw: W.Metaspace(**dict(dict(replacement="\u2581", prepend_scheme="always"), **kw))
    rules = charsmap(folder)
    t5 = lambda t: processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", t.token_to_id("</s>"))])
    t = trained(models.Unigram(), unigram(), P.Sequence([P.Precompiled(rules), P.Strip(left=False, right=True), P.Replace(Regex(" {2,}"), "\u2581")]), meta(), decoders.Metaspace(), t5)
    yield "t5", t
    yield "unigram", trained(models.Unigram(), unigram(), None, meta(), decoders.Metaspace())
    yield "unigram_bytes", edit(t, byte_fallback_unigram)
    yield "albert", trained(models.Unigram(), unigram(), P.Sequence([P.Replace("``", '"'), P.Replace("''", '"'), P.NFKD(), P.StripAccents(), P.Lowercase(), P.Precompiled(rules), P.Replace(Regex(" {2,}"), " ")]), meta(), decoders.Metaspace(), t5)
    yield "unigram_whole", trained(models.Unigram(), unigram(), P.Sequence([P.Nmt(), P.NFKC()]), meta(prepend_scheme="first", split=False), decoders.Metaspace(prepend_scheme="first"))
    for n, norm in (("nfc", P.NFC()), ("nfd", P.NFD()), ("nfkc", P.NFKC()), ("nfkd", P.NFKD()), ("lower", P.Lowercase()), ("accents", P.Sequence([P.NFD(), P.StripAccents()])), ("nmt", P.Nmt()), ("precompiled", P.Precompiled(rules)), ("bytes", P.ByteLevel()), ("strip", P.Strip())):
        yield "norm_" + n, old.byte_level(old.bl(use_regex=True), ["<|endoftext|>"], normalizer=norm)
    yield "roberta", old.byte_level(old.bl(use_regex=True, add_prefix_space=True), ["<s>", "</s>"], post=processors.RobertaProcessing(("</s>", 1), ("<s>", 0)))
    yield "falcon", old.byte_level(W.Sequence([W.Punctuation("contiguous"), old.bl(use_regex=True), W.Digits(), split("[0-9][0-9][0-9]")]), ["<|endoftext|>"])
    R6 = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    yield "deepseek", old.byte_level(W.Sequence([split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"), split(R6), old.bl()]), ["<|endoftext|>"])
    words = lambda: trainers.WordLevelTrainer(show_progress=False, special_tokens=["[UNK]"])
    level = lambda pre, norm=None: trained(models.WordLevel(unk_token="[UNK]"), words(), norm, pre)
    for n, pre in (("white", W.WhitespaceSplit()), ("words", W.Whitespace()), ("delimiter", W.CharDelimiterSplit("e")), ("digits", W.Digits()), ("digits1", W.Digits(individual_digits=True)), ("scripts", W.UnicodeScripts()), ("fixed", W.FixedLength(3)), ("bertpre", W.BertPreTokenizer()), ("seq", W.Sequence([W.WhitespaceSplit(), W.Sequence([W.Punctuation(), W.Digits()])]))):
        yield "pre_" + n, level(pre)
    for b in ("isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"):
        yield "punct_" + b, level(W.Punctuation(b))
        yield "split_" + b, level(split("[aeiou ]", b))
        yield "invert_" + b, level(split("[a-z]+", b, True))
        yield "literal_" + b, level(W.Split("a", b))
    for n, x in enumerate((r"\w+|[^\w\s]+", r"^\s+|\s+$|\p{Han}", PATTERNS["cl100k"], r"(?=(\d{3})+(?!\d))", r"\b", r"(?m:a.)|x*", r"\h{2}+|\d{,2}")):
        yield f"regex_{n}", level(split(x))  # where PCRE2 and Oniguruma differ
    for s in ("always", "first", "never"):
        for cut in (True, False):
            yield f"meta_{s}_{cut:d}", trained(models.BPE(unk_token="<unk>"), bpe(), None, W.Metaspace("\u2581", s, cut), decoders.Metaspace("\u2581", s, cut))
    yield "suffix", trained(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"), bpe(end_of_word_suffix="</w>"), P.Lowercase(), W.BertPreTokenizer(), decoders.BPEDecoder("</w>"))
    yield "subword", trained(models.BPE(unk_token="<unk>", continuing_subword_prefix="##", fuse_unk=True), bpe(continuing_subword_prefix="##"), None, W.Whitespace(), decoders.WordPiece("##", False))
    yield "nounk", trained(models.BPE(), bpe(special_tokens=[]), None, W.Whitespace())
    yield "ctc", trained(models.WordLevel(unk_token="[UNK]"), words(), P.Replace(" ", "|"), W.FixedLength(1), decoders.CTC("a", "|", True))
    yield "chain", trained(models.BPE(unk_token="<unk>"), bpe(), P.Sequence([P.Prepend("_"), P.Replace(Regex("[ \t]+"), "_")]), None, decoders.Sequence([decoders.Replace(Regex("_+"), " "), decoders.Replace("the", "THE"), decoders.Strip(" ", 1, 1)]))
    t = trained(models.BPE(unk_token="<unk>"), bpe(), P.Sequence([P.NFKC(), P.Lowercase()]), W.Whitespace(), decoders.BPEDecoder("x"))
    t.add_tokens([AddedToken("Hello", normalized=True), AddedToken("WORLD", normalized=True, single_word=True), AddedToken(" the", lstrip=True, normalized=False), AddedToken("quick", rstrip=True, lstrip=True), AddedToken("\n\n", normalized=False), AddedToken("  ", normalized=False), AddedToken("a", single_word=True, normalized=False), AddedToken("\ufb01", normalized=True)])
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True), AddedToken("<sep>", single_word=True)])
    yield "addedrules", t


# === tiktoken, tekken ===
PATTERNS = {
    "gpt2": r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s""",
    "cl100k": r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s""",
    "o200k": old.R4, "llama3": old.R2, "qwen2": old.R3, "tekken": old.R5}


def ranks_of(t):
    """A byte-level BPE as ranks: a base of 256 bytes in order, then its merges."""
    d = json.loads(t.to_str())["model"]
    back = {}
    for b in range(256):
        c = b if 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or b >= 0xAE else 0x100 + b if b <= 0x20 else 0x143 if b == 0xAD else b + 0xA2
        back[chr(c)] = b
    raw = lambda s: bytes(back[c] for c in s)
    ranks = {bytes([b]): b for b in range(256)}
    for m in d["merges"]:
        a, b = m if isinstance(m, list) else m.split(" ")
        ranks.setdefault(raw(a) + raw(b), len(ranks))
    return ranks


def tiktoken_families(folder):
    for name, pattern in PATTERNS.items():
        t = Tokenizer(models.BPE())
        t.pre_tokenizer = pre_tokenizers.Sequence([split(old.R4), old.bl()])
        t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
        ranks = ranks_of(t)
        e = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        path = f"{folder}/{name}.ranks"
        with open(path, "wb") as f:
            for token, rank in ranks.items():
                f.write(base64.b64encode(token) + b" %d\n" % rank)
        yield Family("tiktoken_" + name, path, len(ranks), e.encode_ordinary, e.decode_bytes, pattern=name)
        if name == "tekken":
            special = 30
            d = {"config": {"pattern": pattern, "num_vocab_tokens": len(ranks), "default_vocab_size": len(ranks) - 10 + special, "default_num_special_tokens": special, "version": "v3"},
                 "vocab": [{"rank": r, "token_bytes": base64.b64encode(x).decode(), "token_str": None} for x, r in ranks.items()]}
            path = f"{folder}/tekken.json"
            json.dump(d, open(path, "w"))
            inner = {x: r for x, r in ranks.items() if r < len(ranks) - 10}
            i = tiktoken.Encoding("tekken", pat_str=pattern, mergeable_ranks=inner, special_tokens={})
            names = ["<unk>", "<s>", "</s>"]
            yield Family("tekken", path, special + len(inner), lambda x, i=i: [r + special for r in i.encode_ordinary(x)], lambda ids, i=i: i.decode_bytes([r - special for r in ids if r >= special]),
                         without=names)


# === sentencepiece, llama2.c, GGUF ===
def spm_train(folder, name, **kw):
    out = io.BytesIO()
    options = dict(dict(sentence_iterator=iter([x.replace("\n", " ") for x in CORPUS]), model_writer=out, vocab_size=320, hard_vocab_limit=False, minloglevel=2, num_threads=1), **kw)
    sentencepiece.SentencePieceTrainer.train(**options)
    return out.getvalue()


def spm_family(folder, name, raw):
    path = f"{folder}/{name}.model"
    with open(path, "wb") as f:
        f.write(raw)
    s = sentencepiece.SentencePieceProcessor(model_proto=raw)
    control = [s.id_to_piece(i) for i in range(s.get_piece_size()) if s.is_control(i)]
    return Family("spm_" + name, path, s.get_piece_size(), s.encode, lambda ids: s.decode(ids).encode(), without=control)


def spm_families(folder):
    for kind in ("bpe", "unigram", "word", "char"):
        yield spm_family(folder, kind, spm_train(folder, kind, model_type=kind))
    for kind in ("bpe", "unigram"):
        yield spm_family(folder, kind + "_llama", spm_train(folder, kind, model_type=kind, byte_fallback=True, vocab_size=600, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True, add_dummy_prefix=True))
        yield spm_family(folder, kind + "_user", spm_train(folder, kind, model_type=kind, byte_fallback=True, vocab_size=600, user_defined_symbols=["<mask>", "hello", "  ", "\u2581\u2581", "the"], control_symbols=["<ctl>"], add_dummy_prefix=False, remove_extra_whitespaces=False))
        yield spm_family(folder, kind + "_suffix", spm_train(folder, kind, model_type=kind, treat_whitespace_as_suffix=True))
        yield spm_family(folder, kind + "_casefold", spm_train(folder, kind, model_type=kind, normalization_rule_name="nmt_nfkc_cf", split_by_whitespace=False))
        m = pb.ModelProto()
        m.ParseFromString(spm_train(folder, kind, model_type=kind))
        for i, p in enumerate(m.pieces):
            if p.type == 1 and i % 3 == 0 and len(p.piece) > 1:
                p.type = 5  # unused: cut again
        yield spm_family(folder, kind + "_unused", m.SerializeToString())


def llama2c(folder):
    raw = spm_train(folder, "llama2c", model_type="bpe", byte_fallback=True, vocab_size=600, normalization_rule_name="identity", remove_extra_whitespaces=False)
    s = sentencepiece.SentencePieceProcessor(model_proto=raw)
    rows = []
    for i in range(s.get_piece_size()):
        t = s.id_to_piece(i)
        t = "\n<s>\n" if i == s.bos_id() else "\n</s>\n" if i == s.eos_id() else t
        rows.append((t.replace("\u2581", " ").encode(), s.get_score(i)))
    path = f"{folder}/tokenizer.bin"
    with open(path, "wb") as f:
        f.write(struct.pack("i", max(len(t) for t, _ in rows)))
        for t, score in rows:
            f.write(struct.pack("fI", score, len(t)) + t)
    yield Family("llama2c", path, len(rows), s.encode, lambda ids: s.decode(ids).encode(), without=("<s>", "</s>"))


def gguf_string(x):
    x = x.encode() if isinstance(x, str) else x
    return struct.pack("<Q", len(x)) + x


def gguf(path, keys):
    with open(path, "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)))
        for key, (kind, value) in keys.items():
            f.write(gguf_string(key))
            if kind == "str":
                f.write(struct.pack("<I", 8) + gguf_string(value))
            elif kind in ("u32", "bool"):
                f.write(struct.pack("<II", 4, value) if kind == "u32" else struct.pack("<I?", 7, value))
            else:
                number = {"strs": 8, "f32s": 6, "i32s": 5, "i8s": 1}[kind]
                f.write(struct.pack("<IIQ", 9, number, len(value)))
                f.write(b"".join(map(gguf_string, value)) if kind == "strs" else struct.pack(f"<{len(value)}{'f' if kind == 'f32s' else 'i' if kind == 'i32s' else 'b'}", *value))


def gguf_families(folder):
    T = "tokenizer.ggml."
    for name, model_type in (("llama", "bpe"), ("t5", "unigram")):
        raw = spm_train(folder, name, model_type=model_type, byte_fallback=True, vocab_size=600, **({} if name == "t5" else dict(normalization_rule_name="identity", remove_extra_whitespaces=False)))
        m = pb.ModelProto()
        m.ParseFromString(raw)
        s = sentencepiece.SentencePieceProcessor(model_proto=raw)
        keys = {"general.architecture": ("str", name), T + "model": ("str", name), T + "tokens": ("strs", [p.piece for p in m.pieces]), T + "scores": ("f32s", [p.score for p in m.pieces]), T + "token_type": ("i32s", [p.type for p in m.pieces]),
                T + "bos_token_id": ("u32", s.bos_id()), T + "eos_token_id": ("u32", s.eos_id())}
        if name == "t5":
            keys[T + "precompiled_charsmap"] = ("i8s", [b - 256 if b > 127 else b for b in m.normalizer_spec.precompiled_charsmap])
            keys[T + "remove_extra_whitespaces"] = ("bool", True)
        path = f"{folder}/{name}.gguf"
        gguf(path, keys)
        yield Family("gguf_" + name, path, len(m.pieces), s.encode, lambda ids, s=s: s.decode(ids).encode(), without=("<s>", "</s>"))
    for name, t in old.families():
        pre = {"gpt2": "gpt-2", "llama3": "llama-bpe", "tekken": "tekken"}.get(name)
        if not pre:
            continue
        d = json.loads(t.to_str())
        vocab = dict(d["model"]["vocab"], **{a["content"]: a["id"] for a in d["added_tokens"]})
        tokens = sorted(vocab, key=vocab.get)
        special = {a["content"] for a in d["added_tokens"]}
        path = f"{folder}/{name}.gguf"
        gguf(path, {"general.architecture": ("str", "llama"), T + "model": ("str", "gpt2"), T + "pre": ("str", pre), T + "tokens": ("strs", tokens), T + "token_type": ("i32s", [3 if x in special else 1 for x in tokens]),
                    T + "merges": ("strs", [" ".join(m) if isinstance(m, list) else m for m in d["model"]["merges"]])})
        yield Family("gguf_" + name, path, len(tokens), lambda x, t=t: t.encode(x, add_special_tokens=False).ids, lambda ids, t=t: t.decode(ids).encode())


def gguf_bert(folder):
    """As convert_hf_to_gguf.py writes BertModel: U+2581 before what begins a word, no ## before what goes on."""
    T = "tokenizer.ggml."
    for name, t in hf_families(folder):
        if name not in ("bert_1n11", "bert_0n11"):
            continue
        t.decoder = decoders.WordPiece(cleanup=True)  # which the file cannot say; llama.cpp cleans what any such model writes
        d = json.loads(t.to_str())
        vocab = d["model"]["vocab"]
        special = {a["content"] for a in d["added_tokens"]}
        tokens = [x if x in special else x[2:] if x.startswith("##") else "\u2581" + x for x in sorted(vocab, key=vocab.get)]
        path = f"{folder}/{name}.gguf"
        gguf(path, {"general.architecture": ("str", "bert"), T + "model": ("str", "bert"), T + "tokens": ("strs", tokens), T + "token_type": ("i32s", [3 if x in special else 1 for x in tokens]),
                    T + "unknown_token_id": ("u32", vocab["[UNK]"]), T + "cls_token_id": ("u32", vocab["[CLS]"]), T + "seperator_token_id": ("u32", vocab["[SEP]"])})
        yield Family("gguf_" + name, path, len(tokens), lambda x, t=t: t.encode(x, add_special_tokens=False).ids, lambda ids, t=t: t.decode(ids).encode(), lambda x, t=t: t.encode(x).ids)


def tekken_other(folder):
    """A pattern that is nobody's: through PCRE2, as a tokenizer.json's are."""
    pattern = r"[A-Za-z]+|\p{N}{1,2}|[^\sA-Za-z\p{N}]+|\s+"
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([split(pattern), old.bl()])
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    ranks, special = ranks_of(t), 20
    path = f"{folder}/tekken_other.json"
    json.dump({"config": {"pattern": pattern, "num_vocab_tokens": len(ranks), "default_vocab_size": len(ranks) + special, "default_num_special_tokens": special, "version": "v3"},
               "vocab": [{"rank": r, "token_bytes": base64.b64encode(x).decode(), "token_str": None} for x, r in ranks.items()]}, open(path, "w"))
    e = tiktoken.Encoding("other", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    names = ["<unk>", "<s>", "</s>"]
    yield Family("tekken_other", path, special + len(ranks), lambda x: [r + special for r in e.encode_ordinary(x)], lambda ids: e.decode_bytes([r - special for r in ids if r >= special]), without=names)


def mistral(folder):
    """Files in use, of 32,000 to 131,072 tokens, which mistral-common brings along, against its own reader; needs that package."""
    try:
        import mistral_common
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer
    except ImportError:
        print("not compared: mistral-common's own files; hint: pip install mistral_common, in an environment of its own: it asks for an older numpy", flush=True)
        return
    data = os.path.join(os.path.dirname(mistral_common.__file__), "data")
    for name in sorted(os.listdir(data)):
        path = os.path.join(data, name)
        if name.startswith("tekken") and name.endswith(".json"):
            t = Tekkenizer.from_file(path)
            yield Family("mistral_" + name[:-5], path, t.n_words, lambda x, t=t: t.encode(x, bos=False, eos=False), lambda ids, t=t: b"".join(map(t.id_to_byte_piece, ids)), without=tuple(x["token_str"] for x in t._all_special_tokens))
        elif ".model" in name:
            s = sentencepiece.SentencePieceProcessor(model_file=path)
            control = tuple(s.id_to_piece(i) for i in range(s.get_piece_size()) if s.is_control(i))
            yield Family("mistral_" + name, path, s.get_piece_size(), s.encode, lambda ids, s=s: s.decode(ids).encode(), without=control)


def all(folder):
    for name, t in hf_families(folder):
        yield hf(folder, name, t)
    yield from tiktoken_families(folder)
    yield from spm_families(folder)
    yield from llama2c(folder)
    yield from gguf_families(folder)
    yield from gguf_bert(folder)
    yield from tekken_other(folder)
    yield from mistral(folder)
