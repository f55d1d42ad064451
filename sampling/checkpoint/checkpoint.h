/* checkpoint.h -- a model from a file, recognised by its content and never by its name.
 *
 * Read today: llm.c's model .bin (llmc_bin.c), safetensors with a configuration (safetensors.c, directory.c), PyTorch's
 * .pt (torch_pt.c), llama2.c's .bin (llama2c_bin.c), GGUF (gguf.c).  Anything else is refused by the name of what it looks
 * like (sniff.c). Tensors are read into memory of our own: a file that is cut short while it is mapped would kill the
 * process (SIGBUS), one that is read is an error.  Called by the session for --sample_only, --interactive, --checkpoint. */
#ifndef GLIMPSE_SAMPLING_CHECKPOINT_H
#define GLIMPSE_SAMPLING_CHECKPOINT_H

#include "sampling/model/model.h"
#include "sampling/tokenizer/tokenizer.h"

/* Called now and then while tensors are read, and once at the end with done == total.  Bytes. */
typedef void (*checkpoint_progress)(void *user, int64_t done, int64_t total);

/* Read a model.  path: a file, or a directory (checkpoint_find_newest).  progress may be NULL.
 * *out is *returned* (model_close) and owns its tensors.  What the file does not say is left open: bos and eos are -1
 * (the tokenizer knows them), name is the architecture's.
 * GLIMPSE_E_IO: not there, not readable.  GLIMPSE_E_FORMAT: damaged: says what was expected and found, in bytes.
 * GLIMPSE_E_UNSUPPORTED: another format, or a version of this one that is not read; the hint says what to do. */
glimpse_status checkpoint_open(const char *path, checkpoint_progress progress, void *user, model **out);

/* What to open: `path` itself if it is a file or a directory that is a checkpoint (Hugging Face's layout); in another
 * directory the highest step, compared as numbers, of its model_<step>.bin, its step_<step>/ and snapshots/step_<step>/
 * (--save_snapshots), else ckpt.pt.  *found is *returned* (free).  GLIMPSE_E_IO when there is none: says where it was looked
 * for. */
glimpse_status checkpoint_find_newest(const char *path, char **found);

/* The same, of several in a directory among those alone that were written at `since` (seconds since 1970) or later, unless there is
 * none.  *further: one with a higher step that is older and so was passed over, *returned* (free); NULL = none. */
glimpse_status checkpoint_find_since(const char *path, int64_t since, char **found, char **further);

/* The step that a name states, model_00000250.bin or step_00000250 -> 250; -1 if it states none. */
int64_t checkpoint_step(const char *path);

/* The tokenizer of a checkpoint: in it if it is a directory or a GGUF file, beside it, above it, of RUN/snapshots/step_N in RUN,
 * in `out_dir` (may be NULL), in data/NAME where a nanoGPT checkpoint names its dataset, in the working directory.  *out = NULL
 * and GLIMPSE_OK if there is none, except for a directory with model_config.json above it: GLIMPSE_E_TOKENIZER "Could not find
 * tokenizer.json". */
glimpse_status checkpoint_find_tokenizer_path(const char *checkpoint, const char *out_dir, char **out); /* returned (free) */
glimpse_status checkpoint_find_tokenizer(const char *checkpoint, const char *out_dir, const char *pattern, tokenizer **out);

#endif
