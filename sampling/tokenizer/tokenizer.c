/* tokenizer.c -- what all tokenizers share: special tokens in a text, choosing a kind, finding and recognising files. */
#define _GNU_SOURCE
#include "sampling/tokenizer/tokenizer.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "include/internal/file.h"
#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "sampling/checkpoint/gguf_keys.h"
#include "sampling/checkpoint/json_tree.h"
#include "sampling/tokenizer/kinds.h"

#define FILE_LIMIT ((size_t)256 << 20)
#define CONFIG_LIMIT ((size_t)16 << 20)

glimpse_status tokenizer_init(tokenizer *t, const tokenizer_ops *ops, int32_t vocab_size, const char *source) {
    t->ops = ops;
    t->vocab_size = vocab_size;
    t->bos = t->eos = -1;
    if (!(t->source = strdup(source))) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    return GLIMPSE_OK;
}

void tokenizer_close(tokenizer *t) {
    if (!t) return;
    special_set_free(t->specials);
    free(t->source);
    free(t->prefix);
    free(t->suffix);
    t->ops->close(t);
}

/* Encode text[from, to); a byte offset in a message must count from the beginning of the whole text. */
static glimpse_status encode_part(tokenizer *t, const char *text, size_t from, size_t to, buffer *ids) {
    if (from == to) return GLIMPSE_OK;
    glimpse_status st = t->ops->encode(t, text + from, to - from, ids);
    if (st < 0 && from) HINT("these bytes count from byte %zu of the text, after a special token", from);
    return st;
}

