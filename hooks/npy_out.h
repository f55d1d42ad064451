/* npy_out.h -- rows of numbers as NumPy's .npy (format 1.0, numpy/lib/format.py: magic, length of the header, a Python
 * dictionary padded to 64 bytes), whole or not at all: it has no name, or another one, until its last row is written.  A device
 * or a pipe is written to as it is.  Called by score_file.c. */
#ifndef GLIMPSE_HOOKS_NPY_OUT_H
#define GLIMPSE_HOOKS_NPY_OUT_H

#include "hooks/own_output.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct npy_out { /* start from {.fd = -1} */
    int fd;
    char *target, *beside; /* the file at the end of links; its name until then, NULL = written in place */
    bool named;            /* `beside` is there already */
} npy_out;

/* Whether `path` could be written: it is no other file, and its directory takes one. */
glimpse_status npy_may_write(const char *what, const char *path);
glimpse_status npy_open(npy_out *f, const char *path, int64_t rows, int64_t columns);
glimpse_status npy_row(const npy_out *f, const float *row, int64_t columns);
/* Under its name now. */
glimpse_status npy_finish(npy_out *f);
/* Behind npy_finish nothing happens; before it, nothing is left of it.  May be repeated. */
void npy_close(npy_out *f);

#endif
