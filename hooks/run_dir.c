/* run_dir.c -- see run_dir.h. */
#define _GNU_SOURCE
#include "hooks/run_dir.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hooks/journal.h"
#include "hooks/journal_lines.h"
#include "include/internal/file.h"
#include "include/internal/flock_holder.h"
#include "include/internal/nearest.h"
#include "sampling/checkpoint/checkpoint.h"

enum { MOST_ENTRIES = 10000 };

static bool is_run(const char *dir) {
    char *path = path_join(dir, "evals.jsonl");
    bool is = path && path_is_file(path);
    free(path);
    return is;
}

/* The run in `among` whose name is nearest to `name`, "" = any; of equals the first by name. */
static char *nearest_run(const char *among, const char *name) {
    char *best = NULL;
    size_t n = strlen(name);
    int least = !n ? 1 : n < 5 ? 3 : (int)n * 2 / 5 + 2;
    DIR *d = opendir(among);
    struct dirent *e;
    for (int i = 0; d && i < MOST_ENTRIES && (e = readdir(d)); i++) {
        size_t bytes = strlen(e->d_name);
        int far = !n || (bytes < 60 && n < 60) ? !n ? 0 : edit_distance(name, n, e->d_name, bytes) : least;
        if (e->d_name[0] == '.' || far > least || (far == least && (!best || strcmp(path_base(best), e->d_name) < 0))) continue;
        char *path = strcmp(among, ".") ? path_join(among, e->d_name) : strdup(e->d_name);
        if (path && is_run(path)) {
            free(best);
            best = path;
            least = far;
        } else free(path);
    }
    if (d) closedir(d);
    return best;
}

char *run_dir_meant(const char *dir) {
    char *name = strndup(dir, path_bytes(dir)), *above = name ? path_dir(name) : NULL;
    char *meant = path_is_dir(dir) ? nearest_run(dir, "") : above ? nearest_run(above, path_base(name)) : NULL;
    free(name);
    free(above);
    return meant;
}

glimpse_status run_dir_check(const char *dir, const char *command) {
    if (path_is_dir(dir)) return GLIMPSE_OK;
    if (path_exists(dir)) FAIL(GLIMPSE_E_INVALID, "%s is no directory\nhint: `glimpse %s DIR` takes the out_dir of a run", dir, command);
    char *meant = run_dir_meant(dir);
    if (meant) status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s: there is no such directory\nhint: did you mean %s?", dir, meant);
    else
        status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s: there is no such directory\nhint: `glimpse %s DIR` takes the out_dir of a run", dir,
                    command);
    free(meant);
    return GLIMPSE_E_IO;
}

glimpse_status run_dir_check_begun(const char *dir, const char *command) {
    TRY(run_dir_check(dir, command));
    if (is_run(dir)) return GLIMPSE_OK;
    char *meant = run_dir_meant(dir);
    if (meant) status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s: there is no run, it holds no evals.jsonl\nhint: %s is one", dir, meant);
    else
        status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s: there is no run, it holds no evals.jsonl\nhint: `glimpse follow %s` waits for one", dir,
                    dir);
    free(meant);
    return GLIMPSE_E_IO;
}

/* When the journal of training began; 0 = there is none. */
static int64_t begun(const char *journal) {
    file f = FILE_INIT;
    int64_t seconds = path_is_file(journal) && file_open_read(journal, &f) >= 0 ? lines_began(&f, "train") : 0;
    file_close(&f);
    return seconds;
}

/* Why the highest step may not be this run's, though nothing is there that surely is (a copy of a directory has the dates of the
 * copy): false where there is no doubt. */
static bool is_doubtful(const char *found, int64_t since, const char *journal, buffer *why) {
    struct stat s;
    int64_t step = checkpoint_step(found), last, before;
    if (!since || step < 0) return false;
    if (stat(found, &s) == 0 && s.st_mtim.tv_sec < since) {
        buf_printf(why, "it was written before the run in %s began", journal);
        return true;
    }
    journal_last_steps(journal, &last, &before);
    if (before < 0 || step <= last + (last - before)) return false; /* written after the last eval, before the next */
    buf_printf(why, "the last eval of the run in %s is of step %lld", journal, (long long)last);
    return true;
}

glimpse_status run_dir_checkpoint(const char *path, char **found, buffer *told) {
    glimpse_status st = GLIMPSE_OK;
    char *further = NULL, *journal = path_join(path, "evals.jsonl");
    buffer why = {0};
    if (!journal) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    const int64_t since = path_is_dir(path) ? begun(journal) : 0;
    TRY_GOTO(checkpoint_find_since(path, since, found, &further));
    if (told && further)
        buf_printf(told, "glimpse: %s is taken, of the run in %s; %s is an older run's\nhint: --checkpoint names another", *found, journal, further);
    else if (told && is_doubtful(*found, since, journal, &why))
        buf_printf(told, "glimpse: %s is taken, the highest step there; it may be an older run's: %s\nhint: --checkpoint names another", *found, buf_str(&why));
out:
    buf_free(&why);
    free(further);
    free(journal);
    return st;
}

run_writer run_dir_writer(const char *dir) {
    struct stat s;
    buffer b = {0};
    run_writer who = WRITER_NONE;
    pid_t holder = stat(dir, &s) == 0 ? flock_holder(&s, &b) : 0;
    if (holder) who = WRITER_RUN;
    if (holder && proc_read_of(holder, "cmdline", &b)) {
        const char *second = buf_str(&b) + strlen(buf_str(&b)) + 1; /* of the words, each with its NUL */
        if (second < buf_str(&b) + b.n && !strcmp(second, "report")) who = WRITER_REPORT;
    }
    buf_free(&b);
    return who;
}
