/* html.c -- the data of the review page (html.h): records as scripts.  Called by hooks/review.c. */
#include "viz/html.h"

#include "include/internal/base64.h"
#include "include/internal/json_out.h"
#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "viz/text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* === Made by the build from viz/page/ (gen/page_data.c) ==========================================================*/
extern const char page_shell[], page_style[], page_script[];
extern const unsigned page_shell_bytes, page_style_bytes, page_script_bytes;

html_file html_file_at(int i) {
    switch (i) {
    case 0: return (html_file){"report.html", page_shell, page_shell_bytes};
    case 1: return (html_file){"report/glimpse.css", page_style, page_style_bytes};
    default: return (html_file){"report/glimpse.js", page_script, page_script_bytes};
    }
}

/* === JSON ========================================================================================================*/
/* A string that is safe in a script, also in one that stands inside a page (`glimpse report --single`). */
static void put_text(buffer *out, const char *s, size_t n) {
    size_t from = out->n;
    buf_json_string(out, s ? s : "", s ? n : 0);
    if (buf_failed(out) || !memchr(out->bytes + from, '<', out->n - from)) return;
    buffer raw = {0};
    buf_put(&raw, out->bytes + from, out->n - from);
    out->n = from;
    for (size_t i = 0, run = 0; i <= raw.n && !buf_failed(&raw); i++) {
        if (i < raw.n && raw.bytes[i] != '<') continue;
        buf_put(out, raw.bytes + run, i - run);
        if (i < raw.n) buf_puts(out, "\\u003c");
        run = i + 1;
    }
    if (buf_failed(&raw)) out->failed = true;
    buf_free(&raw);
}

static void put_cstr(buffer *out, const char *s) {
    if (s) put_text(out, s, strlen(s));
    else buf_puts(out, "null");
}

static void text_member(buffer *out, const char *name, const char *value) {
    json_key(out, name);
    put_cstr(out, value);
}

/* What the index and the data file both say of an eval. */
static void eval_members(const glimpse_record *r, buffer *out) {
    json_int_member(out, "v", 1);
    text_member(out, "run", r->run);
    text_member(out, "name", r->run_name);
    if (r->model_name && *r->model_name) text_member(out, "model", r->model_name);
    json_int_member(out, "seq", r->seq);
    json_int_member(out, "step", r->step);
    text_member(out, "kind", r->kind);
    text_member(out, "time", r->time);
    text_member(out, "status", r->status);
    text_member(out, "why", r->why);
    text_member(out, "check", r->check);
    json_num_member(out, "train", r->train_loss, RECORD_LOSS_DIGITS);
    json_num_member(out, "val", r->val_loss, RECORD_LOSS_DIGITS);
    json_num_member(out, "best", r->best_val_loss, RECORD_LOSS_DIGITS);
    json_int_member(out, "best_step", r->best_step);
}

static glimpse_status finish(buffer *out, size_t from) {
    buf_puts(out, "});\n");
    return text_done(false, out, from, "the data of the review page");
}

/* === The index ===================================================================================================*/
/* Where a metric of that name stands among the first n names; n = it is new. */
static int name_at(const char *const *names, int n, const char *name) {
    int i = 0;
    while (i < n && strcmp(names[i], name)) i++;
    return i;
}

/* Numbers of the eval itself, for the charts: [[name, value], ..]. */
static void put_more(const glimpse_record *r, buffer *out) {
    buffer name = {0};
    json_key(out, "more");
    buf_putc(out, '[');
    for (int32_t i = 0, shown = 0; i < r->n_scores + r->n_dataset; i++) {
        const glimpse_task_score *s = i < r->n_scores ? GLIMPSE_AT(r->scores, i) : NULL;
        const glimpse_metric *m = s ? NULL : &r->dataset[i - r->n_scores];
        if (m && !text_shows_metric(m->name)) continue;
        buf_clear(&name);
        buf_puts(&name, s ? s->task : "dataset");
        buf_putc(&name, ' ');
        buf_puts(&name, s ? s->metric : m->name);
        buf_puts(out, shown++ ? ",[" : "[");
        put_text(out, buf_str(&name), name.n);
        buf_putc(out, ',');
        json_num(out, s ? s->value : m->value, 5);
        buf_putc(out, ']');
    }
    buf_putc(out, ']');
    if (buf_failed(&name)) out->failed = true;
    buf_free(&name);
}

