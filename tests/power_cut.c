/* power_cut.c -- see power_cut.h.  The log is made by wrap_calls.h; a file or directory is a node, as an inode is. */
#define _GNU_SOURCE
#include "tests/power_cut.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "tests/faults.h"
#include "tests/wrap_calls.h"

enum { MOST_OPS = 20000, MOST_NODES = 2000, MOST_FDS = 1024, NAME = 100 };
typedef enum op_kind { OP_LINK, OP_UNLINK, OP_RENAME, OP_WRITE, OP_TRUNCATE, OP_SYNC } op_kind;

typedef struct op {
    op_kind kind;
    int node, dir, dir2;      /* LINK, UNLINK, RENAME: `node` is or was named so in `dir` (and then in `dir2`) */
    char name[NAME], name2[NAME];
    int64_t at;
    size_t n;
    char *bytes;              /* WRITE (n) */
} op;

typedef struct entry {
    int dir, node;
    char name[NAME];
} entry;

static op *ops;
static int n_ops, n_nodes, n_entries, fds[MOST_FDS];
static bool is_dir[MOST_NODES];
static entry entries[MOST_NODES];
static char root_path[4200];
static size_t root_bytes;

/* --- names -------------------------------------------------------------------------------------------------------- */

static int find(const entry *e, int n, int dir, const char *name) {
    for (int i = 0; i < n; i++)
        if (e[i].dir == dir && !strcmp(e[i].name, name)) return i;
    return -1;
}

/* The directory that a path below the root lies in, and its last name; -1: it is not ours. */
static int place(const char *path, char name[NAME]) {
    if (!path || strncmp(path, root_path, root_bytes) || path[root_bytes] != '/') return -1;
    int dir = 0;
    for (const char *p = path + root_bytes + 1;;) {
        p += strspn(p, "/");
        size_t n = strcspn(p, "/");
        if (!n || n >= NAME) return -1;
        memcpy(name, p, n);
        name[n] = 0;
        if (!p[n]) return dir;
        int i = find(entries, n_entries, dir, name);
        if (i < 0) return -1;
        dir = entries[i].node;
        p += n;
    }
}

static void set_entry(entry *e, int *n, int dir, const char *name, int node) {
    int i = find(e, *n, dir, name);
    if (i < 0) i = (*n)++;
    e[i] = (entry){.dir = dir, .node = node};
    snprintf(e[i].name, NAME, "%s", name);
}

