/* bench_tokenizer.c -- how fast texts become ids and ids texts, on one thread; and the other side of the comparisons of
 * tests/ref/parity_tokenizer.py:
 *
 *   bench_tokenizer                          a small vocabulary over prose and over the texts that are hardest
 *   bench_tokenizer speed FILE TEXT [PATTERN]   MB/s of a file over a text, best of five
 *   bench_tokenizer letters FILE [PATTERN]      8 to 64 MB of one letter: the time beside twice that of half the letters
 *   bench_tokenizer ids FILE [PATTERN]          lines of hexadecimal bytes from stdin -> lines of ids
 *   bench_tokenizer prompt FILE [PATTERN]       the same with what the file puts around a text
 *   bench_tokenizer text|all FILE [PATTERN]     lines of ids -> lines of hexadecimal bytes; all: special tokens too */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "include/internal/file.h"
#include "sampling/tokenizer/tokenizer.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* its own time: others may have the processor */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail(void) {
    fprintf(stderr, "%s\n", status_text());
    return 1;
}

static double encode_seconds(tokenizer *t, const char *text, size_t n, buffer *ids) {
    buf_clear(ids);
    double start = now();
    if (tokenizer_encode(t, text, n, ids) < 0) exit(fail());
    return now() - start;
}

static int speed(tokenizer *t, const char *name, const char *text, size_t n, int times) {
    buffer ids = {0}, back = {0};
    double best = 1e9, best_back = 1e9;
    for (int i = 0; i < times; i++) {
        double s = encode_seconds(t, text, n, &ids);
        if (s < best) best = s;
        buf_clear(&back);
        s = now();
        if (tokenizer_text(t, (const int32_t *)(const void *)ids.bytes, ids.n / 4, false, &back) < 0) return fail();
        s = now() - s;
        if (s < best_back) best_back = s;
    }
    printf("%-28s %8.1f MB  encode %8.1f MB/s  decode %8.1f MB/s  %.2f bytes a token\n", name, 1e-6 * (double)n,
           1e-6 * (double)n / best, 1e-6 * (double)back.n / best_back, (double)n / ((double)ids.n / 4));
    buf_free(&ids);
    buf_free(&back);
    return 0;
}

static int hex(int c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

static int lines(tokenizer *t, const char *mode) {
    char *line = NULL;
    size_t cap = 0;
    buffer in = {0}, out = {0};
    bool to_ids = !strcmp(mode, "ids") || !strcmp(mode, "prompt");
    for (ssize_t n; (n = getline(&line, &cap, stdin)) >= 0;) {
        buf_clear(&in), buf_clear(&out);
        if (to_ids) {
            for (ssize_t i = 0; i + 1 < n; i += 2) buf_putc(&in, (char)(hex(line[i]) << 4 | hex(line[i + 1])));
            if (!strcmp(mode, "prompt")) buf_put(&out, t->prefix, (size_t)t->n_prefix * sizeof *t->prefix);
            if (tokenizer_encode(t, buf_str(&in), in.n, &out) < 0) {
                printf("error %s\n", status_text());
                continue;
            }
            if (!strcmp(mode, "prompt")) buf_put(&out, t->suffix, (size_t)t->n_suffix * sizeof *t->suffix);
            for (size_t i = 0; i < out.n / 4; i++) printf(i ? " %d" : "%d", ((const int *)(const void *)out.bytes)[i]);
        } else {
            for (char *s = line, *end; *s && *s != '\n'; s = end) {
                int id = (int)strtol(s, &end, 10);
                if (end == s) break;
                buf_put(&in, &id, sizeof id);
            }
            if (tokenizer_text(t, (const int32_t *)(const void *)buf_str(&in), in.n / 4, strcmp(mode, "all") != 0, &out) < 0)
                return fail();
            for (size_t i = 0; i < out.n; i++) printf("%02x", (unsigned char)out.bytes[i]);
        }
        putchar('\n');
    }
    free(line);
    buf_free(&in);
    buf_free(&out);
    return 0;
}

/* One word of n letters: linear when the ratio stays near 1. */
static int letters(tokenizer *t) {
    buffer text = {0}, ids = {0};
    double before = 0;
    buf_fill(&text, 'a', 8 << 20);
    encode_seconds(t, text.bytes, text.n, &ids); /* its memory is there */
    for (size_t mb = 8; mb <= 64; mb *= 2) {
        buf_clear(&text);
        buf_fill(&text, 'a', mb << 20);
        double s = encode_seconds(t, text.bytes, text.n, &ids);
        printf("%2zu MB of one letter  %6.2f s  %6.1f MB/s  %5.1f bytes a token", mb, s, 1e-6 * (double)text.n / s,
               (double)text.n / ((double)ids.n / 4));
        if (before > 0) printf("  %.2f times twice the half's", s / (2 * before));
        printf("\n");
        fflush(stdout); /* the next one may take a while */
        before = s;
    }
    buf_free(&text);
    buf_free(&ids);
    return 0;
}

/* === The benchmark of `make bench` === */
enum { TEXT_MB = 16 };

static void fill(buffer *b, const char *what, size_t n) {
    buf_clear(b);
    while (b->n < n) buf_puts(b, what);
}

static int standing(void) {
    static const char *const files[] = {"gpt2", "llama3", "o200k", "llama2", "unigram", "wordpiece"};
    static const char *const hard[] = {"a", "a a a ", "7", " ", "\n ", "!?", "\xe4\xb8\xad", "\xcc\x81", "'s", "aA"};
    buffer text = {0};
    char path[256], name[64];
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        tokenizer *t = NULL;
        snprintf(path, sizeof path, "tests/fuzz/corpus/tokenizer_json/%s.json", files[f]);
        if (tokenizer_load(path, &t) < 0) return fail();
        fill(&text, "The quick brown fox jumps over the lazy dog. It's 2024, isn't it? We'll see what they've done, another two.\n",
             TEXT_MB << 20);
        snprintf(name, sizeof name, "%s: prose", files[f]);
        if (speed(t, name, text.bytes, text.n, 3)) return 1;
        for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
            fill(&text, hard[i], TEXT_MB << 20);
            snprintf(name, sizeof name, "%s: case %zu", files[f], i);
            if (speed(t, name, text.bytes, text.n, 1)) return 1;
        }
        tokenizer_close(t);
    }
    buf_free(&text);
    return 0;
}

int main(int argc, char **argv) {
    tokenizer *t = NULL;
    if (argc < 3) return standing();
    bool is_speed = !strcmp(argv[1], "speed");
    const char *pattern = argc > 3 + is_speed ? argv[3 + is_speed] : NULL;
    if (tokenizer_load_pattern(argv[2], pattern, &t) < 0) return fail();
    int code;
    if (is_speed) {
        buffer text = {0};
        if (argc < 4 || file_read_all(argv[3], (size_t)1 << 30, &text) < 0) return fail();
        code = speed(t, path_base(argv[2]), text.bytes, text.n, 5);
        buf_free(&text);
    } else code = !strcmp(argv[1], "letters") ? letters(t) : lines(t, argv[1]);
    tokenizer_close(t);
    return code;
}
