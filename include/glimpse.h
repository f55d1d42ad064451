/* glimpse.h -- see what a language model says while it is being trained in C or CUDA.  The whole public API.
 *
 *   #include <glimpse.h>
 *
 *   glimpse_config *cfg = glimpse_config_new();
 *   glimpse_parse_args(cfg, &argc, argv);               // takes Glimpse's own flags out of argv, leaves the rest alone
 *   if (glimpse_is_sample_only(cfg)) return glimpse_run(cfg);
 *
 *   glimpse_model model = GLIMPSE_MODEL_INIT;           // dimensions, bos, eos, tokenizer
 *   model.n_layers = L; model.n_heads = NH; model.channels = C; model.vocab_size = V; model.max_seq_len = T;
 *   glimpse_bind(&model, "transformer.wte.weight", wte, GLIMPSE_F32, 2, (int64_t[]){Vp, C});    // one call a tensor
 *   glimpse *g = glimpse_open(cfg, &model);             // NULL = off, the reason was said once; every call accepts NULL
 *   for (step = 0;; step++) {
 *       if (step % eval_interval == 0) glimpse_eval(g, step, train_loss, val_loss);             // NAN = not known
 *       if (step == last_step) break;                   // behind an eval: one that was skipped is made up for at the close
 *       train_step();
 *   }
 *   glimpse_close(g); glimpse_model_free(&model); glimpse_config_free(cfg);
 *
 * Manners.  No call exits, aborts, prints to stdout (glimpse_run alone may), changes a signal handler, the locale, the
 * environment, the random numbers or the floating-point mode of its caller.  What there is to say goes to stderr, or to
 * the function given to glimpse_set_log.
 *
 * Modes.  worker, the default in training: glimpse_eval copies the tensors into a snapshot, posts one message and returns;
 * a process of its own (`glimpse worker`, sought at $GLIMPSE_WORKER, beside the library, in ../bin) samples, draws and
 * writes, and what came of it is told by a later call.  inline (--mode inline): all of it within glimpse_eval, on the live
 * weights.  In a child that the trainer forked every call does nothing.
 *
 * Threads.  One thread at a time for each `glimpse`; different ones may be used at once.  Errors are per thread.  A thread that is
 * cancelled (pthread_cancel) within a call ends when the call is over.
 *
 * Ownership.  "borrowed": must stay valid until the time named.  "copied": may go when the call returns.  "returned":
 * freed with the function named.  Strings are UTF-8.
 *
 * ABI.  Structs start with their size and are only ever appended to; enum values are pinned.
 *
 * Letters for shapes: B batch, T time (positions), C channels, V vocabulary, Vp padded vocabulary, L layers, H heads,
 * KV key/value heads, hd head size, F width of the feed-forward layer. */
#ifndef GLIMPSE_H
#define GLIMPSE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GLIMPSE_VERSION_MAJOR 0
#define GLIMPSE_VERSION_MINOR 1
#define GLIMPSE_VERSION_PATCH 0
#define GLIMPSE_VERSION_STRING "0.1.0"

#if defined(__GNUC__)
#define GLIMPSE_API __attribute__((visibility("default")))
#else
#define GLIMPSE_API
#endif

/* === Status ======================================================================================================
 * Zero: done (inline mode) or posted (worker mode).  Positive: an outcome that is no error.  Negative: an error,
 * explained by glimpse_error(). */
#define GLIMPSE_STATUS_LIST(X)                                                                    \
    X(GLIMPSE_OK, 0, "done")                                                                      \
    X(GLIMPSE_NOT_DUE, 1, "no sample is due at this eval")                                        \
    X(GLIMPSE_SKIPPED, 2, "skipped: the eval before is still being sampled")                      \
    X(GLIMPSE_E_INVALID, -1, "invalid argument or flag")                                          \
    X(GLIMPSE_E_MEMORY, -2, "out of memory")                                                      \
    X(GLIMPSE_E_IO, -3, "a file could not be read or written")                                    \
    X(GLIMPSE_E_FORMAT, -4, "a file is not what it should be")                                    \
    X(GLIMPSE_E_MODEL, -5, "the model's description and its tensors do not fit")                  \
    X(GLIMPSE_E_TOKENIZER, -6, "the tokenizer is missing or does not fit")                        \
    X(GLIMPSE_E_UNSUPPORTED, -7, "not supported")                                                 \
    X(GLIMPSE_E_NONFINITE, -8, "the model's numbers are not finite")                              \
    X(GLIMPSE_E_CHECK, -9, "the loss computed from the bound tensors is not the trainer's")       \
    X(GLIMPSE_E_DEVICE, -10, "the device failed")                                                 \
    X(GLIMPSE_E_WORKER, -11, "the worker failed")                                                 \
    X(GLIMPSE_E_LIBRARY, -12, "a part of Glimpse was not found or is of another build")           \
    X(GLIMPSE_E_STATE, -13, "called at the wrong time")                                           \
    X(GLIMPSE_E_INTERNAL, -14, "a defect in Glimpse")                                             \
    X(GLIMPSE_E_BUSY, -15, "another run is writing in this directory")

typedef enum glimpse_status {
#define GLIMPSE_STATUS_ENUM(name, value, text) name = value,
    GLIMPSE_STATUS_LIST(GLIMPSE_STATUS_ENUM)
#undef GLIMPSE_STATUS_ENUM
} glimpse_status;

