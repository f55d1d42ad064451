/* csv.c -- see csv.h. */
#include "viz/csv.h"

#include "include/internal/status.h"
#include "viz/text.h"
#include <math.h>
#include <string.h>

/* The names of hooks/metrics.h, in the order in which one reads them. */
static const char *const metric_columns[] = {
    "perplexity", "mean_logprob", "mean_entropy", "mean_rank", "rank1_share", "eos_stop", "repetition_tokens", "longest_repeat",
    "repetition", "invalid_utf8_rate", "distinct_1", "distinct_2", "distinct_3", "avg_sentence_length", "lexical_diversity",
    "spelling_token_rate", "spelling_correctness", "correct_char_fraction", "correct_char_total",
    "memorised_bytes", "memorised_share", "memorised_searched",
};
enum { N_METRICS = sizeof metric_columns / sizeof *metric_columns };

void csv_header(buffer *out) {
    buf_puts(out, "step,timestamp,run,kind,status,check,train_loss,val_loss,best_val_loss,prompt,start_token,setting,sample,seed,"
                  "temperature,top_k,tokens,stop");
    for (int i = 0; i < N_METRICS; i++) {
        buf_putc(out, ',');
        buf_puts(out, metric_columns[i]);
    }
    buf_puts(out, ",measure,value,std_error\r\n");
}

static void put_text(buffer *out, const char *s, size_t n) {
    bool quoted = false;
    for (size_t i = 0; i < n && !quoted; i++) quoted = strchr(",\"\r\n", s[i]) && s[i];
    if (!quoted) {
        buf_put(out, s, n);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"') buf_putc(out, '"');
        buf_putc(out, s[i]);
    }
    buf_putc(out, '"');
}

/* Control characters stand as escapes: the file is also read with cat. */
static void text_cell(buffer *out, const char *s) {
    buffer visible = {0};
    buf_putc(out, ',');
    if (s) text_escape(&visible, s, strlen(s), TEXT_ONE_LINE);
    put_text(out, buf_str(&visible), visible.n);
    if (buf_failed(&visible)) out->failed = true;
    buf_free(&visible);
}

static void num_cell(buffer *out, double x, int digits) {
    buf_putc(out, ',');
    if (isfinite(x)) buf_g(out, x, digits);
}

static void repr_cell(buffer *out, const char *s, size_t n) {
    buffer text = {0};
    text_repr(&text, s ? s : "", s ? n : 0); /* has its escapes */
    buf_putc(out, ',');
    put_text(out, buf_str(&text), text.n);
    if (buf_failed(&text)) out->failed = true;
    buf_free(&text);
}

static void sample_cells(const glimpse_sample *s, buffer *out) {
    buf_printf(out, ",%d", (int)s->prompt);
    repr_cell(out, s->prompt_text, s->prompt_bytes);
    text_cell(out, s->label);
    buf_printf(out, ",%d,%llu", (int)s->sample, (unsigned long long)s->seed);
    num_cell(out, s->temperature, 6);
    buf_printf(out, ",%d,%d", (int)s->top_k, (int)s->n_tokens);
    text_cell(out, text_stop_name(s->stop));
    for (int i = 0; i < N_METRICS; i++)
        num_cell(out, text_metric_of(s->metrics, s->n_metrics, metric_columns[i]), RECORD_LOSS_DIGITS);
}

/* What every line of an eval begins with. */
static void eval_cells(const glimpse_record *r, buffer *out) {
    buf_i64(out, r->step);
    text_cell(out, r->time);
    text_cell(out, r->run);
    text_cell(out, r->kind);
    text_cell(out, r->status);
    text_cell(out, r->check);
    num_cell(out, r->train_loss, RECORD_LOSS_DIGITS);
    num_cell(out, r->val_loss, RECORD_LOSS_DIGITS);
    num_cell(out, r->best_val_loss, RECORD_LOSS_DIGITS);
}

/* A line for a number of the eval and of no sample: "lm_eval/hellaswag/acc", "dataset/loss", "probe/0/answer_logprob". */
static void measure_line(const glimpse_record *r, const char *group, const char *of, const char *name, double value, double error,
                         buffer *out) {
    buffer measure = {0};
    eval_cells(r, out);
    buf_fill(out, ',', 9 + N_METRICS);
    buf_printf(&measure, *of ? "%s/%s/%s" : "%s%s/%s", group, of, name);
    text_cell(out, buf_str(&measure));
    num_cell(out, value, RECORD_LOSS_DIGITS);
    num_cell(out, error, RECORD_LOSS_DIGITS);
    buf_puts(out, "\r\n");
    out->failed |= measure.failed;
    buf_free(&measure);
}

static void measure_lines(const glimpse_record *r, buffer *out) {
    for (int32_t i = 0; i < r->n_scores; i++) {
        const glimpse_task_score *s = GLIMPSE_AT(r->scores, i);
        measure_line(r, "lm_eval", s->task, s->metric, s->value, s->std_error, out);
    }
    for (int32_t i = 0; i < r->n_dataset; i++)
        measure_line(r, "dataset", "", r->dataset[i].name, r->dataset[i].value, NAN, out);
    for (int32_t i = 0; i < r->n_probes; i++) {
        const glimpse_sample *p = GLIMPSE_AT(r->probes, i);
        char number[16];
        c_snprintf(number, sizeof number, "%d", (int)p->prompt);
        for (int32_t k = 0; k < p->n_metrics; k++) measure_line(r, "probe", number, p->metrics[k].name, p->metrics[k].value, NAN, out);
    }
}

glimpse_status csv_lines(const glimpse_record *r, buffer *out) {
    size_t from = out->n;
    for (int32_t i = 0; i < (r->n_samples ? r->n_samples : 1); i++) {
        eval_cells(r, out);
        if (r->n_samples) sample_cells(GLIMPSE_AT(r->samples, i), out);
        else buf_fill(out, ',', 9 + N_METRICS);
        buf_puts(out, ",,,\r\n");
    }
    measure_lines(r, out);
    return text_done(false, out, from, "lines of metrics.csv");
}
