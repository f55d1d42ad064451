/* dry_breakers.c -- see dry_breakers.h.  One look at every piece of the vocabulary for each breaker, when a chain opens. */
#include "sampling/samplers/dry_breakers.h"
#include "include/internal/status.h"
#include "sampling/tokenizer/tokenizer.h"

#include <stdlib.h>

enum { MOST_BYTES = 40, MOST_TAIL = 20 };

static glimpse_status add_ids(dry_breakers *b, const char *text, int32_t vocab) {
    const char *end = text + strlen(text);
    glimpse_status st = GLIMPSE_OK;
    int32_t id;
    double value;
    bool has;
    while (sampler_next_id("dry_breakers", &text, end, vocab, &id, &value, &has, &st)) mark_set(b->alone, id);
    return st;
}

static glimpse_status add_head(dry_breakers *b, tokenizer *t, int32_t id, const char *rest, size_t n) {
    buffer ids = {0};
    glimpse_status st = tokenizer_encode(t, rest, n, &ids);
    size_t count = ids.n / sizeof(int32_t);
    if (st >= 0 && count > 0) {
        if (count > MOST_TAIL) count = MOST_TAIL;
        dry_breaker *list = realloc(b->list, ((size_t)b->n + 1) * sizeof *list);
        if (list) {
            b->list = list;
            list[b->n++] = (dry_breaker){id, (int32_t)(b->tails.n / sizeof(int32_t)), (int32_t)count};
            buf_put(&b->tails, ids.bytes, count * sizeof(int32_t));
            mark_set(b->heads, id);
        }
        if (!list || buf_failed(&b->tails))
            st = status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for the breakers of dry");
    }
    buf_free(&ids);
    return st == GLIMPSE_E_TOKENIZER ? GLIMPSE_OK : st; /* a rest that has no tokens follows nothing */
}

static glimpse_status add_text(dry_breakers *b, tokenizer *t, const char *text, size_t n, int32_t vocab) {
    glimpse_status st = GLIMPSE_OK;
    buffer piece = {0};
    if (n > MOST_BYTES) n = MOST_BYTES;
    if (n == 0) FAIL(GLIMPSE_E_INVALID, "dry_breakers: a breaker is empty");
    for (int32_t id = 0; id < vocab && id < t->vocab_size; id++) {
        buf_clear(&piece);
        TRY_GOTO(tokenizer_decode(t, id, &piece));
        if (buf_failed(&piece)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a piece");
        if (piece.n == 0) continue;
        if (memmem(piece.bytes, piece.n, text, n)) {
            mark_set(b->alone, id);
            continue;
        }
        for (size_t k = n - 1; k > 0; k--) /* the longest beginning of the text that ends the piece */
            if (k <= piece.n && memcmp(piece.bytes + piece.n - k, text, k) == 0)
                TRY_GOTO(add_head(b, t, id, text + k, n - k));
    }
out:
    buf_free(&piece);
    return st;
}

/* "\n" and its like as a person writes them in a flag. */
static size_t unescape(const char *s, char out[MOST_BYTES]) {
    size_t n = 0;
    for (; *s && n < MOST_BYTES; s++) {
        char c = *s;
        if (c == '\\' && (s[1] == 'n' || s[1] == 't' || s[1] == '\\')) c = *++s == 'n' ? '\n' : *s == 't' ? '\t' : '\\';
        out[n++] = c;
    }
    return n;
}

static int by_head(const void *x, const void *y) {
    const dry_breaker *a = x, *b = y;
    return a->head != b->head ? (a->head > b->head) - (a->head < b->head) : (a->tail > b->tail) - (a->tail < b->tail);
}

glimpse_status dry_breakers_open(const sampler_context *context, int32_t vocab, dry_breakers **out) {
    static const char *const standard[] = {"\n", ":", "\"", "*"};
    glimpse_status st = GLIMPSE_OK;
    size_t words = ((size_t)vocab + 31) / 32;
    char text[MOST_BYTES];
    bool given = false;
    dry_breakers *b = calloc(1, sizeof *b + 2 * words * sizeof(uint32_t));
    if (!b) FAIL(GLIMPSE_E_MEMORY, "no memory for the breakers of dry");
    b->refs = 1;
    b->alone = (uint32_t *)(b + 1);
    b->heads = b->alone + words;
    for (int32_t i = 0; i < context->n_flags; i++) {
        const sampler_flag *f = &context->flags[i];
        if (strcmp(f->name, "dry_breakers") != 0) continue;
        given = true;
        if (strncmp(f->text, "IDS:", 4) == 0) TRY_GOTO(add_ids(b, f->text + 4, vocab));
        else if (strcmp(f->text, "none") != 0 && context->tokenizer)
            TRY_GOTO(add_text(b, context->tokenizer, text, unescape(f->text, text), vocab));
    }
    for (int i = 0; !given && context->tokenizer && i < 4; i++)
        TRY_GOTO(add_text(b, context->tokenizer, standard[i], strlen(standard[i]), vocab));
    if (b->n) qsort(b->list, (size_t)b->n, sizeof *b->list, by_head);
    *out = b;
    return GLIMPSE_OK;
out:
    dry_breakers_release(b);
    return st;
}

void dry_breakers_release(dry_breakers *b) {
    if (!b || --b->refs > 0) return;
    buf_free(&b->tails);
    free(b->list);
    free(b);
}
