/* token_files.h -- what stands beside saved weights so that they can be read without what they came from: the tokenizer, and what
 * a model directory says of generation.  Made once, written with every save.
 *
 * A tokenizer.json is copied with the files beside it; any other kind becomes a tokenizer.json with the same ids
 * (sampling/tokenizer/tokenizer_writer.h); where there is no such form the original is copied under a name that
 * checkpoint_find_tokenizer knows, and the note says so.  Weights are never copied: of a GGUF file the tokenizer alone is taken.
 *
 * Called by hooks/convert.c and hooks/save_weights.c; save.c writes them. */
#ifndef GLIMPSE_SAMPLING_TOKEN_FILES_H
#define GLIMPSE_SAMPLING_TOKEN_FILES_H

#include "sampling/model/model.h"
#include "sampling/tokenizer/tokenizer.h"

typedef struct token_files token_files;

/* `t`: NULL = there is none.  `beside`: a checkpoint's directory, for its generation_config.json, or NULL.  The ends of `m` that
 * are not known (-1) are t's from now on, as sampling takes them.  Returned: token_files_free.  GLIMPSE_E_IO, _MEMORY. */
glimpse_status token_files_make(tokenizer *t, const char *beside, model *m, token_files **out);
/* The files of a tokenizer that could not be read, as they are, but none that a link has elsewhere; `why` is said in the note.
 * GLIMPSE_E_IO, also for a GGUF file. */
glimpse_status token_files_copy(const char *path, const char *why, token_files **out);
/* What a person should know, a line without its end; "" = nothing. */
const char *token_files_note(const token_files *f);
/* Into a directory, each synced.  f may be NULL. */
glimpse_status token_files_write(const token_files *f, const char *dir);
void token_files_free(token_files *f);

#endif
