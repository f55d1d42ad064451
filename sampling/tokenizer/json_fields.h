/* json_fields.h -- reading a member of a tokenizer.json: a flag, a text, a refusal of an unknown type by its name.  Called by
 * json_*.c. */
#ifndef GLIMPSE_SAMPLING_JSON_FIELDS_H
#define GLIMPSE_SAMPLING_JSON_FIELDS_H

#include "sampling/checkpoint/json_tree.h"

bool json_flag(const json_node *node, const char *key, bool fallback);
/* A copy of a string, ended by a 0; `what` is for the message if it is none. */
glimpse_status json_copy(const char *name, const json_node *v, const char *what, char **text, size_t *n);
/* Never GLIMPSE_OK: "the WHAT TYPE is not known". */
glimpse_status json_unknown(const char *name, const char *what, const json_node *node);

#endif
