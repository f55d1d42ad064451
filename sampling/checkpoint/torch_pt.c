/* torch_pt.c -- what torch.save writes since 1.6 (pytorch/pytorch: torch/serialization.py, torch/_utils.py): a zip of stored
 * members with one prefix, prefix/data.pkl (the objects), prefix/data/KEY (the bytes of each storage), prefix/version and
 * perhaps prefix/byteorder.  A tensor is a view of a storage: offset, sizes and strides in elements, each re-checked here
 * against the bytes that are there.
 *
 * The weights are looked for under model, state_dict and model_state_dict, else in the root; nanoGPT's model_args (train.py)
 * say the model's sizes, else a configuration beside the file does. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "sampling/checkpoint/hf_config.h"
#include "sampling/checkpoint/pickle.h"
#include "sampling/checkpoint/readers.h"
#include "sampling/checkpoint/zip.h"

enum { MAX_PICKLE = 128 << 20 };

typedef struct torch_file {
    weight_list *l;
    int32_t index;
    const file *f;
    zip z;
    char *prefix; /* with its '/' */
    pickle p;
    buffer bytes;
} torch_file;

static const struct {
    const char *name;
    int bytes;
    weight_dtype dtype;
} types[] = {
    {"Float", 4, WEIGHT_F32},  {"Half", 2, WEIGHT_F16},   {"BFloat16", 2, WEIGHT_BF16}, {"Double", 8, WEIGHT_OTHER},
    {"Long", 8, WEIGHT_OTHER}, {"Int", 4, WEIGHT_OTHER},  {"Short", 2, WEIGHT_OTHER},   {"Char", 1, WEIGHT_OTHER},
    {"Byte", 1, WEIGHT_OTHER}, {"Bool", 1, WEIGHT_OTHER}, {"Untyped", 1, WEIGHT_OTHER},
};

static const zip_member *member(const torch_file *t, const char *name) {
    char path[600];
    c_snprintf(path, sizeof path, "%s%s", t->prefix, name);
    return zip_find(&t->z, path);
}

static glimpse_status open_archive(torch_file *t) {
    static const char pkl[] = "data.pkl";
    char order[8] = "";
    TRY(zip_read(t->f, &t->z));
    const zip_member *data = NULL;
    for (int32_t i = 0; i < t->z.n; i++) {
        const char *name = t->z.members[i].name, *slash = strchr(name, '/');
        if (slash && !strcmp(slash + 1, pkl))
            data = &t->z.members[i], t->prefix = strndup(name, (size_t)(slash + 1 - name));
        if (data) break;
    }
    if (!data)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s is a zip archive without data.pkl: no file of torch.save (is it NumPy's .npz?)",
             t->f->path);
    if (!t->prefix) FAIL(GLIMPSE_E_MEMORY, "no memory for a name");
    if (strlen(t->prefix) > 256) FAIL(GLIMPSE_E_FORMAT, "%s: a zip member's name is too long", t->f->path);
    const zip_member *byteorder = member(t, "byteorder");
    if (byteorder && byteorder->bytes < (int64_t)sizeof order) {
        TRY(file_read_at(t->f, byteorder->at, order, (size_t)byteorder->bytes));
        if (strcmp(order, "little")) FAIL(GLIMPSE_E_UNSUPPORTED, "%s: its numbers are %s-endian", t->f->path, order);
    }
    if (data->bytes > MAX_PICKLE)
        FAIL(GLIMPSE_E_FORMAT, "%s: its pickle has %lld bytes, at most %d are read", t->f->path, (long long)data->bytes,
             (int)MAX_PICKLE);
    char *to = buf_reserve(&t->bytes, (size_t)data->bytes + 1);
    if (!to) FAIL(GLIMPSE_E_MEMORY, "no memory for the pickle of %s", t->f->path);
    TRY(file_read_at(t->f, data->at, to, (size_t)data->bytes));
    return pickle_read(t->f->path, (const unsigned char *)to, (size_t)data->bytes, &t->p);
}

