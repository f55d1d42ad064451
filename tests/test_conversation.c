/* test_conversation.c -- a context that grows gives what one long prompt gives; guidance against its formula in double; every
 * sampler's state goes back. */
#include "sampling/conversation.h"
#include "sampling/generate.h"
#include "sampling/samplers/sampler.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct setup {
    tiny_gpt tiny;
    model *m;
    tokenizer *t;
    generator *g, *other;
} setup;

static bool make(setup *s, int T, int eos) {
    generator_config cfg = { .threads = 2 };
    tiny_gpt_make(&s->tiny, 2, 4, 40, 61, T, eos, 3);
    return EXPECT_OK(model_from_description(&s->tiny.model, &s->m))
           && EXPECT_OK(tokenizer_from_description(&s->tiny.model.tokenizer, 61, eos, &s->t))
           && EXPECT_OK(generator_open(s->m, s->t, &cfg, &s->g)) && EXPECT_OK(generator_open(s->m, s->t, &cfg, &s->other));
}

static void done(setup *s) {
    generator_close(s->g);
    generator_close(s->other);
    model_close(s->m);
    tokenizer_close(s->t);
    tiny_gpt_free(&s->tiny);
}

static const sampler_settings set = { 0.9, 30, 1, 0, 1.2, NULL };
static const char *const label = "a";
static const int32_t turns[3][6] = { { 5, 9, 2, 30, 11, 7 }, { 60, 3, 3, 1, 22, 9 }, { 14, 15, 16, 8, 41, 50 } };

static batch_request request(void) {
    return (batch_request){ .settings = &set, .labels = &label, .n_settings = 1, .num_samples = 1, .max_tokens = 12, .n_top = 2,
                            .seed = 7 };
}

static bool same_tokens(const glimpse_sample *a, const glimpse_sample *b) {
    bool same = a->n_tokens == b->n_tokens && a->stop == b->stop;
    for (int32_t k = 0; same && k < a->n_tokens; k++)
        same = a->tokens[k].id == b->tokens[k].id && a->tokens[k].logit == b->tokens[k].logit
               && a->tokens[k].entropy == b->tokens[k].entropy && a->tokens[k].p_final == b->tokens[k].p_final;
    return same;
}

/* The answer of `c` is that of one prompt, on a generator that knows nothing of the conversation. */
static void expect_as_one_prompt(setup *s, conversation *c, const batch_request *settings) {
    int32_t n;
    const int32_t *ids = conversation_ids(c, &n);
    int32_t copy[512];
    memcpy(copy, ids, (size_t)n * sizeof *ids);
    batch_prompt p = { "key", 3, copy, n };
    batch_request rq = *settings;
    batch_result whole, turn;
    rq.prompts = &p;
    rq.n_prompts = 1;
    if (!EXPECT_OK(generate_batch(s->other, &rq, &whole)) || !EXPECT_OK(conversation_generate(c, 0, &turn))) return;
    EXPECT(same_tokens(&whole.samples[0], &turn.samples[0]));
    ids = conversation_ids(c, &n);
    for (int32_t k = 0; k < turn.samples[0].n_tokens; k++)
        EXPECT_EQ(ids[n - turn.samples[0].n_tokens + k], turn.samples[0].tokens[k].id);
    batch_result_free(&whole);
    batch_result_free(&turn);
}

TEST(conversation_is_one_long_prompt) {
    setup s;
    REQUIRE(make(&s, 128, -1));
    for (int guided = 0; guided < 2; guided++) {
        conversation *c;
        batch_request rq = request();
        batch_result r;
        int32_t n, n1;
        rq.guidance = guided ? 1.7 : 0;
        REQUIRE_OK(conversation_open(s.g, &rq, "key", 3, &c));
        EXPECT_ERR(conversation_generate(c, 0, &r), GLIMPSE_E_STATE, "nothing");
        for (int turn = 0; turn < 3; turn++) {
            REQUIRE_OK(conversation_append(c, turns[turn], 6));
            expect_as_one_prompt(&s, c, &rq);
            if (!turn) conversation_ids(c, &n1);
            if (turn == 1) { /* somebody else uses the generator: the cache is filled again */
                batch_prompt p = { "x", 1, turns[2], 6 };
                batch_request beside = request();
                beside.prompts = &p, beside.n_prompts = 1;
                REQUIRE_OK(generate_batch(s.g, &beside, &r));
                batch_result_free(&r);
            }
        }
        REQUIRE_OK(conversation_rewind(c, n1)); /* back to the first answer, and another second turn */
        REQUIRE_OK(conversation_append(c, turns[2], 3));
        expect_as_one_prompt(&s, c, &rq);
        REQUIRE_OK(conversation_rewind(c, 0));
        REQUIRE_OK(conversation_append(c, turns[1], 2));
        expect_as_one_prompt(&s, c, &rq);
        conversation_ids(c, &n);
        EXPECT_EQ(n, 2 + 12);
        conversation_close(c);
    }
    done(&s);
}

