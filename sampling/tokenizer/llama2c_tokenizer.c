/* llama2c_tokenizer.c -- llama2.c's tokenizer.bin (karpathy/llama2.c: tokenizer.py export, run.c build_tokenizer): int32, the
 * longest piece's bytes; then for each piece float score, int32 bytes, the bytes.  The number of pieces stands in the model
 * alone: here they go to the end of the file.  The export wrote blanks for U+2581 and line breaks around <s> and </s>; what it
 * encodes is what sentencepiece does with a blank before the text and byte pieces from id 3 on. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/tokenizer/spm_model.h"

enum { UNK = 0, BOS = 1, EOS = 2, FIRST_BYTE = 3, MAX_PIECE = 4096, MAX_V = 1 << 24 };

/* One piece at *at; GLIMPSE_E_FORMAT names what is wrong with it. */
static glimpse_status next_piece(const char *path, const unsigned char *file, size_t n, size_t *at, uint32_t most,
                                 int32_t id, float *score, const char **text, size_t *bytes) {
    if (n - *at < 8) FAIL(GLIMPSE_E_FORMAT, "%s: truncated: piece %d begins at byte %zu of %zu", path, (int)id, *at, n);
    uint32_t bits = u32_le(file + *at), length = u32_le(file + *at + 4);
    memcpy(score, &bits, 4);
    if (!length || length > most || length > n - *at - 8)
        FAIL(GLIMPSE_E_FORMAT, "%s: piece %d at byte %zu has %d bytes; %u are the most, %zu are left", path, (int)id, *at,
             (int)length, (unsigned)most, n - *at - 8);
    if (!isfinite(*score)) FAIL(GLIMPSE_E_FORMAT, "%s: the score of piece %d is not finite", path, (int)id);
    *text = (const char *)file + *at + 8, *bytes = length;
    *at += 8 + (size_t)length;
    return GLIMPSE_OK;
}

bool is_llama2c_tokenizer(const unsigned char *file, size_t n) {
    if (n < 12) return false;
    uint32_t most = u32_le(file), first = u32_le(file + 8);
    uint32_t bits = u32_le(file + 4);
    float score;
    memcpy(&score, &bits, 4);
    return most && most <= MAX_PIECE && first && first <= most && first <= n - 12 && isfinite(score) &&
           fabsf(score) < 1e30f;
}

glimpse_status llama2c_tokenizer_new(const char *path, const unsigned char *file, size_t n, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    spm s = {.kind = SPM_BPE, .dummy_prefix = true, .escape = true, .unk = -1, .bos = BOS, .eos = EOS, .add_bos = true};
    buffer blanked = {0};
    uint32_t most = u32_le(file);
    size_t at = 4;
    for (int32_t id = 0; at < n; id++) {
        const char *text;
        size_t bytes;
        float score;
        if (id >= MAX_V) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: more than %d pieces", path, (int)MAX_V);
        TRY_GOTO(next_piece(path, file, n, &at, most, id, &score, &text, &bytes));
        while (id <= EOS && bytes > 1 && *text == '\n') text++, bytes--;
        while (id <= EOS && bytes > 1 && text[bytes - 1] == '\n') bytes--;
        buf_clear(&blanked);
        for (size_t i = 0; i < bytes; i++)
            if (text[i] == ' ') buf_puts(&blanked, "\xe2\x96\x81");
            else buf_putc(&blanked, text[i]);
        bool byte = id >= FIRST_BYTE && id < FIRST_BYTE + 256 && bytes == 6 && !memcmp(text, "<0x", 3);
        spm_type type = id == UNK ? SPM_UNKNOWN : id <= EOS ? SPM_CONTROL : byte ? SPM_BYTE : SPM_NORMAL;
        if (byte) s.byte_fallback = true;
        spm_put(&s, buf_str(&blanked), blanked.n, score, type);
        if (buf_failed(&s.texts) || buf_failed(&blanked)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary");
    }
    if (s.V <= EOS) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: %d pieces, the first three are <unk>, <s>, </s>", path, (int)s.V);
    st = spm_tokenizer_new(path, &s, out);
out:
    buf_free(&blanked);
    spm_free(&s);
    return st;
}
