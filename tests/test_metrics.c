/* test_metrics.c -- the metrics against a second implementation in Python (tests/ref/metrics_reference.py), against numbers
 * worked out by hand and against naive counting. */
#include "hooks/metrics.h"
#include "include/internal/file.h"
#include "tests/ref/metrics_frozen.h"
#include "tests/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double of(const glimpse_metric *m, int32_t n, const char *name) {
    for (int32_t i = 0; i < n; i++)
        if (!strcmp(m[i].name, name)) return m[i].value;
    return -777; /* not there */
}

/* The metrics of a text that no model made. */
static glimpse_status of_text(const char *text, size_t bytes, speller *sp, arena *a, const glimpse_metric **out, int32_t *n) {
    glimpse_sample s = { .size = sizeof s, .text = text, .text_bytes = bytes };
    TRY(metrics_of_sample(&s, true, sp, a));
    *out = s.metrics;
    *n = s.n_metrics;
    return GLIMPSE_OK;
}

static bool there(const glimpse_metric *m, int32_t n, const char *name) { return of(m, n, name) != -777; }

TEST(metrics_of_the_model) {
    static const glimpse_token t[3] = {
        {.size = sizeof t[0], .id = 5, .rank = 1, .logprob = -0.5f, .entropy = 1},
        {.size = sizeof t[0], .id = 6, .rank = 4, .logprob = -2.5f, .entropy = 3},
        {.size = sizeof t[0], .id = 5, .rank = 1, .logprob = -1.5f, .entropy = 0.5f},
    };
    glimpse_sample s = {.size = sizeof s, .tokens = t, .n_tokens = 3, .text = "a b", .text_bytes = 3, .stop = GLIMPSE_STOP_EOS};
    glimpse_record r = {.size = sizeof r};
    arena *a = arena_new();
    REQUIRE_OK(metrics_of_sample(&s, false, NULL, a));
    EXPECT_NEAR(of(s.metrics, s.n_metrics, "mean_logprob"), -1.5, 1e-6);
    EXPECT_NEAR(of(s.metrics, s.n_metrics, "perplexity"), exp(1.5), 1e-6);
    EXPECT_NEAR(of(s.metrics, s.n_metrics, "mean_entropy"), 1.5, 1e-6);
    EXPECT_NEAR(of(s.metrics, s.n_metrics, "mean_rank"), 2, 1e-6);
    EXPECT_NEAR(of(s.metrics, s.n_metrics, "rank1_share"), 2 / 3.0, 1e-6);
    EXPECT_NEAR(of(s.metrics, s.n_metrics, "eos_stop"), 1, 0);
    EXPECT(isnan(of(s.metrics, s.n_metrics, "repetition"))); /* two words have no 4-gram */
    EXPECT(there(s.metrics, s.n_metrics, "repetition_tokens")); /* what the log shows of a text without four words */
    EXPECT(!there(s.metrics, s.n_metrics, "lexical_diversity"));
    REQUIRE_OK(metrics_of_sample(&s, true, NULL, a));
    EXPECT_NEAR(of(s.metrics, s.n_metrics, "longest_repeat"), 1, 0);
    EXPECT(there(s.metrics, s.n_metrics, "lexical_diversity"));
    EXPECT(!there(s.metrics, s.n_metrics, "spelling_token_rate")); /* no speller */
    for (int32_t i = 0; i < s.n_metrics; i++) /* as the journal keeps them */
        EXPECT(isnan(s.metrics[i].value) || s.metrics[i].value == record_round(s.metrics[i].value, RECORD_LOSS_DIGITS));
    s.n_tokens = 0;
    s.text_bytes = 0;
    REQUIRE_OK(metrics_of_sample(&s, true, NULL, a));
    EXPECT(isnan(of(s.metrics, s.n_metrics, "perplexity")));
    EXPECT(isnan(of(s.metrics, s.n_metrics, "lexical_diversity")));
    EXPECT_NEAR(of(s.metrics, s.n_metrics, "longest_repeat"), 0, 0);
    arena_free(a);
}