typedef struct stopper {
    atomic_int flag;
    int seen, after;
} stopper;

static void on_token(void *user, int32_t sequence, const glimpse_token *t) {
    stopper *s = user;
    (void)sequence, (void)t;
    if (++s->seen == s->after) atomic_store(&s->flag, 1);
}

TEST(conversation_cancel_and_context) {
    setup s;
    REQUIRE(make(&s, 32, -1));
    stopper stop = { .after = 4 };
    conversation *c;
    batch_request rq = request();
    batch_result r;
    int32_t n;
    rq.on_token = on_token, rq.user = &stop, rq.cancel = &stop.flag;
    REQUIRE_OK(conversation_open(s.g, &rq, "key", 3, &c));
    REQUIRE_OK(conversation_append(c, turns[0], 6));
    REQUIRE_OK(conversation_generate(c, 0, &r));
    EXPECT_EQ(r.samples[0].stop, GLIMPSE_STOP_CANCELLED);
    EXPECT_EQ(r.samples[0].n_tokens, 5); /* the one after the flag was set is the last */
    EXPECT_EQ(stop.seen, 5);
    batch_result_free(&r);
    atomic_store(&stop.flag, 0);
    REQUIRE_OK(conversation_append(c, turns[1], 6)); /* goes on as if the answer had ended there */
    rq.cancel = NULL, rq.on_token = NULL;
    int32_t copy[64];
    memcpy(copy, conversation_ids(c, &n), 17 * sizeof *copy);
    EXPECT_EQ(n, 17);
    expect_as_one_prompt(&s, c, &rq);
    EXPECT_EQ(conversation_room(c), 3);
    EXPECT_ERR(conversation_append(c, turns[0], 4), GLIMPSE_E_INVALID, "the context holds 32 and has 29");
    static const int32_t wild[] = { 1, 61 };
    EXPECT_ERR(conversation_append(c, wild, 2), GLIMPSE_E_INVALID, "id 61");
    REQUIRE_OK(conversation_generate(c, 0, &r));
    EXPECT_EQ(r.samples[0].stop, GLIMPSE_STOP_CONTEXT);
    EXPECT_EQ(r.samples[0].n_tokens, 4);
    batch_result_free(&r);
    EXPECT_EQ(conversation_room(c), 0);
    EXPECT_ERR(conversation_generate(c, 0, &r), GLIMPSE_E_INVALID, "full");
    REQUIRE_OK(conversation_rewind(c, 17));
    EXPECT_MEM(conversation_ids(c, &n), copy, 17 * sizeof *copy);
    expect_as_one_prompt(&s, c, &rq);
    EXPECT_ERR(conversation_rewind(c, 1000), GLIMPSE_E_INVALID, "1000");
    conversation_close(c);
    rq.num_samples = 2;
    EXPECT_ERR(conversation_open(s.g, &rq, "", 0, &c), GLIMPSE_E_INVALID, "one sample");
    done(&s);
}

/* --- guidance ------------------------------------------------------------------------------------------------------- */

enum { FN_V = 13 };
static const int *bad_at; /* a row of this length, after negative ids, has a NaN */

static void fn_row(const int *ids, int t, float *out) {
    unsigned h = 17;
    for (int i = 0; i <= t; i++) h = h * 31 + (unsigned)ids[i];
    for (int v = 0; v < FN_V; v++) out[v] = (float)((h + (unsigned)v * 40503u) * 2654435761u >> 8 & 1023) / 256;
}

