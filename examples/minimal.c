/* minimal.c -- the fewest lines that make a loop show what its model says.  The model is random and the "training" nudges
 * its weights, so the text is noise; what counts is the calls.
 *
 *   build/release/minimal --max_sample_tokens 80 --sample_each_eval          writes out/sample.txt and shows it here */
#include <glimpse.h>

#include <stdio.h>
#include <stdlib.h>

enum { L = 2, NH = 2, C = 32, V = 96, T = 128, PARAMS = V * C + T * C + L * (12 * C * C + 13 * C) + 2 * C };

static float weights[PARAMS];

static float noise(void) { return ((float)rand() / (float)RAND_MAX - 0.5f) * 0.1f; }

/* GPT-2's tensors one after another, each stacked over the layers. */
static void bind_all(glimpse_model *model) {
    static const struct { const char *name; int64_t dims[3]; int n; } tensors[] = {
        {"transformer.wte.weight", {V, C}, 2}, {"transformer.wpe.weight", {T, C}, 2},
        {"transformer.h.*.ln_1.weight", {L, C}, 2}, {"transformer.h.*.ln_1.bias", {L, C}, 2},
        {"transformer.h.*.attn.c_attn.weight", {L, 3 * C, C}, 3}, {"transformer.h.*.attn.c_attn.bias", {L, 3 * C}, 2},
        {"transformer.h.*.attn.c_proj.weight", {L, C, C}, 3}, {"transformer.h.*.attn.c_proj.bias", {L, C}, 2},
        {"transformer.h.*.ln_2.weight", {L, C}, 2}, {"transformer.h.*.ln_2.bias", {L, C}, 2},
        {"transformer.h.*.mlp.c_fc.weight", {L, 4 * C, C}, 3}, {"transformer.h.*.mlp.c_fc.bias", {L, 4 * C}, 2},
        {"transformer.h.*.mlp.c_proj.weight", {L, C, 4 * C}, 3}, {"transformer.h.*.mlp.c_proj.bias", {L, C}, 2},
        {"transformer.ln_f.weight", {C}, 1}, {"transformer.ln_f.bias", {C}, 1}};
    const float *at = weights;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        glimpse_bind(model, tensors[i].name, at, GLIMPSE_F32, tensors[i].n, tensors[i].dims);
        at += tensors[i].dims[0] * (tensors[i].n > 1 ? tensors[i].dims[1] : 1) * (tensors[i].n > 2 ? tensors[i].dims[2] : 1);
    }
}

int main(int argc, char **argv) {
    static char bytes[V];
    const char *pieces[V];
    int32_t piece_bytes[V];
    for (int i = 0; i < V; i++) bytes[i] = i ? (char)(' ' + i - 1) : '\n', pieces[i] = &bytes[i], piece_bytes[i] = 1;
    for (int i = 0; i < PARAMS; i++) weights[i] = noise();

    glimpse_config *cfg = glimpse_config_new();
    glimpse_set(cfg, "when_busy", "wait"); /* nothing here takes as long as a sample; a real loop leaves this out */
    if (glimpse_parse_args(cfg, &argc, argv) < 0) {
        fprintf(stderr, "%s\n", glimpse_error());
        glimpse_config_free(cfg);
        return 2;
    }
    if (glimpse_is_sample_only(cfg)) {
        int code = glimpse_run(cfg);
        glimpse_config_free(cfg);
        return code;
    }
    glimpse_model model = GLIMPSE_MODEL_INIT;
    model.n_layers = L, model.n_heads = NH, model.channels = C, model.vocab_size = V, model.max_seq_len = T;
    model.tokenizer.pieces = pieces, model.tokenizer.piece_bytes = piece_bytes, model.tokenizer.n_pieces = V;
    bind_all(&model);
    glimpse *g = glimpse_open(cfg, &model);
    for (int step = 0;; step++) {
        if (step % 10 == 0) glimpse_eval(g, step, 4.6 - 0.01 * step, 4.6 - 0.01 * step);
        if (step == 40) break;
        for (int i = 0; i < PARAMS; i++) weights[i] += 0.01f * noise(); /* train_step() */
    }
    glimpse_close(g);
    glimpse_model_free(&model);
    glimpse_config_free(cfg);
    return 0;
}
