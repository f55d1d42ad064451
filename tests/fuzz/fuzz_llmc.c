/* fuzz_llmc.c -- any bytes as llm.c's model .bin, GPT-2 and Llama (and as whatever else their first bytes say). */
#define _GNU_SOURCE
#include "tests/fuzz/fuzz_checkpoint.h"

static void read_it(const char *path) {
    model *m = NULL;
    file f = FILE_INIT;
    if (file_open_read(path, &f) >= 0 && llmc_bin_read(&f, NULL, NULL, &m) >= 0) model_close(m);
    file_close(&f);
    m = NULL;
    if (llmc_llama_read(path, NULL, NULL, &m) >= 0) model_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    fuzz_checkpoint(bytes, n, read_it);
    return 0;
}
