/* journal_lines.c -- see journal_lines.h. */
#include "hooks/journal_lines.h"

#include "include/internal/status.h"
#include <string.h>

static journal_line *lines_of(journal_lines *l) { return (journal_line *)(void *)l->all.bytes; }

/* Where the last line of a kind is remembered; NULL = of one kind too many. */
static int64_t *last_of(journal_lines *l, const char *kind) {
    int i = 0;
    while (i < l->n_kinds && strcmp(l->kinds[i].kind, kind)) i++;
    if (i == JOURNAL_KINDS) return NULL;
    if (i == l->n_kinds) {
        memcpy(l->kinds[i].kind, kind, sizeof l->kinds[i].kind);
        l->kinds[i].last = -1;
        l->n_kinds++;
    }
    return &l->kinds[i].last;
}

void lines_add(journal_lines *l, journal_line k) {
    int64_t *last = last_of(l, k.kind), n = (int64_t)(l->all.n / sizeof k);
    journal_line *all = lines_of(l);
    k.before = last ? *last : -1;
    l->looked++;
    for (; k.before >= 0 && all[k.before].step >= k.step; k.before = all[k.before].before) {
        all[k.before].from = -1;
        l->dead++;
        l->looked++;
    }
    buf_put(&l->all, &k, sizeof k);
    if (last && !buf_failed(&l->all)) *last = n;
}

void lines_drop_dead(journal_lines *l) {
    if (!l->dead) return;
    journal_line *all = lines_of(l);
    int64_t left = 0, n = (int64_t)(l->all.n / sizeof *all);
    l->n_kinds = 0;
    for (int64_t i = 0; i < n; i++) {
        if (all[i].from < 0) continue;
        int64_t *last = last_of(l, all[i].kind);
        all[left] = all[i];
        all[left].before = last ? *last : -1;
        if (last) *last = left;
        left++;
    }
    l->all.n = (size_t)left * sizeof *all;
    l->looked += n;
    l->dead = 0;
}

glimpse_status lines_read(const file *f, int64_t from, int64_t to, buffer *line) {
    if (to - from > JOURNAL_MAX_LINE)
        FAIL(GLIMPSE_E_FORMAT, "%s: a line of %lld bytes at byte %lld is too long", f->path, (long long)(to - from), (long long)from);
    char *room = buf_reserve(line, (size_t)(to - from) + 1);
    if (!room) FAIL(GLIMPSE_E_MEMORY, "%s: no memory for a line of %lld bytes", f->path, (long long)(to - from));
    TRY(file_read_at(f, from, room, (size_t)(to - from)));
    buf_advance(line, (size_t)(to - from));
    return GLIMPSE_OK;
}

void lines_free(journal_lines *l) {
    buf_free(&l->all);
    *l = (journal_lines){0};
}
