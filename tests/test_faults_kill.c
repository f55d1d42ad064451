/* test_faults_kill.c -- kill -9 at random instants: the trainer that evaluates, its worker, or both.  Every eval that was
 * acknowledged is in the journal, once; the views are the journal's; nothing is left running, locked or in memory.
 * And workers that die of a signal: each death is one failed eval with its reason. */
#define _GNU_SOURCE
#include "include/internal/threads.h"
#include "tests/faults.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/guest.h"
#include "tests/tiny_gpt.h"
#include "tests/worker_rig.h"

enum { MOST_ACKED = 4096 };

/* What a trainer tells the test, in memory that both see and that survives it. */
typedef struct shared {
    _Atomic int64_t started;           /* the last step that was begun */
    _Atomic int n_acked;
    _Atomic bool stop;                 /* finish: close, exit 0 */
    _Atomic int64_t failed, off;       /* evals that failed; times that Glimpse was off */
    int64_t acked[MOST_ACKED];         /* steps whose eval was acknowledged */
} shared;

extern const session_api glimpse_session_v1;

static void hear_nothing(void *user, const char *line) { (void)user, (void)line; }

/* A trainer that does nothing but evaluate. */
static void trainer(shared *s, const char *dir, bool in_process) {
    tiny_gpt gpt;
    tiny_gpt_make(&gpt, 1, 1, 8, 40, 32, -1, 7);
    glimpse_config *cfg = glimpse_config_new();
    glimpse_set_log(cfg, hear_nothing, NULL);
    glimpse_set(cfg, "out_dir", dir);
    glimpse_set(cfg, "max_sample_tokens", "4");
    glimpse_set(cfg, "sample_each_eval", "true");
    glimpse_set(cfg, "sheets", "false");
    glimpse_set(cfg, "threads", "1");
    if (in_process) glimpse_set(cfg, "mode", "inline");
    session_use(&glimpse_session_v1);
    glimpse *g = glimpse_open(cfg, &gpt.model);
    if (!g) s->off++;
    while (!s->stop && g) {
        int64_t step = ++s->started;
        glimpse_status st = glimpse_eval(g, step, 3, 2 + 1.0 / (double)(step + 1)), drained = glimpse_drain(g);
        int n = s->n_acked;
        if (st == GLIMPSE_NOT_DUE) { /* three workers in a row */
            s->off++;
            break;
        }
        if (st == GLIMPSE_OK && drained == GLIMPSE_OK && n < MOST_ACKED) {
            s->acked[n] = step;
            s->n_acked = n + 1;
        } else s->failed++;
    }
    glimpse_close(g);
    _exit(0);
}

static pid_t start(shared *s, const char *dir, bool in_process) {
    pid_t parent = getpid(), pid = fork();
    if (pid) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    trainer(s, dir, in_process);
    _exit(1);
}

typedef struct found { /* what the journal holds of the steps acknowledged */
    int64_t *steps;
    int n, cap;
} found;
static void note_step(void *user, const glimpse_record *r) {
    found *f = user;
    if (strcmp(r->status, "ok") != 0) return;
    if (f->n == f->cap) {
        f->cap = f->cap * 2 + 1000;
        f->steps = realloc(f->steps, (size_t)f->cap * sizeof *f->steps);
    }
    f->steps[f->n++] = r->step; /* rising: fault_walk counts what is not */
}

static int64_t acked_but_missing(const shared *s, const found *f) {
    int64_t missing = 0;
    for (int i = 0, k = 0; i < s->n_acked; i++) {
        while (k < f->n && f->steps[k] < s->acked[i]) k++;
        missing += k == f->n || f->steps[k] != s->acked[i];
    }
    return missing;
}

static void pause_us(int64_t us) { nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL); }

/* The directory's lock is free: the worker has gone, or is about to. */
static bool wait_unlocked(const char *dir) {
    for (int i = 0; i < 20000; i++) {
        int fd;
        if (!path_is_dir(dir)) return true;
        if (journal_lock(dir, &fd) >= 0) {
            close(fd);
            return true;
        }
        pause_us(500);
    }
    return false;
}

static int shm_files(void) {
    DIR *d = opendir("/dev/shm");
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) n += strstr(e->d_name, "glimpse") != NULL;
    if (d) closedir(d);
    return n;
}

typedef struct tally {
    int64_t kills[3], acked, missing, bad, lines, views, off, left_tmp;
} tally;

static int64_t temporaries(const char *dir) {
    char *tree = fault_tree(dir, NULL);
    int64_t n = 0;
    for (const char *p = tree; p && (p = strstr(p, ".tmp\t")); p++) n++;
    free(tree);
    return n;
}

