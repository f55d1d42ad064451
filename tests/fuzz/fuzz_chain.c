/* fuzz_chain.c -- any text as a chain of samplers, over rows made from it: it is refused with a text that says something, or
 * every draw is a possible id with a probability, and the chain's own string reads back to itself. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/status.h"
#include "sampling/samplers/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { V = 24 };

static void draw_some(chain *c, uint64_t seed) {
    chain *saved = NULL;
    for (uint32_t at = 0; at < 12; at++) {
        float l[V];
        glimpse_candidate top[V];
        glimpse_token t, u;
        for (int i = 0; i < V; i++) {
            uint64_t x = seed = draw_mix(seed + 1);
            l[i] = (float)((double)(x >> 40) / 1e6 - 8);
            if (x % 13 == 0) l[i] = -INFINITY;
            if (x % 97 == 0) l[i] = x & 1024 ? 3e38f : -3e38f;
            if (x % 1009 == 0) l[i] = NAN;
            if (x % 11 == 0 && i) l[i] = l[i - 1];
        }
        glimpse_status st = chain_draw(c, l, &(draw_key){seed, 0}, at, V, &t, top);
        if (st < 0 && st != GLIMPSE_E_NONFINITE) abort();
        if (st < 0) continue;
        if (t.id < 0 || t.id >= V || t.kept < 1 || t.kept > V || !(t.p_final > 0 && t.p_final <= 1.00001f)) abort();
        if (chain_score(c, l, t.id, 0, &u, NULL) < 0 && status_text()[0] == 0) abort();
        if (at == 5 && chain_clone(c, &saved) < 0) abort();
        if (at < 3) chain_accept_prompt(c, t.id);
        else chain_accept(c, t.id);
    }
    chain_close(saved);
    chain_reset(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char *text = malloc(n + 1);
    if (!text) return 0;
    memcpy(text, bytes, n);
    text[n] = 0;
    uint64_t seed = n;
    for (size_t i = 0; i < n; i++) seed = draw_mix(seed + bytes[i]);
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    sampler_context x = SAMPLER_CONTEXT_INIT;
    x.eos = (int32_t)(seed % (V + 2)) - 1;
    x.history = 8;
    x.max_tokens = 9;
    s.order = text;
    chain *c = NULL, *again = NULL;
    if (chain_open_in(&s, &x, V, &c) < 0) {
        if (status_text()[0] == 0) abort();
    } else {
        draw_some(c, seed);
        s.order = chain_string(c);
        if (chain_open_in(&s, &x, V, &again) < 0 || strcmp(chain_string(again), chain_string(c)) != 0) abort();
        chain_close(again);
    }
    chain_close(c);
    free(text);
    return 0;
}
