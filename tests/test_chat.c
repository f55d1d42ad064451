/* test_chat.c -- `glimpse chat` as people meet it: in a terminal (a pseudo-terminal of its own session, so that Ctrl-C is the
 * terminal's), and with lines that come from a pipe. */
#define _GNU_SOURCE
#include "tests/test.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hooks/journal.h"
#include "include/internal/file.h"
#include "sampling/tokenizer/tokenizer.h"
#include "tests/tiny_gpt.h"
#include "tests/worker_rig.h"

enum { V = 61 };

/* llm.c's model .bin, version 3: the header, then the tensors of tiny_gpt in its order. */
static void save_model(int L, int C, int T) {
    tiny_gpt g;
    buffer b = {0}, tok = {0};
    tiny_gpt_make(&g, L, 2, C, V, T, V - 1, 5);
    int32_t head[256] = { 20240326, 3, T, V, L, 2, C, g.Vp };
    buf_put(&b, head, sizeof head);
    for (int i = 0; i < 16; i++) buf_put(&b, g.w[i], g.n[i] * sizeof(float));
    uint32_t tok_head[256] = { 20240328, 2, V, V - 1 };
    buf_put(&tok, tok_head, sizeof tok_head);
    for (int i = 0; i < V; i++) { /* letters; and what a terminal must never get */
        static const char *const hostile[] = { "\x1b[2J", "\a", "\xc3", "\xa9", "\x1b]0;x\a", ("\x9b" "31m"), "\r", "\b" };
        char c[2] = { (char)(i == 0 ? '\n' : i == 29 ? ' ' : i < 30 ? 'A' + i - 1 : 'a' + i % 26), 0 };
        const char *piece = i >= 40 && i < 48 ? hostile[i - 40] : c;
        buf_putc(&tok, (char)strlen(piece));
        buf_puts(&tok, piece);
    }
    char *model = path_join(test_tmpdir(), "model_00000007.bin"), *tokenizer = path_join(test_tmpdir(), "gpt2_tokenizer.bin");
    EXPECT_OK(file_write_atomic(model, b.bytes, b.n, false));
    EXPECT_OK(file_write_atomic(tokenizer, tok.bytes, tok.n, false));
    free(model), free(tokenizer);
    buf_free(&b), buf_free(&tok);
    tiny_gpt_free(&g);
}

typedef struct terminal {
    int fd;
    pid_t pid;
    buffer seen; /* all that it showed */
    size_t from; /* what was waited for so far */
} terminal;

