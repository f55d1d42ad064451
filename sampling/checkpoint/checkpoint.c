/* checkpoint.c -- finds the file, looks at its first bytes, hands it to its reader (readers.h). */
#define _GNU_SOURCE
#include "sampling/checkpoint/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sampling/checkpoint/readers.h"

enum { HEAD_BYTES = 512 };

/* The number between two texts that are all of the rest of a name, -1 for any other name. */
static int64_t number_in(const char *name, const char *before, const char *after) {
    int64_t step;
    size_t n = strlen(name), b = strlen(before), a = strlen(after);
    if (n <= a + b || strncmp(name, before, b) || strcmp(name + n - a, after)) return -1;
    for (size_t i = b; i < n - a; i++)
        if (name[i] < '0' || name[i] > '9') return -1;
    return parse_i64(name + b, n - a - b, &step) ? step : -1;
}

int64_t checkpoint_step(const char *path) {
    int64_t step = number_in(path_base(path), "model_", ".bin");
    return step >= 0 ? step : number_in(path_base(path), "step_", "");
}

/* The newest of a directory that was written at `since` or later, if it is newer than *best: llm.c's files, and the directories of
 * --save_snapshots. */
static glimpse_status newer_in(const char *dir, int64_t since, int64_t *best, char **best_path) {
    glimpse_status st = GLIMPSE_OK;
    struct stat s;
    DIR *d = opendir(dir);
    if (!d) FAIL(GLIMPSE_E_IO, "%s: the directory cannot be read: %s", dir, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        bool is_file = number_in(e->d_name, "model_", ".bin") >= 0;
        int64_t step = checkpoint_step(e->d_name);
        if (step <= *best) continue;
        char *path = path_join(dir, e->d_name);
        if (!path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
        bool late = !since || (stat(path, &s) == 0 && s.st_mtim.tv_sec >= since);
        if (late && (is_file ? path_is_file(path) : path_is_dir(path) && directory_is_checkpoint(path))) {
            free(*best_path);
            *best_path = path;
            *best = step;
        } else free(path);
    }
out:
    closedir(d);
    return st;
}

static glimpse_status newest_in(const char *dir, int64_t since, char **found, char **further) {
    glimpse_status st = GLIMPSE_OK;
    int64_t best = -1;
    char *best_path = NULL, *snapshots = path_join(dir, "snapshots");
    if (!snapshots) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
    TRY_GOTO(newer_in(dir, since, &best, &best_path));
    if (path_is_dir(snapshots)) TRY_GOTO(newer_in(snapshots, since, &best, &best_path));
    if (since && best_path) { /* else nothing is known of them, and the highest step is taken */
        TRY_GOTO(newer_in(dir, 0, &best, further));
        if (path_is_dir(snapshots)) TRY_GOTO(newer_in(snapshots, 0, &best, further));
    } else if (since) {
        st = newest_in(dir, 0, found, further);
        goto out;
    }
    if (!best_path) {
        best_path = path_join(dir, "ckpt.pt"); /* nanoGPT's */
        if (best_path && !path_is_file(best_path)) {
            free(best_path);
            best_path = NULL;
        }
    }
    if (!best_path) {
        TRY_GOTO(directory_refuse(dir));
        FAIL_GOTO(GLIMPSE_E_IO, "%s: no checkpoint in this directory: ckpt.pt, model_<step>.bin, snapshots/step_<step>, *.safetensors were looked for\n"
                  "hint: --checkpoint names another file or directory; in training --glimpse_save_snapshots makes some", dir);
    }
    *found = best_path;
    best_path = NULL;
out:
    free(best_path);
    free(snapshots);
    return st;
}

glimpse_status checkpoint_find_newest(const char *path, char **found) {
    char *none = NULL;
    return checkpoint_find_since(path, 0, found, &none);
}

glimpse_status checkpoint_find_since(const char *path, int64_t since, char **found, char **further) {
    *further = NULL;
    if (path_is_dir(path) && !directory_is_checkpoint(path)) {
        glimpse_status st = newest_in(path, since, found, further);
        if (st < 0) free(*further), *further = NULL;
        return st;
    }
    if (!path_exists(path)) {
        const char *slash = strchr(path, '/');
        bool hub = strstr(path, "://") || (slash && slash != path && slash[1] && !strchr(slash + 1, '/') && !strchr("./~", path[0]));
        if (hub)
            FAIL(GLIMPSE_E_IO, "%s: there is no such file or directory\n"
                 "hint: if it is the name of a model on a hub, fetch it first: nothing is downloaded here", path);
        FAIL(GLIMPSE_E_IO, "%s: there is no such file or directory\nhint: --checkpoint names a file or a directory; unset, the newest "
             "checkpoint in --out_dir is taken; nothing is downloaded from a hub; `glimpse --help` lists the commands", path);
    }
    char *copy = strdup(path);
    if (!copy) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
    *found = copy;
    return GLIMPSE_OK;
}

glimpse_status checkpoint_open(const char *path, checkpoint_progress progress, void *user, model **out) {
    glimpse_status st = GLIMPSE_OK;
    file f = FILE_INIT;
    char *name = NULL;
    unsigned char head[HEAD_BYTES] = {0};
    TRY_GOTO(checkpoint_find_newest(path, &name));
    if (path_is_dir(name)) {
        st = directory_read(name, progress, user, out);
        goto out;
    }
    TRY_GOTO(file_open_read(name, &f));
    size_t n = f.size < HEAD_BYTES ? (size_t)f.size : HEAD_BYTES;
    TRY_GOTO(file_read_at(&f, 0, head, n));
    if (n >= 4 && read_u32(head) == LLMC_MODEL_MAGIC) TRY_GOTO(llmc_bin_read(&f, progress, user, out));
    else if (n >= 4 && read_u32(head) == LLMC_LLAMA_MAGIC) TRY_GOTO(llmc_llama_read(name, progress, user, out));
    else if (is_safetensors(&f, head, n)) TRY_GOTO(safetensors_read(name, progress, user, out));
    else if (is_llama2c(&f, head, n)) TRY_GOTO(llama2c_read(name, progress, user, out));
    else if (n >= 4 && !memcmp(head, "GGUF", 4)) TRY_GOTO(gguf_read(name, progress, user, out));
    else if (n >= 4 && !memcmp(head, "PK\x03\x04", 4)) TRY_GOTO(torch_read(name, progress, user, out));
    else TRY_GOTO(sniff_refuse(&f, head, n));
out:
    file_close(&f);
    free(name);
    return st;
}
