/* journal_rig.c -- see journal_rig.h. */
#include "tests/journal_rig.h"

#include "include/internal/file.h"
#include "include/internal/status.h"

glimpse_status journal_take(const char *dir, int64_t step, int64_t since, const char *run, const char *arch, int64_t n_params,
                            journal **out, journal_state *state) {
    int lock;
    TRY(mkdir_p(dir));
    TRY(journal_lock(dir, &lock));
    TRY(journal_open(dir, lock, step, step, since, run, arch, n_params, out, state));
    glimpse_status st = journal_begin(*out);
    if (st >= 0) return st;
    journal_close(*out);
    *out = NULL;
    if (state->last) record_free(&state->last->record);
    state->last = NULL;
    return st;
}
