/* journal_decode.c -- a line of evals.jsonl as a record: the inverse of journal_encode.c.  Every field is checked, since a
 * journal may have been cut, edited or made up; an error names the field. */
#include "hooks/journal.h"
#include "include/internal/base64.h"
#include "include/internal/record_fields.h"
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

/* A get_KIND takes the value that stands under the name, NULL = none does. */
#define GET(kind, name, member) TRY(get_##kind(r, at(o, name), name, &of->member));
#define GET_PAIR(kind, name, member, other) TRY(get_##kind(r, at(o, name), name, &of->member, &of->other));
#define GET_OPEN(name) if (!(o = at(line, name))) return missing(name);
#define GET_CLOSE() o = line;

static const cJSON *at(const cJSON *o, const char *name) { return cJSON_GetObjectItemCaseSensitive(o, name); }

static glimpse_status missing(const char *name) { FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is missing", name); }

static glimpse_status get_loss(reader *r, const cJSON *v, const char *name, double *out) {
    (void)r;
    if (!v) return missing(name);
    if (cJSON_IsNull(v)) *out = NAN;
    else if (cJSON_IsNumber(v)) *out = v->valuedouble;
    else FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is no number", name);
    return GLIMPSE_OK;
}
#define get_seconds get_loss

static glimpse_status get_number(reader *r, const cJSON *v, const char *name, float *out) {
    double d;
    TRY(get_loss(r, v, name, &d));
    *out = (float)d;
    return GLIMPSE_OK;
}

static glimpse_status get_int64(reader *r, const cJSON *v, const char *name, int64_t *out) {
    (void)r;
    if (!v) return missing(name);
    if (!cJSON_IsNumber(v) || !(fabs(v->valuedouble) <= 9007199254740992.0) || v->valuedouble != floor(v->valuedouble))
        FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is no whole number", name);
    *out = (int64_t)v->valuedouble;
    return GLIMPSE_OK;
}

static glimpse_status get_int32(reader *r, const cJSON *v, const char *name, int32_t *out) {
    int64_t x;
    TRY(get_int64(r, v, name, &x));
    if (x < INT32_MIN || x > INT32_MAX) FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is out of range", name);
    *out = (int32_t)x;
    return GLIMPSE_OK;
}

static glimpse_status get_int32_if_any(reader *r, const cJSON *v, const char *name, int32_t *out) {
    return v ? get_int32(r, v, name, out) : GLIMPSE_OK;
}

static glimpse_status text_of(reader *r, const cJSON *v, const char *name, const char **out, size_t *n) {
    const cJSON *b64 = cJSON_IsObject(v) ? cJSON_GetObjectItemCaseSensitive(v, "b64") : NULL;
    size_t bytes;
    const char *s;
    if (!v) return missing(name);
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

static glimpse_status get_text_or_null(reader *r, const cJSON *v, const char *name, const char **out) {
    return text_of(r, v, name, out, NULL);
}

static glimpse_status get_text_if_any(reader *r, const cJSON *v, const char *name, const char **out) {
    return v ? text_of(r, v, name, out, NULL) : GLIMPSE_OK;
}

static glimpse_status get_text(reader *r, const cJSON *v, const char *name, const char **out) {
    TRY(text_of(r, v, name, out, NULL));
    if (!*out) FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is null", name);
    return GLIMPSE_OK;
}

static glimpse_status get_bytes(reader *r, const cJSON *v, const char *name, const char **out, size_t *n) {
    TRY(text_of(r, v, name, out, n));
    if (!*out) FAIL(GLIMPSE_E_FORMAT, "a sample's text is null");
    return GLIMPSE_OK;
}

/* Room for the elements of a list or object; *n their number. */
static glimpse_status list(reader *r, const cJSON *v, const char *name, size_t size, void **room, int32_t *n) {
    const cJSON *e;
    if (!v) return missing(name);
    if (!cJSON_IsArray(v) && !cJSON_IsObject(v)) FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is no list", name);
    int32_t count = 0;
    cJSON_ArrayForEach(e, v) {
        if (++count > MAX_ELEMENTS) FAIL(GLIMPSE_E_FORMAT, "field \"%s\" has more than %d elements", name, MAX_ELEMENTS);
    }
    *room = arena_alloc(r->a, (size_t)count * size + 1);
    if (!*room) FAIL(GLIMPSE_E_MEMORY, "no memory for %d elements of \"%s\"", count, name);
    *n = count;
    return GLIMPSE_OK;
}

static glimpse_status get_top(reader *r, const cJSON *v, const char *name, const glimpse_candidate **out, int32_t *n) {
    const cJSON *e;
    void *room;
    TRY(list(r, v, name, sizeof(glimpse_candidate), &room, n));
    glimpse_candidate *c = room;
    *out = c;
    cJSON_ArrayForEach(e, v) {
        const cJSON *id = e->child, *p = id ? id->next : NULL, *f = p ? p->next : NULL;
        if (!cJSON_IsArray(e) || !f) FAIL(GLIMPSE_E_FORMAT, "field \"top\" wants lists of [id, p, p_final]");
        double d;
        TRY(get_int32(r, id, "top id", &c->id));
        TRY(get_loss(r, p, "top p", &d));
        c->p = (float)d;
        TRY(get_loss(r, f, "top p_final", &d));
        c->p_final = (float)d;
        c++;
    }
    return GLIMPSE_OK;
}

static glimpse_status get_token(reader *r, const cJSON *o, glimpse_token *of) {
    of->size = sizeof *of;
    TOKEN_FIELDS(GET, GET_PAIR)
    return GLIMPSE_OK;
}

static glimpse_status get_ids(reader *r, const cJSON *v, const char *name, const int32_t **out, int32_t *n) {
    const cJSON *e;
    void *room;
    TRY(list(r, v, name, sizeof(int32_t), &room, n));
    int32_t *ids = room;
    *out = ids;
    cJSON_ArrayForEach(e, v) TRY(get_int32(r, e, name, ids++));
    return GLIMPSE_OK;
}

static glimpse_status get_seed(reader *r, const cJSON *v, const char *name, uint64_t *out) {
    int64_t seed;
    if (cJSON_IsString(v)) {
        if (!parse_u64(v->valuestring, strlen(v->valuestring), out)) FAIL(GLIMPSE_E_FORMAT, "field \"seed\" is no whole number");
        return GLIMPSE_OK;
    }
    TRY(get_int64(r, v, name, &seed));
    *out = (uint64_t)seed;
    return GLIMPSE_OK;
}

static glimpse_status get_beam_score(reader *r, const cJSON *v, const char *name, int32_t *n_beams, double *out) {
    return v || *n_beams ? get_loss(r, v, name, out) : GLIMPSE_OK;
}

static glimpse_status get_stop(reader *r, const cJSON *v, const char *name, glimpse_stop *out) {
    const char *stop;
    TRY(get_text(r, v, name, &stop));
    for (int i = 0; i <= GLIMPSE_STOP_CANCELLED; i++)
        if (!strcmp(stop, journal_stops[i])) {
            *out = (glimpse_stop)i;
            return GLIMPSE_OK;
        }
    FAIL(GLIMPSE_E_FORMAT, "field \"stop\" has the unknown value \"%s\"", stop);
}

static glimpse_status get_metrics(reader *r, const cJSON *v, const char *name, const glimpse_metric **out, int32_t *n) {
    const cJSON *e;
    void *room;
    TRY(list(r, v, name, sizeof(glimpse_metric), &room, n));
    glimpse_metric *m = room;
    *out = m;
    cJSON_ArrayForEach(e, v) {
        m->name = arena_text(r->a, e->string ? e->string : "", e->string ? strlen(e->string) : 0);
        if (!m->name) FAIL(GLIMPSE_E_MEMORY, "no memory for a metric's name");
        TRY(get_loss(r, e, name, &m->value));
        m++;
    }
    return GLIMPSE_OK;
}

static glimpse_status get_metrics_if_any(reader *r, const cJSON *v, const char *name, const glimpse_metric **out, int32_t *n) {
    return v ? get_metrics(r, v, name, out, n) : GLIMPSE_OK;
}

static glimpse_status get_sample(reader *r, const cJSON *o, glimpse_sample *of) {
    const cJSON *tokens = at(o, "tokens"), *answer_from = at(o, "answer_from"), *e;
    void *room;
    of->size = sizeof *of;
    SAMPLE_FIELDS(GET, GET_PAIR)
    TRY(list(r, tokens, "tokens", sizeof(glimpse_token), &room, &of->n_tokens));
    glimpse_token *t = room;
    of->tokens = t;
    cJSON_ArrayForEach(e, tokens) TRY(get_token(r, e, t++));
    TRY(get_int32_if_any(r, answer_from, "answer_from", &of->answer_from));
    if (of->answer_from < 0 || of->answer_from > of->n_tokens)
        FAIL(GLIMPSE_E_FORMAT, "field \"answer_from\" is %d of %d tokens", of->answer_from, of->n_tokens);
    return GLIMPSE_OK;
}

static glimpse_status get_samples(reader *r, const cJSON *v, const char *name, const glimpse_sample **out, int32_t *n) {
    const cJSON *e;
    void *room;
    TRY(list(r, v, name, sizeof(glimpse_sample), &room, n));
    glimpse_sample *s = room;
    *out = s;
    cJSON_ArrayForEach(e, v) {
        glimpse_status st = get_sample(r, e, s);
        if (st < 0) {
            HINT("in element %d of \"%s\"", (int)(s - *out), name);
            return st;
        }
        s++;
    }
    return GLIMPSE_OK;
}
#define get_probes get_samples

static glimpse_status get_pieces(reader *r, const cJSON *v, const char *name, const glimpse_piece **out, int32_t *count) {
    const cJSON *e;
    void *room;
    TRY(list(r, v, name, sizeof(glimpse_piece), &room, count));
    glimpse_piece *p = room;
    *out = p;
    int64_t before = -1;
    cJSON_ArrayForEach(e, v) {
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

static glimpse_status get_views(reader *r, const cJSON *v, const char *name, const char **out) {
    const cJSON *e;
    void *room;
    int32_t n;
    TRY(list(r, v, name, 2 * sizeof(char *), &room, &n));
    const char **names = room, **values = names + n;
    int32_t i = 0;
    cJSON_ArrayForEach(e, v) {
        if (!e->string || (!cJSON_IsString(e) && !cJSON_IsNull(e)))
            FAIL(GLIMPSE_E_FORMAT, "field \"views\" wants texts by name");
        names[i] = e->string;
        values[i++] = cJSON_IsString(e) ? e->valuestring : NULL;
    }
    buf_clear(&r->scratch);
    TRY(journal_views(names, values, n, &r->scratch));
    *out = arena_text(r->a, buf_str(&r->scratch), r->scratch.n);
    if (!*out) FAIL(GLIMPSE_E_MEMORY, "no memory for field \"views\"");
    return GLIMPSE_OK;
}

/* The members of "lm_eval" that are lists of three are its numbers. */
static glimpse_status get_scores(reader *r, const cJSON *v, const char *name, const glimpse_task_score **out, int32_t *count) {
    const cJSON *task, *e;
    int32_t n = 0;
    cJSON_ArrayForEach(task, v) cJSON_ArrayForEach(e, task) n += cJSON_IsArray(e);
    glimpse_task_score *s = n ? arena_alloc(r->a, (size_t)n * sizeof *s) : NULL;
    if (n && !s) FAIL(GLIMPSE_E_MEMORY, "no memory for the scores of a record");
    *out = s;
    *count = n;
    cJSON_ArrayForEach(task, v) {
        glimpse_task_score t = { .size = sizeof t };
        if (!task->string || !cJSON_IsObject(task)) FAIL(GLIMPSE_E_FORMAT, "field \"%s\" has a task that is no object", name);
        t.task = arena_text(r->a, task->string, strlen(task->string));
        if (!t.task) FAIL(GLIMPSE_E_MEMORY, "no memory for the scores of a record");
        TRY(get_text(r, at(task, "variant"), "variant", &t.variant));
        TRY(get_loss(r, at(task, "version"), "version", &t.version));
        TRY(get_int32(r, at(task, "shots"), "shots", &t.num_fewshot));
        TRY(get_int32(r, at(task, "n"), "n", &t.n));
        TRY(get_int32(r, at(task, "of"), "of", &t.n_all));
        cJSON_ArrayForEach(e, task) {
            if (!cJSON_IsArray(e)) continue;
            if (cJSON_GetArraySize(e) != 3) FAIL(GLIMPSE_E_FORMAT, "field \"%s\" is no value, standard error and chance", e->string);
            t.metric = arena_text(r->a, e->string, strlen(e->string));
            if (!t.metric) FAIL(GLIMPSE_E_MEMORY, "no memory for the scores of a record");
            TRY(get_loss(r, cJSON_GetArrayItem(e, 0), e->string, &t.value));
            TRY(get_loss(r, cJSON_GetArrayItem(e, 1), e->string, &t.std_error));
            TRY(get_loss(r, cJSON_GetArrayItem(e, 2), e->string, &t.chance));
            *s++ = t;
        }
    }
    return GLIMPSE_OK;
}

static glimpse_status get_record(reader *r, const cJSON *line, glimpse_record *of) {
    const cJSON *o = line;
    of->size = sizeof *of;
    TRY(get_int32(r, at(o, "v"), "v", &of->version)); /* another version's fields may be others */
    if (of->version != 1) FAIL(GLIMPSE_E_UNSUPPORTED, "version %d of the journal, this program reads version 1", of->version);
    RECORD_FIELDS(GET, GET_PAIR, GET_OPEN, GET_CLOSE)
    return GLIMPSE_OK;
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
    TRY_GOTO(get_record(&r, o, &rec->record));
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
