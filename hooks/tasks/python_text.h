/* python_text.h -- Python's string methods on UTF-8, as the tasks of lm-evaluation-harness use them: what is a blank, a
 * length, a capital letter, and how json.dumps and repr write.  Source: CPython 3.11, Objects/unicodeobject.c,
 * Objects/unicodectype.c, Lib/json/encoder.py.  Called by the task readers; `text` is borrowed, valid UTF-8. */
#ifndef GLIMPSE_HOOKS_TASKS_PYTHON_TEXT_H
#define GLIMPSE_HOOKS_TASKS_PYTHON_TEXT_H

#include "include/internal/buffer.h"

typedef struct text {
    const char *s;
    size_t n;
} text;
#define TEXT(literal) ((text){ "" literal, sizeof(literal) - 1 })

/* str.isspace of one code point: 29 of them, U+001C to U+001F among them.  Also what \s matches. */
bool py_is_space(uint32_t cp);
text py_lstrip(text t);
text py_rstrip(text t);
text py_strip(text t);
int64_t py_len(text t);              /* code points */
int64_t py_count_words(text t);      /* len(re.split(r"\s+", t)): blanks at an end make an empty word */
text py_drop_last(text t);           /* t[:-1] */

/* Appended to `out`; out of memory is the buffer's. */
void py_capitalize(text t, buffer *out);       /* the first code point to title case, the rest to lower case */
void py_lower_first(text t, buffer *out);      /* t[0].lower() + t[1:] */
/* t.replace(from, to) in place: one pass from left to right. */
void py_replace(buffer *t, const char *from, const char *to);
/* re.sub("<open>\s*([^<close>]*?)\s*<close>", "<open>\1<close>"): blanks inside a pair go. */
void py_trim_pairs(buffer *t, char open, char close);

void py_json_string(text t, buffer *out);      /* json.dumps(t, ensure_ascii=False) */
void py_float(double x, buffer *out);          /* repr(x): the shortest text that reads back */

#endif
