/* test_forward.c -- the plan: logits of whole models against numbers frozen from an independent implementation
 * (tests/ref/gpt2_reference.py), in every layout and type, whole prompts and one token after another. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"
#include "sampling/forward.h"
#include "tests/gpt2_weights.h"
#include "tests/ref/gpt2_logits.h"
#include "tests/test.h"

/* max |difference| / max |reference| of the last row of prompt p. */
static double error_of(const backend_ops *ops, const model *m, int index, int p, bool one_by_one) {
    plan *pl = NULL;
    backend *be = NULL;
    double worst = NAN, largest = 0;
    int n = ref_lengths[p];
    backend_row rows[REF_T];
    const float *logits = NULL;
    int64_t stride = 0;
    backend_config cfg = {.threads = 1, .max_rows = REF_T, .max_logits = 1, .n_strips = 1, .strip_tokens = REF_T};
    if (!EXPECT_OK(plan_build(m, &pl))) return NAN;
    if (!EXPECT_OK(ops->open(&be, pl, &cfg))) goto out;
    if (!EXPECT_OK(ops->refresh(be))) goto out;
    for (int i = 0; i < n; i++) rows[i] = (backend_row){ref_id(p, i), i, 0, -1, 0, i == n - 1, 0};
    for (int i = 0; i < n; i += one_by_one ? 1 : n)
        if (!EXPECT_OK(ops->forward(be, rows + i, one_by_one ? 1 : n, &logits, &stride))) goto out;
    worst = 0;
    for (int v = 0; v < REF_V; v++) {
        double want = ref_logits[index][p][v], difference = fabs((double)logits[v] - want);
        if (!(difference <= worst)) worst = difference; /* a NaN stays */
        if (fabs(want) > largest) largest = fabs(want);
    }
    worst /= largest;
out:
    ops->close(be);
    plan_close(pl);
    return worst;
}

static void check_model(const backend_ops *ops, int index, ref_layout layout, glimpse_dtype dtype) {
    ref_model r;
    model *m = NULL;
    ref_model_make(&r, index, layout, dtype);
    if (EXPECT_OK(model_from_description(&r.d, &m)))
        for (int p = 0; p < 3; p++)
            for (int k = 0; k < 2; k++) {
                double error = error_of(ops, m, index, p, k);
                test_check(error < 1e-5, __FILE__, __LINE__, "model %d layout %d dtype %d prompt %d%s: error %g", index,
                           (int)layout, (int)dtype, p, k ? " one by one" : "", error);
            }
    model_close(m);
    ref_model_free(&r);
}

TEST(forward_reference_backend_gives_the_frozen_logits) {
    for (int index = 0; index < REF_MODELS; index++)
        for (int dtype = GLIMPSE_F32; dtype <= GLIMPSE_F16; dtype++) check_model(&backend_reference, index, REF_STACKED, (glimpse_dtype)dtype);
}

TEST(forward_cpu_backend_gives_the_frozen_logits) {
    for (int index = 0; index < REF_MODELS; index++)
        for (int dtype = GLIMPSE_F32; dtype <= GLIMPSE_F16; dtype++)
            for (int layout = 0; layout < REF_LAYOUTS; layout++) check_model(&backend_cpu, index, (ref_layout)layout, (glimpse_dtype)dtype);
}

TEST(forward_layouts_give_the_frozen_logits) {
    for (int index = 0; index < REF_MODELS; index++)
        for (int layout = 0; layout < REF_LAYOUTS; layout++) check_model(&backend_reference, index, (ref_layout)layout, GLIMPSE_F32);
}

