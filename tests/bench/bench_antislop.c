/* bench_antislop.c -- what looking for phrases costs where none is found: whole samples with and without 500 phrases, in turns,
 * in CPU time, the ratio a median over rounds.  Run by `make bench T=antislop`. */
#include "sampling/generate.h"
#include "tests/tiny_gpt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 25, PHRASES = 500 };

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Phrases that begin as the text may, and go on as it never does: all of the search, no hit. */
static phrase_list *phrases(arena *a) {
    buffer b = {0};
    phrase_list *l = NULL;
    for (int i = 0; i < PHRASES; i++) {
        char text[32];
        c_snprintf(text, sizeof text, "%s[\"%c%c%c\\u00e9never\",0.1]", i ? "," : "[", 'a' + i % 26, 'a' + i / 26 % 26, '(' + i % 7);
        buf_puts(&b, text);
    }
    buf_puts(&b, "]");
    if (phrases_parse("bench", b.bytes, b.n, 1, a, &l) < 0) fprintf(stderr, "%s\n", status_text());
    buf_free(&b);
    return l;
}

int main(void) {
    static const struct { int L, H, C, V; const char *what; } models[] = {
        { 2, 2, 32, 61, "2 layers, 32 channels, vocabulary 61: a token costs next to nothing" },
        { 6, 6, 192, 64, "6 layers, 192 channels, vocabulary 64" } };
    static const int32_t ids[] = { 5, 9, 2 };
    static const batch_prompt prompt = { "a", 1, ids, 3 };
    static const sampler_settings set = { 0.9, 30, 1, 0, 1.1, NULL };
    static const char *const label = "a";
    arena *a = arena_new();
    phrase_list *l = phrases(a);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        tiny_gpt tiny;
        model *m;
        tokenizer *t;
        generator *g;
        generator_config cfg = { .threads = 1 };
        tiny_gpt_make(&tiny, models[i].L, models[i].H, models[i].C, models[i].V, 256, -1, 3);
        if (model_from_description(&tiny.model, &m) < 0
            || tokenizer_from_description(&tiny.model.tokenizer, models[i].V, -1, &t) < 0 || generator_open(m, t, &cfg, &g) < 0)
            return fprintf(stderr, "%s\n", status_text()), 1;
        double ratio[ROUNDS], ms[2];
        for (int round = -1; round < ROUNDS; round++) {
            for (int with = 0; with < 2; with++) {
                batch_request rq = { .prompts = &prompt, .n_prompts = 1, .settings = &set, .labels = &label, .n_settings = 1,
                                     .num_samples = 8, .max_tokens = 200, .n_top = 10, .seed = 3,
                                     .phrases = with ? l : NULL, .phrase_retries = 20 };
                batch_result r;
                double t0 = now_ms();
                if (generate_batch(g, &rq, &r) < 0) return fprintf(stderr, "%s\n", status_text()), 1;
                ms[with] = now_ms() - t0;
                if (with && r.samples[0].note) printf("a phrase was found: %s\n", r.samples[0].note);
                batch_result_free(&r);
            }
            if (round >= 0) ratio[round] = ms[1] / ms[0];
        }
        qsort(ratio, ROUNDS, sizeof *ratio, by_value);
        printf("%s: %d phrases / none, 8 x 200 tokens: %.3f (%.1f ms)\n", models[i].what, PHRASES, ratio[ROUNDS / 2], ms[0]);
        generator_close(g);
        model_close(m);
        tokenizer_close(t);
        tiny_gpt_free(&tiny);
    }
    arena_free(a);
    return 0;
}
