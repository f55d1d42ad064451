/* test_samplers_same.c -- what must not change a token: its place in the batch, who shares the batch and with which settings
 * (through generate_batch, bit for bit); a constant added to the logits, ids that cannot be, the order of the vocabulary. */
#include "sampling/generate.h"
#include "sampling/samplers/sampler.h"
#include "tests/oracle.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* === In a batch */

enum { TOKENS = 20 };

static const char *const chains[] = {
    "temperature=0.8;top_k=20", "penalties=1.3,frequency:0.3;temperature=1.2;top_p=0.9;min_p=0.01",
    "dry=1,allowed_length:1;no_repeat_ngram=3;temperature=1.1;xtc=0.5,threshold:0.02", "temperature=1.1;mirostat=2,tau:3",
    "temperature=1;mirostat=1,tau:3", "temperature=0.9;min_p=0.05;adaptive_p=0.2", "temperature=1.5;typical_p=0.8;skew=0.4",
    "cosine_penalty=1;temperature=1,range:0.5;top_n_sigma=2;tail_free=0.95", "temperature=0"};
enum { N_CHAINS = sizeof chains / sizeof *chains };

static const int32_t ids_a[] = {5, 9, 2, 30, 11}, ids_b[] = {60}, ids_c[] = {1, 1, 2, 1, 1, 2, 7, 8};
static const batch_prompt prompts[3] = {{"abc", 3, ids_a, 5}, {"z", 1, ids_b, 1}, {"more", 4, ids_c, 8}};

typedef struct asked { /* prompts and chains by index */
    int prompt[3], n_prompts, chain[4], n_chains, samples;
} asked;

static bool generate(generator *g, const asked *a, batch_result *out) {
    static const char *const labels[] = {"a", "b", "c", "d"};
    batch_prompt p[3];
    sampler_settings s[4];
    for (int i = 0; i < a->n_prompts; i++) p[i] = prompts[a->prompt[i]];
    for (int i = 0; i < a->n_chains; i++) s[i] = (sampler_settings){1, 0, 1, 0, 1, chains[a->chain[i]]};
    batch_request rq = {.prompts = p, .n_prompts = a->n_prompts, .settings = s, .labels = labels, .n_settings = a->n_chains,
                        .num_samples = a->samples, .max_tokens = TOKENS, .n_top = 2, .seed = 7};
    return EXPECT_OK(generate_batch(g, &rq, out));
}

/* Tokens that differ between the samples that both have. */
static int differing(const asked *a, const batch_result *x, const asked *b, const batch_result *y, int *compared) {
    int differ = 0;
    for (int p = 0; p < a->n_prompts; p++)
        for (int q = 0; q < b->n_prompts; q++)
            for (int c = 0; c < a->n_chains; c++)
                for (int d = 0; d < b->n_chains; d++)
                    for (int k = 0; k < a->samples && k < b->samples; k++) {
                        if (a->prompt[p] != b->prompt[q] || a->chain[c] != b->chain[d]) continue;
                        const glimpse_sample *s = &x->samples[(p * a->n_chains + c) * a->samples + k];
                        const glimpse_sample *t = &y->samples[(q * b->n_chains + d) * b->samples + k];
                        if (!EXPECT_EQ(s->n_tokens, t->n_tokens)) continue;
                        for (int32_t i = 0; i < s->n_tokens; i++) {
                            const glimpse_token *m = &s->tokens[i], *n = &t->tokens[i];
                            differ += m->id != n->id || m->p_final != n->p_final || m->logit != n->logit || m->kept != n->kept;
                            ++*compared;
                        }
                    }
    return differ;
}

