/* score_batch.h -- how likely the model finds given continuations of given contexts: thousands of requests, batched.
 *
 * Requests whose beginnings agree run that beginning once: the four endings of a question cost one question.  Long
 * requests go first, so that the time left is over- and never underestimated, and what does not fit fails at once.  The
 * numbers are bitwise the same whatever the batch, the order and the threads (backend.h).
 * Called by hooks/tasks and by `glimpse score`. */
#ifndef GLIMPSE_SAMPLING_SCORE_BATCH_H
#define GLIMPSE_SAMPLING_SCORE_BATCH_H

#include "sampling/generate.h"

typedef struct score_request {
    const int32_t *ids;  /* (n) context and continuation, one behind the other */
    int32_t n;
    int32_t n_scored;    /* of the continuation: 1 .. n - 1.  A context too long for the model loses its beginning:
                            the last max_seq_len + 1 ids count, as in lm-evaluation-harness */
} score_request;

typedef struct score_answer {
    double logprob;      /* sum of ln p over the continuation, nats; NAN where a row of logits is not finite */
    bool greedy;         /* every token of the continuation is the model's likeliest (the first of equals) */
} score_answer;

typedef struct score_config {
    int32_t batch_size;  /* requests at once; 0 = as many as fit well */
    /* Told after every batch, in tokens run and to run; may be NULL. */
    void (*progress)(void *user, int64_t done, int64_t total);
    void *user;
} score_config;

/* answers (n) are the caller's.  GLIMPSE_E_INVALID names a request that is empty, has an unknown id, or whose
 * continuation is longer than the context; then no answer counts. */
glimpse_status score_requests(generator *g, const score_request *requests, int32_t n, const score_config *cfg,
                              score_answer *answers);

/* A whole text, every token scored exactly once: windows of max_seq_len, the first after `prefix`, the others after the id
 * before them; the last one, being shorter, sees as much more of the text before it as the model's context holds
 * (lm-evaluation-harness, get_rolling_token_windows and make_disjoint_window).  Any number of texts in turn;
 * n_windows: how many requests this one added. */
typedef struct rolling_windows {
    buffer ids;       /* int32_t */
    buffer requests;  /* score_request, `ids` NULL until rolling_finish */
} rolling_windows;
glimpse_status rolling_add(rolling_windows *w, const int32_t *ids, size_t n, int32_t prefix, int32_t max_seq_len,
                           int32_t *n_windows);
/* The requests (their number in *n), valid until rolling_free. */
const score_request *rolling_finish(rolling_windows *w, int32_t *n);
void rolling_free(rolling_windows *w);

#endif
