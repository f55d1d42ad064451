/* fuzz_safetensors.c -- any bytes as a safetensors file: what is listed lies within the file, without hole or overlap. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sampling/checkpoint/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char path[64];
    weight_list l = {0};
    int32_t index;
    int64_t covered = 0;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (weights_open_file(&l, path, &index) >= 0 && safetensors_list(&l, index) >= 0) {
        for (int32_t i = 0; i < l.n; i++) {
            if (l.w[i].at < 8 || l.w[i].at + l.w[i].bytes > (int64_t)n || weights_find(&l, l.w[i].name) != &l.w[i])
                abort();
            covered += l.w[i].bytes;
        }
        if (covered > (int64_t)n - 8) abort();
    }
    weights_free(&l);
    close(fd);
    return 0;
}
