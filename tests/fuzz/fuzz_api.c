/* fuzz_api.c -- any sequence of the public calls, with any arguments that a C program may give them: no crash, no line with a
 * control character, no error without a text.  Each byte of the input is one decision; where it ends, so does the program.
 * Inline mode, in a directory of its own: a worker is a process, and fuzz_worker.c's. */
#define _GNU_SOURCE
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/guest.h"

extern const session_api glimpse_session_v1;
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { L = 1, H = 2, C = 8, V = 40, T = 24, MOST_CALLS = 48 };
#define PARAMS (V * C + T * C + L * (12 * C * C + 13 * C) + 2 * C)

typedef struct program {
    const uint8_t *bytes;
    size_t n, at;
    float w[PARAMS];
    glimpse_config *cfg;
    glimpse *g;
    glimpse_model m;
    int64_t step;
} program;

static uint32_t pick(program *p, uint32_t below) { return p->at < p->n ? p->bytes[p->at++] % below : 0; }

static const char *word(program *p) {
    static const char *const words[] = {"0", "1", "-1", "2", "5", "16", "1e9", "nan", "inf", "0.5", "true", "false", "", "x", "IDS:1,2,3", "IDS:99999", "IDS:",
                                        "hello", "\xff\xfe", "temperature=0.7;top_k=5", "top_k=", "1,2,5", "9223372036854775807", "/nonexistent/x", "skip",
                                        "cpu", "all", "\n", "{}", "llama", "minmax", "\x1b[2J"};
    uint32_t i = pick(p, 40);
    return i < sizeof words / sizeof *words ? words[i] : NULL;
}

static const char *name(program *p) {
    static const char *const names[] = {"max_sample_tokens", "sample_each_eval", "sample_start_tokens", "top_k", "top_p", "min_p", "temperature",
        "repetition_penalty", "num_samples", "seed", "stop", "samplers", "num_beams", "num_return_sequences", "sample_rank", "tensorboard", "report",
        "colorize_mode", "probe", "record_top", "device", "sheets", "sample_metrics", "antislop", "guidance_scale", "negative_prompt", "dry_multiplier",
        "mirostat", "xtc_probability", "typical_p", "ignore_eos", "prompts", "config", "like", "sampler_preset", "tokenizer", "flag_scope", "nonsense"};
    uint32_t i = pick(p, 40);
    return i < sizeof names / sizeof *names ? names[i] : i == 38 ? "" : NULL;
}

static void on_log(void *user, const char *line) {
    (void)user;
    for (; *line; line++)
        if ((unsigned char)*line < 32 && *line != '\n' && *line != '\t') abort();
}

static void on_record(void *user, const glimpse_record *r) {
    program *p = user;
    for (int32_t i = 0; i < r->n_samples; i++)
        for (int32_t k = 0; k < r->samples[i].n_tokens; k++) glimpse_record_piece(r, r->samples[i].tokens[k].id);
    if (pick(p, 4) == 1 && glimpse_eval(p->g, 1, 1, 1) != GLIMPSE_E_STATE) abort(); /* from within a hook */
    if (pick(p, 4) == 1) glimpse_drain(p->g);
}

