/* test_options.c -- the table of options is sound, values are checked as it says, levels beat each other in order, and
 * a packed set of options comes back the same or is refused. */
#define _GNU_SOURCE
#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

#include "include/internal/buffer.h"
#include "include/internal/options.h"
#include "tests/oracle.h"

static bool has_word(const char *list, const char *word, size_t n) {
    for (const char *p = list; p && *p;) {
        size_t k = strcspn(p, "|");
        if (k == n && memcmp(p, word, n) == 0) return true;
        p += k + (p[k] == '|');
    }
    return false;
}

TEST(options_table_is_sound) {
    options *o = options_new();
    for (int id = 0; id < OPT_COUNT; id++) {
        const opt_info *i = opt_info_of((opt_id)id);
        EXPECT(i && i->name && *i->name && i->aliases && i->group && *i->group && i->help && *i->help);
        EXPECT_EQ(opt_find(i->name, strlen(i->name)), id);
        EXPECT(strspn(i->name, "abcdefghijklmnopqrstuvwxyz_") == strlen(i->name) && strlen(i->name) < 60);
        EXPECT(strncmp(i->name, "no_", 3) != 0 && strncmp(i->name, "glimpse_", 8) != 0);
        EXPECT(i->help[strlen(i->help) - 1] == '.');
        for (const char *p = i->aliases; *p;) {
            size_t n = strcspn(p, ",");
            EXPECT(n > 0 && n < 60);
            EXPECT_EQ(opt_find(p, n), id);
            p += n + (p[n] == ',');
        }
        EXPECT((i->type == OPT_ENUM || i->type == OPT_BOOL) == (i->metavar == NULL));
        EXPECT(i->type != OPT_ENUM || i->choices);
        if (i->type != OPT_ENUM && i->type != OPT_BOOL) EXPECT_LT(i->min, i->max);
        if (i->missing) { /* the refused value is one that the type knows, with a reason */
            size_t n = strcspn(i->missing, "=");
            EXPECT(i->missing[n] == '=' && i->missing[n + 1]);
            EXPECT(i->type == OPT_BOOL ? n == 4 && memcmp(i->missing, "true", 4) == 0 : has_word(i->choices, i->missing, n));
        }
        /* Every default passes its own check, as one element. */
        const char *defs[] = {i->def_train, i->def_offline};
        for (int k = 0; k < 2; k++) {
            options_set_offline(o, k);
            EXPECT_EQ(opt_has(o, (opt_id)id), defs[k] != NULL);
            if (!defs[k]) continue;
            EXPECT_OK(options_set(o, (opt_id)id, defs[k], OPT_LEVEL_FILE));
            EXPECT_EQ(opt_count(o, (opt_id)id), 1);
            EXPECT_STREQ(opt_str(o, (opt_id)id), defs[k]);
            EXPECT_OK(options_set(o, (opt_id)id, NULL, OPT_LEVEL_FILE));
            EXPECT(!opt_is_set(o, (opt_id)id));
        }
    }
    options_free(o);
}

/* Every option is read by somebody, by names that are commands; what it needs is another that the same commands read. */
TEST(options_readers_are_sound) {
    static const char *const known[] = {"sample", "chat", "eval", "score", "follow", "review", "report", "train"};
    for (int id = 0; id < OPT_COUNT; id++) {
        int n = 0;
        size_t bytes = 0;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (opt_is_read_by((opt_id)id, known[i])) n++, bytes += strlen(known[i]) + 1;
        EXPECT(n > 0);
        EXPECT_EQ(strlen(opt_readers((opt_id)id)) + 1, bytes); /* and by nobody else */
        for (const char *p = opt_needs((opt_id)id); p && *p;) {
            size_t word = strcspn(p, " "), name = strcspn(p, " =");
            int other = opt_find(p, name);
            REQUIRE(other >= 0 && other != id);
            if (p[name] == '=') EXPECT(has_word(opt_info_of((opt_id)other)->choices, p + name + 1, word - name - 1));
            p += word + (p[word] == ' ');
        }
    }
}

