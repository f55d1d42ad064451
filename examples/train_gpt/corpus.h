/* corpus.h -- the data: a text as token ids, its vocabulary, and the batches drawn from it.
 *
 * A token is a character (its UTF-8 bytes) or a byte; one more id, the last, is the end-of-text token that separates
 * documents ("<|endoftext|>" in a file).  The last tenth of the text is kept for validation.  Called by train_gpt.c. */
#ifndef TRAIN_GPT_CORPUS_H
#define TRAIN_GPT_CORPUS_H

#include <stddef.h>
#include <stdint.h>

typedef enum corpus_tokens { CORPUS_AUTO, CORPUS_CHARS, CORPUS_BYTES } corpus_tokens;

typedef struct corpus {
    corpus_tokens tokens;  /* CHARS or BYTES, never AUTO once it is made */
    int vocab_size;        /* V, the end-of-text token included */
    int eot;               /* its id, V - 1 */
    const char **pieces;   /* (V) bytes of each id */
    int32_t *piece_bytes;  /* (V) 1..4, or the length of "<|endoftext|>" */
    char *piece_memory;
    uint16_t *ids;         /* train, then validation */
    size_t n_train, n_val;
} corpus;

enum { CORPUS_ERROR = 512 }; /* bytes of an error text */

/* Stories of the generator, about `bytes` of them: "\n", the story, end of text, and so on.  So "\n" begins a story.
 * 0, or -1 with the reason in `error`. */
int corpus_from_stories(corpus *data, size_t bytes, uint64_t seed, corpus_tokens tokens, char error[CORPUS_ERROR]);

/* A text file.  AUTO: characters if it is UTF-8 with at most 512 distinct ones, else bytes. */
int corpus_from_file(corpus *data, const char *path, corpus_tokens tokens, char error[CORPUS_ERROR]);

void corpus_free(corpus *data);

/* 0 if both parts hold a window of T + 1 tokens, else -1 with the reason. */
int corpus_check_context(const corpus *data, int T, char error[CORPUS_ERROR]);

/* B windows of T ids from anywhere in the training part, and the ids that follow them.  `rng` is advanced. */
void corpus_batch(const corpus *data, uint64_t *rng, int B, int T, int32_t *ids, int32_t *targets);

/* Batch `index` of `count` that lie evenly over the validation part (`train` != 0: the training part), the same each time. */
void corpus_fixed_batch(const corpus *data, int train, int index, int count, int B, int T, int32_t *ids, int32_t *targets);

/* The validation part as a shard of llm.c: int32 header of 256 (magic 20240520, version 1, count), then uint16 ids.
 * 0, or -1 with errno set. */
int corpus_write_val_shard(const corpus *data, const char *path);

/* The vocabulary in the format of llm.c's gpt2_tokenizer.bin (llmc/tokenizer.h): uint32 header of 256 (magic 20240328,
 * version 2, V, end-of-text id), then for each id a byte of length and its bytes.  0, or -1 with errno set. */
int corpus_write_tokenizer(const corpus *data, const char *path);

#endif
