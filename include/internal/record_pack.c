/* record_pack.c -- a record as bytes, and back.
 *
 * The fields of record_fields.h walk through a codec, which either appends them to a buffer or fills them from bytes.  So
 * writer and reader cannot drift apart.  The bytes are hostile to the reader: a count is believed only as far as the bytes
 * that are left can hold it, so memory stays within a small multiple of them.  Called by both ends of the worker's socket. */
#include "include/internal/record.h"
#include "include/internal/record_fields.h"
#include "include/internal/status.h"

#include <string.h>

#define PACK_MAGIC 0x43455247u /* "GREC" */
#define NO_TEXT UINT32_MAX     /* the length that stands for NULL */

typedef struct codec {
    buffer *out;             /* writing, or NULL */
    const char *at, *end;    /* reading */
    arena *arena;            /* reading: where what is read goes */
    glimpse_status st;       /* sticky; on an error every later step does nothing */
    const char *why;         /* static */
} codec;

static void refuse(codec *c, glimpse_status st, const char *why) {
    if (c->st >= 0) {
        c->st = st;
        c->why = why;
    }
}

static void code_raw(codec *c, void *p, size_t n) {
    if (c->st < 0) return;
    if (c->out) {
        buf_put(c->out, p, n);
    } else if ((size_t)(c->end - c->at) < n) {
        refuse(c, GLIMPSE_E_FORMAT, "it ends too early");
    } else {
        memcpy(p, c->at, n);
        c->at += n;
    }
}
#define CODE(c, field) code_raw((c), &(field), sizeof(field))
#define FIELD(kind, name, member) code_##kind(c, &of->member);
#define PAIR(kind, name, member, other) code_##kind(c, &of->member, &of->other);

/* n bytes with a NUL after them; NULL travels as NULL. */
static void code_bytes(codec *c, const char **text, size_t *n) {
    if (c->out) {
        if (*text && *n >= NO_TEXT) refuse(c, GLIMPSE_E_INVALID, "a text of 4 GiB or more");
        uint32_t len = *text ? (uint32_t)*n : NO_TEXT;
        CODE(c, len);
        if (*text && c->st >= 0) buf_put(c->out, *text, len);
        return;
    }
    uint32_t len = NO_TEXT;
    CODE(c, len);
    *text = NULL;
    *n = 0;
    if (c->st < 0 || len == NO_TEXT) return;
    if ((size_t)(c->end - c->at) < len) {
        refuse(c, GLIMPSE_E_FORMAT, "a text is longer than what is left");
        return;
    }
    char *copy = arena_text(c->arena, c->at, len);
    if (!copy) {
        refuse(c, GLIMPSE_E_MEMORY, "no memory for a text");
        return;
    }
    *text = copy;
    *n = len;
    c->at += len;
}

static void code_text_or_null(codec *c, const char **text) {
    size_t n = c->out && *text ? strlen(*text) : 0;
    code_bytes(c, text, &n);
    if (!c->out && *text && memchr(*text, 0, n)) refuse(c, GLIMPSE_E_FORMAT, "a name holds a zero byte");
}

/* A count of items that take at least `least` bytes each.  Reading: *items becomes room for them. */
static void code_count(codec *c, int32_t *n, size_t least, const void **items, size_t item_bytes) {
    if (c->out && (*n < 0 || (*n > 0 && !*items))) refuse(c, GLIMPSE_E_INVALID, "a count below 0 or a missing array");
    CODE(c, *n);
    if (c->out) return;
    *items = NULL;
    if (c->st >= 0 && (*n < 0 || (size_t)*n > (size_t)(c->end - c->at) / least))
        refuse(c, GLIMPSE_E_FORMAT, "a count is larger than what is left can hold");
    if (c->st >= 0 && *n > 0) {
        *items = arena_alloc(c->arena, (size_t)*n * item_bytes);
        if (!*items) refuse(c, GLIMPSE_E_MEMORY, "no memory for an array");
    }
    if (c->st < 0) *n = 0;
}

static void code_int32(codec *c, int32_t *x) { CODE(c, *x); }
static void code_int64(codec *c, int64_t *x) { CODE(c, *x); }
static void code_seed(codec *c, uint64_t *x) { CODE(c, *x); }
static void code_number(codec *c, float *x) { CODE(c, *x); }
static void code_loss(codec *c, double *x) { CODE(c, *x); }
#define code_int32_if_any code_int32
#define code_seconds code_loss
#define code_text code_text_or_null
#define code_text_if_any code_text_or_null
#define code_views code_text_or_null

static void code_beam_score(codec *c, const int32_t *n_beams, double *score) {
    (void)n_beams;
    CODE(c, *score);
}

static void code_stop(codec *c, glimpse_stop *of) {
    int32_t stop = (int32_t)*of;
    CODE(c, stop);
    if (c->out) return;
    if (stop < GLIMPSE_STOP_LENGTH || stop > GLIMPSE_STOP_CANCELLED) {
        refuse(c, GLIMPSE_E_FORMAT, "an unknown reason to stop");
        stop = GLIMPSE_STOP_LENGTH;
    }
    *of = (glimpse_stop)stop;
}

/* === Lists: what is written stays as it is, though it goes through pointers that reading needs === */

static void code_ids(codec *c, const int32_t **ids, int32_t *n) {
    code_count(c, n, sizeof(int32_t), (const void **)ids, sizeof(int32_t));
    if (*n > 0) code_raw(c, (void *)*ids, (size_t)*n * sizeof(int32_t));
}

