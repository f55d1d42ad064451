/* test_text_out.c -- generated text and messages on one terminal: whatever is said while text streams, after it or instead of
 * it begins a line of its own, and where the text goes to a file or a pipe not a byte is added to it. */
#include "hooks/session_state.h"
#include "hooks/word_wrap.h"
#include "include/internal/file.h"
#include "tests/hf_files.h"
#include "tests/test.h"
#include "viz/text.h"
#include <stdlib.h>
#include <string.h>

enum { V = 61 }; /* of the model that hf_files.c makes */

typedef struct screen { /* one terminal, or a terminal and a file */
    bool terminal;
    buffer shown, out; /* out: the generated text alone */
    int glued, said, hooks;
} screen;

static bool at_line_begin(const screen *s) { return !s->shown.n || s->shown.bytes[s->shown.n - 1] == '\n'; }

static void on_log(void *user, const char *line) {
    screen *s = user;
    if (s->terminal) {
        s->glued += !at_line_begin(s);
        EXPECT(!strncmp(line, "\r\x1b[K", 4) || *line == '\r'); /* a progress bar may stand there */
    } else EXPECT(*line != '\r');
    s->said++;
    buf_puts(&s->shown, line);
    buf_putc(&s->shown, '\n');
}

static int on_out(void *user, const char *bytes, size_t n) {
    screen *s = user;
    if (s->terminal) buf_put(&s->shown, bytes, n);
    buf_put(&s->out, bytes, n);
    return 0;
}

static void on_record(void *user, const glimpse_record *r) { /* a hook of the user's may print */
    screen *s = user;
    (void)r;
    s->glued += !at_line_begin(s);
    s->hooks++;
}

static char *save(const char *name, const char *bytes, size_t n) {
    char *path = path_join(test_tmpdir(), name);
    EXPECT_OK(file_write_atomic(path, bytes, n, false));
    return path;
}

/* A model, its tokenizer (of the letters from '!' on), a probe and a data set that it cannot encode. */
static options *options_of(const char *dir, const char *samples) {
    static char *model, *tokenizer, *probe, *data;
    if (!model) {
        buffer weights = {0}, tok = {0};
        model = strdup(hf_dir("model"));
        hf_safetensors(0, 0, hf_tensor_count(0), GLIMPSE_F32, "", &weights);
        hf_save(model, "config.json", hf_config(0), strlen(hf_config(0)));
        hf_save(model, "model.safetensors", weights.bytes, weights.n);
        uint32_t head[256] = { 20240328, 2, V, V - 1 };
        buf_put(&tok, head, sizeof head);
        for (int i = 0; i < V; i++) {
            buf_putc(&tok, 1);
            buf_putc(&tok, (char)('!' + i));
        }
        tokenizer = save("t.bin", tok.bytes, tok.n);
        probe = save("probe.txt", "z z\n", 4);
        data = save("data.txt", "z z z z", 7);
        buf_free(&weights), buf_free(&tok);
    }
    const char *const pairs[][2] = { { "out_dir", dir }, { "checkpoint", model }, { "tokenizer", tokenizer }, { "probe", probe },
                                     { "dataset", data }, { "dataset_benchmarks", "true" }, { "max_sample_tokens", "9" },
                                     { "num_samples", samples }, { "sample_start_tokens", "ABC" }, { "ignore_eos", "true" },
                                     { "sheets", "false" } };
    options *o = options_new();
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        EXPECT_OK(options_set(o, (opt_id)opt_find(pairs[i][0], strlen(pairs[i][0])), pairs[i][1], OPT_LEVEL_FLAG));
    options_set_offline(o, true);
    options_set_trainer(o, false);
    return o;
}

static session_host host_of(screen *s) {
    return (session_host){ .user = s, .log = on_log, .out = on_out, .record = on_record, .terminal = s->terminal, .out_terminal = s->terminal };
}

TEST(text_out_and_messages_have_lines_of_their_own) {
    buffer text = {0};
    for (int i = 0; i < 4; i++) { /* streaming or whole, on a terminal or into a file */
        screen s = { .terminal = i < 2 };
        char name[16];
        c_snprintf(name, sizeof name, "run%d", i);
        char *dir = path_join(test_tmpdir(), name);
        options *o = options_of(dir, i % 2 ? "2" : "1");
        session_host host = host_of(&s);
        EXPECT_ERR(session_run(o, &host), GLIMPSE_E_STATE, "not all that was asked for was measured"); /* the data's letters are foreign */
        EXPECT_EQ(s.glued, 0);
        EXPECT_EQ(s.hooks, 1);
        EXPECT(strstr(buf_str(&s.shown), "--probe ") && strstr(buf_str(&s.shown), "--dataset_benchmarks: "));
        if (i % 2 == 0) {
            EXPECT(s.out.n == 3 + 9 + 1 && !strncmp(s.out.bytes, "ABC", 3) && !memchr(s.out.bytes, '\n', s.out.n - 1));
            if (text.n) EXPECT_STREQ(buf_str(&s.out), buf_str(&text)); /* in a file what a terminal shows */
            else buf_put(&text, s.out.bytes, s.out.n);
        }
        options_free(o);
        free(dir);
        buf_free(&s.shown), buf_free(&s.out);
    }
    buf_free(&text);
}

