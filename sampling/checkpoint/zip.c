/* zip.c -- see zip.h.  Little-endian throughout; all offsets count from the file's first byte. */
#define _GNU_SOURCE
#include "sampling/checkpoint/zip.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_BYTES = 22,
    LOCATOR_BYTES = 20,
    END64_BYTES = 56,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    MAX_COMMENT = 65535,
    MAX_MEMBERS = 200000,
    MAX_DIRECTORY = 64 << 20
};
enum {
    SIG_LOCAL = 0x04034b50,
    SIG_ENTRY = 0x02014b50,
    SIG_END = 0x06054b50,
    SIG_END64 = 0x06064b50,
    SIG_LOCATOR = 0x07064b50
};

static uint32_t u16(const unsigned char *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const unsigned char *p) { return u16(p) | u16(p + 2) << 16; }
static uint64_t u64(const unsigned char *p) { return u32(p) | (uint64_t)u32(p + 4) << 32; }

typedef struct directory {
    uint64_t at, bytes, n;
} directory;

/* Where the central directory is, from the record at the file's end. */
static glimpse_status find_directory(const file *f, directory *d) {
    glimpse_status st = GLIMPSE_OK;
    int64_t tail = f->size < END_BYTES + MAX_COMMENT ? f->size : END_BYTES + MAX_COMMENT, at = -1;
    unsigned char *b = malloc((size_t)tail + 1), more[END64_BYTES];
    if (!b) FAIL(GLIMPSE_E_MEMORY, "no memory to read %s", f->path);
    TRY_GOTO(file_read_at(f, f->size - tail, b, (size_t)tail));
    for (int64_t i = tail - END_BYTES; i >= 0 && at < 0; i--)
        if (u32(b + i) == SIG_END && i + END_BYTES + (int64_t)u16(b + i + 20) == tail) at = i;
    if (at < 0)
        FAIL_GOTO(GLIMPSE_E_FORMAT,
                  "%s: a zip archive without its directory at the end: truncated\n"
                  "hint: is it still being written, or was its copy interrupted?",
                  f->path);
    const unsigned char *e = b + at;
    int64_t end_at = f->size - tail + at;
    if (u16(e + 4) || u16(e + 6)) FAIL_GOTO(GLIMPSE_E_UNSUPPORTED, "%s: a zip archive of several disks", f->path);
    *d = (directory){u32(e + 16), u32(e + 12), u16(e + 10)};
    if (u16(e + 8) != u16(e + 10)) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the zip's two numbers of members differ", f->path);
    int64_t limit = end_at;
    bool wide = d->at == UINT32_MAX || d->bytes == UINT32_MAX || d->n == 0xffff, is_64 = false;
    if (end_at >= LOCATOR_BYTES) {
        TRY_GOTO(file_read_at(f, end_at - LOCATOR_BYTES, more, LOCATOR_BYTES));
        is_64 = u32(more) == SIG_LOCATOR;
    }
    if (is_64) { /* PyTorch writes a ZIP64 record always, also where the end record says it all */
        uint64_t where = u64(more + 8);
        if (where > (uint64_t)end_at || (uint64_t)end_at - where < END64_BYTES + LOCATOR_BYTES)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the zip's ZIP64 record is missing", f->path);
        TRY_GOTO(file_read_at(f, (int64_t)where, more, END64_BYTES));
        if (u32(more) != SIG_END64) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the zip's ZIP64 record is missing", f->path);
        directory d64 = {u64(more + 48), u64(more + 40), u64(more + 32)};
        if ((d->at != UINT32_MAX && d->at != d64.at) || (d->bytes != UINT32_MAX && d->bytes != d64.bytes) ||
            (d->n != 0xffff && d->n != d64.n))
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the zip's end record and its ZIP64 record differ", f->path);
        *d = d64;
        limit = (int64_t)where;
    } else if (wide) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the zip's ZIP64 record is missing", f->path);
    if (d->at > (uint64_t)limit || d->bytes != (uint64_t)limit - d->at)
        FAIL_GOTO(GLIMPSE_E_FORMAT,
                  "%s: the zip's directory (%llu bytes from %llu) does not end where its end record begins (%lld)",
                  f->path, (unsigned long long)d->bytes, (unsigned long long)d->at, (long long)limit);
    if (d->n > MAX_MEMBERS || d->bytes > MAX_DIRECTORY || d->n > d->bytes / ENTRY_BYTES)
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the zip's directory of %llu bytes cannot hold its %llu members", f->path,
                  (unsigned long long)d->bytes, (unsigned long long)d->n);
