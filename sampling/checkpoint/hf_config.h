/* hf_config.h -- a model's configuration file: config.json as Hugging Face's transformers writes it, model_config.json, and
 * the same fields from anywhere else.  Called by the readers whose files hold tensors alone. */
#ifndef GLIMPSE_SAMPLING_CONFIG_H
#define GLIMPSE_SAMPLING_CONFIG_H

#include "sampling/checkpoint/json_tree.h"
#include "sampling/checkpoint/weights.h"

/* Whether a kind of tensor belongs to the model. */
typedef enum config_has { HAS_UNKNOWN, HAS_NOT, HAS } config_has;

typedef struct config_facts {
    char model_type[32];
    bool tied; /* the head is the embedding, whatever lm_head.weight there is */
    bool tying_known;
    bool ends_left_out; /* eos_token_id lists more ids than a description holds */
    bool nested; /* the text model of one that also sees */
    config_has qkv_bias, out_bias, mlp_bias, qk_norm;
} config_facts;

/* Read the file `path` into *d (GLIMPSE_MODEL_INIT) and *facts.  d->arch is a static string.
 * GLIMPSE_E_UNSUPPORTED names an architecture or an option that is not known: it is never guessed. */
glimpse_status config_read(const char *path, glimpse_model *d, config_facts *facts);
/* The same from a parsed object; `name` begins the messages. */
glimpse_status config_from_json(const char *name, const json_node *root, glimpse_model *d, config_facts *facts);

/* generation_config.json, which lies beside config.json: as in transformers' generate its eos_token_id, where it has one, counts
 * and not config.json's.  One that is no JSON counts as absent, as there. */
glimpse_status config_read_generation(const char *path, glimpse_model *d, config_facts *facts);

/* Look for it where the tensors lie: dir/config.json, dir/model_config.json, ../model_config.json; dir/generation_config.json where
 * it is.  *found: its path, returned (free).  GLIMPSE_E_FORMAT "Model config not found", with the structure that is expected. */
glimpse_status config_find(const char *dir, glimpse_model *d, config_facts *facts, char **found);

/* Fit the list to the description: names without wrappers, matrices marked as transposed, a tied head dropped; tensors
 * that the configuration promises or excludes are checked.  Then weights_read takes it. */
glimpse_status config_fit_weights(const char *name, weight_list *l, const glimpse_model *d, const config_facts *facts);

#endif
