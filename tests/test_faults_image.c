/* test_faults_image.c -- power cuts on a real file system: ext4 in an image file, mounted over a loop device while a run
 * writes its journal, the image copied at random instants.  Each copy is checked by e2fsck and mounted: every eval that was
 * acknowledged when the copy began is there, and a run goes on.  As root, where loop mounts work; skipped elsewhere. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "tests/faults.h"
#include "tests/tiny_gpt.h"

static void hear_nothing(void *user, const char *line) { (void)user, (void)line; }

static bool run(const char *fmt, const char *a, const char *b) {
    buffer cmd = {0};
    buf_printf(&cmd, fmt, a, b);
    buf_puts(&cmd, " >/dev/null 2>&1");
    int rc = system(buf_str(&cmd));
    buf_free(&cmd);
    return rc == 0;
}

static session *open_session(const tiny_gpt *gpt, const char *dir) {
    static const session_host host = {.log = hear_nothing};
    static const struct {
        opt_id id;
        const char *value;
    } set[] = {{OPT_max_sample_tokens, "3"}, {OPT_sample_each_eval, "true"}, {OPT_sheets, "false"}, {OPT_threads, "1"}};
    options *o = options_new();
    session *s = NULL;
    EXPECT_OK(options_set(o, OPT_out_dir, dir, OPT_LEVEL_FLAG));
    for (size_t i = 0; i < sizeof set / sizeof *set; i++) EXPECT_OK(options_set(o, set[i].id, set[i].value, OPT_LEVEL_FLAG));
    EXPECT_OK(session_open(o, &gpt->model, &host, &s));
    options_free(o);
    return s;
}

/* Evaluates for ever; *acked is the last step whose eval has returned. */
static pid_t writer(const tiny_gpt *gpt, const char *dir, _Atomic int64_t *acked) {
    pid_t pid = fork();
    if (pid) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    session *s = open_session(gpt, dir);
    for (int64_t step = 1; s && session_eval(s, step, 2, 1) == GLIMPSE_OK; step++) *acked = step;
    _exit(1);
}

/* Sectors written to the loop device behind `image` so far, and the requests in flight. */
static bool written(const char *device, char line[256]) {
    buffer path = {0};
    buf_printf(&path, "/sys/block/%s/stat", path_base(device));
    FILE *f = fopen(buf_str(&path), "re");
    bool ok = f && fgets(line, 256, f);
    if (f) fclose(f);
    buf_free(&path);
    return ok;
}

static bool device_of(const char *image, char device[64]) {
    buffer cmd = {0};
    buf_printf(&cmd, "losetup -j '%s' | cut -d: -f1 | head -1", image);
    FILE *f = popen(buf_str(&cmd), "r");
    bool ok = f && fgets(device, 64, f);
    if (f) pclose(f);
    buf_free(&cmd);
    if (ok) device[strcspn(device, "\n")] = 0;
    return ok;
}

/* A copy of one instant: nothing reached the device meanwhile. */
static bool copy_of_an_instant(const char *image, const char *device, const char *copy) {
    char before[256], after[256];
    for (int tries = 0; tries < 50; tries++) {
        if (!written(device, before) || !run("cp --sparse=always '%s' '%s'", image, copy) || !written(device, after)) return false;
        if (!strcmp(before, after)) return true;
    }
    return false;
}

typedef struct found {
    int64_t last, n;
} found;
static void note(void *user, const glimpse_record *r) {
    found *f = user;
    f->last = r->step;
    f->n++;
}

TEST_LIMIT(faults_power_image, 900) {
    char image[4200], copy[4200], at[4200], dir[4300], after[4200], path[4400], device[64];
    tiny_gpt gpt;
    uint64_t random = 11;
    int cuts = test_is_full() ? 200 : 3, lost = 0, stuck = 0, unwell = 0, torn = 0;
    int64_t evals = 0;
    _Atomic int64_t *acked = mmap(NULL, sizeof *acked, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    snprintf(image, sizeof image, "%s/image", test_tmpdir());
    snprintf(copy, sizeof copy, "%s/copy", test_tmpdir());
    snprintf(at, sizeof at, "%s/mount", test_tmpdir());
    snprintf(after, sizeof after, "%s/after", test_tmpdir());
    if (geteuid() != 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) SKIP("mounting is refused");
    REQUIRE_OK(mkdir_p(at));
    REQUIRE_OK(mkdir_p(after));
    tiny_gpt_make(&gpt, 1, 1, 8, 40, 32, -1, 7);
    for (int i = 0; i < cuts; i++) {
        if (i % 20 == 0) { /* a fresh disk: it would be full of views */
            if (i) umount2(at, 0);
            if (!run("truncate -s 48M '%s' && mkfs.ext4 -q -F '%s'", image, image) || !run("mount -o loop '%s' '%s'", image, at))
                SKIP("no ext4 on a loop device here");
            snprintf(dir, sizeof dir, "%.4100s/out", at);
            *acked = 0;
            REQUIRE(device_of(image, device));
        }
        if (*acked) fault_remove(dir), *acked = 0;
        pid_t pid = writer(&gpt, dir, acked);
        for (int k = 0; k < 60000 && *acked < 2; k++) usleep(1000);
        usleep((useconds_t)fault_random(&random, 40000));
        kill(pid, SIGSTOP);
        const int64_t known = *acked;
        bool copied = EXPECT(copy_of_an_instant(image, device, copy));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        if (!copied) break;
        evals += known;
        unwell += !run("e2fsck -p '%s'; [ $? -le 1 ]%s", copy, "");
        if (!EXPECT(run("mount -o loop '%s' '%s'", copy, after))) break;
        snprintf(path, sizeof path, "%.4100s/out/evals.jsonl", after);
        journal_walk w = {0};
        found f = {0};
        struct stat st;
        fault_walk(path, &w, note, &f);
        torn += stat(path, &st) == 0 && st.st_size != w.at;
        lost += f.last < known || f.n < known || w.bad > 0;
        snprintf(path, sizeof path, "%.4100s/out", after);
        session *s = open_session(&gpt, path);
        stuck += !s || session_eval(s, f.last + 1, 2, 1) != GLIMPSE_OK;
        session_close(s);
        umount2(after, 0);
    }
    umount2(at, MNT_DETACH);
    fault_row(!lost && !stuck && !unwell && evals >= 2 * cuts, "power.image", "%d copies of an ext4 image at random instants: %lld evals "
              "acknowledged, %d copies without one of them, %d with a torn end, %d where no run goes on, %d beyond e2fsck -p", cuts,
              (long long)evals, lost, torn, stuck, unwell);
    tiny_gpt_free(&gpt);
}
