/* fuzz_torch.c -- any bytes as PyTorch .pt file, its zip and its pickle together (and as whatever else their first bytes say). */
#define _GNU_SOURCE
#include "tests/fuzz/fuzz_checkpoint.h"

static void read_it(const char *path) {
    model *m = NULL;
    if (torch_read(path, NULL, NULL, &m) >= 0) model_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    fuzz_checkpoint(bytes, n, read_it);
    return 0;
}
