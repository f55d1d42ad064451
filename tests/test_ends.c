/* test_ends.c -- several ids that end a text (Llama 3's eos_token_id is a list): each of them does, as in transformers' generate,
 * drawn, in beam search, on a device, and what forbids, favours and forces an end means all of them; files keep the list. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "include/internal/session.h"
#include "plugin/worker_protocol.h"
#include "sampling/checkpoint/checkpoint.h"
#include "sampling/checkpoint/save.h"
#include "sampling/generate.h"
#include "tests/emu/emu.h"
#include "tests/hf_files.h"
#include "tests/ref/ends_of_text.h"
#include "tests/table_model.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"

extern const backend_ops backend_cuda;
extern const session_api glimpse_session_v1;

static const char *const labels[] = {"only"};

static void set_ends(glimpse_model *d, const int *ids, int n) {
    d->eos = ids[0];
    d->n_more_eos = n - 1;
    for (int i = 1; i < n; i++) d->more_eos[i - 1] = ids[i];
}

TEST(ends_like_transformers) {
    for (int i = 0; i < REF_ENDS_CASES; i++) {
        __typeof__(*ref_ends_cases) *c = &ref_ends_cases[i];
        uint64_t seed = (uint64_t)c->seed;
        glimpse_model d = table_model(&seed);
        model *m = NULL;
        generator *g = NULL;
        generator_config cfg = {.threads = 1};
        set_ends(&d, ref_ends, c->ends);
        REQUIRE_OK(model_from_description(&d, &m));
        REQUIRE_OK(generator_open(m, NULL, &cfg, &g));
        int32_t ids[] = {3, 1 + c->seed};
        batch_prompt p = {"x", 1, ids, 2};
        char least[16], decay[16];
        snprintf(least, sizeof least, "%d", c->least);
        snprintf(decay, sizeof decay, "%g", c->decay > 0 ? c->decay : 1);
        sampler_flag flags[] = {{"min_length", least}, {"length_decay", decay}, {"length_decay_start", "2"}, {"forced_eos", c->forced ? "true" : "false"}};
        sampler_context x = SAMPLER_CONTEXT_INIT;
        x.flags = flags, x.n_flags = 4;
        sampler_settings set = SAMPLER_SETTINGS_INIT;
        set.temperature = 0;
        batch_request rq = {.prompts = &p, .n_prompts = 1, .settings = &set, .labels = labels, .n_settings = 1, .num_samples = c->width,
                            .max_tokens = REF_ENDS_NEW, .n_top = 2, .context = &x, .beams = {.width = c->width, .n_groups = 1, .length_penalty = 1}};
        batch_result out = {0};
        REQUIRE_OK(generate_batch(g, &rq, &out));
        REQUIRE(EXPECT_EQ(out.n_samples, c->n));
        for (int k = 0; k < c->n; k++) {
            __typeof__(*ref_ends_ids) *want = &ref_ends_ids[c->first + k];
            const glimpse_sample *got = &out.samples[k];
            bool same = got->n_tokens == want->n && (c->width == 1 || fabs(got->beam_score - want->score) <= 1e-5 * (1 + fabs(want->score)));
            for (int t = 0; t < want->n && same; t++) /* forced ends tie: torch's topk has no rule for that */
                same = got->tokens[t].id == want->ids[t] || (c->forced && c->width > 1 && t == REF_ENDS_NEW - 1 && model_ends(&d, got->tokens[t].id));
            buffer b = {0};
            for (int t = 0; t < got->n_tokens && !same; t++) buf_printf(&b, " %d/%d", got->tokens[t].id, want->ids[t]);
            test_check(same, __FILE__, __LINE__, "case %d, sequence %d: %d tokens, transformers has %d:%s, %g/%g", i, k, got->n_tokens, want->n,
                       buf_str(&b), got->beam_score, want->score);
            buf_free(&b);
            EXPECT_EQ(got->stop, model_ends(&d, want->ids[want->n - 1]) ? GLIMPSE_STOP_EOS : GLIMPSE_STOP_LENGTH);
        }
        batch_result_free(&out);
        rq.ignore_eos = true; /* none of them ends a sample then */
        rq.num_samples = 1, rq.beams.width = 1, rq.context = NULL;
        REQUIRE_OK(generate_batch(g, &rq, &out));
        EXPECT_EQ(out.samples[0].n_tokens, REF_ENDS_NEW);
        batch_result_free(&out);
        generator_close(g);
        model_close(m);
    }
}