/* What the seeds' pages promise, row by row. */
TEST(options_defaults_are_the_contract) {
    static const struct {
        const char *name, *train, *offline;
    } want[] = {
        {"out_dir", "out", "out"}, {"checkpoint", NULL, NULL}, {"sample_start_tokens", "\\n", "\\n"},
        {"max_sample_tokens", NULL, "500"}, {"sample_each_eval", "false", "false"}, {"sample_only", "false", "false"},
        {"num_samples", "1", "3"}, {"temperature", "0.8", "0.8"}, {"top_k", "200", "200"}, {"seed", "1337", "1337"},
        {"seed_each_step", "false", "false"}, {"token_boundary", NULL, NULL}, {"colorize_output", "true", "false"},
        {"colorize_mode", "minmax", "minmax"}, {"color", "auto", "auto"}, {"show_heatmaps", "false", "false"},
        {"chart_type", "heatmap", "heatmap"}, {"last_k_tokens", "10", "10"}, {"sample_file", "sample.txt", "sample.txt"},
        {"sample_metrics", "false", "false"}, {"record_top", "10", "10"}, {"device", "auto", "auto"},
        {"threads", "auto", "auto"}, {"sheets", "true", "true"}, {"escapes", "true", "true"},
        {"mode", "worker", "inline"}, {"when_busy", "skip", "skip"}, {"sample_rank", "0", "0"},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        int id = opt_find(want[i].name, strlen(want[i].name));
        REQUIRE(id >= 0);
        EXPECT_STREQ(opt_info_of((opt_id)id)->def_train, want[i].train);
        EXPECT_STREQ(opt_info_of((opt_id)id)->def_offline, want[i].offline);
    }
    /* Bare in a trainer: exactly the names of the in-training page. */
    static const char *const bare[] = {
        "max_sample_tokens", "sample_each_eval", "sample_start_tokens", "sample_only", "dataset_benchmarks",
        "sample_metrics", "colorize_output", "colorize_mode", "show_heatmaps", "chart_type", "last_k_tokens",
        "sample_file", "token_boundary"};
    int n = 0;
    for (int id = 0; id < OPT_COUNT; id++) n += opt_info_of((opt_id)id)->bare;
    EXPECT_EQ(n, sizeof bare / sizeof *bare);
    for (size_t i = 0; i < sizeof bare / sizeof *bare; i++) {
        int id = opt_find(bare[i], strlen(bare[i]));
        EXPECT(id >= 0 && opt_info_of((opt_id)id)->bare);
    }
}

