/* screen.c -- the frame of a screen and the text in it (screen.h). */
#include "viz/screen_row.h"

#include "include/internal/schedule.h"
#include "include/internal/status.h"
#include "viz/word_diff.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL_COLUMNS = 36, BESIDE_FROM = 96, NAME_COLUMNS = 24 };

/* === Rows ======================================================================================================= */

void row_begin(screen *s, size_t columns) {
    styled_clear(&s->t);
    s->width = 0;
    s->columns = columns;
}

static size_t room(const screen *s) { return s->columns > s->width ? s->columns - s->width : 0; }

static void blanks(screen *s, size_t n) {
    for (size_t i = 0; i < n; i++) styled_puts(&s->t, " ", PAINT_PLAIN);
    s->width += n;
}

bool row_add(screen *s, size_t gap, paint_kind kind, const char *safe) {
    size_t w = text_width(safe, strlen(safe));
    if (gap + w > room(s)) return false;
    blanks(s, gap);
    styled_puts(&s->t, safe, kind);
    s->width += w;
    return true;
}

bool row_addf(screen *s, size_t gap, paint_kind kind, const char *fmt, ...) {
    char text[256];
    va_list args;
    va_start(args, fmt);
    c_vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return row_add(s, gap, kind, text);
}

void row_add_cut(screen *s, paint_kind kind, const char *text, size_t n, bool quoted, size_t most) {
    s->width += styled_cut(&s->t, text, n, quoted, room(s) < most ? room(s) : most, kind, kind);
}

void row_add_right(screen *s, paint_kind kind, const char *safe) {
    size_t w = text_width(safe, strlen(safe));
    if (room(s) < w + 1) return;
    blanks(s, room(s) - w);
    styled_puts(&s->t, safe, kind);
    s->width += w;
}

void row_end(screen *s, int i) {
    styled_emit(&s->t, 0, s->t.text.n, s->v->style.depth, &s->rows[i]);
}

/* Bytes from .. to of a text as rows[i]. */
static void row_text(screen *s, int i, const styled *t, size_t from, size_t to, size_t columns) {
    size_t used, fits = text_fit(t->text.bytes + from, to - from, columns, &used);
    styled_emit(t, from, from + fits, s->v->style.depth, &s->rows[i]);
    buf_fill(&s->rows[i], ' ', columns - used);
}

/* === The frame ================================================================================================== */

static void title(screen *s) {
    const screen_view *v = s->v;
    const glimpse_record *r = v->r;
    char right[64], fresh[32] = "";
    const char *name = r ? r->run_name : v->name;
    if (v->fresh > 0) c_snprintf(fresh, sizeof fresh, "+%lld new  ", (long long)v->fresh);
    c_snprintf(right, sizeof right, "%s%lld of %lld ", fresh, (long long)v->at + (v->n > 0), (long long)v->n);
    row_begin(s, (size_t)v->width);
    blanks(s, 1);
    row_add_cut(s, PAINT_STRONG, name, strlen(name), false, NAME_COLUMNS);
    if (r) {
        char number[SCHEDULE_LOSS_BYTES];
        row_addf(s, 3, PAINT_STRONG, "step %lld", (long long)r->step);
        if (r->best_step == r->step && isfinite(r->val_loss)) row_add(s, 1, PAINT_GOOD, "best"); /* as in the page */
        if (!text_is(r->kind, "train")) row_add(s, 1, PAINT_DIM, text_is(r->kind, "offline") ? "offline" : text_is(r->kind, "probe") ? "probe" : "api");
        double by = v->before ? r->val_loss - v->before->val_loss : NAN;
        if (isfinite(r->val_loss)) {
            schedule_loss(r->val_loss, 3, number);
            row_addf(s, 3, PAINT_PLAIN, "val %s", number);
            if (isfinite(by)) {
                char since[32];
                c_snprintf(since, sizeof since, "since %lld", (long long)v->before->step);
                schedule_loss(fabs(by), 3, number);
                row_addf(s, 1, by > 0 ? PAINT_BAD : PAINT_GOOD, "%s%s", by > 0 ? "\xe2\x96\xb2" : "\xe2\x96\xbc", number);
                if (room(s) > 1 + strlen(since) + strlen(right)) row_add(s, 1, PAINT_DIM, since);
            }
        }
        if (isfinite(r->train_loss) && room(s) > 16 + strlen(right)) {
            schedule_loss(r->train_loss, 3, number);
            row_addf(s, 3, PAINT_DIM, "train %s", number);
        }
    }
    row_add_right(s, v->fresh > 0 ? PAINT_GOOD : PAINT_DIM, right);
    row_end(s, 0);
}