/* The text of a status code; never NULL.  Thread-safe. */
GLIMPSE_API const char *glimpse_status_text(glimpse_status status);

/* What the last failed call of this thread has to say: what was wrong, where, and a line "hint: ..." where a person can
 * act.  "" if nothing failed.  Borrowed until this thread's next call. */
GLIMPSE_API const char *glimpse_error(void);

/* "0.1.0 (build id)".  Static. */
GLIMPSE_API const char *glimpse_version(void);

/* === Configuration ===============================================================================================
 * One table holds every option: its name, other names, type, range, default in training and offline, help text.  Flags,
 * JSON keys (--config FILE), environment (GLIMPSE_ARGS), `glimpse --help`, the man page and glimpse_set all come from it.
 * A flag beats the environment, the environment beats the file, the file beats the defaults. */
typedef struct glimpse_config glimpse_config;

/* A configuration with every option at its default; reads GLIMPSE_ARGS.  Returned: glimpse_config_free.  NULL: out of
 * memory (every function below accepts a NULL configuration and fails with GLIMPSE_E_MEMORY). */
GLIMPSE_API glimpse_config *glimpse_config_new(void);
GLIMPSE_API void glimpse_config_free(glimpse_config *cfg);

/* Set option `name` (underscores or hyphens, other names accepted) from text, as a flag would; NULL = back to the
 * default.  Copied.  Option "flag_scope" = "trainer" (the default) or "all" says which flags glimpse_parse_args takes
 * bare; with "all" the flags are Glimpse's alone: a program takes its own out of argv before, for one that is left is an unknown
 * flag, and an error.  GLIMPSE_E_INVALID: unknown name (the nearest is named) or bad value (the range is named); nothing changed. */
GLIMPSE_API glimpse_status glimpse_set(glimpse_config *cfg, const char *name, const char *value);

/* The value in force as text (a list's elements joined with ','), NULL for an unknown name or an option without value.
 * Borrowed until the next call on `cfg`. */
GLIMPSE_API const char *glimpse_get(glimpse_config *cfg, const char *name);

/* Take Glimpse's flags out of argv; the others keep their order and argv[*argc] = NULL.  In a trainer's scope only
 * --max_sample_tokens --sample_each_eval --sample_start_tokens --sample_only --dataset_benchmarks --sample_metrics
 * --colorize_output --colorize_mode --show_heatmaps --chart_type --last_k_tokens --sample_file --token_boundary are
 * taken bare; every other flag is written --glimpse_NAME, because --seed, --batch_size and their like are the trainer's.  "--" ends the flags.
 * On an error argc and argv are as they were, the reason is in glimpse_error(), and glimpse_open with this
 * configuration says it once and returns NULL. */
GLIMPSE_API glimpse_status glimpse_parse_args(glimpse_config *cfg, int *argc, char **argv);

/* 1 if --sample_only, --interactive or another flag asks to sample from a checkpoint instead of training, or --glimpse_help for
 * the list of flags. */
GLIMPSE_API int glimpse_is_sample_only(const glimpse_config *cfg);

/* Sample from the checkpoint named by the configuration (else the newest in out_dir), or print what --glimpse_help asks for: text
 * on stdout, all else on stderr and in out_dir.  Returns a process exit code: 0, 1 (failed, said on stderr) or 2 (bad flags).
 * The configuration stays the caller's: glimpse_config_free, unless main returns the code at once and the process ends with it. */
GLIMPSE_API int glimpse_run(glimpse_config *cfg);

/* Where Glimpse's lines go instead of stderr.  `line` has no newline at its end and may hold several lines.  Called on
 * the thread that called Glimpse.  NULL = stderr. */
typedef void (*glimpse_log_fn)(void *user, const char *line);
GLIMPSE_API void glimpse_set_log(glimpse_config *cfg, glimpse_log_fn fn, void *user);

/* === The model ===================================================================================================
 * A description says what the forward pass must do; the tensors are bound by name.  GPT-2 is the default value of the
 * description, other architectures are other values of it. */
typedef enum glimpse_dtype { GLIMPSE_F32 = 0, GLIMPSE_BF16 = 1, GLIMPSE_F16 = 2 } glimpse_dtype;
typedef enum glimpse_norm { GLIMPSE_LAYERNORM = 0, GLIMPSE_RMSNORM = 1 } glimpse_norm;
typedef enum glimpse_activation {
    GLIMPSE_GELU_TANH = 0, /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): GPT-2's, llm.c's */
    GLIMPSE_GELU_ERF = 1,  /* 0.5 x (1 + erf(x / sqrt 2)) */
    GLIMPSE_SILU = 2,      /* x / (1 + e^-x) */
    GLIMPSE_RELU = 3
} glimpse_activation;
typedef enum glimpse_positions { GLIMPSE_LEARNED = 0, GLIMPSE_ROPE = 1, GLIMPSE_NO_POSITIONS = 2 } glimpse_positions;
typedef enum glimpse_rope_scaling { /* how rotary frequencies were stretched for a longer context (sampling/forward.c) */
    GLIMPSE_ROPE_PLAIN = 0,
    GLIMPSE_ROPE_LINEAR = 1, /* f / factor */
    GLIMPSE_ROPE_LLAMA3 = 2, /* long waves / factor, short ones kept, between them a ramp */
    GLIMPSE_ROPE_YARN = 3,   /* the same by dimension (Peng et al. 2023) */
    GLIMPSE_ROPE_DYNAMIC = 4, /* plain up to rope_original_len; a longer max_seq_len is refused: see its error */
    GLIMPSE_ROPE_LONGROPE = 5 /* f / rope_factors[i]; in texts that may become longer than rope_original_len
                                 f / rope_factors_long[i] (Ding et al. 2024; Phi-3) */
} glimpse_rope_scaling;

