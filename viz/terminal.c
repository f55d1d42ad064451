/* terminal.c -- the log of an eval on a terminal: a glance that tells how the model speaks now, and where the rest is.
 *
 *     glimpse  step 250 ▸ train 2.413  val 2.507 best   3×128 tokens  0.31 s  blocked 0.2 ms
 *       "\n"  top_k=200 T=0.8 seed=1337                                                  1 of 3
 *       Once upon a time there was a little girl named Lily. She liked to play …
 *       ▁▁▂▁▁▃▁▁▇▁ entropy 1.8  own ppl 5.9  spelling .97  repeats .03  stop length
 *       since 200: val ▼0.112 · first 11 tokens same · own ppl 7.2→5.9 · spelling .93→.97
 *       … 2 more: out/demo/evals/step_00000250/sample.txt
 *       minmax ████████  lowest … highest logit of each sample, not p (−3.1 … 14.2)
 *
 * At most 24 rows whatever the model says, at any width from 20 columns on: what does not fit is left out from the end
 * of its line, whole pieces at a time.  The first sample of up to four prompt-and-setting pairs is shown.  The sparkline
 * is the mean entropy of equal stretches of the sample on a fixed scale, so that evals compare: asin(sqrt(entropy / ln V)), which
 * spreads both ends, for a fresh model's stretches lie near the top and those of a trained one near the ground.
 * Called by hooks/session_eval.c and hooks/follow.c. */
#include "viz/text.h"

#include "include/internal/schedule.h"
#include "include/internal/status.h"
#include <math.h>
#include <string.h>

enum { ROWS = 24, MAX_PAIRS = 4, INDENT = 2, DEFAULT_WIDTH = 80, MIN_WIDTH = 20, PROMPT_TAIL = 60 };

typedef struct log_view {
    const glimpse_record *r;
    const view_style *style;
    size_t columns;  /* of the terminal; the last one stays free: some wrap on reaching it */
    int rows_left;
    styled line;     /* the row being made */
    size_t width;    /* of it */
    buffer *out;
    bool shortened;  /* some text did not fit */
} log_view;

/* === Rows ======================================================================================================= */

static void begin_row(log_view *v, size_t indent) {
    styled_clear(&v->line);
    styled_put(&v->line, "          ", indent, paint_of(PAINT_PLAIN));
    v->width = indent;
}

static size_t room(const log_view *v) { return v->columns > v->width ? v->columns - v->width : 0; }

/* Append a piece if the whole of it, with the gap before it, fits. */
static bool add(log_view *v, size_t gap, paint_kind kind, const char *text) {
    size_t w = text_width(text, strlen(text));
    if (gap + w > room(v)) return false;
    for (size_t i = 0; i < gap; i++) styled_puts(&v->line, " ", PAINT_PLAIN);
    styled_puts(&v->line, text, kind);
    v->width += gap + w;
    return true;
}

static bool addf(log_view *v, size_t gap, paint_kind kind, const char *fmt, ...) BUF_PRINTF_LIKE(4, 5);
static bool addf(log_view *v, size_t gap, paint_kind kind, const char *fmt, ...) {
    char text[256];
    va_list args;
    va_start(args, fmt);
    c_vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return add(v, gap, kind, text);
}

/* Append text from outside, cut with an ellipsis to `most` columns and to what is left. */
static void add_cut(log_view *v, paint_kind kind, const char *s, size_t n, bool quoted, size_t most) {
    v->width += styled_cut(&v->line, s, n, quoted, room(v) < most ? room(v) : most, kind, PAINT_DIM);
}

static void end_row(log_view *v) {
    styled_emit(&v->line, 0, v->line.text.n, v->style->depth, v->out);
    buf_putc(v->out, '\n');
    v->rows_left--;
}

