/* test_model_check.c -- a model that is described wrongly, or broken, is found out: by the losses of a batch, by the logits of an
 * eval; the mistake is named where it can be. */
#include "hooks/model_variants.h"
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "tests/gpt2_weights.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const session_api glimpse_session_v1;

static void on_log(void *user, const char *line) {
    buf_puts(user, line);
    buf_putc(user, '\n');
}
static int on_out(void *user, const char *bytes, size_t n) {
    (void)user, (void)bytes, (void)n;
    return 0;
}

static options *in_tmpdir(void) {
    options *o = options_new();
    EXPECT_OK(options_set(o, OPT_out_dir, test_tmpdir(), OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_max_sample_tokens, "6", OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_sample_each_eval, "true", OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_sheets, "false", OPT_LEVEL_FLAG));
    return o;
}

static double mean_loss(session *s, const int32_t *ids, const int32_t *targets, int n, float *each) {
    double ours[64], sum = 0;
    int counted = 0;
    EXPECT_OK(score_losses(s->g, ids, targets, 1, n, ours));
    for (int i = 0; i < n; i++) {
        if (each) each[i] = (float)ours[i];
        if (targets[i] >= 0) sum += ours[i], counted++;
    }
    return sum / counted;
}

TEST(model_broken_is_called_broken) {
    tiny_gpt g;
    buffer log = {0};
    session_host host = {.user = &log, .log = on_log, .out = on_out};
    tiny_gpt_make(&g, 2, 2, 16, 60, 32, -1, 9);
    options *o = in_tmpdir();
    session *s;
    g.model.name = "my-gpt";
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    EXPECT(strstr(buf_str(&log), "glimpse: on: my-gpt, 1 x 6 tokens"));
    int32_t ids[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, targets[8] = { 2, 3, 4, 5, 6, 7, 8, -1 };
    double loss = mean_loss(s, ids, targets, 8, NULL);
    EXPECT_OK(glimpse_session_v1.check(s, ids, targets, 1, 8, loss, NULL));
    EXPECT_OK(session_eval(s, 0, 3, 3));
    EXPECT_STREQ(s->before->record.check, "ok");
    static const int32_t none[8] = { -1, -1, -1, -1, -1, -1, -1, -1 };
    EXPECT_ERR(glimpse_session_v1.check(s, ids, none, 1, 8, loss, NULL), GLIMPSE_E_INVALID, "all 1 x 8 are -1");
    EXPECT_ERR(glimpse_session_v1.check(s, ids, targets, 1, 8, NAN, NULL), GLIMPSE_E_NONFINITE, "nothing to compare with");
    EXPECT_OK(session_eval(s, 0, 3, 3));
    EXPECT_STREQ(s->before->record.check, "ok"); /* neither says anything of the description */
    EXPECT_ERR(glimpse_session_v1.check(s, ids, targets, 1, 8, loss + 2e-4, NULL), GLIMPSE_E_CHECK, "MODEL CHECK FAILED");
    EXPECT_OK(session_eval(s, 1, 3, 3));
    EXPECT_STREQ(s->before->record.check, "failed");
    buffer text = {0};
    EXPECT_OK(file_read_all(test_path("sample.txt"), 1 << 20, &text));
    EXPECT(strstr(buf_str(&text), "MODEL CHECK FAILED"));
    buf_free(&text);
    g.w[14][3] = NAN;
    EXPECT_ERR(session_eval(s, 2, 3, 3), GLIMPSE_E_NONFINITE, "not finite");
    EXPECT(strstr(buf_str(&log), "not finite"));
    EXPECT(strstr(buf_str(&log), "  transformer.ln_f.weight, 1 of its 16 numbers\n"));
    g.w[15][0] = INFINITY;
    EXPECT_ERR(session_eval(s, 2, 3, 3), GLIMPSE_E_NONFINITE, "1 of its 16 numbers, and 1 other tensor");
    for (int i = 0; i < 16; i++) g.w[14][i] = 3e38f, g.w[15][i] = 3e38f; /* finite, and too large */
    EXPECT_ERR(session_eval(s, 2, 3, 3), GLIMPSE_E_NONFINITE, "; every weight is finite");
    for (int i = 0; i < 16; i++) g.w[14][i] = 1, g.w[15][i] = 0;
    g.w[14][3] = 1;
    EXPECT_OK(session_eval(s, 3, 3, 3)); /* and goes on when they are finite again */
    session_close(s);
    options_free(o);
    tiny_gpt_free(&g);
    buf_free(&log);
}

/* Descriptions that are wrong on purpose: the mean shows swapped queries and keys, each token's loss shows the rest. */
TEST(model_check_catches_wrong_descriptions) {
    tiny_gpt g;
    buffer log = {0};
    session_host host = {.user = &log, .log = on_log, .out = on_out};
    tiny_gpt_make(&g, 2, 2, 16, 60, 32, -1, 10);
    options *o = in_tmpdir();
    int32_t ids[24], targets[24];
    float losses[24];
    for (int i = 0; i < 24; i++) ids[i] = i * 7 % 60, targets[i] = i % 5 ? (i + 1) * 7 % 60 : -1;
    double loss = 0;
    static const char *const hints[] = { "", "GELU_TANH", "norm_eps = 1e-5", "" };
    for (int wrong = 0; wrong < 4; wrong++) {
        glimpse_model m = g.model;
        if (wrong == 1) m.activation = GLIMPSE_GELU_ERF;
        if (wrong == 2) m.norm_eps = 1e-6f;
        if (wrong == 3) /* q and k swapped */
            for (int l = 0; l < 2; l++)
                for (int i = 0; i < 16 * 16; i++) {
                    float *q = g.w[4] + l * 3 * 256 + i, *k = q + 256, t = *q;
                    *q = *k;
                    *k = t;
                }
        session *s;
        REQUIRE_OK(session_open(o, &m, &host, &s));
        if (!wrong) {
            loss = mean_loss(s, ids, targets, 24, losses);
            for (int i = 0; i < 24; i++) losses[i] *= 1 + 1e-7f * (float)(i % 3 - 1); /* a trainer's own rounding */
            EXPECT_OK(glimpse_session_v1.check(s, ids, targets, 1, 24, loss, NULL));
            EXPECT_OK(glimpse_session_v1.check(s, ids, targets, 1, 24, 0, losses));
        } else
            EXPECT_ERR(glimpse_session_v1.check(s, ids, targets, 1, 24, 0, losses), GLIMPSE_E_CHECK, hints[wrong]);
        if (wrong == 3) EXPECT_ERR(glimpse_session_v1.check(s, ids, targets, 1, 24, loss, NULL), GLIMPSE_E_CHECK, NULL);
        EXPECT_EQ(s->check_failed, wrong != 0);
        session_close(s);
    }
    options_free(o);
    tiny_gpt_free(&g);
    buf_free(&log);
}

/* Every layer's matrix w (rows x cols), stored the other way round from now on. */
static void turn(float *w, int rows, int cols) {
    float *copy = malloc(2 * (size_t)rows * (size_t)cols * sizeof *copy);
    memcpy(copy, w, 2 * (size_t)rows * (size_t)cols * sizeof *copy);
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < cols; j++) w[l * rows * cols + j * rows + i] = copy[l * rows * cols + i * cols + j];
    free(copy);
}