glimpse_status tokenizer_encode(tokenizer *t, const char *text, size_t bytes, buffer *ids) {
    size_t from = 0, before = ids->n;
    glimpse_status st = GLIMPSE_OK;
    const bool *first = t->specials && t->specials->by_text.n_entries ? t->specials->by_text.first : NULL;
    for (size_t at = 0, n = 0; first && at < bytes;) {
        while (at < bytes && !first[(unsigned char)text[at]]) at++;
        if (at == bytes) break;
        int32_t id = index_longest(&t->specials->by_text, text + at, bytes - at, &n);
        if (id < 0) {
            at++;
            continue;
        }
        TRY_GOTO(encode_part(t, text, from, at, ids));
        buf_put(ids, &id, sizeof id);
        from = at += n;
    }
    TRY_GOTO(encode_part(t, text, from, bytes, ids));
    if (buf_failed(ids)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the ids of %zu bytes", bytes);
out:
    if (st < 0) ids->n = before;
    return st;
}

glimpse_status tokenizer_encode_prompt(tokenizer *t, const char *text, size_t bytes, buffer *ids) {
    size_t before = ids->n, put = before ? 0 : (size_t)t->n_prefix * sizeof *t->prefix;
    if (put) buf_put(ids, t->prefix, put);
    glimpse_status st = tokenizer_encode(t, text, bytes, ids);
    if (st < 0) {
        ids->n = before;
        return st;
    }
    if (put && ids->n >= before + 2 * put && !memcmp(ids->bytes + before + put, t->prefix, put)) {
        memmove(ids->bytes + before, ids->bytes + before + put, ids->n - before - put);
        ids->n -= put;
    }
    return GLIMPSE_OK;
}

glimpse_status tokenizer_decode(tokenizer *t, int32_t id, buffer *out) {
    TRY(t->ops->decode(t, id, out));
    if (buf_failed(out)) FAIL(GLIMPSE_E_MEMORY, "no memory for the bytes of a token");
    return GLIMPSE_OK;
}

/* Write U+FFFD for what is no character behind `from`, as the tokenizer's system does. */
static void make_valid(const tokenizer *t, buffer *out, size_t from) {
    if (t->ops->invalid == INVALID_KEPT || out->n == from || utf8_valid(out->bytes + from, out->n - from)) return;
    buffer raw = {0};
    buf_put(&raw, out->bytes + from, out->n - from);
    out->n = from;
    for (size_t at = 0; at < raw.n;) {
        uint32_t cp;
        int len = utf8_decode(raw.bytes + at, raw.n - at, &cp);
        size_t n = len > 0 ? (size_t)len : t->ops->invalid == INVALID_BYTES ? 1 : len < 0 ? (size_t)-len : raw.n - at;
        if (len > 0) buf_put(out, raw.bytes + at, n);
        else buf_puts(out, "\xef\xbf\xbd");
        at += n;
    }
    if (buf_failed(&raw)) out->failed = true;
    buf_free(&raw);
}

glimpse_status tokenizer_text(tokenizer *t, const int32_t *ids, size_t n, bool skip_special, buffer *out) {
    glimpse_status st = GLIMPSE_OK;
    bool begun = false;
    size_t before = out->n, settled = before;
    if (t->ops->text) TRY_GOTO(t->ops->text(t, ids, n, skip_special, out));
    for (size_t i = 0; i < n && !t->ops->text; i++) {
        if (skip_special && tokenizer_is_special(t, ids[i])) {
            make_valid(t, out, settled); /* bytes before and behind it are no character together */
            settled = out->n;
            continue;
        }
        TRY_GOTO(t->ops->decode_next ? t->ops->decode_next(t, ids[i], &begun, out) : t->ops->decode(t, ids[i], out));
    }
    if (!buf_failed(out)) make_valid(t, out, settled);
    if (buf_failed(out)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the text of %zu tokens", n);
out:
    if (st < 0) out->n = before;
    return st;
}

bool tokenizer_is_special(const tokenizer *t, int32_t id) {
    if (!t || !t->specials) return false;
    for (int32_t low = 0, high = t->specials->n; low < high;) {
        int32_t mid = low + (high - low) / 2;
        if (t->specials->ids[mid] == id) return true;
        if (t->specials->ids[mid] < id) low = mid + 1;
        else high = mid;
    }
    return false;
}

glimpse_status tokenizer_from_description(const glimpse_tokenizer *d, int32_t vocab_size, int32_t eos, tokenizer **out) {
    if (d->encode || d->decode) return functions_tokenizer_new(d, vocab_size, eos, out);
    if (d->pieces || d->n_pieces) {
        if (d->n_pieces < 1 || !d->pieces || !d->piece_bytes)
            FAIL(GLIMPSE_E_TOKENIZER, "model.tokenizer: n_pieces is %d with pieces %s and piece_bytes %s", (int)d->n_pieces,
                 d->pieces ? "set" : "NULL", d->piece_bytes ? "set" : "NULL");
        return pieces_tokenizer_new(d->pieces, d->piece_bytes, d->n_pieces, eos, "given by the trainer", out);
    }
    if (d->path) return tokenizer_load(d->path, out);
    FAIL(GLIMPSE_E_TOKENIZER, "model.tokenizer is empty: no functions, no pieces, no path");
}

/* === Files === */
#define SUPPORTED                                                                                                      \
    "hint: tokenizer.json, tekken.json, sentencepiece's .model, tiktoken's ranks, meta.pkl, the tokenizer .bin of llm.c "  \
    "and of llama2.c and GGUF are read; a trainer can also give the V byte strings (model.tokenizer)"

static bool begins(const buffer *b, const char *s) {
    size_t n = strlen(s);
    return b->n >= n && !memcmp(b->bytes, s, n);
}

static uint32_t magic_of(const buffer *b) { return b->n >= 4 ? u32_le(b->bytes) : 0; }

static const char *looks_like(const buffer *b) {
    uint32_t magic = magic_of(b);
    if (!b->n) return "an empty file";
    if (magic == 20240326 || magic == 20240803) return "a model of llm.c, not its tokenizer";
    if (magic == 20240520 || magic == 20240801) return "token data of llm.c";
    if (begins(b, "PK\x03\x04")) return "a zip archive";
    if (begins(b, "version https://git-lfs")) return "a Git LFS pointer, not the file itself: git lfs pull fetches it";
    if (b->bytes[0] == '[') return "JSON";
    return NULL;
}

/* Sentencepiece: the first field is a piece (1, a message), whose first field is its text. */
static bool is_sentencepiece(const buffer *b) {
    if (b->n < 4 || b->bytes[0] != '\n') return false;
    size_t at = 1;
    while (at < b->n && at < 5 && (unsigned char)b->bytes[at] >= 0x80) at++;
    return at + 1 < b->n && b->bytes[at + 1] == '\n';
}

static glimpse_status load(const char *path, const char *pattern, buffer *b, tokenizer **out) {
    const unsigned char *bytes = (const unsigned char *)b->bytes;
    if (magic_of(b) == LLMC_TOKENIZER_MAGIC) return llmc_tokenizer_new(path, bytes, b->n, out);
    if (begins(b, "{") || begins(b, "\xef\xbb\xbf{")) return json_tokenizer_new(path, b->bytes, b->n, pattern, out);
    if (b->n > 1 && b->bytes[0] == '\x80' && b->bytes[1] >= 2 && b->bytes[1] <= 5)
        return meta_pickle_new(path, bytes, b->n, out);
    if (is_sentencepiece(b)) return sentencepiece_new(path, bytes, b->n, out);
    if (b->n && is_tiktoken(b->bytes, b->n)) return tiktoken_new(path, b->bytes, b->n, pattern, out);
    if (!looks_like(b) && is_llama2c_tokenizer(bytes, b->n)) return llama2c_tokenizer_new(path, bytes, b->n, out);
    const char *what = looks_like(b);
    if (what)
        FAIL(GLIMPSE_E_TOKENIZER, "%s is not a tokenizer that is read: it looks like %s\n" SUPPORTED, path, what);
    FAIL(GLIMPSE_E_FORMAT, "%s is not a tokenizer that is known: it begins with the number %u, expected %d\n" SUPPORTED,
         path, (unsigned)magic_of(b), (int)LLMC_TOKENIZER_MAGIC);
}

/* The id of "bos_token" or "eos_token" in a tokenizer_config.json: a text, or an object with its content; -1 = none. */
static int32_t id_of_end(tokenizer *t, const json_node *root, const char *key) {
    const json_node *v = json_get(root, key);
    buffer ids = {0};
    int32_t id = -1;
    if (v && v->kind == JSON_OBJECT) v = json_get(v, "content");
    if (v && v->kind == JSON_STRING && v->n && tokenizer_encode(t, v->text, v->n, &ids) >= 0 && ids.n == sizeof id)
        memcpy(&id, ids.bytes, sizeof id);
    buf_free(&ids);
    return id >= 0 && tokenizer_is_special(t, id) ? id : -1;
}

/* transformers takes the names of the ends from the file beside tokenizer.json; what it says counts before the usual names.  A
 * damaged one says nothing. */
static void read_ends(const char *path, tokenizer *t) {
    char *dir = path_dir(path), *beside = dir ? path_join(dir, "tokenizer_config.json") : NULL;
    buffer b = {0};
    json_tree tree = {0};
    if (beside && path_is_file(beside) && file_read_all(beside, CONFIG_LIMIT, &b) >= 0 && b.n &&
        json_parse(beside, b.bytes, b.n, 32, &tree) >= 0 && tree.nodes->kind == JSON_OBJECT) {
        int32_t eos = id_of_end(t, tree.nodes, "eos_token"), bos = id_of_end(t, tree.nodes, "bos_token");
        if (eos >= 0) t->eos = eos;
        if (bos >= 0 && t->bos < 0) t->bos = bos;
    }
    json_free(&tree);
    buf_free(&b);
    free(beside);
    free(dir);
}

static glimpse_status load_file(const char *path, const char *pattern, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    struct stat there;
    buffer b = {0};
    if (gguf_is(path)) return gguf_tokenizer_new(path, out); /* of a model, which may be larger than any tokenizer */
    if (!path_exists(path) && !lstat(path, &there))
        FAIL_GOTO(GLIMPSE_E_IO, "%s is a link to nothing\nhint: --tokenizer FILE names another", path);
    if (!path_exists(path))
        FAIL_GOTO(GLIMPSE_E_IO, "%s: there is no such tokenizer\nhint: the file of the one the model was trained with; unset, it is looked "
                  "for beside the checkpoint", path);
    if ((st = file_read_all(path, FILE_LIMIT, &b)) < 0) {
        if (!path_is_file(path)) HINT("--tokenizer FILE names another");
        goto out;
    }
    st = load(path, pattern, &b, out);
    if (st >= 0 && !strcmp((*out)->ops->kind, "tokenizer.json")) read_ends(path, *out);
    if (st == GLIMPSE_E_FORMAT && !strstr(status_text(), "hint:")) HINT("is %s whole, and a tokenizer?", path);
out:
    buf_free(&b);
    return st;
}

glimpse_status tokenizer_load_pattern(const char *path, const char *pattern, tokenizer **out) {
    char *within;
    if (pattern && !pattern_by_name(pattern))
        FAIL(GLIMPSE_E_INVALID, "no pattern is named \"%.60s\"; known: " PATTERN_NAMES, pattern);
    if (!path_is_dir(path)) return load_file(path, pattern, out);
    TRY(tokenizer_find_path(&path, 1, &within));
    if (!within) FAIL(GLIMPSE_E_TOKENIZER, "%s: no tokenizer in this directory\nhint: --tokenizer FILE names one", path);
    glimpse_status st = load_file(within, pattern, out);
    free(within);
    return st;
}

void tokenizer_ends(const tokenizer *t, int32_t vocab, int32_t *bos, int32_t *eos) {
    if (t && *bos < 0 && t->bos < vocab) *bos = t->bos;
    if (t && *eos < 0 && t->eos < vocab) *eos = t->eos;
}

glimpse_status tokenizer_load(const char *path, tokenizer **out) { return tokenizer_load_pattern(path, NULL, out); }

/* The one *.tiktoken of a directory, of several the first by name; returned (free), NULL = none. */
static char *any_tiktoken(const char *dir) {
    char *best = NULL;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.' || !ends_with(e->d_name, ".tiktoken") || (best && strcmp(best, e->d_name) <= 0)) continue;
        free(best);
        best = strdup(e->d_name);
    }
    if (d) closedir(d);
    char *path = best ? path_join(dir, best) : NULL;
    free(best);
    return path;
}

glimpse_status tokenizer_find_path(const char *const *dirs, int n_dirs, char **out) {
    /* A run's own vocabulary before the one that every llm.c checkout has. */
    static const char *const names[] = {"tokenizer.json", "tekken.json",         "meta.pkl",   "tokenizer.model",
                                        "spiece.model",   "sentencepiece.model", "*.tiktoken", "tokenizer.bin",
                                        "gpt2_tokenizer.bin"};
    *out = NULL;
    struct stat there;
    for (int d = 0; d < n_dirs && !*out; d++)
        for (size_t i = 0; dirs[d] && i < sizeof names / sizeof *names && !*out; i++) {
            bool any = names[i][0] == '*';
            char *path = any ? any_tiktoken(dirs[d]) : path_join(dirs[d], names[i]);
            if (!path && !any) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
            bool is_there = path && !lstat(path, &there), dir = is_there && path_is_dir(path);
            if (dir) status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s is a directory, expected a file\nhint: --tokenizer FILE names another", path);
            if (is_there && !dir) *out = path;
            else free(path);
            if (dir) return GLIMPSE_E_IO;
        }
    return GLIMPSE_OK;
}

glimpse_status tokenizer_find(const char *const *dirs, int n_dirs, const char *pattern, tokenizer **out) {
    char *path;
    *out = NULL;
    TRY(tokenizer_find_path(dirs, n_dirs, &path));
    glimpse_status st = path ? tokenizer_load_pattern(path, pattern, out) : GLIMPSE_OK;
    free(path);
    return st;
}