TEST_LIMIT(samplers_same_in_any_batch, 120) {
    tiny_gpt gpt;
    model *m = NULL;
    generator *g = NULL;
    generator_config cfg = {.threads = 2};
    tiny_gpt_make(&gpt, 3, 4, 40, 61, 64, -1, 3);
    REQUIRE_OK(model_from_description(&gpt.model, &m));
    REQUIRE_OK(generator_open(m, NULL, &cfg, &g));
    for (int c = 0; c < N_CHAINS; c++) {
        int mate = (c + 1) % N_CHAINS, other = (c + 4) % N_CHAINS, compared = 0;
        const asked alone = {{0}, 1, {c}, 1, 1}, all = {{0, 1, 2}, 3, {c, mate}, 2, 3};
        const asked others[] = {{{2, 0, 1}, 3, {c, mate}, 2, 3},         /* rows permuted */
                                {{0, 1, 2}, 3, {c, other}, 2, 3},        /* the mate's settings changed */
                                {{0, 1, 2}, 3, {mate, other, c}, 3, 3},  /* in another slot */
                                {{0, 1, 2}, 3, {c, mate}, 2, 9},         /* padded by more samples: more than a wave of rows */
                                {{1, 0}, 2, {c}, 1, 2}, alone};
        batch_result x, y;
        REQUIRE(generate(g, &all, &x));
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            REQUIRE(generate(g, &others[i], &y));
            EXPECT_EQ(differing(&all, &x, &others[i], &y, &compared), 0);
            batch_result_free(&y);
        }
        EXPECT_EQ(compared, TOKENS * 68);
        int distinct = 0; /* the samples are not all one */
        for (int32_t i = 1; i < TOKENS; i++) distinct += x.samples[0].tokens[i].id != x.samples[1].tokens[i].id;
        EXPECT(distinct > 3 || !strcmp(chains[c], "temperature=0"));
        batch_result_free(&x);
    }
    generator_close(g);
    model_close(m);
    tiny_gpt_free(&gpt);
}

/* === In a row */

enum { V = 700, MORE = 90 };
enum { SHIFT = 1, FILL = 2, ORDER = 4 }; /* what a sampler may notice: a constant, ids of -inf, the order of ids */
static const struct { const char *order; int notices; } each[] = {
    {"logit_bias=3:1.5,8:-2", 0},       {"allowed_tokens=1,3,5,7,9", 0}, {"banned_tokens=3,10", 0},
    {"penalties=1.5", SHIFT},           {"penalties=1,0.5,0.25", 0},     {"no_repeat_ngram=1", 0},
    {"dry=1,1.75,1", 0},                {"length_decay=1.5", SHIFT},     {"min_length=90", 0},
    {"forced_tokens=1,1,1,1,1,6,7", 0}, {"smoothing=0.25,1.5", 0},       {"temperature=0.7", 0},
    {"temperature=1,0.5,2", 0},         {"top_n_sigma=1.5", 0},          {"top_k=40", 0},
    {"top_k=40,ties:keep", 0},          {"tail_free=0.9", 0},            {"top_a=0.2", 0},
    {"typical_p=0.6", 0},               {"top_h=0.6", 0},                {"top_p=0.8", 0},
    {"min_p=0.1", 0},                   {"epsilon_cutoff=0.004", 0},     {"eta_cutoff=0.01", 0},
    {"skew=0.5", ORDER},                {"xtc=0.6,0.01", 0},             {"mirostat=1,4.7", FILL},
    {"mirostat=2,3", 0},                {"adaptive_p=0.05", 0},          {"cosine_penalty=2,2", ORDER}};

static void cosines(void *user, int32_t id, float *out) {
    for (int32_t j = 0; j < *(const int32_t *)user; j++) out[j] = (float)((id + j) % 9) / 8;
}

static chain *open_each(const char *order, int32_t vocab, const int32_t *place) {
    static int32_t sizes[2] = {V, V + MORE};
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    sampler_context x = SAMPLER_CONTEXT_INIT;
    char mapped[200], *out = mapped;
    chain *c = NULL;
    bool lists = strstr(order, "_tokens=") || strstr(order, "bias=");
    size_t skip = lists ? strcspn(order, "=") + 1 : strlen(order);
    memcpy(out, order, skip), out += skip;
    for (const char *at = order + skip; *at;) { /* ids, and after a colon a bias */
        char *end;
        long id = strtol(at, &end, 10);
        size_t rest = strcspn(end, ",");
        out += snprintf(out, 32, "%d%.*s%s", place[id], (int)rest, end, end[rest] ? "," : "");
        at = end + rest + (end[rest] != 0);
    }
    *out = 0;
    s.order = mapped;
    x.eos = place[12];
    x.cosines = cosines;
    x.user = vocab == V ? &sizes[0] : &sizes[1];
    if (!EXPECT_OK(chain_open_in(&s, &x, vocab, &c))) return NULL;
    for (int k = 0; k < 5; k++) chain_accept(c, place[k % 3 * 4]);
    return c;
}