/* Where the mean is off, the mistakes are named, up to three at once; what no variant explains is not put down to one. */
TEST(model_check_names_the_mistake) {
    static const struct {
        const char *says; /* with the loss of each token */
        int turned;       /* bits: attn.c_proj, mlp.c_fc, mlp.c_proj, c_attn are stored (in, out) */
        bool relu, q_and_v, noise;
        const char *mean_says; /* with the mean alone */
    } cases[] = {
        {"; they agree with transformer.h.*.attn.c_proj.weight transposed\nhint: describe the model so", 1, 0, 0, 0, "attn.c_proj.weight transposed\n"},
        {"; they agree with transformer.h.*.mlp.c_fc.weight transposed\n", 2, 0, 0, 0, "mlp.c_fc.weight transposed\n"},
        {"; they agree with every matrix of the layers transposed\n", 15, 0, 0, 0, "every matrix of the layers transposed\n"},
        {"; they agree with model.activation = GLIMPSE_RELU\n", 0, 1, 0, 0, "model.activation = GLIMPSE_RELU\n"},
        {"; they agree with transformer.h.*.attn.c_attn.weight in the order v, k, q\n", 0, 0, 1, 0, "in the order v, k, q\n"},
        {" and ", 1, 1, 0, 0, "hint: a wrong layout"},
        {"hint: a wrong layout", 0, 0, 0, 1, "hint: a wrong layout"},
    };
    options *o = in_tmpdir();
    int32_t ids[24], targets[24];
    float losses[24];
    for (int i = 0; i < 24; i++) ids[i] = i * 7 % 60, targets[i] = i % 5 ? (i + 1) * 7 % 60 : -1;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        tiny_gpt g;
        buffer log = {0};
        session_host host = {.user = &log, .log = on_log, .out = on_out};
        session *s;
        tiny_gpt_make(&g, 2, 2, 16, 60, 32, -1, 10);
        for (int i = 0; i < 16; i++) /* large enough that each mistake shows */
            if (i == 4 || i == 6 || i == 10 || i == 12)
                for (size_t e = 0; e < g.n[i]; e++) g.w[i][e] *= 4;
        glimpse_model m = g.model;
        if (cases[k].relu) m.activation = GLIMPSE_RELU;
        REQUIRE_OK(session_open(o, &m, &host, &s)); /* what the trainer computes */
        const double loss = mean_loss(s, ids, targets, 24, losses);
        session_close(s);
        if (cases[k].turned & 1) turn(g.w[6], 16, 16);
        if (cases[k].turned & 2) turn(g.w[10], 64, 16);
        if (cases[k].turned & 4) turn(g.w[12], 16, 64);
        if (cases[k].turned & 8) turn(g.w[4], 48, 16);
        for (int l = 0; l < 2 && cases[k].q_and_v; l++)
            for (int i = 0; i < 16 * 17; i++) { /* the biases, too */
                float *q = i < 256 ? g.w[4] + l * 768 + i : g.w[5] + l * 48 + i - 256, *v = q + (i < 256 ? 512 : 32), t = *q;
                *q = *v, *v = t;
            }
        for (size_t e = 0; e < g.n[6] && cases[k].noise; e++) g.w[6][e] += (float)(e % 7) - 3;
        REQUIRE_OK(session_open(o, &g.model, &host, &s)); /* what it says that it computes */
        s->look_s = INFINITY;
        if (!EXPECT_ERR(glimpse_session_v1.check(s, ids, targets, 1, 24, 0, losses), GLIMPSE_E_CHECK, cases[k].says)) printf("case %zu\n", k);
        if (!strcmp(cases[k].says, " and ")) {
            EXPECT(strstr(glimpse_session_v1.error(), "attn.c_proj.weight transposed"));
            EXPECT(strstr(glimpse_session_v1.error(), "model.activation = GLIMPSE_RELU"));
        }
        if (!EXPECT_ERR(glimpse_session_v1.check(s, ids, targets, 1, 24, loss, NULL), GLIMPSE_E_CHECK, cases[k].mean_says)) printf("case %zu, mean\n", k);
        EXPECT(s->check_failed);
        session_close(s);
        tiny_gpt_free(&g);
        buf_free(&log);
    }
    options_free(o);
}

