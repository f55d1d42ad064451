/* preset.c -- the chains of other systems: their order, their defaults, their rules at the edges.  Called by chain_open_in.
 *
 *   hf        transformers' generate(do_sample=True): penalties and bans, temperature, top_h, top_k (ties kept), top_p,
 *             min_p, typical_p, epsilon and eta cut-off; temperature 1, top_k 50, all else off
 *   llamacpp  llama.cpp's default chain, temperature last; temperature 0.8, top_k 40, top_p 0.95, min_p 0.05, penalties
 *             over the last 64 tokens; with a mirostat only logit_bias and temperature beside it
 *   vllm      allowed and banned tokens, biases, penalties (frequency and presence count the output alone),
 *             temperature, min_p, top_k (ties kept), top_p; temperature 1, all else off
 * What a person sets wins.  Not taken over: vLLM raises temperatures below 0.01 to 0.01; llama.cpp's typical_p behind its
 * top_n_sigma sums 0 ln 0 = NaN as the entropy, and then sorts by NaN; transformers leaves an end-of-text that stands alone out of
 * bad_words_ids, and here who bans it means it. */
#include "sampling/samplers/sampler.h"
#include "include/internal/status.h"

static const sampler_flag hf_flags[] = {{"top_k_ties", "keep"}, {NULL, NULL}};
static const sampler_flag llamacpp_flags[] = {{"penalty_last_n", "64"}, {NULL, NULL}};
static const sampler_flag vllm_flags[] = {{"top_k_ties", "keep"}, {"penalty_scope", "split"}, {NULL, NULL}};

static const sampler_preset presets[] = {
    {"hf",
     "logit_bias;penalties;no_repeat_ngram;banned_tokens;min_length;allowed_tokens;forced_tokens;forced_eos;length_decay;"
     "temperature;top_h;top_k;top_p;min_p;typical_p;epsilon_cutoff;eta_cutoff",
     NULL, {1, 50, 1, 0, 1, NULL}, hf_flags},
    {"llamacpp", "logit_bias;penalties;dry;top_n_sigma;top_k;typical_p;top_p;min_p;xtc;temperature;adaptive_p",
     "logit_bias;temperature;mirostat", {0.8, 40, 0.95, 0.05, 1, NULL}, llamacpp_flags},
    {"vllm", "allowed_tokens;banned_tokens;min_length;logit_bias;penalties;temperature;min_p;top_k;top_p", NULL,
     {1, 0, 1, 0, 1, NULL}, vllm_flags}};

glimpse_status sampler_preset_find(const char *name, const sampler_preset **out) {
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strcmp(presets[i].name, name) == 0) {
            *out = &presets[i];
            return GLIMPSE_OK;
        }
    FAIL(GLIMPSE_E_INVALID, "no preset of samplers is called '%.40s', possible are: hf, llamacpp, vllm", name);
}
