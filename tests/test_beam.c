/* test_beam.c -- beam search: transformers' own sequences and scores over a grid, batches, the cache that is not copied
 * whole, draws against the exact distribution, and what is refused. */
#include "kernels/backend.h"
#include "sampling/generate.h"
#include "sampling/model/model.h"
#include "tests/gpt2_weights.h"
#include "tests/oracle.h"
#include "tests/ref/beam_search.h"
#include "tests/table_model.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- models --------------------------------------------------------------------------------------------------------- */

typedef struct rig {
    model *m;
    generator *g;
    uint64_t seed;
    ref_model gpt2;
} rig;

static bool rig_open(rig *r, int which, int threads, const backend_ops *ops) {
    generator_config cfg = {.threads = threads, .ops = ops};
    memset(r, 0, sizeof *r);
    if (which < 3) {
        r->seed = (uint64_t)which + 1;
        glimpse_model d = table_model(&r->seed);
        if (!EXPECT_OK(model_from_description(&d, &r->m))) return false;
    } else {
        ref_model_make(&r->gpt2, REF_GPT2, REF_SEPARATE, GLIMPSE_F32);
        r->gpt2.d.eos = REF_GPT2_EOS;
        if (!EXPECT_OK(model_from_description(&r->gpt2.d, &r->m))) return false;
    }
    return EXPECT_OK(generator_open(r->m, NULL, &cfg, &r->g));
}

static void rig_close(rig *r) {
    generator_close(r->g);
    model_close(r->m);
    if (r->gpt2.memory[0]) ref_model_free(&r->gpt2);
}

static const char *const no_labels[] = {"beams", "beams"};
static const sampler_settings plain[] = {SAMPLER_SETTINGS_INIT, SAMPLER_SETTINGS_INIT};

static batch_request request(const batch_prompt *p, int n_prompts, int width, int n_return, int tokens) {
    return (batch_request){.prompts = p, .n_prompts = n_prompts, .settings = plain, .labels = no_labels, .n_settings = 1,
                           .num_samples = n_return, .max_tokens = tokens, .n_top = 2, .seed = 3,
                           .beams = {.width = width, .n_groups = 1, .length_penalty = 1}};
}

/* --- against transformers ------------------------------------------------------------------------------------------- */

static int32_t prompt_of(int which, int32_t *ids) {
    if (which < 3) {
        ids[0] = 3;
        ids[1] = 1 + which;
        return 2;
    }
    for (int i = 0; i < 7; i++) ids[i] = ref_id(0, i);
    return 7;
}

static void check_case(rig *r, const ref_beam_case *c, int number) {
    int32_t ids[8], n_ids = prompt_of(c->model, ids);
    batch_prompt p = {"x", 1, ids, n_ids};
    char ngram[16], least[16];
    snprintf(ngram, sizeof ngram, "%d", c->ngram);
    snprintf(least, sizeof least, "%d", c->min_new);
    sampler_flag flags[] = {{"ban_repeat_ngram", ngram}, {"min_length", least}};
    sampler_context x = SAMPLER_CONTEXT_INIT;
    x.flags = flags;
    x.n_flags = 2;
    sampler_settings set = {0.5, 3, 0.5, 0.5, c->repetition, NULL}; /* what shapes a draw does nothing here */
    batch_request rq = request(&p, 1, c->width, c->width, c->max_new);
    rq.settings = &set;
    rq.context = &x;
    rq.beams = (beam_settings){.width = c->width, .n_groups = c->groups, .diversity = c->diversity,
                               .length_penalty = c->length_penalty, .stopping = (beam_stopping)c->early_stopping};
    batch_result out;
    REQUIRE_OK(generate_batch(r->g, &rq, &out));
    bool same = out.n_samples == c->n;
    for (int i = 0; i < c->n && same; i++) {
        const ref_beam_sequence *want = &ref_beam_sequences[c->first + i];
        const glimpse_sample *got = &out.samples[i];
        same = got->n_tokens == want->n && fabs(got->beam_score - want->score) <= 1e-5 * (1 + fabs(want->score));
        for (int k = 0; k < want->n && same; k++) same = got->tokens[k].id == want->ids[k];
        EXPECT(got->stop == (want->ids[want->n - 1] == (c->model < 3 ? REF_TABLE_EOS : REF_GPT2_EOS) ? GLIMPSE_STOP_EOS
                                                                                                   : GLIMPSE_STOP_LENGTH));
        EXPECT(got->n_beams == c->width && got->sample == i && got->n_samples == c->width);
    }
    if (!same) {
        buffer b = {0};
        for (int i = 0; i < c->n; i++) {
            const ref_beam_sequence *want = &ref_beam_sequences[c->first + i];
            buf_printf(&b, "\n  want %.6f", want->score);
            for (int k = 0; k < want->n; k++) buf_printf(&b, " %d", want->ids[k]);
            if (i >= out.n_samples) continue;
            buf_printf(&b, "\n  have %.6f", out.samples[i].beam_score);
            for (int k = 0; k < out.samples[i].n_tokens; k++) buf_printf(&b, " %d", out.samples[i].tokens[k].id);
        }
        test_check(false, __FILE__, __LINE__, "case %d: model %d, width %d, groups %d, diversity %g, penalty %g, early %d%s", number,
                   c->model, c->width, c->groups, c->diversity, c->length_penalty, c->early_stopping, buf_str(&b));
        buf_free(&b);
    }
    batch_result_free(&out);
}