/* Weights in f32 bound as bf16: read so, every other number is noise and some are NaN. */
TEST(model_check_asks_for_the_type_of_numbers_that_are_not_finite) {
    tiny_gpt g;
    buffer log = {0};
    session_host host = {.user = &log, .log = on_log, .out = on_out};
    options *o = in_tmpdir();
    session *s;
    int32_t ids[8] = {1, 2, 3, 4, 5, 6, 7, 8}, targets[8] = {2, 3, 4, 5, 6, 7, 8, -1};
    tiny_gpt_make(&g, 2, 2, 16, 60, 32, -1, 9);
    g.w[0][1] = NAN;
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < g.model.n_tensors; i++) g.model.tensors[i].dtype = half ? GLIMPSE_BF16 : GLIMPSE_F32;
        if (half) memset(g.w[0], 0xff, 64); /* NaN in both */
        REQUIRE_OK(session_open(o, &g.model, &host, &s));
        EXPECT_ERR(glimpse_session_v1.check(s, ids, targets, 1, 8, 4, NULL), GLIMPSE_E_NONFINITE,
                   half ? "the trainer's is 4.000000\nhint: is the memory what the tensors are bound as" : "the loss from the bound tensors is not finite");
        EXPECT_EQ(strstr(glimpse_session_v1.error(), "hint: is the memory") != NULL, half);
        session_close(s);
    }
    options_free(o);
    tiny_gpt_free(&g);
    buf_free(&log);
}