/* One directory: `kills` kills, then a trainer that ends as it should. */
static void campaign(int number, int kills, uint64_t *random, tally *t) {
    char dir[4200], fresh[4200], path[4300];
    shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(s != MAP_FAILED);
    snprintf(dir, sizeof dir, "%s/r%d/out", test_tmpdir(), number);
    snprintf(fresh, sizeof fresh, "%s/r%d/again/out", test_tmpdir(), number);
    snprintf(path, sizeof path, "%s/evals.jsonl", dir);
    found f = {0};
    journal_walk w = {0};
    pid_t pid = 0;
    bool in_process = false;
    for (int done = 0; done < kills;) {
        int status;
        if (!pid) {
            in_process = fault_random(random, 3) == 0;
            pid = start(s, dir, in_process);
        }
        pause_us((int64_t)fault_random(random, fault_random(random, 2) ? 25000 : 3000));
        if (waitpid(pid, &status, WNOHANG) == pid) { /* off, after three workers */
            pid = 0;
            continue;
        }
        int whom = in_process ? 0 : (int)fault_random(random, 3);
        pid_t worker = 0;
        if (whom && rig_workers(&worker, 1) < 1) continue;
        if (whom) kill(worker, SIGKILL);
        if (whom != 1) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            pid = 0;
            EXPECT(wait_unlocked(dir));
        }
        t->kills[whom]++;
        done++;
    }
    s->stop = true;
    if (pid) waitpid(pid, NULL, 0);
    EXPECT(rig_wait_workers(0));
    s->stop = false; /* and once more, undisturbed: it finds what the last one left */
    int before = s->n_acked;
    int64_t off = s->off;
    pid = start(s, dir, true);
    for (int i = 0; i < 20000 && s->n_acked < before + 2 && s->off == off; i++) pause_us(500);
    s->stop = true;
    waitpid(pid, NULL, 0);
    EXPECT_LE(before + 2, s->n_acked);
    fault_walk(path, &w, note_step, &f);
    struct stat st;
    EXPECT(stat(path, &st) == 0 && st.st_size == w.at); /* no half line at the end */
    t->missing += acked_but_missing(s, &f);
    t->acked += s->n_acked;
    t->bad += w.bad;
    t->lines += w.lines;
    t->off += s->off;
    t->views += fault_views_are_the_journals(dir, fresh);
    t->left_tmp += temporaries(dir);
    free(f.steps);
    munmap(s, sizeof *s);
    snprintf(dir, sizeof dir, "%s/r%d", test_tmpdir(), number);
    fault_remove(dir);
}

static void kills_of(const char *name, int total, int of_one, uint64_t seed) {
    char program[4200];
    tally t = {0};
    int shm = shm_files(), n = 0;
    double t0 = monotonic_s();
    snprintf(program, sizeof program, "%s/glimpse", test_build_dir());
    setenv("GLIMPSE_WORKER", program, 1);
    rig_mark();
    for (int done = 0; done < total; done += of_one, n++) campaign(n, total - done < of_one ? total - done : of_one, &seed, &t);
    bool gone = rig_wait_workers(0);
    EXPECT_LE(1, t.acked);
    fault_row(t.missing == 0 && t.bad == 0 && t.views == n && gone && shm_files() == shm && t.left_tmp == 0, name,
              "%lld kills -9 (%lld trainer, %lld worker, %lld both): %lld evals acknowledged, %lld lost, %lld torn or twice of %lld "
              "lines; views as a report draws them %lld/%d; left: processes %d, shared memory %d, temporary files %lld; %.1f ms each",
              (long long)(t.kills[0] + t.kills[1] + t.kills[2]), (long long)t.kills[0], (long long)t.kills[1], (long long)t.kills[2],
              (long long)t.acked, (long long)t.missing, (long long)t.bad, (long long)t.lines, (long long)t.views, n, !gone,
              shm_files() - shm, (long long)t.left_tmp, (monotonic_s() - t0) * 1e3 / total);
}

/* Two at a time: the runner runs them side by side. */
TEST_LIMIT(faults_kill_first, 1200) { kills_of("kill9.first", test_is_full() ? 5000 : 30, test_is_full() ? 100 : 15, 1); }
TEST_LIMIT(faults_kill_second, 1200) { kills_of("kill9.second", test_is_full() ? 5000 : 20, test_is_full() ? 100 : 10, 2); }

/* --- a worker's deaths --------------------------------------------------------------------------------------------- */

typedef struct ear {
    char last[512];
    int64_t deaths; /* lines that say that an eval failed because its worker died */
} ear;
static void hear_deaths(void *user, const char *line) {
    ear *e = user;
    if (!strstr(line, "failed, the worker died")) return; /* the line of the eval itself comes from the next worker */
    e->deaths++;
    snprintf(e->last, sizeof e->last, "%s", line);
}

