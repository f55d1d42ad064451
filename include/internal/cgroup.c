/* cgroup.c -- see cgroup.h. */
#define _GNU_SOURCE
#include "include/internal/cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "include/internal/buffer.h"
#include "include/internal/file.h"

enum { MOST_BYTES = 4 << 20 };

static bool read_text(const char *path, buffer *text) {
    buf_clear(text);
    int fd = file_open_fd(path, O_RDONLY);
    if (fd < 0) return false;
    bool good = file_read_fd(fd, path, MOST_BYTES, text) >= 0 && text->n > 0;
    io.close(fd);
    return good;
}

/* --- where the group lies ------------------------------------------------------------------------------------------- */

/* Whether `word` is in a list by commas. */
static bool lists(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *p = list; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
        if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == 0)) return true;
    return false;
}

/* mountinfo writes blanks, newlines and backslashes as \ooo. */
static void unescape(char *s) {
    char *to = s;
    for (; *s; s++, to++) {
        bool octal = s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7';
        *to = octal ? (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0')) : *s;
        if (octal) s += 3;
    }
    *to = 0;
}

/* What of `path` lies below `root`; NULL: it does not. */
static const char *below(const char *path, const char *root) {
    size_t n = strlen(root);
    if (n == 1) return path; /* "/" */
    return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == 0) ? path + n : NULL;
}

/* The path of this process's group in the hierarchy of a controller of version 1, or of version 2 (NULL). */
static bool own_path(const char *controller, buffer *text, char **path) {
    char *rest = NULL;
    if (!read_text("/proc/self/cgroup", text)) return false;
    for (char *line = strtok_r(text->bytes, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *names = strchr(line, ':'), *at = names ? strchr(names + 1, ':') : NULL;
        if (!at) continue;
        *at++ = 0;
        if (controller ? !lists(names + 1, controller) : strcmp(line, "0:") != 0) continue;
        *path = at;
        return true;
    }
    return false;
}

/* The directory of the group, and how long the part of it is that is the mount point.  Where the group is not below what is
 * mounted (a container that sees the host's names), the mount point is what there is of it. */
static bool find_group(const char *controller, buffer *dir, size_t *top) {
    buffer groups = {0}, mounts = {0};
    char *path = NULL, *rest = NULL;
    buf_clear(dir);
    if (own_path(controller, &groups, &path) && read_text("/proc/self/mountinfo", &mounts))
        for (char *line = strtok_r(mounts.bytes, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            char *field[5] = {0}, *more = NULL, *type = strstr(line, " - "); /* field[3]: what is mounted, [4]: where */
            if (!type) continue;
            *type = 0;
            type = strtok_r(type + 3, " ", &more);
            strtok_r(NULL, " ", &more); /* the source */
            const char *options = strtok_r(NULL, " ", &more);
            if (!type || strcmp(type, controller ? "cgroup" : "cgroup2") != 0) continue;
            if (controller && (!options || !lists(options, controller))) continue;
            field[0] = strtok_r(line, " ", &more);
            for (int i = 1; i < 5; i++) field[i] = field[i - 1] ? strtok_r(NULL, " ", &more) : NULL;
            if (!field[4]) continue;
            unescape(field[3]);
            unescape(field[4]);
            const char *inner = below(path, field[3]);
            if (!inner && dir->n) continue;
            buf_clear(dir);
            buf_puts(dir, field[4]);
            *top = dir->n;
            if (!inner || strstr(inner, "/..")) continue;
            if (strcmp(inner, "/") != 0) buf_puts(dir, inner);
            break;
        }
    buf_free(&groups);
    buf_free(&mounts);
    return dir->n > 0 && !buf_failed(dir);
}

/* --- what it says ----------------------------------------------------------------------------------------------------- */

/* The text of a file of the group, "" if there is none; borrowed until the next call with `text`. */
static const char *group_file(const char *dir, const char *name, buffer *text) {
    char path[PATH_MAX];
    int n = c_snprintf(path, sizeof path, "%s/%s", dir, name);
    return n > 0 && (size_t)n < sizeof path && read_text(path, text) ? buf_str(text) : "";
}

/* The number that stands there, `none` for anything else ("max", -1). */
static uint64_t number_at(const char *p, uint64_t none) {
    uint64_t v;
    return parse_u64(p, strspn(p, "0123456789"), &v) ? v : none;
}

static uint64_t number_in(const char *dir, const char *name, uint64_t none, buffer *text) {
    return number_at(group_file(dir, name, text), none);
}

/* The number behind `key`, which begins a line of memory.stat. */
static uint64_t stat_of(const char *stat, const char *key) {
    size_t n = strlen(key);
    for (const char *p = stat; p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
        if (strncmp(p, key, n) == 0 && p[n] == ' ') return number_at(p + n + 1, 0);
    return 0;
}

static uint64_t memory_at(const char *dir, bool v2, buffer *text) {
    uint64_t limit = number_in(dir, v2 ? "memory.max" : "memory.limit_in_bytes", UINT64_MAX, text);
    uint64_t high = v2 ? number_in(dir, "memory.high", UINT64_MAX, text) : UINT64_MAX; /* above it everybody in the group is made to wait */
    uint64_t used = number_in(dir, v2 ? "memory.current" : "memory.usage_in_bytes", UINT64_MAX, text);
    if (high < limit) limit = high;
    if (limit == UINT64_MAX || used == UINT64_MAX) return UINT64_MAX;
    const char *stat = group_file(dir, "memory.stat", text);
    uint64_t cache = stat_of(stat, v2 ? "inactive_file" : "total_inactive_file") + stat_of(stat, v2 ? "active_file" : "total_active_file");
    used = used > cache ? used - cache : 0;
    return limit > used ? limit - used : 0;
}

static uint64_t cpus_at(const char *dir, bool v2, buffer *text) {
    uint64_t quota, period;
    if (v2) { /* "400000 100000" */
        const char *p = group_file(dir, "cpu.max", text);
        quota = number_at(p, UINT64_MAX);
        p += strcspn(p, " ");
        period = number_at(p + strspn(p, " "), 0);
    } else {
        quota = number_in(dir, "cpu.cfs_quota_us", UINT64_MAX, text);
        period = number_in(dir, "cpu.cfs_period_us", 0, text);
    }
    if (quota == UINT64_MAX || !period) return UINT64_MAX;
    return quota / period + (quota % period || quota < period);
}

/* The least that a level of either version leaves. */
static uint64_t least(const char *controller, uint64_t (*at)(const char *dir, bool v2, buffer *text)) {
    uint64_t left = UINT64_MAX;
    buffer dir = {0}, text = {0};
    for (int version = 1; version <= 2; version++) {
        size_t top = 0;
        if (!find_group(version == 1 ? controller : NULL, &dir, &top)) continue;
        for (;;) {
            uint64_t here = at(dir.bytes, version == 2, &text);
            if (here < left) left = here;
            char *cut = strrchr(dir.bytes, '/');
            if (!cut || (size_t)(cut - dir.bytes) < top) break;
            *cut = 0;
        }
    }
    buf_free(&dir);
    buf_free(&text);
    return left;
}

uint64_t cgroup_memory_left(void) { return least("memory", memory_at); }

int cgroup_cpus(void) {
    uint64_t n = least("cpu", cpus_at);
    return n < INT_MAX ? (int)n : 0;
}
