/* corpus.c -- see corpus.h. */
#include "examples/train_gpt/corpus.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/train_gpt/rng64.h"
#include "examples/train_gpt/safe_file.h"
#include "examples/train_gpt/stories.h"

static const char eot_text[] = "<|endoftext|>";
enum { EOT_BYTES = sizeof eot_text - 1, MAX_AUTO_CHARS = 512, MAX_CHARS = 65534, CODE_POINTS = 0x110000 };

static int fail(char error[CORPUS_ERROR], const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(char error[CORPUS_ERROR], const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(error, CORPUS_ERROR, format, args);
    va_end(args);
    return -1;
}

/* The code point at s (n bytes left) and its length in *len; -1 if it is not well-formed UTF-8 (RFC 3629). */
static int decode_utf8(const unsigned char *s, size_t n, int *len) {
    int more = s[0] < 0x80 ? 0 : s[0] >= 0xC2 && s[0] < 0xE0 ? 1 : s[0] >= 0xE0 && s[0] < 0xF0 ? 2 : s[0] >= 0xF0 && s[0] < 0xF5 ? 3 : -1;
    if (more < 0 || (size_t)more >= n) return -1;
    int c = more == 0 ? s[0] : s[0] & (0x3F >> more);
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xC0) != 0x80) return -1;
        c = c << 6 | (s[i] & 0x3F);
    }
    if ((more == 2 && c < 0x800) || (more == 3 && (c < 0x10000 || c >= CODE_POINTS)) || (c >= 0xD800 && c < 0xE000)) return -1;
    *len = more + 1;
    return c;
}

static int encode_utf8(int c, char out[4]) {
    if (c < 0x80) return out[0] = (char)c, 1;
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    out[0] = (char)(0xF0 << (3 - more) | c >> (6 * more));
    for (int i = 1; i <= more; i++) out[i] = (char)(0x80 | (c >> (6 * (more - i)) & 0x3F));
    return more + 1;
}

static int is_eot(const char *s, size_t n) { return n >= EOT_BYTES && memcmp(s, eot_text, EOT_BYTES) == 0; }

/* Mark in `seen` (CODE_POINTS) the characters of the text; their number, or -1 and the offset of what is not UTF-8. */
static int count_characters(const char *text, size_t n, int32_t *seen, size_t *bad) {
    int distinct = 0;
    for (size_t i = 0; i < n;) {
        int len = EOT_BYTES;
        if (!is_eot(text + i, n - i)) {
            int c = decode_utf8((const unsigned char *)text + i, n - i, &len);
            if (c < 0) return *bad = i, -1;
            if (!seen[c]) distinct++;
            seen[c] = 1;
        }
        i += (size_t)len;
    }
    return distinct;
}

/* Give the characters marked in `seen` (NULL: the 256 bytes) their ids by rising code; `seen` then holds 1 + id. */
static int make_vocabulary(corpus *data, int32_t *seen, int distinct) {
    data->vocab_size = distinct + 1;
    data->eot = distinct;
    data->pieces = calloc((size_t)data->vocab_size, sizeof *data->pieces);
    data->piece_bytes = calloc((size_t)data->vocab_size, sizeof *data->piece_bytes);
    data->piece_memory = calloc((size_t)distinct + EOT_BYTES, 4);
    if (!data->pieces || !data->piece_bytes || !data->piece_memory) return -1;
    char *at = data->piece_memory;
    int id = 0;
    for (int c = 0; id < distinct; c++) {
        if (seen && !seen[c]) continue;
        int len = 1;
        if (seen) {
            len = encode_utf8(c, at);
            seen[c] = 1 + id;
        } else {
            *at = (char)c;
        }
        data->pieces[id] = at;
        data->piece_bytes[id++] = len;
        at += len;
    }
    data->pieces[id] = eot_text;
    data->piece_bytes[id] = EOT_BYTES;
    return 0;
}

static void encode(corpus *data, const char *text, size_t n, const int32_t *seen) {
    size_t count = 0;
    for (size_t i = 0; i < n;) {
        int len = 1, id = data->eot;
        if (is_eot(text + i, n - i)) len = EOT_BYTES;
        else if (seen) id = seen[decode_utf8((const unsigned char *)text + i, n - i, &len)] - 1;
        else id = (unsigned char)text[i];
        data->ids[count++] = (uint16_t)id;
        i += (size_t)len;
    }
    data->n_val = count / 10;
    data->n_train = count - data->n_val;
}

/* Vocabulary and ids from a text in memory. */
static int build(corpus *data, const char *text, size_t n, corpus_tokens tokens, char error[CORPUS_ERROR]) {
    int rc = -1, distinct = 256;
    size_t bad = 0;
    int32_t *seen = NULL;
    if (tokens != CORPUS_BYTES) {
        seen = calloc(CODE_POINTS, sizeof *seen);
        if (!seen) return fail(error, "out of memory");
        distinct = count_characters(text, n, seen, &bad);
        if (tokens == CORPUS_CHARS && distinct < 0) {
            fail(error, "byte %zu is not UTF-8; hint: --tokens bytes", bad);
            goto out;
        }
        if (tokens == CORPUS_CHARS && distinct > MAX_CHARS) {
            fail(error, "%d distinct characters, at most %d fit; hint: --tokens bytes", distinct, MAX_CHARS);
            goto out;
        }
        if (tokens == CORPUS_AUTO && (distinct < 0 || distinct > MAX_AUTO_CHARS)) {
            free(seen);
            seen = NULL;
            distinct = 256;
        }
    }
    data->tokens = seen ? CORPUS_CHARS : CORPUS_BYTES;
    data->ids = malloc((n ? n : 1) * sizeof *data->ids);
    if (!data->ids || make_vocabulary(data, seen, distinct) < 0) {
        fail(error, "out of memory for a text of %zu bytes", n);
        goto out;
    }
    encode(data, text, n, seen);
    rc = 0;
out:
    free(seen);
    if (rc < 0) corpus_free(data);
    return rc;
}