TEST(beam_like_transformers) {
    for (int which = 0; which < 4; which++) {
        rig r;
        REQUIRE(rig_open(&r, which, 2, NULL));
        int n = 0;
        for (int i = 0; i < REF_BEAM_CASES; i++)
            if (ref_beam_cases[i].model == which) check_case(&r, &ref_beam_cases[i], i), n++;
        EXPECT_LE(20, n);
        rig_close(&r);
    }
}

/* --- one batch, one cache --------------------------------------------------------------------------------------------- */

static void print_sample(const glimpse_sample *s, buffer *out) {
    buf_printf(out, "%d %d %d %a %d|", s->prompt, s->setting, s->sample, s->beam_score, (int)s->stop);
    for (int i = 0; i < s->n_tokens; i++) {
        const glimpse_token *t = &s->tokens[i];
        buf_printf(out, "%d %a %a %a %a %d %d %d|", t->id, (double)t->logit, (double)t->logprob, (double)t->p_final, (double)t->entropy,
                   t->rank, t->kept, t->top[1].id);
    }
    buf_putc(out, '\n');
}

static const beam_settings searches[] = {{5, 1, 0, 1, BEAM_STOP_FALSE, false}, {6, 3, 0.7, 1, BEAM_STOP_FALSE, false},
                                         {4, 1, 0, 1, BEAM_STOP_NEVER, true}};

/* Prompts and settings of one batch find what each finds alone, in waves or side by side, with 1 thread or 3. */
TEST(beam_batches) {
    static const int32_t a[] = {5, 9, 2, 30, 11}, b[] = {60}, c[] = {7, 7};
    const batch_prompt prompts[] = {{"abc", 3, a, 5}, {"z", 1, b, 1}, {"gg", 2, c, 2}};
    static const sampler_settings set[] = {{0.9, 30, 1, 0, 1, NULL}, {1, 0, 0.9, 0, 1.3, NULL}};
    for (int k = 0; k < 3; k++) {
        buffer whole[2] = {{0}}, alone = {0};
        for (int threads = 1; threads <= 3; threads += 2) {
            rig r;
            batch_result out;
            REQUIRE(rig_open(&r, 3, threads, NULL));
            for (int i = 0; i < 7; i++) { /* 7 times the same: more than a wave holds */
                batch_prompt many[21];
                for (int j = 0; j < 21; j++) many[j] = prompts[j % 3];
                batch_request rq = request(i ? many : prompts, i ? 21 : 3, 0, 3, 9);
                rq.settings = set;
                rq.n_settings = 2;
                rq.beams = searches[k];
                if (i == 6) {
                    REQUIRE_OK(generate_batch(r.g, &rq, &out));
                    EXPECT_EQ(out.n_samples, 21 * 2 * 3);
                    for (int j = 0; j < 18; j++) {
                        buffer first = {0}, later = {0};
                        print_sample(&out.samples[j], &first);
                        out.samples[j + 18 * 5].prompt -= 15;
                        print_sample(&out.samples[j + 18 * 5], &later);
                        EXPECT_STREQ(buf_str(&first), buf_str(&later));
                        buf_free(&first);
                        buf_free(&later);
                    }
                    batch_result_free(&out);
                } else if (i == 0) {
                    REQUIRE_OK(generate_batch(r.g, &rq, &out));
                    for (int j = 0; j < out.n_samples; j++) print_sample(&out.samples[j], &whole[threads / 2]);
                    batch_result_free(&out);
                }
            }
            for (int p = 0; p < 3 && threads == 1; p++)
                for (int s = 0; s < 2; s++) {
                    batch_request rq = request(&prompts[p], 1, 0, 3, 9);
                    rq.settings = &set[s];
                    rq.beams = searches[k];
                    REQUIRE_OK(generate_batch(r.g, &rq, &out));
                    for (int j = 0; j < out.n_samples; j++) {
                        out.samples[j].prompt = p;
                        out.samples[j].setting = s;
                        print_sample(&out.samples[j], &alone);
                    }
                    batch_result_free(&out);
                }
            rig_close(&r);
        }
        EXPECT_STREQ(buf_str(&whole[0]), buf_str(&whole[1]));
        EXPECT_STREQ(buf_str(&whole[0]), buf_str(&alone));
        buf_free(&whole[0]), buf_free(&whole[1]), buf_free(&alone);
    }
}

