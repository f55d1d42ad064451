/* screen_pages.c -- the parts of a screen beside the text: the selected token, the map of the probes, the numbers of an eval,
 * the keys (screen.h). */
#include "viz/charts.h"
#include "viz/screen_row.h"

#include <math.h>
#include <string.h>

static const char *const eighths[] = {"", "\xe2\x96\x8f", "\xe2\x96\x8e", "\xe2\x96\x8d", "\xe2\x96\x8c", "\xe2\x96\x8b", "\xe2\x96\x8a", "\xe2\x96\x89"};

static void prob_text(char out[32], double p) {
    if (!isfinite(p)) c_snprintf(out, 32, "-");
    else if (p >= 0.9995) c_snprintf(out, 32, "1.00");
    else if (p >= 0.001) c_snprintf(out, 32, "%.3f", p), memmove(out, out + 1, strlen(out));
    else if (p > 0) c_snprintf(out, 32, "%.0e", p);
    else c_snprintf(out, 32, "0");
}

/* === The selected token ========================================================================================= */

static void bar(screen *s, size_t columns, double p, paint_kind kind) {
    int n = isfinite(p) && p > 0 ? (int)(p * (double)columns * 8 + 0.5) : 0;
    if (!n && p > 0) n = 1;
    for (size_t i = 0; i < columns; i++, n -= 8) {
        styled_puts(&s->t, n >= 8 ? "\xe2\x96\x88" : n > 0 ? eighths[n] : " ", n > 0 ? kind : PAINT_PLAIN);
        s->width++;
    }
}

/* `rank`: in the place of the bar, of the token drawn where it stands apart from its neighbours; 0 = the bar. */
static void candidate_row(screen *s, const glimpse_token *t, const glimpse_candidate *c, int32_t rank, size_t columns) {
    bool chosen = c->id == t->id;
    char p[32], left[32];
    size_t label = columns < 60 ? 12 : 18;
    row_begin(s, columns);
    row_add(s, 1, chosen ? PAINT_STRONG : PAINT_PLAIN, chosen ? "\xe2\x96\xb8" : " ");
    text_piece(&s->t, s->v->r, c->id, label, true, paint_of(chosen ? PAINT_STRONG : PAINT_PLAIN));
    s->width += label;
    prob_text(p, c->p);
    row_addf(s, 1, chosen ? PAINT_STRONG : PAINT_PLAIN, "%6s", p);
    row_add(s, 1, PAINT_PLAIN, "");
    size_t rest = columns > s->width + 2 ? columns - s->width - 2 : 0;
    bool both = columns >= 60; /* what it was drawn from, too */
    size_t wide = both ? rest - 9 : rest;
    if (wide > 50) wide = 50;
    if (rank) {
        const size_t end = s->width + wide;
        row_addf(s, 0, PAINT_BAD, "rank %d", (int)rank);
        while (s->width < end && row_add(s, 0, PAINT_PLAIN, " ")) {}
    } else bar(s, wide, c->p, chosen ? PAINT_BAD : PAINT_BAR);
    if (both) {
        prob_text(left, c->p_final);
        row_addf(s, 1, PAINT_DIM, "%6s", c->p_final > 0 ? left : "\xe2\x80\x93");
    }
}

