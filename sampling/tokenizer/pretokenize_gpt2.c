/* pretokenize_gpt2.c -- the alternatives of GPT-2's pattern, in its order (pretokenize_gpt2.h). */
#include "sampling/tokenizer/pretokenize_gpt2.h"

#include <string.h>

#include "sampling/tokenizer/character_class.h"

static size_t contraction(const char *s, size_t n) {
    if (n < 2) return 0;
    char a = s[1], b = n > 2 ? s[2] : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
    return 0;
}

size_t pretokenize_gpt2_next(const char *s, size_t n) {
    size_t length, more;
    if (*s == '\'' && (length = contraction(s, n))) return length;
    unicode_class c = class_at(s, n, &length);
    if (c != UNICODE_SPACE) return class_run(s, n, length, c);
    if (*s == ' ' && n > 1) {
        unicode_class next = class_at(s + 1, n - 1, &more);
        if (next != UNICODE_SPACE) return class_run(s, n, 1 + more, next);
    }
    /* White space: all of it at the end of the text, else all but its last character, which may belong to what follows
     * (`\s+(?!\S)`); a single one stands alone (`\s+`). */
    size_t at = length, last = 0;
    while (at < n) {
        if (class_at(s + at, n - at, &more) != UNICODE_SPACE) break;
        last = at;
        at += more;
    }
    return at == n || !last ? at : last;
}
