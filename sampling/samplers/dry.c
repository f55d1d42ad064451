/* dry.c -- do not repeat yourself (p-e-w's DRY, text-generation-webui pull request 5677; the details are llama.cpp's): a
 * token that would go on with a sequence as it went on before loses multiplier * base^(length - allowed_length).
 *
 * With r_0, r_1, ... the last `last_n` tokens (-1 = all that is remembered), newest first:
 *   1. the nearest breaker (dry_breakers.h), its last token being r_0 .. r_i-m and m its tail, limits lengths to i - m
 *   2. z_k = the longest common prefix of r_0 .. and r_k .., for each k >= 1, by the Z algorithm in one pass
 *   3. where z_k >= allowed_length, token r_k-1 has the length max z_k; tokens that break by themselves are spared
 * The exponent stays below ln(FLT_MAX) / ln(base). */
#include "sampling/samplers/dry_breakers.h"
#include "include/internal/status.h"

#include <stdlib.h>

typedef struct dry {
    value_sampler value; /* multiplier, base, allowed_length, last_n */
    dry_breakers *breakers;
    int32_t *z;          /* (the most tokens remembered), behind this struct */
    int32_t window;
} dry;

/* How long a match may be: the distance to the nearest breaker. */
static int32_t repeat_limit(const dry_breakers *b, const int32_t *newest, int32_t n) {
    const int32_t *tails = (const int32_t *)(const void *)b->tails.bytes;
    for (int32_t i = 0; i < n; i++) {
        int32_t id = newest[-i], longest = mark_has(b->alone, id) ? 0 : -1, k = b->n;
        if (mark_has(b->heads, id))
            for (k = 0; k < b->n && b->list[k].head < id;) k++;
        for (; k < b->n && b->list[k].head == id; k++) {
            int32_t m = b->list[k].n_tail, same = 0;
            if (m > i || m <= longest) continue;
            while (same < m && tails[b->list[k].tail + same] == newest[-(i - same - 1)]) same++;
            if (same == m) longest = m;
        }
        if (longest >= 0) return i - longest;
    }
    return n;
}

/* z[k] = the longest common prefix of the sequence and its k-th suffix, newest first; k >= 1. */
static void z_lengths(const int32_t *newest, int32_t n, int32_t *z) {
    int32_t left = 0, right = 0; /* the match that reaches farthest: [left, right) equals the beginning */
    for (int32_t k = 1; k < n; k++) {
        int32_t m = k < right ? z[k - left] < right - k ? z[k - left] : right - k : 0;
        while (k + m < n && newest[-m] == newest[-(k + m)]) m++;
        z[k] = m;
        if (k + m > right) left = k, right = k + m;
    }
}

static double power_of(double base, int32_t k) {
    double p = 1;
    for (; k > 0; k >>= 1, base *= base)
        if (k & 1) p *= base;
    return p;
}

static glimpse_status apply(sampler *s, candidates *c) {
    dry *d = (dry *)s;
    const double *v = d->value.v;
    int32_t n = c->past->n, allowed = (int32_t)v[2];
    if (n > d->window) n = d->window;
    if (v[3] >= 0 && n > v[3]) n = (int32_t)v[3];
    if (n <= allowed) return GLIMPSE_OK;
    const int32_t *newest = c->past->ids + c->past->n - 1;
    int32_t limit = repeat_limit(d->breakers, newest, n), *longest = (int32_t *)c->scratch->work2, top = INT32_MAX, hits = 0;
    if (limit < allowed) return GLIMPSE_OK;
    if (v[1] > 1.000001) top = (int32_t)(88.7228391 / det_log(v[1]));
    z_lengths(newest, n, d->z);
    uint32_t *mark = c->scratch->mark;
    for (int32_t k = 1; k < n; k++) {
        int32_t m = d->z[k] < limit ? d->z[k] : limit, id = newest[-(k - 1)];
        if (m < allowed || mark_has(d->breakers->alone, id)) continue;
        hits++;
        if (!mark_has(mark, id) || m > longest[id]) longest[id] = m;
        mark_set(mark, id);
    }
    float *l = hits ? candidates_scaled(c) : NULL;
    for (int32_t k = 1; k < n && hits; k++) { /* once a token: its mark goes with the penalty */
        int32_t id = newest[-(k - 1)], at;
        if (!mark_has(mark, id)) continue;
        mark[id / 32] &= ~(1u << (id % 32));
        if ((at = candidates_find(c, id)) < 0) continue;
        int32_t exponent = longest[id] - allowed < top ? longest[id] - allowed : top;
        double less = (double)l[at] - v[0] * power_of(v[1], exponent);
        l[at] = (float)(less > -3e38 || !(l[at] > -INFINITY) ? less : -3e38);
    }
    return GLIMPSE_OK;
}

static size_t bytes(const sampler_args *a) {
    return sizeof(dry) + (size_t)(a->context->history > 0 ? a->context->history : 4096) * sizeof(int32_t);
}
static glimpse_status init(sampler *s, const sampler_args *a) {
    dry *d = (dry *)s;
    d->window = (int32_t)((d->value.bytes - sizeof *d) / sizeof(int32_t));
    d->z = (int32_t *)(d + 1);
    return dry_breakers_open(a->context, a->vocab, &d->breakers);
}

static glimpse_status clone_(const sampler *s, sampler **out) {
    TRY(value_sampler_clone(s, out));
    dry *d = (dry *)*out;
    d->z = (int32_t *)(d + 1);
    d->breakers->refs++; /* of one thread, like the chains that are clones of each other */
    return GLIMPSE_OK;
}

static void free_(sampler *s) {
    dry_breakers_release(((dry *)s)->breakers);
    free(s);
}

static bool off(const double *v) { return v[0] == 0 || v[3] == 0; }
static const sampler_param params[] = {
    {"multiplier", "dry_multiplier", 0, 0, 1000, NULL, "0 to 1000, 0 = off"},
    {"base", "dry_base", 1.75, 1, 1000, NULL, "1 to 1000"},
    {"allowed_length", "dry_allowed_length", 2, 1, INT32_MAX, "n", "a whole number from 1"},
    {"last_n", "dry_last_n", -1, -1, INT32_MAX, "n", "-1 (all), 0 (off) or how many tokens"}};
const sampler_kind sampler_dry = {.ops = {"dry", NULL, apply, NULL, clone_, free_, value_sampler_print},
                                  .params = params, .n_params = 4, .off = off, .bytes = bytes, .init = init};
