/* test_model.c -- descriptions and tensors that fit, and every way in which they do not. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/model/model.h"
#include "sampling/model/names.h"
#include "tests/gpt2_weights.h"
#include "tests/test.h"

TEST(model_defaults_are_filled_in) {
    ref_model r;
    model *m = NULL;
    ref_model_make(&r, REF_GPT2, REF_STACKED, GLIMPSE_BF16);
    r.d.name = "mine";
    REQUIRE_OK(model_from_description(&r.d, &m));
    EXPECT_STREQ(m->name, "mine");
    EXPECT_STREQ(m->arch, "gpt2");
    EXPECT(m->d.name == m->name && m->d.arch == m->arch && !m->d.tensors);
    EXPECT_EQ(m->d.n_kv_heads, REF_H);
    EXPECT_EQ(m->d.head_size, 12);
    EXPECT_EQ(m->d.ffn_size, 192);
    EXPECT_NEAR(m->d.norm_eps, 1e-5f, 0);
    EXPECT_NEAR(m->d.attention_scale, 1 / sqrt(12.0), 1e-8);
    EXPECT_NEAR(m->d.embedding_scale, 1, 0);
    EXPECT_EQ(m->dtype, GLIMPSE_BF16);
    EXPECT(m->head.data == m->wte.data); /* tied */
    EXPECT(!m->layers[0].gated && m->layers[0].n_qkv == 1 && m->layers[2].n_up == 1);
    /* V C + T C + L (12 C C + 13 C) + 2 C: the padding does not count */
    EXPECT_EQ(m->n_params, 61 * 48 + 32 * 48 + 3 * (12 * 48 * 48 + 13 * 48) + 2 * 48);
    model_close(m);
    model_close(NULL);
    ref_model_free(&r);
}

/* GPT-2 small has 124,439,808 parameters (Radford et al. 2019, as counted from the published weights); no memory is
 * touched, so none is needed. */
TEST(model_counts_gpt2) {
    static char nowhere[8] __attribute__((aligned(8)));
    ref_model r;
    model *m = NULL;
    ref_model_make(&r, REF_GPT2, REF_STACKED, GLIMPSE_F32);
    r.d.n_layers = 12, r.d.n_heads = 12, r.d.channels = 768, r.d.vocab_size = 50257, r.d.max_seq_len = 1024;
    for (int i = 0; i < r.d.n_tensors; i++) {
        glimpse_tensor *t = &r.tensors[i];
        for (int k = 0; k < t->n_dims; k++) {
            int64_t d = t->dims[k];
            t->dims[k] = d == REF_L ? 12 : d == REF_VP ? 50304 : d == REF_T ? 1024 : d * 16;
        }
        t->data = nowhere;
    }
    REQUIRE_OK(model_from_description(&r.d, &m));
    EXPECT_EQ(m->n_params, 124439808);
    model_close(m);
    ref_model_free(&r);
}