static void slider(screen *s) {
    const screen_view *v = s->v;
    int knob = v->n > 1 ? (int)((double)v->at / (double)(v->n - 1) * (v->width - 1) + 0.5) : v->width - 1;
    row_begin(s, (size_t)v->width);
    for (int i = 0; i < v->width; i++)
        styled_puts(&s->t, i < knob ? "\xe2\x94\x81" : i > knob ? "\xe2\x94\x80" : "\xe2\x97\x8f", i < knob ? PAINT_BAR : i > knob ? PAINT_DIM : PAINT_STRONG);
    row_end(s, 1);
}

static void add_metric(screen *s, const char *label, double x, void (*format)(char[32], double)) {
    char text[32];
    if (!isfinite(x)) return;
    format(text, x);
    row_addf(s, 2, PAINT_DIM, "%s %s", label, text);
}

/* What the sample is; a second row, if there is something to say about it.  Returns the rows used. */
static int sample_head(screen *s, const glimpse_sample *sample, int row) {
    const screen_view *v = s->v;
    char right[48];
    text_label label;
    c_snprintf(right, sizeof right, "%d of %d ", (int)v->sample + 1, (int)v->r->n_samples);
    size_t keep = strlen(right) + 1, at_first = (size_t)v->width / 3;
    row_begin(s, (size_t)v->width);
    blanks(s, 1);
    row_add_cut(s, PAINT_PLAIN, sample->prompt_text, sample->prompt_bytes, true, at_first);
    s->columns -= s->columns > keep ? keep : s->columns; /* the right edge is its own */
    if (room(s) > 13) {
        blanks(s, 2);
        row_add_cut(s, PAINT_DIM, sample->label, strlen(sample->label), false, at_first);
    }
    row_addf(s, 1, PAINT_DIM, "T=%.4g", sample->temperature);
    add_metric(s, TEXT_OWN_PPL, text_metric(sample, "perplexity"), text_short);
    add_metric(s, text_metric_label("spelling_token_rate", label), text_metric(sample, "spelling_token_rate"), text_share);
    add_metric(s, text_metric_label("repetition_tokens", label), text_metric(sample, "repetition_tokens"), text_share);
    row_addf(s, 2, sample->stop == GLIMPSE_STOP_NONFINITE ? PAINT_BAD : PAINT_DIM, "stop %s", text_stop_name(sample->stop));
    row_addf(s, 2, PAINT_DIM, "seed=%llu", (unsigned long long)sample->seed); /* last: it is the same at every step */
    s->columns = (size_t)v->width;
    row_add_right(s, PAINT_DIM, right);
    row_end(s, row++);
    if (v->height < 12 || (!text_check_failed(v->r) && !sample->why && !sample->note && !sample->n_beams)) return 1;
    row_begin(s, (size_t)v->width);
    blanks(s, 1);
    if (text_check_failed(v->r)) row_add(s, 0, PAINT_ALARM, " " TEXT_CHECK_FAILED_SHORT " ");
    if (sample->why) blanks(s, 1), row_add_cut(s, PAINT_BAD, sample->why, strlen(sample->why), false, SIZE_MAX);
    if (sample->n_beams) row_addf(s, 1, PAINT_DIM, "beam search of %d, score %.4g", (int)sample->n_beams, sample->beam_score);
    if (sample->note && s->width > 1) row_add(s, 1, PAINT_DIM, "\xc2\xb7");
    if (sample->note) blanks(s, s->width > 1), row_add_cut(s, PAINT_DIM, sample->note, strlen(sample->note), false, SIZE_MAX);
    row_end(s, row);
    return 2;
}

/* === Keys ======================================================================================================= */

/* In the order in which one wants them: where they do not fit, the last are left out. */
static const char *const keys[][2] = {
    {"\xe2\x86\x90\xe2\x86\x92", "step"}, {"jk", "sample"}, {"hl", "token"}, {"?", "help"}, {"q", "quit"}, {"d", "diff"}, {"o", "over steps"},
    {"s", "surprising"}, {"/", "find"}, {"c", "colour"}, {"p", "probes"}, {"m", "numbers"}, {"g", "go to"}};
