/* test_samplers_presets.c -- --sampler_preset against rows that the other systems' code, or a restatement of it, computed
 * (tests/ref/preset_reference.py; llama.cpp's own chain: tests/ref/llamacpp_chain.cpp): the same ids are kept, with the same
 * probabilities. */
#include "sampling/samplers/chain.h"
#include "tests/ref/preset_rows.h"
#include "tests/ref/llamacpp_rows.h"
#include "tests/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { V = REF_PRESET_V, MOST = 16 };

static uint64_t mix(uint64_t z) {
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/* "top_k=5 top_p=0.9" as the settings and flags that the options would make of it. */
static void read_flags(char *text, sampler_settings *s, sampler_context *x, sampler_flag *flags) {
    for (char *at = strtok(text, " "); at; at = strtok(NULL, " ")) {
        char *value = strchr(at, '=');
        *value++ = 0;
        double v = strtod(value, NULL);
        uint32_t bit = !strcmp(at, "temperature") ? SETTING_TEMPERATURE : !strcmp(at, "top_k") ? SETTING_TOP_K
                       : !strcmp(at, "top_p") ? SETTING_TOP_P : !strcmp(at, "min_p") ? SETTING_MIN_P
                       : !strcmp(at, "repetition_penalty") ? SETTING_PENALTY : 0;
        x->given |= bit;
        if (bit == SETTING_TEMPERATURE) s->temperature = v;
        else if (bit == SETTING_TOP_K) s->top_k = (int32_t)v;
        else if (bit == SETTING_TOP_P) s->top_p = v;
        else if (bit == SETTING_MIN_P) s->min_p = v;
        else if (bit == SETTING_PENALTY) s->repetition_penalty = v;
        else flags[x->n_flags++] = (sampler_flag){at, value};
    }
}

/* How many rows differ from those of `want`; `preset`: another one's chain instead, to see that the rows tell them apart. */
static int differing(const ref_preset_row *rows, size_t n, const char *preset, const char *of, bool report) {
    int differ = 0;
    for (size_t i = 0; i < n; i++) {
        const ref_preset_row *want = &rows[i];
        if (strcmp(want->preset, of)) continue;
        char text[256];
        float l[V];
        sampler_flag flags[MOST];
        sampler_settings s = {1, 0, 1, 0, 1, NULL};
        sampler_context x = SAMPLER_CONTEXT_INIT;
        glimpse_candidate top[V];
        glimpse_token t;
        chain *c = NULL;
        snprintf(text, sizeof text, "%s", want->flags);
        x.flags = flags;
        x.preset = preset;
        read_flags(text, &s, &x, flags);
        uint64_t r = (uint64_t)want->row;
        for (uint64_t v = 0; v < V; v++) l[v] = (float)((double)((int64_t)(mix(r << 32 | v) >> 48) - 32768) / 4096);
        if (chain_open_in(&s, &x, V, &c) < 0) { /* another one's chain may lack what the flags ask for */
            if (report) EXPECT(!"the chain opens");
            differ++;
            continue;
        }
        for (int k = 0; k < 6; k++) chain_accept_prompt(c, (3 * want->row + k) % V);
        for (int k = 0; k < 5; k++) chain_accept(c, (7 * want->row + k % 4) % V);
        EXPECT_OK(chain_draw(c, l, &(draw_key){1, 0}, 0, V, &t, top));
        bool same = t.kept == __builtin_popcountll(want->kept);
        for (int k = 0; k < t.n_top && same; k++) {
            int before = __builtin_popcountll(want->kept & ((1ull << top[k].id) - 1));
            double p = want->kept >> top[k].id & 1 ? want->p[before] : 0;
            same = fabs((double)top[k].p_final - p) <= 1e-5 * (p + 1e-9) + 5e-5 * p;
        }
        if (!same && report) printf("%s, row %d, \"%s\": chain %s, kept %d of %d\n", of, want->row, want->flags, chain_string(c), t.kept,
                                    __builtin_popcountll(want->kept));
        differ += !same;
        chain_close(c);
    }
    return differ;
}

enum { N_ROWS = sizeof ref_preset_rows / sizeof *ref_preset_rows, N_LLAMACPP = sizeof ref_llamacpp_rows / sizeof *ref_llamacpp_rows };

TEST(samplers_presets_keep_what_others_keep) {
    static const char *const presets[] = {"hf", "vllm", "llamacpp"};
    for (int i = 0; i < 3; i++) EXPECT_EQ(differing(ref_preset_rows, N_ROWS, presets[i], presets[i], true), 0);
    EXPECT_LE(5, differing(ref_preset_rows, N_ROWS, "llamacpp", "vllm", false)); /* the order and the defaults do matter */
    EXPECT_LE(5, differing(ref_preset_rows, N_ROWS, "vllm", "llamacpp", false));
}

/* Every sampler of its default chain, by its own code. */
TEST(samplers_preset_llamacpp_is_its_own_chain) {
    EXPECT_EQ(differing(ref_llamacpp_rows, N_LLAMACPP, "llamacpp", "llamacpp", true), 0);
    EXPECT_LE(N_LLAMACPP / 2, differing(ref_llamacpp_rows, N_LLAMACPP, "hf", "llamacpp", false));
}
