/* test_samplers_user.c -- glimpse_add_sampler through the public API: its place in the chain, its states, its failures. */
#include "tests/test.h"
#include "plugin/guest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const session_api glimpse_session_v1;

enum { V = 12 };
static int alive, resets, prompts, outputs, fail_with;

typedef struct state {
    int accepted;
} state;
static void on_accept(void *s, int32_t id, int prompt) {
    ((state *)s)->accepted++;
    EXPECT(id >= 0 && id < V);
    if (prompt) prompts++;
    else outputs++;
}
static int on_apply(void *s, glimpse_candidates *c) { /* the n-th token must be n, modulo V */
    int32_t wanted = ((state *)s)->accepted % V;
    EXPECT(c->size == sizeof *c && c->vocab_size == V && c->n >= 1);
    EXPECT_EQ((int)c->position, ((state *)s)->accepted);
    for (int i = 0; i < c->n; i++)
        if ((c->ids ? c->ids[i] : i) != wanted) c->logits[i] = -INFINITY;
    return fail_with;
}
static void on_reset(void *s) { ((state *)s)->accepted = 0, resets++; }
static void *on_clone(const void *s) {
    state *copy = malloc(sizeof *copy);
    if (copy) *copy = *(const state *)s, alive++;
    return copy;
}
static void on_free(void *s) {
    alive--;
    free(s);
}

static int logits(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user, (void)T, (void)ids, (void)lengths;
    for (int i = 0; i < B * V; i++) out[i] = (float)(i % 5) * 0.1f;
    return 0;
}

static void no_log(void *user, const char *line) { (void)user, (void)line; }

TEST(samplers_user_in_the_chain) {
    glimpse_sampler s = GLIMPSE_SAMPLER_INIT;
    state first = {0};
    session_use(&glimpse_session_v1);
    glimpse_config *cfg = glimpse_config_new();
    glimpse_set_log(cfg, no_log, NULL);
    REQUIRE_OK(glimpse_set(cfg, "mode", "inline"));
    REQUIRE_OK(glimpse_set(cfg, "out_dir", test_tmpdir()));
    REQUIRE_OK(glimpse_set(cfg, "max_sample_tokens", "15"));
    REQUIRE_OK(glimpse_set(cfg, "num_samples", "3"));
    glimpse_model m = GLIMPSE_MODEL_INIT;
    m.vocab_size = V;
    m.max_seq_len = 64;
    m.logits = logits;
    glimpse *g = glimpse_open(cfg, &m);
    REQUIRE(g != NULL);
    EXPECT_OK(glimpse_add_sampler(NULL, NULL, NULL));
    s.apply = on_apply;
    EXPECT_ERR(glimpse_add_sampler(g, &s, &first), GLIMPSE_E_INVALID, "a name and apply");
    s.name = "top_k";
    s.clone = on_clone, s.free = on_free, s.reset = on_reset, s.accept = on_accept;
    EXPECT_ERR(glimpse_add_sampler(g, &s, &first), GLIMPSE_E_INVALID, "there is a sampler top_k");
    s.name = "guidance";
    EXPECT_ERR(glimpse_add_sampler(g, &s, &first), GLIMPSE_E_INVALID, "there is a sampler guidance");
    s.name = "antislop";
    EXPECT_ERR(glimpse_add_sampler(g, &s, &first), GLIMPSE_E_INVALID, "there is a sampler antislop");
    s.name = "No Way";
    EXPECT_ERR(glimpse_add_sampler(g, &s, &first), GLIMPSE_E_INVALID, "a-z 0-9 _");
    s.name = "in_turn";
    REQUIRE_OK(glimpse_add_sampler(g, &s, &first));
    EXPECT_ERR(glimpse_add_sampler(g, &s, &first), GLIMPSE_E_INVALID, "in_turn already");

    static const char *const options[] = {"top_k=0", "samplers=\"in_turn;temperature=0.5;top_k=3\""};
    static const char *const chains[] = {"temperature=0.8;in_turn", "in_turn;temperature=0.5;top_k=3"};
    int32_t ids[] = {3, 4};
    glimpse_request r = GLIMPSE_REQUEST_INIT;
    r.ids = ids;
    r.n_ids = 2;
    for (int k = 0; k < 2; k++) {
        glimpse_record *record = NULL;
        r.options = options[k];
        prompts = outputs = resets = 0;
        REQUIRE_OK(glimpse_generate(g, &r, &record));
        EXPECT_EQ(record->n_samples, 3);
        EXPECT_EQ(prompts, 6);
        EXPECT_EQ(resets, 3); /* a sample begins */
        EXPECT_EQ(outputs, 45);
        for (int i = 0; i < record->n_samples; i++) {
            const glimpse_sample *sample = GLIMPSE_AT(record->samples, i);
            EXPECT_STREQ(sample->samplers, chains[k]);
            EXPECT_NEAR(sample->temperature, k ? 0.5 : 0.8, 1e-6);
            EXPECT_EQ(sample->top_k, k ? 3 : 0);
            for (int t = 0; t < sample->n_tokens; t++) EXPECT_EQ(GLIMPSE_AT(sample->tokens, t)->id, (t + 2) % V);
        }
        glimpse_record_free(record);
        EXPECT_EQ(alive, 0); /* every clone was freed */
    }
    glimpse_record *none = NULL;
    fail_with = 7;
    EXPECT_ERR(glimpse_generate(g, &r, &none), GLIMPSE_E_INVALID, "in_turn failed: it returned 7");
    EXPECT(none == NULL && alive == 0);
    EXPECT_EQ(first.accepted, 0);
    glimpse_close(g);
    glimpse_config_free(cfg);
    session_use(NULL);
}