/* The same as a table wants them. */
static void put_scores(const glimpse_record *r, buffer *out) {
    if (r->n_scores) json_key(out, "scores"), buf_putc(out, '[');
    for (int32_t i = 0; i < r->n_scores; i++) {
        const glimpse_task_score *s = GLIMPSE_AT(r->scores, i);
        buf_puts(out, i ? ",{" : "{");
        text_member(out, "task", s->task);
        text_member(out, "metric", s->metric);
        text_member(out, "variant", s->variant);
        json_num_member(out, "value", s->value, RECORD_LOSS_DIGITS);
        json_num_member(out, "error", s->std_error, RECORD_LOSS_DIGITS);
        json_num_member(out, "chance", s->chance, RECORD_LOSS_DIGITS);
        json_int_member(out, "n", s->n);
        json_int_member(out, "of", s->n_all);
        json_int_member(out, "shots", s->num_fewshot);
        buf_putc(out, '}');
    }
    if (r->n_scores) buf_putc(out, ']');
    if (r->n_dataset) json_key(out, "dataset"), buf_putc(out, '[');
    for (int32_t i = 0, shown = 0; i < r->n_dataset; i++) {
        if (!text_shows_metric(r->dataset[i].name)) continue;
        buf_puts(out, shown++ ? ",[" : "[");
        put_cstr(out, r->dataset[i].name);
        buf_putc(out, ',');
        json_num(out, r->dataset[i].value, RECORD_LOSS_DIGITS);
        buf_putc(out, ']');
    }
    if (r->n_dataset) buf_putc(out, ']');
}

glimpse_status html_index_line(const glimpse_record *r, color_mode mode, buffer *out) {
    enum { MOST = 64 };
    const char *names[MOST];
    int n = 0;
    size_t from = out->n;
    buf_puts(out, "glimpse_eval({");
    eval_members(r, out);
    text_member(out, "colour", color_mode_name(mode));
    for (int32_t i = 0; i < r->n_samples; i++) {
        const glimpse_sample *s = GLIMPSE_AT(r->samples, i);
        for (int32_t k = 0; k < s->n_metrics && n < MOST; k++)
            if (text_shows_metric(s->metrics[k].name) && name_at(names, n, s->metrics[k].name) == n) names[n++] = s->metrics[k].name;
    }
    if (r->n_probes) json_int_member(out, "probes", r->n_probes);
    if (r->n_scores || r->n_dataset) put_more(r, out);
    json_key(out, "names");
    buf_putc(out, '[');
    for (int i = 0; i < n; i++) {
        if (i) buf_putc(out, ',');
        put_cstr(out, names[i]);
    }
    /* A row a sample: prompt, setting, sample, the setting's label, then the metrics in the order of the names. */
    buf_putc(out, ']');
    json_key(out, "rows");
    buf_putc(out, '[');
    for (int32_t i = 0; i < r->n_samples; i++) {
        const glimpse_sample *s = GLIMPSE_AT(r->samples, i);
        double value[MOST];
        for (int k = 0; k < n; k++) value[k] = NAN;
        for (int32_t k = 0; k < s->n_metrics; k++) {
            int at = name_at(names, n, s->metrics[k].name);
            if (at < n) value[at] = s->metrics[k].value;
        }
        buf_printf(out, "%s[%d,%d,%d,", i ? "," : "", (int)s->prompt, (int)s->setting, (int)s->sample);
        put_cstr(out, s->label);
        for (int k = 0; k < n; k++) {
            buf_putc(out, ',');
            json_num(out, value[k], 5);
        }
        buf_putc(out, ']');
    }
    buf_putc(out, ']');
    return finish(out, from);
}

/* === An eval's data ==============================================================================================*/
static void put_u16(buffer *b, uint32_t v) {
    const uint8_t bytes[2] = {(uint8_t)v, (uint8_t)(v >> 8)};
    buf_put(b, bytes, 2);
}

static void put_u32(buffer *b, uint32_t v) {
    put_u16(b, v & 0xFFFF);
    put_u16(b, v >> 16);
}

static void put_f32(buffer *b, float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_u32(b, isfinite(x) ? bits : 0x7FC00000u); /* one NaN: the sign of another is no one's choice */
}

static uint32_t code_of(float p) {
    if (!(p > 0)) return 65535;
    double c = -log((double)p) * 2000;
    return c < 0 ? 0 : c > 65534 ? 65534 : (uint32_t)(c + 0.5);
}

/* The place of an id among the record's pieces, which stand by rising id; 0xFFFFFFFF = none. */
static uint32_t place_of(const glimpse_record *r, int32_t id) {
    int32_t lo = 0, hi = r->n_pieces;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        if (r->pieces[mid].id < id) lo = mid + 1;
        else hi = mid;
    }
    return lo < r->n_pieces && r->pieces[lo].id == id ? (uint32_t)lo : 0xFFFFFFFFu;
}

