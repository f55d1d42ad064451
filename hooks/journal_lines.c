/* journal_lines.c -- see journal_lines.h. */
#define _GNU_SOURCE
#include "hooks/journal_lines.h"

#include "hooks/journal.h"
#include "include/internal/status.h"
#include <string.h>
#include <time.h>

enum { MOST_BYTES = 64 << 20 }; /* that a beginning is looked for in */

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

size_t lines_end_of_text(const char *s, size_t n, size_t at) {
    for (at++; at < n && s[at] != '"'; at++)
        if (s[at] == '\\') at++;
    return at < n ? at + 1 : 0;
}

bool lines_head(const char *s, size_t n, journal_line *k) {
    bool step = false, kind = false;
    if (!n || s[0] != '{') return false;
    for (size_t at = 1; at < n && s[at] == '"';) {
        size_t key = at + 1, after = lines_end_of_text(s, n, at), value;
        if (!after || after >= n || s[after] != ':') return false;
        size_t key_n = after - 1 - key;
        value = after + 1;
        if (value >= n || s[value] == '{' || s[value] == '[') return false;
        if (s[value] == '"') after = lines_end_of_text(s, n, value);
        else after = value + strcspn(s + value, ",}");
        if (!after || after >= n || s[after] != ',') return false;
        if (key_n == 4 && !memcmp(s + key, "kind", 4) && s[value] == '"') {
            c_snprintf(k->kind, sizeof k->kind, "%.*s", (int)(after - value - 2), s + value + 1);
            kind = true;
        }
        if (key_n == 4 && !memcmp(s + key, "step", 4)) step = parse_i64(s + value, after - value, &k->step);
        if (step && kind) return true;
        at = after + 1;
    }
    return false;
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

/* Where the line that begins at `from` ends; -1 = nowhere, or too far away to be looked for. */
static int64_t end_of_line(const file *f, int64_t from) {
    char chunk[1 << 14];
    for (int64_t at = from; at < f->size && at < MOST_BYTES; at += (int64_t)sizeof chunk) {
        size_t n = f->size - at < (int64_t)sizeof chunk ? (size_t)(f->size - at) : sizeof chunk;
        if (file_read_at(f, at, chunk, n) < 0) return -1;
        const char *end = memchr(chunk, '\n', n);
        if (end) return at + (end - chunk);
    }
    return -1;
}

int64_t lines_began(const file *f, const char *kind) {
    buffer line = {0};
    int64_t seconds = 0, from = 0, to;
    for (; !seconds && (to = end_of_line(f, from)) >= 0; from = to + 1) {
        owned_record *r = NULL;
        struct tm t = {0};
        buf_clear(&line);
        if (lines_read(f, from, to, &line) < 0 || journal_decode(buf_str(&line), line.n, &r) < 0) continue;
        if ((!kind || !strcmp(r->record.kind, kind)) && strptime(r->record.time, "%Y-%m-%dT%H:%M:%SZ", &t)) seconds = timegm(&t);
        record_free(&r->record);
    }
    buf_free(&line);
    return seconds;
}

void lines_free(journal_lines *l) {
    buf_free(&l->all);
    *l = (journal_lines){0};
}
