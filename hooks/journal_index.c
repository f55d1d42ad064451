/* journal_index.c -- see journal_index.h.  What is looked for in a line by its bytes is a key with its comma and quotes: within
 * a JSON text a quotation mark has a backslash before it, so such a key never stands in what a model said. */
#include "hooks/journal_index.h"

#include "hooks/journal.h"
#include "include/internal/base64.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096, KEPT = 4, CHUNK = 1 << 20 };

typedef struct kept_record {
    int64_t from; /* of its line, -1 = free */
    owned_record *r;
    uint64_t used;
} kept_record;

struct journal_index {
    const char *path;
    int fd;
    dev_t device;
    ino_t inode;
    int64_t walked; /* bytes whose newlines were looked for */
    int64_t begin;  /* where the line begins that has none yet */
    journal_lines lines; /* without superseded ones, but while the file is walked */
    char *chunk;
    kept_record kept[KEPT];
    uint64_t clock;
};

int64_t evals_count(const journal_index *x) { return (int64_t)(x->lines.all.n / sizeof(journal_line)); }
const journal_line *evals_at(const journal_index *x, int64_t i) { return (const journal_line *)(const void *)x->lines.all.bytes + i; }

static void drop_records(journal_index *x) {
    for (int i = 0; i < KEPT; i++) {
        if (x->kept[i].r) record_free(&x->kept[i].r->record);
        x->kept[i] = (kept_record){ .from = -1 };
    }
}

void evals_close(journal_index *x) {
    if (!x) return;
    drop_records(x);
    if (x->fd >= 0) io.close(x->fd);
    lines_free(&x->lines);
    free(x->chunk);
    free(x);
}

static glimpse_status read_at(journal_index *x, int64_t from, char *room, size_t n) {
    const file f = { x->fd, from + (int64_t)n, (char *)(uintptr_t)x->path };
    return file_read_at(&f, from, room, n);
}

static glimpse_status read_span(journal_index *x, int64_t from, int64_t to, buffer *line) {
    const file f = { x->fd, to, (char *)(uintptr_t)x->path };
    return lines_read(&f, from, to, line);
}

