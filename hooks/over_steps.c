/* over_steps.c -- see over_steps.h. */
#include "hooks/over_steps.h"

#include "hooks/journal.h"
#include "include/internal/status.h"
#include "include/internal/threads.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void over_steps_forget(over_steps *o) {
    for (int64_t i = 0; i < o->n; i++) styled_free(&o->rows[i].text);
    free(o->rows);
    buf_free(&o->of);
    *o = (over_steps){0};
}

/* Another sample, or other colours: the rows are made anew. */
static glimpse_status begin(over_steps *o, const glimpse_sample *s, const view_style *style) {
    buffer of = {0};
    buf_printf(&of, "%d %d %s ", (int)style->mode, (int)s->sample, s->label ? s->label : "");
    buf_put(&of, s->prompt_text, s->prompt_bytes);
    const bool same = of.n == o->of.n && !memcmp(buf_str(&of), buf_str(&o->of), of.n);
    if (!same) over_steps_forget(o);
    if (same || buf_failed(&of)) buf_free(&of);
    else o->of = of;
    if (!o->of.bytes) FAIL(GLIMPSE_E_MEMORY, "no memory for the sample of other steps");
    return GLIMPSE_OK;
}

static glimpse_status read_row(journal_index *x, int64_t i, const glimpse_sample *like, const view_style *style, screen_step *row) {
    buffer line = {0};
    owned_record *r = NULL;
    glimpse_status st = evals_read(x, i, &line);
    if (st >= 0) st = journal_decode(buf_str(&line), line.n, &r);
    if (st >= 0) screen_over_text(&r->record, like, style, row);
    else { /* damaged: said where it is looked at */
        row->known = true;
        row->val = row->perplexity = NAN;
        styled_puts(&row->text, "cannot be read", PAINT_BAD);
    }
    if (r) record_free(&r->record);
    buf_free(&line);
    if (st == GLIMPSE_E_MEMORY || styled_failed(&row->text)) FAIL(GLIMPSE_E_MEMORY, "no memory for the sample of another step");
    return GLIMPSE_OK;
}

glimpse_status over_steps_show(over_steps *o, journal_index *x, screen_view *v, int ms, bool *more) {
    const glimpse_record *of = v->r && v->r->n_samples ? v->r : v->before;
    const int64_t n = evals_count(x), until = monotonic_ms() + ms, room = screen_over_rows(v->height);
    v->over = (screen_over){0};
    *more = false;
    if (!of || !of->n_samples || !n || room < 1) return GLIMPSE_OK;
    const glimpse_sample *s = GLIMPSE_AT(of->samples, v->sample < of->n_samples ? v->sample : of->n_samples - 1);
    TRY(begin(o, s, &v->style));
    if (o->n < n) {
        screen_step *rows = realloc(o->rows, (size_t)n * sizeof *rows);
        if (!rows) FAIL(GLIMPSE_E_MEMORY, "no memory for the sample of %lld steps", (long long)n);
        memset(rows + o->n, 0, (size_t)(n - o->n) * sizeof *rows);
        o->rows = rows;
        o->n = n;
    }
    int64_t first = n <= room ? 0 : v->at < room / 2 ? 0 : v->at - room / 2 > n - room ? n - room : v->at - room / 2;
    v->over = (screen_over){ .rows = o->rows + first, .first = first, .n = n < room ? n : room };
    for (int64_t i = first + v->over.n; i-- > first;) { /* from the newest on */
        o->rows[i].step = evals_at(x, i)->step;
        if (!o->rows[i].known && monotonic_ms() < until) TRY(read_row(x, i, s, &v->style, &o->rows[i]));
        *more = *more || !o->rows[i].known;
    }
    return GLIMPSE_OK;
}