enum { KEYS = sizeof keys / sizeof *keys, TWO_ROWS_FROM = 18 };

static size_t key_width(int i) { return text_width(keys[i][0], strlen(keys[i][0])) + 1 + strlen(keys[i][1]); }

/* Not one that would lead to nothing: a run has probes if the eval in sight has, or the sampled one before it. */
static bool is_offered(const screen_view *v, int i) {
    const bool probes = (v->r && v->r->n_probes) || (v->before && v->before->n_probes);
    return *keys[i][0] != 'p' || probes || v->page == SCREEN_PROBES;
}

/* Rows for the keys: two where one does not hold them all and the screen is high enough. */
static int keys_wanted(const screen_view *v) {
    size_t all = 1;
    for (int i = 0; i < KEYS; i++) all += is_offered(v, i) ? key_width(i) + 2 * (i > 0) : 0;
    return all > (size_t)v->width && v->height >= TWO_ROWS_FROM ? 2 : 1;
}

static void key_rows(screen *s, int last) {
    int row = last + 1 - keys_wanted(s->v), i = 0;
    for (; row <= last; row++) {
        row_begin(s, (size_t)s->v->width);
        blanks(s, 1);
        for (bool some = false; i < KEYS; i++) {
            if (!is_offered(s->v, i)) continue;
            const bool fits = (some ? 2 : 0) + key_width(i) <= room(s);
            if (!fits && row < last) break; /* it begins the next row */
            if (!fits) continue;
            row_add(s, some ? 2 : 0, PAINT_STRONG, keys[i][0]);
            const bool below = s->v->page != SCREEN_SAMPLE || s->v->diff;
            row_add(s, 1, PAINT_DIM, below && *keys[i][0] == 'q' ? "back" : keys[i][1]);
            some = true;
        }
        row_end(s, row);
    }
}

/* The scale of the charts' colours, whose fourths are powers of ten. */
static void probe_legend(screen *s) {
    const screen_view *v = s->v;
    row_add(s, 0, PAINT_DIM, "the model's own p, by step  \xe2\x89\xa4");
    row_add(s, 0, PAINT_DIM, "1e-4 ");
    for (int i = 0; i < 16 && room(s) > 6 && v->style.depth != DEPTH_NONE; i++)
        styled_put(&s->t, " ", 1, (paint){PAINT_GROUND, v->style.colors, (float)i / 15}), s->width++;
    if (v->style.depth == DEPTH_NONE) row_add(s, 0, PAINT_DIM, "\xe2\x96\x91\xe2\x96\x92\xe2\x96\x93\xe2\x96\x88");
    row_add(s, 1, PAINT_DIM, "1, by powers of ten");
}

static void bottom(screen *s, const glimpse_sample *sample, int row, bool with_legend) {
    const screen_view *v = s->v;
    if (with_legend) {
        row_begin(s, (size_t)v->width);
        blanks(s, 1);
        if (v->page == SCREEN_PROBES) {
            probe_legend(s);
        } else if (v->diff && sample && v->page == SCREEN_SAMPLE) {
            if (v->before) row_addf(s, 0, PAINT_DIM, "against step %lld, the last sampled: ", (long long)v->before->step);
            row_add(s, 0, PAINT_GONE, "gone");
            row_add(s, 1, PAINT_COME, "come");
        } else if (sample && v->style.depth != DEPTH_NONE) {
            styled legend = {0};
            text_legend(v->r, sample, v->style.mode, &v->style, room(s), &legend);
            styled_copy(&s->t, &legend, 0, legend.text.n);
            styled_free(&legend);
        }
        row_end(s, row - 1 - (keys_wanted(v) > 1));
    }
    row_begin(s, (size_t)v->width);
    blanks(s, 1);
    if (v->line && v->typing) {
        row_add_cut(s, PAINT_STRONG, v->line, strlen(v->line), false, room(s) ? room(s) - 1 : 0);
        row_add(s, 0, PAINT_CURSOR, " ");
        row_end(s, row);
    } else if (v->line) {
        row_add_cut(s, PAINT_STRONG, v->line, strlen(v->line), false, SIZE_MAX);
        row_end(s, row);
    } else key_rows(s, row);
}

/* === The text =================================================================================================== */

