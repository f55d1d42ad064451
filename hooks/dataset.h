/* dataset.h -- --dataset: the data a model is trained on, read in place.
 *
 *   llm.c's shards    int32[256] header: 20240520, 1, tokens; then uint16 (20240801, 7: uint32).  llmc/dataloader.h
 *   nanoGPT's         train.bin: tokens alone, uint16; uint32 where meta.pkl beside it, or without one the model, knows
 *                     more than 65,536 ids
 *   JSON lines        *.jsonl, the field "text" of each line, a newline between two
 *   text              anything else
 * Called by hooks/benchmarks.c.  A file that is replaced or cut while it is read is an error, never a crash. */
#ifndef GLIMPSE_HOOKS_DATASET_H
#define GLIMPSE_HOOKS_DATASET_H

#include "sampling/tokenizer/tokenizer.h"

typedef struct dataset dataset;

/* `vocab`: ids of the model.  GLIMPSE_E_IO, GLIMPSE_E_FORMAT (a size that does not fit its header, an empty file). */
glimpse_status dataset_open(const char *path, int32_t vocab, dataset **out);
void dataset_close(dataset *d); /* NULL is fine */
bool dataset_is_tokens(const dataset *d);

/* n tokens from a place that (seed, step) alone choose, the same in every run; fewer where the data end.  Their ids and
 * the bytes they stand for are appended.  GLIMPSE_E_TOKENIZER: text, and no tokenizer; ids beyond the model's: _FORMAT. */
glimpse_status dataset_slice(const dataset *d, tokenizer *t, uint64_t seed, int64_t step, int32_t n, buffer *ids, buffer *text);

/* All of it in order, in pieces: ids of token data (int32_t), else bytes, `symbols` at a time.  *share = how much was
 * walked: data beyond `most` symbols are left out. */
glimpse_status dataset_walk(const dataset *d, int64_t most, void (*each)(void *user, const int32_t *symbols, size_t n),
                            void *user, double *share);

#endif
