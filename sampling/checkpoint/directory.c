/* directory.c -- a checkpoint that is a directory, recognised by what lies in it:
 *   config.json with model.safetensors, model.safetensors.index.json and its shards, or pytorch_model.bin or its shards (Hugging Face)
 *   *.safetensors with model_config.json in it or in its parent (a trainer's output directory)
 * Orbax's arrays (JAX) are refused by name with the way out.  Called by checkpoint.c. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/checkpoint/hf_config.h"
#include "sampling/checkpoint/readers.h"

enum { MAX_INDEX_BYTES = 64 << 20 };

#define STRUCTURE                                                                                                      \
    "expected structure: output/tokenizer.json, output/model_config.json, output/best_checkpoint/(checkpoint files)"

static bool holds(const char *dir, const char *name) {
    char *path = path_join(dir, name);
    bool is = path && path_is_file(path);
    free(path);
    return is;
}

static char *parent_of(const char *dir) {
    char *trimmed = strndup(dir, path_bytes(dir)), *parent = NULL;
    if (trimmed && strcmp(path_base(trimmed), "..") && strcmp(path_base(trimmed), ".")) parent = path_dir(trimmed);
    else if (trimmed) parent = path_join(trimmed, "..");
    free(trimmed);
    return parent;
}

/* The one *.safetensors in a directory, by name of the lowest if there are several of one shape; NULL = none. */
static char *any_safetensors(const char *dir) {
    char *best = NULL;
    DIR *d = opendir(dir);
    if (!d) return NULL;
    for (struct dirent *e; (e = readdir(d));) {
        if (!ends_with(e->d_name, ".safetensors") || e->d_name[0] == '.' || !strncmp(e->d_name, "adapter_", 8))
            continue;
        if (best && strcmp(best, e->d_name) <= 0) continue;
        free(best);
        best = strdup(e->d_name);
    }
    closedir(d);
    return best;
}

static bool is_orbax(const char *dir) {
    static const char *const marks[] = {"_CHECKPOINT_METADATA",   "manifest.ocdbt",    "_METADATA",
                                        "default/manifest.ocdbt", "default/_METADATA", "params/manifest.ocdbt"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (holds(dir, marks[i])) return true;
    return false;
}

glimpse_status directory_refuse(const char *dir) {
    glimpse_status st = GLIMPSE_OK;
    if (is_orbax(dir))
        FAIL(GLIMPSE_E_UNSUPPORTED,
             "%s is an Orbax checkpoint (JAX), which is not read\n"
             "hint: export it once, in Python: import orbax.checkpoint as o, safetensors.numpy as s; t = "
             "o.PyTreeCheckpointer().restore('%s'); s.save_file(flat(t), '%s/model.safetensors') "
             "(examples/orbax_to_safetensors.py does it)",
             dir, dir, dir);
    if (holds(dir, "adapter_config.json") || holds(dir, "adapter_model.safetensors"))
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s holds an adapter (PEFT), not a model\nhint: merge it: model.merge_and_unload()",
             dir);
    if (!holds(dir, "model_config.json")) return GLIMPSE_OK;
    /* The directory above the checkpoints was given. */
    buffer inside = {0};
    int n = 0;
    DIR *d = opendir(dir);
    if (!d) FAIL(GLIMPSE_E_IO, "%s: the directory cannot be read: %s", dir, strerror(errno));
    for (struct dirent *e; (e = readdir(d)) && n < 5;) {
        char *path = e->d_name[0] == '.' ? NULL : path_join(dir, e->d_name);
        if (path && path_is_dir(path)) buf_printf(&inside, "%s--checkpoint %s", n++ ? " or " : "", path);
        free(path);
    }
    closedir(d);
    st = status_fail(GLIMPSE_E_FORMAT, __FILE__, __LINE__,
                     "Model config not found: %s is the directory above the checkpoint; " STRUCTURE, dir);
    HINT("point at the checkpoint itself: %s", n ? buf_str(&inside) : "it is not there yet");
    buf_free(&inside);
    return st;
}

/* === What lies in it === */
typedef enum layout_kind { LAYOUT_NONE, LAYOUT_INDEX, LAYOUT_FILE, LAYOUT_TORCH } layout_kind;

