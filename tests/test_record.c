/* test_record.c -- records: the arena, the rounding against the C library's text, packing against hostile bytes. */
#include "tests/test.h"
#include "tests/oracle.h"
#include "include/internal/record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST(record_arena_is_zeroed_aligned_and_apart) {
    arena *a = arena_new();
    REQUIRE(a != NULL);
    static char *p[2000];
    static size_t n[2000];
    uint64_t rng = 1;
    for (int i = 0; i < 2000; i++) {
        n[i] = oracle_random(&rng) % (i % 100 == 7 ? 300000 : 200);
        p[i] = arena_alloc(a, n[i]);
        REQUIRE(p[i] != NULL);
        EXPECT_EQ((uintptr_t)p[i] % 16, 0);
        for (size_t j = 0; j < n[i]; j++) REQUIRE(p[i][j] == 0);
        memset(p[i], i % 251 + 1, n[i]);
    }
    for (int i = 0; i < 2000; i++)
        for (size_t j = 0; j < n[i]; j++) REQUIRE(p[i][j] == (char)(i % 251 + 1));
    EXPECT_STREQ(arena_text(a, "abc", 2), "ab");
    EXPECT_STREQ(arena_text(a, NULL, 0), "");
    EXPECT(arena_alloc(a, SIZE_MAX - 8) == NULL);
    EXPECT(arena_text(a, "", SIZE_MAX) == NULL);
    arena_free(a);
    arena_free(NULL);
}

static double by_library(double x, int digits) {
    char text[64];
    snprintf(text, sizeof text, "%.*g", digits, x); /* glibc: exact, half to even */
    return strtod(text, NULL);
}

TEST(record_round_is_what_the_text_reads_back_to) {
    uint64_t rng = 7;
    int n = test_is_slow_build() ? 50000 : 400000, bad = 0;
    for (int i = 0; i < n; i++) {
        uint64_t bits = oracle_random(&rng);
        int digits = 1 + (int)(oracle_random(&rng) % 17);
        double x;
        switch (i % 5) {
        case 0: memcpy(&x, &bits, sizeof x); break;
        case 1: x = oracle_uniform(&rng); break;
        case 2: x = ldexp(oracle_uniform(&rng), (int)(oracle_random(&rng) % 140) - 70); break;
        case 3: x = (double)(int64_t)(bits % 2000001) / (double)(1 << (bits >> 40) % 24); break; /* exact halves */
        default: digits = 5; x = (float)-log(oracle_uniform(&rng)); break;
        }
        double want = by_library(x, digits), got = record_round(x, digits);
        if (!isfinite(want)) want = NAN;
        if (isnan(want) ? isnan(got) : memcmp(&want, &got, sizeof want) == 0) continue;
        if (bad++ < 5) EXPECT(!"differs"), printf("%a to %d digits: want %a, got %a\n", x, digits, want, got);
    }
    EXPECT_EQ(bad, 0);
    EXPECT(isnan(record_round(NAN, 5)) && isnan(record_round(INFINITY, 5)) && isnan(record_round(-INFINITY, 5)));
    EXPECT(record_round(0.0, 5) == 0 && signbit(record_round(-0.0, 5)));
    EXPECT_EQ(record_round(12345.5, 5) == 12346.0, 1); /* ties to even in the last kept digit, as printf does */
    EXPECT_EQ(record_round(12344.5, 5) == 12344.0, 1);
    EXPECT_EQ(record_round(99999.5, 5) == 100000.0, 1);
}

TEST(record_round_in_a_comma_locale) {
    double a[4] = {1e-30, 5e-324, 1.7976931348623157e308 / 4, 0.123456789}, b[4];
    for (int i = 0; i < 4; i++) b[i] = record_round(a[i], 5);
    if (!test_use_comma_locale()) SKIP("no locale with a comma");
    for (int i = 0; i < 4; i++) EXPECT(record_round(a[i], 5) == b[i]);
}

