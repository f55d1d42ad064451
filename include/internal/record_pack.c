/* record_pack.c -- a record as bytes, and back.
 *
 * Every struct is described once, by a function that walks its fields through a codec; the codec either appends them to
 * a buffer or fills them from bytes.  So writer and reader cannot drift apart.  The bytes are hostile to the reader: a
 * count is believed only as far as the bytes that are left can hold it, so memory stays within a small multiple of
 * them.  Called by both ends of the worker's socket. */
#include "include/internal/record.h"
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

static void code_string(codec *c, const char **text) {
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

static void code_candidate(codec *c, glimpse_candidate *k) {
    CODE(c, k->id);
    CODE(c, k->p);
    CODE(c, k->p_final);
}

static void code_token(codec *c, glimpse_token *t) {
    t->size = sizeof *t;
    CODE(c, t->id);
    CODE(c, t->rank);
    CODE(c, t->kept);
    CODE(c, t->logit);
    CODE(c, t->logprob);
    CODE(c, t->p_temp);
    CODE(c, t->p_final);
    CODE(c, t->left);
    CODE(c, t->entropy);
    CODE(c, t->dot);
    code_count(c, &t->n_top, 12, (const void **)&t->top, sizeof *t->top);
    for (int32_t i = 0; i < t->n_top && c->st >= 0; i++) {
        if (c->out) {
            glimpse_candidate k = t->top[i];
            code_candidate(c, &k);
        } else {
            code_candidate(c, (glimpse_candidate *)&t->top[i]);
        }
    }
}

static void code_metric(codec *c, glimpse_metric *m) {
    code_string(c, &m->name);
    CODE(c, m->value);
}

static void code_sample(codec *c, glimpse_sample *s) {
    s->size = sizeof *s;
    CODE(c, s->prompt);
    CODE(c, s->setting);
    CODE(c, s->sample);
    CODE(c, s->n_samples);
    code_bytes(c, &s->prompt_text, &s->prompt_bytes);
    code_count(c, &s->n_prompt_ids, sizeof(int32_t), (const void **)&s->prompt_ids, sizeof(int32_t));
    if (s->n_prompt_ids > 0) code_raw(c, (void *)s->prompt_ids, (size_t)s->n_prompt_ids * sizeof(int32_t));
    code_string(c, &s->label);
    code_string(c, &s->samplers);
    CODE(c, s->seed);
    CODE(c, s->temperature);
    CODE(c, s->top_k);
    code_bytes(c, &s->text, &s->text_bytes);
    int32_t stop = (int32_t)s->stop;
    CODE(c, stop);
    if (!c->out && (stop < GLIMPSE_STOP_LENGTH || stop > GLIMPSE_STOP_CANCELLED)) {
        refuse(c, GLIMPSE_E_FORMAT, "an unknown reason to stop");
        stop = GLIMPSE_STOP_LENGTH;
    }
    s->stop = (glimpse_stop)stop;
    code_string(c, &s->why);
    CODE(c, s->n_beams);
    CODE(c, s->beam_score);
    code_count(c, &s->n_tokens, 44, (const void **)&s->tokens, sizeof *s->tokens);
    for (int32_t i = 0; i < s->n_tokens && c->st >= 0; i++) {
        if (c->out) {
            glimpse_token t = *GLIMPSE_AT(s->tokens, i);
            code_token(c, &t);
        } else {
            code_token(c, (glimpse_token *)&s->tokens[i]);
        }
    }
    code_count(c, &s->n_metrics, 12, (const void **)&s->metrics, sizeof *s->metrics);
    for (int32_t i = 0; i < s->n_metrics && c->st >= 0; i++) {
        glimpse_metric m = c->out ? s->metrics[i] : (glimpse_metric){0};
        code_metric(c, &m);
        if (!c->out) ((glimpse_metric *)s->metrics)[i] = m;
    }
    CODE(c, s->answer_from);
    if (!c->out && (s->answer_from < 0 || s->answer_from > s->n_tokens))
        refuse(c, GLIMPSE_E_FORMAT, "an answer begins outside its tokens");
    code_string(c, &s->note);
}

static void code_samples(codec *c, const glimpse_sample **samples, int32_t *n) {
    code_count(c, n, 76, (const void **)samples, sizeof **samples);
    for (int32_t i = 0; i < *n && c->st >= 0; i++) {
        if (c->out) {
            glimpse_sample s = *GLIMPSE_AT(*samples, i);
            code_sample(c, &s);
        } else {
            code_sample(c, (glimpse_sample *)&(*samples)[i]);
        }
    }
}

static void code_score(codec *c, glimpse_task_score *s) {
    s->size = sizeof *s;
    code_string(c, &s->task);
    code_string(c, &s->metric);
    code_string(c, &s->variant);
    CODE(c, s->version);
    CODE(c, s->value);
    CODE(c, s->std_error);
    CODE(c, s->chance);
    CODE(c, s->n);
    CODE(c, s->n_all);
    CODE(c, s->num_fewshot);
}

static void code_metrics(codec *c, const glimpse_metric **metrics, int32_t *n) {
    code_count(c, n, 12, (const void **)metrics, sizeof **metrics);
    for (int32_t i = 0; i < *n && c->st >= 0; i++) {
        glimpse_metric m = c->out ? (*metrics)[i] : (glimpse_metric){0};
        code_metric(c, &m);
        if (!c->out) ((glimpse_metric *)*metrics)[i] = m;
    }
}

static void code_piece(codec *c, glimpse_piece *p) {
    CODE(c, p->id);
    size_t n = (size_t)p->bytes;
    if (c->out && (p->bytes < 0 || !p->text)) refuse(c, GLIMPSE_E_INVALID, "a piece without bytes");
    code_bytes(c, &p->text, &n);
    if (!c->out && c->st >= 0 && (!p->text || n > INT32_MAX)) refuse(c, GLIMPSE_E_FORMAT, "a piece without bytes");
    p->bytes = (int32_t)n;
}

static void code_record(codec *c, glimpse_record *r) {
    r->size = sizeof *r;
    CODE(c, r->version);
    code_string(c, &r->run);
    code_string(c, &r->run_name);
    CODE(c, r->seq);
    code_string(c, &r->kind);
    CODE(c, r->step);
    code_string(c, &r->time);
    CODE(c, r->train_loss);
    CODE(c, r->val_loss);
    CODE(c, r->best_val_loss);
    CODE(c, r->best_step);
    code_string(c, &r->arch);
    CODE(c, r->n_params);
    CODE(c, r->vocab_size);
    code_string(c, &r->dtype);
    code_string(c, &r->cache_dtype);
    code_string(c, &r->device);
    code_string(c, &r->check);
    code_string(c, &r->status);
    code_string(c, &r->why);
    CODE(c, r->blocked_s);
    CODE(c, r->prefill_s);
    CODE(c, r->decode_s);
    CODE(c, r->write_s);
    code_string(c, &r->views);
    code_string(c, &r->model_name);
    code_count(c, &r->n_pieces, 8, (const void **)&r->pieces, sizeof *r->pieces);
    for (int32_t i = 0; i < r->n_pieces && c->st >= 0; i++) {
        glimpse_piece p = c->out ? r->pieces[i] : (glimpse_piece){0};
        code_piece(c, &p);
        if (c->out) continue;
        ((glimpse_piece *)r->pieces)[i] = p;
        if (i > 0 && r->pieces[i - 1].id >= p.id) refuse(c, GLIMPSE_E_FORMAT, "the pieces do not stand by rising id");
    }
    code_samples(c, &r->samples, &r->n_samples);
    code_samples(c, &r->probes, &r->n_probes);
    code_count(c, &r->n_scores, 56, (const void **)&r->scores, sizeof *r->scores);
    for (int32_t i = 0; i < r->n_scores && c->st >= 0; i++) {
        glimpse_task_score s = c->out ? *GLIMPSE_AT(r->scores, i) : (glimpse_task_score){0};
        code_score(c, &s);
        if (!c->out) ((glimpse_task_score *)r->scores)[i] = s;
    }
    code_metrics(c, &r->dataset, &r->n_dataset);
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
