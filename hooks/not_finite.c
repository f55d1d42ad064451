/* not_finite.c -- where the weights of an eval are broken, when the logits are: the first tensor with a NaN or an infinity, by name.
 * In training that is the question that follows.  Called by session_eval.c for an eval that failed so; reads all weights once.
 * Weights that are on a GPU alone are not fetched for it. */
#include <math.h>
#include <stdlib.h>

#include "hooks/session_state.h"
#include "include/internal/status.h"
#include "sampling/checkpoint/save.h"

enum { BLOCK = 16384 };

static int64_t count(const saved_tensor *t, float *block) {
    int64_t n = save_count(t), bad = 0;
    for (int64_t at = 0; t->m.data && at < n; at += BLOCK) {
        int64_t k = n - at < BLOCK ? n - at : BLOCK;
        save_elements(t, at, k, block);
        for (int64_t i = 0; i < k; i++) bad += !isfinite(block[i]);
    }
    return bad;
}

void session_not_finite(session *s, buffer *out) {
    const weights_source *w = s->host.weights;
    char why[160];
    tensor_list l = {0};
    if (s->m->is_function || (w && w->device >= 0 && !w->keep_host) || (w && w->on_host(w->user, why, sizeof why) < 0)) return;
    float *block = malloc(BLOCK * sizeof *block);
    if (!block || save_list(s->m, SAVE_AS_IS, &l) < 0) goto out;
    const saved_tensor *first = NULL;
    int64_t broken = 0;
    int32_t others = -1;
    for (int32_t i = 0; i < l.n; i++) {
        int64_t bad = count(&l.t[i], block);
        if (!bad) continue;
        if (!first) first = &l.t[i], broken = bad;
        others++;
    }
    if (!first) buf_puts(out, "; every weight is finite");
    else {
        buf_printf(out, "; not finite in the weights: %s, %lld of its %lld numbers", first->name, (long long)broken,
                   (long long)save_count(first));
        if (others) buf_printf(out, ", and %d other tensor%s", (int)others, others > 1 ? "s" : "");
    }
out:
    free(l.t);
    free(block);
}
