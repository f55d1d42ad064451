/* custom_hook.c -- a hook of your own: after every eval it gets the record, and prints to stderr the most surprising token
 * of each sample, the one to which the model itself gave the least probability.
 *
 *   build/release/custom_hook --max_sample_tokens 80 --sample_each_eval
 *
 * The record is the line of evals.jsonl as structs.  It arrives on the thread that called glimpse_eval, glimpse_drain or
 * glimpse_close, after the eval was written, also when a worker did the sampling.  Arrays are walked with GLIMPSE_AT.  As a
 * module (`make custom_hook.so`) the worker of any trainer calls it: --glimpse_module build/release/custom_hook.so */
#include <glimpse.h>

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef AS_MODULE /* which links no library of Glimpse's */
static const glimpse_api *api;
#define glimpse_record_piece api->record_piece
#endif

/* Bytes that a terminal may act on are shown as \xHH. */
static void print_piece(const glimpse_piece *piece) {
    for (int i = 0; piece && i < piece->bytes; i++) {
        unsigned char byte = (unsigned char)piece->text[i];
        if (isprint(byte)) fputc(byte, stderr);
        else fprintf(stderr, "\\x%02X", byte);
    }
}

static void show_surprise(void *user, const glimpse_record *record) {
    int *records = user;
    (*records)++;
    for (int i = 0; i < record->n_samples; i++) {
        const glimpse_sample *sample = GLIMPSE_AT(record->samples, i);
        const glimpse_token *least = NULL;
        int at = -1;
        for (int t = 0; t < sample->n_tokens; t++) {
            const glimpse_token *token = GLIMPSE_AT(sample->tokens, t);
            if (isnan(token->logprob) || (least && token->logprob >= least->logprob)) continue;
            least = token;
            at = t;
        }
        if (!least) continue;
        fprintf(stderr, "step %lld, sample %d: most surprising is token %d, \"", (long long)record->step, i, at);
        print_piece(glimpse_record_piece(record, least->id));
        fprintf(stderr, "\": rank %d, %.2f nats\n", least->rank, -(double)least->logprob);
    }
}

#ifdef AS_MODULE
static int open_module(glimpse_module_host *host, void **state) {
    static int records;
    (void)state;
    api = host->api;
    return host->add_hook(host->to, show_surprise, &records) < 0;
}
const glimpse_module glimpse_module_v1 = {sizeof(glimpse_module), GLIMPSE_MODULE_VERSION, open_module, NULL};
#else

enum { C = 32, V = 128, T = 128, PARAMS = V * C + T * C + 12 * C * C + 13 * C + 2 * C };

static float weights[PARAMS];

/* A GPT-2 of one layer, its tensors one after another. */
static void bind_all(glimpse_model *model) {
    static const struct { const char *name; int64_t rows, cols; } tensors[] = {
        {"wte.weight", V, C}, {"wpe.weight", T, C}, {"h.0.ln_1.weight", C, 0}, {"h.0.ln_1.bias", C, 0},
        {"h.0.attn.c_attn.weight", 3 * C, C}, {"h.0.attn.c_attn.bias", 3 * C, 0}, {"h.0.attn.c_proj.weight", C, C},
        {"h.0.attn.c_proj.bias", C, 0}, {"h.0.ln_2.weight", C, 0}, {"h.0.ln_2.bias", C, 0}, {"h.0.mlp.c_fc.weight", 4 * C, C},
        {"h.0.mlp.c_fc.bias", 4 * C, 0}, {"h.0.mlp.c_proj.weight", C, 4 * C}, {"h.0.mlp.c_proj.bias", C, 0},
        {"ln_f.weight", C, 0}, {"ln_f.bias", C, 0}};
    const float *at = weights;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        char name[64];
        snprintf(name, sizeof name, "transformer.%s", tensors[i].name);
        const int64_t dims[2] = {tensors[i].rows, tensors[i].cols};
        glimpse_bind(model, name, at, GLIMPSE_F32, dims[1] ? 2 : 1, dims);
        at += dims[0] * (dims[1] ? dims[1] : 1);
    }
}

int main(int argc, char **argv) {
    static char ascii[V];
    const char *pieces[V];
    int32_t piece_bytes[V];
    int records = 0;
    for (int i = 0; i < V; i++) {
        ascii[i] = (char)i;
        pieces[i] = &ascii[i];
        piece_bytes[i] = 1;
    }
    for (int i = 0; i < PARAMS; i++) weights[i] = (float)(rand() % 2001 - 1000) * 1e-3f;

    glimpse_config *cfg = glimpse_config_new();
    glimpse_parse_args(cfg, &argc, argv);
    glimpse_model model = GLIMPSE_MODEL_INIT;
    model.n_layers = 1;
    model.n_heads = 2;
    model.channels = C;
    model.vocab_size = V;
    model.max_seq_len = T;
    model.tokenizer.pieces = pieces;
    model.tokenizer.piece_bytes = piece_bytes;
    model.tokenizer.n_pieces = V;
    bind_all(&model);
    glimpse *g = glimpse_open(cfg, &model);
    if (g && glimpse_add_hook(g, show_surprise, &records) < 0) fprintf(stderr, "custom_hook: %s\n", glimpse_error());
    for (int step = 0; step <= 20; step += 10) {
        glimpse_eval(g, step, NAN, NAN); /* losses not known: NAN */
        glimpse_drain(g);
        weights[rand() % PARAMS] += 0.5f;
    }
    glimpse_close(g); /* the hook may still be called in here: `records` outlives it */
    fprintf(stderr, "%d records\n", records);
    glimpse_model_free(&model);
    glimpse_config_free(cfg);
    return 0;
}
#endif
