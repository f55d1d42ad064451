/* fuzz_args.c -- any words in argv and in GLIMPSE_ARGS: all or nothing, what stays is what was there, no crash.
 * Input: a first byte (bit 0: every name is ours), then words, each ended by a newline; the whole is GLIMPSE_ARGS too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { MOST = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    if (n == 0) return 0;
    char *text = malloc(n), *argv[MOST + 2] = {(char *)"t"}, *before[MOST + 2];
    if (!text) return 0;
    memcpy(text, bytes + 1, n - 1);
    text[n - 1] = 0;
    options *o = options_new(), *from_text = options_new();
    args_parse_text(&from_text, OPT_LEVEL_ENV, text);
    int argc = 1;
    for (char *w = text; argc <= MOST && *w;) {
        argv[argc++] = w;
        w += strcspn(w, "\n");
        if (*w) *w++ = 0;
    }
    argv[argc] = NULL;
    memcpy(before, argv, sizeof argv);
    int left = argc, k = 0;
    if (args_parse(&o, bytes[0] & 1, OPT_LEVEL_FLAG, &left, argv) < 0) {
        if (left != argc || memcmp(argv, before, sizeof argv) != 0) abort();
        args_ask_sample_only(bytes[0] & 1, argc, argv);
    } else {
        for (int i = 0; i < argc && k < left; i++) k += argv[k] == before[i];
        if (k != left || argv[left]) abort();
    }
    buffer packed = {0};
    options *back = NULL;
    if (options_pack(o, &packed) < 0 || options_unpack(packed.bytes, packed.n, &back) < 0) abort();
    options_free(back);
    options_free(o);
    options_free(from_text);
    buf_free(&packed);
    free(text);
    return 0;
}