/* A backend that counts what is copied, and checks every row against the text it should be behind. */
static int64_t copied, forwarded;
static glimpse_status counting_copy(backend *be, int32_t from, int32_t to, int32_t first, int32_t n) {
    copied += n;
    return backend_cpu.copy(be, from, to, first, n);
}
static glimpse_status counting_forward(backend *be, const backend_row *rows, int32_t n, const float **logits, int64_t *stride) {
    forwarded += n;
    return backend_cpu.forward(be, rows, n, logits, stride);
}
static backend_ops counting;
static glimpse_status counting_open(backend **out, const plan *p, const backend_config *cfg) {
    TRY(backend_cpu.open(out, p, cfg));
    (*out)->ops = &counting;
    return GLIMPSE_OK;
}

/* The cached search finds, bit for bit, what the model says of each sequence read whole; and few positions are copied. */
TEST(beam_cache_is_the_text) {
    counting = backend_cpu;
    counting.open = counting_open;
    counting.copy = counting_copy;
    counting.forward = counting_forward;
    for (int k = 0; k < 3; k++) {
        rig r;
        batch_result out, read;
        int32_t ids[64], n_ids = prompt_of(3, ids);
        batch_prompt p = {"x", 1, ids, n_ids};
        copied = forwarded = 0;
        REQUIRE(rig_open(&r, 3, 2, &counting));
        batch_request rq = request(&p, 1, 0, 4, 24);
        rq.beams = searches[k];
        rq.ignore_eos = true;
        REQUIRE_OK(generate_batch(r.g, &rq, &out));
        EXPECT_LE(1, copied);
        EXPECT(copied * 2 < (forwarded - n_ids) * 12); /* whole strips: 12 positions a move on average */
        for (int j = 0; j < out.n_samples; j++) {
            const glimpse_sample *s = &out.samples[j];
            double sum = 0;
            for (int i = 0; i < s->n_tokens; i++) ids[n_ids + i] = s->tokens[i].id;
            REQUIRE_OK(score_ids(r.g, ids, n_ids + s->n_tokens, 2, &read));
            for (int i = 0; i < s->n_tokens; i++) {
                const glimpse_token *a = &s->tokens[i], *b = &read.samples->tokens[n_ids - 1 + i];
                EXPECT(a->id == b->id && a->logit == b->logit && a->rank == b->rank);
                EXPECT_NEAR(a->logprob, b->logprob, 2e-5 * (1 + fabs((double)b->logprob)));
                EXPECT_NEAR(a->entropy, b->entropy, 2e-5 * (1 + fabs((double)b->entropy)));
                sum += (double)b->logprob;
            }
            if (k == 0) EXPECT_NEAR(s->beam_score, sum / s->n_tokens, 1e-4);
            batch_result_free(&read);
        }
        batch_result_free(&out);
        rig_close(&r);
    }
}