static glimpse_status add_line(journal_index *x, int64_t from, int64_t to) {
    glimpse_status st = GLIMPSE_OK;
    journal_line k = { .from = from, .to = to };
    buffer b = {0};
    TRY_GOTO(read_span(x, from, to - from < HEAD_BYTES ? to : from + HEAD_BYTES, &b));
    if (!lines_head(buf_str(&b), b.n, &k)) { /* not as we write it: then all of it counts */
        owned_record *r = NULL;
        buf_clear(&b);
        TRY_GOTO(read_span(x, from, to, &b));
        glimpse_status read = journal_decode(buf_str(&b), b.n, &r);
        if (read == GLIMPSE_E_MEMORY) st = read;
        if (read < 0) goto out; /* none of ours: passed over */
        k.step = r->record.step;
        c_snprintf(k.kind, sizeof k.kind, "%s", r->record.kind);
        record_free(&r->record);
    }
    lines_add(&x->lines, k);
    if (buf_failed(&x->lines.all)) st = status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for the lines of %s", x->path);
out:
    buf_free(&b);
    return st;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static glimpse_status walk_lines(journal_index *x, int64_t size) {
    while (x->walked < size) {
        size_t n = size - x->walked < CHUNK ? (size_t)(size - x->walked) : CHUNK;
        TRY(read_at(x, x->walked, x->chunk, n));
        for (char *at = x->chunk, *nl; (nl = memchr(at, '\n', n - (size_t)(at - x->chunk))); at = nl + 1) {
            int64_t to = x->walked + (nl - x->chunk);
            TRY(add_line(x, x->begin, to));
            x->begin = to + 1;
        }
        x->walked += (int64_t)n;
    }
    return GLIMPSE_OK;
}

static glimpse_status walk(journal_index *x, int64_t size) {
    glimpse_status st = walk_lines(x, size);
    lines_drop_dead(&x->lines);
    return st;
}

static glimpse_status reopen(journal_index *x) {
    struct stat have;
    int fd = io.open(x->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) FAIL(GLIMPSE_E_IO, "%s: %s", x->path, strerror(errno));
    if (io.fstat(fd, &have) || !S_ISREG(have.st_mode)) {
        io.close(fd);
        FAIL(GLIMPSE_E_IO, "%s is no file", x->path);
    }
    if (x->fd >= 0) io.close(x->fd);
    x->fd = fd;
    x->device = have.st_dev;
    x->inode = have.st_ino;
    x->walked = x->begin = 0;
    lines_free(&x->lines);
    drop_records(x);
    return walk(x, have.st_size);
}

glimpse_status evals_open(const char *path, journal_index **out) {
    journal_index *x = calloc(1, sizeof *x);
    if (!x || !(x->chunk = malloc(CHUNK))) {
        free(x);
        FAIL(GLIMPSE_E_MEMORY, "no memory for the lines of %s", path);
    }
    x->path = path;
    x->fd = -1;
    drop_records(x);
    glimpse_status st = reopen(x);
    if (st < 0) evals_close(x);
    else *out = x;
    return st;
}

glimpse_status evals_refresh(journal_index *x, evals_change *change) {
    struct stat now;
    *change = EVALS_SAME;
    if (stat(x->path, &now) || !S_ISREG(now.st_mode)) return GLIMPSE_OK;
    if (now.st_dev != x->device || now.st_ino != x->inode || now.st_size < x->walked) {
        int before = x->fd;
        glimpse_status st = reopen(x);
        if (st < 0 && x->fd == before) return st == GLIMPSE_E_MEMORY ? st : GLIMPSE_OK; /* gone again since it was seen */
        *change = EVALS_ANOTHER;
        return st;
    }
    int64_t before = evals_count(x), last = before ? evals_at(x, before - 1)->from : -1;
    TRY(walk(x, now.st_size));
    if (before && (evals_count(x) < before || evals_at(x, before - 1)->from != last)) {
        *change = EVALS_RESUMED;
        drop_records(x);
    }
    return GLIMPSE_OK;
}

/* --- what stands in a line ---------------------------------------------------------------------------------------- */

glimpse_status evals_read(journal_index *x, int64_t i, buffer *line) {
    const journal_line *k = evals_at(x, i);
    return read_span(x, k->from, k->to, line);
}

glimpse_status evals_record(journal_index *x, int64_t i, const glimpse_record **out) {
    glimpse_status st = GLIMPSE_OK;
    kept_record *oldest = &x->kept[0];
    int64_t from = evals_at(x, i)->from;
    buffer line = {0};
    for (int k = 0; k < KEPT; k++) {
        if (x->kept[k].used < oldest->used) oldest = &x->kept[k];
        if (x->kept[k].from != from || !x->kept[k].r) continue;
        x->kept[k].used = ++x->clock;
        *out = &x->kept[k].r->record;
        return GLIMPSE_OK;
    }
    owned_record *r = NULL;
    TRY_GOTO(evals_read(x, i, &line));
    TRY_GOTO(journal_decode(buf_str(&line), line.n, &r));
    if (oldest->r) record_free(&oldest->r->record);
    *oldest = (kept_record){ from, r, ++x->clock };
    *out = &r->record;
out:
    buf_free(&line);
    return st;
}

glimpse_status evals_record_light(journal_index *x, int64_t i, owned_record **out) {
    glimpse_status st = GLIMPSE_OK;
    buffer line = {0};
    TRY_GOTO(evals_read(x, i, &line));
    st = journal_decode_light(buf_str(&line), line.n, out);
out:
    buf_free(&line);
    return st;
}

/* The text between s and its closing quotation mark, as cJSON would read it. */
static void unescape(const char *s, const char *end, buffer *text) {
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    while (s < end) {
        const char *slash = memchr(s, '\\', (size_t)(end - s));
        if (!slash || slash + 1 >= end) {
            buf_put(text, s, (size_t)(end - s));
            return;
        }
        buf_put(text, s, (size_t)(slash - s));
        s = slash + 2;
        const char *known = strchr(from, slash[1]);
        if (slash[1] == 'u' && end - s >= 4) {
            uint32_t cp = 0, low = 0;
            char utf8[4];
            for (int i = 0; i < 4; i++) cp = cp << 4 | (uint32_t)(s[i] <= '9' ? s[i] - '0' : (s[i] | 32) - 'a' + 10);
            s += 4;
            if (cp >= 0xD800 && cp < 0xDC00 && end - s >= 6 && s[0] == '\\' && s[1] == 'u') {
                for (int i = 2; i < 6; i++) low = low << 4 | (uint32_t)(s[i] <= '9' ? s[i] - '0' : (s[i] | 32) - 'a' + 10);
                if (low >= 0xDC00 && low < 0xE000) cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00), s += 6;
            }
            buf_put(text, utf8, (size_t)utf8_encode(cp, utf8));
        } else buf_putc(text, known && slash[1] ? to[known - from] : slash[1]);
    }
}

bool evals_next_text(const char *line, size_t n, size_t *at, buffer *text) {
    static const char key[] = ",\"text\":", b64[] = "{\"b64\":\"", behind[] = ",\"views\":{";
    const char *found = *at < n ? memmem(line + *at, n - *at, key, sizeof key - 1) : NULL;
    if (!found || memmem(line + *at, (size_t)(found - line) - *at, behind, sizeof behind - 1)) return false;
    size_t from = (size_t)(found - line) + sizeof key - 1;
    bool coded = n - from > sizeof b64 && !memcmp(line + from, b64, sizeof b64 - 1);
    if (coded) from += sizeof b64 - 2;
    size_t end = from < n && line[from] == '"' ? lines_end_of_text(line, n, from) : 0;
    if (!end) return false;
    buf_clear(text);
    if (coded) base64_decode(line + from + 1, end - from - 2, text);
    else unescape(line + from + 1, line + end - 1, text);
    *at = end;
    return true;
}
