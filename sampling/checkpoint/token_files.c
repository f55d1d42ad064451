/* token_files.c -- see token_files.h. */
#define _GNU_SOURCE
#include "sampling/checkpoint/token_files.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "include/internal/status.h"
#include "sampling/checkpoint/gguf_keys.h"
#include "sampling/checkpoint/json_tree.h"
#include "sampling/tokenizer/tokenizer_writer.h"

enum { MAX_FILES = 16, MAX_BYTES = 256 << 20, MAX_NAME = 256, NOTE_BYTES = 600 };

struct token_files {
    struct {
        char name[MAX_NAME];
        buffer bytes;
    } files[MAX_FILES];
    int n;
    char note[NOTE_BYTES];
};

void token_files_free(token_files *f) {
    if (!f) return;
    for (int i = 0; i < f->n; i++) buf_free(&f->files[i].bytes);
    free(f);
}

const char *token_files_note(const token_files *f) { return f ? f->note : ""; }

glimpse_status token_files_write(const token_files *f, const char *dir) {
    for (int i = 0; f && i < f->n; i++) {
        char *path = path_join(dir, f->files[i].name);
        if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
        glimpse_status st = file_write_atomic(path, buf_str(&f->files[i].bytes), f->files[i].bytes.n, true);
        free(path);
        TRY(st);
    }
    return GLIMPSE_OK;
}

/* === Taking files === */
static bool has(const token_files *f, const char *name) {
    for (int i = 0; i < f->n; i++)
        if (!strcmp(f->files[i].name, name)) return true;
    return false;
}

/* The file `name` with these bytes, which are moved. */
static glimpse_status put(token_files *f, const char *name, buffer *bytes) {
    if (buf_failed(bytes)) FAIL(GLIMPSE_E_MEMORY, "no memory for %.100s", name);
    if (f->n == MAX_FILES || strlen(name) >= MAX_NAME) FAIL(GLIMPSE_E_INTERNAL, "%.100s is one file too many", name);
    c_snprintf(f->files[f->n].name, MAX_NAME, "%s", name);
    f->files[f->n++].bytes = *bytes;
    *bytes = (buffer){0};
    return GLIMPSE_OK;
}

static glimpse_status take(token_files *f, const char *path, const char *name) {
    buffer b = {0};
    glimpse_status st = file_read_all(path, MAX_BYTES, &b);
    if (st >= 0) st = put(f, name, &b);
    buf_free(&b);
    return st;
}

/* Does a file lie elsewhere than in the folder of its name, behind a link? */
static bool leaves(const char *path) {
    char *dir = path_dir(path), real[PATH_MAX], within[PATH_MAX];
    bool known = dir && realpath(path, real) && realpath(dir, within);
    size_t n = known ? strlen(within) : 0;
    free(dir);
    return !known || strncmp(real, within, n) != 0 || (real[n] != '/' && n > 1);
}

/* Is it what its name says, as a reader would have it? */
static bool is_what_it_says(const char *path, const char *name) {
    bool is = false;
    buffer b = {0};
    json_tree tree = {0};
    tokenizer *t = NULL;
    if (ends_with(name, ".model")) is = tokenizer_load(path, &t) >= 0;
    else if (file_read_all(path, MAX_BYTES, &b) < 0) is = false;
    else if (ends_with(name, ".json")) is = b.n && json_parse(path, b.bytes, b.n, 32, &tree) >= 0 && tree.nodes->kind == JSON_OBJECT;
    else if (ends_with(name, ".jinja")) is = memmem(b.bytes, b.n, "{%", 2) || memmem(b.bytes, b.n, "{{", 2);
    else is = b.n > 8 && !memcmp(b.bytes, "#version", 8); /* merges.txt */
    tokenizer_close(t);
    json_free(&tree);
    buf_free(&b);
    return is;
}

/* Hugging Face's caches link into a folder of blobs, so a link is followed; but not to what could be anyone's file. */
static void note_left_out(token_files *f, const char *name) {
    size_t n = strlen(f->note);
    c_snprintf(f->note + n, NOTE_BYTES - n, "%s%.100s is not copied: it links out of its folder to what could not be read as one", n ? "; " : "", name);
}