/* Drawn samples with bursts on the emulated device beside the CPU's, which looks at each token by itself. */
TEST_LIMIT(ends_on_a_device, 120) {
    static const int ends[1 + GLIMPSE_MORE_EOS] = {17, 60, 3, 3, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
    tiny_gpt t;
    model *m = NULL;
    bool seen[61] = {0};
    tiny_gpt_make(&t, 2, 2, 32, 61, 64, -1, 3);
    set_ends(&t.model, ends, 1 + GLIMPSE_MORE_EOS);
    REQUIRE_OK(model_from_description(&t.model, &m));
    int32_t ids[] = {5, 9, 2};
    batch_prompt p = {"abc", 3, ids, 3};
    sampler_settings set = {1.3, 0, 1, 0, 1, NULL};
    batch_request rq = {.prompts = &p, .n_prompts = 1, .settings = &set, .labels = labels, .n_settings = 1, .num_samples = 24, .max_tokens = 40,
                        .n_top = 1, .seed = 7};
    const backend_ops *const ops[] = {NULL, &backend_cuda};
    batch_result out[2] = {{0}, {0}};
    for (int i = 0; i < 2; i++) {
        generator *g = NULL;
        generator_config cfg = {.threads = 1, .ops = ops[i]};
        REQUIRE_OK(generator_open(m, NULL, &cfg, &g));
        REQUIRE_OK(generate_batch(g, &rq, &out[i]));
        generator_close(g);
    }
    int ended = 0;
    for (int i = 0; i < 24; i++) {
        const glimpse_sample *a = &out[0].samples[i], *b = &out[1].samples[i];
        REQUIRE(EXPECT_EQ(a->n_tokens, b->n_tokens) && EXPECT_EQ(a->stop, b->stop));
        for (int k = 0; k < a->n_tokens; k++) {
            EXPECT_EQ(a->tokens[k].id, b->tokens[k].id);
            EXPECT_EQ(model_ends(&m->d, a->tokens[k].id), k == a->n_tokens - 1 && a->stop == GLIMPSE_STOP_EOS);
        }
        ended += a->stop == GLIMPSE_STOP_EOS;
        seen[a->tokens[a->n_tokens - 1].id] = a->stop == GLIMPSE_STOP_EOS;
    }
    int kinds = 0;
    for (int i = 0; i < 61; i++) kinds += seen[i];
    EXPECT(ended > 12 && kinds > 4);
    batch_result_free(&out[0]), batch_result_free(&out[1]);
    model_close(m);
    tiny_gpt_free(&t);
}

TEST(ends_of_a_description) {
    static const struct {
        int eos, n, more, code;
        const char *part;
    } cases[] = {{5, 2, 7, GLIMPSE_OK, NULL},
                 {-1, 1, 7, GLIMPSE_E_MODEL, "model.more_eos is set and model.eos"},
                 {5, 1, 61, GLIMPSE_E_MODEL, "model.more_eos is 61, 0 to 60"},
                 {5, 1, -1, GLIMPSE_E_MODEL, "model.more_eos is -1, 0 to 60"},
                 {5, GLIMPSE_MORE_EOS + 1, 7, GLIMPSE_E_MODEL, "model.n_more_eos is 16, 0 to 15"},
                 {5, -1, 7, GLIMPSE_E_MODEL, "model.n_more_eos is -1, 0 to 15"}};
    tiny_gpt t;
    model *m = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny_gpt_make(&t, 1, 1, 16, 61, 32, cases[i].eos, 3);
        t.model.n_more_eos = cases[i].n;
        for (int k = 0; k < GLIMPSE_MORE_EOS; k++) t.model.more_eos[k] = cases[i].more;
        if (cases[i].code < 0) EXPECT_ERR(model_from_description(&t.model, &m), cases[i].code, cases[i].part);
        else REQUIRE_OK(model_from_description(&t.model, &m));
        tiny_gpt_free(&t);
    }
    REQUIRE(m);
    EXPECT_EQ(m->d.n_more_eos, 1); /* each once */
    EXPECT(model_ends(&m->d, 5) && model_ends(&m->d, 7) && !model_ends(&m->d, 6) && !model_ends(&m->d, -1));
    /* Padding that holds one of them is none. */
    m->d.vocab_size = 128, m->n_params = 100000, m->d.more_eos[0] = 120;
    model_drop_padding(m, 100);
    EXPECT_EQ(m->d.vocab_size, 128);
    m->d.more_eos[0] = 7;
    model_drop_padding(m, 100);
    EXPECT_EQ(m->d.vocab_size, 100);
    /* A caller that was built before they existed. */
    m->d.vocab_size = 61;
    model_close(m);
    tiny_gpt_make(&t, 1, 1, 16, 61, 32, 5, 3);
    t.model.n_more_eos = 99;
    t.model.size = offsetof(glimpse_model, n_more_eos);
    REQUIRE_OK(model_from_description(&t.model, &m));
    EXPECT_EQ(m->d.n_more_eos, 0);
    /* The worker's copy. */
    set_ends(&m->d, ref_ends, REF_ENDS);
    hello h = {.build_id = "b", .directory = "/", .model = m->d, .o = options_new()}, back = {0};
    h.model.tokenizer = (glimpse_tokenizer)GLIMPSE_TOKENIZER_INIT;
    buffer b = {0};
    REQUIRE_OK(hello_pack(&h, &b));
    REQUIRE_OK(hello_unpack(b.bytes, b.n, &back));
    EXPECT_EQ(back.model.n_more_eos, REF_ENDS - 1);
    EXPECT_MEM(back.model.more_eos, m->d.more_eos, sizeof m->d.more_eos);
    hello_free(&back);
    options_free(h.o);
    buf_free(&b);
    model_close(m);
    tiny_gpt_free(&t);
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

/* The description of a directory whose config.json says `ends` and whose generation_config.json is `generation`. */
static glimpse_status open_with(const char *ends, const char *generation, model **out) {
    const char *dir = hf_dir("ends");
    remove(hf_save(dir, "generation_config.json", "", 0));
    buffer b = {0}, config = {0};
    int i = 0;
    while (strcmp(hf_name(i), "llama3")) i++;
    const char *whole = hf_config(i), *list = strstr(whole, "[2, 8, 9]");
    buf_put(&config, whole, (size_t)(list - whole));
    buf_printf(&config, "%s%s", ends, list + strlen("[2, 8, 9]"));
    hf_safetensors(i, 0, hf_tensor_count(i), GLIMPSE_F32, "", &b);
    hf_save(dir, "model.safetensors", b.bytes, b.n);
    hf_save(dir, "config.json", config.bytes, config.n);
    if (generation) hf_save(dir, "generation_config.json", generation, strlen(generation));
    buf_free(&b), buf_free(&config);
    return checkpoint_open(dir, NULL, NULL, out);
}

static void expect_ends(const glimpse_model *d, const char *want) {
    buffer b = {0};
    buf_printf(&b, "%d", d->eos);
    for (int i = 0; i < d->n_more_eos; i++) buf_printf(&b, " %d", d->more_eos[i]);
    EXPECT_STREQ(buf_str(&b), want);
    buf_free(&b);
}

#define SEVENTEEN "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"
#define TEN "2,8,2,8,2,8,2,8,2,8,"
#define MANY TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
TEST(ends_in_configurations) {
    static const struct {
        const char *ends, *generation, *want;
    } cases[] = {
        {"[2, 8, 9]", NULL, "2 8 9"},
        {"2", NULL, "2"},
        {"null", NULL, "-1"},
        {"[999999, 8, 8, 9, -3, \"x\"]", NULL, "8 9"}, /* outside the vocabulary, twice, no id */
        {"2", "{\"eos_token_id\": [9, 2]}", "9 2"},    /* what transformers' generate looks at */
        {"[2, 8]", "{\"eos_token_id\": 9}", "9"},
        {"[2, 8]", "{\"eos_token_id\": null}", "2 8"},
        {"[2, 8]", "{\"eos_token_id\": []}", "2 8"},
        {"[2, 8]", "{}", "2 8"},
        {"[2, 8]", "no JSON", "2 8"}, /* as there */
        {SEVENTEEN, "{\"eos_token_id\": 9}", "9"}, /* what does not count is not refused */
        {"[" MANY MANY "7]", NULL, "2 8 7"},
        {"[2, 8]", "[1, 2]", "2 8"},
        {"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", NULL, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"},
    };
    model *m = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        REQUIRE_OK(open_with(cases[i].ends, cases[i].generation, &m));
        expect_ends(&m->d, cases[i].want);
        model_close(m);
    }
    EXPECT_ERR(open_with(SEVENTEEN, NULL, &m), GLIMPSE_E_UNSUPPORTED, "more than 16 different ids");
    EXPECT_ERR(open_with("2", "{\"eos_token_id\":" SEVENTEEN "}", &m), GLIMPSE_E_UNSUPPORTED,
               "generation_config.json: eos_token_id lists more than 16");
}

static int shown(void *user, const char *text, size_t n) {
    buf_put(user, text, n);
    return 0;
}

/* `glimpse convert` and --save_snapshots write config.json by save_config: the list is there, and in generation_config.json. */
TEST(ends_travel) {
    model *m = NULL, *back = NULL;
    buffer b = {0}, said = {0};
    REQUIRE_OK(open_with("2", "{\"eos_token_id\": [9, 2]}", &m));
    model_close(m);
    char in[4096], out[4096], path[5000];
    snprintf(in, sizeof in, "%s/ends", test_tmpdir());
    snprintf(out, sizeof out, "%s/out", test_tmpdir());
    const file_command c = {.in = in, .out = out};
    const session_host host = {.user = &said, .out = shown};
    REQUIRE_OK(glimpse_session_v1.files(&c, &host));
    snprintf(path, sizeof path, "%s/config.json", out);
    REQUIRE_OK(file_read_all(path, 1 << 20, &b));
    EXPECT(strstr(buf_str(&b), "\"eos_token_id\": [9, 2]"));
    snprintf(path, sizeof path, "%s/generation_config.json", out);
    buf_clear(&b);
    REQUIRE_OK(file_read_all(path, 1 << 20, &b));
    EXPECT(strstr(buf_str(&b), "\"eos_token_id\": [9, 2]"));
    remove(path);
    REQUIRE_OK(checkpoint_open(out, NULL, NULL, &back)); /* as a snapshot of training has it: config.json alone */
    expect_ends(&back->d, "9 2");
    model_close(back);
    for (int json = 0; json < 2; json++) {
        const file_command look = {.in = out, .inspect = true, .json = json};
        buf_clear(&said);
        REQUIRE_OK(glimpse_session_v1.files(&look, &host));
        EXPECT(strstr(buf_str(&said), json ? "\"more_eos\": [2], \"tied\"" : "\nmore_eos           2\n"));
    }
    buf_free(&b), buf_free(&said);
}
