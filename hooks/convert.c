/* convert.c -- `glimpse convert IN OUT` and `glimpse inspect PATH`: a checkpoint of any kind that is read, written in another
 * form, or told in numbers.  What is shown goes to the host's output, progress to its terminal.  Called through session_api. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hooks/load_bar.h"
#include "hooks/own_output.h"
#include "hooks/run_dir.h"
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "sampling/checkpoint/save.h"
#include "viz/text.h"

enum { BLOCK = 1 << 16 };

static glimpse_status put(const session_host *host, buffer *b) {
    if (buf_failed(b)) FAIL(GLIMPSE_E_MEMORY, "no memory for the text");
    int err = host->out(host->user, b->bytes, b->n);
    if (err) FAIL(GLIMPSE_E_IO, "the output cannot be written: %s", strerror(err));
    buf_clear(b);
    return GLIMPSE_OK;
}

/* A line that may hold names of files. */
static void say(const session_host *host, const char *line) {
    buffer b = {0};
    buf_puts(&b, "glimpse: ");
    text_escape(&b, line, strlen(line), TEXT_ONE_LINE);
    if (!buf_failed(&b)) session_tell(host, buf_str(&b));
    buf_free(&b);
}

/* === inspect === */
typedef struct stats {
    double min, max, mean, std; /* of what is finite */
    int64_t n, nan, inf;
} stats;

static glimpse_status measure(const saved_tensor *t, stats *s) {
    int64_t n = t->dims[0] * (t->dims[1] ? t->dims[1] : 1);
    double sum = 0, squares = 0, shift = 0;
    float *x = malloc(BLOCK * sizeof *x);
    if (!x) FAIL(GLIMPSE_E_MEMORY, "no memory to look at %s", t->name);
    *s = (stats){INFINITY, -INFINITY, NAN, NAN, 0, 0, 0};
    for (int64_t at = 0; at < n; at += BLOCK) {
        int64_t k = n - at < BLOCK ? n - at : BLOCK;
        save_elements(t, at, k, x);
        for (int64_t i = 0; i < k; i++) {
            double v = (double)x[i];
            if (isnan(v)) s->nan++;
            else if (isinf(v)) s->inf++;
            else {
                if (!s->n++) shift = v; /* a large mean must not eat the variance */
                if (v < s->min) s->min = v;
                if (v > s->max) s->max = v;
                sum += v - shift;
                squares += (v - shift) * (v - shift);
            }
        }
    }
    free(x);
    if (!s->n) {
        s->min = s->max = NAN;
        return GLIMPSE_OK;
    }
    double mean = sum / (double)s->n, var = squares / (double)s->n - mean * mean;
    s->mean = mean + shift, s->std = sqrt(var > 0 ? var : 0);
    return GLIMPSE_OK;
}

static void put_number(buffer *b, double v, bool json) {
    if (json && !isfinite(v)) buf_puts(b, "null");
    else buf_g(b, v, 6);
}

/* What sampling from it would go by: a checkpoint and the tokenizer it would find. */
typedef struct inspected {
    model *m;
    tokenizer *t;    /* NULL = none, or it cannot be read */
    int32_t stored;  /* rows of the vocabulary before its padding was dropped */
    const char *path;
} inspected;

