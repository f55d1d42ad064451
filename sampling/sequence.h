/* sequence.h -- one sample's life within a batch: draw, accept, stop, go back, end as a record.  What generate.c (waves) and
 * conversation.c (one sequence over a cache that is kept) share.
 *
 *   waiting --sequence_begin--> active --draw, accept--> active ... --> done (glimpse_stop)
 *                                 ^------- back to token k -------'  (antislop.h)
 *
 * A sequence with n tokens is drawn next from the row of token n - 1, or with none from its prompt's last row: so going back
 * is nothing but a smaller n. */
#ifndef GLIMPSE_SAMPLING_SEQUENCE_H
#define GLIMPSE_SAMPLING_SEQUENCE_H

#include "sampling/antislop.h"
#include "sampling/generator.h"

typedef struct sequence {
    int32_t prompt, setting, sample, lane;
    chain *chain;
    draw_key key;
    int32_t strip, prefix_strip;   /* where the wave put it; the prefix is all of its prompt, -1 = none */
    int32_t reach;                 /* backend_row.reach */
    const float *prompt_logits;    /* (V) the row of the prompt's last token */
    const float *logits;           /* (V) the row to draw from next */
    const part_need *need;         /* instead: what the chain needed of it, and got; NULL = logits.  It is row `row` of the backend's */
    const row_part *part;
    int32_t row;
    /* With guidance, the same text behind the negative prompt: */
    const int32_t *negative;       /* (n_negative) */
    int32_t n_negative, negative_strip, negative_prefix, negative_reach;
    const float *negative_prompt_logits, *negative_logits;
    glimpse_token *tokens;         /* (room) in the arena */
    glimpse_candidate *tops;       /* (room, n_top) */
    int32_t n, room, shown;        /* tokens that stand; that may be drawn; that on_token has seen */
    buffer text;
    antislop *slop;                /* NULL = nothing to go back from */
    size_t *text_ends;             /* (room) bytes of text before each token; with slop */
    glimpse_stop stop;
    bool done;
    glimpse_status drawn;          /* of the last draw */
    char *drawn_text;              /* why it failed: the text of an error is the thread's that failed */
    char *why, *note;
} sequence;

typedef struct batch {
    generator *g;
    const batch_request *rq;
    arena *a;
    sequence *seqs;     /* (n_seqs), in the order of the result */
    int32_t n_seqs;
    sequence **active;  /* (n_active) those of the wave that go on */
    int32_t n_active;
    chain **chains;     /* (n_settings, lanes): those of a lane and their clones share scratch memory, lanes do not */
    char **chain_texts; /* (n_settings) as it ran, in the arena */
    part_need *needs;   /* (BATCH_MOST) of a step of which parts are enough, and what came; NULL until there is one */
    row_part *parts;
    int32_t *named;     /* (BATCH_MOST, PART_MOST_NAMED) */
    float *part_rows;   /* (lanes, V), all -inf */
    int32_t lanes;      /* draws of one step run side by side in so many tasks */
} batch;

enum { BATCH_MOST = 64 }; /* sequences of a wave */

/* Number `i` of the batch: its key and the memory of its record. */
glimpse_status sequence_init(batch *b, int32_t i);
/* Its chain, with the prompt accepted; the wave has set strips and prompt rows. */
glimpse_status sequence_begin(batch *b, sequence *s);
void sequence_end(batch *b, sequence *s); /* the chain and what goes with it, at the end of the wave; may be repeated */
void sequence_free(sequence *s);
/* Draw a token for each active sequence and take it in; those that end leave `active`. */
glimpse_status sequences_draw(batch *b);
/* The same for a token drawn elsewhere, whose record is tokens[n] and its alternatives: text, reasons to stop. */
glimpse_status sequence_accept(batch *b, sequence *s);
bool batch_cancelled(const batch *b);  /* asked before tokens are taken in: what on_token does holds from the next on */
void sequences_cancel(batch *b);       /* those still active end */
glimpse_status sequence_record(batch *b, sequence *s, glimpse_sample *out);

#endif