TEST(metrics_of_text_by_hand) {
    arena *a = arena_new();
    const glimpse_metric *m = NULL;
    int32_t n = 0;
    /* words: the cat sat the cat sat the dog isn't = 9, distinct 5: the cat sat dog isn't
     * 4-grams (6): tcst catsatthecat satthecatsat tcst(again: the cat sat the) cstd stdi -> 1 of 6 seen before */
    const char *text = "The cat sat. the CAT sat!?  the dog isn't";
    REQUIRE_OK(of_text(text, strlen(text), NULL, a, &m, &n));
    EXPECT_NEAR(of(m, n, "repetition"), 1 / 6.0, 1e-6);
    EXPECT_NEAR(of(m, n, "distinct_1"), 5 / 9.0, 1e-6);
    EXPECT_NEAR(of(m, n, "distinct_2"), 5 / 8.0, 1e-6); /* tc cs st td di; tc cs st again */
    EXPECT_NEAR(of(m, n, "distinct_3"), 5 / 7.0, 1e-6); /* tcs cst stc [tcs] [cst] -> tcs cst stc std tdi */
    EXPECT_NEAR(of(m, n, "lexical_diversity"), 5 / 9.0, 1e-6);
    EXPECT_NEAR(of(m, n, "avg_sentence_length"), 3, 1e-6);
    EXPECT_NEAR(of(m, n, "invalid_utf8_rate"), 0, 0);
    const char bad[] = "ab\xff" "c\xef\xbf\xbd" "d\xc3\xa9\xe2\x82"; /* a b FF c U+FFFD d e-acute, and one cut short */
    REQUIRE_OK(of_text(bad, sizeof bad - 1, NULL, a, &m, &n));
    EXPECT_NEAR(of(m, n, "invalid_utf8_rate"), 2 / 7.0, 1e-6);
    arena_free(a);
}

static uint64_t state = 88172645463325252u;
static uint32_t draw(uint32_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % below;
}

TEST(metrics_against_naive_counting) {
    enum { MOST = 120 };
    static glimpse_token t[MOST];
    glimpse_record r = {.size = sizeof r};
    for (int round = 0; round < 200; round++) {
        int n = (int)draw(MOST), ids = 1 + (int)draw(6);
        for (int i = 0; i < n; i++) t[i] = (glimpse_token){.size = sizeof *t, .id = (int32_t)draw((uint32_t)ids), .rank = 1};
        int again = 0, longest = 0;
        for (int i = 0; i + 4 <= n; i++)
            for (int j = 0; j < i; j++) {
                int k = 0;
                while (k < 4 && t[i + k].id == t[j + k].id) k++;
                if (k == 4) {
                    again++;
                    break;
                }
            }
        for (int i = 0; i < n; i++)
            for (int j = 0; j < i; j++) {
                int k = 0;
                while (i + k < n && t[i + k].id == t[j + k].id) k++;
                if (k > longest) longest = k;
            }
        arena *a = arena_new();
        glimpse_sample s = {.size = sizeof s, .tokens = t, .n_tokens = n, .text = ""};
        REQUIRE_OK(metrics_of_sample(&s, true, NULL, a));
        if (n >= 4) EXPECT_NEAR(of(s.metrics, s.n_metrics, "repetition_tokens"), (double)again / (n - 3), 1e-6);
        EXPECT_NEAR(of(s.metrics, s.n_metrics, "longest_repeat"), longest, 0);
        arena_free(a);
    }
}

TEST(metrics_spelling) {
    speller *sp = NULL;
    if (speller_open(NULL, &sp) < 0) SKIP(status_text());
    static const char *const good[] = {"hello", "Hello", "HELLO", "lily", "Lily", "isn't", "dog"};
    static const char *const bad[] = {"becuase", "wsa", "xqzt", "Dagg"};
    for (int again = 0; again < 2; again++) { /* asked, then remembered */
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) EXPECT(speller_knows(sp, good[i], strlen(good[i])));
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) EXPECT(!speller_knows(sp, bad[i], strlen(bad[i])));
    }
    char word[200];
    memset(word, 'a', sizeof word);
    EXPECT(!speller_knows(sp, word, sizeof word));
    EXPECT(!speller_knows(sp, word, 0));

    arena *a = arena_new();
    const glimpse_metric *m = NULL;
    int32_t n = 0;
    /* 6 words, 27 letters; distinct: lily(4) saw(3) becuase(7) dog(3); unknown: becuase, twice */
    const char *text = "Lily saw becuase dog. Becuase dog";
    REQUIRE_OK(of_text(text, strlen(text), sp, a, &m, &n));
    EXPECT_NEAR(of(m, n, "spelling_token_rate"), 4 / 6.0, 1e-6);
    EXPECT_NEAR(of(m, n, "spelling_correctness"), 1 - 1 / 6.0, 1e-6); /* the fork's: types over tokens */
    EXPECT_NEAR(of(m, n, "correct_char_fraction"), 10 / 27.0, 1e-6);
    EXPECT_NEAR(of(m, n, "correct_char_total"), 10, 0);
    arena_free(a);
    /* More new words than are remembered: answers stay right. */
    for (int i = 0; i < 70000; i++) {
        int len = 0;
        word[len++] = 'q';
        for (int k = i; k; k /= 20) word[len++] = "bcdfghjklmnpqrstvwxz"[k % 20];
        word[len++] = 'q';
        (void)speller_knows(sp, word, (size_t)len);
        if (i % 9973 == 0) EXPECT(speller_knows(sp, "dog", 3) && !speller_knows(sp, "becuase", 7));
    }
    speller_close(sp);
    speller_close(NULL);
}