TEST(options_values_are_checked) {
    static const struct {
        const char *name, *text, *part; /* part of the error; NULL = accepted */
    } cases[] = {
        {"temperature", "0", NULL}, {"temperature", "1e-1", NULL}, {"temperature", "100", NULL},
        {"temperature", "100.1", "from 0 to 100"}, {"temperature", "-0.1", "temperature = \"-0.1\""},
        {"temperature", "nan", "expected a number"}, {"temperature", "inf", "expected"}, {"temperature", "", "expected"},
        {"temperature", "0,8", "expected"}, {"temperature", "0.8 ", "expected"}, {"temperature", "0x1", "expected"},
        {"num_samples", "1", NULL}, {"num_samples", "0", "from 1 to 4096"}, {"num_samples", "2.0", "whole number"},
        {"num_samples", "99999999999999999999", "expected"}, {"num_samples", "auto", "expected"},
        {"threads", "auto", NULL}, {"threads", "0", NULL}, {"threads", "many", "auto or a whole number from 0 to 256"},
        {"seed", "9223372036854775807", NULL}, {"seed", "9223372036854775808", "to 9223372036854775807"},
        {"seed", "-1", "expected"}, {"top_k", "1,2, 5\t10", NULL}, {"top_k", "", "expected whole numbers"},
        {"top_k", " , ", "expected"}, {"top_k", "1,x", "expected"}, {"top_k", "-1", "expected"},
        {"top_p", "1.0", NULL}, {"top_p", "1.01", "from 0 to 1"}, {"repetition_penalty", "0", "from 0.01 to 100"},
        {"chart_type", "barchart", NULL}, {"chart_type", "bar", "heatmap or barchart"}, {"chart_type", "", "expected"},
        {"mode", "inline", NULL}, {"mode", "worker", NULL}, {"mode", "other", "worker or inline"},
        {"device", "tpu", "auto, cpu, cuda"}, {"out_dir", "", "text of 1 to"}, {"token_boundary", "", NULL},
        {"sheets", "True", NULL}, {"sheets", "yes", NULL}, {"sheets", "no", NULL}, {"sheets", "TRUE", "expected true"},
        {"sheets", "2", "expected true"}, {"dataset_benchmarks", "false", NULL}, {"dataset_benchmarks", "1", NULL},
        {"interactive", "0", NULL}, {"interactive", "true", NULL}, {"stop", "", "text of 1 to"},
        {"sample_start_tokens", "", NULL}, {"like", "nanogpt", NULL}, {"like", "gpt5", "nanogpt, nanogpt_train, generate or"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options *o = options_new();
        int id = opt_find(cases[i].name, strlen(cases[i].name));
        REQUIRE(id >= 0);
        glimpse_status st = options_set(o, (opt_id)id, cases[i].text, OPT_LEVEL_FLAG);
        if (!cases[i].part) {
            EXPECT_OK(st);
            EXPECT(opt_is_set(o, (opt_id)id));
        } else {
            EXPECT_ERR(st, strstr(cases[i].part, "version") ? GLIMPSE_E_UNSUPPORTED : GLIMPSE_E_INVALID, cases[i].part);
            EXPECT(!opt_is_set(o, (opt_id)id));
        }
        options_free(o);
    }
}

TEST(options_getters_read_the_value) {
    options *o = options_new();
    EXPECT_NEAR(opt_float(o, OPT_temperature), 0.8, 0);
    EXPECT_OK(options_set(o, OPT_top_k, "1,2 5, 10", OPT_LEVEL_FLAG));
    EXPECT_EQ(opt_count(o, OPT_top_k), 4);
    EXPECT_EQ(opt_int_at(o, OPT_top_k, 3), 10);
    EXPECT_EQ(opt_int_at(o, OPT_top_k, 4), 0);
    EXPECT_EQ(opt_int_at(o, OPT_top_k, -1), 0);
    EXPECT_OK(options_set(o, OPT_top_k, "7", OPT_LEVEL_FLAG)); /* a list is replaced */
    EXPECT_EQ(opt_count(o, OPT_top_k), 1);
    EXPECT_OK(options_set(o, OPT_stop, "a,b", OPT_LEVEL_FLAG)); /* a repeatable is added to, commas and all */
    EXPECT_OK(options_set(o, OPT_stop, "c", OPT_LEVEL_FLAG));
    EXPECT_EQ(opt_count(o, OPT_stop), 2);
    EXPECT_STREQ(opt_str_at(o, OPT_stop, 0), "a,b");
    EXPECT_STREQ(opt_str_at(o, OPT_stop, 1), "c");
    EXPECT_OK(options_set(o, OPT_colorize_mode, "rank", OPT_LEVEL_FLAG));
    EXPECT_EQ(opt_int(o, OPT_colorize_mode), 3);
    EXPECT(opt_is(o, OPT_colorize_mode, "rank"));
    EXPECT_OK(options_set(o, OPT_sample_start_tokens, "a\\n\x01", OPT_LEVEL_FLAG));
    EXPECT_STREQ(opt_str(o, OPT_sample_start_tokens), "a\\n\x01"); /* raw */
    EXPECT_EQ(opt_int(o, OPT_threads), 0);
    EXPECT_OK(options_set(o, OPT_seed, "9223372036854775807", OPT_LEVEL_FLAG));
    EXPECT(opt_int(o, OPT_seed) == INT64_MAX);
    options_free(o);
    /* No options at all. */
    EXPECT(!opt_has(NULL, OPT_seed) && !opt_bool(NULL, OPT_sheets) && opt_int(NULL, OPT_seed) == 0 && !opt_str(NULL, OPT_seed));
    EXPECT_ERR(options_set(NULL, OPT_seed, "1", OPT_LEVEL_FLAG), GLIMPSE_E_MEMORY, NULL);
    options_free(NULL);
}

TEST(options_levels_beat_each_other_in_order) {
    /* Every order of setting gives the same winner. */
    static const opt_level levels[] = {OPT_LEVEL_FILE, OPT_LEVEL_ENV, OPT_LEVEL_FLAG};
    static const char *const text[] = {"2", "3", "4"};
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int k = 0; k < 6; k++) {
        options *o = options_new();
        for (int i = 0; i < 3; i++) EXPECT_OK(options_set(o, OPT_num_samples, text[orders[k][i]], levels[orders[k][i]]));
        EXPECT_OK(options_set(o, OPT_like, "generate", OPT_LEVEL_FLAG));
        for (int i = 2; i >= 0; i--) {
            EXPECT_EQ(opt_int(o, OPT_num_samples), 2 + i);
            EXPECT_EQ(opt_level_of(o, OPT_num_samples), levels[i]);
            EXPECT_OK(options_set(o, OPT_num_samples, NULL, levels[i]));
        }
        EXPECT_EQ(opt_int(o, OPT_num_samples), 1);
        EXPECT_EQ(opt_level_of(o, OPT_num_samples), OPT_LEVEL_LIKE);
        EXPECT_EQ(opt_int(o, OPT_max_sample_tokens), 150);
        EXPECT_EQ(opt_int(o, OPT_top_k), 50);
        EXPECT(opt_is(o, OPT_prompt_format, "instruction"));
        /* Another system's defaults replace these as a whole. */
        EXPECT_OK(options_set(o, OPT_like, "nanogpt_train", OPT_LEVEL_FLAG));
        EXPECT_EQ(opt_count(o, OPT_top_k), 4);
        EXPECT(opt_is(o, OPT_prompt_format, "plain") && !opt_has(o, OPT_checkpoint) && !opt_has(o, OPT_max_sample_tokens));
        EXPECT_OK(options_set(o, OPT_like, "generate_text", OPT_LEVEL_FILE)); /* beneath the flag: no effect */
        EXPECT_EQ(opt_int(o, OPT_seed), 1337);
        EXPECT_OK(options_set(o, OPT_like, NULL, OPT_LEVEL_FLAG));
        EXPECT_EQ(opt_int(o, OPT_seed), 42);
        EXPECT_OK(options_set(o, OPT_like, NULL, OPT_LEVEL_FILE));
        EXPECT_EQ(opt_int(o, OPT_seed), 1337);
        options_free(o);
    }
}