static void describe(program *p) {
    static const char *const layer[][2] = {{"ln_1.weight", "a"}, {"ln_1.bias", "a"}, {"attn.c_attn.weight", "c"}, {"attn.c_attn.bias", "b"}, {"attn.c_proj.weight", "d"},
        {"attn.c_proj.bias", "a"}, {"ln_2.weight", "a"}, {"ln_2.bias", "a"}, {"mlp.c_fc.weight", "f"}, {"mlp.c_fc.bias", "e"}, {"mlp.c_proj.weight", "g"}, {"mlp.c_proj.bias", "a"}};
    static const int64_t dims[][3] = {{L, C}, {L, 3 * C}, {L, 3 * C, C}, {L, C, C}, {L, 4 * C}, {L, 4 * C, C}, {L, C, 4 * C}};
    char full[64];
    const float *at = p->w;
    glimpse_model_free(&p->m);
    p->m = (glimpse_model)GLIMPSE_MODEL_INIT;
    p->m.n_layers = L, p->m.n_heads = H, p->m.channels = C, p->m.vocab_size = V, p->m.max_seq_len = T;
    glimpse_bind(&p->m, "transformer.wte.weight", at, GLIMPSE_F32, 2, (int64_t[]){V, C}), at += V * C;
    glimpse_bind(&p->m, "transformer.wpe.weight", at, GLIMPSE_F32, 2, (int64_t[]){T, C}), at += T * C;
    for (size_t i = 0; i < sizeof layer / sizeof *layer; i++) {
        const int64_t *d = dims[layer[i][1][0] - 'a'];
        snprintf(full, sizeof full, "transformer.h.*.%s", layer[i][0]);
        glimpse_bind(&p->m, full, at, GLIMPSE_F32, d[2] ? 3 : 2, d);
        at += d[0] * d[1] * (d[2] ? d[2] : 1);
    }
    glimpse_bind(&p->m, "transformer.ln_f.weight", at, GLIMPSE_F32, 1, (int64_t[]){C}), at += C;
    glimpse_bind(&p->m, "transformer.ln_f.bias", at, GLIMPSE_F32, 1, (int64_t[]){C});
    if (pick(p, 4) != 1) return;
    int32_t *const fields[] = {&p->m.n_layers, &p->m.n_heads, &p->m.n_kv_heads, &p->m.channels, &p->m.head_size, &p->m.ffn_size, &p->m.vocab_size, &p->m.max_seq_len,
                               &p->m.bos, &p->m.eos, &p->m.norm, &p->m.activation, &p->m.positions, &p->m.window, &p->m.rope_dims, &p->m.n_more_eos, &p->m.rope_scaling};
    *fields[pick(p, sizeof fields / sizeof *fields)] = (int32_t)pick(p, 256) - 100;
    if (pick(p, 8) == 1) p->m.arch = word(p);
}

static void bind_odd(program *p) {
    glimpse_tensor t = GLIMPSE_TENSOR_INIT;
    t.name = pick(p, 4) ? "transformer.wte.weight" : word(p);
    t.data = pick(p, 4) ? p->w : NULL;
    t.dtype = (glimpse_dtype)pick(p, 5);
    t.n_dims = (int32_t)pick(p, 7) - 1;
    for (int i = 0; i < 4; i++) t.dims[i] = (int64_t)pick(p, 12) << pick(p, 2) * pick(p, 60), t.strides[i] = pick(p, 3) == 1 ? (int64_t)pick(p, 256) - 20 : 0;
    t.flags = pick(p, 4);
    if (glimpse_bind_tensor(pick(p, 8) == 7 ? NULL : &p->m, pick(p, 8) == 7 ? NULL : &t) < 0 && !*glimpse_error()) abort();
}

static void ask(program *p) {
    int32_t ids[T + 8], targets[T + 8], n = (int32_t)pick(p, T + 9) - 1;
    float losses[T + 8];
    for (int i = 0; i < T + 8; i++) ids[i] = i % V - (i == 3) * (int)pick(p, 3) * 9, targets[i] = (i + 1) % V - (int)pick(p, 2), losses[i] = pick(p, 9) ? 4 : NAN;
    glimpse_request q = GLIMPSE_REQUEST_INIT;
    glimpse_record *r = NULL;
    char options[128];
    const char *a = name(p), *b = word(p);
    snprintf(options, sizeof options, "%s=%s", a ? a : "top_k", b ? b : "");
    if (pick(p, 2)) q.ids = ids, q.n_ids = n;
    else q.text = word(p);
    q.options = pick(p, 2) ? options : NULL;
    switch (pick(p, 4)) {
    case 0: glimpse_check(p->g, ids, pick(p, 8) == 7 ? NULL : targets, (int32_t)pick(p, 4) - 1, (int32_t)pick(p, 9) - 1, losses[0]); break;
    case 1: glimpse_check_losses(p->g, ids, targets, 1, (int32_t)pick(p, 9) - 1, pick(p, 8) == 7 ? NULL : losses); break;
    case 2: glimpse_generate(p->g, pick(p, 8) == 7 ? NULL : &q, &r); break;
    default: glimpse_score(p->g, &q, pick(p, 8) == 7 ? NULL : &r);
    }
    glimpse_record_free(r);
}

