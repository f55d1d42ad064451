/* task_find.c -- a task's description by its name, and its file in the data directory (task.h). */
#include "hooks/tasks/task.h"

#include "include/internal/file.h"
#include "include/internal/nearest.h"
#include <stdlib.h>
#include <string.h>

const char *task_output_name(task_output o) {
    static const char *const names[TASK_OUTPUTS] = { "multiple_choice", "loglikelihood", "loglikelihood_rolling" };
    return names[o];
}

const char *task_metric_name(int metric) {
    static const char *const names[METRICS] = { "acc", "acc_norm", "acc_bytes", "perplexity", "word_perplexity",
                                                "byte_perplexity", "bits_per_byte" };
    for (int i = 0; i < METRICS; i++)
        if (metric == 1 << i) return names[i];
    return "";
}

/* --- a user's description ----------------------------------------------------------------------------------------- */

static glimpse_status metric_bits(const char *path, const json_node *list, task_output output, int *bits) {
    static const int fit[] = { [TASK_CHOICE] = METRIC_ACC | METRIC_ACC_NORM | METRIC_ACC_BYTES,
                               [TASK_LOGLIKELIHOOD] = METRIC_ACC | METRIC_PERPLEXITY,
                               [TASK_ROLLING] = METRIC_WORD_PERPLEXITY | METRIC_BYTE_PERPLEXITY | METRIC_BITS_PER_BYTE };
    *bits = output == TASK_CHOICE ? METRIC_ACC | METRIC_ACC_NORM : fit[output];
    if (!list) return GLIMPSE_OK;
    if (list->kind != JSON_ARRAY || !list->n) FAIL(GLIMPSE_E_FORMAT, "%s: \"metrics\" is no list of names", path);
    *bits = 0;
    for (const json_node *m = json_first(list); m; m = json_next(list, m)) {
        int bit = 0;
        for (int i = 0; i < METRICS; i++)
            if (json_is_text(m, task_metric_name(1 << i))) bit = 1 << i;
        if (!(bit & fit[output]))
            FAIL(GLIMPSE_E_FORMAT, "%s: \"%.*s\" is no metric of this output_type", path,
                 m->kind == JSON_STRING ? (int)(m->n < 40 ? m->n : 40) : 1, m->kind == JSON_STRING ? m->text : "?");
        *bits |= bit;
    }
    return GLIMPSE_OK;
}

static glimpse_status text_of(const char *path, const json_node *root, const char *key, arena *a, text *out) {
    const json_node *n = json_get(root, key);
    if (!n) return GLIMPSE_OK;
    if (n->kind != JSON_STRING) FAIL(GLIMPSE_E_FORMAT, "%s: \"%s\" is no text", path, key);
    *out = (text){ arena_text(a, n->text, n->n), n->n };
    if (!out->s) FAIL(GLIMPSE_E_MEMORY, "no memory for a task");
    return GLIMPSE_OK;
}

static glimpse_status file_of(const char *path, const char *dir, const json_node *root, const char *key, arena *a, char **out) {
    text name = {0};
    TRY(text_of(path, root, key, a, &name));
    if (!name.s) return GLIMPSE_OK;
    char *joined = path_join(dir, name.s);
    *out = joined ? arena_text(a, joined, strlen(joined)) : NULL;
    free(joined);
    if (!*out) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    return GLIMPSE_OK;
}

/* NAME.json: {"data": FILE, "fewshot": FILE, "output_type": "multiple_choice", "metrics": [..], "version": 1,
 * "description": "..", "target_delimiter": " ", "fewshot_delimiter": "\n\n"}; all may be left out. */
static glimpse_status read_description(const char *path, const char *dir, arena *a, task_kind *k) {
    static const char *const known[] = { "task", "data", "fewshot", "output_type", "metrics", "version", "description",
                                         "target_delimiter", "fewshot_delimiter" };
    glimpse_status st = GLIMPSE_OK;
    buffer b = {0};
    json_tree t = {0};
    TRY_GOTO(file_read_all(path, 1 << 20, &b));
    if (!b.n) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s is empty", path);
    TRY_GOTO(json_parse(path, b.bytes, b.n, 8, &t));
    const json_node *root = t.nodes, *output = json_get(root, "output_type"), *version = json_get(root, "version");
    if (root->kind != JSON_OBJECT) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: not an object {...}", path);
    for (const json_node *m = json_first(root); m; m = json_next(root, m)) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) found |= json_key_is(m, known[i]);
        if (!found) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: unknown field \"%.*s\"\nhint: a task has data, fewshot, output_type, metrics, "
                              "version, description, target_delimiter, fewshot_delimiter", path, (int)(m->key_n < 40 ? m->key_n : 40), m->key);
    }
    bool known_output = !output;
    for (int i = 0; output && i < TASK_OUTPUTS; i++)
        if (json_is_text(output, task_output_name((task_output)i))) k->output = (task_output)i, known_output = true;
    if (!known_output) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: \"output_type\" is none of multiple_choice, loglikelihood, "
                                 "loglikelihood_rolling", path);
    if (version && !json_double(version, &k->version)) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: \"version\" is no number", path);
    TRY_GOTO(metric_bits(path, json_get(root, "metrics"), k->output, &k->metrics));
    TRY_GOTO(text_of(path, root, "description", a, &k->description));
    TRY_GOTO(text_of(path, root, "target_delimiter", a, &k->target_delimiter));
    TRY_GOTO(text_of(path, root, "fewshot_delimiter", a, &k->fewshot_delimiter));
    TRY_GOTO(file_of(path, dir, root, "data", a, &k->data));
    TRY_GOTO(file_of(path, dir, root, "fewshot", a, &k->shots));
    k->leave_out = true; /* the harness's rule where no test split is named */
