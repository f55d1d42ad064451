/* llmc_tokenizer.c -- llm.c's tokenizer file (karpathy/llm.c: train_gpt2.py write_tokenizer, llmc/tokenizer.h).
 *
 * 256 little-endian uint32: [0] magic 20240328, [1] version (1 or 2), [2] V, [3] end-of-text id (version 2; in version 1
 * V is 50257 and it is 50256).  Then V times: uint8 n >= 1, n bytes.  Nothing follows.  llm.c only decodes with it; the
 * ids of GPT-2 are in order of merges, so it is all that encoding needs. */
#include <stdlib.h>
#include <string.h>

#include "include/internal/status.h"
#include "sampling/tokenizer/kinds.h"

enum { HEADER_BYTES = 1024, V_OF_VERSION_1 = 50257, EOT_OF_VERSION_1 = 50256, MAX_V = 1 << 24 };

glimpse_status llmc_tokenizer_new(const char *path, const unsigned char *file, size_t n, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    const char **pieces = NULL;
    int32_t *bytes = NULL;
    if (n < HEADER_BYTES)
        FAIL(GLIMPSE_E_FORMAT, "%s: truncated: the header has %d bytes, the file %zu", path, (int)HEADER_BYTES, n);
    uint32_t version = u32_le(file + 4), V = u32_le(file + 8), eot = u32_le(file + 12);
    if (version != 1 && version != 2)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: an llm.c tokenizer of version %u, expected 1 or 2", path, (unsigned)version);
    if (version == 1) {
        if (V != V_OF_VERSION_1)
            FAIL(GLIMPSE_E_FORMAT, "%s: version 1 with %u tokens, expected %d", path, (unsigned)V, (int)V_OF_VERSION_1);
        eot = EOT_OF_VERSION_1;
    }
    if (V < 1 || V > MAX_V)
        FAIL(GLIMPSE_E_FORMAT, "%s: vocab_size (header int 2) is %u, expected 1 to %d", path, (unsigned)V, (int)MAX_V);
    if (eot >= V)
        FAIL(GLIMPSE_E_FORMAT, "%s: the end-of-text id (header int 3) is %u, expected 0 to %u", path, (unsigned)eot,
             (unsigned)V - 1);
    /* Two bytes a token at least: a file that cannot hold V tokens gets no memory for them. */
    if ((n - HEADER_BYTES) / 2 < V)
        FAIL(GLIMPSE_E_FORMAT, "%s: truncated: %u tokens need at least %u bytes, found %zu", path, (unsigned)V,
             (unsigned)HEADER_BYTES + 2 * (unsigned)V, n);
    pieces = malloc(V * sizeof *pieces);
    bytes = malloc(V * sizeof *bytes);
    if (!pieces || !bytes) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %u tokens", (unsigned)V);
    size_t at = HEADER_BYTES;
    for (uint32_t i = 0; i < V; i++) {
        if (at >= n)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: truncated: %u of %u tokens in %zu bytes", path, (unsigned)i, (unsigned)V, n);
        size_t length = file[at++];
        if (!length) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: token %u at byte %zu has no bytes", path, (unsigned)i, at - 1);
        if (length > n - at)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: truncated: token %u at byte %zu has %zu bytes, %zu are left", path, (unsigned)i,
                      at - 1, length, n - at);
        pieces[i] = (const char *)file + at;
        bytes[i] = (int32_t)length;
        at += length;
    }
    if (at != n) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: %zu bytes after the last of its %u tokens", path, n - at, (unsigned)V);
    TRY_GOTO(pieces_tokenizer_new(pieces, bytes, (int32_t)V, (int32_t)eot, path, out));
out:
    free(pieces);
    free(bytes);
    return st;
}
