/* save.c -- a directory or a file that is whole or not there at all (save.h). */
#define _GNU_SOURCE
#include "sampling/checkpoint/save.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "sampling/model/names.h"

/* A directory that we made: flat. */
static void remove_directory(const char *path) {
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char *file = e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.') ? NULL : path_join(path, e->d_name);
        if (file) io.unlink(file);
        free(file);
    }
    if (d) closedir(d);
    rmdir(path);
}

/* A link is nobody's to follow: what it leads to may be all that is left of something. */
static bool is_link(const char *path) {
    struct stat s;
    return !lstat(path, &s) && S_ISLNK(s.st_mode);
}

bool save_remove(const char *path) {
    if (is_link(path)) return false;
    if (path_is_dir(path)) remove_directory(path);
    else io.unlink(path);
    return !path_exists(path);
}

static bool span_ends_with(const char *s, size_t n, const char *end) {
    size_t e = strlen(end);
    return n > e && !memcmp(s + n - e, end, e);
}

/* A name that a save writes, token_files.c among it; *weights, *config are set where it is one of those. */
static bool is_of_a_save(const char *name, size_t n, bool *weights, bool *config) {
    static const char *const names[] = {"config.json", "generation_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
                                        "merges.txt", "chat_template.jinja", "tokenizer.json", "tokenizer_config.json", "tekken.json", "meta.pkl",
                                        "tokenizer.model", "spiece.model", "sentencepiece.model", "tokenizer.bin", "gpt2_tokenizer.bin"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (n == strlen(names[i]) && !memcmp(name, names[i], n)) {
            *config |= i == 0;
            return true;
        }
    if (n > 5 && !memcmp(name, "model", 5) && span_ends_with(name, n, ".safetensors")) return *weights = true;
    return span_ends_with(name, n, ".safetensors.index.json") || span_ends_with(name, n, ".tiktoken");
}

/* Does a directory hold regular files of a save's names alone?  `whole`: with config.json and weights, or nothing at all; else
 * also what a save that was killed left (file_write_atomic's NAME.PID-COUNT.tmp). */
static glimpse_status check_directory(const char *path, bool whole) {
    glimpse_status st = GLIMPSE_OK;
    bool weights = false, config = false, empty = true;
    DIR *d = opendir(path);
    if (!d) FAIL(GLIMPSE_E_IO, "%s cannot be looked through (%s): it is not replaced", path, strerror(errno));
    for (struct dirent *e; st >= 0 && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        struct stat s;
        size_t n = strlen(e->d_name);
        if (!whole && span_ends_with(e->d_name, n, ".tmp")) {
            n -= 4;
            while (n && strchr("0123456789-", e->d_name[n - 1])) n--;
            n -= n && e->d_name[n - 1] == '.';
        }
        char *file = path_join(path, e->d_name);
        bool known = file && is_of_a_save(e->d_name, n, &weights, &config) && !lstat(file, &s) && S_ISREG(s.st_mode);
        free(file);
        empty = false;
        if (!known)
            st = status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s holds %.100s, which is none of the files that are written here: it is not "
                             "replaced\nhint: name another, or remove it first", path, e->d_name);
    }
    closedir(d);
    if (st >= 0 && whole && !empty && !(weights && config))
        FAIL(GLIMPSE_E_IO, "%s holds no %s and so is no checkpoint of the kind that is written here: it is not replaced\n"
             "hint: name another, or remove it first", path, config ? "model.safetensors" : "config.json");
    return st;
}

bool save_remove_checkpoint(const char *path) {
    return !is_link(path) && path_is_dir(path) && check_directory(path, true) >= 0 && save_remove(path);
}

/* May `path` give way (--force)?  A checkpoint of the same form may, a directory of anything else, a link and a device may not. */
static glimpse_status check_replaceable(const char *path, bool llmc) {
    struct stat s;
    if (lstat(path, &s)) return GLIMPSE_OK;
    if (S_ISLNK(s.st_mode)) FAIL(GLIMPSE_E_IO, "%s is a link, and what it leads to is not replaced\nhint: name another, or remove the link", path);
    if (llmc || !S_ISDIR(s.st_mode)) {
        if (llmc && S_ISREG(s.st_mode)) return GLIMPSE_OK;
        FAIL(GLIMPSE_E_IO, "%s is %s, and a %s is to be written there: it is not replaced\nhint: name another, or remove it first", path,
             S_ISDIR(s.st_mode) ? "a directory" : S_ISREG(s.st_mode) ? "a file" : "neither file nor directory", llmc ? "file" : "directory");
    }
    return check_directory(path, true);
}

