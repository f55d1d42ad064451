/* test_score_batch.c -- the batched scores of requests against each request alone, bit for bit; windows of whole texts. */
#include "sampling/score_batch.h"

#include "tests/gpt2_weights.h"
#include "tests/test.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 120, LONGEST = 40 };
static int32_t ids[N][LONGEST];
static score_request requests[N];

/* Requests of all shapes: shared contexts, contexts that are another's beginning, equal ones, ones longer than the model's
 * context (REF_T = 32), one-token continuations. */
static void make_requests(int32_t vocab) {
    uint32_t state = 7;
    for (int i = 0; i < N; i++) {
        int group = i / 4, n = 3 + (group * 7) % (LONGEST - 3), scored = 1 + (i * 5) % (n - 1);
        uint32_t mine = 1000u * (uint32_t)group + 17;
        for (int k = 0; k < n; k++) {
            bool shared = k < n - scored || i % 8 == 3;
            uint32_t *from = shared ? &mine : &state;
            *from = *from * 1664525 + 1013904223;
            ids[i][k] = (int32_t)((*from >> 8) % (uint32_t)vocab);
        }
        if (scored > REF_T) scored = REF_T;
        requests[i] = (score_request){ ids[i], n, scored };
    }
}

/* By the losses of the request alone, cut by the same rule. */
static score_answer alone(generator *g, const score_request *r) {
    double losses[LONGEST];
    int32_t n_in = r->n - 1 < REF_T ? r->n - 1 : REF_T, targets[LONGEST];
    const int32_t *at = r->ids + (r->n - 1 - n_in);
    for (int32_t i = 0; i < n_in; i++) targets[i] = i >= n_in - r->n_scored ? at[i + 1] : -1;
    EXPECT_OK(score_losses(g, at, targets, 1, n_in, losses));
    score_answer a = { 0, true };
    for (int32_t i = n_in - r->n_scored; i < n_in; i++) a.logprob -= losses[i];
    batch_result b = {0};
    EXPECT_OK(score_ids(g, at, r->n_scored + (n_in - r->n_scored), 1, &b)); /* all but the last target */
    for (int32_t i = n_in - r->n_scored; i < n_in - 1; i++) a.greedy &= b.samples[0].tokens[i].rank == 1;
    batch_result_free(&b);
    return a;
}

TEST(scores_are_the_same_in_any_batch) {
    ref_model ref;
    model *m;
    ref_model_make(&ref, REF_LLAMA_LIKE, REF_SEPARATE, GLIMPSE_F32);
    REQUIRE_OK(model_from_description(&ref.d, &m));
    make_requests(m->d.vocab_size);
    static score_answer want[N], got[N];
    static const int32_t batches[] = { 0, 1, 3, 17, 1000 };
    for (int threads = 1; threads <= 3; threads += 2) {
        generator_config cfg = { .threads = threads };
        generator *g;
        REQUIRE_OK(generator_open(m, NULL, &cfg, &g));
        int greedy = 0;
        for (int i = 0; threads == 1 && i < N; i++) {
            want[i] = alone(g, &requests[i]);
            EXPECT(isfinite(want[i].logprob) && want[i].logprob < 0);
        }
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
            score_config sc = { .batch_size = batches[b] };
            memset(got, 0xff, sizeof got);
            REQUIRE_OK(score_requests(g, requests, N, &sc, got));
            for (int i = 0; i < N; i++) {
                EXPECT_MEM(&got[i].logprob, &want[i].logprob, sizeof(double));
                if (got[i].greedy) EXPECT(want[i].greedy); /* `alone` does not look at the last token */
                greedy += got[i].greedy;
            }
        }
        generator_close(g);
        EXPECT_LT(greedy, 5 * N);
    }
    model_close(m);
    ref_model_free(&ref);
}

TEST(scores_refuse_what_cannot_be_scored) {
    ref_model ref;
    model *m;
    generator *g;
    generator_config cfg = { .threads = 1 };
    score_config sc = { 0 };
    score_answer a;
    ref_model_make(&ref, REF_GPT2, REF_STACKED, GLIMPSE_F32);
    REQUIRE_OK(model_from_description(&ref.d, &m));
    REQUIRE_OK(generator_open(m, NULL, &cfg, &g));
    static const int32_t bad[] = { 1, 2, 9999 };
    static int32_t many[REF_T + 2];
    EXPECT_ERR(score_requests(g, &(score_request){ bad, 3, 1 }, 1, &sc, &a), GLIMPSE_E_INVALID, "id 9999");
    EXPECT_ERR(score_requests(g, &(score_request){ bad, 2, 2 }, 1, &sc, &a), GLIMPSE_E_INVALID, "2 of 2");
    EXPECT_ERR(score_requests(g, &(score_request){ bad, 2, 0 }, 1, &sc, &a), GLIMPSE_E_INVALID, "0 of 2");
    EXPECT_ERR(score_requests(g, &(score_request){ many, REF_T + 2, REF_T + 1 }, 1, &sc, &a), GLIMPSE_E_INVALID, "33 tokens");
    EXPECT_OK(score_requests(g, &(score_request){ many, REF_T + 1, REF_T }, 1, &sc, &a));
    EXPECT(isfinite(a.logprob));
    EXPECT_OK(score_requests(g, NULL, 0, &sc, NULL));
    generator_close(g);
    model_close(m);
    ref_model_free(&ref);
}

/* lm_eval.utils.get_rolling_token_windows and make_disjoint_window, token list 0 .. n - 1, prefix 99, max_seq_len 4:
 *   n = 3   ([99, 0, 1], [0, 1, 2])                       -> context [99]
 *   n = 10  ([99,0,1,2],[0..3]) ([3],[4..7]) ([5,6,7],[8,9])  */
TEST(rolling_windows_are_the_harness_s) {
    int32_t ids_in[10], n, n_windows;
    rolling_windows w = {{0}, {0}};
    for (int i = 0; i < 10; i++) ids_in[i] = i;
    REQUIRE_OK(rolling_add(&w, ids_in, 3, 99, 4, &n_windows));
    EXPECT_EQ(n_windows, 1);
    REQUIRE_OK(rolling_add(&w, ids_in, 0, 99, 4, &n_windows));
    EXPECT_EQ(n_windows, 0);
    REQUIRE_OK(rolling_add(&w, ids_in, 10, 99, 4, &n_windows));
    EXPECT_EQ(n_windows, 3);
    const score_request *r = rolling_finish(&w, &n);
    REQUIRE(n == 4);
    static const struct { int32_t ids[6], n, n_scored; } want[] = {
        {{99, 0, 1, 2}, 4, 3}, {{99, 0, 1, 2, 3}, 5, 4}, {{3, 4, 5, 6, 7}, 5, 4}, {{5, 6, 7, 8, 9}, 5, 2}};
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(r[i].n, want[i].n);
        EXPECT_EQ(r[i].n_scored, want[i].n_scored);
        EXPECT_MEM(r[i].ids, want[i].ids, (size_t)want[i].n * sizeof(int32_t));
    }
    rolling_free(&w);
}