/* One thing wrong at a time, and what is said about it. */
typedef void (*spoil_fn)(ref_model *r);
#define T(name) ref_tensor(r, name)
#define SPOIL(name) static void name(ref_model *r)
SPOIL(drop) { r->tensors[0] = r->tensors[--r->d.n_tensors]; }
SPOIL(drop_all) { r->d.n_tensors = 0; }
SPOIL(drop_layer) { *T("transformer.h.2.mlp.c_fc.weight") = r->tensors[--r->d.n_tensors]; }
SPOIL(turned) {
    glimpse_tensor *t = T("transformer.h.1.attn.c_attn.weight");
    t->dims[0] = 48, t->dims[1] = 144;
}
SPOIL(turned_flag) { T("transformer.h.1.attn.c_attn.weight")->flags = GLIMPSE_TRANSPOSED; }
SPOIL(vector_turned) { T("transformer.ln_f.bias")->flags = GLIMPSE_TRANSPOSED; }
SPOIL(unknown_flag) { T("transformer.ln_f.bias")->flags = 6; }
SPOIL(short_wte) { T("transformer.wte.weight")->dims[0] = 60; }
SPOIL(short_wpe) { T("transformer.wpe.weight")->dims[0] = 31; }
SPOIL(null_data) { T("transformer.h.0.ln_1.weight")->data = NULL; }
SPOIL(odd_address) {
    glimpse_tensor *t = T("transformer.h.0.ln_1.weight");
    t->data = (const char *)t->data + 1;
}
SPOIL(bad_dtype) { T("transformer.h.0.ln_1.weight")->dtype = (glimpse_dtype)7; }
SPOIL(bad_rank) { T("transformer.h.0.ln_1.weight")->n_dims = 5; }
SPOIL(zero_rank) { T("transformer.h.0.ln_1.weight")->n_dims = 0; }
SPOIL(zero_dim) { T("transformer.h.0.ln_1.weight")->dims[0] = 0; }
SPOIL(negative_dim) { T("transformer.wte.weight")->dims[0] = -64; }
SPOIL(huge_dim) { T("transformer.wte.weight")->dims[0] = INT64_MAX; }
SPOIL(huge_product) { T("transformer.wte.weight")->dims[0] = (int64_t)1 << 40, T("transformer.wte.weight")->dims[1] = (int64_t)1 << 40; }
SPOIL(huge_stride) { T("transformer.wte.weight")->strides[0] = INT64_MAX / 2, T("transformer.wte.weight")->strides[1] = 1; }
SPOIL(negative_stride) { T("transformer.wte.weight")->strides[0] = -48, T("transformer.wte.weight")->strides[1] = 1; }
SPOIL(spread_vector) { T("transformer.ln_f.bias")->strides[0] = 2; }
SPOIL(twice) { T("transformer.h.2.ln_1.weight")->name = "transformer.h.1.ln_1.weight"; }
SPOIL(twice_by_star) {
    glimpse_tensor *t = &r->tensors[r->d.n_tensors++];
    *t = *T("transformer.h.2.ln_1.weight");
    t->name = "transformer.h.*.ln_1.weight", t->n_dims = 2, t->dims[0] = 3, t->dims[1] = 48;
}
SPOIL(of_gpt2_in_llama) { r->d.arch = "llama"; }
SPOIL(misspelt) { T("transformer.h.2.attn.c_proj.weight")->name = "transformer.h.2.attn.c_prj.weight"; }
SPOIL(beyond) { T("transformer.h.2.ln_1.weight")->name = "transformer.h.3.ln_1.weight"; }
SPOIL(leading_zero) { T("transformer.h.2.ln_1.weight")->name = "transformer.h.02.ln_1.weight"; }
SPOIL(drop_several) {
    static const char *const some[] = {".c_attn.weight", ".mlp.c_proj.weight", "h.1.ln_2.weight", "ln_f.weight"};
    int32_t n = 0;
    for (int32_t i = 0; i < r->d.n_tensors; i++) {
        bool gone = false;
        for (size_t k = 0; k < sizeof some / sizeof *some; k++) gone |= strstr(r->tensors[i].name, some[k]) != NULL;
        if (!gone) r->tensors[n++] = r->tensors[i];
    }
    r->d.n_tensors = n;
}
SPOIL(star_one_layer) { T("transformer.h.2.ln_1.weight")->name = "transformer.h.*.ln_1.weight"; }
SPOIL(no_star) {
    glimpse_tensor *t = T("transformer.h.2.ln_1.weight");
    t->n_dims = 2, t->dims[0] = 3, t->dims[1] = 48;
}
SPOIL(no_name) { r->tensors[3].name = NULL; }
SPOIL(dynamic_longer) {
    r->d.positions = GLIMPSE_ROPE, r->d.rope_scaling = GLIMPSE_ROPE_DYNAMIC, r->d.rope_factor = 2;
    r->d.rope_original_len = r->d.max_seq_len - 1;
}
SPOIL(dynamic_equal) {
    dynamic_longer(r);
    r->d.rope_original_len++;
}
SPOIL(rope_with_wpe) { r->d.positions = GLIMPSE_ROPE; }
SPOIL(no_layers) { r->d.n_layers = 0; }
SPOIL(many_layers) { r->d.n_layers = 1 << 30; }
SPOIL(heads) { r->d.n_heads = 5; }
SPOIL(kv_heads) { r->d.n_kv_heads = 3; }
SPOIL(no_vocab) { r->d.vocab_size = 0; }
SPOIL(no_context) { r->d.max_seq_len = 0; }
SPOIL(eos) { r->d.eos = 61; }
SPOIL(nan_eps) { r->d.norm_eps = NAN; }
SPOIL(minus_cap) { r->d.logit_softcap = -1; }
SPOIL(bad_norm) { r->d.norm = 2; }
SPOIL(bad_act) { r->d.activation = -1; }
SPOIL(wrong_ffn) { r->d.ffn_size = 100; }
static void turn(glimpse_tensor *t) {
    int64_t rows = t->dims[0];
    t->dims[0] = t->dims[1], t->dims[1] = rows;
}
SPOIL(down_turned) { turn(T("transformer.h.0.mlp.c_proj.weight")); }
SPOIL(both_turned) {
    turn(T("transformer.h.0.mlp.c_fc.weight"));
    turn(T("transformer.h.0.mlp.c_proj.weight"));
}
SPOIL(bad_size) { r->d.size = 0; }
SPOIL(failed_bind) { r->d.bind_status = GLIMPSE_E_MEMORY; }
SPOIL(bias_of_gate) { T("transformer.h.0.mlp.c_fc.bias")->dims[0] = 384; }
SPOIL(strange_arch) { r->d.arch = "rwkv"; }
SPOIL(bad_tokenizer) { r->d.tokenizer.n_pieces = 4; }