/* Safe text over as many rows as it takes, at most `rows`; an ellipsis where it is cut. */
static void put_wrapped(log_view *v, const styled *t, int rows) {
    size_t columns = v->columns - INDENT, at = 0, n = t->text.n;
    while (n && (t->text.bytes[n - 1] == '\n' || (t->text.bytes[n - 1] == ' ' && v->style->depth == DEPTH_NONE))) n--; /* nothing that one would see */
    for (int row = 0; row < rows && at < n; row++) {
        size_t next, len = text_wrap(t->text.bytes + at, n - at, columns, &next);
        bool cut = row == rows - 1 && at + next < n;
        if (cut) len = text_fit(t->text.bytes + at, len, columns - 2, NULL);
        if (!cut && v->style->depth == DEPTH_NONE) /* in colours a blank has a ground that is to be seen */
            while (len && t->text.bytes[at + len - 1] == ' ') len--;
        buf_puts(v->out, "  ");
        styled_emit(t, at, at + len, v->style->depth, v->out);
        if (cut) {
            styled mark = {0};
            styled_puts(&mark, " \xe2\x80\xa6", PAINT_DIM);
            styled_emit(&mark, 0, mark.text.n, v->style->depth, v->out);
            if (styled_failed(&mark)) v->line.text.failed = true;
            styled_free(&mark);
            v->shortened = true;
        }
        buf_putc(v->out, '\n');
        v->rows_left--;
        at += next;
    }
}

/* === Headline =================================================================================================== */

static void loss_text(char out[48], const char *name, double loss) {
    char number[SCHEDULE_LOSS_BYTES];
    out[0] = 0;
    if (isfinite(loss)) {
        schedule_loss(loss, 3, number);
        c_snprintf(out, 48, "%s %s", name, number);
    } else if (isinf(loss)) c_snprintf(out, 48, "%s inf", name);
}

/* The losses, and whether it is the best: that means nothing without the second, and the first goes before the second does.
 * How the loss changed is the digest's, beside the step that it is compared with.  False: neither is known. */
static bool add_losses(log_view *v) {
    const glimpse_record *r = v->r;
    char train[48], val[48];
    bool best = r->best_step == r->step && isfinite(r->val_loss);
    loss_text(train, "train", r->train_loss);
    loss_text(val, "val", r->val_loss);
    size_t wants = 1 + strlen(val) + (best ? 5 : 0);
    bool both = *train && room(v) >= 1 + strlen(train) + 1 + wants;
    if (!*train && !*val) return false;
    if (both || !*val) add(v, 1, isinf(r->train_loss) ? PAINT_BAD : PAINT_PLAIN, train);
    if (!*val || !add(v, both ? 2 : 1, isinf(r->val_loss) ? PAINT_BAD : PAINT_PLAIN, val)) return true;
    if (best) add(v, 1, PAINT_GOOD, "best");
    return true;
}

static void add_seconds(log_view *v, const char *name, double s) {
    if (!isfinite(s) || s < 0) return;
    if (s < 0.1) addf(v, 2, PAINT_DIM, s < 0.01 ? "%s%.1f ms" : "%s%.0f ms", name, 1000 * s);
    else addf(v, 2, PAINT_DIM, s < 10 ? "%s%.2f s" : "%s%.0f s", name, s);
}

static size_t begin_headline(log_view *v, bool arrow) {
    begin_row(v, 0);
    add(v, 0, PAINT_STRONG, "glimpse");
    addf(v, 2, PAINT_PLAIN, "step %lld", (long long)v->r->step);
    if (arrow) add(v, 1, PAINT_DIM, "\xe2\x96\xb8");
    return v->width;
}

static void headline(log_view *v) {
    const glimpse_record *r = v->r;
    const size_t begun = begin_headline(v, true), gap = add_losses(v) ? 3 : 1;
    if (r->n_samples > 0) {
        const int32_t each = r->samples->n_tokens;
        int64_t all = 0;
        for (int32_t i = 0; i < r->n_samples; i++) all += GLIMPSE_AT(r->samples, i)->n_tokens;
        bool equal = all == (int64_t)each * r->n_samples;
        for (int32_t i = 0; equal && i < r->n_samples; i++) equal = GLIMPSE_AT(r->samples, i)->n_tokens == each;
        if (equal) addf(v, gap, PAINT_DIM, "%d\xc3\x97%d token%s", (int)r->n_samples, (int)each, each == 1 ? "" : "s");
        else addf(v, gap, PAINT_DIM, "%lld tokens", (long long)all);
    }
    add_seconds(v, "", r->prefill_s + r->decode_s);
    add_seconds(v, "blocked ", r->blocked_s);
    if (v->width == begun) begin_headline(v, false); /* an arrow that leads nowhere */
    end_row(v);
}

/* === A sample =================================================================================================== */

