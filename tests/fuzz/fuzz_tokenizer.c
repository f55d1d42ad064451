/* fuzz_tokenizer.c -- any bytes as a tokenizer's file, read as what they say they are: sentencepiece, llama2.c, tiktoken, tekken,
 * GGUF, tokenizer.json, a pickle.  What is read encodes texts into ids that exist, and decodes each and all. */
#define _GNU_SOURCE
#define PCRE2_CODE_UNIT_WIDTH 8
#include <dlfcn.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sampling/tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* PCRE2's machine code reads whole vectors, a text's end within them, which valgrind takes for a mistake: with NO_JIT set its
 * interpreter runs. */
int pcre2_jit_compile_8(pcre2_code_8 *code, uint32_t options) {
    int (*real)(pcre2_code_8 *, uint32_t) = NULL;
    void *at = getenv("NO_JIT") ? NULL : dlsym(RTLD_NEXT, "pcre2_jit_compile_8");
    memcpy(&real, &at, sizeof at);
    return real ? real(code, options) : PCRE2_ERROR_JIT_BADOPTION;
}

static void use(tokenizer *t) {
    static const char *const texts[] = {"", "Hello,  world's 1234\n\n x <mask>a", "caf\xc3\xa9 \xe4\xb8\xad\xf0\x9f\x98\x80<|endoftext|> <s> the",
                                        "\xff\xc3(\xe2\x96\x81\xe2\x96\x81 \xcc\x81"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        buffer ids = {0}, text = {0};
        if (tokenizer_encode_prompt(t, texts[i], strlen(texts[i]), &ids) >= 0) {
            const int32_t *id = (const int32_t *)(const void *)ids.bytes;
            size_t count = ids.n / sizeof *id;
            for (size_t k = 0; k < count; k++)
                if (id[k] < 0 || id[k] >= t->vocab_size || tokenizer_decode(t, id[k], &text) < 0) abort();
            if (tokenizer_text(t, id, count, i & 1, &text) < 0) abort();
        }
        buf_free(&ids);
        buf_free(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char path[64];
    tokenizer *t = NULL;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (tokenizer_load_pattern(path, n % 3 ? "gpt2" : NULL, &t) >= 0) {
        use(t);
        tokenizer_close(t);
    }
    close(fd);
    return 0;
}
