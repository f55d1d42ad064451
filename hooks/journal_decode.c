/* journal_decode.c -- a line of evals.jsonl as a record: the inverse of journal_encode.c.  Every field is checked, since a
 * journal may have been cut, edited or made up; an error names the field. */
#include "hooks/journal.h"
#include "include/internal/base64.h"
#include "include/internal/status.h"
#include "viz/tensorboard.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ELEMENTS (1 << 24) /* of one list: far above any eval, far below what overflows */

typedef struct reader {
    arena *a;
    buffer scratch;
} reader;

static glimpse_status item(const cJSON *o, const char *name, const cJSON **out) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
    if (!v) FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is missing", name);
    *out = v;
    return GLIMPSE_OK;
}

static glimpse_status number_of(const cJSON *v, const char *name, double *out) {
    if (cJSON_IsNull(v)) *out = NAN;
    else if (cJSON_IsNumber(v)) *out = v->valuedouble;
    else FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is no number", name);
    return GLIMPSE_OK;
}

static glimpse_status number(const cJSON *o, const char *name, double *out) {
    const cJSON *v;
    TRY(item(o, name, &v));
    return number_of(v, name, out);
}

static glimpse_status numberf(const cJSON *o, const char *name, float *out) {
    double d;
    TRY(number(o, name, &d));
    *out = (float)d;
    return GLIMPSE_OK;
}

static glimpse_status integer_of(const cJSON *v, const char *name, int64_t *out) {
    if (!cJSON_IsNumber(v) || !(fabs(v->valuedouble) <= 9007199254740992.0) || v->valuedouble != floor(v->valuedouble))
        FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is no whole number", name);
    *out = (int64_t)v->valuedouble;
    return GLIMPSE_OK;
}

static glimpse_status integer(const cJSON *o, const char *name, int64_t *out) {
    const cJSON *v;
    TRY(item(o, name, &v));
    return integer_of(v, name, out);
}

static glimpse_status int32_of(const cJSON *v, const char *name, int32_t *out) {
    int64_t x;
    TRY(integer_of(v, name, &x));
    if (x < INT32_MIN || x > INT32_MAX) FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is out of range", name);
    *out = (int32_t)x;
    return GLIMPSE_OK;
}

static glimpse_status int32(const cJSON *o, const char *name, int32_t *out) {
    const cJSON *v;
    TRY(item(o, name, &v));
    return int32_of(v, name, out);
}

static glimpse_status text_of(reader *r, const cJSON *v, const char *name, const char **out, size_t *n) {
    const cJSON *b64 = cJSON_IsObject(v) ? cJSON_GetObjectItemCaseSensitive(v, "b64") : NULL;
    size_t bytes;
    const char *s;
    if (cJSON_IsNull(v)) {
        *out = NULL;
        if (n) *n = 0;
        return GLIMPSE_OK;
    }
    if (cJSON_IsString(v)) {
        s = v->valuestring;
        bytes = strlen(s);
    } else if (b64 && cJSON_IsString(b64)) {
        buf_clear(&r->scratch);
        if (!base64_decode(b64->valuestring, strlen(b64->valuestring), &r->scratch))
            FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is no base64", name);
        s = buf_str(&r->scratch);
        bytes = r->scratch.n;
    } else FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is no text", name);
    *out = arena_text(r->a, s, bytes);
    if (n) *n = bytes;
    if (!*out || buf_failed(&r->scratch)) FAIL(GLIMPSE_E_MEMORY, "no memory for field \"%s\"", name);
    return GLIMPSE_OK;
}

static glimpse_status text_n(reader *r, const cJSON *o, const char *name, const char **out, size_t *n) {
    const cJSON *v;
    TRY(item(o, name, &v));
    return text_of(r, v, name, out, n);
}

/* A text that is always there. */
static glimpse_status text(reader *r, const cJSON *o, const char *name, const char **out) {
    TRY(text_n(r, o, name, out, NULL));
    if (!*out) FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is null", name);
    return GLIMPSE_OK;
}