enum { /* flags of a tensor */
    GLIMPSE_TRANSPOSED = 1, /* a matrix stored (in, out) instead of (out, in): Hugging Face's GPT-2 files */
};

typedef struct glimpse_tensor {
    size_t size;             /* sizeof(glimpse_tensor) */
    const char *name;        /* see glimpse_bind; copied by glimpse_bind_tensor */
    const void *data;        /* borrowed until glimpse_close; read at each eval */
    glimpse_dtype dtype;
    int32_t n_dims;          /* 1 to 4 */
    int64_t dims[4];         /* outermost first */
    int64_t strides[4];      /* in elements; all 0 = row-major and dense */
    uint32_t flags;          /* GLIMPSE_TRANSPOSED */
} glimpse_tensor;
#define GLIMPSE_TENSOR_INIT { sizeof(glimpse_tensor), 0, 0, GLIMPSE_F32, 0, {0, 0, 0, 0}, {0, 0, 0, 0}, 0 }

/* A tokenizer, in one of three ways; the first that is set counts.  All zero: looked for (gpt2_tokenizer.bin,
 * tokenizer.bin or tokenizer.json in the working directory, in out_dir, beside the dataset), else ids are shown. */
typedef struct glimpse_tokenizer {
    size_t size;
    /* 1. Two functions, called on one thread at a time.  encode: write at most `cap` ids of `text`, return their number,
     * or the negative number needed when `cap` is too small, or INT32_MIN if the text cannot be encoded.  decode: write
     * at most `cap` bytes of token `id`, return their number or the negative number needed. */
    int32_t (*encode)(void *user, const char *text, size_t bytes, int32_t *ids, int32_t cap);
    int32_t (*decode)(void *user, int32_t id, char *out, int32_t cap);
    void *user;
    /* 2. V byte strings, copied by glimpse_open.  Encoded by characters if every piece is one character, else by
     * byte-pair merges in order of id if all 256 bytes are pieces, else by the longest match. */
    const char *const *pieces; /* (V) */
    const int32_t *piece_bytes; /* (V), bytes of each */
    int32_t n_pieces;
    /* 3. A file in a format that Glimpse reads: llm.c's .bin, tokenizer.json, ...; copied. */
    const char *path;
} glimpse_tokenizer;

/* A model given as a function instead of tensors: the logits of the last position of each row.
 *   ids     (B, T)  row-major, rows padded at the right; lengths (B): how many ids of a row count, 1..T
 *   out     (B, V)  the logits that follow the last counted id of each row
 * Returns 0, anything else fails the eval.  Called on the caller's thread, in inline mode alone (glimpse_set(cfg, "mode", "inline")),
 * once a token, each time with the whole text so far: a recurrent model may keep its state from call to call and go on where a
 * row's beginning is the one before.  max_seq_len is then the longest text that it is to be asked for.  A C++ one must not throw.
 * Its twin logits_all writes (B, T, V), all positions: used to score a text in one call, and for everything where it alone
 * is given. */
typedef int (*glimpse_logits_fn)(void *user, int B, int T, const int *ids, const int *lengths, float *out);

