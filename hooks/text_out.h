/* text_out.h -- generated text to the host's output: token by token as it streams, or whole, always through the view's hand, so
 * that no control character reaches a terminal.
 *
 * On a terminal text is broken between words; in a file and a pipe it is what the model said.
 *
 * While text streams the session knows it (session.text): generation over, however, its line is ended before anything else is
 * done; and what is said to people meanwhile begins on a line of its own where both go to a terminal.  Called by offline.c,
 * chat.c, score_file.c, session_eval.c and session_log.c. */
#ifndef GLIMPSE_HOOKS_TEXT_OUT_H
#define GLIMPSE_HOOKS_TEXT_OUT_H

#include "hooks/session_state.h"
#include "hooks/word_wrap.h"
#include "viz/colors.h"

typedef struct text_out { /* start from {0} with s; text_out_begin sets what follows */
    session *s;
    view_style style;
    color_scale scale;    /* of a token that streams */
    buffer held, out, piece, shown;
    word_wrap wrap;       /* of text, on a terminal */
    bool told;            /* the legend */
    bool open;            /* a text was begun and not ended */
    bool mid_line;        /* what was last shown is no newline */
    int error;            /* errno of the output, which then gets no more; the samples are drawn and recorded all the same */
} text_out;

/* The session's options as they are now, and the chain of rq's first setting, decide the colours; where text is to stream in
 * colour, the legend is told (stderr), once for each mode.  False: it is not to stream, or its mode needs all of it (topk, all; in
 * a conversation, session.text, they show as softmax). */
bool text_out_begin(text_out *w, const batch_request *rq, bool stream);
/* That line: what the colours of text in this mode mean; of a given text `stop` is GLIMPSE_STOP_SCORED. */
void text_out_legend(const session *s, color_mode mode, int32_t top_k, glimpse_stop stop);
/* on_token of a batch; `user` is the text_out.  The token that ends the text is not shown. */
void text_out_token(void *user, int32_t sequence, const glimpse_token *t);
/* End an open text: what is held back of a character that was never completed, and a newline.  Else nothing. */
void text_out_end(text_out *w);
/* On a terminal that shows text and messages, leave a line that is begun; nothing in a file or a pipe. */
void text_out_leave_line(text_out *w);
/* Text that is no token's, which it opens: without colour. */
void text_out_text(text_out *w, const char *text, size_t n);
/* The samples of a record: of one its bare text (in colour, with the legend, where colours are on); of several, each behind
 * a line that says which it is, with the prompt and the setting only where there are several:
 *     --------------- prompt 1 of 2   top_k=5   sample 1 of 3 */
void text_out_samples(text_out *w, const glimpse_record *r);
void text_out_free(text_out *w);

#endif
