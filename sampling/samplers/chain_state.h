/* chain_state.h -- inside a chain: what chain.c and chain_part.c share. */
#ifndef GLIMPSE_SAMPLING_CHAIN_STATE_H
#define GLIMPSE_SAMPLING_CHAIN_STATE_H

#include "kernels/backend.h"
#include "sampling/samplers/sampler.h"

enum { MAX_SAMPLERS = 64 };

struct chain {
    sampler *samplers[MAX_SAMPLERS];
    int32_t n, vocab;
    double temperature; /* what the row's statistics are taken at in advance; another one costs a second read */
    chain_scratch *scratch;
    history past;
    int32_t drawn;      /* the id of the last draw, and the probability it had among the survivors */
    double drawn_p;
    buffer text;
    buffer idle;        /* chain_idle */
};

/* A row of which some logits are known, the others stand as -inf. */
typedef struct known_part {
    const row_sums *sums;  /* of the whole row */
    double rest;           /* sum e^((l - sums->max) / T) over the others, T the chain's temperature; */
    int32_t n_rest;        /* how many of them are above -inf */
    uint64_t last;         /* no other has a key up to this */
} known_part;

/* Draw (id < 0) or score, and fill the record; with a part, scratch->maxima are those of `logits`, and GLIMPSE_SKIPPED says that
 * the record needs the whole row: nothing is written then. */
glimpse_status chain_record(chain *ch, const float *logits, const known_part *part, int32_t id, const draw_key *key,
                            uint32_t position, int32_t n_top, glimpse_token *token, glimpse_candidate *top);

/* What the chain's lists name (token_lists.c, logit_bias.c): their ids into out (room); returns how many, -1 = too many. */
int32_t banned_tokens_ids(const sampler *s, int32_t *out, int32_t room);
int32_t logit_bias_ids(const sampler *s, int32_t *out, int32_t room);
int32_t ending_ids(const sampler *s, int32_t *ids, int32_t room); /* of min_length and length_decay */

#endif
