/* test_beam.c -- beam search: transformers' own sequences and scores over a grid, batches, the cache that is not copied
 * whole, draws against the exact distribution, and what is refused. */
#include "kernels/backend.h"
#include "sampling/generate.h"
#include "sampling/model/model.h"
#include "tests/gpt2_weights.h"
#include "tests/oracle.h"
#include "tests/ref/beam_search.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- models --------------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t z) {
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/* tests/ref/beam_reference.py's table; *user is the seed. */
static int table_logits(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    uint64_t seed = *(const uint64_t *)user;
    for (int b = 0; b < B; b++) {
        uint64_t pos = (uint64_t)lengths[b] - 1, last = (uint64_t)ids[b * T + (int)pos];
        for (int v = 0; v < REF_TABLE_V; v++) {
            uint64_t h = mix(seed << 48 | last << 32 | pos << 16 | (uint64_t)v);
            out[b * REF_TABLE_V + v] = (float)((double)((int64_t)(h >> 48) - 32768) / 8192 + (v == REF_TABLE_EOS ? 2 : 0));
        }
    }
    return 0;
}

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
        glimpse_model d = GLIMPSE_MODEL_INIT;
        r->seed = (uint64_t)which + 1;
        d.vocab_size = REF_TABLE_V;
        d.max_seq_len = 64;
        d.eos = REF_TABLE_EOS;
        d.logits = table_logits;
        d.logits_user = &r->seed;
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