/* Those of `names` that are in a directory and not taken yet. */
static glimpse_status take_beside(token_files *f, const char *dir, const char *const *names) {
    for (; *names; names++) {
        char *path = path_join(dir, *names);
        if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
        glimpse_status st = GLIMPSE_OK;
        if (path_is_file(path) && !has(f, *names)) {
            if (leaves(path) && !is_what_it_says(path, *names)) note_left_out(f, *names);
            else st = take(f, path, *names);
        }
        free(path);
        TRY(st);
    }
    return GLIMPSE_OK;
}

/* The name under which a file of this content is found again. */
static void name_for(const char *path, const buffer *b, char name[MAX_NAME]) {
    static const char *const known[] = {"tokenizer.json", "tekken.json", "meta.pkl", "tokenizer.model", "spiece.model",
                                        "sentencepiece.model", "tokenizer.bin", "gpt2_tokenizer.bin"};
    const char *base = path_base(path);
    unsigned char first = b->n ? (unsigned char)b->bytes[0] : 0;
    size_t n = b->n;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(base, known[i])) n = 0;
    if (!n || ends_with(base, ".tiktoken")) c_snprintf(name, MAX_NAME, "%s", base);
    else if (first == '{' || first == 0xef)
        c_snprintf(name, MAX_NAME, memmem(b->bytes, b->n, "default_num_special_tokens", 26) ? "tekken.json" : "tokenizer.json");
    else if (first == 0x80) c_snprintf(name, MAX_NAME, "meta.pkl");
    else if (is_tiktoken(b->bytes, b->n)) c_snprintf(name, MAX_NAME, "%.*s.tiktoken", MAX_NAME - 12, base);
    else if (first == '\n') c_snprintf(name, MAX_NAME, "tokenizer.model");
    else c_snprintf(name, MAX_NAME, "tokenizer.bin");
}

/* === tokenizer_config.json === */
/* "name": "text" of a token that is one to transformers too: a name that is cut out of a text wherever it stands. */
static void put_end(buffer *b, const char *key, tokenizer *t, int32_t id) {
    buffer text = {0};
    if (id < 0 || id >= t->vocab_size || !tokenizer_is_special(t, id) || tokenizer_decode(t, id, &text) < 0 || !text.n) {
        buf_free(&text);
        return;
    }
    buf_printf(b, ",\n  \"%s\": ", key);
    buf_json_string(b, buf_str(&text), text.n);
    buf_free(&text);
}

/* The template of a conversation that stands in the original's. */
static void put_template(buffer *out, const char *dir) {
    buffer b = {0};
    json_tree tree = {0};
    char *path = dir ? path_join(dir, "tokenizer_config.json") : NULL;
    const json_node *found = NULL;
    if (path && path_is_file(path) && file_read_all(path, MAX_BYTES, &b) >= 0 && b.n && json_parse(path, b.bytes, b.n, 32, &tree) >= 0)
        found = json_get(tree.nodes, "chat_template");
    if (found && found->kind == JSON_STRING) {
        buf_puts(out, ",\n  \"chat_template\": ");
        buf_json_string(out, found->text, found->n);
    }
    json_free(&tree);
    buf_free(&b);
    free(path);
}

static glimpse_status put_config(token_files *f, tokenizer *t, const model *m, const char *dir) {
    buffer b = {0};
    buf_puts(&b, "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n  \"clean_up_tokenization_spaces\": false");
    buf_printf(&b, ",\n  \"model_max_length\": %d", (int)m->d.max_seq_len);
    put_end(&b, "bos_token", t, t->bos >= 0 ? t->bos : m->d.bos);
    put_end(&b, "eos_token", t, t->eos >= 0 ? t->eos : m->d.eos);
    put_template(&b, dir);
    buf_puts(&b, "\n}\n");
    glimpse_status st = put(f, "tokenizer_config.json", &b);
    buf_free(&b);
    return st;
}

/* === Making them === */
static const char *const beside_json[] = {"tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt",
                                          "added_tokens.json", "chat_template.jinja", "tokenizer.model", NULL};