/* `from` .. `to` of a text, line ends marked and tabs as blanks; all of it in paint `p` if it is given. */
static void put_visible(styled *out, const styled *t, size_t from, size_t to, const paint *p) {
    for (size_t at = from; at < to;) {
        const char *s = t->text.bytes + at;
        size_t n = strcspn(s, "\n\t");
        if (n > to - at) n = to - at;
        if (p) styled_put(out, s, n, *p);
        else styled_copy(out, t, at, at + n);
        at += n;
        if (at >= to) return;
        if (p) styled_puts(out, *s == '\n' || t->text.bytes[at] == '\n' ? "\xe2\x86\xb5" : "\xe2\x86\x92   ", p->kind);
        else if (t->text.bytes[at] == '\n') styled_puts(out, "\xe2\x86\xb5", PAINT_DIM);
        else styled_puts(out, "    ", PAINT_PLAIN);
        if (t->text.bytes[at] == '\n') styled_puts(out, "\n", PAINT_PLAIN);
        at++;
    }
}

/* The sample with its selected token and what was searched for; *cursor: where the token stands. */
static void token_text(screen *s, const glimpse_sample *sample, styled *out, size_t *cursor) {
    const screen_view *v = s->v;
    const bool colored = v->style.depth != DEPTH_NONE;
    const paint selected = paint_of(PAINT_CURSOR);
    size_t *ends = calloc((size_t)sample->n_tokens + 1, sizeof *ends), at = 0;
    styled t = {0};
    *cursor = 0;
    if (!ends) {
        out->text.failed = true;
        return;
    }
    text_body(v->r, sample, v->style.mode, colored, SIZE_MAX, &v->style, ends, &t);
    bool seen = false;
    int64_t bytes = 0; /* of the sample's text before this token */
    for (int32_t i = 0; i < sample->n_tokens; i++) {
        const glimpse_piece *piece = record_piece(v->r, GLIMPSE_AT(sample->tokens, i)->id);
        int64_t n = piece ? piece->bytes : 0;
        size_t from = i ? ends[i - 1] : 0;
        if (i == 0 && ends[0]) { /* the prompt stands before the first token */
            styled prompt = {0};
            glimpse_sample nothing = *sample;
            nothing.n_tokens = 0, nothing.text_bytes = 0;
            text_body(v->r, &nothing, v->style.mode, colored, SIZE_MAX, &v->style, NULL, &prompt);
            from = prompt.text.n;
            styled_free(&prompt);
            put_visible(out, &t, 0, from, NULL);
            at = from;
        }
        bool matched = v->match_from >= 0 && bytes < v->match_to && bytes + n > v->match_from;
        const paint found = {PAINT_CHOSEN, v->style.colors, 1};
        if (i >= v->token && !seen && ends[i] > from) {
            *cursor = out->text.n;
            put_visible(out, &t, from, ends[i], &selected);
            at = ends[i];
            seen = true;
        } else if (ends[i] > at) {
            put_visible(out, &t, from, ends[i], matched ? colored ? &found : &(paint){PAINT_COME, 0, 0} : NULL);
            at = ends[i];
        }
        bytes += n;
    }
    put_visible(out, &t, at, t.text.n, NULL);
    if (styled_failed(&t)) out->text.failed = true;
    styled_free(&t);
    free(ends);
}

typedef struct diff_out {
    styled raw, blanks; /* those behind the last word: of what changed, if more words of its kind follow */
    bool marks;         /* no colours: as wdiff writes it */
    diff_kind last;
} diff_out;

static void end_part(diff_out *d, bool goes_on) {
    static const char *const close[] = {"", "-]", "+}"};
    if (d->marks && !goes_on) styled_puts(&d->raw, close[d->last], PAINT_PLAIN);
    styled_copy(&d->raw, &d->blanks, 0, d->blanks.text.n);
    if (styled_failed(&d->blanks)) d->raw.text.failed = true;
    styled_free(&d->blanks);
    d->blanks = (styled){0};
}