/* *name: the file in `dir`, returned (free). */
static layout_kind layout_of(const char *dir, char **name) {
    *name = NULL;
    if (holds(dir, "model.safetensors.index.json")) *name = strdup("model.safetensors.index.json");
    if (*name) return LAYOUT_INDEX;
    *name = holds(dir, "model.safetensors") ? strdup("model.safetensors") : any_safetensors(dir);
    if (*name) return LAYOUT_FILE;
    if (!holds(dir, "config.json")) return LAYOUT_NONE;
    if (holds(dir, "pytorch_model.bin")) *name = strdup("pytorch_model.bin");
    if (*name) return LAYOUT_TORCH;
    if (holds(dir, "pytorch_model.bin.index.json")) *name = strdup("pytorch_model.bin.index.json");
    return *name ? LAYOUT_INDEX : LAYOUT_NONE;
}

bool directory_is_checkpoint(const char *path) {
    char *name;
    layout_kind kind = layout_of(path, &name);
    free(name);
    return kind != LAYOUT_NONE;
}

/* The configuration of the tensors in `dir`: in it, or one above. */
glimpse_status config_find(const char *dir, glimpse_model *d, config_facts *facts, char **found) {
    glimpse_status st = GLIMPSE_OK;
    char *above = parent_of(dir), *path = NULL, *beside = NULL;
    if (!above) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
    if (holds(dir, "config.json")) path = path_join(dir, "config.json");
    else if (holds(dir, "model_config.json")) path = path_join(dir, "model_config.json");
    else if (holds(above, "model_config.json")) path = path_join(above, "model_config.json");
    else
        FAIL_GOTO(GLIMPSE_E_FORMAT,
                  "Model config not found: neither %s/config.json nor %s/model_config.json; " STRUCTURE
                  "\nhint: config.json, as transformers writes it, belongs beside the weights; or --checkpoint names another", dir, above);
    if (!path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
    TRY_GOTO(config_read(path, d, facts));
    if (!strcmp(path_base(path), "config.json") && holds(dir, "generation_config.json")) {
        if (!(beside = path_join(dir, "generation_config.json"))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
        TRY_GOTO(config_read_generation(beside, d, facts));
    }
    if (facts->ends_left_out)
        FAIL_GOTO(GLIMPSE_E_UNSUPPORTED, "%s: eos_token_id lists more than %d different ids", beside ? beside : path, 1 + GLIMPSE_MORE_EOS);
    *found = path;
    path = NULL;
out:
    free(above);
    free(beside);
    free(path);
    return st;
}

/* === Shards === */
/* {"metadata": ..., "weight_map": {tensor: file}}: each file is opened once, and has exactly the tensors that are said to
 * be in it. */
static glimpse_status list_shards(weight_list *l, const char *dir, const char *index_path) {
    glimpse_status st = GLIMPSE_OK;
    buffer b = {0};
    json_tree t = {0};
    char *path = NULL;
    TRY_GOTO(file_read_all(index_path, MAX_INDEX_BYTES, &b));
    if (!b.n) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s is empty", index_path);
    TRY_GOTO(json_parse(index_path, b.bytes, b.n, 8, &t));
    const json_node *map = json_get(t.nodes, "weight_map");
    if (!map || map->kind != JSON_OBJECT || !map->n) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: no weight_map", index_path);
    for (const json_node *m = json_first(map); m; m = json_next(map, m)) {
        if (m->kind != JSON_STRING || !m->n || m->n > 255 || memchr(m->text, '/', m->n) || memchr(m->text, 0, m->n) ||
            m->text[0] == '.')
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: \"%.*s\" is not in a file beside it", index_path,
                      m->key_n < 160 ? (int)m->key_n : 160, m->key);
        char name[256];
        memcpy(name, m->text, m->n);
        name[m->n] = 0;
        bool known = false;
        for (int32_t i = 0; i < l->n_files && !known; i++) known = !strcmp(path_base(l->files[i].path), name);
        if (known) continue;
        int32_t index;
        free(path);
        if (!(path = path_join(dir, name))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
        if (!path_is_file(path))
            FAIL_GOTO(GLIMPSE_E_IO, "%s is missing: %s names it\nhint: was the download interrupted?", path,
                      index_path);
        TRY_GOTO(weights_open_file(l, path, &index));
        TRY_GOTO(strstr(path_base(index_path), ".bin.") ? torch_list(l, index, NULL) : safetensors_list(l, index));
    }
    for (const json_node *m = json_first(map); m; m = json_next(map, m)) {
        char name[MAX_WEIGHT_NAME + 1];
        if (m->key_n > MAX_WEIGHT_NAME || memchr(m->key, 0, m->key_n))
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: a name that is too long", index_path);
        memcpy(name, m->key, m->key_n);
        name[m->key_n] = 0;
        const weight *w = weights_find(l, name);
        const char *file = w ? path_base(l->files[w->file].path) : "";
        if (!w || strlen(file) != m->n || memcmp(file, m->text, m->n))
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: tensor %s is not in %.*s", index_path, name, (int)m->n, m->text);
    }
    if ((uint32_t)l->n != map->n)
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s names %u tensors, its files hold %d", index_path, (unsigned)map->n, (int)l->n);
out:
    free(path);
    json_free(&t);
    buf_free(&b);
    return st;
}

static glimpse_status list_file(weight_list *l, const char *path, layout_kind kind) {
    int32_t index;
    TRY(weights_open_file(l, path, &index));
    return kind == LAYOUT_TORCH ? torch_list(l, index, NULL) : safetensors_list(l, index);
}

static glimpse_status read_layout(const char *dir, const char *path, layout_kind kind, checkpoint_progress progress,
                                  void *user, model **out) {
    glimpse_status st = GLIMPSE_OK;
    weight_list l = {0};
    glimpse_model d = GLIMPSE_MODEL_INIT;
    config_facts facts;
    char *config = NULL;
    TRY_GOTO(config_find(dir, &d, &facts, &config));
    TRY_GOTO(kind == LAYOUT_INDEX ? list_shards(&l, dir, path) : list_file(&l, path, kind));
    TRY_GOTO(config_fit_weights(config, &l, &d, &facts));
    st = weights_read(&l, &d, progress, user, out);
out:
    weights_free(&l);
    free(config);
    return st;
}

glimpse_status directory_read(const char *dir, checkpoint_progress progress, void *user, model **out) {
    char *name, *path = NULL;
    layout_kind kind = layout_of(dir, &name);
    glimpse_status st = GLIMPSE_OK;
    if (kind == LAYOUT_NONE) FAIL(GLIMPSE_E_FORMAT, "%s: no checkpoint in this directory", dir);
    if (!(path = path_join(dir, name))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
    st = read_layout(dir, path, kind, progress, user, out);
out:
    free(name);
    free(path);
    return st;
}

glimpse_status safetensors_read(const char *path, checkpoint_progress progress, void *user, model **out) {
    char *dir = path_dir(path);
    if (!dir) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
    glimpse_status st = read_layout(dir, path, LAYOUT_FILE, progress, user, out);
    free(dir);
    return st;
}

glimpse_status checkpoint_find_tokenizer_path(const char *checkpoint, const char *out_dir, char **out) {
    glimpse_status st = GLIMPSE_OK;
    bool directory = path_is_dir(checkpoint);
    buffer dataset = {0};
    char *data[3] = {NULL};
    *out = NULL;
    if (!directory && gguf_has_tokenizer(checkpoint)) {
        if (!(*out = strdup(checkpoint))) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
        return GLIMPSE_OK;
    }
    char *in = directory ? strdup(checkpoint) : path_dir(checkpoint), *above = in ? parent_of(in) : NULL;
    char *run = above && !strcmp(path_base(above), "snapshots") ? parent_of(above) : above ? strdup(above) : NULL; /* RUN/snapshots/step_N */
    if (!run) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
    if (!directory) torch_dataset(checkpoint, &dataset);
    for (int i = 0; dataset.n && i < 3; i++) { /* sample.py: data/NAME/meta.pkl in the working directory, which held out_dir */
        buffer dir = {0};
        buf_printf(&dir, "%s%s/data/%s", i ? above : ".", i == 2 ? "/.." : "", buf_str(&dataset));
        data[i] = buf_take(&dir, NULL);
        if (!data[i]) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
    }
    TRY_GOTO(tokenizer_find_path((const char *const[]){in, above, run, out_dir, data[0], data[1], data[2], "."}, 8, out));
    if (!*out && directory && !holds(in, "config.json") && holds(above, "model_config.json"))
        FAIL_GOTO(GLIMPSE_E_TOKENIZER,
                  "Could not find tokenizer.json: neither in %s nor in %s\n"
                  "hint: name it: --tokenizer %s/tokenizer.json; " STRUCTURE,
                  in, above, above);
out:
    for (int i = 0; i < 3; i++) free(data[i]);
    free(run);
    buf_free(&dataset);
    free(in);
    free(above);
    return st;
}

glimpse_status checkpoint_find_tokenizer(const char *checkpoint, const char *out_dir, const char *pattern, tokenizer **out) {
    char *path;
    *out = NULL;
    TRY(checkpoint_find_tokenizer_path(checkpoint, out_dir, &path));
    glimpse_status st = path ? tokenizer_load_pattern(path, pattern, out) : GLIMPSE_OK;
    free(path);
    return st;
}