static void code_top(codec *c, const glimpse_candidate **top, int32_t *n) {
    code_count(c, n, 12, (const void **)top, sizeof **top);
    for (int32_t i = 0; i < *n && c->st >= 0; i++) {
        glimpse_candidate *k = (glimpse_candidate *)&(*top)[i];
        CODE(c, k->id);
        CODE(c, k->p);
        CODE(c, k->p_final);
    }
}

static void code_metrics(codec *c, const glimpse_metric **metrics, int32_t *n) {
    code_count(c, n, 12, (const void **)metrics, sizeof **metrics);
    for (int32_t i = 0; i < *n && c->st >= 0; i++) {
        glimpse_metric *m = (glimpse_metric *)&(*metrics)[i];
        code_text(c, &m->name);
        CODE(c, m->value);
    }
}
#define code_metrics_if_any code_metrics

static void code_pieces(codec *c, const glimpse_piece **pieces, int32_t *n) {
    code_count(c, n, 8, (const void **)pieces, sizeof **pieces);
    for (int32_t i = 0; i < *n && c->st >= 0; i++) {
        glimpse_piece *p = (glimpse_piece *)&(*pieces)[i];
        size_t bytes = (size_t)p->bytes;
        CODE(c, p->id);
        if (c->out && (p->bytes < 0 || !p->text)) refuse(c, GLIMPSE_E_INVALID, "a piece without bytes");
        code_bytes(c, &p->text, &bytes);
        if (c->out) continue;
        if (c->st >= 0 && (!p->text || bytes > INT32_MAX)) refuse(c, GLIMPSE_E_FORMAT, "a piece without bytes");
        if (i > 0 && p[-1].id >= p->id) refuse(c, GLIMPSE_E_FORMAT, "the pieces do not stand by rising id");
        p->bytes = (int32_t)bytes;
    }
}

static void code_tokens(codec *c, const glimpse_token **tokens, int32_t *n) {
    code_count(c, n, 44, (const void **)tokens, sizeof **tokens);
    for (int32_t i = 0; i < *n && c->st >= 0; i++) {
        glimpse_token *of = (glimpse_token *)GLIMPSE_AT(*tokens, i);
        if (!c->out) of->size = sizeof *of;
        TOKEN_FIELDS(FIELD, PAIR)
    }
}

static void code_samples(codec *c, const glimpse_sample **samples, int32_t *n) {
    code_count(c, n, 76, (const void **)samples, sizeof **samples);
    for (int32_t i = 0; i < *n && c->st >= 0; i++) {
        glimpse_sample *of = (glimpse_sample *)GLIMPSE_AT(*samples, i);
        if (!c->out) of->size = sizeof *of;
        SAMPLE_FIELDS(FIELD, PAIR)
        code_tokens(c, &of->tokens, &of->n_tokens);
        code_int32(c, &of->answer_from);
        if (!c->out && (of->answer_from < 0 || of->answer_from > of->n_tokens))
            refuse(c, GLIMPSE_E_FORMAT, "an answer begins outside its tokens");
    }
}
#define code_probes code_samples

static void code_scores(codec *c, const glimpse_task_score **scores, int32_t *n) {
    code_count(c, n, 56, (const void **)scores, sizeof **scores);
    for (int32_t i = 0; i < *n && c->st >= 0; i++) {
        glimpse_task_score *s = (glimpse_task_score *)GLIMPSE_AT(*scores, i);
        if (!c->out) s->size = sizeof *s;
        code_text(c, &s->task);
        code_text(c, &s->metric);
        code_text(c, &s->variant);
        CODE(c, s->version);
        CODE(c, s->value);
        CODE(c, s->std_error);
        CODE(c, s->chance);
        CODE(c, s->n);
        CODE(c, s->n_all);
        CODE(c, s->num_fewshot);
    }
}

#define NOTHING(...)
static void code_record(codec *c, glimpse_record *of) {
    of->size = sizeof *of;
    RECORD_FIELDS(FIELD, PAIR, NOTHING, NOTHING)
}

glimpse_status record_pack(const glimpse_record *r, buffer *out) {
    codec c = {.out = out};
    uint32_t magic = PACK_MAGIC;
    glimpse_record copy = *r;
    CODE(&c, magic);
    code_record(&c, &copy);
    if (c.st < 0) FAIL(c.st, "record of step %lld: %s", (long long)r->step, c.why);
    if (buf_failed(out)) FAIL(GLIMPSE_E_MEMORY, "no memory to pack the record of step %lld", (long long)r->step);
    return GLIMPSE_OK;
}

glimpse_status record_unpack(const void *bytes, size_t n, owned_record **out) {
    owned_record *o = record_new();
    if (!o) FAIL(GLIMPSE_E_MEMORY, "no memory for a record");
    codec c = {.at = bytes, .end = (const char *)bytes + n, .arena = o->arena};
    uint32_t magic = 0;
    CODE(&c, magic);
    if (magic != PACK_MAGIC) refuse(&c, GLIMPSE_E_FORMAT, "it does not begin as a record does");
    code_record(&c, &o->record);
    if (c.at != c.end) refuse(&c, GLIMPSE_E_FORMAT, "there are bytes after its end");
    if (c.st < 0) {
        record_free(&o->record);
        FAIL(c.st, "a packed record of %zu bytes: %s", n, c.why);
    }
    *out = o;
    return GLIMPSE_OK;
}