TEST(options_nearest_name) {
    static const struct {
        const char *wrong, *near;
    } cases[] = {
        {"temprature", "temperature"}, {"top-kk", "top_k"}, {"topk", "top_k"}, {"temp", "temperature"},
        {"max_new_token", "max_new_tokens"}, {"sead", "seed"}, {"chart_tpye", "chart_type"}, {"promt", "prompt"}, {"max_tokens", "max_new_tokens"},
        {"xyzzy", NULL}, {"learning_rate", NULL}, {"n", NULL}, {"", NULL},
        {"a_name_much_longer_than_anything_that_could_ever_be_an_option_of_this_table", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *near = opt_nearest(cases[i].wrong, strlen(cases[i].wrong));
        EXPECT_STREQ(near, cases[i].near);
    }
    EXPECT(opt_nearest(NULL, 0) == NULL);
    EXPECT_EQ(opt_find(NULL, 3), -1);
}

/* A text of any bytes but 0. */
static void random_text(uint64_t *seed, buffer *b, size_t most) {
    buf_clear(b);
    for (size_t n = oracle_random(seed) % most; n; n--) buf_putc(b, (char)(1 + oracle_random(seed) % 255));
}

static bool same_options(const options *a, const options *b) {
    if (options_is_offline(a) != options_is_offline(b)) return false;
    for (int id = 0; id < OPT_COUNT; id++) {
        opt_id k = (opt_id)id;
        if (opt_level_of(a, k) != opt_level_of(b, k) || opt_count(a, k) != opt_count(b, k)) return false;
        for (int i = 0; i < opt_count(a, k); i++)
            if (strcmp(opt_str_at(a, k, i), opt_str_at(b, k, i)) != 0) return false;
    }
    return true;
}

TEST(options_pack_is_an_exact_round_trip) {
    uint64_t seed = 7;
    buffer text = {0}, packed = {0}, again = {0};
    for (int round = 0; round < 200; round++) {
        options *o = options_new(), *back = NULL;
        options_set_offline(o, round & 1);
        for (int i = 0; i < 12; i++) {
            opt_id id = (opt_id)(oracle_random(&seed) % OPT_COUNT);
            const opt_info *info = opt_info_of(id);
            opt_level level = (opt_level)(OPT_LEVEL_FILE + oracle_random(&seed) % 3);
            random_text(&seed, &text, 40);
            options_set(o, id, info->type == OPT_STRING || info->type == OPT_STRINGS ? buf_str(&text)
                               : info->def_train                                   ? info->def_train
                                                                                   : "7", level);
        }
        buf_clear(&packed);
        buf_clear(&again);
        REQUIRE_OK(options_pack(o, &packed));
        REQUIRE_OK(options_unpack(packed.bytes, packed.n, &back));
        EXPECT(same_options(o, back));
        REQUIRE_OK(options_pack(back, &again));
        EXPECT_EQ(again.n, packed.n);
        EXPECT_MEM(again.bytes, packed.bytes, packed.n);
        options *copy = options_copy(o);
        EXPECT(same_options(o, copy));
        options_free(o);
        EXPECT(same_options(copy, back)); /* a copy of its own */
        options_free(copy);
        options_free(back);
    }
    buf_free(&text);
    buf_free(&packed);
    buf_free(&again);
}

TEST(options_unpack_refuses_damage) {
    options *o = options_new(), *back;
    REQUIRE_OK(options_set(o, OPT_stop, "one", OPT_LEVEL_FLAG));
    REQUIRE_OK(options_set(o, OPT_stop, "two", OPT_LEVEL_FLAG));
    REQUIRE_OK(options_set(o, OPT_temperature, "0.5", OPT_LEVEL_ENV));
    buffer good = {0}, bad = {0};
    REQUIRE_OK(options_pack(o, &good));
    for (size_t n = 0; n < good.n; n++) { /* every truncation */
        back = NULL;
        EXPECT_ERR(options_unpack(good.bytes, n, &back), GLIMPSE_E_FORMAT, "malformed at byte");
        EXPECT(back == NULL);
    }
    uint64_t seed = 3;
    for (int round = 0; round < 5000; round++) { /* any damage is refused or gives checked values */
        buf_clear(&bad);
        buf_put(&bad, good.bytes, good.n);
        for (int k = 0; k <= round % 3; k++) bad.bytes[oracle_random(&seed) % bad.n] = (char)oracle_random(&seed);
        back = NULL;
        if (options_unpack(bad.bytes, bad.n, &back) < 0) {
            EXPECT(back == NULL);
            continue;
        }
        EXPECT(opt_float(back, OPT_temperature) >= 0 && opt_float(back, OPT_temperature) <= 100);
        options_free(back);
    }
    options_free(o);
    buf_free(&good);
    buf_free(&bad);
}

TEST(options_survive_every_failing_allocation) {
    for (long n = 1; n < 400; n++) {
        options *o = options_new();
        REQUIRE(o != NULL);
        REQUIRE_OK(options_set(o, OPT_like, "generate", OPT_LEVEL_FLAG));
        REQUIRE_OK(options_set(o, OPT_stop, "x", OPT_LEVEL_FLAG));
        test_fail_alloc(n);
        glimpse_status a = options_set(o, OPT_like, "nanogpt_train", OPT_LEVEL_FLAG);
        glimpse_status b = options_set(o, OPT_stop, "y", OPT_LEVEL_FLAG);
        options *copy = options_copy(o);
        long seen = test_fail_alloc(0);
        EXPECT(a == GLIMPSE_OK || a == GLIMPSE_E_MEMORY);
        EXPECT(opt_is(o, OPT_like, a == GLIMPSE_OK ? "nanogpt_train" : "generate"));
        EXPECT_EQ(opt_count(o, OPT_top_k), a == GLIMPSE_OK ? 4 : 1); /* all of the one or all of the other */
        EXPECT_EQ(opt_count(o, OPT_stop), b == GLIMPSE_OK ? 2 : 1);
        if (copy) EXPECT(same_options(o, copy));
        options_free(copy);
        options_free(o);
        if (seen < n) return;
    }
    EXPECT(!"the loop ends");
}

TEST(options_read_numbers_in_any_locale) {
    if (!test_use_comma_locale()) SKIP("no locale with a decimal comma can be had");
    options *o = options_new();
    EXPECT_OK(options_set(o, OPT_temperature, "0.25", OPT_LEVEL_FLAG));
    EXPECT_NEAR(opt_float(o, OPT_temperature), 0.25, 0);
    EXPECT_ERR(options_set(o, OPT_temperature, "0,25", OPT_LEVEL_FLAG), GLIMPSE_E_INVALID, NULL);
    EXPECT_ERR(options_set(o, OPT_repetition_penalty, "0", OPT_LEVEL_FLAG), GLIMPSE_E_INVALID, "from 0.01 to 100");
    options_free(o);
}