/* A wide enough beam search is exhaustive: every text of three tokens over a few ids, scored by brute force. */
TEST(beam_exhaustive) {
    rig r;
    batch_result out;
    int32_t ids[] = {4, 9};
    batch_prompt p = {"x", 1, ids, 2};
    sampler_flag allowed = {"allowed_tokens", "1 2 3 4"};
    sampler_context x = SAMPLER_CONTEXT_INIT;
    x.flags = &allowed;
    x.n_flags = 1;
    REQUIRE(rig_open(&r, 1, 1, NULL));
    batch_request rq = request(&p, 1, 64, 64, 3);
    rq.context = &x;
    REQUIRE_OK(generate_batch(r.g, &rq, &out));
    EXPECT_EQ(out.n_samples, 64);
    for (int j = 0; j < out.n_samples; j++) {
        const glimpse_sample *s = &out.samples[j];
        double sum = 0;
        int last[2] = {4, 9}, text[8] = {4, 9};
        (void)last;
        for (int i = 0; i < 3; i++) {
            float row[REF_TABLE_V];
            int length = 2 + i;
            double p_of[REF_TABLE_V];
            table_logits(&r.seed, 1, length, text, &length, row);
            oracle_softmax(row, REF_TABLE_V, 1, p_of);
            sum += log(p_of[s->tokens[i].id]);
            text[2 + i] = s->tokens[i].id;
        }
        EXPECT_NEAR(s->beam_score, sum / 3, 1e-5);
        for (int k = 0; k < j; k++)
            EXPECT(out.samples[k].tokens[0].id != s->tokens[0].id || out.samples[k].tokens[1].id != s->tokens[1].id
                   || out.samples[k].tokens[2].id != s->tokens[2].id);
        if (j) EXPECT_LE(s->beam_score, out.samples[j - 1].beam_score);
    }
    batch_result_free(&out);
    rig_close(&r);
}

/* Sampled beams: which first tokens four candidates hold, against drawing without replacement by hand. */
TEST(beam_draws_without_replacement) {
    enum { N = 5, TRIALS = 40000 };
    const double p_of[N] = {0.4, 0.3, 0.15, 0.1, 0.05};
    float l[N];
    int64_t count[N * N] = {0};
    double want[N * N];
    chain *c;
    sampler_settings set = SAMPLER_SETTINGS_INIT;
    for (int i = 0; i < N; i++) l[i] = (float)log(p_of[i]);
    REQUIRE_OK(chain_open(&set, N, &c));
    for (int t = 0; t < TRIALS; t++) {
        draw_key key = {draw_key_make((uint64_t)t, "k", 1, 0), 0};
        chain_choice two[2];
        int32_t n = 0;
        REQUIRE_OK(chain_best(c, l, 2, &key, 3, two, &n));
        REQUIRE(n == 2 && two[0].id != two[1].id && two[0].order >= two[1].order);
        count[two[0].id * N + two[1].id]++;
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) want[i * N + j] = i == j ? 0 : p_of[i] * p_of[j] / (1 - p_of[i]);
    EXPECT_LT(1e-4, oracle_fit_p(count, want, N * N));
    for (int i = 0; i < N; i++) /* drawn with replacement, as a plain draw twice would */
        for (int j = 0; j < N; j++) want[i * N + j] = i == j ? 0 : p_of[i] * p_of[j] / 0.735;
    EXPECT_LT(oracle_fit_p(count, want, N * N), 1e-4);
    chain_close(c);
}

/* --- edges ------------------------------------------------------------------------------------------------------------- */

static int broken_at = -1;
static int breaking_logits(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    table_logits(user, B, T, ids, lengths, out);
    for (int b = 0; b < B; b++)
        if (lengths[b] == broken_at) out[b * REF_TABLE_V + 7] = NAN;
    return 0;
}