/* A user's first mistakes, of the numbers in the description: how many heads, the padding counted as ids, q and k exchanged where
 * they are tensors of their own.  `says` NULL: the check agrees. */
TEST(model_check_names_heads_padding_and_exchanged_tensors) {
    enum { N = 24 };
    int32_t ids[N], targets[N];
    float losses[N];
    options *o = in_tmpdir();
    EXPECT_OK(options_set(o, OPT_sample_start_tokens, "!", OPT_LEVEL_FLAG));
    char byte[64];
    const char *pieces[64];
    int32_t one[64];
    for (int i = 0; i < 64; i++) byte[i] = (char)('!' + i), pieces[i] = &byte[i], one[i] = 1;
    for (int i = 0; i < N; i++) ids[i] = i * 7 % 56, targets[i] = (i + 1) * 7 % 56;
    static const char *const says[] = {NULL, "; they agree with model.n_heads = 2\n", "; they agree with model.vocab_size = 56\n"};
    for (int wrong = 0; wrong < 3; wrong++) {
        tiny_gpt g;
        buffer log = {0};
        session_host host = {.user = &log, .log = on_log, .out = on_out};
        session *s;
        tiny_gpt_make(&g, 2, 2, 16, 60, 32, -1, 10);
        for (size_t e = 0; e < g.n[4]; e++) g.w[4][e] *= 4;
        glimpse_model m = g.model;
        m.vocab_size = 56;
        m.tokenizer.pieces = pieces, m.tokenizer.piece_bytes = one, m.tokenizer.n_pieces = 56;
        REQUIRE_OK(session_open(o, &m, &host, &s));
        const double loss = mean_loss(s, ids, targets, N, losses);
        session_close(s);
        buf_clear(&log);
        if (wrong == 1) m.n_heads = 4;
        if (wrong == 2) m.vocab_size = 60;
        REQUIRE_OK(session_open(o, &m, &host, &s));
        s->look_s = INFINITY;
        for (int mean = 0; mean < 2; mean++) {
            glimpse_status st = glimpse_session_v1.check(s, ids, targets, 1, N, loss, mean ? NULL : losses);
            if (says[wrong]) EXPECT_ERR(st, GLIMPSE_E_CHECK, says[wrong]);
            else EXPECT_OK(st);
        }
        const char *ok = strstr(buf_str(&log), "glimpse: model check ok: the loss from the bound tensors is the trainer's, ");
        EXPECT_EQ(ok != NULL, !says[wrong]);
        EXPECT(!ok || !strstr(ok + 20, "model check ok")); /* once */
        EXPECT_ERR(glimpse_session_v1.check(s, ids, targets, 1, 33, loss, NULL), GLIMPSE_E_INVALID, "the check's rows have 33 tokens, model.max_seq_len is 32");
        session_close(s);
        tiny_gpt_free(&g);
        buf_free(&log);
    }
    ref_model r; /* Llama's k and v, each bound as the other */
    buffer log = {0};
    session_host host = {.user = &log, .log = on_log, .out = on_out};
    session *s;
    ref_model_make(&r, REF_LLAMA_LIKE, REF_SEPARATE, GLIMPSE_F32);
    ref_model_to_llama(&r);
    for (int exchanged = 0; exchanged < 2; exchanged++) {
        for (int l = 0; l < REF_L && exchanged; l++) {
            char k[80], v[80];
            snprintf(k, sizeof k, "model.layers.%d.self_attn.k_proj.weight", l), snprintf(v, sizeof v, "model.layers.%d.self_attn.v_proj.weight", l);
            const void *data = ref_tensor(&r, k)->data;
            ref_tensor(&r, k)->data = ref_tensor(&r, v)->data, ref_tensor(&r, v)->data = data;
        }
        REQUIRE_OK(session_open(o, &r.d, &host, &s));
        s->look_s = INFINITY;
        if (!exchanged) mean_loss(s, ids, targets, N, losses);
        else EXPECT_ERR(glimpse_session_v1.check(s, ids, targets, 1, N, 0, losses), GLIMPSE_E_CHECK,
                        "; they agree with what is bound as q, k, v in the order q, v, k\n");
        session_close(s);
    }
    ref_model_free(&r);
    buf_free(&log);
    options_free(o);
}

