/* runner.c -- runs every TEST and every tests/checks/X.sh, each in its own process with a time limit, as many at once as
 * there are CPUs; shows a test's output only when it failed, and closes with `N passed, N failed` alone on a line.
 * Called by `make test`; exit code 0 only when something ran and nothing failed. */
#define _GNU_SOURCE
#include "tests/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/internal/buffer.h"
#include "include/internal/threads.h"

enum { EXIT_FAILED = 1, EXIT_SKIPPED = 77, MAX_JOBS = 64, CHANCES = 3 };

#ifdef TEST_SLOW_BUILD
/* Read by the sanitizers' libraries: tests ask for memory that is not there, and want NULL. */
#define DEFAULT_OPTIONS(name)                                                                                          \
    __attribute__((visibility("default"))) const char *name(void);                                                     \
    const char *name(void) { return "allocator_may_return_null=1"; }
DEFAULT_OPTIONS(__asan_default_options)
DEFAULT_OPTIONS(__tsan_default_options)
#endif

static test_case *all;
static int n_failures; /* of the running test */
static bool skipped;
static char tmp_root[64], tmp_dir[96], build_dir[PATH_MAX], source_dir[PATH_MAX];

void test_register(test_case *t) {
    t->next = all;
    all = t;
}

const char *test_tmpdir(void) { return tmp_dir; }

const char *test_path(const char *name) {
    static char path[4][4096];
    static int k;
    k = (k + 1) % 4;
    snprintf(path[k], sizeof path[k], "%s/%s", tmp_dir, name);
    return path[k];
}

int test_entries(const char *dir) {
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.';
    if (d) closedir(d);
    return n;
}
const char *test_build_dir(void) { return build_dir; }
const char *test_source_dir(void) { return source_dir; }
bool test_is_full(void) { return getenv("GLIMPSE_TEST_FULL") != NULL; }

bool test_is_slow_build(void) {
#ifdef TEST_SLOW_BUILD
    return true;
#else
    return false;
#endif
}

/* Few machines have a German locale: compile a small one, of our own, into the test's directory. */
bool test_use_comma_locale(void) {
    char command[1024], source[160];
    snprintf(source, sizeof source, "%s/comma", tmp_dir);
    FILE *f = fopen(source, "w");
    if (!f) return false;
    fputs("LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \".\"\ngrouping 3;3\nEND LC_NUMERIC\n", f);
    fclose(f);
    snprintf(command, sizeof command, "localedef -c -i %s %s/xx >/dev/null 2>&1", source, tmp_dir);
    if (system(command) < 0) return false;
    setenv("LOCPATH", tmp_dir, 1);
    return setlocale(LC_ALL, "xx") && strcmp(localeconv()->decimal_point, ",") == 0;
}

/* === What the macros report === */
bool test_check(bool ok, const char *file, int line, const char *fmt, ...) {
    if (ok) return true;
    n_failures++;
    va_list args;
    va_start(args, fmt);
    printf("  %s:%d: ", file, line);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
    fflush(stdout);
    return false;
}

bool test_check_eq(long long a, long long b, const char *as, const char *bs, const char *file, int line) {
    return test_check(a == b, file, line, "%s == %s: %lld, %lld", as, bs, a, b);
}

bool test_check_str(const char *a, const char *b, const char *as, const char *bs, const char *file, int line) {
    bool same = a && b ? strcmp(a, b) == 0 : a == b;
    return test_check(same, file, line, "%s == %s:\n    \"%s\"\n    \"%s\"", as, bs, a ? a : "(NULL)", b ? b : "(NULL)");
}

bool test_check_near(double a, double b, double tol, const char *as, const char *bs, const char *file, int line) {
    bool near = a == b || fabs(a - b) <= tol; /* false for NaN */
    return test_check(near, file, line, "%s ~ %s: %.17g, %.17g, apart %.3g, allowed %.3g", as, bs, a, b, fabs(a - b), tol);
}

bool test_check_order(double a, double b, bool less, const char *text, const char *file, int line) {
    return test_check(less ? a < b : a <= b, file, line, "%s: %.17g, %.17g", text, a, b);
}

bool test_check_mem(const void *a, const void *b, size_t n, const char *text, const char *file, int line) {
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return test_check(false, file, line, "%s differ at byte %zu of %zu: %02x, %02x", text, i, n, x[i], y[i]);
    return true;
}

bool test_check_ok(glimpse_status st, const char *text, const char *file, int line) {
    return test_check(st >= 0, file, line, "%s: status %d: %s (%s)", text, (int)st, status_text(), status_where());
}

bool test_check_err(glimpse_status st, int code, const char *part, const char *text, const char *file, int line) {
    if (!test_check((int)st == code, file, line, "%s: status %d, expected %d: %s", text, (int)st, code, status_text()))
        return false;
    return test_check(!part || strstr(status_text(), part), file, line, "%s: the error \"%s\" has no \"%s\"", text,
                      status_text(), part ? part : "");
}

void test_skip(const char *reason, const char *file, int line) {
    (void)file, (void)line;
    skipped = true;
    printf("%s\n", reason);
}