void screen_token(screen *s, int first, int n, size_t columns) {
    const screen_view *v = s->v;
    const glimpse_sample *sample = GLIMPSE_AT(v->r->samples, v->sample);
    if (v->token >= sample->n_tokens || n < 1) return;
    const glimpse_token *t = GLIMPSE_AT(sample->tokens, v->token);
    char p[32], temp[32], final[32], left[32];
    bool narrow = columns < 60; /* the facts in four rows, or in two */
    int row = first;
    prob_text(p, exp((double)t->logprob)), prob_text(temp, t->p_temp), prob_text(final, t->p_final), prob_text(left, t->left);
    row_begin(s, columns);
    row_add(s, 1, PAINT_PLAIN, "");
    text_piece(&s->t, v->r, t->id, 16, false, paint_of(PAINT_CURSOR));
    s->width = text_width(s->t.text.bytes, s->t.text.n);
    row_addf(s, 1, PAINT_DIM, "%d of %d", (int)v->token + 1, (int)sample->n_tokens);
    if (narrow) row_end(s, row++), row_begin(s, columns);
    if (row < first + n) {
        row_addf(s, narrow ? 1 : 3, PAINT_STRONG, "p %s", p);
        row_addf(s, 2, t->rank == 1 ? PAINT_PLAIN : PAINT_BAD, "rank %d", (int)t->rank);
        if (isfinite(t->entropy)) row_addf(s, 2, PAINT_PLAIN, columns < 50 ? "H %.2f" : "entropy %.2f nats", (double)t->entropy);
        row_end(s, row++);
    }
    if (n >= 6 && row < first + n) {
        row_begin(s, columns);
        if (isfinite(t->logprob)) row_addf(s, 1, PAINT_DIM, "\xe2\x88\x92ln p %.2f", fabs((double)t->logprob));
        row_addf(s, 2, PAINT_DIM, "above it %s", left);
        if (isfinite(t->logit)) row_addf(s, 2, PAINT_DIM, "logit %.2f", (double)t->logit);
        if (!narrow) row_addf(s, 2, PAINT_DIM, "at T %s", temp), row_addf(s, 2, PAINT_DIM, "of %d kept %s", (int)t->kept, final);
        row_end(s, row++);
    }
    if (narrow && n >= 8 && row < first + n) {
        row_begin(s, columns);
        row_addf(s, 1, PAINT_DIM, "at T %s", temp);
        row_addf(s, 2, PAINT_DIM, "of %d kept %s", (int)t->kept, final);
        row_end(s, row++);
    }
    if (first + n - row > (n >= 8 ? 5 : t->n_top)) { /* what the columns are, where it costs no alternative one would look for */
        if (narrow && first + n - row > t->n_top + 1) row++;
        row_begin(s, columns);
        row_addf(s, 2, PAINT_DIM, "%-*s %6s", narrow ? 12 : 18, "token", "p");
        if (!narrow) row_add_right(s, PAINT_DIM, "drawn with");
        row_end(s, row++);
    }
    /* The token drawn has a row in any case: the last one, where it stands beyond what there is room for. */
    int32_t rows = first + n - row, chosen = 0;
    while (chosen < t->n_top && t->top[chosen].id != t->id) chosen++;
    const bool apart = t->n_top > 0 && (chosen == t->n_top || chosen >= rows);
    for (int32_t k = 0; k < t->n_top && k < rows - apart; k++) {
        candidate_row(s, t, &t->top[k], 0, columns);
        row_end(s, row++);
    }
    if (apart && row < first + n) {
        const glimpse_candidate said = {.id = t->id, .p = expf(t->logprob), .p_final = t->p_final};
        candidate_row(s, t, &said, t->rank, columns);
        row_end(s, row);
    }
}

/* === Probes ===================================================================================================== */

enum { PROBE_LABEL = 18, PROBE_NOW = 22 }; /* columns: of the token, of what it is at the step in sight */

int64_t screen_probe_columns(int width) {
    const int64_t left = width - PROBE_LABEL - 2;
    return left >= 2 * PROBE_NOW ? left - PROBE_NOW : left > 6 ? left : 1;
}

