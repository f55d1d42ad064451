/* functions.c -- a tokenizer that is two functions of the trainer's (glimpse.h, glimpse_tokenizer).  What they return is
 * somebody else's code's word and is checked before it is used. */
#include <stdlib.h>
#include <string.h>

#include "include/internal/status.h"
#include "sampling/tokenizer/kinds.h"

enum { PIECE_LIMIT = 1 << 20, IDS_LIMIT = 1 << 28, MIN_IDS = 64, MIN_PIECE = 64 };

typedef struct functions_tokenizer {
    tokenizer base;
    glimpse_tokenizer d;
} functions_tokenizer;

/* One call of encode into `ids` with room for `cap`; *n = what it returned. */
static glimpse_status call_encode(functions_tokenizer *f, const char *text, size_t bytes, int32_t cap, buffer *ids,
                                  int32_t *n) {
    char *room = buf_reserve(ids, (size_t)cap * sizeof(int32_t));
    if (!room) FAIL(GLIMPSE_E_MEMORY, "no memory for %d ids", (int)cap);
    *n = f->d.encode(f->d.user, text, bytes, (int32_t *)(void *)room, cap);
    if (*n == INT32_MIN)
        FAIL(GLIMPSE_E_TOKENIZER, "the trainer's encode function says that the text cannot be encoded");
    if (*n > cap)
        FAIL(GLIMPSE_E_TOKENIZER, "the trainer's encode function returned %d ids with room for %d", (int)*n, (int)cap);
    for (int32_t i = 0; i < *n; i++) {
        int32_t id;
        memcpy(&id, room + (size_t)i * sizeof id, sizeof id);
        if (id < 0 || id >= f->base.vocab_size)
            FAIL(GLIMPSE_E_TOKENIZER, "the trainer's encode function returned id %d (the %d. of a text), 0 to %d exist",
                 (int)id, (int)i + 1, (int)f->base.vocab_size - 1);
    }
    return GLIMPSE_OK;
}

static glimpse_status encode(tokenizer *t, const char *text, size_t bytes, buffer *ids) {
    glimpse_status st = GLIMPSE_OK;
    functions_tokenizer *f = (functions_tokenizer *)t;
    if (!f->d.encode)
        FAIL(GLIMPSE_E_TOKENIZER, "the trainer gave no encode function\nhint: give prompts as ids (IDS:464,290)");
    if (bytes > IDS_LIMIT / 2) FAIL(GLIMPSE_E_TOKENIZER, "a text of %zu bytes is too long", bytes);
    buffer fresh = {0};
    /* With a 0 at its end, for functions that ask strlen. */
    char *copy = malloc(bytes + 1);
    if (!copy) FAIL(GLIMPSE_E_MEMORY, "no memory for a text of %zu bytes", bytes);
    if (bytes) memcpy(copy, text, bytes);
    copy[bytes] = 0;
    int32_t cap = bytes < MIN_IDS ? MIN_IDS : (int32_t)bytes, n;
    TRY_GOTO(call_encode(f, copy, bytes, cap, &fresh, &n));
    if (n < 0) {
        int32_t need = -n;
        if (need <= cap || need > IDS_LIMIT)
            FAIL_GOTO(GLIMPSE_E_TOKENIZER, "the trainer's encode function asked for room for %d ids, having %d", (int)need,
                      (int)cap);
        TRY_GOTO(call_encode(f, copy, bytes, need, &fresh, &n));
        if (n < 0)
            FAIL_GOTO(GLIMPSE_E_TOKENIZER, "the trainer's encode function asked for room for %d ids and then for %d",
                      (int)need, -(int)n);
    }
    buf_put(ids, buf_reserve(&fresh, 0), (size_t)n * sizeof(int32_t));
out:
    buf_free(&fresh);
    free(copy);
    return st;
}

static glimpse_status decode(tokenizer *t, int32_t id, buffer *out) {
    functions_tokenizer *f = (functions_tokenizer *)t;
    int32_t cap = MIN_PIECE;
    if (id < 0 || id >= t->vocab_size) return GLIMPSE_OK;
    for (int call = 0; call < 2; call++) {
        char *room = buf_reserve(out, (size_t)cap);
        if (!room) FAIL(GLIMPSE_E_MEMORY, "no memory for a piece of %d bytes", (int)cap);
        int32_t n = f->d.decode(f->d.user, id, room, cap);
        if (n > cap)
            FAIL(GLIMPSE_E_TOKENIZER, "the trainer's decode function returned %d bytes for id %d with room for %d", (int)n,
                 (int)id, (int)cap);
        if (n >= 0) {
            buf_advance(out, (size_t)n);
            return GLIMPSE_OK;
        }
        if (n < -PIECE_LIMIT || -n <= cap) break;
        cap = -n;
    }
    FAIL(GLIMPSE_E_TOKENIZER, "the trainer's decode function asked for a strange room for id %d, having %d bytes", (int)id,
         (int)cap);
}

static void close_functions(tokenizer *t) { free(t); }

static const tokenizer_ops ops = {
    .kind = "functions", .encode = encode, .decode = decode, .close = close_functions};

glimpse_status functions_tokenizer_new(const glimpse_tokenizer *d, int32_t vocab_size, int32_t eos, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0};
    functions_tokenizer *f = NULL;
    if (!d->decode)
        FAIL(GLIMPSE_E_TOKENIZER, "model.tokenizer has an encode function and no decode function");
    if (!(f = calloc(1, sizeof *f))) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    f->d = *d;
    TRY_GOTO(tokenizer_init(&f->base, &ops, vocab_size, "given by the trainer"));
    if (eos >= 0 && eos < vocab_size) {
        f->base.eos = eos;
        TRY_GOTO(decode(&f->base, eos, &text));
        /* Only a text that is a special token's by its form: the function may map it to an ordinary newline. */
        bool named = special_text(buf_str(&text), text.n);
        if (named || !text.n) {
            const char *s = buf_str(&text);
            int32_t bytes = (int32_t)text.n;
            TRY_GOTO(special_set_new(&eos, &s, &bytes, 1, &f->base.specials));
        }
    }
    *out = &f->base;
    f = NULL;
out:
    buf_free(&text);
    if (f) tokenizer_close(&f->base);
    return st;
}
