/* own_output.c -- see own_output.h. */
#define _GNU_SOURCE
#include "hooks/own_output.h"

#include "include/internal/file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What people keep beside a run, by its first bytes. */
static const char *kind_of(const char *path, const char *head, size_t n) {
    static const struct {
        const char *begins;
        size_t n;
        const char *name;
    } kinds[] = {
        { "\xc6\xd7\x34\x01", 4, "a checkpoint" }, /* llm.c: 20240326, model.bin */
        { "\x8f\xd8\x34\x01", 4, "a checkpoint" }, /* llm.c: 20240527, state.bin */
        { "GGUF", 4, "a checkpoint" },
        { "PK\x03\x04", 4, "a checkpoint or another archive" }, /* torch.save */
        { "\x93NUMPY", 6, "an .npy file of another form" },
        { "{\n  \"results\": {", 16, "results of an evaluation" },
        { "{\"doc_id\": ", 11, "samples of an evaluation" },
    };
    if (!strcmp(path_base(path), "evals.jsonl")) return "a journal of evals";
    if (ends_with(path, ".safetensors")) return "a checkpoint";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n >= kinds[i].n && !memcmp(head, kinds[i].begins, kinds[i].n)) return kinds[i].name;
    return "a file that was not written by it";
}

glimpse_status output_dir_takes_files(const char *what, const char *dir) {
    char *at = strdup(dir), room[64];
    if (!at) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    while (!path_exists(at) && strcmp(at, ".") && strcmp(at, "/")) { /* the nearest directory that is there */
        char *parent = path_dir(at);
        free(at);
        if (!(at = parent)) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    }
    glimpse_status st = GLIMPSE_OK;
    if (!path_is_dir(at)) st = status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s: %s is no directory", what, at);
    else if (access(at, W_OK | X_OK))
        st = status_fail(GLIMPSE_E_IO, __FILE__, __LINE__, "%s: nothing can be written in %s: %s", what, at, strerror_r(errno, room, sizeof room));
    free(at);
    return st;
}

glimpse_status output_may_be_made(const char *what, const char *path) {
    char *dir = path_dir(path);
    if (!dir) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    glimpse_status st = output_dir_takes_files(what, dir);
    free(dir);
    return st;
}

static glimpse_status can_be_made(const char *what, const char *path) {
    buffer named = {0};
    buf_printf(&named, "%s %s", what, path);
    glimpse_status st = buf_failed(&named) ? GLIMPSE_E_MEMORY : output_may_be_made(buf_str(&named), path);
    buf_free(&named);
    return st;
}

glimpse_status output_may_replace(const char *what, const char *path, const output_form *form) {
    char head[64];
    file f = FILE_INIT;
    if (path_exists(path) && !path_is_file(path)) return GLIMPSE_OK; /* whoever writes knows whether a device will do */
    TRY(can_be_made(what, path));
    if (!path_exists(path)) return GLIMPSE_OK;
    TRY(file_open_read(path, &f));
    size_t n = f.size < (int64_t)sizeof head ? (size_t)f.size : sizeof head;
    glimpse_status st = file_read_at(&f, 0, head, n);
    file_close(&f);
    if (st < 0 || !n || (n >= form->n && !memcmp(head, form->begins, form->n))) return st;
    FAIL(GLIMPSE_E_INVALID, "%s %s: it is %s, no %s; it is left alone\nhint: another name, or remove it", what, path, kind_of(path, head, n),
         form->name);
}