out:
    json_free(&t);
    buf_free(&b);
    return st;
}

static bool plain_name(const char *s) {
    return *s && *s != '.' && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == strlen(s) && strlen(s) < 100;
}

glimpse_status task_find(const char *name, const char *dir, arena *a, task_kind *out) {
    glimpse_status st = GLIMPSE_OK;
    char *json = NULL, *lines = NULL;
    for (int i = 0; i < n_task_kinds; i++)
        if (!strcmp(name, task_kinds[i].name)) {
            *out = task_kinds[i];
            out->target_delimiter = TEXT(" ");
            out->fewshot_delimiter = TEXT("\n\n");
            return GLIMPSE_OK;
        }
    buffer names = {0}; /* a file's name, then those of the tasks */
    if (plain_name(name)) {
        buf_printf(&names, "%s.json", name);
        json = path_join(dir, buf_str(&names));
        buf_puts(&names, "l");
        lines = path_join(dir, buf_str(&names));
        if (!json || !lines) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    }
    bool described = json && path_is_file(json);
    if (!described && !(lines && path_is_file(lines))) {
        const char *near = NULL;
        int best = nearest_limit(strlen(name)) + 1;
        for (int i = 0; i < n_task_kinds; i++) {
            int far = edit_distance(name, strlen(name), task_kinds[i].name, strlen(task_kinds[i].name));
            if (far < best) best = far, near = task_kinds[i].name;
        }
        if (near) FAIL_GOTO(GLIMPSE_E_INVALID, "--lm_eval_tasks: there is no task \"%.60s\", and no %.60s.json or .jsonl in %s\nhint: did you "
                            "mean %s?", name, name, dir, near);
        buf_clear(&names);
        for (int k = 0; k < n_task_kinds; k++) buf_printf(&names, "%s%s", k ? " " : "", task_kinds[k].name);
        FAIL_GOTO(GLIMPSE_E_INVALID, "--lm_eval_tasks: there is no task \"%.60s\", and no %.60s.json or .jsonl in %s\nhint: "
                  "%s; one of your own: `glimpse help eval`; any other through lm-evaluation-harness: examples/lm_eval_glimpse.py",
                  name, name, dir, buf_str(&names));
    }
    char *own = arena_text(a, name, strlen(name));
    if (!own) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a task");
    task_kind k = { .name = own, .variant = "lm-evaluation-harness", .version = 1, .output = TASK_CHOICE,
                    .metrics = METRIC_ACC | METRIC_ACC_NORM, .split = "validation", .leave_out = true,
                    .fields = "query, choices, gold", .read = task_read_user, .target_delimiter = TEXT(" "),
                    .fewshot_delimiter = TEXT("\n\n"), .data = NULL /* gcc 11 warns without it */ };
    if (described) TRY_GOTO(read_description(json, dir, a, &k));
    if (k.output == TASK_LOGLIKELIHOOD) k.fields = "query, target";
    if (k.output == TASK_ROLLING) k.fields = "text";
    *out = k;
out:
    buf_free(&names);
    free(json);
    free(lines);
    return st;
}

/* --- files --------------------------------------------------------------------------------------------------------- */

static char *is_there(const char *dir, const char *fmt, const char *a, const char *b) {
    buffer name = {0};
    buf_puts(&name, "");
    if (b) buf_printf(&name, fmt, a, b);
    else buf_printf(&name, fmt, a);
    char *path = buf_failed(&name) ? NULL : path_join(dir, buf_str(&name));
    buf_free(&name);
    if (path && path_is_file(path)) return path;
    free(path);
    return NULL;
}

