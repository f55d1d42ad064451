/* gguf_tokenizer.c -- the tokenizer in a GGUF file (ggml-org/ggml, docs/gguf.md; llama.cpp, llama-vocab.cpp): the keys
 * tokenizer.ggml.* as one of the kinds there are.  "llama" and "t5" are sentencepiece's, "gpt2" byte pairs with their merges
 * written out, "bert" WordPiece (both become a tokenizer.json).  Only the keys are read, never the tensors; every count is
 * compared with the bytes that are left. */
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "sampling/checkpoint/gguf_keys.h"
#include "sampling/tokenizer/spm_model.h"

enum { MAX_KEYS = 1 << 16 };

enum { K_MODEL, K_PRE, K_TOKENS, K_SCORES, K_TYPES, K_MERGES, K_RULES, K_BOS, K_EOS, K_UNK, K_ADD_BOS, K_ADD_EOS, K_SPACE,
       K_EXTRA, K_CLS, K_SEP, N_WANTED };
static const struct {
    const char *key;
    int type; /* GGUF_ARRAY: of `of`; -1: any whole number or flag */
    int of;
} wanted[N_WANTED] = {{"model", GGUF_STRING, 0},
                      {"pre", GGUF_STRING, 0},
                      {"tokens", GGUF_ARRAY, GGUF_STRING},
                      {"scores", GGUF_ARRAY, GGUF_F32},
                      {"token_type", GGUF_ARRAY, GGUF_I32},
                      {"merges", GGUF_ARRAY, GGUF_STRING},
                      {"precompiled_charsmap", GGUF_ARRAY, GGUF_I8},
                      {"bos_token_id", -1, 0},
                      {"eos_token_id", -1, 0},
                      {"unknown_token_id", -1, 0},
                      {"add_bos_token", -1, 0},
                      {"add_eos_token", -1, 0},
                      {"add_space_prefix", -1, 0},
                      {"remove_extra_whitespaces", -1, 0},
                      {"cls_token_id", -1, 0},
                      {"seperator_token_id", -1, 0}}; /* spelt so by gguf-py */

static glimpse_status read_keys(gguf_reader *r, gguf_value found[N_WANTED], bool there[N_WANTED]) {
    static const char prefix[] = "tokenizer.ggml.";
    uint64_t magic, version, tensors, keys;
    TRY(gguf_take(r, 4, &magic));
    TRY(gguf_take(r, 4, &version));
    TRY(gguf_take(r, 8, &tensors));
    TRY(gguf_take(r, 8, &keys));
    if (version < 2 || version > 3) FAIL(GLIMPSE_E_UNSUPPORTED, "%s: GGUF version %u, 2 and 3 are read", r->f->path, (unsigned)version);
    if (keys > MAX_KEYS) FAIL(GLIMPSE_E_FORMAT, "%s: %llu keys, at most %d are read", r->f->path, (unsigned long long)keys, (int)MAX_KEYS);
    for (; keys; keys--) {
        gguf_span name;
        gguf_value v;
        uint64_t type;
        TRY(gguf_take_string(r, &name));
        TRY(gguf_take(r, 4, &type));
        TRY(gguf_take_value(r, (uint32_t)type, &v));
        const char *s = r->bytes.bytes + name.at;
        if (name.n < sizeof prefix || memcmp(s, prefix, sizeof prefix - 1)) continue;
        s += sizeof prefix - 1;
        for (int i = 0; i < N_WANTED; i++) {
            if (strlen(wanted[i].key) != name.n - (sizeof prefix - 1) || memcmp(s, wanted[i].key, strlen(wanted[i].key))) continue;
            bool scalar = v.type != GGUF_STRING && v.type != GGUF_ARRAY && v.type != GGUF_F32 && v.type != GGUF_F64;
            bool fits = wanted[i].type < 0 ? scalar
                                           : (int)v.type == wanted[i].type &&
                                                 (v.type != GGUF_ARRAY || (int)v.of == wanted[i].of ||
                                                  (wanted[i].of == GGUF_I32 && v.of == GGUF_U32) || (wanted[i].of == GGUF_I8 && v.of == GGUF_U8));
            if (!fits || there[i])
                FAIL(GLIMPSE_E_FORMAT, "%s: the key tokenizer.ggml.%s is %s", r->f->path, wanted[i].key,
                     there[i] ? "there twice" : "of another type than it should be");
            found[i] = v, there[i] = true;
        }
    }
    return GLIMPSE_OK;
}