static int fn(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user;
    for (int b = 0; b < B; b++) {
        fn_row(ids + b * T, lengths[b] - 1, out + b * FN_V);
        if (bad_at && lengths[b] == *bad_at && ids[b * T] == 8) out[b * FN_V + 2] = NAN;
    }
    return 0;
}

static double log_sum(const float *l) {
    double max = -INFINITY, sum = 0;
    for (int i = 0; i < FN_V; i++) max = fmax(max, (double)l[i]);
    for (int i = 0; i < FN_V; i++) sum += exp((double)l[i] - max);
    return max + log(sum);
}

static generator *fn_generator(model **m) {
    glimpse_model d = GLIMPSE_MODEL_INIT;
    generator *g = NULL;
    generator_config cfg = { .threads = 2 };
    d.vocab_size = FN_V, d.max_seq_len = 40, d.logits = fn;
    if (EXPECT_OK(model_from_description(&d, m))) EXPECT_OK(generator_open(*m, NULL, &cfg, &g));
    return g;
}

TEST(guidance_is_its_formula) {
    static const int32_t ids[] = { 3, 4, 5 }, negative[] = { 8, 1, 2, 6, 7 };
    static const sampler_settings plain = { 0.9, 8, 1, 0, 1.2, NULL };
    const batch_prompt p = { "abc", 3, ids, 3 };
    model *m;
    generator *g = fn_generator(&m);
    for (int kind = 0; kind < 3; kind++) {
        double scale = kind == 0 ? 1.5 : kind == 1 ? 4 : 0.3;
        batch_request rq = request();
        batch_result r;
        chain *c;
        rq.prompts = &p, rq.n_prompts = 1, rq.settings = &plain, rq.num_samples = 20, rq.max_tokens = 15, rq.guidance = scale;
        if (kind != 2) rq.negative_ids = negative, rq.n_negative = 5;
        const int32_t *behind = kind != 2 ? negative : ids + 2; /* without one, the prompt's last token */
        int32_t n_behind = kind != 2 ? 5 : 1;
        REQUIRE_OK(generate_batch(g, &rq, &r));
        EXPECT(strstr(r.samples[0].samplers, kind == 0 ? "guidance=1.5;pen" : kind == 1 ? "guidance=4;pen" : "guidance=0.3;pen") != NULL);
        REQUIRE_OK(generator_chain(g, &rq, 0, &c));
        EXPECT_STREQ(chain_string(c), r.samples[0].samplers);
        chain_close(c);
        for (int i = 0; i < 20; i++) {
            const glimpse_sample *s = &r.samples[i];
            int with[40], against[40];
            draw_key key = { .key = draw_key_make(7, "abc", 3, (uint32_t)i) };
            REQUIRE_OK(chain_open(&plain, FN_V, &c));
            for (int k = 0; k < 3; k++) with[k] = ids[k], chain_accept_prompt(c, ids[k]);
            for (int k = 0; k < n_behind; k++) against[k] = behind[k];
            for (int k = 0; k < s->n_tokens; k++) {
                float cond[FN_V], uncond[FN_V], guided[FN_V];
                glimpse_token t, own;
                fn_row(with, 3 + k - 1, cond);
                fn_row(against, n_behind + k - 1, uncond);
                double zc = log_sum(cond), zu = log_sum(uncond);
                for (int v = 0; v < FN_V; v++) {
                    double lc = (double)cond[v] - zc, lu = (double)uncond[v] - zu;
                    guided[v] = (float)(lu + scale * (lc - lu));
                }
                REQUIRE_OK(chain_draw(c, guided, &key, (uint32_t)(3 + k), 0, &t, NULL));
                EXPECT_EQ(t.id, s->tokens[k].id);
                EXPECT_NEAR(t.p_final, s->tokens[k].p_final, 1e-4);
                EXPECT_NEAR(t.p_temp, s->tokens[k].p_temp, 1e-4);
                REQUIRE_OK(chain_score(c, cond, t.id, 0, &own, NULL)); /* the record's own numbers are the model's */
                EXPECT_EQ(own.logprob == s->tokens[k].logprob && own.rank == s->tokens[k].rank, 1);
                chain_accept(c, t.id);
                with[3 + k] = against[n_behind + k] = t.id;
            }
            chain_close(c);
        }
        batch_result_free(&r);
    }
    generator_close(g);
    model_close(m);
}

