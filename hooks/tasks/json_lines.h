/* json_lines.h -- a data set in a file of JSON lines: read whole, each line a checked tree.
 * A bad line is refused by file and number.  Written back as json.dumps would.  Called by hooks/tasks and the dataset. */
#ifndef GLIMPSE_HOOKS_TASKS_JSON_LINES_H
#define GLIMPSE_HOOKS_TASKS_JSON_LINES_H

#include "hooks/tasks/python_text.h"
#include "hooks/tasks/sha256.h"
#include "sampling/checkpoint/json_tree.h"

typedef struct json_line {
    json_tree tree;
    int64_t number;          /* of the line in the file, from 1 */
} json_line;

typedef struct json_lines {  /* start from {0} */
    char *path;
    buffer bytes;            /* the trees' texts stand here */
    json_line *lines;        /* (n), objects all */
    int32_t n;
    char sha256[SHA256_HEX]; /* of the file */
} json_lines;

/* path: "-" = standard input.  Empty lines are passed over.  GLIMPSE_E_IO, GLIMPSE_E_FORMAT: not JSON, no object, a line
 * above 16 MiB, none at all. */
glimpse_status json_lines_read(const char *path, json_lines *out);
void json_lines_free(json_lines *l);

/* GLIMPSE_E_FORMAT "FILE:LINE: ..." in the voice of the readers above. */
glimpse_status json_line_fail(const json_lines *l, int32_t i, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A string member.  GLIMPSE_E_FORMAT names it. */
glimpse_status json_line_text(const json_lines *l, int32_t i, const json_node *object, const char *key, text *out);

/* json.dumps(node, indent=indent, ensure_ascii=False), indent 0 = on one line.  Appends. */
void json_dump(const json_node *node, int indent, buffer *out);

#endif