static void drop_entry(entry *e, int *n, int dir, const char *name) {
    int i = find(e, *n, dir, name);
    if (i >= 0) e[i] = e[--*n];
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

static op *add(op_kind kind, int node, int dir, const char *name) {
    if (n_ops == MOST_OPS) abort();
    op *o = &ops[n_ops++];
    *o = (op){.kind = kind, .node = node, .dir = dir};
    if (name) snprintf(o->name, NAME, "%s", name);
    return o;
}

static int new_node(bool dir, int in, const char *name) {
    if (n_nodes == MOST_NODES) abort();
    is_dir[n_nodes] = dir;
    add(OP_LINK, n_nodes, in, name);
    set_entry(entries, &n_entries, in, name, n_nodes);
    return n_nodes++;
}

static void on_call(const wrapped_call *c) {
    char name[NAME], name2[NAME];
    int dir = place(c->path, name), node = c->fd >= 0 && c->fd < MOST_FDS ? fds[c->fd] : -1;
    int i = dir < 0 ? -1 : find(entries, n_entries, dir, name);
    if (!strcmp(c->name, "open")) {
        if (c->result >= MOST_FDS) abort();
        fds[c->result] = -1;
        if (c->path && !strcmp(c->path, root_path)) fds[c->result] = 0;
        if (dir < 0) return;
        int at = i >= 0 ? entries[i].node : new_node(false, dir, name);
        fds[c->result] = at;
        if (i >= 0 && c->flags & O_TRUNC) add(OP_TRUNCATE, at, 0, NULL);
    } else if (!strcmp(c->name, "close")) {
        if (c->fd < MOST_FDS) fds[c->fd] = -1;
    } else if (!strcmp(c->name, "mkdir") && dir >= 0) {
        new_node(true, dir, name);
    } else if ((!strcmp(c->name, "unlink") || !strcmp(c->name, "rmdir")) && i >= 0) {
        add(OP_UNLINK, entries[i].node, dir, name);
        drop_entry(entries, &n_entries, dir, name);
    } else if (!strcmp(c->name, "rename") && i >= 0) {
        int to = place(c->to, name2), moved = entries[i].node;
        op *o = add(OP_RENAME, moved, dir, name);
        o->dir2 = to;
        snprintf(o->name2, NAME, "%s", name2);
        drop_entry(entries, &n_entries, dir, name);
        set_entry(entries, &n_entries, to, name2, moved);
    } else if (!strcmp(c->name, "write") && node >= 0) {
        op *o = add(OP_WRITE, node, 0, NULL);
        o->n = (size_t)c->result;
        o->at = syscall(SYS_lseek, c->fd, 0L, SEEK_CUR) - c->result;
        o->bytes = malloc(o->n + 1);
        memcpy(o->bytes, c->bytes, o->n);
    } else if (!strcmp(c->name, "ftruncate") && node >= 0) {
        add(OP_TRUNCATE, node, 0, NULL)->at = (int64_t)c->n;
    } else if ((!strcmp(c->name, "fsync") || !strcmp(c->name, "fdatasync")) && node >= 0) {
        add(OP_SYNC, node, 0, NULL);
    }
}

void power_log_begin(const char *root) {
    snprintf(root_path, sizeof root_path, "%s", root);
    root_bytes = strlen(root);
    if (!ops) ops = calloc(MOST_OPS, sizeof *ops);
    memset(fds, 0xff, sizeof fds);
    n_ops = n_entries = 0;
    n_nodes = 1;
    is_dir[0] = true;
    wrapped_after = on_call;
}

void power_log_end(void) { wrapped_after = NULL; }
int power_log_length(void) { return n_ops; }

/* --- a tree from the log ------------------------------------------------------------------------------------------- */

/* Whether a sync before the cut covers operation i: of the file, or of both directories of a name. */
static bool is_synced(int i, int at) {
    const op *o = &ops[i];
    bool name = o->kind <= OP_RENAME, first = false, second = o->kind != OP_RENAME || o->dir2 == o->dir;
    for (int k = i + 1; k < at; k++) {
        if (ops[k].kind != OP_SYNC) continue;
        if (ops[k].node == (name ? o->dir : o->node)) first = true;
        if (ops[k].node == o->dir2) second = true;
    }
    return first && (!name || second);
}

typedef struct data {
    char *bytes;
    size_t n;
} data;

static void resize(data *d, size_t n) {
    d->bytes = realloc(d->bytes, n + 1);
    if (n > d->n) memset(d->bytes + d->n, 0, n - d->n);
    d->n = n;
}

static void apply_write(data *d, const op *o, size_t n, bool zeros) {
    size_t end = (size_t)o->at + n;
    if (d->n < end) resize(d, end);
    if (zeros) memset(d->bytes + o->at, 0, n);
    else if (n) memcpy(d->bytes + o->at, o->bytes, n);
}

static bool build(const char *path, int dir, const entry *e, int n, const data *d) {
    bool ok = mkdir(path, 0777) == 0;
    for (int i = 0; i < n && ok; i++) {
        if (e[i].dir != dir) continue;
        char *below = path_join(path, e[i].name);
        const data *x = &d[e[i].node];
        if (is_dir[e[i].node]) ok = build(below, e[i].node, e, n, d);
        else ok = file_write_atomic(below, x->bytes ? x->bytes : "", x->n, false) >= 0;
        free(below);
    }
    return ok;
}

bool power_build(const char *root, int at, power_policy policy, uint64_t *random) {
    static entry e[MOST_NODES];
    static data d[MOST_NODES];
    int n = 0;
    for (int i = 0; i < at; i++) {
        const op *o = &ops[i];
        bool name = o->kind <= OP_RENAME, synced = is_synced(i, at);
        bool takes = synced || policy == POWER_EVERYTHING || (policy == POWER_NAMES && name) || (policy == POWER_DATA && !name)
                     || (policy == POWER_RANDOM && fault_random(random, 2));
        if (!takes) continue;
        size_t part = o->n;
        bool zeros = false;
        if (policy == POWER_RANDOM && !synced && o->kind == OP_WRITE) {
            uint64_t how = fault_random(random, 4);
            if (how == 0) part = (size_t)fault_random(random, o->n + 1);
            zeros = how == 1;
        }
        switch (o->kind) {
        case OP_LINK: set_entry(e, &n, o->dir, o->name, o->node); break;
        case OP_UNLINK: drop_entry(e, &n, o->dir, o->name); break;
        case OP_RENAME: {
            int k = find(e, n, o->dir, o->name);
            if (k >= 0 && e[k].node == o->node) drop_entry(e, &n, o->dir, o->name);
            set_entry(e, &n, o->dir2, o->name2, o->node);
            break;
        }
        case OP_WRITE: apply_write(&d[o->node], o, part, zeros); break;
        case OP_TRUNCATE: resize(&d[o->node], (size_t)o->at); break;
        case OP_SYNC: break;
        }
    }
    fault_remove(root);
    bool ok = build(root, 0, e, n, d);
    for (int i = 0; i < n_nodes; i++) {
        free(d[i].bytes);
        d[i] = (data){0};
    }
    return ok;
}
