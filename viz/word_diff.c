/* word_diff.c -- see word_diff.h. */
#include "viz/word_diff.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_CELLS = 1 << 24 }; /* of the table: 4096 x 4096 words */

typedef struct word {
    uint32_t from, n, with_blanks;
} word;

static bool in_word(unsigned char c) {
    return c >= 128 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '\'' || c == '_';
}
static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

static void split(const char *s, size_t n, buffer *words) {
    for (size_t i = 0; i < n && i < UINT32_MAX;) {
        size_t from = i;
        while (i < n && in_word((unsigned char)s[i])) i++;
        if (i == from && !is_blank(s[i])) i++;
        size_t end = i;
        while (i < n && is_blank(s[i])) i++;
        word w = {(uint32_t)from, (uint32_t)(end - from), (uint32_t)(i - from)};
        buf_put(words, &w, sizeof w);
    }
}

static bool same(const char *a, word x, const char *b, word y) { return x.n == y.n && !memcmp(a + x.from, b + y.from, x.n); }

/* The parts on their way to the caller, counted. */
typedef struct counter {
    diff_part_fn part;
    void *user;
    size_t run, kept, words[3]; /* of DIFF_SAME, DIFF_GONE, DIFF_COME */
} counter;

static void end_run(counter *c) {
    if (c->run >= 3) c->kept += c->run;
    c->run = 0;
}

static void put(counter *c, diff_kind kind, const char *text, size_t n) {
    bool is_word = n && in_word((unsigned char)*text);
    if (kind != DIFF_SAME) end_run(c);
    else c->run += is_word;
    c->words[kind] += is_word;
    c->part(c->user, kind, text, n);
}

static bool has_little(counter *c) {
    end_run(c);
    size_t gone = c->words[DIFF_GONE], come = c->words[DIFF_COME], fewer = c->words[DIFF_SAME] + (gone < come ? gone : come);
    return gone && come && fewer >= 8 && 4 * c->kept < fewer;
}

bool word_diff(const char *was, size_t was_n, const char *now, size_t now_n, diff_part_fn part, void *user, bool *little) {
    counter c = {.part = part, .user = user};
    buffer a_words = {0}, b_words = {0};
    split(was, was_n, &a_words);
    split(now, now_n, &b_words);
    const word *a = (const word *)(const void *)a_words.bytes, *b = (const word *)(const void *)b_words.bytes;
    size_t n = a_words.n / sizeof *a, m = b_words.n / sizeof *b, head = 0, tail = 0;
    while (head < n && head < m && same(was, a[head], now, b[head])) head++;
    while (tail < n - head && tail < m - head && same(was, a[n - 1 - tail], now, b[m - 1 - tail])) tail++;
    size_t rows = n - head - tail, cols = m - head - tail;
    bool whole = rows * cols <= MOST_CELLS, ok = !buf_failed(&a_words) && !buf_failed(&b_words);
    /* length[i][j] of the longest common sequence of the words from i and from j on */
    uint16_t *length = ok && whole ? calloc((rows + 1) * (cols + 1), sizeof *length) : NULL;
    ok = ok && (length || !whole);
    for (size_t i = rows; length && i-- > 0;)
        for (size_t j = cols; j-- > 0;) {
            uint16_t down = length[(i + 1) * (cols + 1) + j], right = length[i * (cols + 1) + j + 1];
            length[i * (cols + 1) + j] = same(was, a[head + i], now, b[head + j]) ? (uint16_t)(length[(i + 1) * (cols + 1) + j + 1] + 1)
                                         : down > right                            ? down
                                                                                   : right;
        }
    for (size_t i = 0, j = 0; ok && (i < n || j < m);) {
        bool middle_a = i >= head && i < n - tail, middle_b = j >= head && j < m - tail;
        size_t x = i - head, y = j - head;
        if (!middle_a && !middle_b) {
            put(&c, DIFF_SAME, now + b[j].from, b[j].with_blanks);
            i++, j++;
        } else if (middle_a && middle_b && length && same(was, a[i], now, b[j])) {
            put(&c, DIFF_SAME, now + b[j].from, b[j].with_blanks);
            i++, j++;
        } else if (middle_a && (!middle_b || !length || length[(x + 1) * (cols + 1) + y] >= length[x * (cols + 1) + y + 1])) {
            put(&c, DIFF_GONE, was + a[i].from, a[i].with_blanks);
            i++;
        } else {
            put(&c, DIFF_COME, now + b[j].from, b[j].with_blanks);
            j++;
        }
    }
    if (ok) *little = has_little(&c);
    free(length);
    buf_free(&a_words);
    buf_free(&b_words);
    return ok;
}