/* The first step, the last, and between them those whose numbers stand apart. */
static void probe_steps(screen *s, const screen_probes *m, int cell) {
    size_t last_at = PROBE_LABEL + 1 + (size_t)(m->n_columns - 1) * (size_t)cell;
    char last[32], text[32];
    c_snprintf(last, sizeof last, "%lld", (long long)m->steps[m->n_columns - 1]);
    if (PROBE_LABEL + 1 + strlen(last) > s->columns) return;
    if (last_at + strlen(last) > s->columns) last_at = s->columns - strlen(last);
    for (int64_t k = 0; k < m->n_columns; k++) {
        const size_t at = k + 1 == m->n_columns ? last_at : PROBE_LABEL + 1 + (size_t)k * (size_t)cell;
        c_snprintf(text, sizeof text, "%lld", (long long)m->steps[k]);
        const bool ends = k == 0 || k + 1 == m->n_columns;
        if ((k && at < s->width + 2) || (!ends && at + strlen(text) + 2 > last_at)) continue;
        row_add(s, at - s->width, PAINT_DIM, text);
    }
}

void screen_probe_map(screen *s, int first, int last) {
    const screen_view *v = s->v;
    const screen_probes *m = &v->probes;
    row_begin(s, (size_t)v->width);
    if (!m->probe || !m->n_columns) {
        row_add(s, 1, PAINT_DIM, "no texts of --probe were scored at this step");
        row_end(s, first);
        return;
    }
    char right[48];
    c_snprintf(right, sizeof right, "%d of %d ", (int)m->index + 1, (int)m->n);
    row_add(s, 1, PAINT_PLAIN, "");
    if (m->probe->prompt_bytes) { /* else the text alone is scored */
        row_add_cut(s, PAINT_PLAIN, m->probe->prompt_text, m->probe->prompt_bytes, true, (size_t)v->width / 3);
        row_add(s, 1, PAINT_DIM, "\xe2\x86\x92 ");
    }
    row_add_cut(s, PAINT_PLAIN, m->probe->text, m->probe->text_bytes, true, (size_t)v->width / 3);
    row_add_right(s, PAINT_DIM, right);
    row_end(s, first);
    const int end = last - 2; /* behind them the mark of this step, and the steps */
    int rows = end - first - 2, cell = (int)(screen_probe_columns(v->width) / m->n_columns);
    if (cell > 4) cell = 4;
    int32_t n = m->probe->n_tokens, from = m->probe->answer_from;
    if (n - from < 1 || rows < 1) from = 0;
    buffer given = {0};
    const bool has_given = from == 0 && text_given(&given, v->r, m->probe);
    if (has_given) rows--;
    if (n - from > rows) from = v->token >= from ? v->token < n - rows ? v->token : n - rows : from;
    int row = first + 2;
    if (has_given && from == 0 && row < end) {
        row_begin(s, (size_t)v->width);
        size_t used, fits = text_fit(buf_str(&given), given.n, PROBE_LABEL - 1, &used);
        row_add(s, PROBE_LABEL - used, PAINT_PLAIN, "");
        styled_put(&s->t, buf_str(&given), fits, paint_of(PAINT_DIM));
        s->width = PROBE_LABEL;
        row_add(s, 1, PAINT_DIM, "given: nothing before it to predict it from");
        row_end(s, row++);
    }
    if (buf_failed(&given)) s->t.text.failed = true;
    buf_free(&given);
    for (int32_t i = from; i < n && row < end; i++, row++) {
        row_begin(s, (size_t)v->width);
        styled label = {0}; /* right-aligned: beside its cells */
        text_piece(&label, v->r, GLIMPSE_AT(m->probe->tokens, i)->id, PROBE_LABEL - 1, false, paint_of(PAINT_PLAIN));
        row_add(s, PROBE_LABEL - text_width(buf_str(&label.text), label.text.n), PAINT_PLAIN, "");
        styled_copy(&s->t, &label, 0, label.text.n);
        if (styled_failed(&label)) s->t.text.failed = true;
        styled_free(&label);
        s->width = PROBE_LABEL;
        row_add(s, 1, PAINT_PLAIN, "");
        for (int64_t k = 0; k < m->n_columns * cell && s->width < s->columns; k++, s->width++) {
            float p = m->p[k / cell * n + i];
            static const char *const shades[] = {" ", "\xe2\x96\x91", "\xe2\x96\x92", "\xe2\x96\x93", "\xe2\x96\x88"};
            const double x = chart_scale((double)p);
            if (!isfinite(p)) styled_puts(&s->t, "\xc2\xb7", PAINT_DIM);
            else if (v->style.depth == DEPTH_NONE) styled_puts(&s->t, shades[(int)(x * 4 + 0.5)], PAINT_PLAIN);
            else styled_put(&s->t, " ", 1, (paint){PAINT_GROUND, v->style.colors, (float)x});
        }
        const glimpse_token *t = GLIMPSE_AT(m->probe->tokens, i);
        char now[32];
        prob_text(now, exp((double)t->logprob));
        if (row_addf(s, 2, PAINT_PLAIN, "%5s", now)) {
            if (t->rank == 1) row_add(s, 2, PAINT_DIM, "first choice");
            else row_addf(s, 2, PAINT_BAD, "rank %d", (int)t->rank);
        }
        row_end(s, row);
    }
    row_begin(s, (size_t)v->width);
    for (int64_t c = -(PROBE_LABEL + 1); c < m->n_columns * cell; c++)
        styled_puts(&s->t, c == (v->at - m->first) * cell + (cell - 1) / 2 ? "\xe2\x96\xb2" : " ", PAINT_STRONG);
    row_end(s, row++);
    if (row > last - 1) return;
    row_begin(s, (size_t)v->width);
    probe_steps(s, m, cell);
    row_end(s, row);
}