/* A probe that cannot be encoded alone ends such a run with an error as well. */
TEST(text_out_of_a_run_whose_probe_was_not_scored) {
    screen s = { .terminal = false };
    char *dir = path_join(test_tmpdir(), "probe_alone");
    options *o = options_of(dir, "1");
    session_host host = host_of(&s);
    EXPECT_OK(options_set(o, OPT_dataset_benchmarks, "false", OPT_LEVEL_FLAG));
    EXPECT_ERR(session_run(o, &host), GLIMPSE_E_STATE, "not all that was asked for was measured");
    EXPECT(strstr(buf_str(&s.shown), "\"z z\" is not scored: "));
    EXPECT(s.out.n == 3 + 9 + 1 && s.hooks == 1);
    options_free(o);
    free(dir);
    buf_free(&s.shown), buf_free(&s.out);
}

/* The directory cannot be written: the run fails after its prompt was shown, and who says so begins at column 0. */
TEST(text_out_of_a_run_that_fails) {
    screen s = { .terminal = true };
    char *taken = save("taken", "x", 1), *dir = path_join(taken, "out");
    options *o = options_of(dir, "1");
    session_host host = host_of(&s);
    EXPECT(session_run(o, &host) < 0);
    EXPECT_EQ(s.glued, 0);
    EXPECT(at_line_begin(&s));
    options_free(o);
    char *ours = path_join(test_tmpdir(), "late");
    o = options_of(ours, "1");
    buf_clear(&s.out);
    char *texts = path_join(test_tmpdir(), "taken_by_a_directory.txt"); /* the views fail */
    EXPECT_OK(mkdir_p(texts));
    EXPECT_OK(options_set(o, OPT_sample_file, texts, OPT_LEVEL_FLAG));
    session_run(o, &host);
    EXPECT(strstr(buf_str(&s.shown), "taken"));
    free(texts);
    EXPECT_EQ(s.glued, 0);
    EXPECT(s.out.n && at_line_begin(&s));
    options_free(o);
    free(taken), free(dir), free(ours);
    buf_free(&s.shown), buf_free(&s.out);
}

/* --- words ----------------------------------------------------------------------------------------------------------- */

static uint64_t rnd(uint64_t *s) {
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return *s >> 33;
}

/* The whole text at once, as one would break it by hand: a word that does not fit takes a newline in place of its blanks. */
static void broken_by_hand(const char *text, size_t columns, buffer *out) {
    size_t column = 0;
    for (const char *at = text; *at;) {
        if (*at == '\n') {
            buf_putc(out, *at++);
            column = 0;
            continue;
        }
        size_t gap = strspn(at, " "), word = strcspn(at + gap, " \n");
        if (word && column && column + gap + word > columns) buf_putc(out, '\n'), column = 0;
        else buf_fill(out, ' ', gap), column += gap;
        buf_put(out, at + gap, word);
        column += word;
        while (column > columns) column -= columns + 1;
        at += gap + word;
    }
}

/* However the pieces are cut, and never later than it must be. */
TEST(text_out_breaks_between_words) {
    uint64_t s = 11;
    for (int i = 0; i < 400; i++) {
        char text[600];
        size_t n = 0, columns = 20 + rnd(&s) % 70;
        while (n < 500) { /* words that fit near the edge; now and then several blanks, an empty line */
            for (size_t k = 1 + rnd(&s) % (rnd(&s) % 5 ? 9 : 19); k; k--) text[n++] = (char)('a' + rnd(&s) % 26);
            for (size_t k = rnd(&s) % 12 ? 1 : 3; k; k--) text[n++] = ' ';
            if (rnd(&s) % 15 == 0) text[n++] = '\n';
        }
        text[n] = 0;
        buffer want = {0}, got = {0};
        word_wrap w = {.columns = columns};
        broken_by_hand(text, columns, &want);
        for (size_t at = 0, k; at < n; at += k) {
            k = 1 + rnd(&s) % 7;
            if (k > n - at) k = n - at;
            word_wrap_put(&w, text + at, k, &got);
            EXPECT_LE(w.held.n, 24 + 3); /* a word near the edge and its blanks */
            if (w.column + 24 + 22 < columns) EXPECT_LE(w.held.n, 3); /* far from it blanks alone */
        }
        word_wrap_flush(&w, &got);
        if (!EXPECT_STREQ(buf_str(&got), buf_str(&want))) i = 400;
        word_wrap_free(&w);
        buf_free(&want), buf_free(&got);
    }
}