/* Is `input`, or what it links to, `path` or in it? */
static bool lies_inside(const char *input, const char *path) {
    char in[PATH_MAX], out[PATH_MAX];
    if (!realpath(path, out) || !realpath(input, in)) return false;
    size_t n = strlen(out);
    return !strncmp(in, out, n) && (!in[n] || in[n] == '/' || n == 1);
}

/* What is read must not be what gives way: itself, nor a file of a directory (through links, as a cache has them). */
static glimpse_status check_inputs(const char *path, const char *const inputs[3]) {
    bool inside = false;
    const char *which = "";
    for (int i = 0; i < 3 && !inside; i++) {
        if (!inputs[i]) continue;
        which = inputs[i];
        inside = lies_inside(which, path);
        DIR *d = inside || !path_is_dir(which) ? NULL : opendir(which);
        for (struct dirent *e; d && !inside && (e = readdir(d));) {
            char *file = strcmp(e->d_name, "..") ? path_join(which, e->d_name) : NULL;
            inside = file && lies_inside(file, path);
            free(file);
        }
        if (d) closedir(d);
    }
    if (inside)
        FAIL(GLIMPSE_E_IO, "%s is read, and %s, which would give way, is or holds it: it is not replaced\nhint: name another path for what is "
             "written", which, path);
    return GLIMPSE_OK;
}