static void sample_head(log_view *v, const glimpse_sample *s, int32_t index) {
    char of[48], t[32];
    c_snprintf(of, sizeof of, "%d of %d", (int)index + 1, (int)v->r->n_samples);
    size_t of_width = strlen(of);
    begin_row(v, INDENT);
    add_cut(v, PAINT_DIM, s->prompt_text ? s->prompt_text : "", s->prompt_bytes, true, room(v) / 2);
    const char *label = s->label ? s->label : "";
    size_t keep = of_width + 2; /* columns for the right edge */
    if (*label && room(v) > keep + 10) {
        styled_puts(&v->line, "  ", PAINT_PLAIN);
        v->width += 2;
        add_cut(v, PAINT_DIM, label, strlen(label), false, room(v) - keep);
    }
    c_snprintf(t, sizeof t, "T=%.4g", s->temperature);
    if (room(v) > keep + 1 + strlen(t)) add(v, *label ? 1 : 2, PAINT_DIM, t);
    char seed[32];
    c_snprintf(seed, sizeof seed, "seed=%llu", (unsigned long long)s->seed);
    if (room(v) > keep + 1 + strlen(seed)) add(v, 1, PAINT_DIM, seed);
    if (room(v) > of_width) add(v, room(v) - of_width, PAINT_DIM, of);
    end_row(v);
}

/* Newlines beyond the first of a row of them as a mark at the end of the line: empty rows cost a glance. */
static void squeeze_newlines(const styled *t, styled *out) {
    size_t at = 0, n = t->text.n;
    while (at < n && t->text.bytes[at] == '\n') at++; /* how many there are is in sample.txt */
    styled_clear(out);
    while (at < n) {
        const char *s = t->text.bytes + at, *nl = memchr(s, '\n', n - at);
        size_t end = nl ? (size_t)(nl - t->text.bytes) : n, more = end;
        if (text_is_rule(s, end - at)) styled_puts(out, "\\", PAINT_PLAIN);
        styled_copy(out, t, at, end);
        while (more < n && t->text.bytes[more] == '\n') more++;
        for (size_t i = 1; i < more - end && i < 4; i++) styled_puts(out, "\xe2\x86\xb5", PAINT_DIM);
        if (more > end && more < n) styled_puts(out, "\n", PAINT_PLAIN);
        at = more;
    }
}

/* A text that no ink would show is written out: ↵↵↵, behind the prompt if that is to be seen. */
static bool put_blank_text(const log_view *v, const glimpse_sample *s, styled *out) {
    if (!text_is_blank(s->text, s->text_bytes)) return false;
    glimpse_sample prompt = *s;
    buffer marks = {0};
    prompt.n_tokens = 0, prompt.text_bytes = 0;
    text_body(v->r, &prompt, COLOR_SOFTMAX, true, PROMPT_TAIL, v->style, NULL, out);
    text_visible(&marks, s->text, s->text_bytes, 2 * v->columns);
    styled_put(out, s->text_bytes ? buf_str(&marks) : "(no text)", s->text_bytes ? marks.n : strlen("(no text)"), paint_of(PAINT_DIM));
    if (buf_failed(&marks)) out->text.failed = true;
    buf_free(&marks);
    return true;
}

static void sample_text(log_view *v, const glimpse_sample *s, int rows) {
    color_mode mode = v->style->mode == COLOR_ALL ? COLOR_MINMAX : v->style->mode;
    bool colored = v->style->colorize && v->style->depth != DEPTH_NONE;
    styled t = {0}, squeezed = {0};
    if (mode == COLOR_TOPK) {
        text_topk_table(v->r, s, rows - 1, v->columns - INDENT, v->style, &t);
        if (s->n_tokens > rows - 1) v->shortened = true;
        put_wrapped(v, &t, rows);
    } else if (put_blank_text(v, s, &t)) put_wrapped(v, &t, rows < 2 ? rows : 2);
    else {
        text_body(v->r, s, mode, colored, PROMPT_TAIL, v->style, NULL, &t);
        squeeze_newlines(&t, &squeezed);
        put_wrapped(v, &squeezed, rows);
    }
    if (styled_failed(&t) || styled_failed(&squeezed)) v->line.text.failed = true;
    styled_free(&t);
    styled_free(&squeezed);
}