/* Scale 1 is off to the bit; a prompt guided against itself draws the same ids at any scale; a sample is the same alone. */
TEST(guidance_on_a_model) {
    setup s;
    REQUIRE(make(&s, 64, -1));
    static const sampler_settings free_set = { 0.9, 30, 1, 0, 1, NULL };
    batch_prompt p[] = { { "a", 1, turns[0], 6 }, { "b", 1, turns[1], 4 } };
    batch_result off, one, self, many;
    batch_request rq = request();
    rq.prompts = p, rq.n_prompts = 2, rq.num_samples = 4, rq.settings = &free_set;
    REQUIRE_OK(generate_batch(s.g, &rq, &off));
    rq.guidance = 1;
    rq.negative_ids = turns[2], rq.n_negative = 6;
    REQUIRE_OK(generate_batch(s.g, &rq, &one));
    for (int i = 0; i < 8; i++) {
        EXPECT(same_tokens(&off.samples[i], &one.samples[i]));
        EXPECT_STREQ(off.samples[i].samplers, one.samples[i].samplers);
    }
    rq.n_prompts = 1, rq.guidance = 3, rq.negative_ids = turns[0], rq.n_negative = 6;
    REQUIRE_OK(generate_batch(s.g, &rq, &self));
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < self.samples[i].n_tokens; k++) EXPECT_EQ(self.samples[i].tokens[k].id, off.samples[i].tokens[k].id);
    batch_result_free(&self);
    rq.negative_ids = turns[2];
    REQUIRE_OK(generate_batch(s.g, &rq, &self));
    int differ = 0;
    for (int i = 0; i < 4; i++) differ += !same_tokens(&self.samples[i], &off.samples[i]);
    EXPECT_LT(2, differ);
    rq.num_samples = 64, rq.n_prompts = 2;
    REQUIRE_OK(generate_batch(s.other, &rq, &many));
    for (int i = 0; i < 4; i++) EXPECT(same_tokens(&self.samples[i], &many.samples[i]));
    batch_result_free(&many);
    rq.max_tokens = 1000, rq.num_samples = 1;
    rq.prompts = p + 1, rq.n_prompts = 1; /* the negative prompt is longer: its context is full first */
    REQUIRE_OK(generate_batch(s.g, &rq, &many));
    EXPECT_EQ(many.samples[0].stop, GLIMPSE_STOP_CONTEXT);
    EXPECT_EQ(many.samples[0].n_tokens, 64 - 6 + 1);
    batch_result_free(&many);
    rq.guidance = NAN;
    EXPECT_ERR(generate_batch(s.g, &rq, &many), GLIMPSE_E_INVALID, "guidance");
    batch_result_free(&off);
    batch_result_free(&one);
    batch_result_free(&self);
    done(&s);
}

/* A NaN behind the negative prompt ends the sample there, says so, and ends no other. */
TEST(guidance_nonfinite) {
    static const int32_t ids[] = { 3, 4, 5 }, negative[] = { 8, 1 };
    const batch_prompt p = { "abc", 3, ids, 3 };
    model *m;
    generator *g = fn_generator(&m);
    int length = 5;
    batch_request rq = request();
    batch_result r;
    bad_at = &length;
    rq.prompts = &p, rq.n_prompts = 1, rq.num_samples = 2, rq.guidance = 2, rq.negative_ids = negative, rq.n_negative = 2;
    REQUIRE_OK(generate_batch(g, &rq, &r));
    EXPECT_EQ(r.samples[0].stop, GLIMPSE_STOP_NONFINITE);
    EXPECT_EQ(r.samples[0].n_tokens, 3);
    EXPECT_STREQ(r.samples[0].why,
                 "the logits at position 5 are not finite after the samplers (the logit of id 2 of the negative prompt is NaN)");
    bad_at = NULL;
    batch_result_free(&r);
    generator_close(g);
    model_close(m);
}

/* --- going back ---------------------------------------------------------------------------------------------------- */

/* For each sampler of the table, on: k tokens, a clone, m more; the clone then draws what was drawn, as does one that stood at
 * the beginning and went over the first k again. */