/* Room for the elements of a list or object; *n their number. */
static glimpse_status list(reader *r, const cJSON *o, const char *name, size_t size, const cJSON **list_out, void **room,
                           int32_t *n) {
    const cJSON *v, *e;
    TRY(item(o, name, &v));
    if (!cJSON_IsArray(v) && !cJSON_IsObject(v)) FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is no list", name);
    int32_t count = 0;
    cJSON_ArrayForEach(e, v) {
        if (++count > MAX_ELEMENTS) FAIL(GLIMPSE_E_FORMAT, "field \"%s\" has more than %d elements", name, MAX_ELEMENTS);
    }
    *room = arena_alloc(r->a, (size_t)count * size + 1);
    if (!*room) FAIL(GLIMPSE_E_MEMORY, "no memory for %d elements of \"%s\"", count, name);
    *list_out = v;
    *n = count;
    return GLIMPSE_OK;
}

static glimpse_status token(reader *r, const cJSON *o, glimpse_token *t) {
    const cJSON *tops, *e;
    t->size = sizeof *t;
    TRY(int32(o, "id", &t->id));
    TRY(numberf(o, "logit", &t->logit));
    TRY(numberf(o, "logprob", &t->logprob));
    TRY(numberf(o, "p_temp", &t->p_temp));
    TRY(numberf(o, "p_final", &t->p_final));
    TRY(int32(o, "rank", &t->rank));
    TRY(int32(o, "kept", &t->kept));
    TRY(numberf(o, "left", &t->left));
    TRY(numberf(o, "entropy", &t->entropy));
    TRY(numberf(o, "dot", &t->dot));
    void *room;
    TRY(list(r, o, "top", sizeof(glimpse_candidate), &tops, &room, &t->n_top));
    glimpse_candidate *c = room;
    t->top = c;
    cJSON_ArrayForEach(e, tops) {
        const cJSON *id = e->child, *p = id ? id->next : NULL, *f = p ? p->next : NULL;
        if (!cJSON_IsArray(e) || !f) FAIL(GLIMPSE_E_FORMAT, "field \"top\" wants lists of [id, p, p_final]");
        double d;
        TRY(int32_of(id, "top id", &c->id));
        TRY(number_of(p, "top p", &d));
        c->p = (float)d;
        TRY(number_of(f, "top p_final", &d));
        c->p_final = (float)d;
        c++;
    }
    return GLIMPSE_OK;
}

static glimpse_status metrics(reader *r, const cJSON *o, const char *name, const glimpse_metric **out, int32_t *n) {
    const cJSON *l, *e;
    void *room;
    TRY(list(r, o, name, sizeof(glimpse_metric), &l, &room, n));
    glimpse_metric *m = room;
    *out = m;
    cJSON_ArrayForEach(e, l) {
        m->name = arena_text(r->a, e->string ? e->string : "", e->string ? strlen(e->string) : 0);
        if (!m->name) FAIL(GLIMPSE_E_MEMORY, "no memory for a metric's name");
        TRY(number_of(e, name, &m->value));
        m++;
    }
    return GLIMPSE_OK;
}

/* The members of "lm_eval" that are lists of three are its numbers. */
static glimpse_status scores(reader *r, const cJSON *o, glimpse_record *rec) {
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(o, "lm_eval"), *task, *e;
    int32_t n = 0;
    cJSON_ArrayForEach(task, all) cJSON_ArrayForEach(e, task) n += cJSON_IsArray(e);
    glimpse_task_score *s = n ? arena_alloc(r->a, (size_t)n * sizeof *s) : NULL;
    if (n && !s) FAIL(GLIMPSE_E_MEMORY, "no memory for the scores of a record");
    rec->scores = s;
    rec->n_scores = n;
    cJSON_ArrayForEach(task, all) {
        glimpse_task_score t = { .size = sizeof t };
        if (!task->string || !cJSON_IsObject(task)) FAIL(GLIMPSE_E_FORMAT, "field \"lm_eval\" has a task that is no object");
        t.task = arena_text(r->a, task->string, strlen(task->string));
        if (!t.task) FAIL(GLIMPSE_E_MEMORY, "no memory for the scores of a record");
        TRY(text(r, task, "variant", &t.variant));
        TRY(number(task, "version", &t.version));
        TRY(int32(task, "shots", &t.num_fewshot));
        TRY(int32(task, "n", &t.n));
        TRY(int32(task, "of", &t.n_all));
        cJSON_ArrayForEach(e, task) {
            if (!cJSON_IsArray(e)) continue;
            if (cJSON_GetArraySize(e) != 3) FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is no value, standard error and chance", e->string);
            t.metric = arena_text(r->a, e->string, strlen(e->string));
            if (!t.metric) FAIL(GLIMPSE_E_MEMORY, "no memory for the scores of a record");
            TRY(number_of(cJSON_GetArrayItem(e, 0), e->string, &t.value));
            TRY(number_of(cJSON_GetArrayItem(e, 1), e->string, &t.std_error));
            TRY(number_of(cJSON_GetArrayItem(e, 2), e->string, &t.chance));
            *s++ = t;
        }
    }
    return GLIMPSE_OK;
}