static void put_facts(const inspected *x, bool json, buffer *b) {
    static const char *const positions[] = {"learned", "rope", "none"}, *const norms[] = {"layernorm", "rmsnorm"};
    static const char *const scaling[] = {"none", "linear", "llama3", "yarn", "dynamic", "longrope"};
    static const char *const acts[] = {"gelu_tanh", "gelu", "silu", "relu"};
    const model *m = x->m;
    const glimpse_model *d = &m->d;
    const struct {
        const char *name;
        enum { WHOLE, ID, REAL } kind;
        double value;
    } numbers[] = {
        {"layers", WHOLE, d->n_layers}, {"heads", WHOLE, d->n_heads}, {"kv_heads", WHOLE, d->n_kv_heads},
        {"head_size", WHOLE, d->head_size}, {"channels", WHOLE, d->channels}, {"ffn_size", WHOLE, d->ffn_size},
        {"vocab_size", WHOLE, d->vocab_size}, {"max_seq_len", WHOLE, d->max_seq_len}, {"bos", ID, d->bos}, {"eos", ID, d->eos},
        {"norm_eps", REAL, (double)d->norm_eps}, {"rope_theta", REAL, d->positions == GLIMPSE_ROPE ? (double)d->rope_theta : NAN},
        {"window", WHOLE, d->window}, {"attention_softcap", REAL, (double)d->attention_softcap},
        {"logit_softcap", REAL, (double)d->logit_softcap}};
    const struct {
        const char *name, *value;
    } texts[] = {{"path", x->path}, {"tokenizer", x->t ? x->t->source : NULL}, {"arch", m->arch},
                 {"dtype", save_dtype_name(m->dtype)}, {"norm", norms[d->norm]}, {"activation", acts[d->activation]},
                 {"positions", positions[d->positions]}, {"rope_scaling", scaling[d->rope_scaling]}};
    buf_puts(b, json ? "{" : "");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = texts[i].value;
        buf_printf(b, json ? "\"%s\": " : "%-18s ", texts[i].name);
        if (!text) buf_puts(b, json ? "null" : "none");
        else if (json) buf_json_string(b, text, strlen(text));
        else text_escape(b, text, strlen(text), TEXT_ONE_LINE);
        buf_puts(b, json ? ", " : "\n");
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (isnan(numbers[i].value)) continue;
        buf_printf(b, json ? "\"%s\": " : "%-18s ", numbers[i].name);
        if (numbers[i].kind == REAL) buf_float(b, (float)numbers[i].value);
        else if (numbers[i].kind == ID && numbers[i].value < 0 && !json) buf_puts(b, "none");
        else buf_g(b, numbers[i].value, 10);
        if (!json && !strcmp(numbers[i].name, "vocab_size") && x->stored > d->vocab_size)
            buf_printf(b, " (%d rows are stored, %d of them padding)", (int)x->stored, (int)(x->stored - d->vocab_size));
        buf_puts(b, json ? ", " : "\n");
    }
    if (d->n_more_eos || json) buf_puts(b, json ? "\"more_eos\": [" : "more_eos           ");
    for (int32_t i = 0; i < d->n_more_eos; i++) buf_printf(b, "%s%d", i ? ", " : "", d->more_eos[i]);
    if (d->n_more_eos || json) buf_puts(b, json ? "], " : "\n");
    bool tied = m->head.data == m->wte.data;
    if (json) buf_printf(b, "\"tied\": %s, \"params\": %lld, \"tensors\": [", tied ? "true" : "false", (long long)m->n_params);
    else buf_printf(b, "%-18s %s\n%-18s %lld\n\n", "tied", tied ? "yes" : "no", "params", (long long)m->n_params);
}

/* The table's columns: as it stands in a file; or fitted to a terminal, in two lines a tensor where one is too wide. */
typedef struct columns {
    int name, shape;
    bool two_lines;
} columns;

/* A matrix as it is bound, (out, in), though GPT-2's of transformers are stored the other way round. */
static int put_shape(const saved_tensor *t, bool json, char shape[64]) {
    if (t->dims[1]) return c_snprintf(shape, 64, json ? "%lld, %lld" : "%lld x %lld", (long long)t->dims[t->turned], (long long)t->dims[!t->turned]);
    return c_snprintf(shape, 64, "%lld", (long long)t->dims[0]);
}

static columns columns_for(const tensor_list *l, const session_host *host) {
    columns c = {52, 16, false};
    char shape[64];
    if (!host->out_terminal) return c;
    c = (columns){6, 5, false};
    for (int32_t i = 0; i < l->n; i++) {
        int name = l->t[i].m.data ? (int)strlen(l->t[i].name) : 0, n = put_shape(&l->t[i], false, shape);
        if (name > c.name) c.name = name;
        if (n > c.shape) c.shape = n;
    }
    c.two_lines = c.name + 1 + 4 + 1 + c.shape + 4 * 13 > terminal_columns(STDOUT_FILENO);
    return c;
}

static void put_tensor(const saved_tensor *t, const stats *s, const columns *c, bool json, bool first, buffer *b) {
    char shape[64];
    put_shape(t, json, shape);
    const double v[] = {s->min, s->max, s->mean, s->std};
    static const char *const names[] = {"min", "max", "mean", "std"};
    if (json) {
        buf_printf(b, "%s\n  {\"name\": \"%s\", \"dtype\": \"%s\", \"shape\": [%s]", first ? "" : ",", t->name,
                   save_dtype_name(t->dtype), shape);
        for (int i = 0; i < 4; i++) buf_printf(b, ", \"%s\": ", names[i]), put_number(b, v[i], true);
        buf_printf(b, ", \"nan\": %lld, \"inf\": %lld}", (long long)s->nan, (long long)s->inf);
        return;
    }
    if (c->two_lines) buf_printf(b, "%s  %s  %s\n ", t->name, save_dtype_name(t->dtype), shape);
    else buf_printf(b, "%-*s %-4s %*s", c->name, t->name, save_dtype_name(t->dtype), c->shape, shape);
    for (int i = 0; i < 4; i++) {
        buffer n = {0};
        put_number(&n, v[i], false);
        if (c->two_lines) buf_printf(b, " %s %-*s", names[i], i < 3 ? 13 : 0, buf_str(&n));
        else buf_printf(b, " %12s", buf_str(&n));
        buf_free(&n);
    }
    if (s->nan || s->inf) buf_printf(b, "  %lld NaN, %lld inf", (long long)s->nan, (long long)s->inf);
    buf_putc(b, '\n');
}