/* === One test === */
static void remove_tree(const char *path) {
    DIR *d = opendir(path);
    if (d) {
        for (struct dirent *e; (e = readdir(d));) {
            char *child = NULL;
            if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
            if (asprintf(&child, "%s/%s", path, e->d_name) < 0) continue;
            if (e->d_type == DT_DIR) remove_tree(child);
            else unlink(child);
            free(child);
        }
        closedir(d);
    }
    rmdir(path);
}

/* A script of tests/checks/ stands in the list with no function; its exit code follows the same rules. */
static void run_script(const char *file) {
    setenv("B", build_dir, 1);
    setenv("TMP", tmp_dir, 1);
    execl("/bin/sh", "sh", file, (char *)NULL);
    printf("cannot run %s: %s\n", file, strerror(errno));
}

static int run_here(const test_case *t) {
    n_failures = 0;
    skipped = false;
    if (t->run) t->run();
    else {
        run_script(t->file);
        n_failures++;
    }
    test_fail_alloc(0);
    fflush(stdout);
    return n_failures ? EXIT_FAILED : skipped ? EXIT_SKIPPED : 0;
}

typedef struct job {
    const test_case *t;
    pid_t pid;
    int out; /* memfd that takes stdout and stderr */
    double started, used_s; /* used_s: counts against the limit */
    bool timed_out;
    int number, tries;
    char dir[96];
} job;

static void make_dir(char dir[96], int number) {
    snprintf(dir, 96, "%s/%d", tmp_root, number);
    if (mkdir(dir, 0700) < 0) perror(dir);
}

static bool start(job *j, const test_case *t, int number, int tries) {
    *j = (job){.t = t, .out = memfd_create("test", MFD_CLOEXEC), .started = monotonic_s(), .number = number, .tries = tries};
    make_dir(j->dir, number);
    fflush(NULL);
    pid_t parent = getpid();
    j->pid = fork();
    if (j->pid < 0) {
        perror("fork");
        return false;
    }
    if (j->pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(EXIT_FAILED);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        memcpy(tmp_dir, j->dir, sizeof tmp_dir);
        dup2(j->out, 1);
        dup2(j->out, 2);
        int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
        dup2(in, 0);
        int code = run_here(t);
        exit(code); /* not _exit: a leak is looked for at exit under MODE=asan */
    }
    setpgid(j->pid, j->pid);
    return true;
}

typedef struct totals {
    int passed, failed, skipped;
} totals;

static void show_output(int fd) {
    char bytes[4096];
    off_t at = 0, size = lseek(fd, 0, SEEK_END);
    if (size > 20000) {
        printf("  [the last 20000 bytes]\n");
        at = size - 20000;
    }
    for (ssize_t n; (n = pread(fd, bytes, sizeof bytes, at)) > 0; at += n) fwrite(bytes, 1, (size_t)n, stdout);
}

static void show_result(const char *word, const test_case *t, int code, const char *why, int out, double seconds) {
    printf("%s %s (%s, %.1f s)%s\n", word, t->name, t->file, seconds, why);
    if (out >= 0 && code != 0) show_output(out);
    fflush(stdout);
}

static void report(totals *sum, const test_case *t, int code, const char *why, int out, double seconds) {
    if (code == 0) sum->passed++;
    else if (code == EXIT_SKIPPED) sum->skipped++;
    else sum->failed++;
    if (code == 0 && !getenv("V")) return;
    show_result(code == 0 ? "pass" : code == EXIT_SKIPPED ? "skip" : "FAIL", t, code, why, out, seconds);
}

/* False: it ran in vain, and has another chance. */
static bool finish(job *j, int status, totals *sum) {
    char why[96] = "";
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
    if (j->timed_out) snprintf(why, sizeof why, ": killed after its limit of %d s", j->t->limit_s), code = EXIT_FAILED;
    else if (WIFSIGNALED(status)) snprintf(why, sizeof why, ": died of %s", strsignal(WTERMSIG(status)));
    else if (code != 0 && code != EXIT_FAILED && code != EXIT_SKIPPED) snprintf(why, sizeof why, ": exit code %d", code);
    kill(-j->pid, SIGKILL); /* what it left running */
    const double seconds = monotonic_s() - j->started;
    const bool again = j->t->timed && code == EXIT_FAILED && j->tries < CHANCES;
    if (again) show_result("once more:", j->t, code, why, j->out, seconds);
    else report(sum, j->t, code, why, j->out, seconds);
    close(j->out);
    remove_tree(j->dir);
    j->pid = 0;
    return !again;
}

/* How much of its time a process that wants to run gets here, from what the kernel counts as runnable now.  A limit is there for
 * what hangs: on a machine that others keep busy it is as much longer. */
static double share_of_machine(void) {
    double share = 1;
    int runnable;
    FILE *f = fopen("/proc/loadavg", "r");
    if (f && fscanf(f, "%*s %*s %*s %d/", &runnable) == 1 && runnable > cpu_count()) share = (double)cpu_count() / runnable;
    if (f) fclose(f);
    return share < 0.05 ? 0.05 : share;
}