static glimpse_status write_weights(const model *m, const char *path, const save_request *rq) {
    glimpse_status st = GLIMPSE_OK;
    tensor_list l = {0};
    buffer head = {0};
    save_file f = {.fd = -1};
    int64_t at = 0;
    TRY_GOTO(save_list(m, rq->dtype, &l));
    buf_puts(&head, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int32_t i = 0; i < l.n; i++) {
        const saved_tensor *t = &l.t[i];
        buf_printf(&head, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%lld", t->name, save_dtype_name(t->dtype), (long long)t->dims[0]);
        if (t->dims[1]) buf_printf(&head, ",%lld", (long long)t->dims[1]);
        buf_printf(&head, "],\"data_offsets\":[%lld,%lld]}", (long long)at, (long long)(at + save_bytes(t)));
        at += save_bytes(t);
    }
    buf_puts(&head, "}");
    while (head.n % 8) buf_putc(&head, ' '); /* the data begins at a multiple of 8 */
    if (buf_failed(&head)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a list of tensors");
    unsigned char size[8];
    for (int i = 0; i < 8; i++) size[i] = (unsigned char)((uint64_t)head.n >> 8 * i);
    TRY_GOTO(save_open(path, at + (int64_t)head.n + 8, rq, &f));
    TRY_GOTO(save_put(&f, size, sizeof size));
    TRY_GOTO(save_put(&f, head.bytes, head.n));
    for (int32_t i = 0; i < l.n; i++) TRY_GOTO(save_put_tensor(&f, &l.t[i]));
out:
    st = save_close(&f, st);
    buf_free(&head);
    free(l.t);
    return st;
}

/* *lock: a descriptor of the directory, held until it is in its place (save_sweep); -1 = there are no locks here. */
static glimpse_status write_directory(const model *m, const char *dir, const save_request *rq, int *lock) {
    glimpse_status st = GLIMPSE_OK;
    buffer config = {0};
    char *path = NULL;
    TRY_GOTO(save_config(m, rq->dtype, &config)); /* what cannot be said is refused before a byte is written */
    if (io.mkdir(dir, 0777) != 0) FAIL_GOTO(GLIMPSE_E_IO, "%s cannot be made: %s", dir, strerror(errno));
    if ((*lock = file_open_fd(dir, O_RDONLY)) >= 0) flock(*lock, LOCK_EX | LOCK_NB);
    if (!(path = path_join(dir, "model.safetensors"))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
    TRY_GOTO(write_weights(m, path, rq));
    free(path);
    if (!(path = path_join(dir, "config.json"))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
    TRY_GOTO(file_write_atomic(path, config.bytes, config.n, true));
    TRY_GOTO(token_files_write(rq->beside, dir));
    st = dir_sync(dir);
out:
    buf_free(&config);
    free(path);
    return st;
}

static int exchange(const char *a, const char *b) { return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE); }
int (*save_exchange)(const char *a, const char *b) = exchange;

static glimpse_status put_in_place(const char *made, const char *path, const char *aside, const char *parent) {
    bool there = path_exists(path);
    if (there && path_is_dir(path)) {
        if (save_exchange(made, path) == 0) {
            TRY(dir_sync(parent));
            save_remove_checkpoint(made); /* the old one */
            return GLIMPSE_OK;
        }
        if (io.rename(path, aside) != 0) FAIL(GLIMPSE_E_IO, "%s cannot be set aside: %s", path, strerror(errno));
    }
    if (io.rename(made, path) != 0) {
        int err = errno;
        if (there && path_is_dir(aside)) io.rename(aside, path);
        FAIL(GLIMPSE_E_IO, "%s cannot be put in its place: %s", path, strerror(err));
    }
    TRY(dir_sync(parent));
    if (there) save_remove_checkpoint(aside);
    return GLIMPSE_OK;
}

/* === What killed processes left === */
/* The process of "NAME.tmp-PID" or (*aside) "NAME.old-PID" and the length of NAME; 0 = no such name. */
static long left_by(const char *name, size_t *n, bool *aside) {
    const char *dash = strrchr(name, '-');
    int64_t pid;
    if (!dash || dash - name < 5 || !parse_i64(dash + 1, strlen(dash + 1), &pid) || pid < 1 || pid > INT32_MAX) return 0;
    *aside = !strncmp(dash - 4, ".old", 4);
    *n = (size_t)(dash - 4 - name);
    return *aside || !strncmp(dash - 4, ".tmp", 4) ? (long)pid : 0;
}

/* Who writes a directory holds a lock on it, which tells also where process numbers do not (another container). */
static bool abandoned(const char *path, long pid) {
    if (kill((pid_t)pid, 0) == 0 || errno != ESRCH) return false;
    int fd = file_open_fd(path, O_RDONLY | O_NOFOLLOW);
    bool is = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0) io.close(fd);
    return is;
}

void save_sweep(const char *path) {
    char *parent = path_dir(path);
    const char *base = path_base(path);
    bool steps = checkpoint_step(base) >= 0;
    DIR *d = parent ? opendir(parent) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t n;
        bool aside;
        long pid = left_by(e->d_name, &n, &aside);
        if (!pid) continue;
        char *left = path_join(parent, e->d_name), *whole = left ? strndup(left, strlen(left) - strlen(e->d_name) + n) : NULL;
        bool ours = whole && ((n == strlen(base) && !strncmp(e->d_name, base, n)) || (steps && checkpoint_step(whole) >= 0));
        if (ours && !is_link(left) && abandoned(left, pid)) {
            if (aside && !path_exists(whole)) io.rename(left, whole);
            else if (!path_is_dir(left) || check_directory(left, false) >= 0) save_remove(left);
        }
        free(left);
        free(whole);
    }
    if (d) closedir(d);
    free(parent);
}

bool save_is_llmc(const save_request *rq) {
    size_t n = strlen(rq->path);
    while (n > 1 && rq->path[n - 1] == '/') n--;
    return rq->format == SAVE_LLMC || (rq->format == SAVE_BY_NAME && n > 4 && !strncmp(rq->path + n - 4, ".bin", 4));
}

glimpse_status model_save(const model *m, const save_request *rq) {
    glimpse_status st = GLIMPSE_OK;
    size_t n = strlen(rq->path);
    while (n > 1 && rq->path[n - 1] == '/') n--;
    char *path = strndup(rq->path, n), *made = NULL, *aside = NULL, *parent = path ? path_dir(path) : NULL;
    bool llmc = save_is_llmc(rq);
    int lock = -1;
    if (!parent || asprintf(&made, "%s.tmp-%ld", path, (long)getpid()) < 0 || asprintf(&aside, "%s.old-%ld", path, (long)getpid()) < 0)
        FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
    save_sweep(path);
    if (!rq->replace && path_exists(path))
        FAIL_GOTO(GLIMPSE_E_IO, "%s is there already\nhint: name another, or replace it with --force", path);
    TRY_GOTO(check_replaceable(path, llmc));
    TRY_GOTO(check_inputs(path, rq->inputs));
    TRY_GOTO(mkdir_p(parent));
    save_remove(made); /* of a process with our number that was killed */
    st = llmc ? save_llmc(m, made, rq) : write_directory(m, made, rq, &lock);
    if (st >= 0) st = put_in_place(made, path, aside, parent);
    if (st < 0) save_remove(made);
out:
    if (lock >= 0) io.close(lock);
    free(path);
    free(made);
    free(aside);
    free(parent);
    return st;
}