TEST(sampler_states_go_back) {
    static const char *const on[] = { "logit_bias=3:0.5", "skew=0.4", "allowed_tokens=1,2,3,4,5,6,7,8,9,10,11,12", "banned_tokens=5,1-0",
        "penalties=1.4,frequency:0.3,presence:0.2,last_n:5", "no_repeat_ngram=2", "dry=0.9", "length_decay=1.2", "min_length=9",
        "forced_tokens=4,5", "forced_eos=true", "smoothing=0.3", "temperature=0.9", "top_n_sigma=1.2", "top_k=5", "tail_free=0.9",
        "top_a=0.3", "typical_p=0.8", "top_h=0.7", "top_p=0.8", "min_p=0.1", "epsilon_cutoff=0.05", "eta_cutoff=0.05",
        "xtc=0.6,threshold:0.05", "mirostat=2,tau:2", "mirostat=1,tau:2", "adaptive_p=0.3",
        "adaptive_p=0.3;adaptive_p=0.2,decay:0.5", "penalties=1.2;dry=0.5;temperature=0.7;top_k=9;mirostat=2,tau:2.5" };
    int covered = 0;
    for (int k = 0; k < sampler_kind_count; k++) {
        bool there = !strcmp(sampler_kinds[k]->ops.name, "cosine_penalty"); /* wants a model's embedding; no state of its own */
        for (size_t i = 0; i < sizeof on / sizeof *on; i++) {
            size_t n = strcspn(on[i], "=");
            const char *alias = sampler_kinds[k]->alias, *name = sampler_kinds[k]->ops.name;
            there |= (strlen(name) == n && !strncmp(name, on[i], n)) || (alias && strlen(alias) == n && !strncmp(alias, on[i], n));
        }
        if (!test_check(there, __FILE__, __LINE__, "%s is not in the list", sampler_kinds[k]->ops.name)) continue;
        covered++;
    }
    EXPECT_EQ(covered, sampler_kind_count);
    for (size_t i = 0; i < sizeof on / sizeof *on; i++) {
        sampler_settings one = { 1, 0, 1, 0, 1, on[i] };
        sampler_context cx = SAMPLER_CONTEXT_INIT;
        enum { K = 11, M = 13 };
        chain *c, *start, *saved;
        int ids[4 + K + M];
        glimpse_token first[K + M], again;
        glimpse_candidate tops[3], first_tops[K + M][3];
        double notes[K + M][4];
        draw_key key = { .key = 99 };
        cx.eos = 12, cx.max_tokens = K + M;
        REQUIRE_OK(chain_open_in(&one, &cx, FN_V, &c));
        REQUIRE(chain_notes(c) <= 4);
        for (int k = 0; k < 4; k++) ids[k] = 1 + k, chain_accept_prompt(c, ids[k]);
        REQUIRE_OK(chain_clone(c, &start));
        for (int k = 0; k < K + M; k++) {
            float row[FN_V];
            if (k == K) REQUIRE_OK(chain_clone(c, &saved));
            fn_row(ids, 4 + k - 1, row);
            REQUIRE_OK(chain_draw(c, row, &key, (uint32_t)(4 + k), 3, &first[k], first_tops[k]));
            chain_note(c, first[k].id, notes[k]);
            chain_accept(c, first[k].id);
            ids[4 + k] = first[k].id;
        }
        for (int k = 0; k < K; k++) chain_accept_again(start, first[k].id, notes[k]);
        chain *both[] = { saved, start };
        for (int b = 0; b < 2; b++)
            for (int k = K; k < K + M; k++) {
                float row[FN_V];
                fn_row(ids, 4 + k - 1, row);
                REQUIRE_OK(chain_draw(both[b], row, &key, (uint32_t)(4 + k), 3, &again, tops));
                again.top = first[k].top = NULL;
                if (!EXPECT_EQ(again.id, first[k].id) || !EXPECT_MEM(&again, &first[k], sizeof again)
                    || !EXPECT_MEM(tops, first_tops[k], (size_t)again.n_top * sizeof *tops))
                    test_check(false, __FILE__, __LINE__, "of %s", on[i]);
                chain_accept(both[b], again.id);
            }
        chain_close(c);
        chain_close(start);
        chain_close(saved);
    }
}