static glimpse_status sample(reader *r, const cJSON *o, glimpse_sample *s) {
    const cJSON *l, *e;
    void *room;
    const char *stop;
    s->size = sizeof *s;
    TRY(int32(o, "prompt", &s->prompt));
    TRY(text_n(r, o, "prompt_text", &s->prompt_text, &s->prompt_bytes));
    TRY(list(r, o, "prompt_ids", sizeof(int32_t), &l, &room, &s->n_prompt_ids));
    int32_t *ids = room;
    s->prompt_ids = ids;
    cJSON_ArrayForEach(e, l) TRY(int32_of(e, "prompt_ids", ids++));
    TRY(int32(o, "setting", &s->setting));
    TRY(text(r, o, "label", &s->label));
    TRY(text(r, o, "samplers", &s->samplers));
    TRY(int32(o, "sample", &s->sample));
    TRY(int32(o, "n_samples", &s->n_samples));
    TRY(item(o, "seed", &e));
    if (cJSON_IsString(e)) {
        if (!parse_u64(e->valuestring, strlen(e->valuestring), &s->seed))
            FAIL(GLIMPSE_E_FORMAT, "field \"seed\" is no whole number");
    } else {
        int64_t seed;
        TRY(integer_of(e, "seed", &seed));
        s->seed = (uint64_t)seed;
    }
    TRY(number(o, "temperature", &s->temperature));
    TRY(int32(o, "top_k", &s->top_k));
    if (cJSON_GetObjectItemCaseSensitive(o, "beams")) {
        TRY(int32(o, "beams", &s->n_beams));
        TRY(number(o, "beam_score", &s->beam_score));
    }
    TRY(text_n(r, o, "text", &s->text, &s->text_bytes));
    if (!s->text || !s->prompt_text) FAIL(GLIMPSE_E_FORMAT, "a sample's text is null");
    TRY(text(r, o, "stop", &stop));
    s->stop = (glimpse_stop)-1;
    for (int i = 0; i <= GLIMPSE_STOP_CANCELLED; i++)
        if (!strcmp(stop, journal_stops[i])) s->stop = (glimpse_stop)i;
    if ((int)s->stop < 0) FAIL(GLIMPSE_E_FORMAT, "field \"stop\" has the unknown value \"%s\"", stop);
    TRY(text_n(r, o, "why", &s->why, NULL));
    if (cJSON_GetObjectItemCaseSensitive(o, "note")) TRY(text(r, o, "note", &s->note));
    TRY(metrics(r, o, "metrics", &s->metrics, &s->n_metrics));
    TRY(list(r, o, "tokens", sizeof(glimpse_token), &l, &room, &s->n_tokens));
    glimpse_token *t = room;
    s->tokens = t;
    cJSON_ArrayForEach(e, l) TRY(token(r, e, t++));
    if (!cJSON_GetObjectItemCaseSensitive(o, "answer_from")) return GLIMPSE_OK; /* a sample, no probe */
    TRY(int32(o, "answer_from", &s->answer_from));
    if (s->answer_from < 0 || s->answer_from > s->n_tokens)
        FAIL(GLIMPSE_E_FORMAT, "field \"answer_from\" is %d of %d tokens", s->answer_from, s->n_tokens);
    return GLIMPSE_OK;
}

static glimpse_status samples(reader *r, const cJSON *o, const char *name, const glimpse_sample **out, int32_t *n) {
    const cJSON *l, *e;
    void *room;
    TRY(list(r, o, name, sizeof(glimpse_sample), &l, &room, n));
    glimpse_sample *s = room;
    *out = s;
    cJSON_ArrayForEach(e, l) {
        glimpse_status st = sample(r, e, s);
        if (st < 0) {
            HINT("in element %d of \"%s\"", (int)(s - *out), name);
            return st;
        }
        s++;
    }
    return GLIMPSE_OK;
}

