/* pieces_text.c -- an id as people read it (pieces_text.h). */
#include "sampling/pieces_text.h"

#include "include/internal/status.h"
#include <string.h>

/* "<|endoftext|>", "<s>", "[BOS]" -> the name between the marks. */
static void special_name(const char *s, size_t n, buffer *out) {
    static const char *const marks[][2] = { { "<|", "|>" }, { "<", ">" }, { "[", "]" } };
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t a = strlen(marks[i][0]), b = strlen(marks[i][1]);
        if (n > a + b && !memcmp(s, marks[i][0], a) && !memcmp(s + n - b, marks[i][1], b)) {
            s += a;
            n -= a + b;
            break;
        }
    }
    buf_puts(out, "\xe2\x9f\xa8"); /* U+27E8 */
    buf_put(out, s, n);
    buf_puts(out, "\xe2\x9f\xa9");
}

glimpse_status piece_text(tokenizer *t, int32_t id, buffer *out) {
    if (!t) {
        buf_i64(out, id);
        buf_putc(out, ' ');
        return GLIMPSE_OK;
    }
    if (id < 0 || id >= t->vocab_size) { /* the model has more ids than the tokenizer: one that says it, said as nothing, would hide that */
        buf_printf(out, "\xe2\x9f\xa8%d\xe2\x9f\xa9", (int)id);
        return GLIMPSE_OK;
    }
    if (!tokenizer_is_special(t, id)) return tokenizer_decode(t, id, out);
    buffer raw = {0};
    glimpse_status st = tokenizer_decode(t, id, &raw);
    if (st >= 0) special_name(buf_str(&raw), raw.n, out);
    buf_free(&raw);
    return st;
}
