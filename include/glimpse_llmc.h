/* glimpse_llmc.h -- Glimpse in llm.c (github.com/karpathy/llm.c) and in what copied its layout: one call describes and binds
 * the whole model.  Include it instead of, or after, <glimpse.h>.  examples/llmc.md has the lines for train_gpt2.c and
 * train_gpt2.cu, `make llmc LLMC=dir` applies them to a copy.
 *
 *   #include <glimpse_llmc.h>
 *
 *   glimpse_config *cfg = glimpse_llmc_config(64);             // 64 tokens a sample, or what GLIMPSE_ARGS says
 *   if (glimpse_is_sample_only(cfg)) return glimpse_run(cfg);
 *   glimpse *g = glimpse_llmc_open(cfg, 0, GLIMPSE_LLMC_CONFIG(model.config), model.params_memory, GLIMPSE_F32, NULL);
 *   ...
 *   glimpse_llmc_eval(g, step, model.mean_loss, val_loss);     // at each validation
 *   ...
 *   glimpse_close(g);                                          // before the parameters are freed
 *
 * llm.c keeps its parameters in one block (train_gpt2.c and train_gpt2.cu: ParameterTensors, fill_in_parameter_sizes,
 * malloc_and_point_parameters), 16 tensors without gaps, row-major, each stacked over the layers:
 *
 *   wte (Vp, C)  wpe (T, C)  ln1w ln1b (L, C)  qkvw (L, 3C, C) qkvb (L, 3C)  attprojw (L, C, C) attprojb (L, C)
 *   ln2w ln2b (L, C)  fcw (L, 4C, C) fcb (L, 4C)  fcprojw (L, C, 4C) fcprojb (L, C)  lnfw lnfb (C)
 *
 * with GPT-2's arithmetic: LayerNorm with eps 1e-5, GELU in its tanh form, the classifier tied to wte, of which rows V..Vp-1
 * are padding.  The block never moves after it was allocated, so one call at the start is enough.  The branch for Llama-3
 * gives the same slots another meaning: it is not this model, bind its tensors with glimpse_bind.
 *
 * Everything here is `static inline` over the public API and the C library; letters and ownership as in glimpse.h. */
#ifndef GLIMPSE_LLMC_H
#define GLIMPSE_LLMC_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <glimpse.h>

