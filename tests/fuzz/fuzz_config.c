/* fuzz_config.c -- any bytes as config.json; a description that is accepted must be one that a model can have. */
#include <stdlib.h>
#include <string.h>

#include "sampling/checkpoint/hf_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    json_tree t = {0};
    char *text = malloc(n + 1);
    glimpse_model d = GLIMPSE_MODEL_INIT;
    config_facts facts;
    if (!text) return 0;
    memcpy(text, bytes, n);
    text[n] = 0;
    if (json_parse("config.json", text, n, 32, &t) >= 0 && config_from_json("config.json", t.nodes, &d, &facts) >= 0)
        (void)model_complete(&d);
    json_free(&t);
    free(text);
    return 0;
}
