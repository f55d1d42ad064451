/* json_tree.h -- a JSON text (RFC 8259) as an array of nodes, for files that nobody vouches for: config.json, the header of
 * safetensors, tokenizer.json.  cJSON is not enough here: it ends strings at U+0000 (vocabularies have it), keeps
 * duplicate keys, and rounds integers beyond int.
 *
 * Refused, with the byte: anything but one value, duplicate keys in an object, invalid UTF-8, lone surrogates, control
 * characters in strings, nesting beyond the caller's depth.  Memory is at most 40 bytes a byte of text.  No recursion. */
#ifndef GLIMPSE_SAMPLING_JSON_TREE_H
#define GLIMPSE_SAMPLING_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/internal/status.h"

typedef enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
} json_kind;

typedef struct json_node {
    const char *text; /* JSON_STRING: decoded, may hold 0 bytes; JSON_NUMBER: as written.  In the caller's text */
    const char *key;  /* of a member of an object; NULL elsewhere */
    uint32_t n;       /* bytes of text; members of an array or object */
    uint32_t key_n;
    uint32_t span; /* nodes of this one and all it holds */
    json_kind kind;
} json_node;

typedef struct json_tree { /* start from {0} */
    json_node *nodes;      /* nodes[0] is the root; a container's first member is the node after it */
    uint32_t n;
} json_tree;

/* Parse n bytes in place: strings are decoded where they stand, so `text` is changed and must outlive the tree.
 * `name` begins the messages.  max_depth: 1 to 64.  GLIMPSE_E_FORMAT names what was found and the byte. */
glimpse_status json_parse(const char *name, char *text, size_t n, int max_depth, json_tree *out);
void json_free(json_tree *t); /* {0} afterwards; NULL nodes are fine */

/* Walk the members of `container`: for (m = json_first(c); m; m = json_next(c, m)). */
const json_node *json_first(const json_node *container);
const json_node *json_next(const json_node *container, const json_node *member);
/* The member of an object, NULL if it is not there (or the node is NULL or no object). */
const json_node *json_get(const json_node *object, const char *key);

bool json_is_text(const json_node *node, const char *text); /* a string of exactly these bytes */
bool json_key_is(const json_node *member, const char *key);
/* Whole numbers alone: no fraction, no exponent. */
bool json_i64(const json_node *node, int64_t *out);
bool json_double(const json_node *node, double *out);

#endif