TEST(record_roundf_has_the_same_text) {
    uint64_t rng = 9;
    for (int i = 0; i < 100000; i++) {
        double x = ldexp(oracle_uniform(&rng) - 0.5, (int)(oracle_random(&rng) % 200) - 100);
        char a[32], b[32];
        snprintf(a, sizeof a, "%.5g", record_round(x, 5));
        snprintf(b, sizeof b, "%.5g", (double)record_roundf(x));
        if (strcmp(a, b) != 0) {
            EXPECT_STREQ(b, a);
            return;
        }
    }
    EXPECT(record_roundf(1e-40) == 0 && isnan(record_roundf(1e39)) && isnan(record_roundf(-NAN)));
}

/* A record that has one of everything. */
static owned_record *example(void) {
    owned_record *o = record_new();
    if (!o) return NULL;
    arena *a = o->arena;
    glimpse_record *r = &o->record;
    r->run = "9f2c1a";
    r->run_name = "demo";
    r->seq = 17;
    r->kind = "train";
    r->step = 250;
    r->time = "2026-01-02T03:04:05Z";
    r->train_loss = 2.5;
    r->n_params = 124475904;
    r->vocab_size = 50257;
    r->decode_s = 0.25;
    glimpse_piece *pieces = arena_alloc(a, 3 * sizeof *pieces);
    pieces[0] = (glimpse_piece){3, 2, "a\0"};
    pieces[1] = (glimpse_piece){7, 0, ""};
    pieces[2] = (glimpse_piece){262, 4, " the"};
    r->pieces = pieces;
    r->n_pieces = 3;
    glimpse_sample *s = arena_alloc(a, 2 * sizeof *s);
    static const int32_t ids[3] = {3, 7, 262};
    static const glimpse_candidate top[2] = {{3, 0.5f, 0.6f}, {7, 0.25f, 0}};
    static const glimpse_metric metrics[1] = {{"distinct_1", 0.75}};
    glimpse_token *t = arena_alloc(a, 2 * sizeof *t);
    t[0] = (glimpse_token){sizeof *t, 3, 1, 200, 2, -1.5f, -0.7f, 0.5f, 0.6f, 0, 3.5f, 0, top};
    t[1] = (glimpse_token){sizeof *t, 262, 9, 1, 0, NAN, -0.7f, 0.5f, 0.6f, 0.1f, 3.5f, 0.3f, NULL};
    s[0] = (glimpse_sample){.size = sizeof *s, .sample = 1, .n_samples = 2, .prompt_text = "a\0b", .prompt_bytes = 3,
                            .prompt_ids = ids, .n_prompt_ids = 3, .label = "top_k=5", .samplers = "top_k=5",
                            .seed = 1337, .temperature = 0.8, .top_k = 5, .text = "\xff\0x", .text_bytes = 3,
                            .stop = GLIMPSE_STOP_STRING, .tokens = t, .n_tokens = 2, .metrics = metrics, .n_metrics = 1};
    s[1] = (glimpse_sample){.size = sizeof *s, .prompt_text = "", .label = "", .samplers = "", .text = "",
                            .stop = GLIMPSE_STOP_NONFINITE, .why = "the logit of id 5 is NaN"};
    r->samples = s;
    r->n_samples = 2;
    return o;
}

