/* save_weights.c -- --save_snapshots: the weights of an eval as a directory that transformers opens and `glimpse --checkpoint`
 * reads, OUT_DIR/snapshots/step_00000250.  Written by whoever samples, in training the worker: the trainer waits for
 * nothing.  What fails is said, and is no failure of the eval.  Called by session_eval.c after the eval is recorded. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "sampling/checkpoint/save.h"
#include "viz/text.h"

/* The step of "step_00000250", -1 for any other name. */
static int64_t step_of(const char *name) {
    int64_t step;
    if (strncmp(name, "step_", 5) || strlen(name) < 13 || strspn(name + 5, "0123456789") != strlen(name + 5)) return -1;
    return parse_i64(name + 5, strlen(name + 5), &step) ? step : -1;
}

/* Remove all but the `keep` latest. `now` was written last: steps beyond it are of a branch that a resumed run left behind, and
 * go before all others. */
static void prune(const char *dir, int64_t keep, int64_t now) {
    for (int64_t beyond = INT64_MIN;;) {
        int64_t n = 0, first = INT64_MAX;
        char oldest[64] = "";
        DIR *d = opendir(dir);
        for (struct dirent *e; d && (e = readdir(d));) {
            int64_t step = step_of(e->d_name);
            if (step < 0 || strlen(e->d_name) >= sizeof oldest) continue;
            int64_t turn = step > now ? INT64_MIN + step : step; /* in which they go */
            if (turn <= beyond) continue; /* what cannot be removed, a link or anything but a snapshot, stays and is not counted */
            n++;
            if (turn >= first) continue;
            first = turn;
            c_snprintf(oldest, sizeof oldest, "%s", e->d_name);
        }
        if (d) closedir(d);
        if (n <= keep) return;
        char *path = path_join(dir, oldest);
        bool gone = path && save_remove_checkpoint(path);
        free(path);
        if (!gone) beyond = first;
    }
}

void session_save_weights(session *s, int64_t step) {
    char name[48];
    c_snprintf(name, sizeof name, "step_%08lld", (long long)step);
    char *dir = path_join(s->out_dir, "snapshots"), *path = dir ? path_join(dir, name) : NULL;
    if (s->t && !s->beside) { /* once: a tokenizer does not change with the weights */
        if (token_files_make(s->t, NULL, s->m, &s->beside) < 0)
            session_log(s, "glimpse: the snapshots are saved without a tokenizer: %s", status_text());
        else if (*token_files_note(s->beside)) {
            buffer note = {0}; /* names of files are in it */
            text_escape(&note, token_files_note(s->beside), strlen(token_files_note(s->beside)), TEXT_ONE_LINE);
            session_log(s, "glimpse: snapshots: %s", buf_str(&note));
            buf_free(&note);
        }
    }
    save_request rq = {.path = path, .format = SAVE_SAFETENSORS, .replace = true, .beside = s->beside};
    glimpse_status st = path ? model_save(s->m, &rq) : GLIMPSE_E_MEMORY;
    if (!path) session_log(s, "glimpse: step %lld: no snapshot was saved: no memory", (long long)step);
    else if (st < 0) session_log(s, "glimpse: step %lld: no snapshot was saved: %s", (long long)step, status_text());
    int64_t keep = opt_int(s->o, OPT_keep_snapshots);
    if (st >= 0 && keep > 0) prune(dir, keep, step);
    free(dir);
    free(path);
}