#define GLIMPSE_ROPE_PAIRS 128
#define GLIMPSE_MORE_EOS 15
typedef struct glimpse_model {
    size_t size;
    const char *name;          /* shown in the line that says on, e.g. "my-gpt"; NULL = none; copied by glimpse_open */
    const char *arch;          /* "gpt2" (NULL), "llama", "mistral", "qwen2", "qwen3", "smollm3", "phi3", "gemma", "gemma2",
                                  "gemma3", "gpt_neox": sets what is left at 0 or unset below; shown in records */
    int32_t n_layers;          /* L */
    int32_t n_heads;           /* H */
    int32_t n_kv_heads;        /* KV; 0 = H */
    int32_t channels;          /* C */
    int32_t head_size;         /* hd; 0 = C / H */
    int32_t ffn_size;          /* F; 0 = from the tensor */
    int32_t vocab_size;        /* V: ids that can be drawn; rows V..Vp-1 of the embedding are padding */
    int32_t max_seq_len;       /* longest context in tokens */
    int32_t bos, eos;          /* ids, -1 = none; several ids that end a text: more_eos, below */
    int32_t norm;              /* glimpse_norm */
    float norm_eps;            /* 0 = 1e-5 */
    int32_t norm_plus_one;     /* 1: weights are stored as w - 1 (Gemma; -1: not, though the architecture has them so) */
    int32_t activation;        /* glimpse_activation */
    int32_t positions;         /* glimpse_positions */
    float rope_theta;          /* 0 = 10000 */
    int32_t rope_interleaved;  /* 1: pairs (2i, 2i+1); 0: halves (i, i + hd/2) */
    int32_t rope_dims;         /* rotated dimensions of a head; 0 = hd */
    float attention_scale;     /* 0 = 1 / sqrt(hd) */
    float attention_softcap;   /* 0 = none */
    float logit_softcap;       /* 0 = none */
    float embedding_scale;     /* 0 = 1 */
    int32_t window;            /* sliding window in tokens; 0 = none */
    int32_t trainer_bf16;      /* 1: the trainer's residual stream is bf16: glimpse_check allows 2e-2 nats, not 1e-4 */
    glimpse_tokenizer tokenizer;
    void *stream;              /* CUstream/cudaStream_t on which the weights are written; NULL = the legacy stream */
    glimpse_logits_fn logits;          /* instead of tensors; NULL = tensors */
    glimpse_logits_fn logits_all;      /* its twin, or instead of it: out is (B, T, V) */
    void *logits_user;
    /* Filled by glimpse_bind; not for the caller to touch. */
    glimpse_tensor *tensors;
    int32_t n_tensors, cap_tensors;
    int32_t bind_status;
    /* More of the description. */
    int32_t window_from;       /* the first layer that has the window; those before it see everything */
    int32_t window_pattern;    /* n: of every n layers the last sees everything; 0 = none of them does */
    int32_t rope_scaling;      /* glimpse_rope_scaling */
    float rope_factor;         /* how many times longer than rope_original_len; > 0 where positions are scaled */
    float rope_low, rope_high; /* llama3: low_freq_factor (0 = 1), high_freq_factor (0 = 4); yarn: beta_slow (0 = 1), beta_fast (0 = 32) */
    int32_t rope_original_len; /* the context that the plain frequencies were trained on, tokens; 0 = max_seq_len */
    float rope_attention;      /* multiplies cos and sin; 0 = 1, for yarn 0.1 ln(rope_factor) + 1, for longrope
                                  sqrt(1 + ln(rope_factor) / ln(rope_original_len)) */
    /* In the next two 0 = as the architecture has it (gpt_neox: 1), 1 = yes, -1 = no; norm_plus_one likewise. */
    int32_t parallel_residual; /* attention and feed-forward both read the layer's input (GPT-NeoX) */
    int32_t qkv_grouped;       /* the fused q, k, v rows stand head by head: a key/value head's queries, its key, its value */
    int32_t rope_skip_pattern; /* n: of every n layers the last has no rotary positions (SmolLM3); 0 = all have them */
    float rope_local_theta;    /* theta of the layers that have the window, unscaled (Gemma 3); 0 = as in all others */
    float rope_factors[GLIMPSE_ROPE_PAIRS];      /* (rope_dims / 2) divide the frequencies, also where nothing else scales
                                                    them; [0] = 0: none */
    float rope_factors_long[GLIMPSE_ROPE_PAIRS]; /* (rope_dims / 2) for longrope */
    int32_t n_more_eos;                          /* 0 to GLIMPSE_MORE_EOS */
    int32_t more_eos[GLIMPSE_MORE_EOS];          /* (n_more_eos) ids that end a text as `eos` does, which is the first of them
                                                    (Llama 3: 128001; 128008, 128009) */
} glimpse_model;

#define GLIMPSE_TOKENIZER_INIT { sizeof(glimpse_tokenizer), 0, 0, 0, 0, 0, 0, 0 }
#define GLIMPSE_MODEL_INIT                                                                                             \
    { sizeof(glimpse_model), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,           \
      GLIMPSE_TOKENIZER_INIT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}, {0}, 0, {0} }

/* Bind one tensor by Hugging Face's name.  `data` is borrowed until glimpse_close and read at each eval (host or device
 * memory); the name is copied.  A `*` in the name stands for the layer, and the first dimension is then L ("stacked"):
 * "transformer.h.*.ln_1.weight" (L, C).  Matrices are (out, in) unless GLIMPSE_TRANSPOSED is set by glimpse_bind_tensor.
 *   GPT-2: transformer.wte.weight (Vp, C)  transformer.wpe.weight (T, C)  lm_head.weight (Vp, C), absent = tied
 *          transformer.h.N.ln_1.weight/bias (C)      .attn.c_attn.weight (3C, C) /bias (3C)   rows: q, k, v
 *          .attn.c_proj.weight (C, C) /bias (C)      .ln_2.weight/bias (C)
 *          .mlp.c_fc.weight (F, C) /bias (F)         .mlp.c_proj.weight (C, F) /bias (C)
 *          transformer.ln_f.weight/bias (C)          every bias may be absent
 *   Llama: model.embed_tokens.weight (Vp, C)  model.norm.weight (C)  lm_head.weight (Vp, C), absent = tied
 *          model.layers.N.input_layernorm.weight (C)  .post_attention_layernorm.weight (C)
 *          .self_attn.q_proj.weight (H hd, C)  .k_proj.weight, .v_proj.weight (KV hd, C)  .o_proj.weight (C, H hd)
 *          .mlp.gate_proj.weight, .up_proj.weight (F, C)  .down_proj.weight (C, F)
 *   The other architectures: the names in their Hugging Face checkpoints; `glimpse inspect` lists a checkpoint's.
 *   f32, bf16 and f16 are read; weights in double: bind a float copy that is filled before each glimpse_eval.
 * An error is also kept in the model: glimpse_open says it and returns NULL, so the results need no check. */
