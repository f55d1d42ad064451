/* over_steps.h -- the rows of the review's page "over steps": the sample in sight as it was at each eval around.  Each eval is read
 * once, a few at a time, so that keys are answered meanwhile.  Called by reviewer.c. */
#ifndef GLIMPSE_HOOKS_OVER_STEPS_H
#define GLIMPSE_HOOKS_OVER_STEPS_H

#include "hooks/journal_index.h"
#include "viz/screen.h"

typedef struct over_steps { /* start from {0} */
    screen_step *rows;      /* (n) by eval */
    int64_t n;
    buffer of;              /* of which sample, in which colours the rows are */
} over_steps;

/* Set v->over for the view's sample (of v->r, or where that has none of v->before) and size; reads for `ms` milliseconds.
 * *more: there is something left to read. */
glimpse_status over_steps_show(over_steps *o, journal_index *x, screen_view *v, int ms, bool *more);
void over_steps_forget(over_steps *o); /* all that was read */

#endif
