/* value_sampler.c -- what every sampler of ours begins with: its parameters, made, copied, printed and freed alike.
 * Called by the chain through sampler_ops. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

#include <stdlib.h>

glimpse_status value_sampler_open(const sampler_args *a, sampler **out) {
    size_t bytes = a->kind->bytes ? a->kind->bytes(a) : sizeof(value_sampler);
    value_sampler *s = calloc(1, bytes);
    if (!s) FAIL(GLIMPSE_E_MEMORY, "no memory for the sampler %s", a->kind->ops.name);
    s->base.ops = &a->kind->ops;
    s->kind = a->kind;
    s->bytes = bytes;
    memcpy(s->v, a->v, sizeof s->v);
    glimpse_status st = a->kind->init ? a->kind->init(&s->base, a) : GLIMPSE_OK;
    if (st < 0) {
        s->base.ops->free(&s->base);
        return st;
    }
    *out = &s->base;
    return GLIMPSE_OK;
}

glimpse_status value_sampler_clone(const sampler *s, sampler **out) {
    size_t bytes = ((const value_sampler *)s)->bytes;
    value_sampler *copy = malloc(bytes);
    if (!copy) FAIL(GLIMPSE_E_MEMORY, "no memory for the sampler %s", s->ops->name);
    memcpy(copy, s, bytes);
    *out = &copy->base;
    return GLIMPSE_OK;
}

void value_sampler_free(sampler *s) { free(s); }

static const char *word_of(const char *words, int k, size_t *n) {
    for (; k > 0; k--) words = strchr(words, '|') + 1;
    *n = strcspn(words, "|");
    return words;
}

/* "1.1,last_n:64": the first one always, the others where they are not at their default. */
void value_sampler_print(const sampler *s, buffer *out) {
    const value_sampler *v = (const value_sampler *)s;
    for (int32_t i = 0; i < v->kind->n_params; i++) {
        const sampler_param *p = &v->kind->params[i];
        if (i > 0 && v->v[i] == p->standard) continue;
        if (i > 0) {
            buf_putc(out, ',');
            buf_puts(out, p->name);
            buf_putc(out, ':');
        }
        if (p->words && strchr(p->words, '|')) {
            size_t n;
            const char *word = word_of(p->words, (int)v->v[i], &n);
            buf_put(out, word, n);
        } else {
            sampler_put_number(out, v->v[i]);
        }
    }
}
