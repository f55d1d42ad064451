/* tiny_gpt.h -- a small random GPT-2 for tests: weights on the heap, bound by name, a byte-sized vocabulary. */
#ifndef GLIMPSE_TINY_GPT_H
#define GLIMPSE_TINY_GPT_H

#include <glimpse.h>

typedef struct tiny_gpt {
    int L, H, C, V, Vp, T;
    float *w[16];       /* llm.c's order */
    size_t n[16];
    glimpse_model model;
} tiny_gpt;

/* Random weights from `seed`; model.eos = eos.  The pieces of the tokenizer are single characters: newline, then '!' and on. */
void tiny_gpt_make(tiny_gpt *g, int L, int H, int C, int V, int T, int eos, uint64_t seed);
void tiny_gpt_free(tiny_gpt *g);

#endif