/* Entropy over the sample in `cells` bars. */
static void sparkline(log_view *v, const glimpse_sample *s, int cells) {
    static const char bars[8][4] = {"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84",
                                    "\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88"};
    double top = v->r->vocab_size > 1 ? log((double)v->r->vocab_size) : 1;
    if (cells > s->n_tokens) cells = s->n_tokens;
    for (int c = 0; c < cells; c++) {
        int64_t from = (int64_t)s->n_tokens * c / cells, to = (int64_t)s->n_tokens * (c + 1) / cells;
        double sum = 0;
        for (int64_t i = from; i < to; i++) sum += GLIMPSE_AT(s->tokens, i)->entropy;
        double mean = sum / (double)(to - from) / top, x = isfinite(mean) ? asin(sqrt(fmin(fmax(mean, 0), 1))) * (8 / asin(1)) : mean;
        add(v, 0, isfinite(x) ? PAINT_DIM : PAINT_BAD, isfinite(x) ? bars[x >= 7 ? 7 : x > 0 ? (int)x : 0] : "!");
    }
}

static const char *const shares[] = {"spelling_token_rate", "repetition_tokens"}; /* shown of a sample, and how they changed */

/* "-": it is measured, but of such a text it means nothing. */
static void add_number(log_view *v, size_t gap, const char *name, double x, void (*format)(char[32], double)) {
    char text[32] = "-";
    if (isfinite(x)) format(text, x);
    addf(v, gap, PAINT_DIM, "%s %s", name, text);
}

static void sample_numbers(log_view *v, const glimpse_sample *s) {
    text_label label;
    begin_row(v, INDENT);
    /* As wide as leaves room for the numbers after it. */
    sparkline(v, s, v->columns < 99 ? 9 : v->columns < 110 ? 20 : 32);
    if (s->n_tokens > 0) add_number(v, 1, "entropy", text_metric(s, "mean_entropy"), text_short);
    size_t gap = v->columns < 99 ? 2 : 3;
    if (s->n_tokens > 0) add_number(v, gap, TEXT_OWN_PPL, text_metric(s, "perplexity"), text_short);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        if (text_has_metric(s, shares[i])) add_number(v, gap, text_metric_label(shares[i], label), text_metric(s, shares[i]), text_share);
    addf(v, gap, s->stop == GLIMPSE_STOP_NONFINITE ? PAINT_BAD : PAINT_DIM, "stop %s", text_stop_name(s->stop));
    end_row(v);
    if (s->why && v->rows_left > 4) {
        begin_row(v, INDENT);
        add_cut(v, PAINT_BAD, s->why, strlen(s->why), false, v->columns);
        end_row(v);
    }
}

/* === Digest, advice, where the rest is ========================================================================== */

/* A row of pieces, each whole with what stands between it and the one before, or not there at all. */
typedef struct digest_row {
    log_view *v;
    char since[40];
    const char *whose; /* before the first piece that is of one sample; "" = it was said, or needs not be */
    bool begun;
} digest_row;

/* Room for a piece of `w` columns, and what leads to it.  The first goes without the step where it does not fit otherwise. */
static bool begin_piece(digest_row *d, size_t w) {
    const char *lead = d->begun ? " \xc2\xb7 " : d->since;
    const size_t lead_w = text_width(lead, strlen(lead));
    if (lead_w + w <= room(d->v)) add(d->v, 0, PAINT_DIM, lead);
    else if (d->begun || w > room(d->v)) return false;
    return d->begun = true;
}

static bool add_of_sample(digest_row *d, const char *text) {
    const size_t w = strlen(d->whose) + text_width(text, strlen(text));
    if (!begin_piece(d, w)) return false;
    add(d->v, 0, PAINT_DIM, d->whose);
    d->whose = "";
    return add(d->v, 0, PAINT_DIM, text);
}

static void add_change(digest_row *d, const char *name, double from, double to, void (*format)(char[32], double)) {
    char a[32], b[32], text[128];
    if (!isfinite(from) || !isfinite(to)) return;
    format(a, from);
    format(b, to);
    if (text_is(a, b)) return; /* no change that one would see */
    c_snprintf(text, sizeof text, "%s %s\xe2\x86\x92%s", name, a, b);
    add_of_sample(d, text);
}

static double loss_change(const glimpse_record *r, const glimpse_record *before) { return before ? r->val_loss - before->val_loss : NAN; }