static bool says(const gguf_reader *r, const gguf_value *v, const char *text) {
    return v->bytes.n == strlen(text) && !memcmp(r->bytes.bytes + v->bytes.at, text, v->bytes.n);
}

static int32_t i32_of(const gguf_reader *r, const gguf_value *v, uint64_t i) {
    return (int32_t)u32_le(r->bytes.bytes + v->bytes.at + 4 * i);
}

static int32_t id_or(const gguf_value found[N_WANTED], const bool there[N_WANTED], int k, int32_t fallback) {
    return !there[k] || found[k].bits >= INT32_MAX ? fallback : (int32_t)found[k].bits;
}

static glimpse_status sentencepiece_kind(const gguf_reader *r, const gguf_value found[N_WANTED], const bool there[N_WANTED], bool t5,
                                         tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    spm s = {.kind = t5 ? SPM_UNIGRAM : SPM_BPE, .escape = true, .unk = -1, .add_bos = !t5, .add_eos = t5};
    size_t at = found[K_TOKENS].bytes.at;
    uint64_t n = found[K_TOKENS].n;
    if (!there[K_SCORES] || found[K_SCORES].n != n || !there[K_TYPES] || found[K_TYPES].n != n)
        FAIL(GLIMPSE_E_FORMAT, "%s: %llu tokens, %llu scores and %llu types", r->f->path, (unsigned long long)n,
             (unsigned long long)found[K_SCORES].n, (unsigned long long)found[K_TYPES].n);
    s.dummy_prefix = !there[K_SPACE] || found[K_SPACE].bits;
    s.remove_extra = there[K_EXTRA] && found[K_EXTRA].bits;
    s.bos = id_or(found, there, K_BOS, t5 ? -1 : 1);
    s.eos = id_or(found, there, K_EOS, t5 ? 1 : 2);
    if (there[K_ADD_BOS]) s.add_bos = found[K_ADD_BOS].bits;
    if (there[K_ADD_EOS]) s.add_eos = found[K_ADD_EOS].bits;
    if (there[K_RULES] && found[K_RULES].bytes.n)
        TRY_GOTO(charsmap_open(r->f->path, r->bytes.bytes + found[K_RULES].bytes.at, found[K_RULES].bytes.n, &s.rules));
    for (uint64_t i = 0; i < n; i++) {
        gguf_text t = gguf_next_text(r, &at);
        uint32_t bits = (uint32_t)i32_of(r, &found[K_SCORES], i);
        int32_t type = i32_of(r, &found[K_TYPES], i);
        float score;
        memcpy(&score, &bits, 4);
        if (type < SPM_NORMAL || type > SPM_BYTE)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: token %llu has the type %d, 1 to 6 are known", r->f->path, (unsigned long long)i, (int)type);
        if (type == SPM_BYTE) s.byte_fallback = true;
        spm_put(&s, t.s, t.n, score, (spm_type)type);
    }
    st = spm_tokenizer_new(r->f->path, &s, out);
out:
    spm_free(&s);
    return st;
}

