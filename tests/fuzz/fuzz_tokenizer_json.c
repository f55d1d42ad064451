/* fuzz_tokenizer_json.c -- any bytes as tokenizer.json: what is read encodes texts into ids that exist, and decodes each. */
#include <stdlib.h>
#include <string.h>

#include "sampling/tokenizer/kinds.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void use(tokenizer *t) {
    static const char *const texts[] = {"", "Hello,  world's 1234\n\n x",
                                        "caf\xc3\xa9 \xe4\xb8\xad\xf0\x9f\x98\x80<|endoftext|> <mask> word",
                                        "\xff\xc3(\xe2\x96\x81"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        buffer ids = {0}, text = {0};
        if (tokenizer_encode_prompt(t, texts[i], strlen(texts[i]), &ids) >= 0)
            for (size_t k = 0; k < ids.n / sizeof(int32_t); k++) {
                int32_t id;
                memcpy(&id, ids.bytes + 4 * k, 4);
                if (id < 0 || id >= t->vocab_size) abort();
                if (tokenizer_decode(t, id, &text) < 0) abort();
            }
        buf_free(&ids);
        buf_free(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    tokenizer *t = NULL;
    char *copy = malloc(n ? n : 1);
    if (!copy) return 0;
    if (n) memcpy(copy, bytes, n);
    if (json_tokenizer_new("fuzz", copy, n, NULL, &t) >= 0) {
        use(t);
        tokenizer_close(t);
    }
    free(copy);
    return 0;
}