/* Against the last eval that was sampled: the loss, and one sample if it was there (`among`: others are shown, so it says which). */
static void digest(log_view *v, const glimpse_record *before, const glimpse_sample *s, bool among) {
    const glimpse_sample *o = text_same_sample(before, s);
    const double by = loss_change(v->r, before);
    digest_row d = {.v = v, .whose = among ? "first sample: " : ""};
    int32_t same = 0;
    char text[64], number[SCHEDULE_LOSS_BYTES];
    text_label label;
    c_snprintf(d.since, sizeof d.since, "since %lld: ", (long long)before->step);
    begin_row(v, INDENT);
    if (isfinite(by)) {
        schedule_loss(fabs(by), 3, number);
        c_snprintf(text, sizeof text, "%s%s", by > 0 ? "\xe2\x96\xb2" : "\xe2\x96\xbc", number);
        if (begin_piece(&d, strlen("val ") + text_width(text, strlen(text)))) {
            add(v, 0, PAINT_DIM, "val ");
            add(v, 0, by > 0 ? PAINT_BAD : by < 0 ? PAINT_GOOD : PAINT_DIM, text);
        }
    }
    while (o && same < s->n_tokens && same < o->n_tokens &&
           GLIMPSE_AT(s->tokens, same)->id == GLIMPSE_AT(o->tokens, same)->id)
        same++;
    if (o && same == s->n_tokens && same == o->n_tokens && same != 1) c_snprintf(text, sizeof text, "all %d tokens same", (int)same);
    else c_snprintf(text, sizeof text, "first %d token%s same", (int)same, same == 1 ? "" : "s");
    if (o && same) add_of_sample(&d, text);
    else if (o && !add_of_sample(&d, "another text from the first token on")) add_of_sample(&d, "another text");
    if (o) add_change(&d, TEXT_OWN_PPL, text_metric(o, "perplexity"), text_metric(s, "perplexity"), text_short);
    for (size_t i = 0; o && i < sizeof shares / sizeof *shares; i++)
        add_change(&d, text_metric_label(shares[i], label), text_metric(o, shares[i]), text_metric(s, shares[i]), text_share);
    if (d.begun) end_row(v);
}

/* Share of tokens that stand for what the vocabulary lacks. */
static double unknown_share(const glimpse_record *r, const glimpse_sample *s) {
    int32_t n = 0;
    for (int32_t i = 0; i < s->n_tokens; i++) {
        const glimpse_piece *p = record_piece(r, GLIMPSE_AT(s->tokens, i)->id);
        n += p && text_is_unknown(p->text, (size_t)p->bytes);
    }
    return s->n_tokens ? (double)n / s->n_tokens : 0;
}

/* What a person may want to change, from the metrics of a sample; its kind, 0 = nothing. */
static unsigned advice_of(const glimpse_record *r, const glimpse_sample *s, char out[160]) {
    const char *ours = text_is(r->kind, "train") ? "--glimpse_" : "--"; /* as it is typed there */
    double repeats = text_repeats(s), invalid = text_metric(s, "invalid_utf8_rate"), unknown = unknown_share(r, s);
    if (s->n_tokens == 1 && s->stop == GLIMPSE_STOP_EOS) {
        c_snprintf(out, 160, "hint: the model ended the text at once: %signore_eos, or another prompt", ours);
        return 1;
    }
    const double surprise = text_metric(s, "mean_entropy"); /* near ln V nothing is learnt yet, and bytes come as they like */
    if (invalid > 0.01 && !(r->vocab_size > 1 && surprise > 0.9 * log(r->vocab_size))) {
        c_snprintf(out, 160, "hint: %.0f %% is no UTF-8: is this the tokenizer it was trained with?", 100 * invalid);
        return 2;
    }
    if (unknown > 0.01) {
        c_snprintf(out, 160, "hint: %.0f %% of the tokens are UNK: is this the tokenizer it was trained with?", 100 * unknown);
        return 4;
    }
    if (!(repeats > 0)) return 0;
    c_snprintf(out, 160, "hint: %.0f %% of the 4-grams repeat: %srepetition_penalty 1.1 may help", 100 * repeats, ours);
    return 8;
}

/* That of the first sample shown that has one which this run's log has not given; its kind, 0 = none. */
static unsigned new_advice(const log_view *v, const int32_t *shown, int n, char out[160]) {
    for (int k = 0; k < n; k++) {
        unsigned kind = advice_of(v->r, GLIMPSE_AT(v->r->samples, shown[k]), out);
        if (kind && !(v->style->hinted && *v->style->hinted & kind)) return kind;
    }
    return 0;
}