TEST(samplers_same_row_moved) {
    float l[V], moved[V + MORE];
    int32_t same[V + MORE], place[V];
    uint64_t rng = 9;
    for (int i = 0; i < V + MORE; i++) same[i] = i;
    for (int i = 0; i < V; i++) place[i] = i, l[i] = (float)i / 128 - 3; /* no two alike, exact with 32 added */
    for (int i = V - 1; i > 0; i--) {
        int j = (int)(oracle_random(&rng) % (uint64_t)(i + 1)), t = place[i];
        float x = l[i];
        l[i] = l[j], l[j] = x;
        j = (int)(oracle_random(&rng) % (uint64_t)(i + 1));
        t = place[i], place[i] = place[j], place[j] = t;
    }
    for (size_t k = 0; k < sizeof each / sizeof *each; k++) {
        chain *c = open_each(each[k].order, V, same), *more = open_each(each[k].order, V + MORE, same),
              *order = open_each(each[k].order, V, place);
        int differ[3] = {0};
        REQUIRE(c && more && order);
        for (uint32_t at = 0; at < 60; at++) {
            glimpse_token t, u;
            draw_key key = {77, 0};
            REQUIRE_OK(chain_draw(c, l, &key, at, 0, &t, NULL));
            for (int i = 0; i < V; i++) moved[i] = l[i] + 32;
            REQUIRE_OK(chain_draw(c, moved, &key, at, 0, &u, NULL));
            differ[0] += u.id != t.id || u.kept != t.kept || !(fabsf(u.p_final - t.p_final) <= 2e-4f * t.p_final);
            for (int i = 0; i < V + MORE; i++) moved[i] = i < V ? l[i] : -INFINITY;
            REQUIRE_OK(chain_draw(more, moved, &key, at, 0, &u, NULL));
            differ[1] += u.id != t.id || u.kept != t.kept || !(fabsf(u.p_final - t.p_final) <= 2e-5f * t.p_final);
            for (int i = 0; i < V; i++) moved[place[i]] = l[i];
            if (strncmp(each[k].order, "xtc", 3)) { /* whose coin needs a draw */
                REQUIRE_OK(chain_score(c, l, t.id, 0, &t, NULL));
                REQUIRE_OK(chain_score(order, moved, place[t.id], 0, &u, NULL));
            } else u = t;
            differ[2] += u.kept != t.kept || !(fabsf(u.p_final - t.p_final) <= 2e-5f * t.p_final);
        }
        for (int i = 0; i < 3; i++)
            test_check((differ[i] > 0) == ((each[k].notices >> i & 1) != 0), __FILE__, __LINE__, "%s: %d of 60 draws differ by %s",
                       each[k].order, differ[i], i == 0 ? "a constant" : i == 1 ? "ids of -inf" : "the order of ids");
        chain_close(c), chain_close(more), chain_close(order);
    }
    for (int i = 0; i < sampler_kind_count; i++) { /* a sampler that joins the table joins this test; forced_eos looks at no row */
        bool seen = !strcmp(sampler_kinds[i]->ops.name, "forced_eos");
        for (size_t k = 0; k < sizeof each / sizeof *each && !seen; k++)
            seen = !strncmp(each[k].order, sampler_kinds[i]->ops.name, strlen(sampler_kinds[i]->ops.name));
        if (!EXPECT(seen)) printf("%s has no row here\n", sampler_kinds[i]->ops.name);
    }
}

/* The draw over ids that stand anywhere, against each id scored in turn, by every instruction set. */
TEST(samplers_same_draw_over_some) {
    static const char *const isas[] = {"generic", "avx2", "avx512"};
    static float l[5000];
    static int32_t id[5000];
    uint64_t rng = 17;
    int distinct = 0;
    for (int round = 0; round < 300; round++) {
        int32_t n = 1 + (int32_t)(oracle_random(&rng) % (round % 3 ? 40 : 5000)), at = 0, want = -1;
        double inv_t = exp(oracle_normal(&rng)), best = -INFINITY;
        float max = -INFINITY;
        for (int32_t i = 0; i < n; i++) {
            id[i] = at += 1 + (int32_t)(oracle_random(&rng) % 200);
            l[i] = round % 5 == 4 ? (float)(oracle_random(&rng) % 3) : (float)(oracle_normal(&rng) * 4);
            if (oracle_random(&rng) % 9 == 0) l[i] = -INFINITY;
            max = l[i] > max ? l[i] : max;
        }
        if (!(max > -INFINITY)) l[0] = max = 1;
        draw_key key = {oracle_random(&rng), (uint32_t)(round % 2)};
        for (int32_t i = 0; i < n; i++) {
            if (!(l[i] > -INFINITY)) continue;
            double score = draw_score(l[i], max, inv_t, key, 7, (uint32_t)id[i]);
            if (want < 0 || score > best) best = score, want = id[i];
        }
        distinct += want != id[0];
        for (int k = 0; k < 3; k++) {
            const row_ops *ops = row_ops_for(isas[k]);
            if (ops) EXPECT_EQ(ops->draw_some(l, id, n, max, inv_t, key, 7), want);
        }
    }
    EXPECT(distinct > 200);
}