/* The tokenizer that sampling would find; one that cannot be read is said, its model is looked at all the same. */
static glimpse_status find_ends(inspected *x, const session_host *host) {
    glimpse_status st = checkpoint_find_tokenizer(x->path, NULL, NULL, &x->t);
    if (st < 0 && st != GLIMPSE_E_MEMORY) {
        buffer why = {0};
        buf_printf(&why, "the tokenizer: %.*s", (int)strcspn(status_text(), "\n"), status_text());
        if (!buf_failed(&why)) say(host, buf_str(&why));
        buf_free(&why);
        st = GLIMPSE_OK;
    }
    x->stored = x->m->d.vocab_size;
    if (x->t) model_drop_padding(x->m, x->t->vocab_size);
    tokenizer_ends(x->t, x->m->d.vocab_size, &x->m->d.bos, &x->m->d.eos);
    return st;
}

static glimpse_status inspect(model *m, const char *path, const file_command *c, const session_host *host) {
    glimpse_status st = GLIMPSE_OK;
    inspected x = {.m = m, .path = path};
    tensor_list l = {0};
    buffer b = {0};
    int64_t bad = 0;
    TRY_GOTO(find_ends(&x, host));
    put_facts(&x, c->json, &b);
    TRY_GOTO(save_list(m, SAVE_AS_IS, &l));
    columns table = columns_for(&l, host);
    if (!c->json && !table.two_lines)
        buf_printf(&b, "%-*s %-4s %*s %12s %12s %12s %12s\n", table.name, "tensor", "type", table.shape, "shape", "min", "max", "mean", "std");
    for (int32_t i = 0, shown = 0; i < l.n; i++) {
        stats s;
        if (!l.t[i].m.data) continue; /* the zeros of a bias that GPT-2's files must have */
        TRY_GOTO(measure(&l.t[i], &s));
        put_tensor(&l.t[i], &s, &table, c->json, shown++ == 0, &b);
        bad += s.nan + s.inf;
        if (b.n > 1 << 16) TRY_GOTO(put(host, &b));
    }
    if (c->json) buf_printf(&b, "\n], \"not_finite\": %lld}\n", (long long)bad);
    else buf_printf(&b, "\n%s\n", bad ? "NOT EVERY NUMBER IS FINITE" : "every number is finite");
    st = put(host, &b);
out:
    tokenizer_close(x.t);
    buf_free(&b);
    free(l.t);
    return st;
}

/* === convert === */
/* The tokenizer that is named, or the one that sampling from this checkpoint would find; one that is found and cannot be read
 * goes along unread.  in: the checkpoint; *from: what is read of the tokenizer (NULL: none), *readable: it can be. */
