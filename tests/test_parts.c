/* test_parts.c -- drawing from a part of a row: for many chains and rows the same token as from the whole row, and the same
 * record but for the last digits of its sums; a part listed by the emulated device is the one that a sort gives. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"
#include "sampling/samplers/sampler.h"
#include "tests/oracle.h"
#include "tests/test.h"

enum { V = 3000, TOP = 12 };

/* What a device would bring: by a sort, in double. */
typedef struct brought {
    row_part part;
    part_id listed[V];
    float named_l[V];
} brought;

static int by_key(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void bring(const float *l, const part_need *need, brought *out) {
    static uint64_t keys[V];
    static char named[V];
    int32_t n = 0;
    float most = -INFINITY;
    memset(named, 0, sizeof named);
    memset(out, 0, sizeof *out);
    for (int32_t i = 0; i < need->n_named; i++) {
        EXPECT(!named[need->named[i]]);
        named[need->named[i]] = 1;
        out->named_l[i] = l[need->named[i]];
    }
    row_part *p = &out->part;
    p->max = -INFINITY;
    for (int32_t i = 0; i < V; i++) {
        if (l[i] > p->max) p->max = l[i];
        p->n_finite += l[i] > -INFINITY;
        if (named[i] || !(l[i] > -INFINITY)) continue;
        keys[n++] = candidate_key(l[i], i);
        if (l[i] > most) most = l[i];
    }
    qsort(keys, (size_t)n, sizeof *keys, by_key);
    int32_t keep = need->k < n ? need->k : n;
    while (need->span <= 0 && keep < n && (double)candidate_key_logit(keys[keep]) - (double)most >= need->span) keep++;
    for (int32_t i = 0; i < keep; i++) out->listed[i] = (part_id){(int32_t)(uint32_t)keys[i], l[(uint32_t)keys[i]]};
    p->n = keep <= PART_MOST ? keep : -1;
    p->last = keep == n ? UINT64_MAX : keep ? keys[keep - 1] : 0;
    for (int32_t i = 0; i < V; i++) {
        double d = (double)l[i] - (double)p->max, e = exp(d);
        p->s += e;
        p->t += e > 0 ? d * e : 0;
        p->s_temp += exp(d * need->inv_t);
    }
    p->listed = out->listed;
    p->named_l = out->named_l;
}

static const struct { const char *chain; bool part; } chains[] = {
    {"temperature=0.7;top_k=40", true},
    {"top_k=40;typical_p=0.9;temperature=1.4", true},
    {"penalties=1.3,frequency:0.2;temperature=0.8;top_k=25;top_p=0.9;xtc=0.6,threshold:0.05", true},
    {"dry=0.9;top_k=30;top_p=0.8;min_p=0.02;temperature=0.9", true},
    {"logit_bias=5:3,70:-2,2999:6;banned_tokens=8,9-10;temperature=1.2;top_k=50;tail_free=0.95", true},
    {"no_repeat_ngram=2;min_length=5;length_decay=1.1,start:2;top_k=20;top_h=0.4", true},
    {"penalties=1.2;temperature=0.9;min_p=0.05;typical_p=0.8", true},
    {"min_p=0.2,min_keep:7;eta_cutoff=0.01", true},
    {"temperature=0", true},
    {"dry=0.5;temperature=0", true},
    {"top_k=60;mirostat=2,tau:3,eta:0.2", true},
    {"forced_tokens=7,8;top_k=10", true},
    {"top_k=400,ties:keep", false},
    {"temperature=0.8", false},
    {"top_p=0.9;top_k=40", false},
    {"temperature=0.8;dry=0.5;top_k=40", false},
    {"top_n_sigma=1;top_k=10", false},
    {"top_k=40;top_p=0.9,mass:joint", false},
    {"allowed_tokens=1,2,3;top_k=2", false},
    {"temperature=0.8,range:0.4;top_k=40", false},
    {"top_k=1025", false},
};

static void same(const glimpse_token *a, const glimpse_token *b, const char *what) {
    test_check(a->id == b->id && a->rank == b->rank && a->kept == b->kept && a->n_top == b->n_top && a->logit == b->logit, __FILE__, __LINE__,
               "%s: id %d rank %d kept %d logit %g, from a part %d %d %d %g", what, a->id, a->rank, a->kept, (double)a->logit, b->id, b->rank,
               b->kept, (double)b->logit);
    EXPECT_NEAR(a->logprob, b->logprob, 1e-4);
    EXPECT_NEAR(a->p_temp, b->p_temp, 1e-5);
    EXPECT_NEAR(a->p_final, b->p_final, 1e-6);
    EXPECT_NEAR(a->left, b->left, 1e-5);
    EXPECT_NEAR(a->entropy, b->entropy, 2e-4); /* rounded on both sides */
    for (int k = 0; k < a->n_top && k < b->n_top; k++) {
        EXPECT_EQ(a->top[k].id, b->top[k].id);
        EXPECT_NEAR(a->top[k].p, b->top[k].p, 1e-5);
        EXPECT_NEAR(a->top[k].p_final, b->top[k].p_final, 1e-6);
    }
}

TEST_LIMIT(parts_of_rows_give_the_same_tokens, 120) {
    static float l[V], row[V];
    static brought b;
    static int32_t named[PART_MOST_NAMED];
    uint64_t random = 5;
    int parts = 0, whole = 0;
    for (int i = 0; i < V; i++) row[i] = -INFINITY;
    for (size_t k = 0; k < sizeof chains / sizeof *chains; k++) {
        sampler_settings s = SAMPLER_SETTINGS_INIT;
        sampler_context x = SAMPLER_CONTEXT_INIT;
        chain *a = NULL, *c = NULL;
        s.order = chains[k].chain;
        x.eos = 11;
        x.max_tokens = 40;
        if (!EXPECT_OK(chain_open_in(&s, &x, V, &a)) || !EXPECT_OK(chain_open_in(&s, &x, V, &c))) continue;
        for (int pos = 0; pos < (test_is_full() ? 400 : 30); pos++) {
            part_need need;
            glimpse_token want = {.size = sizeof want}, got = {.size = sizeof got};
            glimpse_candidate tops[2][TOP];
            double wide = pos % 3 == 2 ? 0.02 : pos % 3 ? 12 : 4; /* nearly flat rows too, with ties */
            for (int i = 0; i < V; i++) {
                double u = oracle_uniform(&random);
                l[i] = (float)(pos % 5 == 4 ? floor(wide * u * 4) / 4 : wide * (u * u * u) - 3);
                if (pos % 7 == 6 && u < 0.4) l[i] = -INFINITY;
            }
            draw_key key = {draw_mix((uint64_t)pos * 77 + k), 0};
            bool fine = chain_part_need(a, TOP, named, PART_MOST_NAMED, &need);
            test_check(fine == chains[k].part, __FILE__, __LINE__, "%s: a part is %senough", chains[k].chain, fine ? "" : "not ");
            EXPECT_OK(chain_draw(c, l, &key, (uint32_t)pos, TOP, &want, tops[0]));
            if (!fine) break;
            bring(l, &need, &b);
            glimpse_status st = chain_draw_part(a, &need, &b.part, row, &key, (uint32_t)pos, TOP, &got, tops[1]);
            for (int i = 0; i < V; i++) EXPECT(row[i] == -INFINITY);
            if (st == GLIMPSE_SKIPPED) {
                whole++;
                EXPECT_OK(chain_draw(a, l, &key, (uint32_t)pos, TOP, &got, tops[1]));
            } else {
                parts++;
                EXPECT_OK(st);
            }
            same(&want, &got, chains[k].chain);
            chain_accept(a, want.id);
            chain_accept(c, want.id);
        }
        chain_close(a);
        chain_close(c);
    }
    EXPECT_LT(5 * whole, parts); /* forced and lifted ids, and flat rows with min_p, ask for the row */
    EXPECT_LT(0, whole);
}

TEST(parts_of_rows_that_are_not_finite_ask_for_the_row) {
    static float row[V];
    int32_t named[64];
    sampler_settings s = {1, 5, 1, 0, 1.5, NULL};
    chain *c = NULL;
    part_need need;
    row_part p = {.n = -1};
    glimpse_token t = {.id = 77};
    draw_key key = {1, 0};
    REQUIRE_OK(chain_open(&s, V, &c));
    for (int i = 0; i < 100; i++) chain_accept(c, i);
    EXPECT(!chain_part_need(c, 3, named, 64, &need)); /* no room for the ids that were said */
    chain_reset(c);
    chain_accept_prompt(c, 4);
    chain_accept_prompt(c, 4);
    EXPECT(chain_part_need(c, 3, named, 64, &need));
    EXPECT_EQ(need.k, 5);
    EXPECT_EQ(need.n_named, 1);
    EXPECT_EQ(need.named[0], 4);
    EXPECT_EQ(chain_draw_part(c, &need, &p, row, &key, 2, 0, &t, NULL), GLIMPSE_SKIPPED);
    EXPECT_EQ(t.id, 77);
    chain_close(c);
}