glimpse_status task_file(const task_kind *k, const char *dir, bool shots, char **out) {
    const char *split = shots && k->shots_split ? k->shots_split : k->split;
    const char *official = shots && k->shots_split ? k->shots_official : k->official;
    const char *given = shots ? k->shots : k->data;
    char *path = NULL;
    if (given) path = strdup(given);
    bool lines = k->dataset || !k->official; /* not llm.c's tokens */
    if (!path && lines) path = is_there(dir, "%s/%s.jsonl", k->name, split);
    if (!path && lines) path = is_there(dir, "%s_%s.jsonl", k->name, split);
    if (!path && lines && (!shots || !k->shots_split)) path = is_there(dir, "%s.jsonl", k->name, NULL);
    for (const char *o = official; !path && o && *o;) {
        size_t n = strcspn(o, "|");
        char name[128];
        c_snprintf(name, sizeof name, "%.*s", (int)n, o);
        path = is_there(dir, "%s", name, NULL);
        o += n + (o[n] == '|');
    }
    if (path) {
        *out = path;
        return GLIMPSE_OK;
    }
    if (!lines)
        FAIL(GLIMPSE_E_IO, "%s: no hellaswag_val.bin in %s\nhint: llm.c's dev/data/hellaswag.py makes it; %s", k->name, dir, k->fields);
    if (!k->dataset)
        FAIL(GLIMPSE_E_IO, "%s: there is no %s/%s%s%s.jsonl; a line has %s", k->name, dir, k->name, shots ? "_" : "",
             shots ? split : "", k->fields);
    FAIL(GLIMPSE_E_IO, "%s: there is no %s/%s/%s.jsonl; a line has %s\nhint: `python3 -c \"from datasets import load_dataset; "
         "load_dataset(%s, split='%s').to_json('%s/%s/%s.jsonl')\"`", k->name, dir, k->name, split, k->fields, k->dataset, split,
         dir, k->name, split);
}

/* --- llm.c's tokens -------------------------------------------------------------------------------------------------- */

bool task_is_tokens(const char *path) { return ends_with(path, ".bin"); }

/* int32 header of 256: 20240522, 1, examples, bytes of the longest; then u16: 65535, bytes of the example, index, label,
 * completions (4), context tokens, the context, and for each completion its tokens' number and its tokens. */
glimpse_status task_read_llmc(const char *path, arena *a, task_doc **docs, int32_t *n, char sha256[SHA256_HEX]) {
    enum { HEADER = 1024, MOST = 1 << 28 };
    glimpse_status st = GLIMPSE_OK;
    buffer b = {0};
    int32_t header[4] = {0};
    TRY_GOTO(file_read_all(path, MOST, &b));
    if (b.n < HEADER) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: %zu bytes, a header alone has %d", path, b.n, HEADER);
    memcpy(header, b.bytes, sizeof header);
    if (header[0] != 20240522 || header[1] != 1)
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s begins with %d, %d: llm.c's HellaSwag tokens with 20240522, 1", path, header[0], header[1]);
    if (header[2] < 1 || (size_t)header[2] > b.n / 10)
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: %d examples in %zu bytes", path, header[2], b.n);
    sha256_hex(b.bytes, b.n, sha256);
    task_doc *d = arena_alloc(a, (size_t)header[2] * sizeof *d);
    if (!d) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for %d examples", header[2]);
    size_t at = HEADER, words = b.n / 2;
    const char *bytes = b.bytes;
#define WORD(i) ((int32_t)(uint16_t)((unsigned char)bytes[2 * (i)] | (unsigned char)bytes[2 * (i) + 1] << 8))
    at /= 2;
    for (int32_t i = 0; i < header[2]; i++) {
        if (at + 6 > words || WORD(at) != 65535)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: example %d does not begin at byte %zu", path, i, 2 * at);
        size_t end = at + (size_t)WORD(at + 1) / 2, from = at + 5;
        int32_t label = WORD(at + 3), choices = WORD(at + 4), total = 0;
        if (end > words || choices < 1 || choices > 64 || label >= choices)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: example %d at byte %zu has %d answers, number %d is right", path, i, 2 * at, choices, label);
        int32_t *lengths = arena_alloc(a, ((size_t)choices + 1) * sizeof *lengths), *ids = NULL;
        ids = arena_alloc(a, (end - at + 1) * sizeof *ids);
        if (!lengths || !ids) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for an example");
        for (int32_t c = 0; c <= choices; c++) {
            int32_t len = from < end ? WORD(from) : 0;
            if (!len || from + 1 + (size_t)len > end)
                FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: example %d at byte %zu: list %d is empty or goes beyond it", path, i, 2 * at, c);
            lengths[c] = len;
            for (int32_t k = 0; k < len; k++) ids[total++] = WORD(from + 1 + (size_t)k);
            from += 1 + (size_t)len;
        }
        d[i] = (task_doc){ .n_choices = choices, .gold = label, .ids = ids, .n_ids = lengths };
        at = end;
    }
#undef WORD
    *docs = d;
    *n = header[2];
out:
    buf_free(&b);
    return st;
}
