/* pieces_text.h -- an id as people read it: its bytes; a special token as ⟨name⟩; one that the tokenizer lacks as
 * ⟨50260⟩; without a tokenizer the id itself.
 * Used for a sample's text and for a record's pieces, so that the two agree. */
#ifndef GLIMPSE_SAMPLING_PIECES_TEXT_H
#define GLIMPSE_SAMPLING_PIECES_TEXT_H

#include "sampling/tokenizer/tokenizer.h"

/* Append.  `t` NULL: "464 ". */
glimpse_status piece_text(tokenizer *t, int32_t id, buffer *out);

#endif
