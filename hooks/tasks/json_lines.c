/* json_lines.c -- see json_lines.h. */
#include "hooks/tasks/json_lines.h"

#include "include/internal/file.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_LINE ((size_t)16 << 20)
#define MOST_FILE ((size_t)2 << 30)
enum { DEPTH = 16 };

glimpse_status json_line_fail(const json_lines *l, int32_t i, const char *fmt, ...) {
    buffer b = {0};
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&b, fmt, args);
    va_end(args);
    status_fail(GLIMPSE_E_FORMAT, __FILE__, __LINE__, "%s:%lld: %s", l->path, (long long)l->lines[i].number, buf_str(&b));
    buf_free(&b);
    return GLIMPSE_E_FORMAT;
}

glimpse_status json_line_text(const json_lines *l, int32_t i, const json_node *object, const char *key, text *out) {
    const json_node *n = json_get(object, key);
    if (!n) return json_line_fail(l, i, "there is no field \"%s\"", key);
    if (n->kind != JSON_STRING) return json_line_fail(l, i, "field \"%s\" is no text", key);
    *out = (text){ n->text, n->n };
    return GLIMPSE_OK;
}

static glimpse_status add_line(json_lines *l, size_t *cap, char *s, size_t n, int64_t number) {
    char name[4200];
    c_snprintf(name, sizeof name, "%s:%lld", l->path, (long long)number);
    if (n > MOST_LINE) FAIL(GLIMPSE_E_FORMAT, "%s: a line of %zu bytes, at most %zu are read", name, n, MOST_LINE);
    if ((size_t)l->n == *cap) {
        if (*cap > INT32_MAX / 4) FAIL(GLIMPSE_E_FORMAT, "%s: too many lines", name);
        size_t more = *cap ? 2 * *cap : 256;
        json_line *grown = realloc(l->lines, more * sizeof *grown);
        if (!grown) FAIL(GLIMPSE_E_MEMORY, "no memory for %zu lines of %s", more, l->path);
        l->lines = grown;
        *cap = more;
    }
    json_line *line = &l->lines[l->n];
    *line = (json_line){ .number = number };
    TRY(json_parse(name, s, n, DEPTH, &line->tree));
    l->n++;
    if (line->tree.nodes[0].kind != JSON_OBJECT) FAIL(GLIMPSE_E_FORMAT, "%s: not an object {...}", name);
    json_node *fit = realloc(line->tree.nodes, line->tree.n * sizeof *fit);
    if (fit) line->tree.nodes = fit;
    return GLIMPSE_OK;
}

glimpse_status json_lines_read(const char *path, json_lines *out) {
    glimpse_status st = GLIMPSE_OK;
    size_t cap = 0;
    bool from_stdin = !strcmp(path, "-"); /* a pipe, too */
    json_lines l = { .path = strdup(from_stdin ? "standard input" : path) };
    if (!l.path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(from_stdin ? file_read_fd(STDIN_FILENO, l.path, MOST_FILE, &l.bytes) : file_read_all(path, MOST_FILE, &l.bytes));
    sha256_hex(l.bytes.bytes, l.bytes.n, l.sha256);
    int64_t number = 1;
    size_t from = l.bytes.n >= 3 && !memcmp(l.bytes.bytes, "\xEF\xBB\xBF", 3) ? 3 : 0; /* a mark of byte order */
    for (; from < l.bytes.n; number++) {
        char *s = l.bytes.bytes + from, *end = memchr(s, '\n', l.bytes.n - from);
        size_t n = end ? (size_t)(end - s) : l.bytes.n - from;
        from += n + 1;
        while (n && (s[n - 1] == '\r' || s[n - 1] == ' ' || s[n - 1] == '\t')) n--;
        if (n) TRY_GOTO(add_line(&l, &cap, s, n, number));
    }
    if (!l.n) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s holds no line", path);
    *out = l;
    l = (json_lines){0};
out:
    json_lines_free(&l);
    return st;
}

void json_lines_free(json_lines *l) {
    for (int32_t i = 0; i < l->n; i++) json_free(&l->lines[i].tree);
    free(l->lines);
    free(l->path);
    buf_free(&l->bytes);
    *l = (json_lines){0};
}

static void new_line(int indent, int depth, buffer *out) {
    if (!indent) return;
    buf_putc(out, '\n');
    buf_fill(out, ' ', (size_t)(indent * depth));
}

static void dump(const json_node *n, int indent, int depth, buffer *out) {
    double x;
    switch (n->kind) {
    case JSON_NULL: buf_puts(out, "null"); return;
    case JSON_FALSE: buf_puts(out, "false"); return;
    case JSON_TRUE: buf_puts(out, "true"); return;
    case JSON_STRING: py_json_string((text){ n->text, n->n }, out); return;
    case JSON_NUMBER:
        if ((memchr(n->text, '.', n->n) || memchr(n->text, 'e', n->n) || memchr(n->text, 'E', n->n)) && json_double(n, &x))
            py_float(x, out);
        else buf_put(out, n->text, n->n);
        return;
    case JSON_ARRAY:
    case JSON_OBJECT: break;
    }
    bool object = n->kind == JSON_OBJECT;
    const json_node *first = json_first(n);
    buf_putc(out, object ? '{' : '[');
    for (const json_node *m = first; m; m = json_next(n, m)) {
        if (m != first) buf_puts(out, indent ? "," : ", ");
        new_line(indent, depth + 1, out);
        if (object) {
            py_json_string((text){ m->key, m->key_n }, out);
            buf_puts(out, ": ");
        }
        dump(m, indent, depth + 1, out);
    }
    if (first) new_line(indent, depth, out);
    buf_putc(out, object ? '}' : ']');
}

void json_dump(const json_node *node, int indent, buffer *out) { dump(node, indent, 0, out); }
