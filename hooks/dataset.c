/* dataset.c -- see dataset.h. */
#include "hooks/dataset.h"

#include "hooks/tasks/json_lines.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "sampling/checkpoint/pickle.h"
#include "sampling/pieces_text.h"
#include <stdlib.h>
#include <string.h>

struct dataset {
    file f;
    int64_t from, n;    /* byte of the first symbol; symbols */
    int32_t width;      /* bytes of a symbol: 2, 4 = tokens, 1 = text */
    int32_t vocab;
    buffer text;        /* of JSON lines; else empty */
};

static glimpse_status read_json_lines(dataset *d, const char *path) {
    glimpse_status st = GLIMPSE_OK;
    json_lines l = { .path = NULL };
    TRY(json_lines_read(path, &l));
    for (int32_t i = 0; i < l.n; i++) {
        text t;
        TRY_GOTO(json_line_text(&l, i, l.lines[i].tree.nodes, "text", &t));
        buf_put(&d->text, t.s, t.n);
        buf_putc(&d->text, '\n');
    }
    if (buf_failed(&d->text)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the texts of %s", path);
    d->width = 1;
    d->n = (int64_t)d->text.n;
out:
    json_lines_free(&l);
    return st;
}

/* What meta.pkl beside the data says: vocab_size, else the number of its texts; 0 = nothing that can be read. */
static int64_t meta_vocab(const char *path) {
    buffer b = {0};
    pickle p = {0};
    int64_t vocab = 0;
    char *dir = path_dir(path), *meta = dir ? path_join(dir, "meta.pkl") : NULL;
    if (meta && path_is_file(meta) && file_read_all(meta, (size_t)64 << 20, &b) >= 0 && b.n &&
        pickle_read(meta, (const unsigned char *)b.bytes, b.n, &p) >= 0) {
        const pickle_value *size = pickle_get(&p, pickle_root(&p), "vocab_size"), *itos = pickle_get(&p, pickle_root(&p), "itos");
        if (!size || !pickle_i64(size, &vocab)) vocab = itos && itos->kind == PICKLE_DICT ? itos->n / 2 : 0;
    }
    pickle_free(&p);
    buf_free(&b);
    free(meta);
    free(dir);
    return vocab > 0 ? vocab : 0;
}

static glimpse_status read_header(dataset *d, const char *path) {
    int32_t head[3] = {0};
    if (d->f.size >= 1024) TRY(file_read_at(&d->f, 0, head, sizeof head));
    bool shard = (head[0] == 20240520 && head[1] == 1) || (head[0] == 20240801 && head[1] == 7);
    /* llm.c's magics are dates; ids are no such numbers, and would be read out of the weights */
    if (!shard && head[0] >= 20240101 && head[0] <= 20241231 && head[1] >= 0 && head[1] < 16)
        FAIL(GLIMPSE_E_FORMAT, "%s begins with %d, %d: llm.c's token data with 20240520, 1 (uint16) or 20240801, 7 (uint32)", path, head[0], head[1]);
    if (shard) {
        d->from = 1024;
        d->width = head[0] == 20240801 ? 4 : 2;
        d->n = head[2];
        if (d->n < 1 || d->f.size != d->from + d->n * d->width)
            FAIL(GLIMPSE_E_FORMAT, "%s: a header of %d tokens asks for %lld bytes, the file has %lld", path, head[2],
                 (long long)(d->from + d->n * d->width), (long long)d->f.size);
    } else if (ends_with(path, ".bin")) {
        int64_t vocab = meta_vocab(path);
        d->width = (vocab ? vocab : d->vocab) > 65536 ? 4 : 2;
        d->n = d->f.size / d->width;
        if (d->f.size % d->width) FAIL(GLIMPSE_E_FORMAT, "%s: %lld bytes are no tokens of %d", path, (long long)d->f.size, d->width);
    } else {
        d->width = 1;
        d->n = d->f.size;
    }
    if (d->n < 2) FAIL(GLIMPSE_E_FORMAT, "%s is empty", path);
    return GLIMPSE_OK;
}

glimpse_status dataset_open(const char *path, int32_t vocab, dataset **out) {
    glimpse_status st = GLIMPSE_OK;
    dataset *d = calloc(1, sizeof *d);
    if (!d) FAIL(GLIMPSE_E_MEMORY, "no memory for the dataset");
    d->f = (file)FILE_INIT;
    d->vocab = vocab;
    if (ends_with(path, ".jsonl")) TRY_GOTO(read_json_lines(d, path));
    else {
        TRY_GOTO(status_prefix(file_open_read(path, &d->f), "--dataset"));
        TRY_GOTO(read_header(d, path));
    }
    *out = d;
    return GLIMPSE_OK;
out:
    dataset_close(d);
    return st;
}

void dataset_close(dataset *d) {
    if (!d) return;
    file_close(&d->f);
    buf_free(&d->text);
    free(d);
}

bool dataset_is_tokens(const dataset *d) { return d->width > 1; }

/* Symbols at .. at + n - 1. */
static glimpse_status read_symbols(const dataset *d, int64_t at, int32_t n, int32_t *out) {
    unsigned char raw[4096];
    int32_t most = (int32_t)sizeof raw / d->width;
    for (int32_t i = 0; i < n;) {
        int32_t k = n - i < most ? n - i : most;
        if (d->text.n) memcpy(raw, d->text.bytes + at + i, (size_t)k);
        else TRY(file_read_at(&d->f, d->from + (at + i) * d->width, raw, (size_t)k * (size_t)d->width));
        for (int32_t j = 0; j < k; j++) {
            const unsigned char *p = raw + j * d->width;
            uint32_t v = p[0];
            for (int32_t b = 1; b < d->width; b++) v |= (uint32_t)p[b] << 8 * b;
            out[i + j] = (int32_t)v;
        }
        i += k;
    }
    return GLIMPSE_OK;
}

static uint64_t mix(uint64_t x) { /* splitmix64 */
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

glimpse_status dataset_slice(const dataset *d, tokenizer *t, uint64_t seed, int64_t step, int32_t n, buffer *ids, buffer *text) {
    glimpse_status st = GLIMPSE_OK;
    int64_t take = d->width > 1 ? n : (int64_t)n * 8, last; /* bytes enough for n tokens of any language */
    buffer own = {0};
    if (d->width == 1 && !t) FAIL(GLIMPSE_E_TOKENIZER, "%s is text, and there is no tokenizer", d->f.path ? d->f.path : "--dataset");
    if (take > d->n) take = d->n;
    last = d->n - take;
    int64_t at = last ? (int64_t)(mix(mix(seed) ^ (uint64_t)step) % (uint64_t)(last + 1)) : 0;
    int32_t *symbols = malloc((size_t)take * sizeof *symbols);
    if (!symbols) FAIL(GLIMPSE_E_MEMORY, "no memory for a slice of %d tokens", n);
    TRY_GOTO(read_symbols(d, at, (int32_t)take, symbols));
    if (d->width > 1) {
        for (int64_t i = 0; i < take; i++) {
            if (symbols[i] < 0 || symbols[i] >= d->vocab)
                FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: token %lld is %u, the model knows ids 0 .. %d\nhint: is this the data it is trained "
                          "on, in llm.c's or nanoGPT's form?", d->f.path, (long long)(at + i), (unsigned)symbols[i], d->vocab - 1);
            TRY_GOTO(piece_text(t, symbols[i], text));
        }
        buf_put(ids, symbols, (size_t)take * sizeof *symbols);
    } else {
        int64_t from = 0;
        while (from < take && (symbols[from] & 0xC0) == 0x80) from++; /* not inside a character */
        for (int64_t i = from; i < take; i++) buf_putc(&own, (char)symbols[i]);
        if (own.failed) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a slice");
        own.n = utf8_complete_prefix(buf_str(&own), own.n);
        size_t before = ids->n;
        TRY_GOTO(tokenizer_encode(t, buf_str(&own), own.n, ids));
        if ((ids->n - before) / sizeof(int32_t) > (size_t)n) ids->n = before + (size_t)n * sizeof(int32_t);
        const int32_t *id = (const int32_t *)(const void *)(ids->bytes + before);
        for (size_t i = 0; i < (ids->n - before) / sizeof *id; i++) TRY_GOTO(piece_text(t, id[i], text));
    }
    if (buf_failed(ids) || buf_failed(text)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a slice of %d tokens", n);
out:
    free(symbols);
    buf_free(&own);
    return st;
}

glimpse_status dataset_walk(const dataset *d, int64_t most, void (*each)(void *user, const int32_t *symbols, size_t n),
                            void *user, double *share) {
    enum { AT_ONCE = 16384 };
    int64_t n = d->n < most ? d->n : most;
    int32_t *symbols = malloc(AT_ONCE * sizeof *symbols);
    if (!symbols) FAIL(GLIMPSE_E_MEMORY, "no memory to walk through the dataset");
    glimpse_status st = GLIMPSE_OK;
    for (int64_t at = 0; at < n && st >= 0; at += AT_ONCE) {
        int32_t k = n - at < AT_ONCE ? (int32_t)(n - at) : AT_ONCE;
        st = read_symbols(d, at, k, symbols);
        if (st >= 0) each(user, symbols, (size_t)k);
    }
    free(symbols);
    *share = (double)n / (double)d->n;
    return st;
}
