/* save.c -- a directory or a file that is whole or not there at all (save.h). */
#define _GNU_SOURCE
#include "sampling/checkpoint/save.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "sampling/model/names.h"

enum { MAX_TOKENIZER = 256 << 20 };

static const char *const tokenizer_files[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                              "generation_config.json", "vocab.json", "merges.txt", "added_tokens.json",
                                              "chat_template.jinja", "tokenizer.model"};

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

/* May `path` give way (--force)?  A checkpoint of the same form may, a directory of anything else, a link and a device may not. */
static glimpse_status check_replaceable(const char *path, bool llmc) {
    static const char *const ends[] = { ".json", ".safetensors", ".bin", ".model", ".txt", ".tiktoken", ".pkl", ".gguf", ".jinja" };
    glimpse_status st = GLIMPSE_OK;
    struct stat s;
    if (lstat(path, &s)) return GLIMPSE_OK;
    if (S_ISLNK(s.st_mode)) FAIL(GLIMPSE_E_IO, "%s is a link, and what it leads to is not replaced\nhint: name another, or remove the link", path);
    if (llmc || !S_ISDIR(s.st_mode)) {
        if (llmc && S_ISREG(s.st_mode)) return GLIMPSE_OK;
        FAIL(GLIMPSE_E_IO, "%s is %s, and a %s is to be written there: it is not replaced\nhint: name another, or remove it first", path,
             S_ISDIR(s.st_mode) ? "a directory" : S_ISREG(s.st_mode) ? "a file" : "neither file nor directory", llmc ? "file" : "directory");
    }
    DIR *d = opendir(path);
    for (struct dirent *e; d && st >= 0 && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        size_t n = strlen(e->d_name);
        bool known = false;
        for (size_t i = 0; i < sizeof ends / sizeof *ends && !known; i++)
            known = n > strlen(ends[i]) && !strcmp(e->d_name + n - strlen(ends[i]), ends[i]);
        char *file = path_join(path, e->d_name);
        known = known && file && !lstat(file, &s) && S_ISREG(s.st_mode);
        free(file);
        if (!known)
            st = status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s holds %.100s, which no checkpoint does: it is not replaced\nhint: name "
                             "another, or remove it first", path, e->d_name);
    }
    if (d) closedir(d);
    return st;
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

static glimpse_status copy_file(const char *from, const char *dir, const char *name) {
    glimpse_status st = GLIMPSE_OK;
    buffer b = {0};
    char *to = path_join(dir, name);
    if (!to) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
    TRY_GOTO(file_read_all(from, MAX_TOKENIZER, &b));
    st = file_write_atomic(to, b.n ? b.bytes : "", b.n, true);
out:
    buf_free(&b);
    free(to);
    return st;
}

static glimpse_status copy_tokenizer(const char *from, const char *dir) {
    if (!from) return GLIMPSE_OK;
    if (path_is_file(from)) { /* transformers finds it under this name alone */
        const char *base = path_base(from);
        size_t n = strlen(base);
        return copy_file(from, dir, n > 5 && !strcmp(base + n - 5, ".json") ? "tokenizer.json" : base);
    }
    for (size_t i = 0; i < sizeof tokenizer_files / sizeof *tokenizer_files; i++) {
        char *path = path_join(from, tokenizer_files[i]);
        if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
        glimpse_status st = path_is_file(path) ? copy_file(path, dir, tokenizer_files[i]) : GLIMPSE_OK;
        free(path);
        TRY(st);
    }
    return GLIMPSE_OK;
}

static glimpse_status write_directory(const model *m, const char *dir, const save_request *rq) {
    glimpse_status st = GLIMPSE_OK;
    buffer config = {0};
    char *path = NULL;
    TRY_GOTO(save_config(m, rq->dtype, &config)); /* what cannot be said is refused before a byte is written */
    if (io.mkdir(dir, 0777) != 0) FAIL_GOTO(GLIMPSE_E_IO, "%s cannot be made: %s", dir, strerror(errno));
    if (!(path = path_join(dir, "model.safetensors"))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
    TRY_GOTO(write_weights(m, path, rq));
    free(path);
    if (!(path = path_join(dir, "config.json"))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
    TRY_GOTO(file_write_atomic(path, config.bytes, config.n, true));
    TRY_GOTO(copy_tokenizer(rq->tokenizer_from, dir));
    st = dir_sync(dir);
out:
    buf_free(&config);
    free(path);
    return st;
}

static glimpse_status put_in_place(const char *made, const char *path, const char *aside, const char *parent) {
    bool there = path_exists(path);
    if (there && path_is_dir(path) && io.rename(path, aside) != 0)
        FAIL(GLIMPSE_E_IO, "%s cannot be set aside: %s", path, strerror(errno));
    if (io.rename(made, path) != 0) {
        int err = errno;
        if (there && path_is_dir(aside)) io.rename(aside, path);
        FAIL(GLIMPSE_E_IO, "%s cannot be put in its place: %s", path, strerror(err));
    }
    if (there) save_remove(aside);
    return dir_sync(parent);
}

glimpse_status model_save(const model *m, const save_request *rq) {
    glimpse_status st = GLIMPSE_OK;
    size_t n = strlen(rq->path);
    while (n > 1 && rq->path[n - 1] == '/') n--;
    char *path = strndup(rq->path, n), *made = NULL, *aside = NULL, *parent = path ? path_dir(path) : NULL;
    bool llmc = rq->format == SAVE_LLMC || (rq->format == SAVE_BY_NAME && n > 4 && !strncmp(rq->path + n - 4, ".bin", 4));
    if (!parent || asprintf(&made, "%s.tmp-%ld", path, (long)getpid()) < 0 || asprintf(&aside, "%s.old-%ld", path, (long)getpid()) < 0)
        FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
    if (!rq->replace && path_exists(path))
        FAIL_GOTO(GLIMPSE_E_IO, "%s is there already\nhint: name another, or replace it with --force", path);
    TRY_GOTO(check_replaceable(path, llmc));
    TRY_GOTO(mkdir_p(parent));
    save_remove(made); /* of a process with our number that was killed */
    st = llmc ? save_llmc(m, made, rq) : write_directory(m, made, rq);
    if (st >= 0) st = put_in_place(made, path, aside, parent);
    if (st < 0) save_remove(made);
out:
    free(path);
    free(made);
    free(aside);
    free(parent);
    return st;
}