TEST(record_pack_and_back) {
    owned_record *o = example(), *u = NULL;
    REQUIRE(o != NULL);
    buffer a = {0}, b = {0};
    REQUIRE_OK(record_pack(&o->record, &a));
    REQUIRE_OK(record_unpack(a.bytes, a.n, &u));
    const glimpse_record *r = &u->record;
    EXPECT_EQ(r->size, sizeof *r);
    EXPECT_STREQ(r->run_name, "demo");
    EXPECT(r->why == NULL);
    EXPECT(r->train_loss == 2.5 && isnan(r->val_loss));
    EXPECT_EQ(r->n_params, 124475904);
    EXPECT_EQ(r->n_samples, 2);
    const glimpse_sample *s = GLIMPSE_AT(r->samples, 0);
    EXPECT_MEM(s->prompt_text, "a\0b", 4);
    EXPECT_MEM(s->text, "\xff\0x", 4);
    EXPECT_EQ(s->prompt_ids[2], 262);
    EXPECT_EQ(s->stop, GLIMPSE_STOP_STRING);
    EXPECT_STREQ(s->metrics[0].name, "distinct_1");
    EXPECT_EQ(GLIMPSE_AT(s->tokens, 0)->top[1].id, 7);
    EXPECT(isnan(GLIMPSE_AT(s->tokens, 1)->logit) && GLIMPSE_AT(s->tokens, 1)->rank == 9);
    EXPECT_STREQ(GLIMPSE_AT(r->samples, 1)->why, "the logit of id 5 is NaN");
    EXPECT_EQ(record_piece(r, 262)->bytes, 4);
    EXPECT_MEM(record_piece(r, 3)->text, "a\0", 3);
    EXPECT_EQ(record_piece(r, 7)->bytes, 0);
    EXPECT(record_piece(r, 4) == NULL && record_piece(r, -1) == NULL && record_piece(r, 300) == NULL);
    EXPECT(record_piece(NULL, 3) == NULL);
    REQUIRE_OK(record_pack(r, &b)); /* nothing was lost: the same bytes again */
    EXPECT_EQ(a.n, b.n);
    EXPECT_MEM(a.bytes, b.bytes, a.n);
    record_free(&u->record);
    record_free(&o->record);
    record_free(NULL);
    buf_free(&a);
    buf_free(&b);
}

TEST(record_unpack_refuses_every_truncation) {
    owned_record *o = example(), *u = NULL;
    REQUIRE(o != NULL);
    buffer a = {0};
    REQUIRE_OK(record_pack(&o->record, &a));
    for (size_t n = 0; n < a.n; n++) {
        char *exact = malloc(n ? n : 1); /* so that AddressSanitizer sees a read past the end */
        memcpy(exact, a.bytes, n);
        EXPECT_ERR(record_unpack(exact, n, &u), GLIMPSE_E_FORMAT, "a packed record of");
        free(exact);
    }
    EXPECT(u == NULL);
    buf_putc(&a, 0);
    EXPECT_ERR(record_unpack(a.bytes, a.n, &u), GLIMPSE_E_FORMAT, "after its end");
    buf_free(&a);
    record_free(&o->record);
}

TEST(record_unpack_survives_damage) {
    owned_record *o = example();
    REQUIRE(o != NULL);
    buffer a = {0};
    REQUIRE_OK(record_pack(&o->record, &a));
    uint64_t rng = 3;
    int refused = 0, n = test_is_slow_build() ? 20000 : 100000;
    for (int i = 0; i < n; i++) {
        char *bytes = malloc(a.n);
        memcpy(bytes, a.bytes, a.n);
        for (int k = 0; k <= i % 4; k++) {
            size_t at = oracle_random(&rng) % a.n;
            if (i % 3 == 0) bytes[at] = (char)(oracle_random(&rng) % 2 ? 0xff : 0x7f);
            else bytes[at] ^= (char)(1 << oracle_random(&rng) % 8);
        }
        owned_record *u = NULL;
        if (record_unpack(bytes, a.n, &u) < 0) {
            refused++;
        } else {
            buffer b = {0};
            EXPECT_OK(record_pack(&u->record, &b)); /* walks all that was accepted */
            buf_free(&b);
            record_free(&u->record);
        }
        free(bytes);
    }
    EXPECT(refused > n / 20 && refused < n);
    buf_free(&a);
    record_free(&o->record);
}

TEST(record_pack_refuses_what_is_no_record) {
    owned_record *o = example();
    REQUIRE(o != NULL);
    buffer a = {0};
    o->record.n_samples = -1;
    EXPECT_ERR(record_pack(&o->record, &a), GLIMPSE_E_INVALID, "count");
    o->record.n_samples = 1;
    o->record.samples = NULL;
    EXPECT_ERR(record_pack(&o->record, &a), GLIMPSE_E_INVALID, "missing array");
    buf_free(&a);
    record_free(&o->record);
}
