/* metrics.c -- see metrics.h.  All counting is exact: hashes find candidates, comparison decides; cost O(n log n). */
#include "hooks/metrics.h"

#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* === Counting n-grams =========================================================================================== */

/* How many of the n - k + 1 runs of k ids are new, that is, did not occur before.  -1: out of memory. */
static int64_t distinct_runs(const int32_t *ids, int32_t n, int32_t k) {
    if (k < 1 || n < k) return 0;
    size_t cap = 16;
    while (cap < 2 * (size_t)n) cap *= 2;
    int32_t *slot = calloc(cap, sizeof *slot); /* position + 1 of the run kept there */
    if (!slot) return -1;
    const uint64_t base = 0x9E3779B97F4A7C15u;
    uint64_t h = 0, drop = 1; /* rolling: h = sum id * base^(k-1-i) */
    for (int32_t i = 1; i < k; i++) drop *= base;
    for (int32_t i = 0; i < k - 1; i++) h = h * base + (uint32_t)ids[i] + 1;
    int64_t found = 0;
    for (int32_t at = 0; at + k <= n; at++) {
        h = h * base + (uint32_t)ids[at + k - 1] + 1;
        uint64_t mixed = (h ^ h >> 32) * 0xD6E8FEB86659FD93u;
        size_t i = (size_t)(mixed >> 32) & (cap - 1);
        while (slot[i] && memcmp(ids + slot[i] - 1, ids + at, (size_t)k * sizeof *ids)) i = (i + 1) & (cap - 1);
        if (!slot[i]) {
            slot[i] = at + 1;
            found++;
        }
        h -= drop * ((uint32_t)ids[at] + (uint64_t)1);
    }
    free(slot);
    return found;
}

/* Of the runs of k ids, the share that is new or (again) occurred before. */
static glimpse_status share_of_runs(const int32_t *ids, int32_t n, int32_t k, bool again, double *out) {
    int64_t found = distinct_runs(ids, n, k), all = (int64_t)n - k + 1;
    if (found < 0) FAIL(GLIMPSE_E_MEMORY, "no memory to count n-grams");
    *out = all < 1 ? NAN : (double)(again ? all - found : found) / (double)all;
    return GLIMPSE_OK;
}

/* A run of k that occurs twice contains runs of k - 1 that do: bisect. */
static glimpse_status longest_repeat(const int32_t *ids, int32_t n, double *out) {
    int32_t lo = 0, hi = n > 0 ? n - 1 : 0; /* lo repeats, hi + 1 does not */
    while (lo < hi) {
        int32_t mid = lo + (hi - lo + 1) / 2;
        int64_t found = distinct_runs(ids, n, mid);
        if (found < 0) FAIL(GLIMPSE_E_MEMORY, "no memory to look for repeats");
        if (found < (int64_t)n - mid + 1) lo = mid;
        else hi = mid - 1;
    }
    *out = lo;
    return GLIMPSE_OK;
}

/* === Words ====================================================================================================== */

typedef enum alphabet {
    ASCII_LETTERS, /* [A-Za-z']: the fork's words */
    ALL_LETTERS    /* those of every script, and ': the words that a dictionary knows */
} alphabet;

typedef struct word {
    int32_t at, bytes, letters; /* in the text */
    bool known;                 /* any of its spellings in the text is */
} word;

typedef struct words {
    int32_t *ids;     /* (n) the number of each word of the text among the distinct ones */
    word *distinct;   /* (n_distinct) */
    int32_t n, n_distinct;
    int64_t n_known, chars; /* known words; letters of all words */
} words;

/* How many bytes of s the next letter of a word takes, 0 = none stands there; *low is it in lower case.  A mark belongs to
 * the letter before it. */
static size_t letter_at(const char *s, size_t n, alphabet a, bool inside, uint32_t *low) {
    uint32_t cp;
    if (n && (unsigned char)*s < 0x80) {
        bool capital = *s >= 'A' && *s <= 'Z';
        *low = (uint32_t)(capital ? *s + 32 : *s);
        return capital || (*s >= 'a' && *s <= 'z') || *s == '\'';
    }
    int len = a == ALL_LETTERS ? utf8_decode(s, n, &cp) : 0;
    if (len <= 0) return 0;
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)cp);
    bool letter = k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO, mark = k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME;
    *low = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
    return letter || (inside && mark) ? (size_t)len : 0;
}