static void advice(log_view *v, unsigned kind, const char *text) {
    if (!kind) return;
    begin_row(v, INDENT);
    add_cut(v, PAINT_BAD, text, strlen(text), false, v->columns);
    end_row(v);
    if (v->style->hinted) *v->style->hinted |= kind;
}

/* Of the texts of --probe that were scored, the mean of a metric.  How many. */
static int mean_of_probes(const glimpse_record *r, const char *metric, double *mean) {
    double sum = 0;
    int n = 0;
    for (int32_t i = 0; i < r->n_probes; i++) {
        const double value = text_metric(GLIMPSE_AT(r->probes, i), metric);
        if (isfinite(value)) sum += value, n++;
    }
    *mean = n ? sum / n : NAN;
    return n;
}

/* One row of task scores, of the data's slice and of the probes, as many as fit. */
static bool has_scores(const glimpse_record *r) {
    double mean;
    return r->n_scores > 0 || r->n_dataset > 0 || mean_of_probes(r, "answer_mean_logprob", &mean);
}

static void scores(log_view *v) {
    const glimpse_record *r = v->r;
    char value[32], error[32];
    text_label label;
    if (v->rows_left < 2) return;
    begin_row(v, INDENT);
    for (int32_t i = 0; i < r->n_scores; i++) {
        const glimpse_task_score *s = GLIMPSE_AT(r->scores, i);
        bool known = isfinite(s->std_error);
        text_short(value, s->value);
        if (known) { /* four digits behind the point, as lm-evaluation-harness's table: the error shows */
            c_snprintf(value, sizeof value, "%.4f", s->value);
            c_snprintf(error, sizeof error, "%.4f", s->std_error);
        }
        if (!addf(v, i ? 3 : 0, PAINT_DIM, "%s %s %s%s%s (%s%d)", s->task, s->metric, value, known ? "\xc2\xb1" : "",
                  known ? error : "", s->n < s->n_all ? "first " : "", (int)s->n))
            break;
    }
    for (int32_t i = 0; i < r->n_dataset; i++)
        if (text_is(r->dataset[i].name, "loss") || text_is(r->dataset[i].name, "bits_per_byte")) {
            text_short(value, r->dataset[i].value);
            addf(v, v->width > INDENT ? 3 : 0, PAINT_DIM, "data %s %s", text_metric_label(r->dataset[i].name, label), value);
        }
    double logprob, rank1;
    const int probes = mean_of_probes(r, "answer_mean_logprob", &logprob);
    if (probes && mean_of_probes(r, "answer_rank1", &rank1) == probes) {
        text_short(value, logprob);
        addf(v, v->width > INDENT ? 3 : 0, PAINT_DIM, "probes mean logprob %s, %.0f %% first choice (%d)", value, 100 * rank1, probes);
    }
    if (v->width > INDENT) end_row(v);
}

static void legend(log_view *v, const glimpse_sample *s) {
    begin_row(v, INDENT);
    const bool all = v->style->mode == COLOR_ALL; /* where the others are is more to the point than the numbers */
    text_legend(v->r, all ? NULL : s, v->style->mode, v->style, room(v), &v->line);
    v->width = text_width(buf_str(&v->line.text), v->line.text.n);
    if (v->width <= INDENT) return; /* no room for what it means, and the name alone means nothing */
    if (all) add(v, 2, PAINT_DIM, "(the other modes: sample.ansi)");
    if (v->shortened && v->style->mode == COLOR_TOPK) add(v, 2, PAINT_DIM, "(the whole table: sample.ansi)");
    end_row(v);
}

static void where_the_rest_is(log_view *v, int32_t shown, const char *where) {
    int32_t more = v->r->n_samples - shown;
    if (!where) return;
    begin_row(v, INDENT);
    const bool table = v->style->mode == COLOR_TOPK; /* of which sample.txt has nothing */
    if (more > 0) addf(v, 0, PAINT_DIM, "\xe2\x80\xa6 %d more: ", (int)more);
    else add(v, 0, PAINT_DIM, table ? "text: " : v->shortened ? "\xe2\x80\xa6 the rest: " : "also in ");
    /* A path that is cut could not be copied: it may run over the edge, and its rows are counted. */
    styled_escape(&v->line, where, strlen(where), TEXT_ONE_LINE, paint_of(PAINT_DIM));
    end_row(v);
}