TEST(forward_llama_names_give_the_frozen_logits) {
    ref_model r;
    model *m = NULL;
    ref_model_make(&r, REF_LLAMA_LIKE, REF_SEPARATE, GLIMPSE_F32);
    ref_model_to_llama(&r);
    REQUIRE_OK(model_from_description(&r.d, &m));
    EXPECT_EQ(m->layers[1].n_qkv, 3);
    EXPECT(m->layers[1].n_up == 2 && m->layers[1].gated);
    EXPECT_STREQ(m->arch, "llama");
    for (int p = 0; p < 3; p++) {
        EXPECT_LT(error_of(&backend_reference, m, REF_LLAMA_LIKE, p, false), 1e-5);
        EXPECT_LT(error_of(&backend_cpu, m, REF_LLAMA_LIKE, p, true), 1e-5);
    }
    model_close(m);
    r.d.n_tensors--;
    m = NULL;
    EXPECT_ERR(model_from_description(&r.d, &m), GLIMPSE_E_MODEL,
               "tensor model.layers.2.mlp.down_proj.weight is missing: expected (C, F) = (48, 80)");
    ref_model_free(&r);
}

/* A square matrix that is stored the other way round cannot be told by its shape; the logits tell. */
TEST(forward_wrong_orientation_is_seen) {
    ref_model r;
    model *m = NULL;
    ref_model_make(&r, REF_GPT2, REF_STACKED, GLIMPSE_F32);
    ref_tensor(&r, "transformer.h.*.attn.c_proj.weight")->flags = GLIMPSE_TRANSPOSED;
    REQUIRE_OK(model_from_description(&r.d, &m));
    EXPECT(error_of(&backend_reference, m, REF_GPT2, 1, false) > 1e-2);
    model_close(m);
    ref_model_free(&r);
}

/* Five phases a layer; what a phase says follows from the description. */
TEST(forward_plan_says_what_the_description_says) {
    ref_model r;
    model *m = NULL;
    plan *p = NULL;
    ref_model_make(&r, REF_LLAMA_LIKE, REF_STACKED, GLIMPSE_BF16);
    REQUIRE_OK(model_from_description(&r.d, &m));
    REQUIRE_OK(plan_build(m, &p));
    EXPECT_EQ(p->n_phases, 2 + 5 * REF_L);
    EXPECT_EQ(p->phases[0].embedding.rows, REF_V);
    EXPECT(!p->phases[0].positions.data);
    const phase *qkv = &p->phases[6], *att = &p->phases[7], *up = &p->phases[9], *head = &p->phases[p->n_phases - 1];
    EXPECT_EQ(qkv->layer, 1);
    EXPECT_EQ(qkv->store, STORE_QKV);
    EXPECT_EQ(qkv->rope.dims, 16);
    EXPECT_NEAR(qkv->rope.inv_freq[0], 1, 0);
    EXPECT_NEAR(qkv->rope.inv_freq[7], exp(-14.0 / 16 * log(500.0)), 1e-15);
    EXPECT_EQ(att->window, 5);
    EXPECT_NEAR(att->softcap, 3, 0);
    EXPECT_NEAR(att->scale, 0.3f, 0);
    EXPECT_EQ(up->store, STORE_GATED);
    EXPECT_EQ(p->width[up->out], 80);
    EXPECT_EQ(head->part[0].rows, REF_V);
    EXPECT_NEAR(head->softcap, 4, 0);
    EXPECT(head->part[0].data != p->phases[0].embedding.data);
    plan_close(p);
    model_close(m);
    ref_model_free(&r);
}

static int no_logits(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user, (void)B, (void)T, (void)ids, (void)lengths, (void)out;
    return 1;
}

TEST(forward_a_function_has_no_plan) {
    glimpse_model d = GLIMPSE_MODEL_INIT;
    model *m = NULL;
    plan *p = NULL;
    d.vocab_size = 10, d.max_seq_len = 8, d.logits = no_logits;
    REQUIRE_OK(model_from_description(&d, &m));
    EXPECT(m->is_function);
    EXPECT_STREQ(m->d.arch, "function");
    EXPECT_ERR(plan_build(m, &p), GLIMPSE_E_UNSUPPORTED, "function");
    EXPECT(!p);
    model_close(m);
    plan_close(NULL);
}