TEST(beam_rows_that_are_not_finite) {
    for (int at = 2; at <= 4; at++) {
        uint64_t seed = 1;
        glimpse_model d = GLIMPSE_MODEL_INIT;
        d.vocab_size = REF_TABLE_V;
        d.max_seq_len = 64;
        d.logits = breaking_logits;
        d.logits_user = &seed;
        model *m;
        generator *g;
        batch_result out = {0};
        generator_config cfg = {.threads = 2};
        int32_t ids[] = {3, 1};
        batch_prompt p = {"x", 1, ids, 2};
        broken_at = at;
        REQUIRE_OK(model_from_description(&d, &m));
        REQUIRE_OK(generator_open(m, NULL, &cfg, &g));
        batch_request rq = request(&p, 1, 3, 2, 8);
        if (at == 2) {
            EXPECT_ERR(generate_batch(g, &rq, &out), GLIMPSE_E_NONFINITE, "id 7");
        } else if (EXPECT_OK(generate_batch(g, &rq, &out))) {
            EXPECT_EQ(out.n_samples, 2);
            for (int i = 0; i < out.n_samples; i++) {
                EXPECT_EQ(out.samples[i].stop, GLIMPSE_STOP_NONFINITE);
                EXPECT_EQ(out.samples[i].n_tokens, at - 2);
                EXPECT(out.samples[i].why && strstr(out.samples[i].why, "id 7"));
            }
            batch_result_free(&out);
        }
        generator_close(g);
        model_close(m);
    }
}

/* A stop string ends beams and is cut off; without a tokenizer a token's text is its id and a blank. */
TEST(beam_stop_strings) {
    rig r;
    batch_result out;
    int32_t ids[] = {3, 1};
    batch_prompt p = {"x", 1, ids, 2};
    const char *const stops[] = {"1 ", "22 "};
    REQUIRE(rig_open(&r, 0, 2, NULL));
    batch_request rq = request(&p, 1, 6, 6, 12);
    rq.stops = stops;
    rq.n_stops = 2;
    rq.ignore_eos = true;
    REQUIRE_OK(generate_batch(r.g, &rq, &out));
    int found = 0;
    for (int i = 0; i < out.n_samples; i++) {
        const glimpse_sample *s = &out.samples[i];
        EXPECT(!strstr(s->text, "1 ") && !strstr(s->text, "22 "));
        if (s->stop == GLIMPSE_STOP_STRING) {
            int last = s->tokens[s->n_tokens - 1].id;
            EXPECT(last % 10 == 1 || last == 22);
            found++;
        } else EXPECT_EQ(s->stop, GLIMPSE_STOP_LENGTH);
    }
    EXPECT_LE(1, found);
    batch_result_free(&out);
    rig_close(&r);
}

/* The model's context ends a search like a length; a context with no room for a second token too. */
TEST(beam_context) {
    rig r;
    batch_result out;
    int32_t ids[64];
    for (int i = 0; i < 32; i++) ids[i] = ref_id(1, i);
    REQUIRE(rig_open(&r, 3, 1, NULL));
    for (int n = 29; n <= 32; n++) {
        batch_prompt p = {"x", 1, ids, n};
        batch_request rq = request(&p, 1, 4, 4, 50);
        rq.ignore_eos = true;
        REQUIRE_OK(generate_batch(r.g, &rq, &out));
        for (int i = 0; i < out.n_samples; i++) {
            EXPECT_EQ(out.samples[i].stop, GLIMPSE_STOP_CONTEXT);
            EXPECT_EQ(out.samples[i].n_tokens, 33 - n);
        }
        batch_result_free(&out);
    }
    rig_close(&r);
}

TEST(beam_refuses) {
    rig r;
    batch_result out;
    int32_t ids[] = {3, 1};
    batch_prompt p = {"x", 1, ids, 2};
    static const struct {
        beam_settings b;
        int n_return;
        const char *says;
    } bad[] = {{{65, 1, 0, 1, 0, false}, 1, "--num_beams is 65"},
               {{4, 3, 0.5, 1, 0, false}, 1, "--num_beam_groups is 3"},
               {{4, 2, 0.5, 1, 0, true}, 1, "--beam_sample"},
               {{4, 1, 0, 1, 0, false}, 5, "--num_return_sequences is 5"},
               {{4, 2, -1, 1, 0, false}, 1, "--diversity_penalty"},
               {{4, 2, NAN, 1, 0, false}, 1, "--diversity_penalty"},
               {{4, 1, 0, NAN, 0, false}, 1, "--length_penalty"}};
    REQUIRE(rig_open(&r, 0, 1, NULL));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        batch_request rq = request(&p, 1, 4, bad[i].n_return, 3);
        rq.beams = bad[i].b;
        EXPECT_ERR(generate_batch(r.g, &rq, &out), GLIMPSE_E_INVALID, bad[i].says);
    }
    rig_close(&r);
}
