/* text_out.h -- generated text to the host's output: token by token as it streams, or whole, always through the view's hand, so
 * that no control character reaches a terminal.  Called by offline.c and chat.c. */
#ifndef GLIMPSE_HOOKS_TEXT_OUT_H
#define GLIMPSE_HOOKS_TEXT_OUT_H

#include "hooks/session_state.h"

typedef struct text_out { /* start from {0} with s and style */
    session *s;
    view_style style;
    buffer held, out, piece;
    int error;            /* errno of the output, which then gets no more; the samples are drawn and recorded all the same */
} text_out;

/* on_token of a batch; `user` is the text_out.  The token that ends the text is not shown. */
void text_out_token(void *user, int32_t sequence, const glimpse_token *t);
/* Show what is held back of a character that was never completed; then `tail` as it is. */
void text_out_end(text_out *w, const char *tail);
/* Text that is no token's: without colour. */
void text_out_text(text_out *w, const char *text, size_t n);
/* The samples of a record: of one its bare text; of several, each behind a line that says which it is,
 *     --------------- prompt 1 of 2   top_k=5   sample 1 of 3
 * with the prompt and the setting only where there are several. */
void text_out_samples(text_out *w, const glimpse_record *r);
void text_out_free(text_out *w);

#endif