out:
    free(b);
    return st;
}

/* The 64-bit values of an entry's extra field stand for those that are all ones, in this order. */
static glimpse_status widen(const file *f, const unsigned char *extra, size_t n, uint64_t *values[3],
                            const bool *wide) {
    if (!wide[0] && !wide[1] && !wide[2]) return GLIMPSE_OK;
    while (n >= 4) {
        size_t size = u16(extra + 2);
        if (size > n - 4) break;
        if (u16(extra) == 1) {
            const unsigned char *p = extra + 4, *end = p + size;
            for (int i = 0; i < 3; i++) {
                if (!wide[i]) continue;
                if (end - p < 8) FAIL(GLIMPSE_E_FORMAT, "%s: a zip member's ZIP64 sizes are cut off", f->path);
                *values[i] = u64(p);
                p += 8;
            }
            return GLIMPSE_OK;
        }
        extra += 4 + size, n -= 4 + size;
    }
    FAIL(GLIMPSE_E_FORMAT, "%s: a zip member's ZIP64 sizes are missing", f->path);
}

static glimpse_status read_entry(const file *f, const unsigned char *e, size_t left, uint64_t directory_at,
                                 zip_member *m, size_t *used) {
    unsigned char local[LOCAL_BYTES];
    char *name = NULL;
    glimpse_status st = GLIMPSE_OK;
    if (left < ENTRY_BYTES || u32(e) != SIG_ENTRY)
        FAIL(GLIMPSE_E_FORMAT, "%s: the zip's directory is damaged", f->path);
    size_t nn = u16(e + 28), xn = u16(e + 30), cn = u16(e + 32);
    if (ENTRY_BYTES + nn + xn + cn > left || !nn) FAIL(GLIMPSE_E_FORMAT, "%s: the zip's directory is damaged", f->path);
    *used = ENTRY_BYTES + nn + xn + cn;
    uint64_t bytes = u32(e + 24), stored = u32(e + 20), header = u32(e + 42);
    TRY(widen(f, e + ENTRY_BYTES + nn, xn, (uint64_t *[]){&bytes, &stored, &header},
              (const bool[]){bytes == UINT32_MAX, stored == UINT32_MAX, header == UINT32_MAX}));
    const char *shown = (const char *)e + ENTRY_BYTES;
    if (memchr(shown, 0, nn)) FAIL(GLIMPSE_E_FORMAT, "%s: the name of a zip member has a 0 byte", f->path);
    if (u16(e + 8) & 1) FAIL(GLIMPSE_E_UNSUPPORTED, "%s: the zip member %.*s is encrypted", f->path, (int)nn, shown);
    const char *slash = memchr(shown, '/', nn);
    if (slash && nn - (size_t)(slash - shown) > 6 && !memcmp(slash, "/code/", 6)) /* which is compressed */
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s is a TorchScript archive (it holds code), which is not read\n"
             "hint: save the weights: torch.save({'model': model.state_dict(), ...}, path)", f->path);
    if (u16(e + 10))
        FAIL(GLIMPSE_E_UNSUPPORTED,
             "%s: the zip member %.*s is compressed (method %u), PyTorch stores them as they are", f->path, (int)nn,
             shown, (unsigned)u16(e + 10));
    if (bytes != stored)
        FAIL(GLIMPSE_E_FORMAT, "%s: the zip member %.*s has %llu bytes and %llu stored", f->path, (int)nn, shown,
             (unsigned long long)bytes, (unsigned long long)stored);
    if (header > directory_at || directory_at - header < LOCAL_BYTES)
        FAIL(GLIMPSE_E_FORMAT, "%s: the zip member %.*s begins at %llu, beyond the archive", f->path, (int)nn, shown,
             (unsigned long long)header);
    TRY(file_read_at(f, (int64_t)header, local, sizeof local));
    size_t local_nn = u16(local + 26), local_xn = u16(local + 28);
    uint64_t room = directory_at - header - LOCAL_BYTES;
    if (u32(local) != SIG_LOCAL || local_nn != nn || local_nn + local_xn > room || bytes > room - local_nn - local_xn)
        FAIL(GLIMPSE_E_FORMAT, "%s: the zip member %.*s (%llu bytes) does not fit its local header", f->path, (int)nn,
             shown, (unsigned long long)bytes);
    if (!(name = malloc(2 * nn + 2))) FAIL(GLIMPSE_E_MEMORY, "no memory for the directory of %s", f->path);
    TRY_GOTO(file_read_at(f, (int64_t)header + LOCAL_BYTES, name + nn + 1, nn));
    memcpy(name, shown, nn);
    name[nn] = 0;
    uint32_t crc = u32(local + 14), a = u32(local + 18), b = u32(local + 22);
    bool later = u16(local + 6) & 8; /* sizes follow the data */
    bool sizes_agree =
        (a == b && (a == (bytes < UINT32_MAX ? bytes : UINT32_MAX) || a == UINT32_MAX)) || (later && !a && !b);
    if (memcmp(name, name + nn + 1, nn) || u16(local + 8) || !sizes_agree || !((later && !crc) || crc == u32(e + 16)))
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the zip's directory and the local header of %s disagree", f->path, name);
    *m = (zip_member){name, (int64_t)(header + LOCAL_BYTES + local_nn + local_xn), (int64_t)bytes, (int64_t)header};
    name = NULL;
