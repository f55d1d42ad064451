/* hf_reader.h -- a configuration while it is read: the object, where its values go, and what reads one value.
 *
 * hf_config.c reads values and fits the tensors, hf_rope.c rotary positions and windows, hf_archs.c what differs between
 * architectures.  Private to these. */
#ifndef GLIMPSE_SAMPLING_HF_READER_H
#define GLIMPSE_SAMPLING_HF_READER_H

#include "sampling/checkpoint/hf_config.h"

typedef struct hf_reader {
    const char *name; /* begins the messages */
    const json_node *root;
    glimpse_model *d;
    config_facts *facts;
} hf_reader;

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The first of `keys` (a list ended by NULL) that is there and not null. */
const json_node *hf_first_of(const json_node *object, const char *const *keys);
const json_node *hf_value(const hf_reader *r, const char *key);
/* A whole number 1 to INT32_MAX into *out; `needed`: it must be there. */
glimpse_status hf_whole(const hf_reader *r, const char *const *keys, bool needed, int32_t *out);
/* A finite number above 0; *out stays where the key is not there. */
glimpse_status hf_positive(const hf_reader *r, const json_node *object, const char *key, float *out);
/* The same from the root; where the key is not there `fallback`, where it is null 0. */
glimpse_status hf_positive_or(const hf_reader *r, const char *key, float fallback, float *out);
glimpse_status hf_boolean(const hf_reader *r, const char *key, bool fallback, bool *out);
glimpse_status hf_activation(const hf_reader *r, const char *const *keys, int32_t fallback);

/* hf_rope.c.  `theta` and `partial`: what holds where nothing is said. */
glimpse_status hf_rope(const hf_reader *r, float theta, float partial);
glimpse_status hf_windows(const hf_reader *r, bool optional);
/* Gemma's: `pattern` layers of which the last sees everything, unless layer_types says it. */
glimpse_status hf_window_pattern(const hf_reader *r, int32_t window, int32_t pattern);
/* no_rope_layers: 1 = with rotary positions, a layer; else `interval`. */
glimpse_status hf_rope_skips(const hf_reader *r);

/* hf_archs.c.  All that model_type asks for.  GLIMPSE_E_UNSUPPORTED: not known. */
glimpse_status hf_architecture(const hf_reader *r, bool typed);

#endif
