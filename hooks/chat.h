/* chat.h -- a conversation with a model, `glimpse chat`: what chat.c (turns) and chat_commands.c (/reset and its like) share.
 *
 *   read_line --"/word"--> chat_command                 encode, append --> answer, streamed --> journal line, views
 *        \----text----> chat_say ----------------------------^                                  (step = the turn's number)
 *
 * One context holds all texts and answers (sampling/conversation.h).  A text stands in it as it was typed, behind a newline where
 * the answer before it ended without one and not with the end-of-text token; as an instruction it begins with BOS.  The text of
 * a --stop stays in the context and is shown: what is on the screen is what the model has read.  Where a text does not fit any
 * more, the conversation begins anew with it, and that is said.
 *
 * What /save writes can be read back:
 *     --------------- conversation 1
 *     --------------- turn 1
 *     > the user's text, each line behind "> "
 *     the answer with all that the model has read of it, a --stop text too; a newline ends it that is not its own
 * A line of an answer that begins with '>', '\\' or five dashes has a backslash before it.  Control characters but newline and tab
 * are made visible. */
#ifndef GLIMPSE_HOOKS_CHAT_H
#define GLIMPSE_HOOKS_CHAT_H

#include "hooks/text_out.h"
#include "sampling/conversation.h"

typedef struct chat_turn { /* where it began, and where its answer does */
    int32_t ids, answer_ids;
    size_t transcript, answer_transcript;
    size_t text;          /* where it begins in `texts` */
    glimpse_stop stop;
} chat_turn;

typedef struct chat {
    session *s;
    arena *arena;         /* what the settings point to */
    batch_request rq;     /* settings in force */
    conversation *c;      /* NULL = nothing was said yet */
    buffer turns;         /* of chat_turn: those that the context holds */
    buffer key;           /* the first text: what the noise is keyed by */
    buffer idle;          /* what does nothing, as it was said last */
    buffer texts;         /* the texts of the turns, one behind the other */
    buffer transcript;    /* all of it for /save */
    int32_t conversations;/* begun so far */
    text_out out;
    int64_t n_answers;    /* recorded */
    int64_t n_failed;
    bool leave, changed;  /* changed: an option, since the last answer */
} chat;

/* The answer to what the context holds. */
glimpse_status chat_answer(chat *c, const char *text, size_t bytes);
/* `o` in force, with the conversation as it is; on failure nothing changed. */
glimpse_status chat_use(chat *c, const options *o);
/* Back to the beginning. */
void chat_reset(chat *c);
/* A line that begins with '/': its word and what follows. */
glimpse_status chat_command(chat *c, const char *line);

static inline chat_turn *chat_last(chat *c) {
    size_t n = c->turns.n / sizeof(chat_turn);
    return n ? (chat_turn *)(void *)c->turns.bytes + n - 1 : NULL;
}

#endif
