/* fuzz_checkpoint.h -- any bytes as a checkpoint's file: to one reader, then to whichever their first bytes ask for.  Used by the
 * fuzzers of the checkpoint readers. */
#ifndef GLIMPSE_FUZZ_CHECKPOINT_H
#define GLIMPSE_FUZZ_CHECKPOINT_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sampling/checkpoint/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static inline void fuzz_checkpoint(const uint8_t *bytes, size_t n, void (*read)(const char *path)) {
    char path[64];
    model *m = NULL;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read(path);
    if (checkpoint_open(path, NULL, NULL, &m) >= 0) model_close(m);
    close(fd);
}

#endif
