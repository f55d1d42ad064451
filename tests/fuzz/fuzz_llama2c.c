/* fuzz_llama2c.c -- any bytes as llama2.c's model .bin (and as whatever else their first bytes say). */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sampling/checkpoint/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char path[64];
    model *m = NULL;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (llama2c_read(path, NULL, NULL, &m) >= 0) model_close(m);
    m = NULL;
    if (checkpoint_open(path, NULL, NULL, &m) >= 0) model_close(m);
    close(fd);
    return 0;
}