GLIMPSE_API glimpse_status glimpse_bind(glimpse_model *model, const char *name, const void *data, glimpse_dtype dtype,
                                        int32_t n_dims, const int64_t *dims);
/* The same with strides and flags. */
GLIMPSE_API glimpse_status glimpse_bind_tensor(glimpse_model *model, const glimpse_tensor *tensor);
/* Read a checkpoint of any kind that Glimpse knows (a file or a directory, recognised by its content) into *model, which comes
 * as GLIMPSE_MODEL_INIT: every field of the description, every tensor bound, the tokenizer's path if one lies beside it.
 * What it holds lives until glimpse_model_free.  On an error *model is as it was.  Loads the sampling library. */
GLIMPSE_API glimpse_status glimpse_model_load(const char *path, glimpse_model *model);
/* Free what the binds allocated; the tensors' memory is the caller's.  NULL is fine. */
GLIMPSE_API void glimpse_model_free(glimpse_model *model);

/* === In the training loop ========================================================================================*/
typedef struct glimpse glimpse;

/* Check the configuration and the description, prepare everything that an eval needs.  `cfg` and `model` are copied,
 * the tensors borrowed until glimpse_close.  NULL = off (nothing to sample or score, GLIMPSE=off, or an error): the reason
 * was said in one line, is in glimpse_error(), and training goes on: every call below accepts NULL.  In a job of several
 * ranks (told by RANK, OMPI_COMM_WORLD_RANK, PMI_RANK or SLURM_PROCID) all may call; one samples (--sample_rank 0) and says
 * so, the others get NULL without a line; with --sample_rank -1 every one samples, each in an --out_dir of its own. */
GLIMPSE_API glimpse *glimpse_open(const glimpse_config *cfg, const glimpse_model *model);

/* Call at each evaluation with the losses (NAN = not known).  Samples if an eval is due: always at the first one, when
 * the validation loss improved or is not finite (NAN: none is known), or with --sample_each_eval.  Says one line in any case.
 * `step` counts over the whole training, not within an epoch: one that falls leaves the evals from there on behind.
 * `step` is at most 2^53 in size (GLIMPSE_E_INVALID).  In worker mode it takes a copy of the tensors; less where none is due
 * or the worker is busy.
 * Returns GLIMPSE_OK, GLIMPSE_NOT_DUE, GLIMPSE_SKIPPED or an error (also that of an earlier posted eval).  After three
 * failures in a row Glimpse switches itself off, with one line; training goes on, and an eval an hour later tries again, unless
 * another run writes in the directory. */
GLIMPSE_API glimpse_status glimpse_eval(glimpse *g, int64_t step, double train_loss, double val_loss);

/* Compare the loss that the bound tensors give with the trainer's own, now: a wrong layout, eps or activation shows
 * before anybody reads a sample.
 *   ids, targets (B, T); target -1 = not counted      loss: the trainer's mean cross-entropy over them, nats
 * GLIMPSE_OK within 1e-4 nats (2e-2 with model.trainer_bf16); GLIMPSE_E_CHECK otherwise: said once, and every sample
 * then says MODEL CHECK FAILED.  The error names what the losses would agree with, if it is one of the usual mistakes: a matrix
 * stored the other way round, q, k and v in another order, another activation, norm, rotary form or scale. */
GLIMPSE_API glimpse_status glimpse_check(glimpse *g, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T,
                                         double loss);
/* The same, far sharper, where the trainer has the loss of each token: losses (B, T), nats, those of targets -1 not read.
 * Finds up to three mistakes at once.  Also fails if another GELU or another norm eps explains the trainer's numbers better than
 * the description does, and names it: such a mistake moves the mean by less than 1e-6. */
GLIMPSE_API glimpse_status glimpse_check_losses(glimpse *g, const int32_t *ids, const int32_t *targets, int32_t B,
                                                int32_t T, const float *losses);

/* Wait until everything posted is written, however long.  Inline mode: nothing to wait for.  Returns what failed. */
GLIMPSE_API glimpse_status glimpse_drain(glimpse *g);

/* Finish what is queued (a worker still busy after --close_timeout seconds finishes alone), write the last views, free.
 * Where the last eval was due and skipped, because the worker was busy, it is sampled here if the tensors, which are still
 * borrowed, have not changed since: a fingerprint of some thousand places tells.  Otherwise, and for weights on a GPU, a line
 * says that it is not.  Returns what failed.  NULL is fine. */
GLIMPSE_API glimpse_status glimpse_close(glimpse *g);

/* === Records =====================================================================================================
 * What an eval produced: exactly the line of evals.jsonl, numbers rounded as they are recorded.  What is not finite is
 * NAN here and null there.  Arrays of structs are walked with GLIMPSE_AT, so that they may grow. */
#define GLIMPSE_AT(array, i) ((__typeof__(&*(array)))(const void *)((const char *)(array) + (size_t)(i) * (array)->size))

typedef struct glimpse_candidate {
    int32_t id;
    float p;       /* the model's own probability at T = 1, before any filter */
    float p_final; /* among the survivors it was drawn from; 0 = filtered out */
} glimpse_candidate;