static void start(terminal *t, const char *const *more) {
    char program[4400];
    const char *argv[24] = { "glimpse", "chat", "--out_dir", test_tmpdir(), "--no_sheets", "--no_report", "--no_tensorboard" };
    int n = 7;
    while (*more) argv[n++] = *more++;
    snprintf(program, sizeof program, "%s/glimpse", test_build_dir());
    *t = (terminal){ 0 };
    struct winsize size = { 24, 100, 0, 0 };
    t->pid = forkpty(&t->fd, NULL, NULL, &size);
    if (!t->pid) {
        setenv("TERM", "xterm", 1);
        unsetenv("GLIMPSE"), unsetenv("GLIMPSE_ARGS"), unsetenv("NO_COLOR");
        execv(program, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    EXPECT(t->pid > 0);
}

/* Read until `text` appears behind what was waited for before; false when nothing comes for 60 s, or the terminal ended. */
static bool wait_for(terminal *t, const char *text) {
    for (int idle = 0; idle < 1200;) { /* a long answer comes in many pieces */
        char *at = t->seen.n > t->from ? memmem(t->seen.bytes + t->from, t->seen.n - t->from, text, strlen(text)) : NULL;
        if (at) {
            t->from = (size_t)(at - t->seen.bytes) + strlen(text);
            return true;
        }
        struct pollfd p = { t->fd, POLLIN, 0 };
        if (poll(&p, 1, 50) < 1) {
            idle++;
            continue;
        }
        char *room = buf_reserve(&t->seen, 65536);
        ssize_t got = room ? read(t->fd, room, 65536) : -1;
        if (got <= 0) break;
        buf_advance(&t->seen, (size_t)got);
    }
    return test_check(false, __FILE__, __LINE__, "the terminal never showed \"%s\" after:\n%s", text, buf_str(&t->seen) + t->from);
}

static void type(terminal *t, const char *keys) { EXPECT_EQ(write(t->fd, keys, strlen(keys)), strlen(keys)); }

static int end(terminal *t) {
    int status = -1;
    for (int idle = 0; idle < 1200;) {
        char rest[4096];
        struct pollfd p = { t->fd, POLLIN, 0 };
        if (poll(&p, 1, 50) < 1) idle++;
        else if (read(t->fd, rest, sizeof rest) <= 0) break;
    }
    close(t->fd);
    EXPECT_EQ(waitpid(t->pid, &status, 0), t->pid);
    buf_free(&t->seen);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int turns;
static char last_text[256];
static glimpse_status count(void *user, owned_record *r) {
    (void)user;
    const glimpse_sample *s = r->record.samples;
    turns += r->record.n_samples == 1 && !strcmp(r->record.kind, "offline") && r->record.step == turns + 1;
    snprintf(last_text, sizeof last_text, "%s", s ? s->prompt_text : "");
    return GLIMPSE_OK;
}

static int turns_recorded(void) {
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    int64_t unread;
    turns = 0;
    EXPECT_OK(journal_read(path, count, NULL, &unread));
    free(path);
    return turns;
}

TEST_LIMIT(chat_in_a_terminal, 120) {
    terminal t;
    save_model(1, 16, 256);
    start(&t, (const char *const[]){ "--max_new_tokens", "9", "--ignore_eos", NULL });
    REQUIRE(wait_for(&t, "Ctrl-D leaves") && wait_for(&t, "> "));
    type(&t, "ABD\x02" "C\r"); /* Ctrl-B: one back */
    REQUIRE(wait_for(&t, "9 tokens") && wait_for(&t, "> "));
    EXPECT_EQ(turns_recorded(), 1);
    EXPECT_STREQ(last_text, "ABCD");
    type(&t, "\x1b[A" "\x7f" "E\r"); /* the line before, with another letter */
    REQUIRE(wait_for(&t, "9 tokens") && wait_for(&t, "> "));
    EXPECT_EQ(turns_recorded(), 2);
    EXPECT_STREQ(last_text, "\nABCE");
    type(&t, "half a line\x03");
    REQUIRE(wait_for(&t, "leaves") && wait_for(&t, "> "));
    type(&t, "\xc3\xa9\xc3\xa9\x7f\r"); /* one character is taken back, not one byte */
    REQUIRE(wait_for(&t, "tokens") && wait_for(&t, "> "));
    EXPECT_EQ(turns_recorded(), 3);
    EXPECT(strstr(last_text, "\xc3\xa9") && !strstr(last_text, "\xc3\xa9\xc3\xa9"));
    type(&t, "/set temprature 3\r");
    REQUIRE(wait_for(&t, "did you mean temperature?") && wait_for(&t, "> "));
    type(&t, "/set temperature hot\r");
    REQUIRE(wait_for(&t, "expected a number from 0 to 100") && wait_for(&t, "> "));
    type(&t, "/set temperature 0.5\r");
    REQUIRE(wait_for(&t, "temperature = 0.5") && wait_for(&t, "> "));
    type(&t, "/undo\r");
    REQUIRE(wait_for(&t, "2 turns are left") && wait_for(&t, "> "));
    type(&t, "\x04");
    EXPECT_EQ(end(&t), 0);
    EXPECT_EQ(turns_recorded(), 3);
}

/* Lines that are longer than a terminal which shrinks under them: libedit allocates in its handler of SIGWINCH, which another
 * thread may be given, and keeps a cursor that stands outside of the new size. */
TEST_LIMIT(chat_in_a_terminal_that_is_resized, 120) {
    static const struct winsize sizes[] = { { 24, 100, 0, 0 }, { 5, 20, 0, 0 }, { 40, 200, 0, 0 }, { 2, 7, 0, 0 }, { 24, 80, 0, 0 }, { 1, 1, 0, 0 }, { 0, 0, 0, 0 } };
    terminal t;
    char line[128] = "";
    save_model(1, 16, 1024);
    const char *module = rig_module("thread", /* one that takes every signal, as libcuda has one */
        "#include <glimpse.h>\n#include <pthread.h>\n#include <unistd.h>\n"
        "static void *wait(void *x) { for (;;) pause(); return x; }\n"
        "static int open_module(glimpse_module_host *h, void **state) {\n"
        "    pthread_t t;\n    (void)h, (void)state;\n    return pthread_create(&t, NULL, wait, NULL);\n}\n"
        "const glimpse_module glimpse_module_v1 = {sizeof(glimpse_module), GLIMPSE_MODULE_VERSION, open_module, NULL};\n");
    start(&t, (const char *const[]){ "--max_new_tokens", "2", "--ignore_eos", module ? "--module" : NULL, module, NULL });
    REQUIRE(wait_for(&t, "Ctrl-D leaves") && wait_for(&t, "> "));
    for (int turn = 0; turn < 12; turn++) {
        for (int i = 0; i < 120; i++) {
            char key[2] = { (char)('A' + i % 25), 0 };
            line[i] = *key;
            type(&t, key);
            if (i < 90) continue; /* it fills the first size */
            REQUIRE(wait_for(&t, key));
            if (i % 3 == 0) EXPECT_EQ(ioctl(t.fd, TIOCSWINSZ, &sizes[1 + (i / 3 + turn) % 6]), 0);
            if (i % 5 == 0) type(&t, "\x01\x05"); /* to its begin and back */
        }
        ioctl(t.fd, TIOCSWINSZ, &sizes[0]);
        type(&t, "\r");
        REQUIRE(wait_for(&t, "2 tokens") && wait_for(&t, "> "));
        EXPECT_EQ(turns_recorded(), turn + 1);
        EXPECT(strstr(last_text, line) != NULL);
    }
    type(&t, "\x04");
    EXPECT_EQ(end(&t), 0);
}

/* Ctrl-C ends the answer, which stands; the program goes on, and ends as it is told. */
TEST_LIMIT(chat_interrupted_answer, 120) {
    terminal t;
    save_model(2, 64, 16384);
    start(&t, (const char *const[]){ "--max_new_tokens", "16000", "--ignore_eos", "--record_top", "0", NULL });
    REQUIRE(wait_for(&t, "Ctrl-D leaves") && wait_for(&t, "> "));
    type(&t, "ABC\r");
    REQUIRE(wait_for(&t, "ABC\r\n"));
    for (size_t seen = t.seen.n; t.seen.n < seen + 40;) { /* it speaks */
        char *room = buf_reserve(&t.seen, 4096);
        ssize_t got = room ? read(t.fd, room, 4096) : -1;
        REQUIRE(got > 0);
        buf_advance(&t.seen, (size_t)got);
    }
    type(&t, "\x03");
    REQUIRE(wait_for(&t, "; stopped") && wait_for(&t, "> "));
    EXPECT_EQ(turns_recorded(), 1);
    type(&t, "/set max_sample_tokens 5\r");
    REQUIRE(wait_for(&t, "= 5") && wait_for(&t, "> "));
    type(&t, "GH\r");
    REQUIRE(wait_for(&t, "5 tokens") && wait_for(&t, "> "));
    type(&t, "exit\r");
    EXPECT_EQ(end(&t), 0);
    EXPECT_EQ(turns_recorded(), 2);
}

/* The program on lines from a file; its stdout in `out`, its stderr in `err`; the exit status. */
static int piped(const buffer *lines, const char *flags, buffer *out, buffer *err) {
    char command[20000], *in = path_join(test_tmpdir(), "in.txt");
    EXPECT_OK(file_write_atomic(in, buf_str(lines), lines->n, false));
    snprintf(command, sizeof command, "cd '%s' && '%s/glimpse' chat --out_dir . --no_sheets --no_report --no_tensorboard %s < in.txt > out.txt 2> err.txt",
             test_tmpdir(), test_build_dir(), flags);
    int status = system(command);
    buf_clear(out), buf_clear(err);
    char *o = path_join(test_tmpdir(), "out.txt"), *e = path_join(test_tmpdir(), "err.txt");
    EXPECT_OK(file_read_all(o, 1 << 26, out));
    EXPECT_OK(file_read_all(e, 1 << 26, err));
    free(in), free(o), free(e);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(chat_from_a_pipe) {
    buffer lines = {0}, out = {0}, err = {0}, whole = {0};
    save_model(1, 16, 64);
    buf_puts(&lines, "ABC\n\n/again\n/set temperature 0.9\n/again\n/reset\nABC\n/save t.txt\nDEF"); /* the last line has no end */
    if (!EXPECT_EQ(piped(&lines, "--max_new_tokens 6 --ignore_eos", &out, &err), 0)) printf("%s\n", buf_str(&err));
    EXPECT(strstr(buf_str(&err), "seed = 1338") && strstr(buf_str(&err), "begun anew"));
    EXPECT(strstr(strstr(buf_str(&err), "seed = 1338") + 5, "seed = 1338")); /* under other settings, too */
    EXPECT_EQ(turns_recorded(), 5);
    EXPECT_STREQ(last_text + (last_text[0] == '\n'), "DEF"); /* behind a newline, unless the answer ended with one */
    for (size_t i = 0; i < out.n; i++) /* nothing that a terminal obeys */
        EXPECT((unsigned char)out.bytes[i] >= 32 || out.bytes[i] == '\n' || out.bytes[i] == '\t');
    /* The help is set in columns: a terminal of 80 must not fold it. */
    buf_clear(&lines);
    buf_puts(&lines, "/help\n");
    EXPECT_EQ(piped(&lines, "--quiet", &out, &err), 0);
    REQUIRE(strstr(buf_str(&err), "  /set NAME VALUE "));
    for (const char *l = buf_str(&err), *end; (end = strchr(l, '\n')); l = end + 1)
        if (!EXPECT(end - l < 80)) printf("%.*s\n", (int)(end - l), l);
    /* A first answer is what `--prompt` gives. */
    buf_clear(&lines);
    buf_puts(&lines, "ABC\nquit\nnever\n");
    EXPECT_EQ(piped(&lines, "--max_new_tokens 6 --ignore_eos --quiet", &whole, &err), 0);
    EXPECT_EQ(err.n, 0);
    char command[9000];
    snprintf(command, sizeof command, "cd '%s' && '%s/glimpse' --prompt ABC --num_samples 1 --max_new_tokens 6 --ignore_eos --quiet > one.txt",
             test_tmpdir(), test_build_dir());
    snprintf(command + strlen(command), 200, " --out_dir . --no_sheets");
    EXPECT_EQ(system(command), 0);
    char *one = path_join(test_tmpdir(), "one.txt");
    buf_clear(&out);
    EXPECT_OK(file_read_all(one, 1 << 20, &out));
    REQUIRE(out.n > 3 && !strncmp(out.bytes, "ABC", 3));
    EXPECT_STREQ(out.bytes + 3, buf_str(&whole));
    free(one);
    buf_free(&lines), buf_free(&out), buf_free(&err), buf_free(&whole);
}

TEST(chat_of_hostile_lines) {
    buffer lines = {0}, out = {0}, err = {0};
    save_model(1, 16, 64);
    buf_fill(&lines, 'A', (size_t)17 << 20); /* too long */
    buf_puts(&lines, "\n");
    buf_fill(&lines, 'B', 300000); /* more than the context */
    buf_puts(&lines, "\nA\n");
    buf_put(&lines, "C\0D\n", 4);
    buf_puts(&lines, "/nothing\n/agian\n\\q\n/set\n/set temperature\n/unset temperature\n/undo\n/undo\n/undo\nABCDEFG\n");
    EXPECT_EQ(piped(&lines, "--max_new_tokens 80 --ignore_eos", &out, &err), 1); /* lines without an answer */
    EXPECT(strstr(buf_str(&err), "more than 16 MiB"));
    EXPECT(strstr(buf_str(&err), "its last 63 are used"));
    EXPECT(strstr(buf_str(&err), "the conversation begins anew with this text"));
    EXPECT(strstr(buf_str(&err), "zero byte"));
    EXPECT(strstr(buf_str(&err), "there is no /nothing"));
    EXPECT(strstr(buf_str(&err), "there is no /agian\nhint: did you mean /again?"));
    EXPECT(strstr(buf_str(&err), "\\q at byte"));
    EXPECT(strstr(buf_str(&err), "nothing was said that could be taken back"));
    EXPECT_EQ(turns_recorded(), 3);
    for (size_t i = 0; i < out.n; i++) EXPECT((unsigned char)out.bytes[i] >= 32 || out.bytes[i] == '\n' || out.bytes[i] == '\t');
    /* What cannot be a conversation is refused before it begins. */
    static const char *const cases[][2] = { { "--top_k 1,5", "--top_k is a list" }, { "--num_samples 2", "one answer to a text" },
                                            { "--num_beams 4", "no beams" }, { "--prompt -", "standard input" } };
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(piped(&lines, cases[i][0], &out, &err), 2);
        EXPECT(strstr(buf_str(&err), cases[i][1]) != NULL);
    }
    buf_free(&lines), buf_free(&out), buf_free(&err);
}

/* In a terminal an answer is broken between words, in a pipe not at all: the numbers are the same. */
TEST_LIMIT(chat_breaks_lines_between_words, 60) {
    terminal t;
    buffer lines = {0}, out = {0}, err = {0}, shown = {0};
    save_model(1, 16, 512);
    buf_puts(&lines, "AB CD\n");
    EXPECT_EQ(piped(&lines, "--max_new_tokens 300 --ignore_eos --quiet --logit_bias 29:3", &out, &err), 0);
    start(&t, (const char *const[]){ "--max_new_tokens", "300", "--ignore_eos", "--quiet", "--color", "never", "--logit_bias", "29:3", NULL });
    REQUIRE(wait_for(&t, "> "));
    type(&t, "AB CD\r");
    REQUIRE(wait_for(&t, "AB CD\r\n"));
    const size_t from = t.from;
    REQUIRE(wait_for(&t, "\r\n> "));
    for (size_t i = from; i < t.from - 4; i++)
        if (t.seen.bytes[i] != '\r') buf_putc(&shown, t.seen.bytes[i]);
    buf_putc(&shown, '\n');
    type(&t, "\x04");
    EXPECT_EQ(end(&t), 0);
    const char *a = buf_str(&shown), *b = buf_str(&out);
    int broken = 0;
    size_t column = 0;
    for (; *a && *b; a++, b++) {
        column = *a == '\n' ? 0 : column + 1;
        EXPECT_LE(column, 99);
        if (*a == *b) continue;
        broken++; /* a newline for blanks */
        if (!EXPECT(*a == '\n' && *b == ' ')) break;
        while (b[1] == ' ') b++;
    }
    EXPECT(!*a && !*b && broken > 0);
    buf_free(&lines), buf_free(&out), buf_free(&err), buf_free(&shown);
}