#ifdef __cplusplus
extern "C" {
#endif

/* llm.c's GPT2Config, or any struct with its six integers, as the six arguments of glimpse_llmc_describe. */
#define GLIMPSE_LLMC_CONFIG(config)                                                                                    \
    (config).max_seq_len, (config).vocab_size, (config).padded_vocab_size, (config).num_layers, (config).num_heads,    \
        (config).channels

/* The dtype of floatX in train_gpt2.cu, where PRECISION_MODE says what it was compiled for (llmc/cuda_common.h). */
#define GLIMPSE_LLMC_DTYPE                                                                                             \
    (PRECISION_MODE == PRECISION_FP32 ? GLIMPSE_F32 : PRECISION_MODE == PRECISION_FP16 ? GLIMPSE_F16 : GLIMPSE_BF16)

/* The end-of-text id that llm.c itself would use: the one that gpt2_tokenizer.bin in the working directory names
 * (llmc/tokenizer.h: little-endian uint32 magic 20240328, version, V, from version 2 on the id), else GPT-2's 50256; -1 if
 * the vocabulary ends before it.  *found: whether there is such a file. */
static inline int32_t glimpse_llmc_end_of_text(int vocab_size, int *found) {
    unsigned char raw[16];
    uint32_t head[4] = {0, 0, 0, 0}, end = 50256;
    FILE *file = fopen("gpt2_tokenizer.bin", "rb");
    *found = file && fread(raw, 1, sizeof raw, file) == sizeof raw;
    if (file) fclose(file);
    if (*found) {
        for (int i = 0; i < 16; i++) head[i / 4] |= (uint32_t)raw[i] << 8 * (i % 4);
        *found = head[0] == 20240328u;
        if (*found && head[1] >= 2) end = head[3];
    }
    return end < (uint32_t)vocab_size ? (int32_t)end : -1;
}

/* Describe llm.c's GPT-2 in *model and bind its 16 tensors: `params` is the block (host or device memory), all of one
 * dtype, borrowed until glimpse_close and read at each eval.  *model comes as GLIMPSE_MODEL_INIT and is freed with
 * glimpse_model_free; set model->stream, name, tokenizer, ... before or after.  Two fields are guesses that the caller may
 * change afterwards: eos, and the tokenizer, which is gpt2_tokenizer.bin where there is one and none was set.
 * Returns GLIMPSE_OK, or the first refused bind (dimensions below 1 or too large, params NULL): glimpse_open says it too. */
static inline glimpse_status glimpse_llmc_describe(glimpse_model *model, int max_seq_len, int vocab_size,
                                                   int padded_vocab_size, int num_layers, int num_heads, int channels,
                                                   const void *params, glimpse_dtype dtype) {
    static const char *const names[16] = {
        "transformer.wte.weight", "transformer.wpe.weight", "transformer.h.*.ln_1.weight", "transformer.h.*.ln_1.bias",
        "transformer.h.*.attn.c_attn.weight", "transformer.h.*.attn.c_attn.bias", "transformer.h.*.attn.c_proj.weight",
        "transformer.h.*.attn.c_proj.bias", "transformer.h.*.ln_2.weight", "transformer.h.*.ln_2.bias",
        "transformer.h.*.mlp.c_fc.weight", "transformer.h.*.mlp.c_fc.bias", "transformer.h.*.mlp.c_proj.weight",
        "transformer.h.*.mlp.c_proj.bias", "transformer.ln_f.weight", "transformer.ln_f.bias"};
    const int64_t L = num_layers, C = channels, C3 = 3 * C, C4 = 4 * C;
    const int64_t dims[16][3] = {
        {padded_vocab_size, C, 0}, {max_seq_len, C, 0}, {L, C, 0}, {L, C, 0},   /* wte wpe ln1w ln1b */
        {L, C3, C}, {L, C3, 0}, {L, C, C}, {L, C, 0}, {L, C, 0}, {L, C, 0},     /* qkvw qkvb attprojw attprojb ln2w ln2b */
        {L, C4, C}, {L, C4, 0}, {L, C, C4}, {L, C, 0}, {C, 0, 0}, {C, 0, 0}};   /* fcw fcb fcprojw fcprojb lnfw lnfb */
    static const int32_t n_dims[16] = {2, 2, 2, 2, 3, 2, 3, 2, 2, 2, 3, 2, 3, 2, 1, 1};
    const uintptr_t element = dtype == GLIMPSE_F32 ? 4 : 2;
    uintptr_t at = (uintptr_t)params; /* an integer: a device address takes part in no pointer arithmetic */
    int found = 0;
    model->n_layers = num_layers;
    model->n_heads = num_heads;
    model->channels = channels;
    model->vocab_size = vocab_size;
    model->max_seq_len = max_seq_len;
    model->eos = glimpse_llmc_end_of_text(vocab_size, &found);
    model->trainer_bf16 = dtype != GLIMPSE_F32; /* floatX is also the type of the residual stream */
    if (found && !model->tokenizer.encode && !model->tokenizer.decode && !model->tokenizer.pieces && !model->tokenizer.path)
        model->tokenizer.path = "gpt2_tokenizer.bin";
    for (int i = 0; i < 16; i++) {
        glimpse_status st = glimpse_bind(model, names[i], (const void *)at, dtype, n_dims[i], dims[i]);
        if (st < 0) return st;
        uintptr_t elements = 1; /* no overflow: a bind with such dimensions was refused */
        for (int32_t k = 0; k < n_dims[i]; k++) elements *= (uintptr_t)dims[i][k];
        at += elements * element;
    }
    return GLIMPSE_OK;
}

/* A configuration for a program that takes no long flags: everything comes from the environment,
 *     GLIMPSE_ARGS="--max_sample_tokens 128 --sample_each_eval" ./train_gpt2
 * and `tokens` (llm.c's genT; 0 = none) is how many tokens a sample has where neither GLIMPSE_ARGS nor a --config names a
 * number.  GLIMPSE=off switches Glimpse off.  Returned: glimpse_llmc_open takes it, else glimpse_config_free. */
static inline glimpse_config *glimpse_llmc_config(int tokens) {
    glimpse_config *cfg = glimpse_config_new();
    const char *asked = glimpse_get(cfg, "max_sample_tokens");
    int unset = !asked || strcmp(asked, "0") == 0;
    if (cfg && unset && tokens > 0 && !glimpse_get(cfg, "config") && !glimpse_is_sample_only(cfg)) {
        char text[16];
        snprintf(text, sizeof text, "%d", tokens);
        glimpse_set(cfg, "max_sample_tokens", text);
    }
    return cfg;
}

/* glimpse_open for llm.c's model.
 *   cfg      given: freed here in any case; from glimpse_llmc_config or glimpse_config_new
 *   rank     of this process: 0 samples, every other rank gets NULL without a word (no rank waits for another)
 *   params   (num_parameters) borrowed until glimpse_close: model.params_memory, host or device
 *   stream   the CUDA stream that the weights are written on (main_stream), NULL on the host
 * The six integers: GLIMPSE_LLMC_CONFIG(model.config).  NULL = off; the reason was said once, every call accepts NULL. */
static inline glimpse *glimpse_llmc_open(glimpse_config *cfg, int rank, int max_seq_len, int vocab_size,
                                         int padded_vocab_size, int num_layers, int num_heads, int channels,
                                         const void *params, glimpse_dtype dtype, void *stream) {
    glimpse *g = NULL;
    if (rank == 0) {
        glimpse_model model = GLIMPSE_MODEL_INIT;
        glimpse_llmc_describe(&model, max_seq_len, vocab_size, padded_vocab_size, num_layers, num_heads, channels, params,
                              dtype);
        model.name = "llm.c";
        model.stream = stream;
        g = glimpse_open(cfg, &model);
        glimpse_model_free(&model);
    }
    glimpse_config_free(cfg);
    return g;
}

/* glimpse_eval with llm.c's own mark for "no loss yet": a negative train_loss is not known.  train_gpt2.cu's mean_loss is
 * the last step's; train_gpt2.c's is overwritten by the validation before, so keep it after each step, or give -1.
 * The NaN is made from its bits: llm.c is compiled with -Ofast, under which a NAN in the source has no defined value. */
static inline glimpse_status glimpse_llmc_eval(glimpse *g, int64_t step, float train_loss, float val_loss) {
    double train = train_loss;
    const uint64_t not_a_number = UINT64_C(0x7ff8000000000000);
    if (train_loss < 0.0f) memcpy(&train, &not_a_number, sizeof train);
    return glimpse_eval(g, step, train, (double)val_loss);
}

#ifdef __cplusplus
}
#endif
#endif
