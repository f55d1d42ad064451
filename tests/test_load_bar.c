/* test_load_bar.c -- the bar while a file is read: on a terminal in place on one line, taken away at the end and before what is
 * said next; elsewhere nothing of it.  A small file is made slow by telling of it from the first byte on. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hooks/load_bar.h"
#include "include/internal/file.h"
#include "plugin/guest.h"
#include "sampling/checkpoint/save.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"

extern const session_api glimpse_session_v1;

#define ERASE "\r\x1b[K"

/* `glimpse convert` of `in`, or inspect, in a process whose stderr is a terminal or a pipe; what it wrote there. */
static int run(bool terminal, double wait_s, const file_command *c, buffer *err) {
    int master = -1, ends[2] = {-1, -1};
    fflush(NULL);
    if (!terminal && pipe(ends)) return -1;
    pid_t pid = terminal ? forkpty(&master, NULL, NULL, NULL) : fork();
    if (!pid) {
        static const guest_log to_stderr;
        if (!terminal) dup2(ends[1], STDERR_FILENO);
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        load_bar_wait_s = wait_s, load_bar_every_s = 0;
        session_use(&glimpse_session_v1);
        glimpse_status st = inline_files(&glimpse_session_v1, c, &to_stderr);
        if (st < 0) guest_say_error(&to_stderr);
        _exit(st < 0);
    }
    if (!terminal) close(ends[1]), master = ends[0];
    char piece[4096];
    for (ssize_t n; (n = read(master, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR);)
        if (n > 0) buf_put(err, piece, (size_t)n);
    close(master);
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

/* The frames of a bar: each begins by erasing, says `what`, has no line break; the last one is empty.  Returns how many. */
static int frames(const buffer *err, const char *what) {
    int n = 0;
    const char *s = buf_str(err), *last = s;
    for (const char *at = s; (at = strstr(at, ERASE)); at += strlen(ERASE)) {
        const char *text = at + strlen(ERASE), *end = strstr(text, ERASE);
        size_t length = end ? (size_t)(end - text) : strlen(text);
        last = text;
        EXPECT(!memchr(text, '\n', length) || !end);
        if (length && end) n += strstr(text, what) && strstr(text, what) < end && memchr(text, '%', length) && strstr(text, " left") < end;
    }
    test_check(!strstr(last, what), __FILE__, __LINE__, "the bar stays: \"%s\"", last);
    return n;
}

TEST(load_bar_is_shown_in_place_and_taken_away) {
    tiny_gpt g;
    model *m = NULL;
    char in[4096], out[4096];
    tiny_gpt_make(&g, 4, 2, 64, 300, 64, -1, 5);
    REQUIRE_OK(model_from_description(&g.model, &m));
    snprintf(in, sizeof in, "%s/in", test_tmpdir());
    snprintf(out, sizeof out, "%s/out", test_tmpdir());
    save_request rq = {.path = in};
    REQUIRE_OK(model_save(m, &rq));
    file_command convert = {.in = in, .out = out, .force = true}, inspect = {.inspect = true, .in = in}, missing = {.inspect = true, .in = out};
    buffer err = {0};
    EXPECT_EQ(run(true, -1, &convert, &err), 0);
    EXPECT(frames(&err, "  reading ") > 0);
    EXPECT(frames(&err, "  writing ") > 0);
    EXPECT(err.n > 4 && !strcmp(err.bytes + err.n - 4, ERASE)); /* nothing stays on the terminal */
    buf_clear(&err);
    EXPECT_EQ(run(true, -1, &inspect, &err), 0);
    EXPECT(frames(&err, "  reading ") > 0);
    buf_clear(&err);
    EXPECT_EQ(run(true, 3600, &inspect, &err), 0); /* not slow */
    EXPECT_STREQ(buf_str(&err), "");
    EXPECT_EQ(run(false, -1, &convert, &err), 0); /* no terminal */
    EXPECT_STREQ(buf_str(&err), "");

    /* A file that ends too early, after the bar has begun: the error stands on a line of its own. */
    char path[5000];
    snprintf(path, sizeof path, "%s/out/model.safetensors", test_tmpdir());
    buffer bytes = {0};
    REQUIRE_OK(file_read_all(path, 1 << 24, &bytes));
    REQUIRE_OK(file_write_atomic(path, bytes.bytes, bytes.n / 2, false));
    EXPECT(run(true, -1, &missing, &err) != 0);
    frames(&err, "  reading ");
    test_check(strstr(buf_str(&err), "model.safetensors") != NULL, __FILE__, __LINE__, "said %s", buf_str(&err));
    buf_free(&bytes);
    buf_free(&err);
    model_close(m);
    tiny_gpt_free(&g);
}

static void keep(void *user, const char *line) {
    buffer *b = user;
    buf_printf(b, "[%s]", line ? line : "");
}

/* By its numbers: percent, size, rate and time left; nothing before its time, nothing after the end. */
TEST(load_bar_says_how_far_it_is) {
    buffer said = {0};
    session_host host = {.user = &said, .progress = keep}, blind = {0};
    load_bar bar = {.host = &host, .what = "reading"}, unseen = {.host = &blind, .what = "reading"};
    load_bar_step(&unseen, 1, 2);
    load_bar_end(&unseen);
    load_bar_step(&bar, 1000000000, 4000000000); /* half a second has not passed */
    EXPECT_STREQ(buf_str(&said), "");
    double wait = load_bar_wait_s, every = load_bar_every_s;
    load_bar_wait_s = load_bar_every_s = 0;
    bar.began -= 10; /* ten seconds ago */
    load_bar_step(&bar, 1000000000, 4000000000);
    test_check(strstr(buf_str(&said), "[  reading ######..................  25 %  1.00 of 4.00 GB  100 MB/s  0:30 left]") != NULL, __FILE__, __LINE__, "said %s",
               buf_str(&said));
    load_bar_every_s = 3600;
    size_t n = said.n;
    load_bar_step(&bar, 2000000000, 4000000000); /* not that often */
    EXPECT_EQ(said.n, n);
    load_bar_step(&bar, 4000000000, 4000000000);
    EXPECT_STREQ(buf_str(&said) + n, "[]");
    load_bar_end(&bar);
    EXPECT_STREQ(buf_str(&said) + n, "[]");
    load_bar_wait_s = wait, load_bar_every_s = every;
    buf_free(&said);
}