/* One tensor of the state dict, its view re-checked against the storage's bytes. */
static glimpse_status add_tensor(torch_file *t, const pickle_value *name, const pickle_value *v) {
    const pickle_tensor *x = &t->p.tensors[v->as.tensor];
    const pickle_value *s = &t->p.values[x->storage];
    const char *path = t->f->path;
    char key[160];
    weight w = {.file = t->index, .n_dims = x->n_dims, .dtype = WEIGHT_OTHER};
    int nn = (int)(name->n < 200 ? name->n : 200);
    if (s->n > 100 || memchr(s->text, 0, s->n)) FAIL(GLIMPSE_E_FORMAT, "%s: the key of a storage is too long", path);
    c_snprintf(key, sizeof key, "data/%.*s", (int)s->n, s->text);
    const zip_member *m = member(t, key);
    if (!m) FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s: its storage %s is not in the archive", path, nn, name->text, key);
    size_t k = 0;
    while (strcmp(types[k].name, s->dtype)) k++;
    int64_t held;
    if (__builtin_mul_overflow(s->as.i, (int64_t)types[k].bytes, &held) || held != m->bytes)
        FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s: its storage should hold %lld elements of %d bytes, and has %lld bytes",
             path, nn, name->text, (long long)s->as.i, types[k].bytes, (long long)m->bytes);
    __int128 last = x->offset;
    bool empty = false, dense = true, expanded = false;
    int64_t elements = weight_elements(x->dims, x->n_dims), run = elements;
    if (elements < 0 || x->offset < 0)
        FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s: its sizes overflow", path, nn, name->text);
    for (int32_t i = 0; i < x->n_dims; i++) {
        if (x->strides[i] < 0)
            FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s: a stride of %lld", path, nn, name->text, (long long)x->strides[i]);
        if (x->dims[i] > 1 && !x->strides[i]) expanded = true;
        if (!x->dims[i]) empty = true;
        else last += (__int128)x->strides[i] * (x->dims[i] - 1), run /= x->dims[i];
        if (x->dims[i] > 1 && x->strides[i] != run) dense = false;
    }
    if (!empty && last >= s->as.i)
        FAIL(GLIMPSE_E_FORMAT, "%s: tensor %.*s reaches beyond the %lld elements of its storage", path, nn, name->text,
             (long long)s->as.i);
    for (int32_t i = 0; i < x->n_dims; i++) w.dims[i] = x->dims[i], w.strides[i] = dense ? 0 : x->strides[i];
    w.at = m->at + (empty ? 0 : x->offset * types[k].bytes);
    w.bytes = empty ? 0 : ((int64_t)last - x->offset + 1) * types[k].bytes;
    w.dtype = expanded ? WEIGHT_OTHER : types[k].dtype; /* a stride of 0: refused where it is needed */
    c_snprintf(w.dtype_name, sizeof w.dtype_name, expanded ? "%s, expanded" : "%s", types[k].name);
    return weights_add(t->l, &w, name->text, name->n);
}

static bool has_tensors(const pickle *p, const pickle_value *dict) {
    for (uint32_t i = 0; dict && dict->kind == PICKLE_DICT && i + 1 < dict->n; i += 2)
        if (pickle_item(p, dict, i)->kind == PICKLE_TEXT && pickle_item(p, dict, i + 1)->kind == PICKLE_TENSOR)
            return true;
    return false;
}

static glimpse_status no_weights(const torch_file *t, const pickle_value *root) {
    buffer keys = {0};
    const pickle_value *other = NULL;
    int shown = 0;
    for (uint32_t i = 0; i + 1 < root->n; i += 2) {
        const pickle_value *k = pickle_item(&t->p, root, i);
        if (k->kind != PICKLE_TEXT) continue;
        if (shown++ < 12) buf_printf(&keys, "%s%.*s", shown > 1 ? ", " : "", (int)(k->n < 60 ? k->n : 60), k->text);
        if (has_tensors(&t->p, pickle_item(&t->p, root, i + 1))) other = k;
    }
    glimpse_status st = status_fail(GLIMPSE_E_FORMAT, __FILE__, __LINE__,
                                    "%s: no weights under model, state_dict or model_state_dict; keys found: %s",
                                    t->f->path, shown ? buf_str(&keys) : "none");
    if (other)
        HINT("\"%.*s\" holds tensors: save it under \"model\"", (int)(other->n < 60 ? other->n : 60), other->text);
    else HINT("save it so: torch.save({'model': model.state_dict(), 'model_args': dict(...)}, path)");
    buf_free(&keys);
    return st;
}

static glimpse_status find_weights(const torch_file *t, const pickle_value **out) {
    static const char *const keys[] = {"model", "state_dict", "model_state_dict"};
    const pickle_value *root = pickle_root(&t->p);
    if (root->kind != PICKLE_DICT)
        FAIL(GLIMPSE_E_FORMAT,
             "%s: it holds no dict\nhint: save a dict: torch.save({'model': model.state_dict(), ...}, path)",
             t->f->path);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (has_tensors(&t->p, *out = pickle_get(&t->p, root, keys[i]))) return GLIMPSE_OK;
    if (has_tensors(&t->p, *out = root)) return GLIMPSE_OK;
    return no_weights(t, root);
}

