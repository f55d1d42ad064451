/* kinds.c -- the table of samplers, and the reading of their names and values.  Called by chain.c and preset.c. */
#include "sampling/samplers/sampler.h"
#include "include/internal/buffer.h"
#include "include/internal/nearest.h"
#include "include/internal/status.h"

/* In the default order: bans and biases first, penalties on the raw logits, temperature, then what cuts. */
const sampler_kind *const sampler_kinds[] = {
    &sampler_logit_bias,     &sampler_allowed_tokens, &sampler_banned_tokens, &sampler_penalties,
    &sampler_no_repeat_ngram, &sampler_dry,           &sampler_cosine_penalty, &sampler_length_decay,
    &sampler_min_length,     &sampler_forced_tokens,  &sampler_forced_eos,    &sampler_smoothing,
    &sampler_temperature,    &sampler_top_n_sigma,    &sampler_top_k,         &sampler_tail_free,
    &sampler_top_a,          &sampler_typical_p,      &sampler_top_h,         &sampler_top_p,
    &sampler_min_p,          &sampler_epsilon_cutoff, &sampler_eta_cutoff,    &sampler_skew,
    &sampler_xtc,            &sampler_mirostat,       &sampler_adaptive_p};
const int sampler_kind_count = sizeof sampler_kinds / sizeof *sampler_kinds;

bool sampler_kind_is_processor(const sampler_kind *kind) {
    for (int i = 0; sampler_kinds[i] != &sampler_smoothing; i++)
        if (sampler_kinds[i] == kind) return true;
    return false;
}

static bool named(const char *s, size_t n, const char *name) {
    return name && strlen(name) == n && memcmp(s, name, n) == 0;
}

glimpse_status sampler_kind_find(const char *s, size_t n, const sampler_kind **out) {
    const char *nearest = NULL;
    int least = nearest_limit(n) + 1;
    buffer all = {0};
    for (int i = 0; i < sampler_kind_count; i++) {
        const sampler_kind *k = sampler_kinds[i];
        if (named(s, n, k->ops.name) || named(s, n, k->alias)) {
            *out = k;
            return GLIMPSE_OK;
        }
        int d = edit_distance(s, n, k->ops.name, strlen(k->ops.name));
        if (d >= least) continue;
        nearest = k->ops.name;
        least = d;
    }
    if (nearest) FAIL(GLIMPSE_E_INVALID, "no sampler is called '%.*s'\nhint: did you mean %s?", n > 40 ? 40 : (int)n, s, nearest);
    for (int i = 0; i < sampler_kind_count; i++) buf_printf(&all, "%s%s", i ? ", " : "", sampler_kinds[i]->ops.name);
    status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "no sampler is called '%.*s'\nhint: there are %s", n > 40 ? 40 : (int)n, s, buf_str(&all));
    buf_free(&all);
    return GLIMPSE_E_INVALID;
}

/* The shortest decimal that reads back to the value; whole numbers without an exponent. */
void sampler_put_number(buffer *out, double value) {
    char text[40];
    double back;
    if (fabs(value) < 1e15 && value == floor(value)) {
        buf_i64(out, (int64_t)value);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        int n = c_snprintf(text, sizeof text, "%.*g", digits, value);
        if (n > 0 && parse_double(text, (size_t)n, &back) && back == value) break;
    }
    buf_puts(out, text);
}

const char *sampler_trim(const char *s, size_t *n) {
    while (*n && (*s == ' ' || *s == '\t')) s++, --*n;
    while (*n && (s[*n - 1] == ' ' || s[*n - 1] == '\t')) --*n;
    return s;
}

/* One value: a number in the parameter's range, or one of its words. */
static glimpse_status read_value(const sampler_kind *kind, int32_t i, const char *text, size_t n, double *v) {
    const sampler_param *p = &kind->params[i];
    const char *sep = i ? "." : "", *name = i ? p->name : "";
    text = sampler_trim(text, &n);
    if (p->words && strchr(p->words, '|')) {
        const char *word = p->words;
        for (int k = 0;; k++, word++) {
            size_t len = strcspn(word, "|");
            if (len == n && memcmp(word, text, n) == 0) {
                v[i] = k;
                return GLIMPSE_OK;
            }
            word += len;
            if (!*word) break;
        }
    } else {
        double x;
        if (parse_double(text, n, &x)) {
            bool whole = p->words != NULL;
            if (x >= p->least && x <= p->most && (!whole || x == floor(x))) {
                v[i] = x;
                return GLIMPSE_OK;
            }
            FAIL(GLIMPSE_E_INVALID, "%s%s%s is %.*s, possible is: %s", kind->ops.name, sep, name, n > 40 ? 40 : (int)n, text,
                 p->range);
        }
    }
    FAIL(GLIMPSE_E_INVALID, "%s%s%s is '%.*s', possible is: %s", kind->ops.name, sep, name, n > 40 ? 40 : (int)n, text,
         p->range);
}

glimpse_status sampler_read_values(const sampler_kind *kind, const char *text, size_t bytes, double *v) {
    const char *end = text ? text + bytes : NULL;
    for (int32_t place = 0; text; place++) {
        const char *comma = memchr(text, ',', (size_t)(end - text)), *stop = comma ? comma : end;
        const char *colon = memchr(text, ':', (size_t)(stop - text)), *value = text;
        int32_t i = place;
        if (colon) {
            size_t n = (size_t)(colon - text);
            const char *name = sampler_trim(text, &n);
            value = colon + 1;
            for (i = 0; i < kind->n_params && !named(name, n, kind->params[i].name); i++) {}
            if (i == kind->n_params) {
                buffer all = {0};
                for (int32_t k = 0; k < kind->n_params; k++) {
                    if (k) buf_puts(&all, ", ");
                    buf_puts(&all, kind->params[k].name);
                }
                status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "%s has no parameter '%.*s'\nhint: it has %s",
                            kind->ops.name, n > 40 ? 40 : (int)n, name, buf_str(&all));
                buf_free(&all);
                return GLIMPSE_E_INVALID;
            }
        } else if (place >= kind->n_params) {
            FAIL(GLIMPSE_E_INVALID, "%s takes %d values, more are given", kind->ops.name, kind->n_params);
        }
        TRY(read_value(kind, i, value, (size_t)(stop - value), v));
        text = comma ? comma + 1 : NULL;
    }
    return GLIMPSE_OK;
}

bool sampler_next_id(const char *name, const char **at, const char *end, int32_t vocab, int32_t *id, double *value,
                     bool *has_value, glimpse_status *st) {
    const char *s = *at;
    while (s < end && (*s == ' ' || *s == ',' || *s == '\t' || *s == '\n')) s++;
    if (s >= end) return false;
    const char *stop = s;
    while (stop < end && *stop != ' ' && *stop != ',' && *stop != '\t' && *stop != '\n') stop++;
    const char *colon = memchr(s, ':', (size_t)(stop - s));
    int64_t n;
    *has_value = colon != NULL;
    *value = 0;
    *at = stop;
    if (!parse_i64(s, (size_t)((colon ? colon : stop) - s), &n) ||
        (colon && !parse_double(colon + 1, (size_t)(stop - colon - 1), value))) {
        *st = status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "%s: '%.*s' is no token id%s", name,
                          stop - s > 40 ? 40 : (int)(stop - s), s, colon ? " with a number after a colon" : "");
        return false;
    }
    if (n < 0 || n >= vocab) {
        *st = status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "%s: the id %lld is outside the vocabulary, 0 to %d", name,
                          (long long)n, vocab - 1);
        return false;
    }
    *id = (int32_t)n;
    return true;
}