static void put_place(buffer *b, uint32_t place, bool wide) {
    if (wide) put_u32(b, place);
    else put_u16(b, place & 0xFFFF);
}

static void columns_of(const glimpse_record *r, const glimpse_sample *s, int32_t k, bool wide, buffer *b) {
#define EACH(expr) for (int32_t i = 0; i < s->n_tokens; i++) { const glimpse_token *t = GLIMPSE_AT(s->tokens, i); expr; }
    EACH(put_u32(b, place_of(r, t->id)))
    EACH(put_u32(b, (uint32_t)t->rank))
    EACH(put_u32(b, (uint32_t)t->kept))
    EACH(put_f32(b, t->logit))
    EACH(put_f32(b, t->logprob))
    EACH(put_f32(b, t->p_temp))
    EACH(put_f32(b, t->p_final))
    EACH(put_f32(b, t->left))
    EACH(put_f32(b, t->entropy))
    EACH(put_f32(b, t->dot))
    EACH(for (int32_t j = 0; j < k; j++) put_place(b, j < t->n_top ? place_of(r, t->top[j].id) : 0xFFFFFFFFu, wide))
    EACH(for (int32_t j = 0; j < k; j++) put_u16(b, j < t->n_top ? code_of(t->top[j].p) : 65535))
    EACH(for (int32_t j = 0; j < k; j++) put_u16(b, j < t->n_top ? code_of(t->top[j].p_final) : 65535))
#undef EACH
}

static void put_piece(const glimpse_piece *p, buffer *out) {
    if (utf8_valid(p->text, (size_t)p->bytes)) {
        put_text(out, p->text, (size_t)p->bytes);
        return;
    }
    buf_putc(out, '[');
    for (int32_t j = 0; j < p->bytes; j++) buf_printf(out, "%s%u", j ? "," : "", (unsigned)(uint8_t)p->text[j]);
    buf_putc(out, ']');
}

static void put_pieces(const glimpse_record *r, buffer *out) {
    json_key(out, "ids");
    buf_putc(out, '[');
    for (int32_t i = 0; i < r->n_pieces; i++) buf_printf(out, "%s%d", i ? "," : "", (int)r->pieces[i].id);
    buf_putc(out, ']');
    json_key(out, "pieces");
    buf_putc(out, '[');
    for (int32_t i = 0; i < r->n_pieces; i++) {
        if (i) buf_putc(out, ',');
        put_piece(&r->pieces[i], out);
    }
    buf_putc(out, ']');
}

static void put_sample(const glimpse_record *r, const glimpse_sample *s, bool sheets, bool wide, buffer *out) {
    buffer name = {0}, bytes = {0};
    buf_putc(out, '{');
    json_int_member(out, "p", s->prompt);
    json_int_member(out, "s", s->setting);
    json_int_member(out, "i", s->sample);
    json_int_member(out, "of", s->n_samples);
    view_sample_name(s, &name);
    text_member(out, "name", buf_str(&name));
    json_int_member(out, "sheet", sheets);
    json_key(out, "prompt");
    put_text(out, s->prompt_text, s->prompt_bytes);
    json_key(out, "prompt_tokens");
    buf_i64(out, s->n_prompt_ids);
    text_member(out, "label", s->label);
    text_member(out, "samplers", s->samplers);
    json_key(out, "seed");
    buf_printf(out, "\"%llu\"", (unsigned long long)s->seed);
    json_num_member(out, "temperature", s->temperature, 6);
    json_int_member(out, "top_k", s->top_k);
    json_key(out, "text");
    put_text(out, s->text, s->text_bytes);
    text_member(out, "stop", text_stop_name(s->stop));
    text_member(out, "why", s->why);
    if (s->note) text_member(out, "note", s->note);
    if (s->n_beams) json_int_member(out, "beams", s->n_beams), json_num_member(out, "beam_score", s->beam_score, 6);
    json_key(out, "metrics");
    buf_putc(out, '{');
    for (int32_t i = 0, shown = 0; i < s->n_metrics; i++) {
        if (!text_shows_metric(s->metrics[i].name)) continue;
        if (shown++) buf_putc(out, ',');
        put_cstr(out, s->metrics[i].name);
        buf_putc(out, ':');
        json_num(out, s->metrics[i].value, RECORD_LOSS_DIGITS);
    }
    buf_putc(out, '}');
    int32_t k = 0;
    for (int32_t i = 0; i < s->n_tokens; i++)
        if (GLIMPSE_AT(s->tokens, i)->n_top > k) k = GLIMPSE_AT(s->tokens, i)->n_top;
    if (s->stop == GLIMPSE_STOP_SCORED) json_int_member(out, "answer_from", s->answer_from);
    json_int_member(out, "n", s->n_tokens);
    json_int_member(out, "k", k);
    json_key(out, "d");
    buf_putc(out, '"');
    columns_of(r, s, k, wide, &bytes);
    base64_encode(buf_str(&bytes), bytes.n, out);
    buf_puts(out, "\"}");
    if (buf_failed(&name) || buf_failed(&bytes)) out->failed = true;
    buf_free(&name);
    buf_free(&bytes);
}