/* The word that begins at text[at]: its bytes (0 = none begins there), its letters and a hash of them in lower case. */
static word word_at(const char *text, size_t at, size_t bytes, alphabet a, uint64_t *hash) {
    word w = {.at = (int32_t)at};
    uint32_t low;
    *hash = 14695981039346656037u;
    for (size_t k; (k = letter_at(text + at, bytes - at, a, w.bytes > 0, &low)) > 0; at += k) {
        *hash = (*hash ^ low) * 1099511628211u;
        w.bytes += (int32_t)k;
        w.letters++;
    }
    return w;
}

static bool same_word(const char *text, const word *x, const word *y, alphabet a) {
    uint32_t p = 0, q = 0;
    if (x->letters != y->letters) return false;
    for (size_t i = (size_t)x->at, k = (size_t)y->at, end = i + (size_t)x->bytes; i < end;) {
        i += letter_at(text + i, end - i, a, true, &p);
        k += letter_at(text + k, (size_t)(y->at + y->bytes) - k, a, true, &q);
        if (p != q) return false;
    }
    return true;
}

static void words_free(words *w) {
    free(w->ids);
    free(w->distinct);
}

static glimpse_status words_of(const char *text, size_t bytes, alphabet a, speller *sp, words *out) {
    glimpse_status st = GLIMPSE_OK;
    words w = {0};
    int32_t *slot = NULL; /* number + 1 of the distinct word kept there */
    size_t n = 0, cap = 16;
    uint64_t h;
    if (bytes > INT32_MAX / 2) FAIL(GLIMPSE_E_INVALID, "a text of %zu bytes is too long to measure", bytes);
    for (size_t i = 0; i < bytes;) {
        word next = word_at(text, i, bytes, a, &h);
        n += next.bytes > 0;
        i += next.bytes ? (size_t)next.bytes : 1;
    }
    while (cap < 2 * n) cap *= 2;
    w.ids = calloc(n + 1, sizeof *w.ids);
    w.distinct = malloc((n + 1) * sizeof *w.distinct);
    slot = calloc(cap, sizeof *slot);
    if (!w.ids || !w.distinct || !slot) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the words of a text");
    for (size_t i = 0; i < bytes;) {
        word next = word_at(text, i, bytes, a, &h);
        i += next.bytes ? (size_t)next.bytes : 1;
        if (!next.bytes) continue;
        size_t k = (size_t)h & (cap - 1);
        while (slot[k] && !same_word(text, &w.distinct[slot[k] - 1], &next, a)) k = (k + 1) & (cap - 1);
        if (!slot[k]) {
            w.distinct[w.n_distinct] = next;
            slot[k] = ++w.n_distinct;
        }
        bool known = sp && speller_knows(sp, text + next.at, (size_t)next.bytes);
        w.distinct[slot[k] - 1].known |= known;
        w.n_known += known;
        w.chars += next.letters;
        w.ids[w.n++] = slot[k] - 1;
    }
    *out = w;
    w = (words){0};
out:
    free(slot);
    words_free(&w);
    return st;
}

/* === Text ======================================================================================================= */

static double invalid_rate(const char *text, size_t bytes) {
    int64_t all = 0, invalid = 0;
    for (size_t i = 0; i < bytes;) {
        uint32_t cp;
        int len = utf8_decode(text + i, bytes - i, &cp);
        if (len == 0) break; /* cut short by the end of the sample */
        all++;
        invalid += len < 0 || cp == 0xFFFD;
        i += (size_t)abs(len);
    }
    return all ? (double)invalid / (double)all : NAN;
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F); }

static double sentence_length(const char *text, size_t bytes) {
    int64_t sentences = 0, n = 0, here = 0;
    bool in_word = false;
    for (size_t i = 0; i <= bytes; i++) {
        bool end = i == bytes || text[i] == '.' || text[i] == '!' || text[i] == '?';
        if (end) {
            n += here;
            sentences += here > 0;
            here = 0;
            in_word = false;
        } else if (is_blank(text[i])) in_word = false;
        else if (!in_word) {
            here++;
            in_word = true;
        }
    }
    return sentences ? (double)n / (double)sentences : NAN;
}

/* === Lists ====================================================================================================== */