TEST(text_out_breaks_what_is_coloured_and_wide) {
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"\x1b[41maaaa\x1b[0m\x1b[42m bbbbbb\x1b[0m", "\x1b[41maaaa\x1b[0m\x1b[42m\x1b[0m\n\x1b[42mbbbbbb\x1b[0m"}, /* no ground reaches over it */
        {"\x1b[41maaaa b\x1b[0m\x1b[42mbb\x1b[0m c", "\x1b[41maaaa b\x1b[0m\x1b[42mbb\x1b[0m\nc"},
        {"\x1b[41maaaa b\x1b[0m\x1b[42mbbbb\x1b[0m c", "\x1b[41maaaa\x1b[0m\n\x1b[41mb\x1b[0m\x1b[42mbbbb\x1b[0m c"},
        {"\xe6\x97\xa5\xe6\x9c\xac \xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac\n\xe6\x97\xa5\xe6\x9c\xac"}, /* 4 + 1 + 4 columns */
        {"aa\tb cccccccccccc", "aa\tb\ncccccccccccc"}, /* longer than a line: the terminal's to break */
        {"  a bbbbb", "  a\nbbbbb"},
        {"aaaaaaaa\nb", "aaaaaaaa\nb"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t cut = 0; cut < 2; cut++) {
            word_wrap w = {.columns = i == 4 ? 10 : 8};
            buffer got = {0};
            const char *text = cases[i].text;
            for (size_t at = 0, n = strlen(text), k; at < n; at += k) { /* at once, or by whole characters and escapes */
                k = cut ? text[at] == 27 ? strcspn(text + at, "m") + 1 : text[at] & 0x80 ? 3 : 1 : n;
                word_wrap_put(&w, text + at, k, &got);
            }
            word_wrap_flush(&w, &got);
            EXPECT_STREQ(buf_str(&got), cases[i].want);
            word_wrap_free(&w);
            buf_free(&got);
        }
}

/* Sixteen marks on a character are drawn, the next one is written out, also where each is a token of its own; the marks that
 * scripts need stay. */
TEST(text_marks_in_a_row) {
    static const char *const kept[] = {"e\xcc\x81\xcc\x82", "\xe0\xb8\x97\xe0\xb8\xb5\xe0\xb9\x88", "\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7\xe0\xa4\xbf",
                                       "\xe2\x9d\xa4\xef\xb8\x8f", "\xd7\xa9\xd7\x81\xd6\xb8"};
    buffer whole = {0}, parts = {0}, marks = {0}, want = {0};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        buf_clear(&whole);
        text_escape(&whole, kept[i], strlen(kept[i]), TEXT_ONE_LINE);
        EXPECT_STREQ(buf_str(&whole), kept[i]);
    }
    buf_clear(&whole);
    for (int i = 0; i < 100; i++) buf_puts(&marks, i % 2 ? "\xcc\x81" : "\xe2\x83\x9d"); /* Mn, Me */
    for (int i = 0; i < 100; i++) {
        if (i % 17 < 16) buf_puts(&want, i % 2 ? "\xcc\x81" : "\xe2\x83\x9d");
        else buf_puts(&want, i % 2 ? "\\u0301" : "\\u20dd");
    }
    text_escape(&whole, marks.bytes, marks.n, TEXT_LINES);
    styled t = {0};
    for (size_t at = 0, n; at < marks.n; at += n) { /* each by itself */
        n = (unsigned char)marks.bytes[at] == 0xe2 ? 3 : 2;
        text_escape(&parts, marks.bytes + at, n, TEXT_LINES);
        styled_escape(&t, marks.bytes + at, n, TEXT_LINES, paint_of(PAINT_PLAIN));
    }
    EXPECT_STREQ(buf_str(&whole), buf_str(&want));
    EXPECT_STREQ(buf_str(&parts), buf_str(&want));
    EXPECT_STREQ(buf_str(&t.text), buf_str(&want));
    styled_free(&t);
    buf_free(&whole), buf_free(&parts), buf_free(&marks), buf_free(&want);
}