/* Each variant of models of all kinds, as the trainer that computes so: the check finds it again. */
TEST(model_check_finds_every_variant) {
    enum { N = 48 };
    int32_t ids[N], targets[N], found = 0;
    for (int i = 0; i < N; i++) ids[i] = ref_id(1, i), targets[i] = ref_id(1, i + 1);
    options *o = in_tmpdir();
    for (int k = 0; k < 2 * (REF_MODELS + 1); k++) {
        ref_model r;
        buffer log = {0}, says = {0};
        session_host host = {.user = &log, .log = on_log, .out = on_out};
        session *s;
        const bool llama = k / 2 == REF_MODELS;
        if (llama && k % 2) continue; /* those are bound one by one */
        ref_model_make(&r, llama ? REF_LLAMA_LIKE : k / 2, llama ? REF_SEPARATE : k % 2 ? REF_TRANSPOSED : REF_STACKED, GLIMPSE_F32);
        if (llama) ref_model_to_llama(&r);
        r.d.max_seq_len = N;
        if (k / 2 == REF_GPT2) r.d.max_seq_len = REF_T;
        const int T = r.d.max_seq_len;
        REQUIRE_OK(session_open(o, &r.d, &host, &s));
        s->look_s = INFINITY; /* however slow the machine is */
        variant all[VARIANTS_MOST];
        const int32_t n = variants_of(s->m, 0, false, all);
        EXPECT_LE(20, n);
        for (int32_t i = 0, heads = 0; i < n; i++) {
            if (all[i].kind == VARIANT_HEADS && heads++) continue; /* one of a kind: each costs a look at all of them */
            double ours[N], base[N], mean = 0, before = 0;
            float losses[N];
            model m = *s->m;
            m.layers = malloc((size_t)m.d.n_layers * sizeof *m.layers);
            memcpy(m.layers, s->m->layers, (size_t)m.d.n_layers * sizeof *m.layers);
            if (variant_apply(&all[i], &m)) {
                generator *g;
                generator_config cfg = generator_config_of(s->g);
                REQUIRE_OK(generator_open(&m, s->t, &cfg, &g));
                EXPECT_OK(score_losses(g, ids, targets, 1, T, ours));
                EXPECT_OK(score_losses(s->g, ids, targets, 1, T, base));
                generator_close(g);
                for (int t = 0; t < T; t++) losses[t] = (float)ours[t], mean += ours[t] / T, before += base[t] / T;
                if (fabs(mean - before) > 1e-3) { /* it shows */
                    buf_clear(&says);
                    variant_say(&all[i], s->m, &says);
                    if (EXPECT_ERR(glimpse_session_v1.check(s, ids, targets, 1, T, 0, losses), GLIMPSE_E_CHECK, buf_str(&says))) found++;
                    else printf("model %d, variant %d\n", k, (int)i);
                    EXPECT_ERR(glimpse_session_v1.check(s, ids, targets, 1, T, mean, NULL), GLIMPSE_E_CHECK, "; they agree with ");
                }
            }
            free(m.layers);
        }
        session_close(s);
        ref_model_free(&r);
        buf_free(&log), buf_free(&says);
    }
    EXPECT_LE(80, found);
    options_free(o);
}