static void put_part(void *user, diff_kind kind, const char *text, size_t n) {
    static const char *const open[] = {"", "[-", "{+"};
    static const paint_kind kinds[] = {PAINT_PLAIN, PAINT_GONE, PAINT_COME};
    diff_out *d = user;
    size_t word = n;
    while (kind != DIFF_SAME && word && strchr(" \n\t\r", text[word - 1]) && text[word - 1]) word--;
    end_part(d, kind == d->last);
    bool apart = kind != d->last && kind != DIFF_SAME && d->last != DIFF_SAME && d->raw.text.n;
    if (apart && !strchr(" \n", d->raw.text.bytes[d->raw.text.n - 1])) styled_puts(&d->raw, " ", PAINT_PLAIN);
    if (d->marks && kind != d->last) styled_puts(&d->raw, open[kind], PAINT_PLAIN);
    d->last = kind;
    styled_escape(&d->raw, text, word, TEXT_LINES, paint_of(kinds[kind]));
    for (; word < n; word++) styled_puts(&d->blanks, kind == DIFF_GONE || text[word] != '\n' ? " " : "\n", PAINT_PLAIN);
}

static void diff_text(screen *s, const glimpse_sample *sample, styled *out) {
    const screen_view *v = s->v;
    const glimpse_sample *was = text_same_sample(v->before, sample);
    diff_out d = {.marks = v->style.depth == DEPTH_NONE};
    bool little = false;
    if (!was) {
        styled_puts(out, v->before ? "The last step that was sampled has no such sample.\n\n" : "No step before was sampled.\n\n", PAINT_DIM);
    } else if (!word_diff(was->text, was->text_bytes, sample->text, sample->text_bytes, put_part, &d, &little)) out->text.failed = true;
    end_part(&d, false);
    if (little) {
        styled_puts(out, "Another text than before, with too little in common to mark what changed.\n\n", PAINT_DIM);
        styled_free(&d.raw);
        d.raw = (styled){0};
    }
    if (!was || little) styled_escape(&d.raw, sample->text, sample->text_bytes, TEXT_LINES, paint_of(PAINT_PLAIN));
    put_visible(out, &d.raw, 0, d.raw.text.n, NULL);
    if (styled_failed(&d.raw)) out->text.failed = true;
    styled_free(&d.raw);
}

/* Rows first .. first + n - 1 from the lines of a text, so that the one with `cursor` is in sight. */
static void put_lines(screen *s, const styled *t, size_t cursor, bool wrap, int first, int n, size_t columns, int64_t *top) {
    int64_t lines = 0, at_line = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (pass) {
            if (at_line < *top) *top = at_line;
            if (at_line >= *top + n) *top = at_line - n + 1;
            if (*top > lines - n) *top = lines - n;
            if (*top < 0) *top = 0;
        }
        int64_t line = 0;
        for (size_t at = 0, next; at < t->text.n; at += next, line++) {
            const char *text = t->text.bytes + at, *nl = memchr(text, '\n', t->text.n - at);
            size_t len = nl ? (size_t)(nl - text) : t->text.n - at;
            next = len + (nl != NULL);
            if (wrap) len = text_wrap(text, t->text.n - at, columns - 1, &next);
            if (!pass && cursor >= at && cursor < at + next) at_line = line;
            if (pass && line >= *top && line < *top + n) {
                buf_putc(&s->rows[first + (int)(line - *top)], ' ');
                row_text(s, first + (int)(line - *top), t, at, at + len, columns - 1);
            }
        }
        lines = line;
        if (pass) /* the rest is empty, and wide where something stands beside it */
            for (int64_t row = lines - *top; row < n; row++) buf_fill(&s->rows[first + (int)row], ' ', columns);
    }
}