/* === Numbers ==================================================================================================== */

typedef struct number_list {
    screen *s;
    int first, n;
    int64_t top, at;
} number_list;

static bool next_row(number_list *l) {
    int64_t row = l->at++ - l->top;
    return row >= 0 && row < l->n;
}

static void heading(number_list *l, const char *text) {
    if (l->at && next_row(l)) { /* an empty one */ }
    if (!next_row(l)) return;
    row_begin(l->s, (size_t)l->s->v->width);
    row_add(l->s, 1, PAINT_STRONG, text);
    row_end(l->s, l->first + (int)(l->at - 1 - l->top));
}

static void number(number_list *l, const char *name, double now, double was, const char *more) {
    if (!next_row(l)) return;
    screen *s = l->s;
    row_begin(s, (size_t)s->v->width);
    row_add(s, 3, PAINT_PLAIN, "");
    row_add_cut(s, PAINT_PLAIN, name, strlen(name), false, s->columns < 90 ? 26 : 34);
    while (s->width < (s->columns < 90 ? 30 : 38) && row_add(s, 0, PAINT_PLAIN, " ")) {}
    if (isfinite(now)) row_addf(s, 0, PAINT_STRONG, "%12.5g", now);
    else row_add(s, 0, PAINT_DIM, "           -");
    if (isfinite(was) && isfinite(now) && now != was) row_addf(s, 2, PAINT_DIM, "%s%.4g", now > was ? "\xe2\x96\xb2" : "\xe2\x96\xbc", fabs(now - was));
    if (more && *more && row_add(s, 1, PAINT_PLAIN, " ")) row_add_cut(s, PAINT_DIM, more, strlen(more), false, SIZE_MAX);
    row_end(s, l->first + (int)(l->at - 1 - l->top));
}

