/* chart_record.h -- a record as a small model would leave it: subwords, blanks, newlines, CJK, emoji, halves of
 * characters, a very long token; probabilities that fall like a power, a chosen one now and then far down.  The same
 * arguments give the same record.  Used by test_charts.c and bench_png.c. */
#ifndef GLIMPSE_TEST_CHART_RECORD_H
#define GLIMPSE_TEST_CHART_RECORD_H

#include "include/internal/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const chart_vocab[] = {
    "Once", " upon", " a", " time", " there", " was", " little", " girl", " named", " Lily", ".", " She", " liked", " to",
    " play", " outside", " in", " the", " park", " with", " her", " friend", ",", " and", "\n", " One", " day", " saw", " big",
    " dog", " it", " wanted", " he", " said", ":", " \"", "Hello", "!", "\"", " very", " happy", " because", " could", " not",
    " find", " his", " toy", " Mom", " looked", " under", " bed", "\n\n", " then", " they", " ran", " home", "ing", "ed", "s",
    " unfortunately", " disappointment", " \xe6\x97\xa5\xe6\x9c\xac", "\xe8\xaa\x9e", "\xe4\xb8\xad\xe6\x96\x87", " \xf0\x9f\x98\x80",
    "\xf0\x9f\x90\xb6", "\xe6", "\x97\xa5", "\t", " na\xc3\xafve", "\xc3\xa9t\xc3\xa9", "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
    "\x07", "\xe2\x80\xae", "    ", " ----------------------------------------", "<|endoftext|>", "\xe0\xa4\xb9\xe0\xa4\xbf",
    "\xf4\x80\x80\x80", "e\xcc\x81", " \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "\xec\x95\x88\xeb\x85\x95", "0", "1", "42",
};
enum { CHART_VOCAB = (int)(sizeof chart_vocab / sizeof chart_vocab[0]), CHART_STORY = 56, CHART_TAIL = 400 };

static inline double chart_uniform(uint64_t *state) { /* Steele, Lea, Flood: SplitMix64 */
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* One sample of n tokens under top_k (0 = off, V = 50257), `top` alternatives recorded.  Freed with arena_free(o->arena)
 * through record_free; NULL = no memory. */
static inline owned_record *chart_record(int n, int top_k, int top, const char *label) {
    owned_record *o = record_new();
    if (!o) return NULL;
    arena *a = o->arena;
    glimpse_record *r = &o->record;
    glimpse_sample *s = arena_alloc(a, sizeof *s);
    glimpse_piece *pieces = arena_alloc(a, CHART_VOCAB * sizeof *pieces);
    glimpse_token *tokens = arena_alloc(a, (size_t)(n ? n : 1) * sizeof *tokens);
    int32_t *prompt = arena_alloc(a, 4 * sizeof *prompt);
    for (int i = 0; i < CHART_VOCAB; i++) pieces[i] = (glimpse_piece){i, (int32_t)strlen(chart_vocab[i]), chart_vocab[i]};
    for (int i = 0; i < 4; i++) prompt[i] = i;
    *r = (glimpse_record){.size = sizeof *r, .version = 1, .run = "9f2c1a", .run_name = "demo", .kind = "train", .step = 250,
                          .time = "2025-01-01T00:00:00Z", .train_loss = 2.413, .val_loss = 2.507, .best_val_loss = 2.507,
                          .best_step = 250, .arch = "gpt2", .n_params = 124000000, .vocab_size = 50257, .dtype = "f32",
                          .cache_dtype = "f32", .device = "cpu", .check = "ok", .status = "ok", .pieces = pieces,
                          .n_pieces = CHART_VOCAB, .samples = s, .n_samples = 1};
    *s = (glimpse_sample){.size = sizeof *s, .n_samples = 1, .prompt_text = "Once upon a time", .prompt_bytes = 16, .prompt_ids = prompt,
                          .n_prompt_ids = 4, .label = label, .samplers = label, .seed = 1337, .temperature = 0.8, .top_k = top_k,
                          .text = "", .tokens = tokens, .n_tokens = n};
    const int kept = top_k ? top_k : 50257;
    uint64_t state = 7;
    for (int i = 0; i < n; i++) {
        glimpse_candidate *c = arena_alloc(a, (size_t)top * sizeof *c);
        const double sharp = 0.4 + 3.2 * chart_uniform(&state);
        const int right = (4 + i) % CHART_STORY, shift = (int)(chart_uniform(&state) * CHART_VOCAB);
        double mass = 0, survivors = 0, h = 0;
        for (int j = 0; j < CHART_TAIL; j++) mass += pow(j + 1, -sharp - 0.6);
        for (int j = 0; j < CHART_TAIL; j++) {
            double p = pow(j + 1, -sharp - 0.6) / mass;
            h -= p * log(p);
            if (j < kept) survivors += p;
        }
        int chosen = 0;
        for (double u = chart_uniform(&state); chosen + 1 < kept && chosen < 70; chosen++)
            if ((u -= pow(chosen + 1, -sharp - 0.6) / mass / survivors) < 0) break;
        for (int j = 0; j < top; j++) {
            double p = pow(j + 1, -sharp - 0.6) / mass;
            c[j] = (glimpse_candidate){(shift + j) % CHART_VOCAB == right ? (shift + CHART_VOCAB - 1) % CHART_VOCAB : (shift + j) % CHART_VOCAB,
                                       record_roundf((float)p), j < kept ? record_roundf((float)(p / survivors)) : 0};
        }
        if (chosen < top) c[chosen].id = right;
        const double p = pow(chosen + 1, -sharp - 0.6) / mass;
        tokens[i] = (glimpse_token){.size = sizeof *tokens, .id = right, .rank = chosen + 1, .kept = kept, .n_top = top,
                                    .logit = record_roundf((float)(12 + log(p) + 2 * chart_uniform(&state))), .logprob = record_roundf((float)log(p)),
                                    .p_temp = record_roundf((float)p), .p_final = record_roundf((float)(p / survivors)),
                                    .left = 0, .entropy = record_roundf((float)h), .top = c};
    }
    return o;
}

#endif
