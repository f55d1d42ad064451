/* readers.h -- what checkpoint.c chooses among: one reader a format, and the names of the formats without one.
 *
 * Most readers only list the tensors of a file (weights.h) and say what they can of the model; what the file does not
 * say comes from a configuration beside it (config.h).  Called by checkpoint.c and directory.c. */
#ifndef GLIMPSE_SAMPLING_READERS_H
#define GLIMPSE_SAMPLING_READERS_H

#include "include/internal/file.h"
#include "sampling/checkpoint/checkpoint.h"
#include "sampling/checkpoint/weights.h"

enum { LLMC_MODEL_MAGIC = 20240326, LLMC_LLAMA_MAGIC = 20240803 };

/* Four and eight bytes, little-endian. */
static inline uint32_t read_u32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t read_u64(const unsigned char *p) { return read_u32(p) | (uint64_t)read_u32(p + 4) << 32; }

/* llm.c's model .bin, its magic already seen.  As checkpoint_open. */
glimpse_status llmc_bin_read(const file *f, checkpoint_progress progress, void *user, model **out);

/* The Llama form of it, in both layouts. */
glimpse_status llmc_llama_read(const char *path, checkpoint_progress progress, void *user, model **out);

/* safetensors: does the file begin like one?  Append its tensors, every rule checked. */
bool is_safetensors(const file *f, const unsigned char *head, size_t n);
glimpse_status safetensors_list(weight_list *l, int32_t file_index);

/* llama2.c's model .bin, versions 0, 1 (f32) and 2 (int8, read as f32).  Version 0 has no magic: its seven numbers must
 * give the file's size. */
bool is_llama2c(const file *f, const unsigned char *head, size_t n);
glimpse_status llama2c_read(const char *path, checkpoint_progress progress, void *user, model **out);

/* GGUF version 3: F32, F16, BF16 as they are, Q8_0 as f32. */
glimpse_status gguf_read(const char *path, checkpoint_progress progress, void *user, model **out);

/* PyTorch's .pt: a zip of stored members and a pickle.  torch_list appends the tensors of the state dict; what the file
 * says of the model (nanoGPT's model_args) goes to *d if d is not NULL, whose arch stays NULL when it says nothing. */
glimpse_status torch_list(weight_list *l, int32_t file_index, glimpse_model *d);
/* The name of the data it was trained on (nanoGPT's config['dataset']), appended; nothing where the file does not say one. */
void torch_dataset(const char *path, buffer *name);
glimpse_status torch_read(const char *path, checkpoint_progress progress, void *user, model **out);

/* A directory in Hugging Face's layout (config.json and weights), or one with model_config.json in its parent. */
bool directory_is_checkpoint(const char *path);
glimpse_status directory_read(const char *path, checkpoint_progress progress, void *user, model **out);
/* Say why a directory without a checkpoint in it is none: Orbax's arrays, an adapter, the directory above the checkpoint.
 * GLIMPSE_OK if there is nothing to say. */
glimpse_status directory_refuse(const char *path);
/* A safetensors file alone: its configuration is looked for beside it and above it. */
glimpse_status safetensors_read(const char *path, checkpoint_progress progress, void *user, model **out);

/* Refuse a file by what its first bytes (n of them) look like: GLIMPSE_E_UNSUPPORTED, or GLIMPSE_E_FORMAT if it is
 * nothing known.  Never GLIMPSE_OK. */
glimpse_status sniff_refuse(const file *f, const unsigned char *head, size_t n);

#endif
