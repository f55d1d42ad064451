/* tokenizer.c -- what all tokenizers share: special tokens in a text, choosing a kind, finding and recognising files. */
#define _GNU_SOURCE
#include "sampling/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "include/internal/status.h"
#include "sampling/tokenizer/kinds.h"

#define FILE_LIMIT ((size_t)256 << 20)

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
    for (size_t at = 0, n = 0; t->specials && at < bytes;) {
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
#define SUPPORTED "hint: tokenizer.json, meta.pkl and llm.c's tokenizer .bin are read; a trainer can also give the V byte strings (model.tokenizer)"

static bool begins(const buffer *b, const char *s) {
    size_t n = strlen(s);
    return b->n >= n && !memcmp(b->bytes, s, n);
}

/* "IQ== 0": base64, a blank, a number. */
static bool is_tiktoken(const buffer *b) {
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    size_t i = 0;
    while (i < b->n && i < 512 && b->bytes[i] && strchr(base64, b->bytes[i])) i++;
    return i && i + 1 < b->n && b->bytes[i] == ' ' && b->bytes[i + 1] >= '0' && b->bytes[i + 1] <= '9';
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
    if (b->n > 1 && b->bytes[0] == '\n' && (unsigned char)b->bytes[1] < 32) return "a sentencepiece model";
    if (is_tiktoken(b)) return "a vocabulary of tiktoken";
    return NULL;
}

glimpse_status tokenizer_load(const char *path, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    buffer b = {0};
    TRY_GOTO(file_read_all(path, FILE_LIMIT, &b));
    if (magic_of(&b) == LLMC_TOKENIZER_MAGIC) {
        st = llmc_tokenizer_new(path, (const unsigned char *)b.bytes, b.n, out);
    } else if (begins(&b, "{") || begins(&b, "\xef\xbb\xbf{")) {
        st = json_tokenizer_new(path, b.bytes, b.n, out);
    } else if (b.n > 1 && b.bytes[0] == '\x80' && b.bytes[1] >= 2 && b.bytes[1] <= 5) {
        st = meta_pickle_new(path, (const unsigned char *)b.bytes, b.n, out);
    } else {
        const char *what = looks_like(&b);
        st = what ? status_fail(GLIMPSE_E_TOKENIZER, __FILE__, __LINE__,
                                "%s is not a tokenizer that is read: it looks like %s\n" SUPPORTED, path, what)
                  : status_fail(GLIMPSE_E_FORMAT, __FILE__, __LINE__,
                                "%s is not a tokenizer that is known: it begins with the number %u, expected %d\n" SUPPORTED,
                                path, (unsigned)magic_of(&b), (int)LLMC_TOKENIZER_MAGIC);
    }
out:
    buf_free(&b);
    return st;
}

glimpse_status tokenizer_find(const char *const *dirs, int n_dirs, tokenizer **out) {
    /* A run's own vocabulary before the one that every llm.c checkout has. */
    static const char *const names[] = {"tokenizer.json", "meta.pkl", "tokenizer.bin", "gpt2_tokenizer.bin"};
    *out = NULL;
    for (int d = 0; d < n_dirs; d++) {
        if (!dirs[d]) continue;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            char *path = path_join(dirs[d], names[i]);
            if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
            bool there = path_is_file(path);
            glimpse_status st = there ? tokenizer_load(path, out) : GLIMPSE_OK;
            free(path);
            if (there) return st;
        }
    }
    return GLIMPSE_OK;
}