TEST(model_says_what_is_wrong) {
    static const struct {
        spoil_fn spoil;
        int code;
        const char *says;
    } cases[] = {
        {drop, GLIMPSE_E_MODEL, "tensor transformer.wte.weight is missing: expected (Vp, C) = (61 or more, 48)"},
        {drop_several, GLIMPSE_E_MODEL, "(C) = (48); missing too: transformer.h.*.attn.c_attn.weight, transformer.h.1.ln_2.weight, "
                                         "transformer.h.*.mlp.c_proj.weight"},
        {drop_all, GLIMPSE_E_MODEL, "hint: call glimpse_bind"},
        {drop_layer, GLIMPSE_E_MODEL, "tensor transformer.h.2.mlp.c_fc.weight is missing: expected (F, C) = (192 or gated 384, 48)"},
        {turned, GLIMPSE_E_MODEL,
         "tensor transformer.h.1.attn.c_attn.weight: expected (3C, C) = (144, 48), found (48, 144)\n"
         "hint: if it is stored (in, out), bind it with GLIMPSE_TRANSPOSED"},
        {turned_flag, GLIMPSE_E_MODEL, "expected (C, 3C) = (48, 144), found (144, 48)\nhint: it is stored (out, in)"},
        {vector_turned, GLIMPSE_E_MODEL, "for matrices alone"},
        {unknown_flag, GLIMPSE_E_MODEL, "unknown flags 0x6"},
        {short_wte, GLIMPSE_E_MODEL, "expected (Vp, C) = (61 or more, 48), found (60, 48)"},
        {short_wpe, GLIMPSE_E_MODEL, "tensor transformer.wpe.weight: expected (T, C) = (32 or more, 48), found (31, 48)"},
        {null_data, GLIMPSE_E_MODEL, "tensor transformer.h.0.ln_1.weight: its data is NULL"},
        {odd_address, GLIMPSE_E_MODEL, "not a multiple of its 4-byte elements"},
        {bad_dtype, GLIMPSE_E_MODEL, "unknown dtype 7"},
        {bad_rank, GLIMPSE_E_MODEL, "5 dimensions"},
        {zero_rank, GLIMPSE_E_MODEL, "0 dimensions"},
        {zero_dim, GLIMPSE_E_MODEL, "dimension 0 is 0"},
        {negative_dim, GLIMPSE_E_MODEL, "dimension 0 is -64"},
        {huge_dim, GLIMPSE_E_MODEL, "dimension 0 is 9223372036854775807"},
        {huge_product, GLIMPSE_E_MODEL, "beyond any memory"},
        {huge_stride, GLIMPSE_E_MODEL, "beyond any memory"},
        {negative_stride, GLIMPSE_E_MODEL, "stride 0 is -48"},
        {spread_vector, GLIMPSE_E_MODEL, "a vector must be dense"},
        {twice, GLIMPSE_E_MODEL, "transformer.h.1.ln_1.weight is bound twice"},
        {twice_by_star, GLIMPSE_E_MODEL, "tensor transformer.h.*.ln_1.weight: transformer.h.0.ln_1.weight is bound twice"},
        {of_gpt2_in_llama, GLIMPSE_E_MODEL, "tensor transformer.wte.weight is not one of a llama model\nhint: it is one of model.arch \"gpt2\""},
        {misspelt, GLIMPSE_E_MODEL, "hint: the nearest known name is transformer.h.N.attn.c_proj.weight"},
        {beyond, GLIMPSE_E_MODEL, "the model has 3 layers, 0 to 2"},
        {leading_zero, GLIMPSE_E_MODEL, "nearest known name is transformer.h.N.ln_1.weight"},
        {star_one_layer, GLIMPSE_E_MODEL, "expected (L, C) = (3, 48), found (48)\nhint: with * in its name"},
        {no_star, GLIMPSE_E_MODEL, "expected (C) = (48), found (3, 48)\nhint: a tensor of all layers is bound with *"},
        {no_name, GLIMPSE_E_MODEL, "tensor number 3 has no name"},
        {dynamic_longer, GLIMPSE_E_UNSUPPORTED, "model.max_seq_len is 32 and model.rope_original_len 31: dynamic scaling beyond"},
        {dynamic_equal, GLIMPSE_E_MODEL, "tensor transformer.wpe.weight is bound"},
        {rope_with_wpe, GLIMPSE_E_MODEL, "tensor transformer.wpe.weight is bound"},
        {no_layers, GLIMPSE_E_MODEL, "model.n_layers is 0"},
        {many_layers, GLIMPSE_E_MODEL, "model.n_layers is 1073741824"},
        {heads, GLIMPSE_E_MODEL, "model.channels is 48, no multiple of model.n_heads = 5"},
        {kv_heads, GLIMPSE_E_MODEL, "no multiple of model.n_kv_heads = 3"},
        {no_vocab, GLIMPSE_E_MODEL, "model.vocab_size is 0"},
        {no_context, GLIMPSE_E_MODEL, "model.max_seq_len is 0"},
        {eos, GLIMPSE_E_MODEL, "model.eos is 61, -1 to 60"},
        {nan_eps, GLIMPSE_E_MODEL, "model.norm_eps is nan"},
        {minus_cap, GLIMPSE_E_MODEL, "model.logit_softcap is -1"},
        {bad_norm, GLIMPSE_E_MODEL, "model.norm is 2"},
        {bad_act, GLIMPSE_E_MODEL, "model.activation is -1"},
        {wrong_ffn, GLIMPSE_E_MODEL, "(F, C) = (100 or gated 200, 48), found (192, 48)"},
        {down_turned, GLIMPSE_E_MODEL,
         "tensor transformer.h.0.mlp.c_proj.weight: expected (C, F) = (48, 192), found (192, 48)\n"
         "hint: if it is stored (in, out), bind it with GLIMPSE_TRANSPOSED"},
        {both_turned, GLIMPSE_E_MODEL, "found (48, 192)\nhint: if it is stored (in, out)"},
        {bad_size, GLIMPSE_E_MODEL, "hint: begin with glimpse_model model = GLIMPSE_MODEL_INIT"},
        {failed_bind, GLIMPSE_E_MEMORY, "glimpse_bind failed"},
        {bias_of_gate, GLIMPSE_E_MODEL, "layer 0: the feed-forward bias has 384 elements, its matrix 192 rows"},
        {strange_arch, GLIMPSE_E_UNSUPPORTED, "\"rwkv\" is not known; known: gpt2"},
        {bad_tokenizer, GLIMPSE_E_TOKENIZER, "n_pieces is 4 with pieces NULL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ref_model r;
        model *m = NULL;
        ref_model_make(&r, REF_GPT2, REF_SEPARATE, GLIMPSE_F32);
        cases[i].spoil(&r);
        EXPECT_ERR(model_from_description(&r.d, &m), cases[i].code, cases[i].says);
        EXPECT(!m);
        model_close(m);
        ref_model_free(&r);
    }
    model *none = NULL;
    EXPECT_ERR(model_from_description(NULL, &none), GLIMPSE_E_MODEL, "model.size");
}

/* A shorter struct, of a caller built with an older header: what it lacks stays at its default. */
TEST(model_of_an_older_caller) {
    ref_model r;
    model *m = NULL;
    ref_model_make(&r, REF_GPT2, REF_STACKED, GLIMPSE_F32);
    struct {
        glimpse_model d;
        char after[64];
    } newer;
    memset(&newer, 0x5a, sizeof newer);
    newer.d = r.d, newer.d.size = sizeof newer; /* a longer one too */
    EXPECT_OK(model_from_description(&newer.d, &m));
    if (m) EXPECT_EQ(m->d.size, sizeof(glimpse_model));
    model_close(m);
    m = NULL;
    r.d.size = offsetof(glimpse_model, logits);
    r.d.logits = (glimpse_logits_fn)(uintptr_t)1; /* beyond what it has: must not be seen, and then there are no tensors */
    EXPECT_ERR(model_from_description(&r.d, &m), GLIMPSE_E_MODEL, "no tensors");
    EXPECT(!m);
    ref_model_free(&r);
}

TEST(model_names_with_wrappers_and_without_prefix) {
    ref_model r;
    model *m = NULL;
    ref_model_make(&r, REF_GPT2, REF_SEPARATE, GLIMPSE_F32);
    ref_tensor(&r, "transformer.wte.weight")->name = "_orig_mod.module.transformer.wte.weight";
    ref_tensor(&r, "transformer.h.1.ln_1.weight")->name = "h.1.ln_1.weight";
    ref_tensor(&r, "transformer.ln_f.bias")->name = "ln_f.bias";
    glimpse_tensor *mask = &r.tensors[r.d.n_tensors++]; /* the causal mask of older files: not looked at */
    *mask = (glimpse_tensor)GLIMPSE_TENSOR_INIT;
    mask->name = "h.0.attn.bias";
    EXPECT_OK(model_from_description(&r.d, &m));
    model_close(m);
    ref_model_free(&r);
}

TEST(model_biases_may_be_absent) {
    ref_model r;
    model *m = NULL;
    ref_model_make(&r, REF_GPT2, REF_SEPARATE, GLIMPSE_F32);
    int n = 0;
    for (int i = 0; i < r.d.n_tensors; i++)
        if (!strstr(r.tensors[i].name, "bias")) r.tensors[n++] = r.tensors[i];
    r.d.n_tensors = n;
    REQUIRE_OK(model_from_description(&r.d, &m));
    EXPECT(!m->layers[1].qkv_bias[0].data && !m->ln_f.bias.data && m->ln_f.on);
    model_close(m);
    ref_model_free(&r);
}

/* The description's strings and pieces may go when the call returns. */
TEST(model_copies_strings_and_tokenizer) {
    ref_model r;
    model *m = NULL;
    char name[] = "name", a[] = "ab", path[] = "/tmp/tok";
    const char *pieces[] = {a, "", "c"};
    int32_t lengths[] = {2, 0, 1};
    ref_model_make(&r, REF_GPT2, REF_STACKED, GLIMPSE_F32);
    r.d.name = name, r.d.tokenizer.pieces = pieces, r.d.tokenizer.piece_bytes = lengths, r.d.tokenizer.n_pieces = 3;
    r.d.tokenizer.path = path;
    REQUIRE_OK(model_from_description(&r.d, &m));
    memset(name, 'x', 4), memset(a, 'x', 2), memset(path, 'x', 8), pieces[0] = NULL, lengths[0] = 99;
    EXPECT_STREQ(m->d.name, "name");
    EXPECT_STREQ(m->d.tokenizer.path, "/tmp/tok");
    EXPECT_EQ(m->d.tokenizer.piece_bytes[0], 2);
    EXPECT(!memcmp(m->d.tokenizer.pieces[0], "ab", 2) && m->d.tokenizer.pieces[2][0] == 'c');
    model_close(m);
    ref_model_free(&r);
}

TEST(model_without_memory) {
    ref_model r;
    ref_model_make(&r, REF_GPT2, REF_STACKED, GLIMPSE_F32);
    for (long n = 1; n < 50; n++) {
        model *m = NULL;
        test_fail_alloc(n);
        glimpse_status st = model_from_description(&r.d, &m);
        long used = test_fail_alloc(0);
        if (st < 0) EXPECT_EQ(st, GLIMPSE_E_MEMORY);
        EXPECT((st < 0) == !m);
        model_close(m);
        if (used < n) break;
    }
    ref_model_free(&r);
}