static glimpse_status pieces(reader *r, const cJSON *o, glimpse_record *rec) {
    const cJSON *l, *e;
    void *room;
    TRY(list(r, o, "pieces", sizeof(glimpse_piece), &l, &room, &rec->n_pieces));
    glimpse_piece *p = room;
    rec->pieces = p;
    int64_t before = -1;
    cJSON_ArrayForEach(e, l) {
        int64_t id;
        size_t n;
        if (!e->string || !parse_i64(e->string, strlen(e->string), &id) || id <= before || id > INT32_MAX)
            FAIL(GLIMPSE_E_FORMAT, "field \"pieces\" wants rising ids for names, found \"%s\"", e->string ? e->string : "");
        TRY(text_of(r, e, "pieces", &p->text, &n));
        if (!p->text || n > INT32_MAX) FAIL(GLIMPSE_E_FORMAT, "piece %lld is null", (long long)id);
        p->id = (int32_t)(before = id);
        p->bytes = (int32_t)n;
        p++;
    }
    return GLIMPSE_OK;
}

static glimpse_status views(reader *r, const cJSON *o, glimpse_record *rec) {
    const cJSON *l, *e;
    void *room;
    int32_t n;
    TRY(list(r, o, "views", 2 * sizeof(char *), &l, &room, &n));
    const char **names = room, **values = names + n;
    int32_t i = 0;
    cJSON_ArrayForEach(e, l) {
        if (!e->string || (!cJSON_IsString(e) && !cJSON_IsNull(e)))
            FAIL(GLIMPSE_E_FORMAT, "field \"views\" wants texts by name");
        names[i] = e->string;
        values[i++] = cJSON_IsString(e) ? e->valuestring : NULL;
    }
    buf_clear(&r->scratch);
    TRY(journal_views(names, values, n, &r->scratch));
    rec->views = arena_text(r->a, buf_str(&r->scratch), r->scratch.n);
    if (!rec->views) FAIL(GLIMPSE_E_MEMORY, "no memory for field \"views\"");
    return GLIMPSE_OK;
}

static glimpse_status record(reader *r, const cJSON *o, glimpse_record *rec) {
    const cJSON *sub;
    rec->size = sizeof *rec;
    TRY(int32(o, "v", &rec->version));
    if (rec->version != 1) FAIL(GLIMPSE_E_UNSUPPORTED, "version %d of the journal, this program reads version 1", rec->version);
    TRY(text(r, o, "run", &rec->run));
    TRY(text(r, o, "run_name", &rec->run_name));
    TRY(integer(o, "seq", &rec->seq));
    TRY(text(r, o, "kind", &rec->kind));
    TRY(integer(o, "step", &rec->step));
    TRY(text(r, o, "time", &rec->time));
    TRY(number(o, "train_loss", &rec->train_loss));
    TRY(number(o, "val_loss", &rec->val_loss));
    TRY(item(o, "best", &sub));
    TRY(number(sub, "val_loss", &rec->best_val_loss));
    TRY(integer(sub, "step", &rec->best_step));
    TRY(item(o, "model", &sub));
    if (cJSON_GetObjectItemCaseSensitive(sub, "name")) TRY(text_n(r, sub, "name", &rec->model_name, NULL));
    TRY(text(r, sub, "arch", &rec->arch));
    TRY(integer(sub, "params", &rec->n_params));
    TRY(int32(sub, "vocab", &rec->vocab_size));
    TRY(text(r, sub, "dtype", &rec->dtype));
    TRY(text(r, sub, "cache", &rec->cache_dtype));
    TRY(text(r, sub, "device", &rec->device));
    TRY(text(r, sub, "check", &rec->check));
    TRY(text(r, o, "status", &rec->status));
    TRY(text_n(r, o, "why", &rec->why, NULL));
    TRY(item(o, "seconds", &sub));
    TRY(number(sub, "blocked", &rec->blocked_s));
    TRY(number(sub, "prefill", &rec->prefill_s));
    TRY(number(sub, "decode", &rec->decode_s));
    TRY(number(sub, "write", &rec->write_s));
    TRY(pieces(r, o, rec));
    TRY(samples(r, o, "samples", &rec->samples, &rec->n_samples));
    TRY(samples(r, o, "probes", &rec->probes, &rec->n_probes));
    TRY(scores(r, o, rec));
    if (cJSON_GetObjectItemCaseSensitive(o, "dataset")) TRY(metrics(r, o, "dataset", &rec->dataset, &rec->n_dataset));
    return views(r, o, rec);
}