static void sample_page(screen *s, const glimpse_sample *sample, int first, int last, int64_t *top) {
    const screen_view *v = s->v;
    bool beside = v->width >= BESIDE_FROM, panel = sample->n_tokens > 0 && !v->diff;
    int rows = last - first, below = panel && !beside && rows >= 9 ? rows >= 20 ? 10 : rows / 2 : 0;
    size_t columns = (size_t)v->width - (panel && beside ? PANEL_COLUMNS + 1 : 0), cursor = 0;
    styled t = {0};
    if (v->diff) diff_text(s, sample, &t);
    else if (v->style.mode == COLOR_TOPK) {
        text_topk_table(v->r, sample, sample->n_tokens, columns - 1, &v->style, &t);
        for (int32_t i = 0; i <= v->token && cursor < t.text.n; i++) cursor += strcspn(t.text.bytes + cursor, "\n") + 1;
    } else token_text(s, sample, &t, &cursor);
    if (v->style.mode == COLOR_TOPK && !v->diff && cursor < t.text.n) { /* the selected row is marked */
        styled marked = {0};
        size_t end = text_fit(t.text.bytes + cursor, t.text.n - cursor, 14, NULL);
        styled_copy(&marked, &t, 0, cursor);
        styled_put(&marked, t.text.bytes + cursor, end, paint_of(PAINT_CURSOR));
        styled_copy(&marked, &t, cursor + end, t.text.n);
        styled_free(&t);
        t = marked;
    }
    if (styled_failed(&t)) s->rows[0].failed = true;
    else put_lines(s, &t, cursor, v->diff || v->style.mode != COLOR_TOPK, first, rows - below, columns, top);
    styled_free(&t);
    if (panel && beside) {
        for (int i = first; i < last; i++) {
            row_begin(s, 1);
            row_add(s, 0, PAINT_DIM, "\xe2\x94\x82");
            row_end(s, i);
        }
        screen_token(s, first, rows, PANEL_COLUMNS);
    } else if (below) {
        row_begin(s, (size_t)v->width);
        for (int i = 0; i < v->width; i++) row_add(s, 0, PAINT_DIM, "\xe2\x94\x80");
        row_end(s, last - below);
        screen_token(s, last - below + 1, below - 1, (size_t)v->width);
    }
}

/* Why there is nothing else to see. */
static void say_problem(screen *s, int first, int last, const char *status, const char *why, int64_t *top) {
    styled t = {0};
    *top = 0;
    styled_puts(&t, status, text_is(status, "failed") ? PAINT_BAD : PAINT_STRONG);
    styled_puts(&t, why && *why ? ": " : "", PAINT_PLAIN);
    if (why) styled_escape(&t, why, strlen(why), TEXT_LINES, paint_of(PAINT_PLAIN));
    if (s->v->r && s->v->before) {
        char way[80];
        const long long step = (long long)s->v->before->step;
        c_snprintf(way, sizeof way, "\nthe last sample: step %lld (g %lld)", step, step);
        styled_puts(&t, way, PAINT_DIM);
    }
    if (s->v->r && s->v->r->n_probes) styled_puts(&t, "\np shows the probes of this step", PAINT_DIM);
    put_lines(s, &t, 0, true, first, last - first, (size_t)s->v->width, top);
    styled_free(&t);
}

int64_t screen_over_rows(int height) { return height - 9 < 1 ? 1 : height - 9; }

glimpse_status screen_draw(const screen_view *v, int64_t *top, buffer *rows) {
    screen s = {.v = v, .rows = rows};
    bool failed = false;
    for (int i = 0; i < v->height; i++) buf_clear(&rows[i]);
    if (v->width < SCREEN_MIN_WIDTH || v->height < SCREEN_MIN_HEIGHT) {
        buf_puts(&rows[0], "too small");
        return GLIMPSE_OK;
    }
    const glimpse_sample *sample = v->r && v->sample < v->r->n_samples ? GLIMPSE_AT(v->r->samples, v->sample) : NULL;
    bool legend = v->height >= 14 && v->page != SCREEN_HELP;
    int first = 2, last = v->height - keys_wanted(v) - legend;
    title(&s);
    slider(&s);
    if ((v->page == SCREEN_SAMPLE || v->page == SCREEN_OVER) && sample) first += sample_head(&s, sample, first);
    if (v->height >= 18) first++;
    if (v->page == SCREEN_HELP) screen_help(&s, first, last);
    else if (!v->r) say_problem(&s, first, last, v->problem ? v->problem : "No evals yet.", NULL, top);
    else if (v->page == SCREEN_OVER) screen_over_steps(&s, first, last);
    else if (v->page == SCREEN_PROBES) screen_probe_map(&s, first, last);
    else if (v->page == SCREEN_NUMBERS) screen_numbers(&s, first, last, top);
    else if (sample) sample_page(&s, sample, first, last, top);
    else say_problem(&s, first, last, text_is(v->r->status, "ok") ? "no sample" : v->r->status, v->r->why, top);
    bottom(&s, v->page == SCREEN_SAMPLE || v->page == SCREEN_OVER ? sample : NULL, v->height - 1, legend);
    failed = styled_failed(&s.t);
    for (int i = 0; i < v->height; i++) failed = failed || buf_failed(&rows[i]);
    styled_free(&s.t);
    if (failed) FAIL(GLIMPSE_E_MEMORY, "no memory for a screen");
    return GLIMPSE_OK;
}
