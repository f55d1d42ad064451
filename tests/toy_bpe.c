/* toy_bpe.c -- see toy_bpe.h.  Slow and obvious on purpose. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tests/toy_bpe.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/pretokenize_gpt2.h"
#include "tests/oracle.h"

/* \s is spelled out: PCRE2's own also has U+180E. */
#define SPACES "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
static const char pattern[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" SPACES "\\p{L}\\p{N}]+|[" SPACES "]+(?![^" SPACES
                              "])|[" SPACES "]+";

size_t pcre2_next_word(const char *text, size_t n, size_t at) {
    static pcre2_code *code;
    static pcre2_match_data *match;
    int error;
    PCRE2_SIZE where;
    if (!code) {
        code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error, &where, NULL);
        if (!code) return 0;
        match = pcre2_match_data_create_from_pattern(code, NULL);
    }
    int rc = pcre2_match(code, (PCRE2_SPTR)text, n, at, PCRE2_ANCHORED, match, NULL);
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(match);
    return rc > 0 ? found[1] - at : 0;
}

void toy_add(toy_bpe *toy, const char *piece, size_t bytes) {
    for (int i = 0; i < toy->n; i++)
        if ((size_t)toy->bytes[i] == bytes && !memcmp(toy->piece[i], piece, bytes)) return;
    char *copy = malloc(bytes + 1);
    if (!copy || toy->n == TOY_MAX) abort();
    memcpy(copy, piece, bytes);
    toy->piece[toy->n] = copy;
    toy->bytes[toy->n++] = (int32_t)bytes;
}

static int id_of(const toy_bpe *toy, const char *s, size_t n) {
    for (int i = 0; i < toy->n; i++)
        if ((size_t)toy->bytes[i] == n && !memcmp(toy->piece[i], s, n)) return i;
    return -1;
}

size_t toy_text(uint64_t *rng, char *out, size_t n) {
    static const char *const parts[] = {"th", "e", "ing", "er", " ", " ", "an", "d", "\n", "'s", "0", "12", "re", "\xc3\xa9", "st", ".", ",", "Once", "upon"};
    size_t at = 0;
    for (;;) {
        const char *p = parts[oracle_random(rng) % (sizeof parts / sizeof *parts)];
        if (at + strlen(p) > n) return at;
        memcpy(out + at, p, strlen(p));
        at += strlen(p);
    }
}

/* The slow merge of one word given as symbols (their lengths): at each turn all pairs are looked at. */
static int merge_word(const toy_bpe *toy, const char *word, size_t *length, int n) {
    for (;;) {
        int best = -1, best_id = -1;
        size_t at = 0, best_at = 0;
        for (int i = 0; i + 1 < n; at += length[i++]) {
            int id = id_of(toy, word + at, length[i] + length[i + 1]);
            if (id >= 0 && (best < 0 || id < best_id)) best = i, best_id = id, best_at = at;
        }
        (void)best_at;
        if (best < 0) return n;
        length[best] += length[best + 1];
        for (int i = best + 1; i + 1 < n; i++) length[i] = length[i + 1];
        n--;
    }
}

void toy_encode(const toy_bpe *toy, const char *text, size_t n, buffer *ids) {
    bool valid = utf8_valid(text, n);
    for (size_t at = 0; at < n;) {
        /* PCRE2 wants valid UTF-8; for other bytes the cut is checked by its own test and taken as given here. */
        size_t word = valid ? pcre2_next_word(text, n, at) : pretokenize_gpt2_next(text + at, n - at), place = at;
        if (!word) return;
        size_t *length = malloc(word * sizeof *length);
        if (!length) abort();
        for (size_t i = 0; i < word; i++) length[i] = 1;
        int symbols = merge_word(toy, text + at, length, (int)word);
        for (int i = 0; i < symbols; place += length[i++]) {
            int32_t id = id_of(toy, text + place, length[i]);
            buf_put(ids, &id, sizeof id);
        }
        free(length);
        at += word;
    }
}

void toy_bpe_train(toy_bpe *toy, int n) {
    uint64_t rng = 42;
    static char text[6000];
    memset(toy, 0, sizeof *toy);
    for (int i = 0; i < 256; i++) {
        char c = (char)((i * 167 + 33) % 256); /* 167 is odd: every byte once */
        toy_add(toy, &c, 1);
    }
    size_t bytes = toy_text(&rng, text, sizeof text), *length = malloc(bytes * sizeof *length);
    if (!length) abort();
    int symbols = (int)bytes;
    for (size_t i = 0; i < bytes; i++) length[i] = 1;
    while (toy->n < n) {
        /* The most frequent pair of neighbours, by counting each in turn from a random start: near enough. */
        size_t at = 0, best_at = 0, best_n = 0;
        int best = 0;
        for (int i = 0; i + 1 < symbols && i < 400; at += length[i++]) {
            size_t joined = length[i] + length[i + 1], other = 0;
            int times = 0;
            for (int j = 0; j + 1 < symbols; other += length[j++])
                times += length[j] + length[j + 1] == joined && !memcmp(text + other, text + at, joined);
            if (times > best && joined < 20 && id_of(toy, text + at, joined) < 0) best = times, best_at = at, best_n = joined;
        }
        if (!best) { /* the text is used up: rare pairs, so that n pieces there are */
            char piece[3] = {(char)('a' + oracle_random(&rng) % 26), (char)('a' + oracle_random(&rng) % 26),
                             (char)('a' + oracle_random(&rng) % 26)};
            toy_add(toy, piece, 2 + oracle_random(&rng) % 2);
            continue;
        }
        toy_add(toy, text + best_at, best_n);
        int k = 0;
        at = 0;
        for (int i = 0; i < symbols; i++, k++) {
            length[k] = length[i];
            if (i + 1 < symbols && length[i] + length[i + 1] == best_n && !memcmp(text + at, toy->piece[toy->n - 1], best_n))
                length[k] = best_n, i++;
            at += length[k];
        }
        symbols = k;
    }
    free(length);
}

glimpse_status pieces_of_toy(const toy_bpe *toy, tokenizer **out) {
    glimpse_tokenizer d = GLIMPSE_TOKENIZER_INIT;
    d.pieces = (const char *const *)toy->piece, d.piece_bytes = toy->bytes, d.n_pieces = toy->n;
    return tokenizer_from_description(&d, toy->n, -1, out);
}

void toy_free(toy_bpe *toy) {
    for (int i = 0; i < toy->n; i++) free(toy->piece[i]);
}