/* The pattern of tokenizer.ggml.pre, as the text that stands in a tokenizer.json. */
static const char *pattern_of(const gguf_reader *r, const gguf_value *pre, bool there) {
    static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+";
    static const char llama3[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| "
                                 "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+";
    static const char qwen2[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "
                                "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+";
    static const char tekken[] =
        "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+|"
        "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*|\\\\p{N}| "
        "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n/]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+";
    static const struct {
        const char *name, *pattern;
    } known[] = {{"gpt-2", gpt2},      {"phi-2", gpt2},  {"olmo", gpt2},      {"dbrx", llama3},   {"smaug-bpe", llama3},
                 {"llama-bpe", llama3}, {"llama3", llama3}, {"llama-v3", llama3}, {"qwen2", qwen2}, {"deepseek-r1-qwen", qwen2},
                 {"stablelm2", qwen2}, {"tekken", tekken}};
    if (!there) return gpt2;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (says(r, pre, known[i].name)) return known[i].pattern;
    return NULL;
}

/* What stands around a prompt, as a post-processor: the tokenizer reads it there again. */
static void put_bos(buffer *json, const char *name, size_t n, int32_t id) {
    buffer text = {0};
    buf_json_string(&text, name, n);
    const char *s = buf_str(&text);
    buf_printf(json, "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":%s,\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","
                     "\"type_id\":0}}],\"pair\":[{\"SpecialToken\":{\"id\":%s,\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                     "{\"SpecialToken\":{\"id\":%s,\"type_id\":1}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],\"special_tokens\":{%s:{\"id\":%s,"
                     "\"ids\":[%d],\"tokens\":[%s]}}}", s, s, s, s, s, (int)id, s);
    if (buf_failed(&text)) json->failed = true;
    buf_free(&text);
}

/* Byte pairs: written as a tokenizer.json and read by its reader, which has every check. */
static glimpse_status byte_pair_json(const gguf_reader *r, const gguf_value found[N_WANTED], const bool there[N_WANTED], buffer *json) {
    const gguf_value *tokens = &found[K_TOKENS], *merges = &found[K_MERGES];
    const char *pattern = pattern_of(r, &found[K_PRE], there[K_PRE]);
    int32_t bos = id_or(found, there, K_BOS, -1);
    if (!there[K_MERGES]) FAIL(GLIMPSE_E_FORMAT, "%s: tokenizer.ggml.merges is missing", r->f->path);
    if (there[K_TYPES] && found[K_TYPES].n != tokens->n) FAIL(GLIMPSE_E_FORMAT, "%s: tokens and their types differ in number", r->f->path);
    if (!pattern)
        FAIL(GLIMPSE_E_UNSUPPORTED,
             "%s: the pre-tokenizer \"%.*s\" (tokenizer.ggml.pre) is not known\nhint: --tokenizer names the model's own "
             "tokenizer.json",
             r->f->path, found[K_PRE].bytes.n < 60 ? (int)found[K_PRE].bytes.n : 60, r->bytes.bytes + found[K_PRE].bytes.at);
    buf_puts(json, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
    size_t at = tokens->bytes.at;
    bool some = false;
    gguf_text first = {"", 0};
    for (uint64_t i = 0; i < tokens->n; i++) {
        gguf_text t = gguf_next_text(r, &at);
        int32_t type = there[K_TYPES] ? i32_of(r, &found[K_TYPES], i) : SPM_NORMAL;
        if (bos >= 0 && i == (uint64_t)bos) first = t;
        if (type != SPM_CONTROL && type != SPM_USER) continue;
        buf_printf(json, "%s{\"id\":%llu,\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":%s,"
                         "\"content\":", some ? "," : "", (unsigned long long)i, type == SPM_CONTROL ? "true" : "false");
        buf_json_string(json, t.s, t.n);
        buf_putc(json, '}');
        some = true;
    }
    buf_printf(json, "],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                     "{\"Regex\":\"%s\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                     "\"trim_offsets\":true,\"use_regex\":false}]},\"post_processor\":", pattern);
    bool adds = there[K_ADD_BOS] ? found[K_ADD_BOS].bits != 0 : there[K_PRE] && says(r, &found[K_PRE], "llama-bpe");
    if (adds && bos >= 0 && (uint64_t)bos < tokens->n) put_bos(json, first.s, first.n, bos);
    else buf_puts(json, "null");
    buf_printf(json, ",\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false},"
                     "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,"
                     "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":%s,\"vocab\":{",
               there[K_PRE] && (says(r, &found[K_PRE], "llama-bpe") || says(r, &found[K_PRE], "tekken")) ? "true" : "false");
    at = tokens->bytes.at;
    for (uint64_t i = 0; i < tokens->n; i++) {
        gguf_text t = gguf_next_text(r, &at);
        if (i) buf_putc(json, ',');
        buf_json_string(json, t.s, t.n);
        buf_printf(json, ":%llu", (unsigned long long)i);
    }
    buf_puts(json, "},\"merges\":[");
    at = merges->bytes.at;
    for (uint64_t i = 0; i < merges->n; i++) {
        gguf_text t = gguf_next_text(r, &at);
        if (i) buf_putc(json, ',');
        buf_json_string(json, t.s, t.n);
    }
    buf_puts(json, "]}}");
    if (buf_failed(json)) FAIL(GLIMPSE_E_MEMORY, "no memory for a vocabulary");
    return GLIMPSE_OK;
}

static glimpse_status byte_pair_kind(const gguf_reader *r, const gguf_value found[N_WANTED], const bool there[N_WANTED], tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    buffer json = {0};
    int32_t bos = id_or(found, there, K_BOS, -1), eos = id_or(found, there, K_EOS, -1);
    TRY_GOTO(byte_pair_json(r, found, there, &json));
    TRY_GOTO(json_tokenizer_new(r->f->path, json.bytes, json.n, NULL, out));
    tokenizer *t = *out;
    if (bos >= 0 && bos < t->vocab_size) t->bos = bos;
    if (eos >= 0 && eos < t->vocab_size) t->eos = eos;
out:
    buf_free(&json);
    return st;
}

static bool is_text(gguf_text t, const char *text) { return t.n == strlen(text) && !memcmp(t.s, text, t.n); }

/* The vocabulary of a WordPiece model: llama.cpp writes U+2581 before what begins a word and drops the ## of what goes on
 * (convert_hf_to_gguf.py, BertModel).  *cased: some piece has a capital letter. */
static void put_word_pieces(const gguf_reader *r, const gguf_value *tokens, const gguf_value *types, bool typed, buffer *vocab, buffer *added,
                            int32_t ids[3], bool *cased) {
    static const char *const names[3] = {"[UNK]", "[CLS]", "[SEP]"};
    static const char mark[] = "\xe2\x96\x81";
    size_t at = tokens->bytes.at, m = sizeof mark - 1;
    buffer piece = {0};
    for (uint64_t i = 0; i < tokens->n; i++) {
        gguf_text t = gguf_next_text(r, &at);
        bool control = typed ? i32_of(r, types, i) == SPM_CONTROL : special_text(t.s, t.n);
        buf_clear(&piece);
        bool begins = t.n >= m && !memcmp(t.s, mark, m);
        if (!control && !begins) buf_puts(&piece, "##");
        if (!control && begins) buf_put(&piece, t.s + m, t.n - m);
        else buf_put(&piece, t.s, t.n);
        gguf_text plain = {buf_str(&piece), piece.n};
        for (int k = 0; k < 3; k++)
            if (ids[k] < 0 && is_text(plain, names[k])) ids[k] = (int32_t)i;
        for (size_t k = 0; k < piece.n && !control && plain.s[0] != '['; k++)
            if (plain.s[k] >= 'A' && plain.s[k] <= 'Z') *cased = true;
        if (i) buf_putc(vocab, ',');
        buf_json_string(vocab, plain.s, plain.n);
        buf_printf(vocab, ":%llu", (unsigned long long)i);
        if (!control) continue;
        buf_printf(added, "%s{\"id\":%llu,\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true,"
                          "\"content\":", added->n ? "," : "", (unsigned long long)i);
        buf_json_string(added, plain.s, plain.n);
        buf_putc(added, '}');
    }
    if (buf_failed(&piece)) vocab->failed = true;
    buf_free(&piece);
}

/* BERT's, with its normalizer: the file does not say whether it makes letters small, its pieces do. */
static glimpse_status word_piece_json(const gguf_reader *r, const gguf_value found[N_WANTED], const bool there[N_WANTED], buffer *json) {
    glimpse_status st = GLIMPSE_OK;
    buffer vocab = {0}, added = {0};
    const gguf_value *tokens = &found[K_TOKENS];
    bool cased = false;
    int32_t bos = id_or(found, there, K_BOS, -1), eos = id_or(found, there, K_EOS, -1);
    int32_t ids[3] = {id_or(found, there, K_UNK, -1), id_or(found, there, K_CLS, bos), id_or(found, there, K_SEP, eos)};
    if (there[K_TYPES] && found[K_TYPES].n != tokens->n) FAIL(GLIMPSE_E_FORMAT, "%s: tokens and their types differ in number", r->f->path);
    put_word_pieces(r, tokens, &found[K_TYPES], there[K_TYPES], &vocab, &added, ids, &cased);
    for (int i = 0; i < 3; i++)
        if (ids[i] < 0 || (uint64_t)ids[i] >= tokens->n)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: WordPiece without a token for %s", r->f->path,
                      i == 0 ? "the unknown ([UNK])" : i == 1 ? "the beginning ([CLS])" : "the end ([SEP])");
    size_t at = tokens->bytes.at;
    gguf_text unk = {"", 0};
    for (int32_t i = 0; i <= ids[0]; i++) unk = gguf_next_text(r, &at);
    buf_printf(json, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[%s],\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
                      "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":%s},"
                      "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":{\"type\":\"BertProcessing\","
                      "\"cls\":[\"[CLS]\",%d],\"sep\":[\"[SEP]\",%d]},\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\","
                      "\"cleanup\":true},\"model\":{\"type\":\"WordPiece\",\"continuing_subword_prefix\":\"##\","
                      "\"max_input_chars_per_word\":100,\"unk_token\":",
               buf_str(&added), cased ? "false" : "true", (int)ids[1], (int)ids[2]);
    buf_json_string(json, unk.s, unk.n);
    buf_puts(json, ",\"vocab\":{");
    buf_put(json, buf_str(&vocab), vocab.n);
    buf_puts(json, "}}}");
    if (buf_failed(json) || buf_failed(&vocab) || buf_failed(&added)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary");
out:
    buf_free(&vocab);
    buf_free(&added);
    return st;
}

static glimpse_status word_piece_kind(const gguf_reader *r, const gguf_value found[N_WANTED], const bool there[N_WANTED], tokenizer **out) {
    buffer json = {0};
    glimpse_status st = word_piece_json(r, found, there, &json);
    if (st >= 0) st = json_tokenizer_new(r->f->path, json.bytes, json.n, NULL, out);
    buf_free(&json);
    return st;
}

/* One of the two: a tokenizer, or the tokenizer.json that it would be read as. */
static glimpse_status open_keys(const char *path, buffer *json, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    file f = FILE_INIT;
    gguf_reader r = {.f = &f};
    gguf_value found[N_WANTED] = {{0}};
    bool there[N_WANTED] = {false};
    TRY_GOTO(file_open_read(path, &f));
    TRY_GOTO(read_keys(&r, found, there));
    if (!there[K_MODEL] || !there[K_TOKENS] || !found[K_TOKENS].n || found[K_TOKENS].n > 1 << 24)
        FAIL_GOTO(GLIMPSE_E_TOKENIZER, "%s: this GGUF file holds no tokenizer (tokenizer.ggml.model, tokenizer.ggml.tokens)", path);
    bool llama = says(&r, &found[K_MODEL], "llama"), t5 = says(&r, &found[K_MODEL], "t5");
    if (llama || t5) st = out ? sentencepiece_kind(&r, found, there, t5, out) : GLIMPSE_OK;
    else if (says(&r, &found[K_MODEL], "gpt2")) st = out ? byte_pair_kind(&r, found, there, out) : byte_pair_json(&r, found, there, json);
    else if (says(&r, &found[K_MODEL], "bert")) st = out ? word_piece_kind(&r, found, there, out) : word_piece_json(&r, found, there, json);
    else
        FAIL_GOTO(GLIMPSE_E_UNSUPPORTED,
                  "%s: the tokenizer \"%.*s\" (tokenizer.ggml.model) is not known; known: gpt2, llama, t5, bert\nhint: --tokenizer "
                  "names the model's own tokenizer.json",
                  path, found[K_MODEL].bytes.n < 60 ? (int)found[K_MODEL].bytes.n : 60, r.bytes.bytes + found[K_MODEL].bytes.at);
out:
    buf_free(&r.bytes);
    file_close(&f);
    return st;
}

glimpse_status gguf_tokenizer_new(const char *path, tokenizer **out) { return open_keys(path, NULL, out); }
glimpse_status gguf_tokenizer_json(const char *path, buffer *json) { return open_keys(path, json, NULL); }

bool gguf_has_tokenizer(const char *path) {
    static const char *const kinds[] = {"llama", "t5", "gpt2", "bert"};
    file f = FILE_INIT;
    gguf_reader r = {.f = &f};
    gguf_value found[N_WANTED] = {{0}};
    bool there[N_WANTED] = {false}, has = false;
    if (gguf_is(path) && file_open_read(path, &f) >= 0 && read_keys(&r, found, there) >= 0 && there[K_MODEL] && there[K_TOKENS] &&
        found[K_TOKENS].n)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) has |= says(&r, &found[K_MODEL], kinds[i]);
    buf_free(&r.bytes);
    file_close(&f);
    return has;
}