int corpus_from_stories(corpus *data, size_t bytes, uint64_t seed, corpus_tokens tokens, char error[CORPUS_ERROR]) {
    memset(data, 0, sizeof *data);
    char story[STORY_MAX], *text = malloc(bytes + STORY_MAX + EOT_BYTES + 2);
    if (!text) return fail(error, "out of memory for %zu bytes of stories", bytes);
    uint64_t rng = rng64_seed(seed, 2);
    size_t n = 0;
    while (n < bytes) {
        text[n++] = '\n';
        size_t len = story_write(story, &rng);
        memcpy(text + n, story, len);
        memcpy(text + n + len, eot_text, EOT_BYTES);
        n += len + EOT_BYTES;
    }
    int rc = build(data, text, n, tokens, error);
    free(text);
    return rc;
}

int corpus_from_file(corpus *data, const char *path, corpus_tokens tokens, char error[CORPUS_ERROR]) {
    memset(data, 0, sizeof *data);
    char *text = NULL;
    size_t n = 0, room = 1 << 16;
    int rc = -1;
    FILE *f = fopen(path, "rb");
    if (!f) return fail(error, "%s: %s", path, strerror(errno));
    do { /* grown as it is read, so that a pipe will do */
        room *= 2;
        char *more = room > (size_t)1 << 32 ? NULL : realloc(text, room);
        if (!more) {
            fail(error, "%s: more text than fits (2 GiB or the memory)", path);
            goto out;
        }
        text = more;
        n += fread(text + n, 1, room - n, f);
    } while (n == room);
    if (ferror(f)) {
        fail(error, "%s: %s", path, strerror(errno));
        goto out;
    }
    char reason[CORPUS_ERROR - 128];
    rc = build(data, text, n, tokens, error);
    if (rc < 0) {
        snprintf(reason, sizeof reason, "%s", error);
        fail(error, "%.120s: %s", path, reason);
    }
out:
    free(text);
    fclose(f);
    return rc;
}

void corpus_free(corpus *data) {
    free(data->pieces);
    free(data->piece_bytes);
    free(data->piece_memory);
    free(data->ids);
    memset(data, 0, sizeof *data);
}

int corpus_check_context(const corpus *data, int T, char error[CORPUS_ERROR]) {
    if (data->n_val > (size_t)T && data->n_train > (size_t)T) return 0;
    return fail(error, "%zu tokens for training and %zu for validation: each must be more than the context of %d; hint: --context, or more text",
                data->n_train, data->n_val, T);
}

static void copy_window(const uint16_t *from, int T, int32_t *ids, int32_t *targets) {
    for (int t = 0; t < T; t++) {
        ids[t] = from[t];
        targets[t] = from[t + 1];
    }
}

void corpus_batch(const corpus *data, uint64_t *rng, int B, int T, int32_t *ids, int32_t *targets) {
    for (int b = 0; b < B; b++) {
        size_t start = rng64_below(rng, (uint32_t)(data->n_train - (size_t)T)); /* the target of the last id must exist */
        copy_window(data->ids + start, T, ids + (size_t)b * (size_t)T, targets + (size_t)b * (size_t)T);
    }
}

void corpus_fixed_batch(const corpus *data, int train, int index, int count, int B, int T, int32_t *ids, int32_t *targets) {
    const uint16_t *part = data->ids + (train ? 0 : data->n_train);
    uint64_t room = (train ? data->n_train : data->n_val) - (size_t)T, windows = (uint64_t)count * (uint64_t)B;
    for (int b = 0; b < B; b++) {
        uint64_t at = (uint64_t)index * (uint64_t)B + (uint64_t)b;
        copy_window(part + at * room / windows, T, ids + (size_t)b * (size_t)T, targets + (size_t)b * (size_t)T);
    }
}

int corpus_write_val_shard(const corpus *data, const char *path) {
    int32_t header[256] = {20240520, 1, (int32_t)data->n_val};
    safe_file f;
    if (safe_open(&f, path) < 0) return -1;
    safe_write(&f, header, sizeof header);
    safe_write(&f, data->ids + data->n_train, data->n_val * sizeof *data->ids);
    return safe_close(&f);
}

int corpus_write_tokenizer(const corpus *data, const char *path) {
    uint32_t header[256] = {20240328, 2, (uint32_t)data->vocab_size, (uint32_t)data->eot};
    safe_file f;
    if (safe_open(&f, path) < 0) return -1;
    safe_write(&f, header, sizeof header);
    for (int id = 0; id < data->vocab_size; id++) {
        unsigned char len = (unsigned char)data->piece_bytes[id];
        safe_write(&f, &len, 1);
        safe_write(&f, data->pieces[id], len);
    }
    return safe_close(&f);
}