static void call(program *p, const char *dir) {
    static const double losses[] = {1, 2, 0.5, NAN, INFINITY, -INFINITY, -1, 1e300};
    static const int64_t steps[] = {0, -5, INT64_MIN, INT64_MAX, (int64_t)1 << 53};
    switch (pick(p, 12)) {
    case 0:
        glimpse_config_free(p->cfg);
        p->cfg = pick(p, 16) == 15 ? NULL : glimpse_config_new();
        glimpse_set_log(p->cfg, on_log, p);
        glimpse_set(p->cfg, "out_dir", dir), glimpse_set(p->cfg, "mode", "inline"), glimpse_set(p->cfg, "max_sample_tokens", "4"), glimpse_set(p->cfg, "threads", "1");
        break;
    case 1: case 2: {
        const char *option = name(p);
        glimpse_set(p->cfg, option, word(p));
        glimpse_get(p->cfg, option);
        break;
    }
    case 3: {
        char flag[2][80], *argv[4] = {(char *)"t"};
        int argc = 1;
        for (int i = 0; i < 2; i++) {
            const char *a = name(p), *b = word(p);
            snprintf(flag[i], sizeof flag[i], "--%s%s=%s", pick(p, 2) ? "glimpse_" : "", a ? a : "x", b ? b : "");
            argv[argc++] = flag[i];
        }
        glimpse_parse_args(p->cfg, &argc, argv);
        if (argc < 1 || argc > 3 || argv[argc]) abort();
        glimpse_is_sample_only(p->cfg);
        break;
    }
    case 4: describe(p); break;
    case 5: bind_odd(p); break;
    case 6:
        if (!p->g && (p->g = glimpse_open(p->cfg, &p->m))) glimpse_add_hook(p->g, pick(p, 8) == 7 ? NULL : on_record, p);
        break;
    case 7: case 8:
        p->w[pick(p, 256)] = pick(p, 16) == 15 ? NAN : 0.01f * (float)pick(p, 100);
        glimpse_eval(p->g, pick(p, 8) == 7 ? steps[pick(p, 5)] : p->step++, losses[pick(p, 8)], losses[pick(p, 8)]);
        break;
    case 9: ask(p); break;
    case 10: glimpse_drain(p->g); break;
    default:
        glimpse_close(p->g);
        p->g = NULL;
    }
}

static int forget(const char *path, const struct stat *s, int kind, struct FTW *at) { return (void)s, (void)kind, (void)at, remove(path); }
static int no_sync(int fd) { return fd < 0; } /* the disk would have most of the time */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char dir[512];
    const char *tmp = getenv("TMP");
    program *p = calloc(1, sizeof *p);
    if (!p) return 0;
    snprintf(dir, sizeof dir, "%s/api-%d", tmp ? tmp : "/tmp", (int)getpid());
    session_use(&glimpse_session_v1);
    io.fsync = io.fdatasync = no_sync;
    p->bytes = bytes, p->n = n;
    p->m = (glimpse_model)GLIMPSE_MODEL_INIT;
    for (int i = 0; i < PARAMS; i++) p->w[i] = 0.05f * (float)(i * 37 % 41 - 20);
    for (int i = 0; i < MOST_CALLS && p->at < n; i++) call(p, dir);
    glimpse_close(p->g);
    glimpse_model_free(&p->m);
    glimpse_config_free(p->cfg);
    free(p);
    nftw(dir, forget, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