static void count_failed(void *user, const glimpse_record *r) { *(int64_t *)user += !strcmp(r->status, "failed"); }

/* Stop the worker, post an eval, kill it with the eval in hand: exactly that eval has failed, with the reason. */
TEST_LIMIT(faults_worker_deaths, 1200) {
    if (test_is_slow_build()) SKIP("a sanitizer catches these signals first");
    static const struct {
        int number;
        const char *reason;
    } deaths[] = {{SIGSEGV, "SIGSEGV"}, {SIGKILL, "SIGKILL"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"}, {SIGTERM, "SIGTERM"},
                  {SIGFPE, "SIGFPE"}};
    int total = test_is_full() ? 1000 : 6;
    int64_t reasons = 0, others = 0, failed = 0, step = 0;
    ear e = {0};
    rig r;
    rig_open(&r, (const char *const[]){"max_sample_tokens=2", "num_samples=1", NULL});
    glimpse_close(r.g);
    glimpse_set_log(r.cfg, hear_deaths, &e);
    rig_reopen(&r);
    REQUIRE(r.g != NULL);
    for (int i = 0; i < total; i++) {
        pid_t pid = 0;
        EXPECT(rig_wait_workers(1));
        if (!EXPECT_EQ(rig_workers(&pid, 1), 1)) break;
        kill(pid, SIGSTOP);
        EXPECT_EQ(glimpse_eval(r.g, ++step, 2, 1), GLIMPSE_OK);
        kill(pid, deaths[i % 6].number);
        kill(pid, SIGCONT);
        EXPECT(rig_wait_end(pid));
        int64_t before = e.deaths;
        glimpse_status st = glimpse_drain(r.g); /* tells the journal through a new worker */
        others += st != GLIMPSE_E_WORKER || e.deaths != before + 1;
        reasons += strstr(e.last, deaths[i % 6].reason) != NULL;
        st = glimpse_eval(r.g, ++step, 2, 1); /* and the next one is sampled as if nothing had been */
        others += st != GLIMPSE_OK;
        others += glimpse_drain(r.g) != GLIMPSE_OK;
    }
    glimpse_close(r.g);
    r.g = NULL;
    char path[4300];
    snprintf(path, sizeof path, "%s/evals.jsonl", r.dir);
    journal_walk w = {0};
    fault_walk(path, &w, count_failed, &failed);
    EXPECT(rig_wait_workers(0));
    fault_row(failed == total && reasons == total && !others && !w.bad && w.lines == 2 * total, "worker.deaths",
              "%d workers killed with an eval in hand: %lld failed evals in the journal, %lld with the signal's name, %lld other "
              "effects, %lld lines", total, (long long)failed, (long long)reasons, (long long)others, (long long)w.lines);
    rig_close(&r);
}

/* No memory in the worker (RLIMIT_AS, which it inherits): an error or a death with a reason, never a crash of the trainer. */
TEST_LIMIT(faults_worker_memory, 600) {
    if (test_is_slow_build()) SKIP("a sanitizer needs its address space");
    int total = test_is_full() ? 200 : 4, said = 0, fine = 0, off = 0;
    for (int i = 0; i < total; i++) {
        rig r;
        struct rlimit before, small;
        rig_open(&r, (const char *const[]){"num_samples=64", "max_sample_tokens=60", NULL});
        glimpse_close(r.g);
        r.g = NULL;
        buf_clear(&r.said);
        getrlimit(RLIMIT_AS, &before);
        small = before;
        pid_t child = fork(); /* the limit is the trainer's, too */
        if (child == 0) {
            small.rlim_cur = ((rlim_t)1 << 20) * (rlim_t)(20 + i * 400 / total);
            setrlimit(RLIMIT_AS, &small);
            rig_reopen(&r);
            if (!r.g) _exit(r.said.n > 10 ? 3 : 9);
            buf_clear(&r.said);
            glimpse_status st = glimpse_eval(r.g, 1, 2, 1), drained = glimpse_drain(r.g);
            if (st == GLIMPSE_OK && drained == GLIMPSE_OK) _exit(0);
            _exit(strstr(buf_str(&r.said), "memory") || strstr(buf_str(&r.said), "died") || r.said.failed ? 2 : 9);
        }
        int status = -1;
        waitpid(child, &status, 0);
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : 10;
        said += code == 2, off += code == 3, fine += code == 0;
        test_check(code == 0 || code == 2 || code == 3, __FILE__, __LINE__, "%d MiB: status %x", 20 + i * 400 / total, status);
        rig_close(&r);
    }
    EXPECT(rig_wait_workers(0));
    fault_row(said + off + fine == total, "worker.memory", "%d limits of memory from 20 to 420 MiB: %d evals fine, %d failed with a "
              "reason, %d times off with a reason", total, fine, said, off);
}