typedef struct glimpse_token {
    size_t size;
    int32_t id;
    int32_t rank;    /* 1 + ids with a larger raw logit (the smaller id first among equals) */
    int32_t kept;    /* how many ids survived the filters */
    int32_t n_top;
    float logit;     /* raw */
    float logprob;   /* ln p, nats: the model's own at T = 1 before any filter */
    float p_temp;    /* probability after temperature, before the filters */
    float p_final;   /* probability among the survivors */
    float left;      /* probability mass of the ids ranked above it */
    float entropy;   /* of the model's own distribution, nats: 0 .. ln V */
    float dot;       /* cosine of its embedding to that of the generated token before; 0 for the first */
    const glimpse_candidate *top; /* (n_top) by falling p */
} glimpse_token;

typedef enum glimpse_stop {
    GLIMPSE_STOP_LENGTH = 0,    /* max_sample_tokens reached */
    GLIMPSE_STOP_EOS = 1,       /* the model ended the text; the EOS token is recorded, not part of the text */
    GLIMPSE_STOP_STRING = 2,    /* a --stop string; it is not part of the text */
    GLIMPSE_STOP_CONTEXT = 3,   /* the model's context is full */
    GLIMPSE_STOP_NONFINITE = 4, /* NaN or +inf logits: `why` says where */
    GLIMPSE_STOP_SCORED = 5,    /* a given text, scored and not generated */
    GLIMPSE_STOP_CANCELLED = 6  /* a conversation's user asked to stop */
} glimpse_stop;

typedef struct glimpse_metric {
    const char *name;
    double value;
} glimpse_metric;

typedef struct glimpse_sample {
    size_t size;
    int32_t prompt;            /* index of the prompt */
    int32_t setting;           /* index of the setting */
    int32_t sample;            /* index among num_samples */
    int32_t n_samples;         /* num_samples */
    const char *prompt_text;   /* (prompt_bytes) bytes as given, NUL after them */
    size_t prompt_bytes;
    const int32_t *prompt_ids; /* (n_prompt_ids) */
    int32_t n_prompt_ids;
    const char *label;         /* the setting, short: "top_k=5", as used in file names and rules */
    const char *samplers;      /* the chain: "top_k=5;temperature=0.8" */
    uint64_t seed;
    double temperature;
    int32_t top_k;             /* 0 = off */
    const char *text;          /* (text_bytes) what was generated: any bytes, NUL after them */
    size_t text_bytes;
    glimpse_stop stop;
    const char *why;           /* for NONFINITE and others; NULL = nothing to say */
    const glimpse_token *tokens; /* (n_tokens) */
    int32_t n_tokens;
    const glimpse_metric *metrics; /* (n_metrics) */
    int32_t n_metrics;
    int32_t answer_from;       /* of a probe: the first of `tokens` that belongs to the text; those before are the prompt's */
    int32_t n_beams;           /* width of the beam search that found it; 0 = it was drawn */
    double beam_score;         /* of a beam search: sum of log-probabilities / n_tokens^length_penalty; else 0 */
    const char *note;          /* what happened on the way: phrases it went back from; NULL = nothing to say */
} glimpse_sample;

typedef struct glimpse_piece { /* the bytes of an id that occurs in the record */
    int32_t id;
    int32_t bytes;
    const char *text;
} glimpse_piece;

typedef struct glimpse_task_score { /* a number of --lm_eval_tasks */
    size_t size;
    const char *task, *metric, *variant; /* "hellaswag", "acc_norm", "lm-evaluation-harness": whose rules */
    double version;            /* of the task */
    double value;
    double std_error;          /* NAN = not defined */
    double chance;             /* what guessing gives; NAN = no such number */
    int32_t n, n_all;          /* documents scored, the first of so many */
    int32_t num_fewshot;
} glimpse_task_score;

typedef struct glimpse_record {
    size_t size;
    int32_t version;           /* of the journal's format: 1 */
    const char *run;           /* short hexadecimal name of the run */
    const char *run_name;      /* for people: the last part of out_dir, or --run_name */
    int64_t seq;               /* number of the line in the journal, from 0 */
    const char *kind;          /* "train", "offline", "probe", "api" */
    int64_t step;
    const char *time;          /* ISO 8601, UTC */
    double train_loss, val_loss;       /* NAN = not known */
    double best_val_loss;              /* up to and including this eval; NAN = none yet */
    int64_t best_step;                 /* -1 = none yet */
    const char *arch;          /* "gpt2" */
    int64_t n_params;
    int32_t vocab_size;
    const char *dtype, *cache_dtype, *device; /* "f32", "f32", "cpu" */
    const char *check;         /* "ok", "failed", "none" */
    const char *status;        /* "ok", "skipped", "failed" */
    const char *why;           /* NULL = nothing to say */
    double blocked_s, prefill_s, decode_s, write_s; /* seconds */
    const glimpse_piece *pieces; /* (n_pieces) by rising id */
    int32_t n_pieces;
    const glimpse_sample *samples; /* (n_samples) */
    int32_t n_samples;
    const char *views;         /* the options that views of this record are drawn with: a JSON object of texts */
    const glimpse_sample *probes; /* (n_probes) the texts of --probe, scored at this eval: `prompt` = number of the line */
    int32_t n_probes;
    const glimpse_task_score *scores; /* (n_scores) of --lm_eval_tasks */
    int32_t n_scores;
    const glimpse_metric *dataset; /* (n_dataset) of --dataset_benchmarks: the slice's own metrics, and the model's view of it */
    int32_t n_dataset;
    const char *model_name;    /* glimpse_model.name; NULL = none was given */
} glimpse_record;

