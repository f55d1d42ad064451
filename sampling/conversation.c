/* conversation.c -- one context that grows, over a cache that is kept (conversation.h). */
#include "sampling/conversation.h"

#include "include/internal/status.h"
#include "sampling/generator.h"
#include <stdlib.h>
#include <string.h>

struct conversation {
    generator *g;
    batch_request rq;
    char *text;      /* what the noise is keyed by */
    size_t text_bytes;
    int32_t *ids;    /* (n) of room for the context and the token drawn behind it */
    int32_t n, cached; /* cached: their keys and values are in the cache, if it is still this one's */
};

glimpse_status conversation_open(generator *g, const batch_request *settings, const char *text, size_t bytes,
                                 conversation **out) {
    glimpse_status st = GLIMPSE_OK;
    if (settings->n_settings != 1 || settings->num_samples != 1 || settings->beams.width > 1)
        FAIL(GLIMPSE_E_INVALID, "a conversation has one setting, one sample and no beams, found %d, %d and %d",
             settings->n_settings, settings->num_samples, settings->beams.width);
    conversation *c = calloc(1, sizeof *c);
    if (!c) FAIL(GLIMPSE_E_MEMORY, "no memory for a conversation");
    c->g = g;
    c->rq = *settings;
    c->text = malloc(bytes + 1);
    c->text_bytes = bytes;
    c->ids = calloc((size_t)g->m->d.max_seq_len + 1, sizeof *c->ids);
    if (!c->text || !c->ids) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a conversation of %d tokens", g->m->d.max_seq_len);
    if (bytes) memcpy(c->text, text, bytes);
    *out = c;
    return GLIMPSE_OK;
out:
    conversation_close(c);
    return st;
}

void conversation_close(conversation *c) {
    if (!c) return;
    if (c->g->cache_of == c) c->g->cache_of = NULL;
    free(c->text);
    free(c->ids);
    free(c);
}

int32_t conversation_room(const conversation *c) {
    int32_t room = c->g->m->d.max_seq_len - c->n;
    return room > 0 ? room : 0;
}

glimpse_status conversation_append(conversation *c, const int32_t *ids, int32_t n) {
    if (n < 0) FAIL(GLIMPSE_E_INVALID, "%d ids to append", n);
    if (n > conversation_room(c))
        FAIL(GLIMPSE_E_INVALID, "%d tokens do not fit: the context holds %d and has %d\nhint: begin anew, or go back to an earlier "
             "turn", n, c->g->m->d.max_seq_len, c->n);
    for (int32_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= c->g->m->d.vocab_size)
            FAIL(GLIMPSE_E_INVALID, "token %d has id %d, the model knows ids 0 .. %d", i, ids[i], c->g->m->d.vocab_size - 1);
    if (n) memcpy(c->ids + c->n, ids, (size_t)n * sizeof *ids);
    c->n += n;
    return GLIMPSE_OK;
}

glimpse_status conversation_generate(conversation *c, int32_t max_tokens, batch_result *out) {
    if (!c->n) FAIL(GLIMPSE_E_STATE, "a conversation begins with what is said: nothing was appended");
    if (c->n > c->g->m->d.max_seq_len)
        FAIL(GLIMPSE_E_INVALID, "the context of %d is full\nhint: begin anew, or go back to an earlier turn", c->g->m->d.max_seq_len);
    batch_prompt prompt = { .text = c->text, .bytes = c->text_bytes, .ids = c->ids, .n_ids = c->n };
    batch_request rq = c->rq;
    rq.prompts = &prompt;
    rq.n_prompts = 1;
    if (max_tokens > 0) rq.max_tokens = max_tokens;
    /* The last id is always run again: its row is what the answer begins with. */
    kept_cache kept = { .owner = c, .cached = c->cached < c->n ? c->cached : c->n - 1 };
    glimpse_status st = batch_run(c->g, &rq, &kept, out);
    if (st < 0) {
        c->cached = 0; /* what is in the cache is not known */
        return st;
    }
    const glimpse_sample *s = &out->samples[0];
    int32_t n = s->n_tokens;
    for (int32_t i = 0; i < n; i++) c->ids[c->n + i] = s->tokens[i].id;
    c->cached = n ? c->n + n - 1 : c->n; /* the last token was drawn and never run */
    c->n += n;
    return GLIMPSE_OK;
}

glimpse_status conversation_rewind(conversation *c, int32_t n) {
    if (n < 0 || n > c->n) FAIL(GLIMPSE_E_INVALID, "back to %d of %d ids", n, c->n);
    c->n = n;
    if (c->cached > n) c->cached = n;
    return GLIMPSE_OK;
}

const int32_t *conversation_ids(const conversation *c, int32_t *n) {
    *n = c->n;
    return c->ids;
}