/* Every metric of every text of tests/ref/metrics_reference.py: a token a byte, its numbers by the formulas there. */
TEST(metrics_as_in_python) {
    enum { MOST = 512 };
    static glimpse_token t[MOST];
    speller *sp = NULL;
    int32_t compared = 0, with = 0;
    bool spelling = speller_open(NULL, &sp) >= 0;
    for (size_t k = 0; k < sizeof frozen_texts / sizeof *frozen_texts; k++) {
        const frozen_text *f = &frozen_texts[k];
        REQUIRE(f->bytes <= MOST);
        for (int i = 0; i < (int)f->bytes; i++)
            t[i] = (glimpse_token){.size = sizeof *t, .id = (unsigned char)f->text[i], .rank = 1 + i * i % 5,
                                   .logprob = -(float)(37 * i % 101) / 16, .entropy = (float)(53 * i % 97) / 32};
        glimpse_sample s = {.size = sizeof s, .tokens = t, .n_tokens = (int32_t)f->bytes, .text = f->text, .text_bytes = f->bytes,
                            .stop = f->eos ? GLIMPSE_STOP_EOS : GLIMPSE_STOP_LENGTH};
        arena *a = arena_new();
        REQUIRE_OK(metrics_of_sample(&s, true, sp, a));
        for (int m = 0; m < N_FROZEN_METRICS; m++) {
            bool spelt = m >= N_FROZEN_METRICS - 4;
            double is = of(s.metrics, s.n_metrics, frozen_names[m]), want = f->value[m];
            if (spelt && !spelling) continue;
            with += spelt;
            compared++;
            bool same = isnan(want) ? isnan(is) : fabs(is - want) <= 1e-6 * fmax(1, fabs(want));
            test_check(same, __FILE__, __LINE__, "%s: %s is %.9g, in Python %.9g", f->name, frozen_names[m], is, want);
        }
        EXPECT_EQ(s.n_metrics, spelling ? N_FROZEN_METRICS : N_FROZEN_METRICS - 4);
        arena_free(a);
    }
    EXPECT(compared >= 15 * (N_FROZEN_METRICS - 4) && (!spelling || with >= 15 * 4));
    speller_close(sp);
}

TEST(metrics_spelling_language) {
    speller *sp = NULL;
    EXPECT_ERR(speller_open("../en_US", &sp), GLIMPSE_E_INVALID, "no dictionary's name");
    EXPECT_ERR(speller_open("", &sp), GLIMPSE_E_INVALID, "no dictionary's name");
    EXPECT(!sp);
    if (speller_open("en_US", &sp) < 0) SKIP(status_text());
    EXPECT(speller_knows(sp, "dog", 3) && !speller_knows(sp, "becuase", 7));
    speller_close(sp);
    sp = NULL;
    EXPECT_ERR(speller_open("xx_YY", &sp), GLIMPSE_E_LIBRARY, "there is no dictionary xx_YY");
    EXPECT(!sp);
    /* A dictionary of one's own, of three words. */
    static const char aff[] = "SET UTF-8\n", dic[] = "3\nhund\nkatze\nHaus\n";
    char *file = path_join(test_tmpdir(), "my_LANG.aff"), *words = path_join(test_tmpdir(), "my_LANG.dic");
    REQUIRE_OK(file_write_atomic(file, aff, sizeof aff - 1, false));
    REQUIRE_OK(file_write_atomic(words, dic, sizeof dic - 1, false));
    setenv("DICPATH", test_tmpdir(), 1);
    REQUIRE_OK(speller_open("my_LANG", &sp));
    EXPECT(speller_knows(sp, "Hund", 4) && speller_knows(sp, "haus", 4) && !speller_knows(sp, "dog", 3));
    speller_close(sp);
    unsetenv("DICPATH");
    free(file);
    free(words);
}