out:
    free(name);
    return st;
}

static int by_header(const void *a, const void *b) {
    const zip_member *x = a, *y = b;
    return x->header < y->header ? -1 : x->header > y->header;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const zip_member *)a)->name, ((const zip_member *)b)->name);
}

glimpse_status zip_read(const file *f, zip *out) {
    glimpse_status st = GLIMPSE_OK;
    directory d;
    zip z = {0};
    unsigned char *b = NULL;
    TRY(find_directory(f, &d));
    b = malloc((size_t)d.bytes + 1);
    z.members = malloc(((size_t)d.n + 1) * sizeof *z.members);
    if (!b || !z.members) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the directory of %s", f->path);
    TRY_GOTO(file_read_at(f, (int64_t)d.at, b, (size_t)d.bytes));
    size_t at = 0, used = 0;
    for (; (uint64_t)z.n < d.n; z.n++, at += used)
        TRY_GOTO(read_entry(f, b + at, (size_t)d.bytes - at, d.at, &z.members[z.n], &used));
    if (at != d.bytes)
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the zip's directory has %zu bytes too many", f->path, (size_t)d.bytes - at);
    qsort(z.members, (size_t)z.n, sizeof *z.members, by_header);
    for (int32_t i = 0; i + 1 < z.n; i++)
        if (z.members[i].at + z.members[i].bytes > z.members[i + 1].header)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: the zip members %s and %s overlap", f->path, z.members[i].name,
                      z.members[i + 1].name);
    qsort(z.members, (size_t)z.n, sizeof *z.members, by_name);
    for (int32_t i = 0; i + 1 < z.n; i++)
        if (!strcmp(z.members[i].name, z.members[i + 1].name))
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: two zip members are called %s", f->path, z.members[i].name);
    *out = z;
    z = (zip){0};
out:
    zip_free(&z);
    free(b);
    return st;
}

const zip_member *zip_find(const zip *z, const char *name) {
    zip_member key = {.name = (char *)(uintptr_t)name};
    return z->n ? bsearch(&key, z->members, (size_t)z->n, sizeof *z->members, by_name) : NULL;
}

void zip_free(zip *z) {
    for (int32_t i = 0; i < z->n; i++) free(z->members[i].name);
    free(z->members);
    *z = (zip){0};
}