/* The bytes of id in this record, NULL if it does not occur.  Borrowed as long as the record. */
GLIMPSE_API const glimpse_piece *glimpse_record_piece(const glimpse_record *record, int32_t id);
/* Free a record returned by glimpse_generate or glimpse_score.  NULL is fine. */
GLIMPSE_API void glimpse_record_free(glimpse_record *record);

/* A hook of your own: called with the record of each eval after it is written, on the thread of the caller of
 * glimpse_eval, glimpse_drain or glimpse_close.  The record is borrowed until the hook returns.  Any number of hooks. */
typedef void (*glimpse_hook_fn)(void *user, const glimpse_record *record);
GLIMPSE_API glimpse_status glimpse_add_hook(glimpse *g, glimpse_hook_fn fn, void *user);

/* === A sampler of your own =======================================================================================
 * Joins the chain of every sample from then on: where --samplers names it, else behind all others.  Inline mode, on the
 * thread that called Glimpse; examples/custom_sampler.c. */
typedef struct glimpse_candidates {
    size_t size;
    int32_t n;
    int32_t vocab_size;
    const int32_t *ids; /* (n), rising; NULL = candidate i is id i */
    float *logits;      /* (n), after a temperature that stands before: to be changed.  -INFINITY drops one; one must stay */
    uint32_t position;  /* of the token to be drawn, from the first of the prompt = 0 */
} glimpse_candidates;

/* Functions that are NULL are not called; `apply` must be given.  `state` is what `clone` made of the user pointer, one
 * for each sequence (and one more for each way to go back); without `clone` it is the user pointer itself. */
typedef struct glimpse_sampler {
    size_t size;        /* sizeof(glimpse_sampler) */
    const char *name;   /* of a-z 0-9 _, at most 31, none of Glimpse's own; copied */
    void (*accept)(void *state, int32_t id, int prompt);       /* a token was chosen; prompt: 1 for those of the prompt */
    int (*apply)(void *state, glimpse_candidates *candidates); /* 0; anything else fails the eval.  Same state and
                                                                   candidates, same result: draws are to be repeatable */
    void (*reset)(void *state);                                /* forget what was accepted */
    void *(*clone)(const void *state);                         /* NULL = no memory */
    void (*free)(void *state);                                 /* of a clone */
} glimpse_sampler;
#define GLIMPSE_SAMPLER_INIT { sizeof(glimpse_sampler), 0, 0, 0, 0, 0, 0 }
/* `sampler` copied, `user` borrowed until glimpse_close.  g NULL: nothing happens.  GLIMPSE_E_STATE: in worker mode, where
 * --module lib.so brings it to the worker. */
GLIMPSE_API glimpse_status glimpse_add_sampler(glimpse *g, const glimpse_sampler *sampler, void *user);

/* === A module: your code in a library of its own ================================================================
 * --module lib.so[:ARGS], any number of them: loaded where the sampling happens, that is by the worker, in inline mode by
 * the trainer, offline by `glimpse --module`.  In the worker it cannot hurt the training: a crash is one failed eval.  The
 * library defines one symbol (the declaration below exports it):
 *
 *   #include <glimpse.h>
 *   static int open(glimpse_module_host *host, void **state) {
 *       return host->add_sampler(host->to, &sampler, &first) < 0;
 *   }
 *   const glimpse_module glimpse_module_v1 = {sizeof(glimpse_module), GLIMPSE_MODULE_VERSION, open, NULL};
 *
 *   cc -shared -fPIC -I PREFIX/include my.c -o my.so          (no library of Glimpse's; never link with -ffast-math)
 *
 * examples/custom_sampler.c and custom_hook.c are modules, too.  All functions run on one thread, with the default
 * floating-point environment and the locale "C". */
typedef struct glimpse_module_host { /* given to open, valid until it returns */
    size_t size;
    const char *args;           /* what follows the colon, "" = nothing */
    const glimpse_model *model; /* the description; NULL offline.  Its tensors' data stay where they are until close: what
                                   a model function reads there when it is called are the weights of that eval */
    const struct glimpse_api *api; /* Glimpse's own functions (below), to be called through this table: a module links none */
    void *to;                   /* first argument of the functions; each returns a glimpse_status */
    glimpse_status (*add_sampler)(void *to, const glimpse_sampler *sampler, void *user); /* as glimpse_add_sampler */
    glimpse_status (*add_hook)(void *to, glimpse_hook_fn fn, void *user); /* called in the worker, when the eval is written */
    glimpse_status (*set_tokenizer)(void *to, const glimpse_tokenizer *tokenizer); /* instead of the trainer's; what it points
                                                                                      to is borrowed until close */
    glimpse_status (*set_logits)(void *to, glimpse_logits_fn logits, glimpse_logits_fn logits_all, void *user); /* instead of
                                   Glimpse's own forward pass; not offline */
    int (*refuse)(void *to, const char *why); /* `return host->refuse(host->to, "...")`: Glimpse is off, with this reason */
} glimpse_module_host;