/* A whole number of the first of `keys` that is there. */
static bool number(const pickle *p, const pickle_value *dict, const char *const *keys, int32_t *out) {
    int64_t v;
    for (; *keys; keys++)
        if (pickle_i64(pickle_get(p, dict, *keys), &v) && v > 0 && v <= INT32_MAX) {
            *out = (int32_t)v;
            return true;
        }
    return false;
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* nanoGPT's model_args, or a dict of the same names where other trainers put it. */
static void read_arguments(const torch_file *t, glimpse_model *d) {
    static const char *const places[] = {"model_args", "model_config", "config", "args", "hyper_parameters"};
    const pickle_value *root = pickle_root(&t->p);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const pickle_value *a = pickle_get(&t->p, root, places[i]);
        glimpse_model said = *d;
        if (!number(&t->p, a, KEYS("n_head", "num_heads", "num_attention_heads", "n_heads"), &said.n_heads) ||
            !number(&t->p, a, KEYS("n_layer", "num_layers", "num_hidden_layers", "n_layers"), &said.n_layers) ||
            !number(&t->p, a, KEYS("n_embd", "embed_dim", "hidden_size", "d_model"), &said.channels) ||
            !number(&t->p, a, KEYS("block_size", "n_positions", "max_seq_len", "max_position_embeddings"),
                    &said.max_seq_len))
            continue;
        number(&t->p, a, KEYS("vocab_size"), &said.vocab_size);
        said.arch = "gpt2";
        said.activation = GLIMPSE_GELU_ERF; /* nanoGPT, model.py: nn.GELU() */
        *d = said;
        return;
    }
}

glimpse_status torch_list(weight_list *l, int32_t index, glimpse_model *d) {
    glimpse_status st = GLIMPSE_OK;
    torch_file t = {.l = l, .index = index, .f = &l->files[index]};
    const pickle_value *weights = NULL;
    TRY_GOTO(open_archive(&t));
    TRY_GOTO(find_weights(&t, &weights));
    for (uint32_t i = 0; i + 1 < weights->n; i += 2) {
        const pickle_value *name = pickle_item(&t.p, weights, i), *v = pickle_item(&t.p, weights, i + 1);
        if (name->kind == PICKLE_TEXT && v->kind == PICKLE_TENSOR) TRY_GOTO(add_tensor(&t, name, v));
    }
    if (d) read_arguments(&t, d);
out:
    pickle_free(&t.p);
    zip_free(&t.z);
    buf_free(&t.bytes);
    free(t.prefix);
    return st;
}

void torch_dataset(const char *path, buffer *name) {
    weight_list l = {0};
    torch_file t = {.l = &l};
    unsigned char head[4];
    if (weights_open_file(&l, path, &t.index) >= 0 && l.files[t.index].size > 4 && file_read_at(&l.files[t.index], 0, head, 4) >= 0
        && !memcmp(head, "PK\x03\x04", 4)) {
        t.f = &l.files[t.index];
        const pickle_value *said = open_archive(&t) >= 0 ? pickle_get(&t.p, pickle_get(&t.p, pickle_root(&t.p), "config"), "dataset") : NULL;
        if (said && said->kind == PICKLE_TEXT && said->n < 256 && !memchr(said->text, 0, said->n)) buf_put(name, said->text, said->n);
        pickle_free(&t.p);
        zip_free(&t.z);
        buf_free(&t.bytes);
        free(t.prefix);
    }
    weights_free(&l);
}

/* Names without what torch.compile, DistributedDataParallel and Lightning put before them. */
static glimpse_status strip_wrappers(weight_list *l) {
    for (int i = 0; i < 2; i++) {
        TRY(weights_strip(l, "module."));
        TRY(weights_strip(l, "_orig_mod."));
        if (weights_find(l, "model.transformer.wte.weight") || weights_find(l, "model.model.embed_tokens.weight") ||
            weights_find(l, "model._orig_mod.transformer.wte.weight"))
            TRY(weights_strip(l, "model."));
    }
    return GLIMPSE_OK;
}

glimpse_status torch_read(const char *path, checkpoint_progress progress, void *user, model **out) {
    glimpse_status st = GLIMPSE_OK;
    weight_list l = {0};
    glimpse_model d = GLIMPSE_MODEL_INIT;
    config_facts facts = {0};
    char *dir = NULL, *config = NULL;
    int32_t index;
    TRY_GOTO(weights_open_file(&l, path, &index));
    TRY_GOTO(torch_list(&l, index, &d));
    TRY_GOTO(strip_wrappers(&l));
    const weight *wte = weights_find(&l, "transformer.wte.weight"), *head = weights_find(&l, "lm_head.weight");
    if (!wte) wte = weights_find(&l, "wte.weight");
    if (d.arch && wte) {
        if (!d.vocab_size && wte->n_dims == 2 && wte->dims[0] <= INT32_MAX) d.vocab_size = (int32_t)wte->dims[0];
        if (head && head->at == wte->at && head->bytes == wte->bytes) facts.tied = facts.tying_known = true;
    } else {
        if (!(dir = path_dir(path))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
        d = (glimpse_model)GLIMPSE_MODEL_INIT;
        st = config_find(dir, &d, &facts, &config);
        if (st < 0)
            HINT("the file itself says nothing of the model (nanoGPT's model_args: n_layer, n_head, n_embd, "
                 "block_size, vocab_size)");
        if (st < 0) goto out;
    }
    TRY_GOTO(config_fit_weights(config ? config : path, &l, &d, &facts));
    st = weights_read(&l, &d, progress, user, out);
out:
    weights_free(&l);
    free(dir);
    free(config);
    return st;
}