static void all_numbers(number_list *l) {
    const screen_view *v = l->s->v;
    const glimpse_record *r = v->r, *b = v->before;
    char name[128], more[128], error[32];
    text_label label;
    if (b) c_snprintf(name, sizeof name, "Losses   \xe2\x96\xb2\xe2\x96\xbc against step %lld, the last sampled", (long long)b->step);
    heading(l, b ? name : "Losses");
    number(l, "train", r->train_loss, b ? b->train_loss : NAN, "");
    number(l, "val", r->val_loss, b ? b->val_loss : NAN, "");
    c_snprintf(more, sizeof more, "at step %lld", (long long)r->best_step);
    number(l, "best val", r->best_val_loss, NAN, r->best_step >= 0 ? more : "");
    if (r->n_scores) heading(l, "Tasks");
    for (int32_t i = 0; i < r->n_scores; i++) {
        const glimpse_task_score *t = GLIMPSE_AT(r->scores, i);
        double was = NAN;
        error[0] = 0;
        for (int32_t k = 0; b && k < b->n_scores; k++) {
            const glimpse_task_score *o = GLIMPSE_AT(b->scores, k);
            if (text_is(o->task, t->task) && text_is(o->metric, t->metric)) was = o->value;
        }
        c_snprintf(name, sizeof name, "%s %s", t->task, t->metric);
        if (isfinite(t->std_error)) c_snprintf(error, sizeof error, "\xc2\xb1%.3g  ", t->std_error);
        c_snprintf(more, sizeof more, isfinite(t->chance) ? "%s%d of %d  guessing %.3g" : "%s%d of %d", error, (int)t->n, (int)t->n_all, t->chance);
        number(l, name, t->value, was, more);
    }
    if (r->n_dataset) heading(l, "Dataset");
    for (int32_t i = 0; i < r->n_dataset; i++)
        if (text_shows_metric(r->dataset[i].name))
            number(l, text_metric_label(r->dataset[i].name, label), r->dataset[i].value, b ? text_metric_of(b->dataset, b->n_dataset, r->dataset[i].name) : NAN, "");
    if (v->sample >= r->n_samples) return;
    const glimpse_sample *s = GLIMPSE_AT(r->samples, v->sample);
    c_snprintf(name, sizeof name, "Sample %d of %d", (int)v->sample + 1, (int)r->n_samples);
    heading(l, name);
    const glimpse_sample *o = text_same_sample(b, s);
    for (int32_t i = 0; i < s->n_metrics; i++) {
        if (!text_shows_metric(s->metrics[i].name)) continue;
        number(l, text_metric_label(s->metrics[i].name, label), s->metrics[i].value,
               o ? text_metric_of(o->metrics, o->n_metrics, s->metrics[i].name) : NAN, "");
    }
}

void screen_numbers(screen *s, int first, int last, int64_t *top) {
    number_list l = {.s = s, .first = first, .n = 0};
    all_numbers(&l);
    if (*top > l.at - (last - first)) *top = l.at - (last - first);
    if (*top < 0) *top = 0;
    l = (number_list){.s = s, .first = first, .n = last - first, .top = *top};
    all_numbers(&l);
}

/* === Help ======================================================================================================= */

void screen_help(screen *s, int first, int last) {
    static const char *const keys[][2] = {
        {"\xe2\x86\x90 \xe2\x86\x92", "the step before, the next one"},
        {"Home End", "the first step, the newest"},
        {"g", "go to a step by its number"},
        {"\xe2\x86\x91 \xe2\x86\x93  k j", "the sample before, the next one"},
        {", .  h l", "the token before, the next one"},
        {"PgUp PgDn", "ten tokens, or rows, at a time"},
        {"s  S", "the next most surprising token, the one before"},
        {"c  C", "what the colours mean: seven modes"},
        {"d", "what changed against the last step that was sampled"},
        {"o", "this sample over the steps, a row a step"},
        {"/  n N", "find text or /pattern/ in all steps; next, previous"},
        {"p", "the texts of --probe over the steps"},
        {"m", "all numbers of this step and sample"},
        {"q Esc", "back to the sample; there q leaves, Esc ends the search"},
        {"?", "this page"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys && first + (int)i < last; i++) {
        row_begin(s, (size_t)s->v->width);
        row_add(s, 2, PAINT_STRONG, keys[i][0]);
        while (s->width < 14 && row_add(s, 0, PAINT_PLAIN, " ")) {}
        if (!row_add(s, 0, PAINT_PLAIN, keys[i][1])) row_add_cut(s, PAINT_PLAIN, keys[i][1], strlen(keys[i][1]), false, SIZE_MAX);
        row_end(s, first + (int)i);
    }
}
