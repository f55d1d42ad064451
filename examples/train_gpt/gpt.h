/* gpt.h -- the GPT-2 architecture of the training example: parameters, forward and backward pass, on the CPU in float32.
 *
 * Token and position embeddings, pre-LayerNorm blocks (causal attention, then a feed-forward layer with tanh GELU), a
 * final LayerNorm and a classifier tied to the token embedding.  Sixteen tensors in one allocation, in the order and the
 * shapes of llm.c (github.com/karpathy/llm.c, train_gpt2.c), so that a checkpoint is one write and an optimiser step one loop.
 *
 * Letters: B batch, T time, C channels, V vocabulary, Vp padded vocabulary, L layers, NH heads, hs head size = C / NH.
 * Called by train_gpt.c and by the tests; nothing here knows of Glimpse. */
#ifndef TRAIN_GPT_GPT_H
#define TRAIN_GPT_GPT_H

#include <stddef.h>
#include <stdint.h>

enum { GPT_TENSORS = 16 };

typedef struct gpt_config {
    int max_seq_len;  /* T at most, e.g. 512 */
    int vocab_size;   /* V: ids that occur */
    int n_layers;     /* L */
    int n_heads;      /* NH */
    int channels;     /* C, a multiple of NH */
    int padded_vocab; /* Vp >= V: rows of wte; the rows V.. are never looked up and never drawn */
} gpt_config;

typedef struct gpt_tensors { /* walked as an array of GPT_TENSORS pointers: keep the order */
    float *wte;      /* (Vp, C), also the classifier */
    float *wpe;      /* (maxT, C) */
    float *ln1w;     /* (L, C) */
    float *ln1b;     /* (L, C) */
    float *qkvw;     /* (L, 3C, C): rows q, then k, then v; head h owns rows h*hs.. of each */
    float *qkvb;     /* (L, 3C) */
    float *attprojw; /* (L, C, C) */
    float *attprojb; /* (L, C) */
    float *ln2w;     /* (L, C) */
    float *ln2b;     /* (L, C) */
    float *fcw;      /* (L, 4C, C) */
    float *fcb;      /* (L, 4C) */
    float *fcprojw;  /* (L, C, 4C) */
    float *fcprojb;  /* (L, C) */
    float *lnfw;     /* (C) */
    float *lnfb;     /* (C) */
} gpt_tensors;

typedef struct gpt_worker gpt_worker; /* one thread's activations and gradients; see gpt_pass.c */

typedef struct gpt {
    gpt_config config;
    size_t sizes[GPT_TENSORS]; /* elements of each tensor */
    size_t n_params;           /* their sum */
    float *params_memory;      /* (n_params) */
    gpt_tensors params;
    float *grads_memory;       /* (n_params) after gpt_backward; NULL before gpt_prepare */
    int n_workers;
    gpt_worker **workers;
} gpt;

/* 1 if the sizes are positive, fit each other and stay below 2^31 parameters; `why` (may be NULL) gets the reason if not. */
int gpt_config_ok(const gpt_config *config, const char **why);

/* The number of elements of each tensor and, as result, their sum.  The configuration must be ok. */
size_t gpt_tensor_sizes(const gpt_config *config, size_t sizes[GPT_TENSORS]);

/* Point the sixteen tensors into one block of gpt_tensor_sizes() floats. */
void gpt_point_tensors(gpt_tensors *tensors, float *memory, const size_t sizes[GPT_TENSORS]);

/* Allocate the parameters, zeroed.  0, or -1 when memory is short or the configuration is not ok (nothing is kept). */
int gpt_create(gpt *model, gpt_config config);
void gpt_free(gpt *model);

/* GPT-2's initialisation, N(0, 0.02) at 768 channels and wider for fewer: 0.02 sqrt(768 / C); the two projections into the
 * residual stream by a further 1 / sqrt(2L), as 2L branches add up in it; LayerNorm weights 1, biases 0; the positions
 * begin as waves.  `rng` is advanced (see rng64.h). */
void gpt_init_weights(gpt *model, uint64_t *rng);

/* Allocate what passes over at most B sequences of T tokens need, for `threads` threads.  0, or -1 when memory is short. */
int gpt_prepare(gpt *model, int B, int T, int threads);

/* Mean cross-entropy in nats over a batch.  ids, targets (B, T), each in 0..V-1.  Needs gpt_prepare.
 * The result depends on the number of threads (the order of a sum), not on their timing: it repeats bit by bit. */
double gpt_loss(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T);
/* The same, and the loss of each token in losses (B, T). */
double gpt_losses(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T, float *losses);

/* The same, and the gradient of that mean in grads_memory, overwritten. */
double gpt_loss_and_grads(gpt *model, const int32_t *ids, const int32_t *targets, int B, int T);

/* Where the weights are while training: the model's own memory, on a GPU its copy there; and the CUDA stream they are
 * written on, NULL on the processor. */
const gpt_tensors *gpt_weights(const gpt *model);
void *gpt_stream(const gpt *model);

#endif