/* A line that closes with a check must be the one it was made of. */
static glimpse_status check_line(const char *line, size_t n) {
    const size_t key = strlen(JOURNAL_CHECK), tail = key + 10; /* 8 digits and "} behind it */
    uint32_t said = 0;
    if (n < 2 || line[n - 2] != '"' || line[n - 1] != '}') return GLIMPSE_OK; /* no other field at the end is a text */
    if (n < tail || memcmp(line + n - tail, JOURNAL_CHECK, key)) FAIL(GLIMPSE_E_FORMAT, "a journal line of %zu bytes is damaged at its end", n);
    for (size_t i = n - 10; i < n - 2; i++) {
        const char *digit = line[i] ? strchr("0123456789abcdef", line[i]) : NULL;
        if (!digit) FAIL(GLIMPSE_E_FORMAT, "a journal line of %zu bytes is damaged: its crc is no number", n);
        said = said << 4 | (uint32_t)(digit - "0123456789abcdef");
    }
    if (said != crc32c(line, n - tail))
        FAIL(GLIMPSE_E_FORMAT, "a journal line of %zu bytes is damaged: its crc is %08x, expected %08x", n,
             (unsigned)crc32c(line, n - tail), (unsigned)said);
    return GLIMPSE_OK;
}

bool journal_line_is_whole(const char *line, size_t n) {
    return n > 2 && line[n - 2] == '"' && line[n - 1] == '}' && check_line(line, n) >= 0;
}

/* Whatever its check says. */
static glimpse_status decode(const char *line, size_t n, owned_record **out) {
    glimpse_status st = GLIMPSE_OK;
    reader r = {0};
    owned_record *rec = NULL;
    const char *end = NULL;
    cJSON *o = cJSON_ParseWithLengthOpts(line, n, &end, false);
    if (o) {
        size_t used = (size_t)(end - line);
        while (used < n && strchr(" \t\r", line[used]) && line[used]) used++;
        if (used < n) FAIL_GOTO(GLIMPSE_E_FORMAT, "a journal line of %zu bytes goes on after its record, at byte %zu", n, used);
    }
    if (!o) FAIL(GLIMPSE_E_FORMAT, "a journal line of %zu bytes is no JSON", n);
    if (!cJSON_IsObject(o)) FAIL_GOTO(GLIMPSE_E_FORMAT, "a journal line is no JSON object");
    rec = record_new();
    if (!rec) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a record");
    r.a = rec->arena;
    TRY_GOTO(record(&r, o, &rec->record));
    *out = rec;
    rec = NULL;
out:
    cJSON_Delete(o);
    buf_free(&r.scratch);
    if (rec) record_free(&rec->record);
    return st;
}

glimpse_status journal_decode(const char *line, size_t n, owned_record **out) {
    TRY(check_line(line, n));
    return decode(line, n, out);
}

glimpse_status journal_decode_light(const char *line, size_t n, owned_record **out) {
    static const char samples[] = ",\"samples\":[", views[] = ",\"views\":{"; /* in a text their quotes are escaped */
    buffer light = {0};
    TRY(check_line(line, n));
    const char *from = memmem(line, n, samples, sizeof samples - 1), *to = NULL, *crc = NULL;
    if (from) to = memmem(from, n - (size_t)(from - line), views, sizeof views - 1);
    if (!to) return decode(line, n, out);
    crc = memmem(to, n - (size_t)(to - line), JOURNAL_CHECK, strlen(JOURNAL_CHECK));
    buf_put(&light, line, (size_t)(from - line) + sizeof samples - 1);
    buf_puts(&light, "]");
    buf_put(&light, to, (size_t)((crc ? crc : line + n) - to));
    if (crc) buf_puts(&light, "}");
    glimpse_status st = buf_failed(&light) ? status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for a journal line of %zu bytes", n)
                                           : decode(light.bytes, light.n, out);
    buf_free(&light);
    return st;
}
