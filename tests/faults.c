/* faults.c -- see faults.h. */
#include "tests/faults.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "viz/tensorboard.h"

static void row(bool ok, const char *name, const char *fmt, va_list args) {
    const char *path = getenv("GLIMPSE_FAULTS");
    char text[512], line[640];
    vsnprintf(text, sizeof text, fmt, args);
    snprintf(line, sizeof line, "%s  %-34s %s\n", ok ? "PASS" : "FAIL", name, text);
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd >= 0) {
        (void)!write(fd, line, strlen(line));
        close(fd);
    }
    fputs(line, stdout);
}

void fault_figure(bool ok, const char *name, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    row(ok, name, fmt, args);
    va_end(args);
}

void fault_row(bool ok, const char *name, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    row(ok, name, fmt, args);
    va_end(args);
    test_check(ok, __FILE__, __LINE__, "%s", name);
}

uint64_t fault_random(uint64_t *state, uint64_t n) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (z ^ z >> 31) % n;
}

/* --- trees -------------------------------------------------------------------------------------------------------- */

static bool is_excepted(const char *path, const char *const *except) {
    for (; except && *except; except++)
        if (strstr(path, *except)) return true;
    return false;
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void list(const char *dir, const char *below, const char *const *except, buffer *out) {
    char *here = path_join(dir, below);
    struct dirent **all;
    int n = scandir(here, &all, NULL, by_name);
    for (int i = 0; i < n; i++) {
        const char *name = all[i]->d_name;
        char *path = *below ? path_join(below, name) : strdup(name), *full = path_join(dir, path);
        buffer bytes = {0};
        if (!strcmp(name, ".") || !strcmp(name, "..") || is_excepted(path, except)) {
        } else if (path_is_dir(full)) list(dir, path, except, out);
        else if (EXPECT_OK(file_read_all(full, 1 << 30, &bytes)))
            buf_printf(out, "%s\t%zu\t%08x\n", path, bytes.n, (unsigned)crc32c(buf_str(&bytes), bytes.n));
        buf_free(&bytes);
        free(path);
        free(full);
        free(all[i]);
    }
    if (n >= 0) free(all);
    free(here);
}

char *fault_tree(const char *dir, const char *const *except) {
    buffer out = {0};
    list(dir, "", except, &out);
    return buf_take(&out, NULL);
}

void fault_remove(const char *dir) {
    buffer cmd = {0};
    buf_printf(&cmd, "rm -rf '%s'", dir);
    EXPECT(system(buf_str(&cmd)) == 0);
    buf_free(&cmd);
}

static void hear_nothing(void *user, const char *line) { (void)user, (void)line; }

glimpse_status fault_report(const char *dir, const char *fresh) {
    glimpse_status st = GLIMPSE_OK;
    char *from = path_join(dir, "evals.jsonl"), *to = path_join(fresh, "evals.jsonl");
    buffer bytes = {0};
    session_host host = {.log = hear_nothing};
    options *o = options_new();
    TRY_GOTO(mkdir_p(fresh));
    TRY_GOTO(file_read_all(from, 1 << 30, &bytes));
    TRY_GOTO(file_write_atomic(to, buf_str(&bytes), bytes.n, false));
    TRY_GOTO(session_report(o, fresh, &host));
out:
    options_free(o);
    buf_free(&bytes);
    free(from);
    free(to);
    return st;
}

bool fault_views_are_the_journals(const char *dir, const char *fresh) {
    static const char *const except[] = {".torn-", "gpt2_tokenizer", NULL};
    if (!EXPECT_OK(fault_report(dir, fresh))) return false;
    char *a = fault_tree(dir, except), *b = fault_tree(fresh, except);
    bool same = a && b && strcmp(a, b) == 0;
    if (!same && a && b) {
        size_t at = 0;
        while (a[at] && a[at] == b[at]) at++;
        while (at && a[at - 1] != '\n') at--;
        test_check(false, __FILE__, __LINE__, "the views are not the journal's: there\n%.200s\nby a report\n%.200s", a + at, b + at);
    }
    free(a);
    free(b);
    fault_remove(fresh);
    return same;
}

/* --- a journal that grows ------------------------------------------------------------------------------------------ */

void fault_walk(const char *path, journal_walk *w, void (*each)(void *user, const glimpse_record *r), void *user) {
    file f = FILE_INIT;
    buffer bytes = {0};
    if (!path_exists(path)) return;
    if (!EXPECT_OK(file_open_read(path, &f))) return;
    size_t n = f.size > w->at ? (size_t)(f.size - w->at) : 0;
    char *room = buf_reserve(&bytes, n + 1);
    if (f.size < w->at) w->bad++; /* what was read before is gone */
    if (room && n && EXPECT_OK(file_read_at(&f, w->at, room, n))) {
        for (size_t from = 0; from < n;) {
            char *end = memchr(room + from, '\n', n - from);
            owned_record *r;
            if (!end) break;
            size_t to = (size_t)(end - room);
            if (journal_decode(room + from, to - from, &r) < 0) w->bad++;
            else {
                const glimpse_record *x = &r->record;
                if (w->lines && (x->step < w->last_step + !w->skipped || x->seq != w->last_seq + 1)) w->bad++;
                w->last_step = x->step;
                w->last_seq = x->seq;
                w->skipped = !strcmp(x->status, "skipped");
                w->lines++;
                if (each) each(user, x);
                record_free(&r->record);
            }
            w->at += (int64_t)(to + 1 - from);
            from = to + 1;
        }
    }
    file_close(&f);
    buf_free(&bytes);
}