glimpse_status html_step(const glimpse_record *r, bool sheets, buffer *out) {
    size_t from = out->n;
    bool wide = r->n_pieces >= 65535;
    buf_puts(out, "glimpse_step({");
    eval_members(r, out);
    text_member(out, "arch", r->arch);
    json_int_member(out, "params", r->n_params);
    json_int_member(out, "vocab", r->vocab_size);
    text_member(out, "dtype", r->dtype);
    text_member(out, "cache", r->cache_dtype);
    text_member(out, "device", r->device);
    json_key(out, "seconds");
    buf_putc(out, '[');
    const double seconds[] = {r->blocked_s, r->prefill_s, r->decode_s, r->write_s};
    for (int i = 0; i < 4; i++) {
        if (i) buf_putc(out, ',');
        json_num(out, seconds[i], RECORD_SECONDS_DIGITS);
    }
    buf_putc(out, ']');
    json_int_member(out, "w", wide ? 4 : 2);
    put_scores(r, out);
    put_pieces(r, out);
    json_key(out, "samples");
    buf_putc(out, '[');
    for (int32_t i = 0; i < r->n_samples; i++) {
        if (i) buf_putc(out, ',');
        put_sample(r, GLIMPSE_AT(r->samples, i), sheets, wide, out);
    }
    buf_putc(out, ']');
    if (r->n_probes) {
        json_key(out, "probes");
        buf_putc(out, '[');
        for (int32_t i = 0; i < r->n_probes; i++) {
            if (i) buf_putc(out, ',');
            put_sample(r, GLIMPSE_AT(r->probes, i), false, wide, out);
        }
        buf_putc(out, ']');
    }
    return finish(out, from);
}

/* === The probes ==================================================================================================*/
static void put_probe(const glimpse_record *r, const glimpse_sample *s, buffer *out) {
    buf_putc(out, '{');
    json_int_member(out, "i", s->prompt);
    json_key(out, "prompt");
    put_text(out, s->prompt_text, s->prompt_bytes);
    json_key(out, "text");
    put_text(out, s->text, s->text_bytes);
    text_member(out, "why", s->why);
    json_int_member(out, "from", s->answer_from);
    buffer given = {0};
    if (text_given(&given, r, s)) { /* as a label: it is shown and nothing more */
        json_key(out, "given");
        put_text(out, buf_str(&given), given.n);
    }
    if (buf_failed(&given)) out->failed = true;
    buf_free(&given);
    json_key(out, "t");
    buf_putc(out, '[');
    for (int32_t i = 0; i < s->n_tokens; i++) {
        const glimpse_piece *p = record_piece(r, GLIMPSE_AT(s->tokens, i)->id);
        if (i) buf_putc(out, ',');
        if (p && text_is_id(p)) buf_printf(out, "\"%d\"", (int)p->id);
        else if (p) put_piece(p, out);
        else buf_puts(out, "\"\"");
    }
    buf_putc(out, ']');
    json_key(out, "l");
    buf_putc(out, '[');
    for (int32_t i = 0; i < s->n_tokens; i++) {
        if (i) buf_putc(out, ',');
        json_num(out, (double)GLIMPSE_AT(s->tokens, i)->logprob, 4);
    }
    buf_putc(out, ']');
    json_key(out, "r");
    buf_putc(out, '[');
    for (int32_t i = 0; i < s->n_tokens; i++) buf_printf(out, "%s%d", i ? "," : "", (int)GLIMPSE_AT(s->tokens, i)->rank);
    buf_puts(out, "]}");
}

glimpse_status html_probes_line(const glimpse_record *r, buffer *out) {
    size_t from = out->n;
    if (!r->n_probes) return GLIMPSE_OK;
    buf_puts(out, "glimpse_probes({");
    text_member(out, "run", r->run);
    json_int_member(out, "step", r->step);
    json_int_member(out, "seq", r->seq);
    json_key(out, "probes");
    buf_putc(out, '[');
    for (int32_t i = 0; i < r->n_probes; i++) {
        if (i) buf_putc(out, ',');
        put_probe(r, GLIMPSE_AT(r->probes, i), out);
    }
    buf_putc(out, ']');
    return finish(out, from);
}
