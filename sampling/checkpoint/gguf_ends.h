/* gguf_ends.h -- which tokens of a GGUF vocabulary end a text: what llama.cpp's llama_vocab_is_eog says (src/llama-vocab.cpp,
 * special_eog_ids), so that a file stops here where it stops there.
 *
 * They are the ids of eos, eot and eom that the file names; every token whose text is one of those that close a text or a turn in
 * some family of models (<|im_end|>, <end_of_turn>, ...); and what pads or parts files in code models (fim_pad, fim_rep, fim_sep, by
 * id or by text).  Two families use a text otherwise: <|end|> closes a message and not the answer where <|return|> and <|call|>
 * (or <|calls|> and <|flush|>) are, </s> is an ordinary token where <|tool_response> is.  Called by gguf.c. */
#ifndef GLIMPSE_SAMPLING_CHECKPOINT_GGUF_ENDS_H
#define GLIMPSE_SAMPLING_CHECKPOINT_GGUF_ENDS_H

#include <stdbool.h>
#include <stdint.h>

enum { GGUF_ENDS = 32, GGUF_END_BYTES = 32 };

typedef struct gguf_ends { /* start from {0} */
    int32_t ids[GGUF_ENDS];  /* (n) in the order of the vocabulary */
    int n, end, s;           /* where <|end|> and </s> stand among them, + 1; 0 = nowhere */
    bool returns, calls, flushes, tools;
    bool part_there[3];      /* fim_pad, fim_rep, fim_sep: by text, the first of each */
    int32_t parts[3];
} gguf_ends;

/* Token `id` of the vocabulary; texts of GGUF_END_BYTES and more are none of these. */
void gguf_ends_note(gguf_ends *e, int32_t id, const char *text);

/* All of them, `named` first: eos, eot, eom, fim_pad, fim_rep, fim_sep as the file names them, -1 = it does not.  `out` holds 9 more than
 * GGUF_ENDS; an id may stand in it twice.  Returns how many. */
int gguf_ends_list(const gguf_ends *e, const int32_t named[6], int32_t *out);

#endif
