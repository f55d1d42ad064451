/* status.h -- how a failure travels: a negative glimpse_status, and one text per thread that says what happened.
 *
 *     glimpse_status f(...) {
 *         TRY(g());                                                forwards an error, leaves its text alone
 *         if (n > MAX) FAIL(GLIMPSE_E_INVALID, "%d rows, at most %d are possible", n, MAX);
 *     }
 *     glimpse_status h(...) {
 *         glimpse_status st = GLIMPSE_OK;
 *         TRY_GOTO(g());                                           sets st, goes to `out`
 *         if (!p) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for %zu bytes", n);
 *     out: free(p); return st;
 *     }
 * Called by everything.  Each library has its own copy of this text: status_set_text carries one across. */
#ifndef GLIMPSE_INTERNAL_STATUS_H
#define GLIMPSE_INTERNAL_STATUS_H

#include <glimpse.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#else
#define PRINTF_LIKE(f, a)
#endif

/* Returns an error to the caller; a positive outcome is not an error and execution goes on. */
#define TRY(expr)                                                                                                      \
    do {                                                                                                               \
        glimpse_status try_status_ = (expr);                                                                           \
        if (try_status_ < 0) return try_status_;                                                                       \
    } while (0)

/* The same inside a function with `glimpse_status st` and a label `out`; st is written only on an error. */
#define TRY_GOTO(expr)                                                                                                 \
    do {                                                                                                               \
        glimpse_status try_status_ = (expr);                                                                           \
        if (try_status_ < 0) {                                                                                         \
            st = try_status_;                                                                                          \
            goto out;                                                                                                  \
        }                                                                                                              \
    } while (0)

/* Record what happened and return (or go to `out` with) `code`, which is evaluated twice so that the compiler sees that
 * it is negative.  The format may end in "\nhint: what to do". */
#define FAIL(code, ...)                                                                                                \
    do {                                                                                                               \
        status_fail((code), __FILE__, __LINE__, __VA_ARGS__);                                                          \
        return (code);                                                                                                 \
    } while (0)
#define FAIL_GOTO(code, ...)                                                                                           \
    do {                                                                                                               \
        status_fail((code), __FILE__, __LINE__, __VA_ARGS__);                                                          \
        st = (code);                                                                                                   \
        goto out;                                                                                                      \
    } while (0)

/* Append a line "hint: ..." to the text of the error being forwarded; for a caller that knows what to do about it. */
#define HINT(...) status_hint(__VA_ARGS__)

/* Record a failure and return `code`.  Numbers are formatted with '.' in any locale; control characters, bidi marks
 * and invalid UTF-8 that arrive in an argument (a hostile file name) are written as \xHH or \u{...}. */
glimpse_status status_fail(glimpse_status code, const char *file, int line, const char *fmt, ...) PRINTF_LIKE(4, 5);
void status_hint(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* An error's text with "BEFORE: " in front, the flag or the file that it is about; returns `code`, untouched if it is no error. */
glimpse_status status_prefix(glimpse_status code, const char *before);

/* This thread's last text, "" when there is none; borrowed until the next failure in this thread. */
const char *status_text(void);

/* Where the last failure was recorded, "file.c:123"; "" when the text came through status_set_text. */
const char *status_where(void);

/* Take over a text (copied, made safe again, line breaks kept only before "hint: ") from another library, thread or
 * process, and return `code`: `return status_set_text(st, text)`.  A NULL text stands for the code's own name. */
glimpse_status status_set_text(glimpse_status code, const char *text);
void status_clear(void);

#endif
