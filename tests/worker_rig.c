/* worker_rig.c -- see worker_rig.h. */
#define _GNU_SOURCE
#include "include/internal/file.h"
#include "include/internal/flock_holder.h"
#include "tests/worker_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void keep(void *user, const char *line) {
    buf_puts(user, line);
    buf_putc(user, '\n');
}

void rig_mark(void) {
    char mark[32];
    snprintf(mark, sizeof mark, "%d", (int)getpid());
    setenv("GLIMPSE_RIG", mark, 1);
}

void rig_prepare(rig *r, const char *const *options) {
    static int count;
    char path[4200];
    *r = (rig){0};
    snprintf(r->dir, sizeof r->dir, "%s/out%d", test_tmpdir(), count++);
    snprintf(path, sizeof path, "%s/glimpse", test_build_dir());
    setenv("GLIMPSE_WORKER", path, 1);
    rig_mark();
    tiny_gpt_make(&r->gpt, 2, 2, 16, 40, 64, -1, 7);
    r->cfg = glimpse_config_new();
    glimpse_set_log(r->cfg, keep, &r->said);
    EXPECT_OK(glimpse_set(r->cfg, "out_dir", r->dir));
    EXPECT_OK(glimpse_set(r->cfg, "max_sample_tokens", "12"));
    EXPECT_OK(glimpse_set(r->cfg, "sample_each_eval", "true"));
    EXPECT_OK(glimpse_set(r->cfg, "sheets", "false"));
    for (int i = 0; options && options[i]; i++) {
        char name[64];
        const char *equals = strchr(options[i], '=');
        snprintf(name, sizeof name, "%.*s", (int)(equals - options[i]), options[i]);
        EXPECT_OK(glimpse_set(r->cfg, name, equals + 1));
    }
}

void rig_open(rig *r, const char *const *options) {
    rig_prepare(r, options);
    rig_reopen(r);
}

void rig_reopen(rig *r) { r->g = glimpse_open(r->cfg, &r->gpt.model); }

void rig_close(rig *r) {
    glimpse_close(r->g);
    glimpse_config_free(r->cfg);
    tiny_gpt_free(&r->gpt);
    buf_free(&r->said);
}

const char *rig_prompts(const char *text) {
    static char option[4200];
    const char *path = option + strlen("prompts=");
    snprintf(option, sizeof option, "prompts=%s/prompts", test_tmpdir());
    EXPECT_OK(file_write_atomic(path, text, strlen(text), false));
    return option;
}

const char *rig_module(const char *name, const char *source) {
    static char path[4200];
    char text[4200];
    buffer cmd = {0};
    const char *cc = getenv("CC") ? getenv("CC") : "cc";
    snprintf(text, sizeof text, "%s/%s.c", test_tmpdir(), name);
    snprintf(path, sizeof path, "%s/%s.so", test_tmpdir(), name);
    EXPECT_OK(file_write_atomic(text, source, strlen(source), false));
    buf_printf(&cmd, "%s -std=c17 -O1 -D_GNU_SOURCE -shared -fPIC -Wall -Wextra -Werror -I'%s/include' '%s' -o '%s'", cc, test_source_dir(), text, path);
    int rc = system(buf_str(&cmd));
    buf_free(&cmd);
    return rc == 0 ? path : NULL;
}

/* Whether that process is `glimpse ROLE ...`. */
static bool is_role(pid_t pid, const char *role) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = 0;
    return strlen(text) + 1 < n && strcmp(text + strlen(text) + 1, role) == 0;
}

/* A worker is nobody's child: it is told by its command line and an environment variable that it inherited. */
static int processes(const char *role, pid_t *pids, int cap) {
    char mark[64], path[300], text[1 << 16];
    int n = 0;
    snprintf(mark, sizeof mark, "GLIMPSE_RIG=%d", (int)getpid());
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        pid_t pid = atoi(e->d_name);
        if (pid <= 0 || pid == getpid() || !is_role(pid, role)) continue;
        snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        size_t k = fread(text, 1, sizeof text - 1, f);
        fclose(f);
        text[k] = 0;
        for (const char *p = text; p < text + k; p += strlen(p) + 1)
            if (strcmp(p, mark) == 0) {
                if (n < cap) pids[n] = pid;
                n++;
                break;
            }
    }
    if (d) closedir(d);
    return n;
}

int rig_workers(pid_t *pids, int cap) { return processes("worker", pids, cap); }
int rig_keepers(pid_t *pids, int cap) { return processes("keeper", pids, cap); }

/* A zombie whose keeper lives has not ended: the keeper first tells the trainer. */
bool rig_wait_end(pid_t pid) {
    buffer b = {0};
    bool gone = false;
    for (int i = 0; i < 3000 && !gone; i++) {
        const char *state = proc_read_of(pid, "stat", &b) ? strrchr(buf_str(&b), ')') : NULL;
        /* A leader may be a zombie while its threads are still ending and hold its descriptors: field 20 counts them. */
        const char *p = state;
        pid_t parent = 0;
        for (int field = 2; p && field < 20; field++) {
            p = strchr(p + 1, ' ');
            if (p && field == 3) parent = atoi(p);
        }
        gone = !state || (strncmp(state, ") Z", 3) == 0 && p && atoi(p) <= 1 && !is_role(parent, "keeper"));
        if (!gone) nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    buf_free(&b);
    return gone;
}

bool rig_wait_workers(int n) {
    for (int i = 0; i < 3000; i++) {
        /* One that is being started is a keeper for a moment. */
        if (rig_workers(NULL, 0) == n && (n || !rig_keepers(NULL, 0))) return true;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    return false;
}

int rig_lines(const rig *r, glimpse_status (*each)(void *user, owned_record *line), void *user) {
    char path[4200];
    int n = 0;
    snprintf(path, sizeof path, "%s/evals.jsonl", r->dir);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t k; (k = getline(&line, &cap, f)) > 0;) {
        owned_record *rec;
        if (!EXPECT(line[k - 1] == '\n') || !EXPECT_OK(journal_decode(line, (size_t)k - 1, &rec))) break;
        n++;
        if (each) each(user, rec);
        record_free(&rec->record);
    }
    free(line);
    fclose(f);
    return n;
}

typedef struct wanted {
    int64_t step;
    char status[16];
} wanted;
static glimpse_status find(void *user, owned_record *line) {
    wanted *w = user;
    if (line->record.step == w->step) snprintf(w->status, sizeof w->status, "%s", line->record.status);
    return GLIMPSE_OK;
}
const char *rig_status(const rig *r, int64_t step) {
    static wanted w;
    w = (wanted){.step = step};
    rig_lines(r, find, &w);
    return w.status;
}
