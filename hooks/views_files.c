/* views_files.c -- the views' files by their names: which of them are ours, what a killed writer left of them, how those of an
 * abandoned branch go, and how what was drawn beside a directory takes its place.  Called by views.c, session_journal.c, report.c. */
#include "hooks/review.h"
#include "hooks/views.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "viz/tensorboard.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool only_digits(const char *s, size_t n) { return n && strspn(s, "0123456789") >= n; }

/* p0_top_k_5_s0, as view_sample_name makes it. */
static bool is_sample_name(const char *s, size_t n) {
    size_t digits = n && s[0] == 'p' ? strspn(s + 1, "0123456789") : 0, tail = n;
    while (tail && s[tail - 1] >= '0' && s[tail - 1] <= '9') tail--;
    return digits && s[1 + digits] == '_' && tail < n && tail >= 2 && s[tail - 1] == 's' && s[tail - 2] == '_';
}

/* The length of a name without what file_write_atomic appends to it, .<pid>-<count>.tmp; 0 if it has nothing of the kind. */
static size_t before_temporary(const char *name) {
    size_t n = strlen(name);
    if (!ends_with(name, ".tmp")) return 0;
    n -= 4;
    for (int i = 0; i < 2; i++) {
        size_t digits = 0;
        while (digits < n && name[n - 1 - digits] >= '0' && name[n - 1 - digits] <= '9') digits++;
        n -= digits;
        if (!digits || !n || name[--n] != (i ? '.' : '-')) return 0;
    }
    return n;
}

/* A file that we write into an eval's folder (depth 0) or a sample's (depth 1). */
static bool is_our_file(const char *name, int depth) {
    size_t n = before_temporary(name);
    if (!n) n = strlen(name);
    if (depth == 0 && n == strlen("sample.txt") && !strncmp(name, "sample.txt", n)) return true;
    if (n < 5 || strncmp(name + n - 4, ".png", 4)) return false;
    if (depth == 0) return is_sample_name(name, n - 4);
    return !strcmp(name, "minmax.png") || (!strncmp(name, "token_", 6) && n > 10 && only_digits(name + 6, n - 10));
}

/* Remove what an earlier eval of the same step left: our own files by our own names, through no link, nothing else. */
static void clear_folder(const char *dir, int depth) {
    int fd = file_open_fd(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0) io.close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        char *path = path_join(dir, e->d_name);
        struct stat s;
        if (path && !lstat(path, &s)) {
            if (S_ISDIR(s.st_mode) && depth == 0 && is_sample_name(e->d_name, strlen(e->d_name))) {
                clear_folder(path, 1);
                rmdir(path);
            } else if (S_ISREG(s.st_mode) && is_our_file(e->d_name, depth))
                io.unlink(path);
        }
        free(path);
    }
    closedir(d);
}

void views_clear_folder(const char *dir) { clear_folder(dir, 0); }

void views_sweep(const char *dir) {
    for (int i = 0; i < 2; i++) {
        char *folder = i ? path_join(dir, "report") : strdup(dir);
        DIR *d = folder ? opendir(folder) : NULL;
        for (struct dirent *e; d && (e = readdir(d));) {
            if (!before_temporary(e->d_name)) continue;
            if (i == 0 && strncmp(e->d_name, "report.html.", 12) && strncmp(e->d_name, "evals.jsonl.", 12)) continue;
            char *path = path_join(folder, e->d_name);
            if (path) io.unlink(path);
            free(path);
        }
        if (d) closedir(d);
        free(folder);
    }
}

void views_forget(const char *dir, int64_t step) {
    static const struct {
        const char *folder, *end;
    } kinds[] = { { "evals", "" }, { "report", ".js" } };
    for (int i = 0; i < 2; i++) {
        char *folder = path_join(dir, kinds[i].folder);
        DIR *d = folder ? opendir(folder) : NULL;
        for (struct dirent *e; d && (e = readdir(d));) {
            size_t digits = strncmp(e->d_name, "step_", 5) ? 0 : strspn(e->d_name + 5, "-0123456789");
            int64_t at;
            if (!digits || strcmp(e->d_name + 5 + digits, kinds[i].end) || !parse_i64(e->d_name + 5, digits, &at) || at < step)
                continue;
            char *path = path_join(folder, e->d_name);
            if (path && i == 0) {
                clear_folder(path, 0);
                rmdir(path);
            } else if (path)
                io.unlink(path);
            free(path);
        }
        if (d) closedir(d);
        free(folder);
    }
}

/* --- drawn beside, then put in place ------------------------------------------------------------------------------- */

/* Remove a folder and all in it, through no link. */
static void remove_tree(const char *path) {
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char *inner = strcmp(e->d_name, ".") && strcmp(e->d_name, "..") ? path_join(path, e->d_name) : NULL;
        struct stat s;
        if (inner && !lstat(inner, &s)) {
            if (S_ISDIR(s.st_mode)) remove_tree(inner);
            else io.unlink(inner);
        }
        free(inner);
    }
    if (d) closedir(d);
    rmdir(path);
}

glimpse_status views_beside(const char *dir, char **out) {
    char *beside = path_join(dir, ".glimpse-redraw");
    if (!beside) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    views_beside_end(beside); /* of a report that was killed */
    glimpse_status st = mkdir_p(beside);
    if (st < 0) free(beside);
    else *out = beside;
    return st;
}

void views_beside_end(const char *beside) {
    struct stat s;
    if (!lstat(beside, &s) && S_ISDIR(s.st_mode)) remove_tree(beside);
}

static glimpse_status move_file(const char *from, const char *to) {
    if (!io.rename(from, to)) return GLIMPSE_OK;
    if (errno != EXDEV) FAIL(GLIMPSE_E_IO, "%s: %s", to, strerror(errno));
    buffer bytes = {0}; /* a folder of the directory is a link to another disk */
    glimpse_status st = file_read_all(from, (size_t)1 << 40, &bytes);
    if (st >= 0) st = file_write_atomic(to, bytes.bytes, bytes.n, false);
    buf_free(&bytes);
    return st;
}

/* All of a folder into another, file by file: over those of the same name, the rest of that folder stays. */
static glimpse_status move_all(const char *from, const char *to, int depth) {
    glimpse_status st = mkdir_p(to);
    DIR *d = st < 0 ? NULL : opendir(from);
    if (st >= 0 && !d) FAIL(GLIMPSE_E_IO, "%s cannot be listed: %s", from, strerror(errno));
    for (struct dirent *e; st >= 0 && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        char *inner = path_join(from, e->d_name), *target = path_join(to, e->d_name);
        if (!inner || !target) st = status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for a file name");
        else if (path_is_dir(inner)) {
            bool eval = depth == 1 && !strcmp(path_base(from), "evals");
            if (eval) views_clear_folder(target); /* what an earlier drawing left */
            st = move_all(inner, target, depth + 1);
            if (st >= 0) rmdir(target); /* if nothing is in it: an eval without samples */
        } else {
            if (depth == 0 && events_is_name(e->d_name)) st = review_remove_events(to);
            if (st >= 0) st = move_file(inner, target);
        }
        free(inner);
        free(target);
    }
    if (d) closedir(d);
    return st;
}

glimpse_status views_put_in_place(const char *beside, const char *dir) { return move_all(beside, dir, 0); }
