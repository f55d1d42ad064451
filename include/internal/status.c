/* status.c -- the per-thread error text of status.h.  A fixed buffer: reporting that memory ran out must not need any. */
#include "include/internal/status.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "include/internal/buffer.h"
#include "include/internal/status_place.h"
#include "include/internal/utf8.h"

enum { TEXT_BYTES = STATUS_TEXT_BYTES };
static const char hint_mark[] = "\nhint: ";

static status_place *own_place(void) {
    static _Thread_local status_place place;
    return &place;
}
static status_place *(*_Atomic place_of)(void) = own_place;

status_place *status_place_here(void) { return atomic_load(&place_of)(); }
void status_place_use(status_place *(*here)(void)) { atomic_store(&place_of, here); }

/* Append n bytes to the text with whatever could act on a terminal spelled out; cut on a whole character when full. */
static void append_safe(const char *s, size_t n) {
    char *text = status_place_here()->text;
    size_t used = strlen(text);
    for (size_t i = 0; i < n;) {
        char piece[16];
        uint32_t cp = 0;
        int len = utf8_decode(s + i, n - i, &cp), step = len > 0 ? len : 1, m;
        if (len <= 0) m = snprintf(piece, sizeof piece, "\\x%02x", (unsigned char)s[i]);
        else if (cp == '\n') m = snprintf(piece, sizeof piece, "\\n");
        else if (cp == '\t') m = snprintf(piece, sizeof piece, "\\t");
        else if (cp < 0x80 && utf8_is_control(cp)) m = snprintf(piece, sizeof piece, "\\x%02x", (unsigned)cp);
        else if (utf8_is_control(cp)) m = snprintf(piece, sizeof piece, "\\u{%x}", (unsigned)cp);
        else memcpy(piece, s + i, (size_t)len), m = len;
        if (used + (size_t)m >= TEXT_BYTES) break;
        memcpy(text + used, piece, (size_t)m);
        used += (size_t)m;
        text[used] = 0;
        i += (size_t)step;
    }
}

/* A line break of our own, as opposed to one that came in with an argument. */
static void append_hint_mark(void) {
    char *text = status_place_here()->text;
    size_t used = strlen(text);
    if (used + sizeof hint_mark <= TEXT_BYTES) memcpy(text + used, hint_mark, sizeof hint_mark);
}

/* Append s, in which a hint may begin at byte `at` (SIZE_MAX: none). */
static void append_with_hint(const char *s, size_t n, size_t at) {
    size_t mark = sizeof hint_mark - 1;
    if (at > n || n - at < mark) {
        append_safe(s, n);
        return;
    }
    append_safe(s, at);
    append_hint_mark();
    append_safe(s + at + mark, n - at - mark);
}

glimpse_status status_fail(glimpse_status code, const char *file, int line, const char *fmt, ...) {
    char raw[TEXT_BYTES], head[256];
    size_t at = SIZE_MAX;
    va_list args;
    /* The hint's line break is trusted only where the format itself has it: format what stands before it to learn at
     * which byte of the whole it lands. */
    const char *mark = strstr(fmt, hint_mark);
    if (mark && (size_t)(mark - fmt) < sizeof head) {
        memcpy(head, fmt, (size_t)(mark - fmt));
        head[mark - fmt] = 0;
        va_start(args, fmt);
        int n = c_vsnprintf(raw, sizeof raw, head, args);
        va_end(args);
        if (n >= 0) at = (size_t)n;
    }
    va_start(args, fmt);
    int n = c_vsnprintf(raw, sizeof raw, fmt, args);
    va_end(args);
    if (n < 0) n = 0;
    if ((size_t)n >= sizeof raw) n = sizeof raw - 1;
    status_place *here = status_place_here();
    here->text[0] = 0;
    append_with_hint(raw, (size_t)n, at);
    const char *base = strrchr(file, '/');
    snprintf(here->where, sizeof here->where, "%s:%d", base ? base + 1 : file, line);
    return code;
}

void status_hint(const char *fmt, ...) {
    char raw[TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    int n = c_vsnprintf(raw, sizeof raw, fmt, args);
    va_end(args);
    if (n <= 0) return;
    append_hint_mark();
    append_safe(raw, (size_t)n < sizeof raw ? (size_t)n : sizeof raw - 1);
}

const char *status_text(void) { return status_place_here()->text; }
const char *status_where(void) { return status_place_here()->where; }

glimpse_status status_set_text(glimpse_status code, const char *from) {
    char copy[TEXT_BYTES];
    if (!from) {
        static const struct {
            int code;
            const char *name;
        } names[] = {
#define NAME_OF(name, value, say) {value, say},
            GLIMPSE_STATUS_LIST(NAME_OF)
#undef NAME_OF
        };
        from = "";
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (names[i].code == (int)code) from = names[i].name;
    }
    size_t n = strlen(from);
    if (n >= sizeof copy) n = sizeof copy - 1;
    memcpy(copy, from, n); /* `from` may be this very buffer */
    copy[n] = 0;
    status_clear();
    for (char *p = copy;;) {
        char *mark = strstr(p, hint_mark);
        append_safe(p, mark ? (size_t)(mark - p) : strlen(p));
        if (!mark) break;
        append_hint_mark();
        p = mark + sizeof hint_mark - 1;
    }
    return code;
}

glimpse_status status_prefix(glimpse_status code, const char *before) {
    char whole[TEXT_BYTES];
    if (code >= 0) return code;
    snprintf(whole, sizeof whole, "%s: %s", before, status_text());
    return status_set_text(code, whole);
}

void status_clear(void) {
    status_place *here = status_place_here();
    here->text[0] = here->where[0] = 0;
}