static const char *const beside_others[] = {"chat_template.jinja", NULL};

/* There is no tokenizer.json with the same ids, for the reason `why`. */
static glimpse_status take_original(token_files *f, tokenizer *t, const char *why) {
    glimpse_status st = GLIMPSE_OK;
    buffer b = {0};
    char name[MAX_NAME] = "tokenizer.model";
    bool file = path_is_file(t->source), gguf = gguf_is(t->source);
    if (gguf) TRY_GOTO(tokenizer_to_model(t, &b));
    else if (file) {
        TRY_GOTO(file_read_all(t->source, MAX_BYTES, &b));
        name_for(t->source, &b, name);
    }
    if (!b.n) {
        c_snprintf(f->note, NOTE_BYTES, "the tokenizer (%.200s) does not travel: %s", t->source, why);
        goto out;
    }
    c_snprintf(f->note, NOTE_BYTES, "%.200s holds the tokenizer%s, for Glimpse: as a tokenizer.json it would not be the same (%s)", name,
               gguf ? "" : " as it was", why);
    st = put(f, name, &b);
out:
    buf_free(&b);
    return st;
}

static glimpse_status take_tokenizer(token_files *f, tokenizer *t, const model *m) {
    glimpse_status st = GLIMPSE_OK;
    buffer json = {0};
    char why[WHY_BYTES] = "";
    char *dir = path_is_file(t->source) ? path_dir(t->source) : NULL;
    bool gguf = dir && gguf_is(t->source);
    if (!strcmp(t->ops->kind, "tokenizer.json") && !gguf) {
        if (!dir) FAIL_GOTO(GLIMPSE_E_IO, "%s is no longer there", t->source);
        TRY_GOTO(take(f, t->source, "tokenizer.json"));
        TRY_GOTO(take_beside(f, dir, beside_json));
    } else if (!strcmp(t->ops->kind, "functions")) {
        c_snprintf(why, sizeof why, "it is two functions of the trainer's");
    } else {
        TRY_GOTO(tokenizer_to_json(t, &json, why));
        if (json.n) TRY_GOTO(put(f, "tokenizer.json", &json));
    }
    if (f->n && dir) TRY_GOTO(take_beside(f, dir, beside_others));
    if (!has(f, "tokenizer.json")) TRY_GOTO(take_original(f, t, why));
    else if (!has(f, "tokenizer_config.json")) TRY_GOTO(put_config(f, t, m, dir));
out:
    buf_free(&json);
    free(dir);
    return st;
}

glimpse_status token_files_make(tokenizer *t, const char *beside, model *m, token_files **out) {
    static const char *const of_the_model[] = {"generation_config.json", NULL};
    glimpse_status st = GLIMPSE_OK;
    token_files *f = calloc(1, sizeof *f);
    if (!f) FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    tokenizer_ends(t, m->d.vocab_size, &m->d.bos, &m->d.eos);
    if (t) TRY_GOTO(take_tokenizer(f, t, m));
    if (beside) TRY_GOTO(take_beside(f, beside, of_the_model));
    *out = f;
    f = NULL;
out:
    token_files_free(f);
    return st;
}

glimpse_status token_files_copy(const char *path, const char *why, token_files **out) {
    glimpse_status st = GLIMPSE_OK;
    buffer b = {0};
    char name[MAX_NAME];
    char *dir = path_dir(path);
    token_files *f = calloc(1, sizeof *f);
    if (!f || !dir) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    if (gguf_is(path)) FAIL_GOTO(GLIMPSE_E_IO, "%s holds weights, which are not copied", path);
    if (leaves(path)) note_left_out(f, path_base(path));
    else {
        TRY_GOTO(file_read_all(path, MAX_BYTES, &b));
        name_for(path, &b, name);
        c_snprintf(f->note, NOTE_BYTES, "%.200s is copied unread: %.*s", path_base(path), (int)strcspn(why, "\n"), why);
        TRY_GOTO(put(f, name, &b));
        TRY_GOTO(take_beside(f, dir, beside_json));
    }
    *out = f;
    f = NULL;
out:
    token_files_free(f);
    buf_free(&b);
    free(dir);
    return st;
}
