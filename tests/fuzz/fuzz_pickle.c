/* fuzz_pickle.c -- any bytes as a pickle, as meta.pkl and as PyTorch's .pt. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sampling/checkpoint/checkpoint.h"
#include "sampling/checkpoint/pickle.h"
#include "sampling/tokenizer/kinds.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char path[64];
    pickle p = {0};
    tokenizer *t = NULL;
    model *m = NULL;
    if (pickle_read("fuzz", bytes, n, &p) >= 0) {
        if (!pickle_root(&p)) abort();
        pickle_free(&p);
    }
    if (meta_pickle_new("fuzz", bytes, n, &t) >= 0) tokenizer_close(t);
    if (n >= 4 && bytes[0] == 'P') {
        int fd = memfd_create("fuzz", MFD_CLOEXEC);
        if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (checkpoint_open(path, NULL, NULL, &m) >= 0) model_close(m);
        close(fd);
    }
    return 0;
}
