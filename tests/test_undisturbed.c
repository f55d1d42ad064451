/* test_undisturbed.c -- the first promise on a real trainer: the same weights, optimizer state and losses, byte for byte,
 * with and without Glimpse, whatever goes wrong in it.  Runs build/MODE/train_gpt as a user would. */
#include "include/internal/buffer.h"
#include "include/internal/file.h"
#include "tests/faults.h"
#include "tests/worker_rig.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char small[] = "--layers 2 --heads 2 --channels 32 --context 64 --batch_size 4 --eval_batches 1";

/* Run the trainer in a directory of its own; what it says goes to `said`.  Returns its exit status. */
static int train(const char *name, const char *flags, int steps, int threads, int seed, char **dir, buffer *said) {
    buffer cmd = {0};
    *dir = path_join(test_tmpdir(), name);
    EXPECT_OK(mkdir_p(*dir));
    char *log = path_join(*dir, "said");
    buf_printf(&cmd, "cd '%s' && '%s/train_gpt' %s --seed %d --steps %d --threads %d --eval_interval 10 --out w --loss_log losses %s "
               ">said 2>&1 </dev/null", *dir, test_build_dir(), small, seed, steps, threads, flags);
    int rc = system(buf_str(&cmd));
    EXPECT_OK(file_read_all(log, 1 << 24, said));
    buf_free(&cmd);
    free(log);
    return rc;
}

static bool same_file(const char *a, const char *b, const char *name) {
    buffer x = {0}, y = {0};
    char *pa = path_join(a, name), *pb = path_join(b, name);
    if (EXPECT_OK(file_read_all(pa, 1 << 28, &x)) && EXPECT_OK(file_read_all(pb, 1 << 28, &y))) {
        test_check(x.n == y.n && x.n > 0, __FILE__, __LINE__, "%s: %zu and %zu bytes", name, x.n, y.n);
        if (x.n == y.n) EXPECT_MEM(x.bytes, y.bytes, x.n);
    }
    bool same = x.n == y.n && x.n > 0 && memcmp(x.bytes, y.bytes, x.n) == 0;
    buf_free(&x), buf_free(&y);
    free(pa), free(pb);
    return same;
}

static const char sampling[] = "--max_sample_tokens 24 --sample_each_eval --glimpse_num_samples 2 --sample_metrics";

/* Kills every worker of ours that it meets, by turns with SIGSEGV and SIGKILL, at random times. */
typedef struct killer {
    pthread_t thread;
    atomic_bool stop;
    int kills;
} killer;
static void *kill_workers(void *arg) {
    killer *k = arg;
    unsigned seed = 42;
    while (!k->stop) {
        seed = seed * 1664525 + 1013904223;
        nanosleep(&(struct timespec){0, 2000000 + (long)(seed >> 8) % 60000000}, NULL);
        pid_t pid;
        if (rig_workers(&pid, 1) > 0 && kill(pid, k->kills % 2 ? SIGKILL : SIGSEGV) == 0) k->kills++;
    }
    return NULL;
}

/* `seeds` runs without Glimpse, each beside the three modes: a pair each. */
static void pairs(int threads, int seeds) {
    static const struct {
        const char *name, *flags;
    } modes[] = { { "inline", "--glimpse_mode inline" }, { "worker", "--glimpse_close_timeout 3600" }, { "killed", "--glimpse_when_busy wait" } };
    int steps = test_is_full() ? 1000 : test_is_slow_build() ? 40 : 200, n = 0, equal = 0, kills = 0;
    rig_mark();
    for (int seed = 7; seed < 7 + seeds; seed++) {
        char *without, name[40], weights[40], state[40];
        buffer said = {0};
        c_snprintf(name, sizeof name, "without%d", seed);
        c_snprintf(weights, sizeof weights, "w/model_%08d.bin", steps);
        c_snprintf(state, sizeof state, "w/state_%08d.bin", steps);
        REQUIRE(train(name, "--no_glimpse", steps, threads, seed, &without, &said) == 0);
        for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
            char *with;
            killer k = {.stop = false};
            bool killed = !strcmp(modes[m].name, "killed");
            buffer flags = {0};
            buf_clear(&said);
            buf_printf(&flags, "%s %s", sampling, modes[m].flags);
            c_snprintf(name, sizeof name, "%s%d", modes[m].name, seed);
            if (killed) REQUIRE(pthread_create(&k.thread, NULL, kill_workers, &k) == 0);
            int rc = train(name, buf_str(&flags), steps, threads, seed, &with, &said);
            if (killed) {
                k.stop = true;
                pthread_join(k.thread, NULL);
                EXPECT_LE(1, k.kills);
                kills += k.kills;
            } else {
                EXPECT(strstr(buf_str(&said), "glimpse  step ")); /* it did sample */
            }
            test_check(rc == 0, __FILE__, __LINE__, "%s: exit status %d:\n%s", name, rc, buf_str(&said));
            bool same = same_file(without, with, "losses");
            same = same_file(without, with, weights) && same;
            same = same_file(without, with, state) && same;
            equal += same && rc == 0;
            n++;
            buf_free(&flags);
            free(with);
        }
        EXPECT(rig_wait_workers(0));
        buf_free(&said);
        free(without);
    }
    fault_row(equal == n, threads == 1 ? "undisturbed.1_thread" : "undisturbed.2_threads", "%d pairs of %d steps, an eval every 10: without "
              "Glimpse, inline, worker, worker killed (%d kills): %d with the same weights, optimizer and random state, losses", n, steps,
              kills, equal);
}

TEST_LIMIT(faults_undisturbed_one_thread, 2400) { pairs(1, test_is_full() ? 7 : 1); }
TEST_LIMIT(faults_undisturbed_two_threads, 2400) { pairs(2, test_is_full() ? 7 : 1); }

/* Whatever keeps Glimpse from sampling: training ends normally with the same bytes, and one line says why. */
TEST_LIMIT(undisturbed_by_failures, 240) {
    static const struct {
        const char *name, *flags, *line;
    } bad[] = {
        { "no_dir", "--max_sample_tokens 8 --glimpse_out_dir /proc/nowhere/x", "/proc/nowhere" },
        { "full", "--max_sample_tokens 8 --glimpse_out_dir /dev/full/x", "/dev/full" },
        { "text", "--max_sample_tokens 8 --sample_start_tokens '\xe2\x98\x83'", "cannot be encoded" },
        { "tokenizer", "--max_sample_tokens 8 --glimpse_tokenizer nowhere.bin", "nowhere.bin" },
        { "flag", "--max_sample_tokens -3", "max_sample_tokens" },
        { "unset", "", "--max_sample_tokens" },
    };
    char *without, *with;
    buffer said = {0};
    REQUIRE(train("none", "--no_glimpse", 40, 1, 7, &without, &said) == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf_clear(&said);
        int rc = train(bad[i].name, bad[i].flags, 40, 1, 7, &with, &said);
        if (!strcmp(bad[i].name, "flag")) { /* a bad flag is the trainer's to judge: it may stop before training */
            EXPECT(strstr(buf_str(&said), bad[i].line));
            free(with);
            continue;
        }
        test_check(rc == 0, __FILE__, __LINE__, "%s: exit status %d:\n%s", bad[i].name, rc, buf_str(&said));
        test_check(strstr(buf_str(&said), bad[i].line) != NULL, __FILE__, __LINE__, "%s: nothing says %s:\n%s", bad[i].name,
                   bad[i].line, buf_str(&said));
        same_file(without, with, "w/model_00000040.bin");
        free(with);
    }
    buf_free(&said);
    free(without);
}