static int rows_of_path(const log_view *v, const char *where) {
    if (!where) return 0;
    size_t n = strlen(where);
    return 1 + (int)((text_width(where, n > 4096 ? 4096 : n) + 16) / (v->columns + 1));
}

/* === The log ==================================================================================================== */

void view_clear_line(const view_style *style, buffer *out) {
    if (!style->terminal) return;
    if (style->depth != DEPTH_NONE) {
        buf_puts(out, "\r\x1b[K");
        return;
    }
    buf_putc(out, '\r'); /* no escape codes wanted: write over what stands there */
    buf_fill(out, ' ', style->width > 1 ? (size_t)style->width - 1 : DEFAULT_WIDTH - 1);
    buf_putc(out, '\r');
}

static void check_failed_row(log_view *v) {
    begin_row(v, INDENT);
    if (!add(v, 0, PAINT_ALARM, " " TEXT_CHECK_FAILED " ")) {
        begin_row(v, 0);
        add(v, 0, PAINT_ALARM, TEXT_CHECK_FAILED_SHORT);
    }
    end_row(v);
}

/* Which samples are shown: the first of each pair of prompt and setting, at most MAX_PAIRS. */
static int pick(const glimpse_record *r, int32_t shown[MAX_PAIRS]) {
    int n = 0;
    for (int32_t i = 0; i < r->n_samples && n < MAX_PAIRS; i++) {
        const glimpse_sample *s = GLIMPSE_AT(r->samples, i);
        bool fresh = true;
        for (int k = 0; k < n; k++) {
            const glimpse_sample *o = GLIMPSE_AT(r->samples, shown[k]);
            if (o->prompt == s->prompt && o->setting == s->setting) fresh = false;
        }
        if (fresh) shown[n++] = i;
    }
    return n;
}

glimpse_status view_terminal(const glimpse_record *r, const glimpse_record *before, const char *where,
                             const view_style *style, buffer *out) {
    if (r->n_samples <= 0 && !text_is(r->status, "failed")) { /* the weights may have been measured all the same */
        TRY(view_one_line(r, style, out));
        return view_numbers(r, false, style, out);
    }
    size_t width = style->width <= 0 ? DEFAULT_WIDTH : style->width < MIN_WIDTH ? MIN_WIDTH : (size_t)style->width;
    size_t start = out->n;
    log_view v = {.r = r, .style = style, .columns = width - 1, .rows_left = ROWS, .out = out};
    bool colored = style->colorize && style->depth != DEPTH_NONE;
    int32_t shown[MAX_PAIRS];
    int n = pick(r, shown);
    const bool has_digest = n && before && (isfinite(loss_change(r, before)) || text_same_sample(before, GLIMPSE_AT(r->samples, shown[0])));
    headline(&v);
    if (text_check_failed(r)) check_failed_row(&v);
    if (!text_is(r->status, "ok")) {
        styled t = {0};
        styled_escape(&t, r->status ? r->status : "", r->status ? strlen(r->status) : 0, TEXT_ONE_LINE, paint_of(PAINT_BAD));
        if (r->why) {
            styled_puts(&t, ": ", PAINT_BAD);
            styled_escape(&t, r->why, strlen(r->why), TEXT_LINES, paint_of(PAINT_PLAIN)); /* "hint: " on a row of its own */
        }
        put_wrapped(&v, &t, 6);
        if (styled_failed(&t)) v.line.text.failed = true;
        styled_free(&t);
    }
    char hint[160];
    const unsigned hints = new_advice(&v, shown, n, hint);
    int tail = has_scores(r) + rows_of_path(&v, where) + (colored && n) + has_digest + !!hints;
    for (int k = 0; k < n && v.rows_left - tail >= 3; k++) {
        const glimpse_sample *s = GLIMPSE_AT(r->samples, shown[k]);
        int rows = (v.rows_left - tail) / (n - k) - 2 - (s->why != NULL);
        sample_head(&v, s, shown[k]);
        sample_text(&v, s, rows < 1 ? 1 : rows);
        sample_numbers(&v, s);
    }
    if (has_digest) digest(&v, before, GLIMPSE_AT(r->samples, shown[0]), n > 1);
    scores(&v);
    advice(&v, hints, hint);
    if (n) where_the_rest_is(&v, n, where);
    if (colored && n) legend(&v, n == 1 ? GLIMPSE_AT(r->samples, shown[0]) : NULL);
    bool failed = styled_failed(&v.line) || buf_failed(out);
    styled_free(&v.line);
    return text_done(failed, out, start, "the log of an eval");
}

