/* utf8.h -- reading UTF-8 that may be cut anywhere or hostile: one code point at a time, where a whole prefix ends, and
 * which code points must never reach a terminal or a page as they are.  Called by everything that shows text. */
#ifndef GLIMPSE_INTERNAL_UTF8_H
#define GLIMPSE_INTERNAL_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decode the character at s (n bytes are there).  Returns
 *   > 0  its length, 1 to 4, and *cp (surrogates, overlong forms and values above U+10FFFF are invalid);
 *     0  n == 0, or the bytes are the beginning of a character that more bytes could complete;
 *   < 0  minus the number of bytes that one U+FFFD stands for (Unicode 15, 3.9, "maximal subpart").
 * *cp is U+FFFD unless the result is positive. */
int utf8_decode(const char *s, size_t n, uint32_t *cp);

/* How many leading bytes are settled: whole characters and bytes that are invalid whatever follows.  The rest, at most
 * three bytes, may still be completed by what comes next. */
size_t utf8_complete_prefix(const char *s, size_t n);

bool utf8_valid(const char *s, size_t n);

/* Write cp (U+FFFD for one that cannot be encoded) and return its length; out is not terminated. */
int utf8_encode(uint32_t cp, char out[4]);

/* The next line of a text file that is not empty, without its \n or \r\n; a byte order mark before the first is passed over.  *at
 * begins at 0; false: there is none. */
bool utf8_line(const char *text, size_t n, size_t *at, const char **line, size_t *bytes);

/* True for what can move a cursor, reorder or hide text: C0 (also \n and \t: a view that wants those asks first), DEL,
 * C1, line and paragraph separators, bidi marks, embeddings, overrides and isolates (U+061C, U+200E/F, U+202A-202E,
 * U+2066-2069), U+FEFF, deprecated format characters (U+206A-206F), interlinear marks (U+FFF9-FFFB) and tags
 * (U+E0000-E007F). */
bool utf8_is_control(uint32_t cp);

#endif
