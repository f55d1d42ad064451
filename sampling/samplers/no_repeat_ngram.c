/* no_repeat_ngram.c -- forbid every token that would complete an n-gram already in prompt or output (Paulus et al. 2017;
 * transformers' NoRepeatNGramLogitsProcessor): v where the last n - 1 tokens, then v, occurred.  n = 1 forbids all that was
 * said.  If that is all there is, nothing is forbidden. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static glimpse_status apply(sampler *s, candidates *c) {
    int32_t before = (int32_t)sampler_values(s)[0] - 1, n = c->past->n, found = 0;
    if (n <= before) return GLIMPSE_OK;
    const int32_t *ids = c->past->ids, *last = ids + n - before;
    int32_t *banned = (int32_t *)c->scratch->work2;
    uint32_t *mark = c->scratch->mark;
    for (int32_t i = 0; i + before < n; i++) {
        int32_t v = ids[i + before];
        if (before && (ids[i] != *last || memcmp(ids + i, last, (size_t)before * sizeof *ids) != 0)) continue;
        if (mark_has(mark, v)) continue;
        mark_set(mark, v);
        banned[found++] = v;
    }
    for (int32_t i = 0; i < found; i++) mark[banned[i] / 32] = 0;
    return candidates_ban(c, banned, found, false);
}

static bool off(const double *v) { return v[0] == 0; }
static const sampler_param params[] = {{"n", "ban_repeat_ngram", 0, 0, 1000, "n", "a whole number to 1000, 0 = off"}};
const sampler_kind sampler_no_repeat_ngram = {
    .ops = VALUE_SAMPLER("no_repeat_ngram", NULL, apply, NULL), .params = params, .n_params = 1, .off = off};
