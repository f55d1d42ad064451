/* readers.h -- what checkpoint.c chooses among: one reader a format, and the names of the formats without one. */
#ifndef GLIMPSE_SAMPLING_READERS_H
#define GLIMPSE_SAMPLING_READERS_H

#include "include/internal/file.h"
#include "sampling/checkpoint/checkpoint.h"

enum { LLMC_MODEL_MAGIC = 20240326 };

/* Four bytes, little-endian. */
static inline uint32_t read_u32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* llm.c's model .bin, its magic already seen.  As checkpoint_open. */
glimpse_status llmc_bin_read(const file *f, checkpoint_progress progress, void *user, model **out);

/* Refuse a file by what its first bytes (n of them) look like: GLIMPSE_E_UNSUPPORTED, or GLIMPSE_E_FORMAT if it is
 * nothing known.  Never GLIMPSE_OK. */
glimpse_status sniff_refuse(const file *f, const unsigned char *head, size_t n);

#endif
