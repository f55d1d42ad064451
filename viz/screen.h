/* screen.h -- the review page for a terminal: one eval, one sample, one token selected, drawn as rows of a screen.
 *
 *    demo   step 250   val 2.507 ▼0.112 best   train 2.413                12 of 500
 *   ━━━━━━━━━━━━━━━━●──────────────────────────────────────────────────────────────
 *    "Once upon a time"  top_k=5 T=0.8 seed=1337    ppl 5.9  spelling .97    3 of 16
 *
 *   Once upon a time there was a little girl …                 │ ␣Lily
 *                                                              │ token 17 of 128
 *                                                              │ ▸␣Lily ██████ .62
 *    minmax ████████ lowest … highest logit of each sample, not p
 *    ←→ step  jk sample  hl token  s surprising  …
 *
 * The token stands beside the text from 96 columns on, else below it.  Rows are escape codes and safe text alone.  Drawn from
 * records: nothing is read, nothing but the rows is written.  Called by hooks/reviewer.c. */
#ifndef GLIMPSE_VIZ_SCREEN_H
#define GLIMPSE_VIZ_SCREEN_H

#include "viz/text.h"

typedef enum screen_page { SCREEN_SAMPLE, SCREEN_OVER, SCREEN_PROBES, SCREEN_NUMBERS, SCREEN_HELP } screen_page;

typedef struct screen_probes { /* a text of --probe over the evals */
    const glimpse_sample *probe; /* of the eval in sight; NULL = it has none */
    int32_t index, n;
    int64_t first, n_columns;    /* evals first .. first + n_columns - 1 */
    const float *p;              /* (n_columns, probe->n_tokens): probability of each token; NAN = not known (yet) */
    const int64_t *steps;        /* (n_columns) */
} screen_probes;

typedef struct screen_step { /* the sample in sight, as it was at an eval */
    int64_t step;
    bool known;              /* what follows was read */
    double val, perplexity;  /* NAN = not known */
    styled text;             /* one line; or why there is none */
} screen_step;

typedef struct screen_over { /* SCREEN_OVER */
    const screen_step *rows; /* (n) evals first .. first + n - 1; n = 0: there is no sample to follow */
    int64_t first, n;
} screen_over;

typedef struct screen_view {
    int width, height;
    view_style style;
    screen_page page;
    const char *name;             /* what is looked at, where there is no eval yet */
    const glimpse_record *r;      /* NULL: `problem` says why */
    const glimpse_record *before; /* the last eval before that was sampled, as the log has it; NULL = none */
    const char *problem;
    int64_t at, n, fresh;         /* which of how many evals; how many came since one looked at the last */
    int32_t sample, token;
    bool diff;
    int64_t match_from, match_to; /* bytes of the sample's text that were searched for; -1 = none */
    const char *line;             /* the last row while something is typed, or to say something; NULL = the keys */
    bool typing;
    screen_probes probes;
    screen_over over;
} screen_view;

enum { SCREEN_MIN_WIDTH = 20, SCREEN_MIN_HEIGHT = 6, SCREEN_OVER_BYTES = 4096 /* of a text: no terminal is wider */ };

/* Rows 0 .. height - 1, each cleared and made anew.  *top: the first line of the text in sight, moved as little as shows the
 * selected token. */
glimpse_status screen_draw(const screen_view *v, int64_t *top, buffer *rows);
/* How many evals the map of the probes shows at that width. */
int64_t screen_probe_columns(int width);

/* How many evals SCREEN_OVER shows at that height. */
int64_t screen_over_rows(int height);
/* Make a row of SCREEN_OVER: the sample of `r` that is `like`. */
void screen_over_text(const glimpse_record *r, const glimpse_sample *like, const view_style *style, screen_step *out);

#endif