static void run_parallel(test_case **list, int next, int n, int n_jobs, totals *sum) {
    double counted = monotonic_s(), share = 1;
    job jobs[MAX_JOBS] = {0};
    int live = 0;
    while (next < n || live > 0) {
        for (int i = 0; i < n_jobs && next < n; i++) {
            if (jobs[i].pid) continue;
            if (start(&jobs[i], list[next], next, 1)) live++;
            else sum->failed++, jobs[i].pid = 0;
            next++;
        }
        bool ended = false;
        double passed = monotonic_s() - counted;
        if (passed > 0.2) {
            counted += passed;
            share = share_of_machine();
        } else passed = 0;
        for (int i = 0; i < n_jobs; i++) {
            int status;
            if (!jobs[i].pid) continue;
            jobs[i].used_s += passed * share;
            if (waitpid(jobs[i].pid, &status, WNOHANG) == jobs[i].pid) {
                ended = true;
                if (finish(&jobs[i], status, sum)) live--;
                else if (!start(&jobs[i], jobs[i].t, jobs[i].number, jobs[i].tries + 1)) sum->failed++, jobs[i].pid = 0, live--;
            } else if (jobs[i].used_s > jobs[i].t->limit_s && !jobs[i].timed_out) {
                jobs[i].timed_out = true;
                kill(-jobs[i].pid, SIGKILL);
            }
        }
        if (!ended) usleep(2000);
    }
}

/* By name; those that ask a clock behind all others. */
static int by_name(const void *a, const void *b) {
    const test_case *x = *(test_case *const *)a, *y = *(test_case *const *)b;
    return x->timed != y->timed ? x->timed - y->timed : strcmp(x->name, y->name);
}

/* tests/checks/NAME.sh becomes the test check_NAME. */
static void register_scripts(void) {
    DIR *d = opendir("tests/checks");
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n < 4 || strcmp(e->d_name + n - 3, ".sh")) continue;
        test_case *t = calloc(1, sizeof *t);
        char *name = NULL, *file = NULL;
        if (!t || asprintf(&name, "check_%.*s", (int)n - 3, e->d_name) < 0 ||
            asprintf(&file, "tests/checks/%s", e->d_name) < 0)
            abort();
        *t = (test_case){name, file, NULL, 180, false, NULL};
        test_register(t);
    }
    closedir(d);
}

int main(int argc, char **argv) {
    const char *filter = getenv("T"), *jobs = getenv("J");
    int64_t n_jobs = 0;
    totals sum = {0};
    int n = 0, kept = 0;
    if (argc > 1) filter = argv[1];
    if (!getcwd(source_dir, sizeof source_dir) || !realpath(argv[0], build_dir)) return EXIT_FAILED;
    for (int up = 0; up < 2; up++) *strrchr(build_dir, '/') = 0; /* build/MODE/tests/runner */
    snprintf(tmp_root, sizeof tmp_root, "/tmp/glimpse-test-XXXXXX");
    if (!mkdtemp(tmp_root)) {
        perror(tmp_root);
        return EXIT_FAILED;
    }
    register_scripts();
    for (test_case *t = all; t; t = t->next) n++;
    test_case **list = calloc((size_t)n + 1, sizeof *list);
    if (!list) return EXIT_FAILED;
    for (test_case *t = all; t; t = t->next) {
        if (filter && *filter && !strstr(t->name, filter)) continue;
        if (test_is_slow_build()) t->limit_s *= 4;
        list[kept++] = t;
    }
    qsort(list, (size_t)kept, sizeof *list, by_name);
    for (int i = 1; i < kept; i++)
        if (!strcmp(list[i]->name, list[i - 1]->name)) {
            printf("two tests are called %s: %s and %s\n", list[i]->name, list[i - 1]->file, list[i]->file);
            sum.failed++;
        }
    if (jobs) parse_i64(jobs, strlen(jobs), &n_jobs);
    if (n_jobs < 1) n_jobs = cpu_count();
    if (n_jobs > MAX_JOBS) n_jobs = MAX_JOBS;
    if (getenv("NOFORK")) {
        for (int i = 0; i < kept; i++) {
            if (!list[i]->run) continue; /* a script replaces the process it runs in */
            make_dir(tmp_dir, i);
            double started = monotonic_s();
            report(&sum, list[i], run_here(list[i]), "", -1, monotonic_s() - started);
            remove_tree(tmp_dir);
        }
    } else {
        int timed = 0;
        while (timed < kept && list[kept - 1 - timed]->timed) timed++;
        run_parallel(list, 0, kept - timed, (int)n_jobs, &sum);
        run_parallel(list, kept - timed, kept, 1, &sum);
    }
    remove_tree(tmp_root);
    if (kept == 0) printf("no test is called like \"%s\"\n", filter ? filter : "");
    printf("%d passed, %d failed", sum.passed, sum.failed);
    if (sum.skipped) printf(", %d skipped", sum.skipped);
    printf("\n");
    free(list);
    return sum.failed || sum.passed + sum.skipped == 0 ? EXIT_FAILED : 0;
}