/* Dictionaries in their own encodings, asked in UTF-8: umlauts, Cyrillic, capitals of both. */
TEST(metrics_spelling_of_every_alphabet) {
    static const struct { const char *name, *aff, *dic, *text; double known, chars; } rows[] = {
        /* 5 words, "scho" unknown; known: schön(5) übung(5) straße(6), SCHÖN a second time */
        {"de_ONE", "SET ISO8859-1\n", "3\nsch\366n\n\334bung\nStra\337e\n", "Sch\u00f6n! SCH\u00d6N \u00dcBUNG, stra\u00dfe scho", 4 / 5.0, 16},
        {"de_TWO", "SET UTF-8\n", "3\nsch\u00f6n\n\u00dcbung\nStra\u00dfe\n", "Sch\u00f6n! SCH\u00d6N \u00dcBUNG, stra\u00dfe scho", 4 / 5.0, 16},
        {"ru_ONE", "SET microsoft-cp1251\n", "2\n\357\360\350\342\345\362\n\354\350\360\n",
         "\u041f\u0440\u0438\u0432\u0435\u0442, \u041c\u0418\u0420! \u043c\u0438\u0440\u0438 \u4e2d", 2 / 4.0, 9},
        /* a mark is part of its word: he (2 letters, 1 mark) stands in the dictionary as it is written */
        {"hi_ONE", "SET UTF-8\n", "1\n\u0939\u0947\u0902\n", "\u0939\u0947\u0902 \u0939", 1 / 2.0, 3},
    };
    setenv("DICPATH", test_tmpdir(), 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char name[64];
        speller *sp = NULL;
        const glimpse_metric *m = NULL;
        int32_t n = 0;
        snprintf(name, sizeof name, "%s.aff", rows[i].name);
        REQUIRE_OK(file_write_atomic(test_path(name), rows[i].aff, strlen(rows[i].aff), false));
        snprintf(name, sizeof name, "%s.dic", rows[i].name);
        REQUIRE_OK(file_write_atomic(test_path(name), rows[i].dic, strlen(rows[i].dic), false));
        glimpse_status st = speller_open(rows[i].name, &sp);
        if (st < 0 && (!i || strstr(status_text(), "cannot convert"))) SKIP(status_text()); /* no Hunspell; few of libc's tables */
        REQUIRE_OK(st);
        arena *a = arena_new();
        REQUIRE_OK(of_text(rows[i].text, strlen(rows[i].text), sp, a, &m, &n));
        EXPECT_NEAR(of(m, n, "spelling_token_rate"), rows[i].known, 1e-6);
        EXPECT_NEAR(of(m, n, "correct_char_total"), rows[i].chars, 0);
        arena_free(a);
        speller_close(sp);
    }
    speller *sp = NULL;
    REQUIRE_OK(file_write_atomic(test_path("xx_ODD.aff"), "SET ISCII-DEVANAGARI\n", 21, false));
    REQUIRE_OK(file_write_atomic(test_path("xx_ODD.dic"), "1\nhund\n", 7, false));
    EXPECT_ERR(speller_open("xx_ODD", &sp), GLIMPSE_E_LIBRARY, "\"ISCII-DEVANAGARI\", which this system cannot convert");
    unsetenv("DICPATH");
}

TEST(metrics_out_of_memory) {
    static const glimpse_token t[5] = {{.size = sizeof t[0], .rank = 1}, {.size = sizeof t[0], .rank = 1},
        {.size = sizeof t[0], .rank = 1}, {.size = sizeof t[0], .rank = 1}, {.size = sizeof t[0], .rank = 1}};
    glimpse_record r = {.size = sizeof r};
    for (long k = 1;; k++) {
        glimpse_sample s = {.size = sizeof s, .tokens = t, .n_tokens = 5, .text = "a b c d e f", .text_bytes = 11};
        arena *a = arena_new();
        REQUIRE(a);
        test_fail_alloc(k);
        glimpse_status st = metrics_of_sample(&s, true, NULL, a);
        long used = test_fail_alloc(0);
        if (used < k) {
            EXPECT_OK(st);
            arena_free(a);
            break;
        }
        EXPECT_EQ(st, GLIMPSE_E_MEMORY);
        EXPECT(s.metrics == NULL && s.n_metrics == 0);
        arena_free(a);
    }
}