typedef struct glimpse_module {
    size_t size;      /* sizeof(glimpse_module) */
    uint32_t version; /* GLIMPSE_MODULE_VERSION */
    int (*open)(glimpse_module_host *host, void **state); /* 0; anything else refuses */
    void (*close)(void *state);                           /* after the last call of anything registered; may be NULL */
} glimpse_module;
#define GLIMPSE_MODULE_VERSION 1
#define GLIMPSE_MODULE_SYMBOL "glimpse_module_v1"
extern GLIMPSE_API const glimpse_module glimpse_module_v1; /* a module's, not Glimpse's */

/* === For programs of one's own: ids or text in, records out (inline mode) ========================================*/
typedef struct glimpse_request {
    size_t size;
    const char *text;       /* (text_bytes); used if `ids` is NULL */
    size_t text_bytes;      /* 0 with text != NULL: strlen(text) */
    const int32_t *ids;     /* (n_ids) */
    int32_t n_ids;
    const char *options;    /* "temperature=0.7 top_k=40 num_samples=4 max_sample_tokens=64": over those of glimpse_open */
} glimpse_request;
#define GLIMPSE_REQUEST_INIT { sizeof(glimpse_request), 0, 0, 0, 0, 0 }

/* Continue a prompt: one record, a sample for each of num_samples × settings.  Returned: glimpse_record_free. */
GLIMPSE_API glimpse_status glimpse_generate(glimpse *g, const glimpse_request *request, glimpse_record **record);
/* Score a text: one record with one sample whose tokens are the text's own from the second on (from the first, if the
 * model has a BOS, which is then put before it); stop = GLIMPSE_STOP_SCORED.  Returned: glimpse_record_free. */
GLIMPSE_API glimpse_status glimpse_score(glimpse *g, const glimpse_request *request, glimpse_record **record);

/* === For loops that cannot be rebuilt ============================================================================
 * One symbol holds the whole API: dlopen libglimpse.so.0, dlsym "glimpse_api_v1" (GLIMPSE_API_SYMBOL), and call through
 * it; examples/dlopen_loop.c.  Members are only ever appended: one that lies beyond `size` is not in that library. */
typedef struct glimpse_api {
    size_t size;
    uint32_t version; /* 1 */
    const char *(*status_text)(glimpse_status status);
    const char *(*error)(void);
    const char *(*version_text)(void); /* glimpse_version */
    glimpse_config *(*config_new)(void);
    void (*config_free)(glimpse_config *cfg);
    glimpse_status (*set)(glimpse_config *cfg, const char *name, const char *value);
    const char *(*get)(glimpse_config *cfg, const char *name);
    glimpse_status (*parse_args)(glimpse_config *cfg, int *argc, char **argv);
    int (*is_sample_only)(const glimpse_config *cfg);
    int (*run)(glimpse_config *cfg);
    void (*set_log)(glimpse_config *cfg, glimpse_log_fn fn, void *user);
    glimpse_status (*bind)(glimpse_model *model, const char *name, const void *data, glimpse_dtype dtype, int32_t n_dims,
                           const int64_t *dims);
    glimpse_status (*bind_tensor)(glimpse_model *model, const glimpse_tensor *tensor);
    void (*model_free)(glimpse_model *model);
    glimpse *(*open)(const glimpse_config *cfg, const glimpse_model *model);
    glimpse_status (*eval)(glimpse *g, int64_t step, double train_loss, double val_loss);
    glimpse_status (*check)(glimpse *g, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss);
    glimpse_status (*check_losses)(glimpse *g, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T,
                                   const float *losses);
    glimpse_status (*drain)(glimpse *g);
    glimpse_status (*close)(glimpse *g);
    const glimpse_piece *(*record_piece)(const glimpse_record *record, int32_t id);
    void (*record_free)(glimpse_record *record);
    glimpse_status (*add_hook)(glimpse *g, glimpse_hook_fn fn, void *user);
    glimpse_status (*generate)(glimpse *g, const glimpse_request *request, glimpse_record **record);
    glimpse_status (*score)(glimpse *g, const glimpse_request *request, glimpse_record **record);
    glimpse_status (*add_sampler)(glimpse *g, const glimpse_sampler *sampler, void *user);
    glimpse_status (*model_load)(const char *path, glimpse_model *model);
} glimpse_api;
#define GLIMPSE_API_SYMBOL "glimpse_api_v1"
extern GLIMPSE_API const glimpse_api glimpse_api_v1;

#ifdef __cplusplus
}
/* A C++ compiler does not take the address of `(int64_t[]){Vp, C}`, nor of `{Vp, C}`: here both are bound to a reference, so
 * that the lines above compile in .cc and .cu files too. */
extern "C++" {
template <size_t N>
inline glimpse_status glimpse_bind(glimpse_model *model, const char *name, const void *data, glimpse_dtype dtype,
                                   int32_t n_dims, const int64_t (&dims)[N]) {
    const int64_t *first = dims;
    return glimpse_bind(model, name, data, dtype, n_dims, first);
}
}
#endif
#endif
