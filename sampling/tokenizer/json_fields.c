/* json_fields.c -- see json_fields.h. */
#include "sampling/tokenizer/json_fields.h"

#include <stdlib.h>
#include <string.h>

bool json_flag(const json_node *node, const char *key, bool fallback) {
    const json_node *v = json_get(node, key);
    return v && (v->kind == JSON_TRUE || v->kind == JSON_FALSE) ? v->kind == JSON_TRUE : fallback;
}

glimpse_status json_copy(const char *name, const json_node *v, const char *what, char **text, size_t *n) {
    if (!v || v->kind != JSON_STRING) FAIL(GLIMPSE_E_FORMAT, "%s: %s is no text", name, what);
    if (!(*text = malloc((size_t)v->n + 1))) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    if (v->n) memcpy(*text, v->text, v->n);
    (*text)[v->n] = 0;
    *n = v->n;
    return GLIMPSE_OK;
}

glimpse_status json_unknown(const char *name, const char *what, const json_node *node) {
    const json_node *type = json_get(node, "type");
    if (!type || type->kind != JSON_STRING) FAIL(GLIMPSE_E_FORMAT, "%s: a %s without type", name, what);
    FAIL(GLIMPSE_E_UNSUPPORTED, "%s: the %s %.*s is not known", name, what, type->n < 60 ? (int)type->n : 60,
         type->text);
}