enum { MOST_METRICS = 24 };

typedef struct list {
    glimpse_metric m[MOST_METRICS];
    int32_t n;
} list;

static void put(list *l, const char *name, double value) {
    if (l->n < MOST_METRICS) l->m[l->n++] = (glimpse_metric){name, record_round(value, RECORD_LOSS_DIGITS)};
}

static glimpse_status text_metrics(list *l, const char *text, size_t bytes, bool all, speller *sp) {
    static const char *const distinct[] = {"distinct_1", "distinct_2", "distinct_3"};
    glimpse_status st = GLIMPSE_OK;
    words w = {0}, spelt = {0};
    double x;
    TRY(words_of(text, bytes, ASCII_LETTERS, NULL, &w));
    TRY_GOTO(share_of_runs(w.ids, w.n, 4, true, &x));
    put(l, "repetition", x);
    put(l, "invalid_utf8_rate", invalid_rate(text, bytes));
    if (!all) goto out;
    for (int32_t k = 1; k <= 3; k++) {
        TRY_GOTO(share_of_runs(w.ids, w.n, k, false, &x));
        put(l, distinct[k - 1], x);
    }
    put(l, "avg_sentence_length", sentence_length(text, bytes));
    put(l, "lexical_diversity", w.n ? (double)w.n_distinct / w.n : NAN);
    if (!sp) goto out;
    int64_t unknown = 0, chars = 0;
    TRY_GOTO(words_of(text, bytes, ALL_LETTERS, sp, &spelt));
    for (int32_t i = 0; i < spelt.n_distinct; i++) {
        unknown += !spelt.distinct[i].known;
        if (spelt.distinct[i].known) chars += spelt.distinct[i].letters;
    }
    put(l, "spelling_token_rate", spelt.n ? (double)spelt.n_known / spelt.n : NAN);
    put(l, "spelling_correctness", spelt.n ? 1 - (double)unknown / spelt.n : NAN);
    put(l, "correct_char_fraction", spelt.chars ? (double)chars / (double)spelt.chars : NAN);
    put(l, "correct_char_total", (double)chars);
out:
    words_free(&w);
    words_free(&spelt);
    return st;
}

static glimpse_status model_metrics(list *l, const glimpse_sample *s, bool all) {
    double logprob = 0, entropy = 0, rank = 0, first = 0, n = s->n_tokens;
    for (int32_t i = 0; i < s->n_tokens; i++) {
        const glimpse_token *t = GLIMPSE_AT(s->tokens, i);
        logprob += (double)t->logprob;
        entropy += (double)t->entropy;
        rank += t->rank;
        first += t->rank == 1;
    }
    put(l, "perplexity", exp(-logprob / n)); /* 0 / 0 = NAN without tokens */
    put(l, "mean_logprob", logprob / n);
    put(l, "mean_entropy", entropy / n);
    put(l, "mean_rank", rank / n);
    put(l, "rank1_share", first / n);
    put(l, "eos_stop", s->stop == GLIMPSE_STOP_EOS);
    glimpse_status st = GLIMPSE_OK;
    double x;
    int32_t *ids = malloc(((size_t)s->n_tokens + 1) * sizeof *ids);
    if (!ids) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the ids of a sample");
    for (int32_t i = 0; i < s->n_tokens; i++) ids[i] = GLIMPSE_AT(s->tokens, i)->id;
    TRY_GOTO(share_of_runs(ids, s->n_tokens, 4, true, &x));
    put(l, "repetition_tokens", x);
    if (!all) goto out;
    TRY_GOTO(longest_repeat(ids, s->n_tokens, &x));
    put(l, "longest_repeat", x);
out:
    free(ids);
    return st;
}

glimpse_status metrics_of_sample(glimpse_sample *s, bool all, speller *sp, arena *a) {
    list l = {.n = 0};
    TRY(model_metrics(&l, s, all));
    TRY(text_metrics(&l, s->text ? s->text : "", s->text_bytes, all, sp));
    glimpse_metric *m = arena_alloc(a, sizeof l.m);
    if (!m) FAIL(GLIMPSE_E_MEMORY, "no memory for the metrics of a sample");
    memcpy(m, l.m, (size_t)l.n * sizeof *m);
    s->metrics = m;
    s->n_metrics = l.n;
    return GLIMPSE_OK;
}