static glimpse_status find_files(model *m, const char *in, const file_command *c, token_files **out, char **from, bool *readable) {
    glimpse_status st = GLIMPSE_OK;
    tokenizer *t = NULL;
    char *path = NULL, *beside = NULL;
    bool given = c->tokenizer && !path_is_dir(c->tokenizer);
    if (given) path = strdup(c->tokenizer);
    else if (c->tokenizer) TRY_GOTO(tokenizer_find_path((const char *const[]){c->tokenizer}, 1, &path));
    else if ((st = checkpoint_find_tokenizer_path(in, NULL, &path)) < 0) {
        if (st != GLIMPSE_E_TOKENIZER) goto out;
        path = NULL, st = GLIMPSE_OK; /* there is none */
    }
    if (c->tokenizer && !path)
        FAIL_GOTO(GLIMPSE_E_TOKENIZER, "%s: no tokenizer in this directory\nhint: --tokenizer FILE names one", c->tokenizer);
    if (path && (st = tokenizer_load_pattern(path, c->pattern, &t)) < 0) {
        if (given || st == GLIMPSE_E_INVALID || st == GLIMPSE_E_MEMORY) goto out;
        char *why = strdup(status_text());
        st = why ? token_files_copy(path, why, out) : GLIMPSE_E_MEMORY;
        free(why);
        goto out;
    }
    if (!(beside = path_is_dir(in) ? strdup(in) : path_dir(in))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
    st = token_files_make(t, beside, m, out);
    *readable = t != NULL;
out:
    tokenizer_close(t);
    *from = path;
    free(beside);
    return st;
}

/* llm.c's file is the weights alone. */
static void say_tokenizer_stays(const session_host *host, const char *path, bool readable) {
    buffer b = {0};
    if (!path) return;
    buf_printf(&b, "a .bin holds no tokenizer: %s", path);
    buf_puts(&b, readable ? " stays where it is; sampling takes it with --tokenizer " : " stays where it is, and could not be read");
    if (readable) buf_puts(&b, path);
    if (!buf_failed(&b)) say(host, buf_str(&b));
    buf_free(&b);
}

/* A directory is made of any name but one in .bin: one that promises another form is a mistake. */
static glimpse_status check_name(const file_command *c) {
    static const char *const promises[] = {".gguf", ".pt", ".pth", ".safetensors", ".ckpt", ".npz"};
    for (size_t i = 0; !c->format && i < sizeof promises / sizeof *promises; i++)
        if (ends_with(c->out, promises[i]))
            FAIL(GLIMPSE_E_INVALID, "%s: no %s is written, but a directory with model.safetensors, config.json and the tokenizer, or llm.c's file\n"
                 "hint: a name without %s, or one that ends in .bin", c->out, promises[i], promises[i]);
    return GLIMPSE_OK;
}

static glimpse_status convert(model *m, const char *in, const file_command *c, const session_host *host) {
    static const char *const dtypes[] = {"f32", "bf16", "f16"}, *const formats[] = {"safetensors", "llmc"};
    load_bar bar = {.host = host, .what = "writing"};
    token_files *beside = NULL;
    save_request rq = {.path = c->out, .replace = c->force, .progress = load_bar_step, .user = &bar};
    for (int i = 0; c->dtype && i < 3; i++)
        if (!strcmp(c->dtype, dtypes[i])) rq.dtype = (save_dtype)(i + 1);
    for (int i = 0; c->format && i < 2; i++)
        if (!strcmp(c->format, formats[i])) rq.format = (save_format)(i + 1);
    if (c->dtype && !rq.dtype) FAIL(GLIMPSE_E_INVALID, "--dtype is \"%.40s\"; possible are f32, bf16, f16", c->dtype);
    if (c->format && !rq.format) FAIL(GLIMPSE_E_INVALID, "--format is \"%.40s\"; possible are safetensors, llmc", c->format);
    char *from = NULL;
    bool readable = false;
    buffer b = {0};
    glimpse_status st = find_files(m, in, c, &beside, &from, &readable);
    if (st < 0) goto out;
    rq.beside = beside;
    rq.inputs[0] = c->in, rq.inputs[1] = in, rq.inputs[2] = from;
    st = model_save(m, &rq);
    load_bar_end(&bar);
    text_escape(&b, c->out, strlen(c->out), TEXT_ONE_LINE);
    buf_printf(&b, ": %s, %.2f M parameters, %s", m->arch, (double)m->n_params / 1e6,
               save_is_llmc(&rq) ? "as llm.c's file" : "a directory in Hugging Face's layout");
    if (strcmp(in, c->in)) buf_puts(&b, ", from "), text_escape(&b, in, strlen(in), TEXT_ONE_LINE);
    buf_putc(&b, '\n');
    if (st >= 0) st = put(host, &b);
    if (st >= 0 && save_is_llmc(&rq)) say_tokenizer_stays(host, from, readable);
    else if (st >= 0 && *token_files_note(beside)) say(host, token_files_note(beside));
out:
    buf_free(&b);
    free(from);
    token_files_free(beside);
    return st;
}

glimpse_status session_files(const file_command *c, const session_host *host) {
    model *m = NULL;
    load_bar bar = {.host = host, .what = "reading"};
    if (!path_exists(c->in))
        FAIL(GLIMPSE_E_IO, "%s: there is no such file or directory\nhint: `glimpse help %s`", c->in, c->inspect ? "inspect" : "convert");
    if (!c->inspect) TRY(check_name(c));
    if (!c->inspect) TRY(output_may_be_made(c->out, c->out));
    char *found = NULL;
    buffer told = {0};
    TRY(run_dir_checkpoint(c->in, &found, &told));
    if (told.n) session_tell(host, buf_str(&told));
    glimpse_status st = checkpoint_open(found, load_bar_step, &bar, &m);
    load_bar_end(&bar);
    if (st >= 0) st = c->inspect ? inspect(m, found, c, host) : convert(m, found, c, host);
    model_close(m);
    free(found);
    buf_free(&told);
    return st;
}
