/* test_llmc.c -- glimpse_llmc.h: llm.c's one block of parameters against the same tensors bound one by one, and what the
 * header reads from the environment and from gpt2_tokenizer.bin.  The explicit binds are tiny_gpt's: 16 allocations of
 * their own, named and shaped there. */
#define _GNU_SOURCE
#include <glimpse_llmc.h>

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/guest.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"

extern const session_api glimpse_session_v1;

enum { L = 3, H = 2, C = 16, V = 50, T = 40, TOKENS = 24 };

/* llm.c's names of things: what its main has at hand. */
typedef struct stand_in {
    struct { int max_seq_len, vocab_size, padded_vocab_size, num_layers, num_heads, channels; } config;
    void *params_memory;
} stand_in;

static uint16_t to_bf16(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

static float from_bf16(uint16_t x) {
    uint32_t u = (uint32_t)x << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* The weights of `g` in one block, in llm.c's order and without gaps.  The padding rows of wte would win every draw. */
static stand_in pack(tiny_gpt *g, glimpse_dtype dtype) {
    stand_in s = {.config = {g->T, g->V, g->Vp, g->L, g->H, g->C}};
    size_t total = 0, size = dtype == GLIMPSE_F32 ? 4 : 2;
    for (int64_t i = (int64_t)g->V * g->C; i < (int64_t)g->Vp * g->C; i++) g->w[0][i] = 50.0f;
    for (int i = 0; i < 16; i++) total += g->n[i];
    char *at = s.params_memory = malloc(total * size);
    for (int i = 0; i < 16; i++)
        for (size_t k = 0; k < g->n[i]; k++, at += size) {
            uint16_t half = to_bf16(g->w[i][k]);
            memcpy(at, size == 4 ? (void *)&g->w[i][k] : (void *)&half, size);
        }
    return s;
}

static void no_log(void *user, const char *line) {
    if (user) {
        buf_puts(user, line);
        buf_putc(user, '\n');
    }
}

/* One sample from a model, in memory of its own: NULL if the model was refused. */
static glimpse_record *sample_of(const glimpse_model *model, glimpse **g) {
    static const int32_t prompt[] = {3, 7, 41};
    glimpse_request r = GLIMPSE_REQUEST_INIT;
    glimpse_record *record = NULL;
    glimpse_config *cfg = glimpse_config_new();
    session_use(&glimpse_session_v1);
    glimpse_set_log(cfg, no_log, NULL);
    EXPECT_OK(glimpse_set(cfg, "out_dir", test_tmpdir()));
    EXPECT_OK(glimpse_set(cfg, "mode", "inline"));
    EXPECT_OK(glimpse_set(cfg, "max_sample_tokens", "24"));
    *g = glimpse_open(cfg, model);
    glimpse_config_free(cfg);
    if (!test_check(*g != NULL, __FILE__, __LINE__, "glimpse_open: %s", glimpse_error())) return NULL;
    r.ids = prompt;
    r.n_ids = 3;
    r.options = "temperature=1 top_k=0";
    EXPECT_OK(glimpse_generate(*g, &r, &record));
    return record;
}

/* tol 0: the same bits. */
static void expect_same_sample(const glimpse_record *a, const glimpse_record *b, float tol) {
    REQUIRE(a && b && a->n_samples == 1 && b->n_samples == 1);
    const glimpse_sample *x = &a->samples[0], *y = &b->samples[0];
    REQUIRE(x->n_tokens == TOKENS && y->n_tokens == TOKENS);
    for (int i = 0; i < TOKENS; i++) {
        const glimpse_token *p = GLIMPSE_AT(x->tokens, i), *q = GLIMPSE_AT(y->tokens, i);
        EXPECT_EQ(p->id, q->id);
        EXPECT(p->id < V);
        EXPECT(fabsf(p->logit - q->logit) <= tol);
        EXPECT(fabsf(p->logprob - q->logprob) <= tol);
    }
}

TEST(llmc_block_is_the_sixteen_tensors) {
    tiny_gpt g;
    tiny_gpt_make(&g, L, H, C, V, T, -1, 5);
    stand_in s = pack(&g, GLIMPSE_F32);
    glimpse_model m = GLIMPSE_MODEL_INIT;
    REQUIRE_OK(glimpse_llmc_describe(&m, GLIMPSE_LLMC_CONFIG(s.config), s.params_memory, GLIMPSE_F32));
    m.tokenizer = g.model.tokenizer; /* the noise is keyed by the prompt's text */
    REQUIRE(m.n_tensors == 16 && g.model.n_tensors == 16);
    const float *at = s.params_memory;
    for (int i = 0; i < 16; i++) {
        const glimpse_tensor *a = &m.tensors[i], *b = &g.model.tensors[i];
        EXPECT_STREQ(a->name, b->name);
        EXPECT_EQ(a->n_dims, b->n_dims);
        EXPECT_MEM(a->dims, b->dims, sizeof a->dims);
        EXPECT(a->data == at);
        EXPECT_MEM(a->data, g.w[i], g.n[i] * sizeof *at);
        at += g.n[i];
    }
    EXPECT_EQ(m.trainer_bf16, 0);
    EXPECT_EQ(m.vocab_size, V);
    glimpse *one, *other;
    glimpse_record *a = sample_of(&m, &one), *b = sample_of(&g.model, &other);
    expect_same_sample(a, b, 0.0f);
    glimpse_record_free(a);
    glimpse_record_free(b);
    glimpse_close(one);
    glimpse_close(other);
    glimpse_model_free(&m);
    free(s.params_memory);
    tiny_gpt_free(&g);
}

/* Against f32 binds of the rounded weights: a bf16 stride taken for an f32 one would not survive. */
TEST(llmc_block_in_bf16) {
    tiny_gpt g;
    tiny_gpt_make(&g, L, H, C, V, T, -1, 6);
    stand_in s = pack(&g, GLIMPSE_BF16);
    for (int i = 0; i < 16; i++)
        for (size_t k = 0; k < g.n[i]; k++) g.w[i][k] = from_bf16(to_bf16(g.w[i][k]));
    glimpse_model m = GLIMPSE_MODEL_INIT;
    REQUIRE_OK(glimpse_llmc_describe(&m, GLIMPSE_LLMC_CONFIG(s.config), s.params_memory, GLIMPSE_BF16));
    m.tokenizer = g.model.tokenizer;
    EXPECT_EQ(m.trainer_bf16, 1);
    glimpse *one, *other;
    glimpse_record *a = sample_of(&m, &one), *b = sample_of(&g.model, &other);
    if (a) EXPECT_STREQ(a->dtype, "bf16");
    expect_same_sample(a, b, 1e-4f);
    glimpse_record_free(a);
    glimpse_record_free(b);
    glimpse_close(one);
    glimpse_close(other);
    glimpse_model_free(&m);
    free(s.params_memory);
    tiny_gpt_free(&g);
}

/* Open, check, evaluate, close as in the patched trainer; the loss comes from the explicit binds. */
TEST(llmc_loop) {
    tiny_gpt g;
    buffer said = {0}, journal = {0};
    tiny_gpt_make(&g, L, H, C, V, T, -1, 7);
    stand_in s = pack(&g, GLIMPSE_F32);
    int32_t ids[12], targets[12];
    for (int i = 0; i < 12; i++) ids[i] = (7 * i + 3) % V, targets[i] = (11 * i + 5) % V;
    glimpse *other;
    glimpse_record *record = sample_of(&g.model, &other), *scored = NULL;
    glimpse_request r = GLIMPSE_REQUEST_INIT;
    r.ids = ids;
    r.n_ids = 12;
    REQUIRE_OK(glimpse_score(other, &r, &scored));
    double loss = 0;
    REQUIRE(scored->n_samples == 1 && scored->samples[0].n_tokens == 11);
    for (int i = 0; i < 11; i++) loss -= GLIMPSE_AT(scored->samples[0].tokens, i)->logprob / 11.0;

    glimpse_config *cfg = glimpse_llmc_config(TOKENS);
    glimpse_set_log(cfg, no_log, &said);
    EXPECT_OK(glimpse_set(cfg, "out_dir", test_tmpdir()));
    EXPECT_OK(glimpse_set(cfg, "mode", "inline"));
    EXPECT_OK(glimpse_set(cfg, "mode", "inline"));
    EXPECT_OK(glimpse_set(cfg, "sample_start_tokens", "IDS:3"));
    glimpse *l = glimpse_llmc_open(cfg, 0, GLIMPSE_LLMC_CONFIG(s.config), s.params_memory, GLIMPSE_F32, NULL);
    REQUIRE(l);
    EXPECT_OK(glimpse_check(l, ids, ids + 1, 1, 11, loss));
    EXPECT_ERR(glimpse_check(l, ids, targets, 1, 11, loss), GLIMPSE_E_CHECK, NULL);
    EXPECT_EQ(glimpse_llmc_eval(l, 0, -1.0f, 3.5f), GLIMPSE_OK);
    EXPECT_EQ(glimpse_llmc_eval(l, 10, 2.25f, 3.25f), GLIMPSE_OK);
    EXPECT_EQ(glimpse_llmc_eval(l, 20, 2.0f, 3.75f), GLIMPSE_NOT_DUE);
    EXPECT_OK(glimpse_close(l));
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    REQUIRE_OK(file_read_all(path, 1 << 24, &journal));
    EXPECT(strstr(buf_str(&journal), "\"train_loss\":null,\"val_loss\":3.5"));
    EXPECT(strstr(buf_str(&journal), "\"train_loss\":2.25,\"val_loss\":3.25"));
    EXPECT(strstr(buf_str(&said), "1×24 tokens"));
    free(path);
    buf_free(&said);
    buf_free(&journal);
    glimpse_record_free(record);
    glimpse_record_free(scored);
    glimpse_close(other);
    free(s.params_memory);
    tiny_gpt_free(&g);
}

static const char *tokens_of(int tokens, const char *args) {
    static char text[32];
    if (args) setenv("GLIMPSE_ARGS", args, 1);
    else unsetenv("GLIMPSE_ARGS");
    glimpse_config *cfg = glimpse_llmc_config(tokens);
    const char *value = glimpse_get(cfg, "max_sample_tokens");
    snprintf(text, sizeof text, "%s", value ? value : "none");
    glimpse_config_free(cfg);
    unsetenv("GLIMPSE_ARGS");
    return text;
}

TEST(llmc_config_comes_from_the_environment) {
    EXPECT_STREQ(tokens_of(64, NULL), "64");
    EXPECT_STREQ(tokens_of(64, "--sample_each_eval"), "64");
    EXPECT_STREQ(tokens_of(64, "--max_sample_tokens 12"), "12");
    EXPECT_STREQ(tokens_of(64, "--max_new_tokens=12"), "12");
    EXPECT(strcmp(tokens_of(64, "--config c.json"), "64") != 0); /* the file may name a number */
    EXPECT(strcmp(tokens_of(64, "--sample_only"), "64") != 0);   /* offline has a default of its own */
    EXPECT(strcmp(tokens_of(0, NULL), "64") != 0 && atoi(tokens_of(0, NULL)) == 0);
    EXPECT(strcmp(tokens_of(-5, NULL), "-5") != 0);
}

static void write_tokenizer(uint32_t magic, uint32_t version, uint32_t end, size_t bytes) {
    uint32_t head[4] = {magic, version, 50257, end};
    FILE *f = fopen("gpt2_tokenizer.bin", "wb");
    if (EXPECT(f)) EXPECT(fwrite(head, 1, bytes, f) == bytes && fclose(f) == 0);
}

TEST(llmc_end_of_text) {
    int found = -1;
    REQUIRE(chdir(test_tmpdir()) == 0);
    EXPECT_EQ(glimpse_llmc_end_of_text(50257, &found), 50256);
    EXPECT_EQ(found, 0);
    EXPECT_EQ(glimpse_llmc_end_of_text(50256, &found), -1);
    EXPECT_EQ(glimpse_llmc_end_of_text(0, &found), -1);
    write_tokenizer(20240328, 2, 7, 16);
    EXPECT_EQ(glimpse_llmc_end_of_text(50257, &found), 7);
    EXPECT_EQ(found, 1);
    EXPECT_EQ(glimpse_llmc_end_of_text(7, &found), -1);
    write_tokenizer(20240328, 2, 0xFFFFFFFF, 16);
    EXPECT_EQ(glimpse_llmc_end_of_text(50257, &found), -1);
    write_tokenizer(20240328, 1, 7, 16); /* version 1 knows GPT-2's alone */
    EXPECT_EQ(glimpse_llmc_end_of_text(50257, &found), 50256);
    EXPECT_EQ(found, 1);
    write_tokenizer(20240520, 2, 7, 16); /* a data file */
    EXPECT_EQ(glimpse_llmc_end_of_text(50257, &found), 50256);
    EXPECT_EQ(found, 0);
    write_tokenizer(20240328, 2, 7, 15);
    EXPECT_EQ(glimpse_llmc_end_of_text(50257, &found), 50256);
    EXPECT_EQ(found, 0);

    write_tokenizer(20240328, 2, 7, 16); /* is taken, unless the caller gave one */
    static float block[1];
    glimpse_model m = GLIMPSE_MODEL_INIT, given = GLIMPSE_MODEL_INIT;
    EXPECT_OK(glimpse_llmc_describe(&m, 8, 50, 56, 1, 1, 4, block, GLIMPSE_F32));
    EXPECT_STREQ(m.tokenizer.path, "gpt2_tokenizer.bin");
    EXPECT_EQ(m.eos, 7);
    given.tokenizer.path = "mine.json";
    EXPECT_OK(glimpse_llmc_describe(&given, 8, 50, 56, 1, 1, 4, block, GLIMPSE_F32));
    EXPECT_STREQ(given.tokenizer.path, "mine.json");
    glimpse_model_free(&m);
    glimpse_model_free(&given);
}

/* Refused where the bind is, and said by glimpse_open; nothing is read through `params`. */
static void expect_refused(const char *part, int t, int v, int vp, int l, int h, int c, const void *params) {
    buffer said = {0};
    glimpse_config *cfg = glimpse_llmc_config(TOKENS);
    glimpse_set_log(cfg, no_log, &said);
    EXPECT_OK(glimpse_set(cfg, "out_dir", test_tmpdir()));
    EXPECT_OK(glimpse_set(cfg, "mode", "inline"));
    EXPECT(!glimpse_llmc_open(cfg, 0, t, v, vp, l, h, c, params, GLIMPSE_BF16, NULL));
    test_check(strstr(buf_str(&said), part) != NULL, __FILE__, __LINE__, "\"%s\" names %s", buf_str(&said), part);
    buf_free(&said);
}

TEST(llmc_refuses) {
    static float block[4096];
    session_use(&glimpse_session_v1);
    expect_refused("transformer.wte.weight: its data is NULL", 8, 50, 56, 1, 1, 4, NULL);
    expect_refused("transformer.wte.weight: dimension 0 is 0", 8, 50, 0, 1, 1, 4, block);
    expect_refused("transformer.wpe.weight: dimension 0 is -8", -8, 50, 56, 1, 1, 4, block);
    expect_refused("transformer.h.*.ln_1.weight: dimension 0 is 0", 8, 50, 56, 0, 1, 4, block);
    expect_refused("transformer.h.*.ln_1.weight: its dimensions overflow", 8, 50, 56, INT_MAX, 1, INT_MAX, block);
    expect_refused("transformer.wte.weight: expected (Vp, C) = (57 or more, 4)", 8, 57, 56, 1, 1, 4, block); /* more ids than rows */
    expect_refused("heads", 8, 50, 56, 1, 3, 4, block);
}

TEST(llmc_other_ranks_are_silent) {
    static float block[1];
    buffer said = {0};
    glimpse_config *cfg = glimpse_llmc_config(TOKENS);
    glimpse_set_log(cfg, no_log, &said);
    glimpse *g = glimpse_llmc_open(cfg, 3, 8, 50, 56, 1, 1, 4, block, GLIMPSE_F32, NULL);
    EXPECT(!g);
    EXPECT_EQ(said.n, 0);
    EXPECT_EQ(glimpse_llmc_eval(g, 0, -1.0f, 2.0f), GLIMPSE_NOT_DUE);
    EXPECT_OK(glimpse_close(g));
}
