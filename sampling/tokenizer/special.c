/* special.c -- tokens that stand for an event: which pieces they are, and finding them in a text (kinds.h). */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "include/internal/status.h"
#include "sampling/tokenizer/kinds.h"

bool special_text(const char *text, size_t n) {
    static const char *const names[] = {"<s>",   "</s>",  "<unk>", "<pad>", "<mask>", "<bos>", "<eos>", "<sep>", "<cls>",
                                        "[BOS]", "[EOS]", "[UNK]", "[PAD]", "[MASK]", "[SEP]", "[CLS]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (n == strlen(names[i]) && !memcmp(text, names[i], n)) return true;
    if (n < 5 || memcmp(text, "<|", 2) || memcmp(text + n - 2, "|>", 2)) return false;
    for (size_t i = 2; i < n - 2; i++) {
        char c = text[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!word) return false;
    }
    return true;
}

glimpse_status special_set_new(const int32_t *ids, const char *const *texts, const int32_t *bytes, int32_t n,
                               special_set **out) {
    glimpse_status st = GLIMPSE_OK;
    special_set *s = calloc(1, sizeof *s);
    if (!s || !(s->ids = malloc(((size_t)n + 1) * sizeof *s->ids)))
        FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    TRY_GOTO(index_open(&s->by_text, n));
    /* All texts first: the index keeps pointers into the buffer, which must have stopped growing. */
    for (int32_t i = 0; i < n; i++) buf_put(&s->texts, texts[i], (size_t)bytes[i]);
    if (buf_failed(&s->texts)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    const char *at = buf_str(&s->texts);
    for (int32_t i = 0; i < n; i++) {
        s->ids[s->n++] = ids[i];
        if (bytes[i] > 0 && bytes[i] <= PIECE_BYTES_MAX) index_add(&s->by_text, at, (size_t)bytes[i], ids[i]);
        at += bytes[i];
    }
    *out = s;
    s = NULL;
out:
    special_set_free(s);
    return st;
}

void special_set_free(special_set *s) {
    if (!s) return;
    index_free(&s->by_text);
    buf_free(&s->texts);
    free(s->ids);
    free(s);
}
