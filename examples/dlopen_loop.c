/* dlopen_loop.c -- Glimpse in a loop that is not linked with it: libglimpse.so.0 is loaded at run time, and where it is not
 * there the training goes on without.  The library has to be in the loader's path or named in GLIMPSE_LIBRARY.
 *
 *   GLIMPSE_LIBRARY=build/release/libglimpse.so.0 GLIMPSE_ARGS="--max_sample_tokens 60 --sample_each_eval" build/release/dlopen_loop */
#include <glimpse.h> /* types alone: none of its functions is called by name */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { C = 32, V = 128, T = 128, PARAMS = V * C + T * C + 12 * C * C + 13 * C + 2 * C };

static float weights[PARAMS];

/* The whole API, or NULL: not there, or older than what this file was written for. */
static const glimpse_api *load_glimpse(void) {
    const char *path = getenv("GLIMPSE_LIBRARY");
    void *library = dlopen(path ? path : "libglimpse.so.0", RTLD_NOW | RTLD_LOCAL);
    const glimpse_api *api = library ? dlsym(library, GLIMPSE_API_SYMBOL) : NULL;
    if (!api) fprintf(stderr, "dlopen_loop: training without Glimpse: %s\n", dlerror());
    else if (api->size < sizeof *api) fprintf(stderr, "dlopen_loop: %s is too old\n", api->version_text());
    return api && api->size >= sizeof *api ? api : NULL;
}

/* A GPT-2 of one layer, its tensors one after another. */
static void bind_all(const glimpse_api *api, glimpse_model *model) {
    static const struct { const char *name; int64_t rows, cols; } tensors[] = {
        {"wte.weight", V, C}, {"wpe.weight", T, C}, {"h.0.ln_1.weight", C, 0}, {"h.0.ln_1.bias", C, 0},
        {"h.0.attn.c_attn.weight", 3 * C, C}, {"h.0.attn.c_attn.bias", 3 * C, 0}, {"h.0.attn.c_proj.weight", C, C},
        {"h.0.attn.c_proj.bias", C, 0}, {"h.0.ln_2.weight", C, 0}, {"h.0.ln_2.bias", C, 0}, {"h.0.mlp.c_fc.weight", 4 * C, C},
        {"h.0.mlp.c_fc.bias", 4 * C, 0}, {"h.0.mlp.c_proj.weight", C, 4 * C}, {"h.0.mlp.c_proj.bias", C, 0},
        {"ln_f.weight", C, 0}, {"ln_f.bias", C, 0}};
    const float *at = weights;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        char name[64];
        const int64_t dims[2] = {tensors[i].rows, tensors[i].cols};
        snprintf(name, sizeof name, "transformer.%s", tensors[i].name);
        api->bind(model, name, at, GLIMPSE_F32, dims[1] ? 2 : 1, dims);
        at += dims[0] * (dims[1] ? dims[1] : 1);
    }
}

static glimpse *open_glimpse(const glimpse_api *api) {
    static char ascii[V];
    const char *pieces[V];
    int32_t piece_bytes[V];
    for (int i = 0; i < V; i++) {
        ascii[i] = (char)i;
        pieces[i] = &ascii[i];
        piece_bytes[i] = 1;
    }
    glimpse_config *cfg = api->config_new(); /* reads GLIMPSE_ARGS: this loop has no flags of its own */
    glimpse_model model = GLIMPSE_MODEL_INIT;
    model.n_layers = 1, model.n_heads = 2, model.channels = C, model.vocab_size = V, model.max_seq_len = T;
    model.tokenizer.pieces = pieces, model.tokenizer.piece_bytes = piece_bytes, model.tokenizer.n_pieces = V;
    bind_all(api, &model);
    glimpse *g = api->open(cfg, &model);
    api->model_free(&model);
    api->config_free(cfg);
    return g;
}

int main(void) {
    for (int i = 0; i < PARAMS; i++) weights[i] = (float)(rand() % 2001 - 1000) * 1e-3f;
    const glimpse_api *api = load_glimpse();
    glimpse *g = api ? open_glimpse(api) : NULL;
    for (int step = 0; step <= 40; step++) {
        if (api && step % 10 == 0) api->eval(g, step, 5.0 - 0.01 * step, 5.0 - 0.01 * step);
        weights[rand() % PARAMS] += 0.5f; /* train_step() */
    }
    if (api) api->close(g);
    return 0;
}