glimpse_status view_numbers(const glimpse_record *r, bool samples, const view_style *style, buffer *out) {
    size_t width = style->width <= 0 ? DEFAULT_WIDTH : style->width < MIN_WIDTH ? MIN_WIDTH : (size_t)style->width, start = out->n;
    log_view v = {.r = r, .style = style, .columns = width - 1, .rows_left = ROWS, .out = out};
    for (int32_t i = 0; samples && i < r->n_samples && v.rows_left > 3; i++) {
        const glimpse_sample *s = GLIMPSE_AT(r->samples, i);
        if (r->n_samples > 1) sample_head(&v, s, i);
        sample_numbers(&v, s);
    }
    scores(&v);
    bool failed = styled_failed(&v.line) || buf_failed(out);
    styled_free(&v.line);
    return text_done(failed, out, start, "the numbers of a run");
}

/* === One line, of a terminal that is wide enough ================================================================== */

glimpse_status view_one_line(const glimpse_record *r, const view_style *style, buffer *out) {
    styled t = {0};
    size_t start = out->n;
    styled_puts(&t, "glimpse", PAINT_STRONG);
    styled_printf(&t, PAINT_PLAIN, " %lld: ", (long long)r->step);
    const char *why = r->why && *r->why ? r->why : NULL;
    if (text_is(r->status, "failed")) {
        styled_puts(&t, "failed", PAINT_BAD);
    } else if (r->n_samples > 0) {
        styled_printf(&t, PAINT_PLAIN, "%d sample%s", (int)r->n_samples, r->n_samples == 1 ? "" : "s");
    } else {
        styled_puts(&t, "no sample", PAINT_PLAIN);
        if (!why && isfinite(r->val_loss) && isfinite(r->best_val_loss)) {
            char losses[SCHEDULE_LOSSES_BYTES];
            schedule_losses(r->val_loss, r->best_val_loss, losses);
            styled_printf(&t, PAINT_PLAIN, ", %s", losses);
            if (r->best_step >= 0) styled_printf(&t, PAINT_PLAIN, " @ %lld", (long long)r->best_step);
            styled_puts(&t, " (--sample_each_eval)", PAINT_DIM);
        }
    }
    if (why) {
        styled_puts(&t, text_is(r->status, "failed") ? ": " : ", ", PAINT_PLAIN);
        styled_escape(&t, why, strlen(why), TEXT_ONE_LINE, paint_of(PAINT_PLAIN));
    }
    if (r->n_probes > 0) {
        int scored = 0;
        for (int32_t i = 0; i < r->n_probes; i++) scored += !GLIMPSE_AT(r->probes, i)->why;
        styled_printf(&t, PAINT_PLAIN, "; %d ", scored);
        if (scored < r->n_probes) styled_printf(&t, PAINT_PLAIN, "of %d ", (int)r->n_probes);
        styled_puts(&t, r->n_probes == 1 ? "probe scored" : "probes scored", PAINT_PLAIN);
    }
    if (text_check_failed(r)) {
        styled_puts(&t, "  ", PAINT_PLAIN);
        styled_puts(&t, TEXT_CHECK_FAILED_SHORT, PAINT_ALARM);
    }
    /* On a terminal that is narrower it goes on in the next row, two columns in. */
    size_t columns = style->terminal && style->width > MIN_WIDTH ? (size_t)style->width - 1 : SIZE_MAX;
    for (size_t at = 0, next; at < t.text.n; at += next) {
        size_t len = text_wrap(t.text.bytes + at, t.text.n - at, at ? columns - INDENT : columns, &next);
        while (at + next < t.text.n && len && t.text.bytes[at + len - 1] == ' ') len--;
        if (at) buf_puts(out, "  ");
        styled_emit(&t, at, at + len, style->depth, out);
        buf_putc(out, '\n');
    }
    bool failed = styled_failed(&t) || buf_failed(out);
    styled_free(&t);
    return text_done(failed, out, start, "a line");
}
