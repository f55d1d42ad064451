/* fuzz_lines.c -- any bytes as a task's JSON lines, as llm.c's HellaSwag tokens, and as --dataset of every kind. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hooks/dataset.h"
#include "hooks/tasks/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static size_t sum;
static void walk(void *user, const int32_t *symbols, size_t n) {
    (void)user;
    for (size_t i = 0; i < n; i++) sum += (size_t)symbols[i];
}

static void as_dataset(const char *path, int32_t vocab) {
    dataset *d;
    double share;
    if (dataset_open(path, vocab, &d) < 0) return;
    for (int step = 0; step < 2; step++) {
        buffer ids = {0}, text = {0};
        (void)dataset_slice(d, NULL, 1, step, 20, &ids, &text);
        if (ids.n % sizeof(int32_t) || ids.n > 20 * sizeof(int32_t)) abort();
        buf_free(&ids);
        buf_free(&text);
    }
    if (dataset_walk(d, 1 << 16, walk, NULL, &share) >= 0 && !(share > 0 && share <= 1)) abort();
    dataset_close(d);
}

static void as_task(const char *path) {
    json_lines l;
    if (json_lines_read(path, &l) < 0) return;
    for (int k = 0; k <= n_task_kinds; k++) {
        arena *a = arena_new();
        if (!a) break;
        task_kind own = k < n_task_kinds ? task_kinds[k] : (task_kind){.name = "own", .output = TASK_CHOICE, .read = task_read_user};
        for (int32_t i = 0; i < l.n && i < 64; i++) {
            task_doc d = {0};
            if (own.read(&own, &l, i, a, &d) < 0) continue;
            if (own.output == TASK_CHOICE && (d.gold < 0 || d.gold >= d.n_choices)) abort();
            for (int32_t c = 0; c < d.n_choices; c++)
                if (d.choices && !d.choices[c].s) abort();
            buffer b = {0};
            json_dump(l.lines[i].tree.nodes, 2, &b);
            if (own.added) own.added(&d, 2, &b);
            buf_free(&b);
        }
        arena_free(a);
    }
    json_lines_free(&l);
}

static void as_llmc(const char *path) {
    arena *a = arena_new();
    task_doc *d = NULL;
    int32_t n;
    char sha256[SHA256_HEX];
    if (a && task_read_llmc(path, a, &d, &n, sha256) >= 0)
        for (int32_t i = 0; i < n; i++) {
            int32_t at = 0;
            for (int32_t c = 0; c <= d[i].n_choices; c++)
                for (int32_t k = 0; k < d[i].n_ids[c]; k++) sum += (size_t)d[i].ids[at++];
        }
    arena_free(a);
}

/* What a data set is is told by its name's end: links of that name to the bytes in memory. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static char dir[64];
    char target[64], path[128];
    static const char *const ends[] = {"a.jsonl", "a.bin", "a.txt"};
    if (!dir[0]) {
        snprintf(dir, sizeof dir, "/tmp/fuzz_lines.XXXXXX");
        if (!mkdtemp(dir)) abort();
    }
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) abort();
    snprintf(target, sizeof target, "/proc/self/fd/%d", fd);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, ends[i]);
        if (symlink(target, path)) abort();
        as_dataset(path, 300);
        if (i == 1) as_dataset(path, 100000);
        if (i == 0) as_task(path);
        if (i == 1) as_llmc(path);
        unlink(path);
    }
    rmdir(dir);
    dir[0] = 0;
    close(fd);
    return 0;
}
