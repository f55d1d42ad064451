/* test_samplers_rows.c -- what changes logits, against its definition in double over random rows, dense, behind a temperature
 * and behind a top_k: the same ids stay, with the same logits.  The filters' rows are in test_samplers_oracle.c and
 * test_samplers_filters.c; a kind that has none anywhere fails samplers_rows_of_every_kind. */
#include "sampling/samplers/sampler.h"
#include "tests/oracle.h"
#include "tests/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { V_MOST = 152064, N_PROMPT = 10, N_OUTPUT = 12, N_PAST = N_PROMPT + N_OUTPUT, SOME = 6 };

typedef struct row {
    int32_t n;
    double *l, *p;       /* (n) logits over the temperature so far, -inf = gone; their softmax after measure */
    float *raw;          /* (n) */
    int32_t *order;      /* (n) by falling raw logit, rising id */
    double max, h, margin;
    int32_t alive, best;
    int32_t some[SOME];  /* ids that the history is made of */
    int32_t past[N_PAST], eos;
    double v[4];         /* the trial's own numbers */
    int32_t ids[4];
    uint64_t rng;
} row;

static int32_t random_id(row *r) { return (int32_t)(oracle_random(&r->rng) % (uint64_t)r->n); }
static double between(row *r, double least, double most) { return least + oracle_uniform(&r->rng) * (most - least); }

static void measure(row *r) {
    double sum = 0;
    r->max = -INFINITY;
    r->alive = 0;
    r->h = 0;
    for (int32_t i = 0; i < r->n; i++) {
        r->alive += r->l[i] > -INFINITY;
        if (r->l[i] > r->max) r->max = r->l[i], r->best = i;
    }
    for (int32_t i = 0; i < r->n; i++) sum += r->p[i] = exp(r->l[i] - r->max);
    for (int32_t i = 0; i < r->n; i++) {
        r->p[i] /= sum;
        if (r->p[i] > 0) r->h -= r->p[i] * (r->l[i] - r->max - log(sum));
    }
}

static void near(row *r, double distance) {
    if (fabs(distance) < r->margin) r->margin = fabs(distance);
}

/* Ids (n, maybe alike) become -inf, unless nothing else is left. */
static void ban(row *r, const int32_t *ids, int n) {
    int32_t left = 0;
    uint8_t *in = calloc((size_t)r->n, 1);
    if (!in) return;
    for (int k = 0; k < n; k++) in[ids[k]] = 1;
    for (int32_t i = 0; i < r->n; i++) left += r->l[i] > -INFINITY && !in[i];
    for (int32_t i = 0; i < r->n && left; i++)
        if (in[i]) r->l[i] = -INFINITY;
    free(in);
}
static void force(row *r, int32_t id) {
    for (int32_t i = 0; i < r->n; i++) r->l[i] = i == id ? 0 : -INFINITY;
}

/* === Each: its text, then what it does */

static void bias_text(row *r, char *out, size_t size) {
    for (int k = 0; k < 3; k++) r->ids[k] = random_id(r), r->v[k] = between(r, -8, 8);
    snprintf(out, size, "logit_bias=%d:%.17g,%d:%.17g %d:%.17g", r->ids[0], r->v[0], r->ids[1], r->v[1], r->ids[2], r->v[2]);
}
static void bias(row *r) {
    for (int k = 0; k < 3; k++) r->l[r->ids[k]] += r->v[k];
}
static void list_text(row *r, char *out, size_t size) {
    for (int k = 0; k < 4; k++) r->ids[k] = k % 2 ? random_id(r) : r->some[oracle_random(&r->rng) % SOME];
    snprintf(out, size, "allowed_tokens=%d,%d,%d,%d", r->ids[0], r->ids[1], r->ids[2], r->ids[3]);
}
static void allowed(row *r) {
    bool any = false;
    for (int k = 0; k < 4; k++) any |= r->l[r->ids[k]] > -INFINITY;
    for (int32_t i = 0; i < r->n && any; i++)
        if (i != r->ids[0] && i != r->ids[1] && i != r->ids[2] && i != r->ids[3]) r->l[i] = -INFINITY;
}
static void banned_text(row *r, char *out, size_t size) {
    list_text(r, out, size);
    snprintf(out, size, "banned_tokens=%d,%d-%d,%d-%d", r->ids[0], r->past[N_PAST - 1], r->ids[1], r->ids[2], r->ids[3]);
}
static void banned(row *r) {
    int32_t ids[3] = {r->ids[0], r->ids[1], r->ids[3]};
    ban(r, ids, r->ids[2] == r->past[N_PAST - 1] ? 3 : 2);
}
static void penalties_text(row *r, char *out, size_t size) {
    static const char *const scope[] = {"all", "output", "split"};
    r->v[0] = between(r, 0.5, 2), r->v[1] = between(r, -1, 1), r->v[2] = between(r, -1, 1);
    r->ids[0] = (int32_t)(oracle_random(&r->rng) % 30) - 1;
    r->ids[1] = (int32_t)(oracle_random(&r->rng) % 3);
    if (r->ids[0] == 0) r->ids[0] = -1;
    snprintf(out, size, "penalties=%.17g,%.17g,%.17g,%d,%s", r->v[0], r->v[1], r->v[2], r->ids[0], scope[r->ids[1]]);
}
static void penalties(row *r) {
    int from = r->ids[0] < 0 || r->ids[0] > N_PAST ? 0 : N_PAST - r->ids[0];
    for (int k = 0; k < SOME; k++) {
        int all = 0, output = 0;
        bool again = false;
        for (int j = 0; j < k; j++) again |= r->some[j] == r->some[k];
        if (again) continue;
        for (int i = from; i < N_PAST; i++) {
            all += r->past[i] == r->some[k];
            output += r->past[i] == r->some[k] && i >= N_PROMPT;
        }
        if (r->ids[1] == 1) all = output;
        if (r->ids[1] == 0) output = all;
        double *l = &r->l[r->some[k]];
        if (all) *l = *l > 0 ? *l / r->v[0] : *l * r->v[0];
        if (output) *l -= r->v[1] * output + r->v[2];
    }
}
static void ngram_text(row *r, char *out, size_t size) {
    r->ids[0] = 1 + (int32_t)(oracle_random(&r->rng) % 3);
    snprintf(out, size, "no_repeat_ngram=%d", r->ids[0]);
}
static void ngram(row *r) {
    int32_t found[N_PAST], n = 0, before = r->ids[0] - 1;
    for (int i = before; i < N_PAST; i++) {
        bool same = true;
        for (int k = 1; k <= before; k++) same &= r->past[i - k] == r->past[N_PAST - k];
        if (same) found[n++] = r->past[i];
    }
    if (n) ban(r, found, n);
}
static void dry_text(row *r, char *out, size_t size) {
    r->v[0] = between(r, 0.1, 3), r->v[1] = between(r, 1, 2);
    r->ids[0] = 1 + (int32_t)(oracle_random(&r->rng) % 2);
    snprintf(out, size, "dry=%.17g,%.17g,%d", r->v[0], r->v[1], r->ids[0]);
}
static void dry(row *r) { /* some[0] is the breaker */
    int limit = N_PAST;
    for (int i = 0; i < N_PAST && limit == N_PAST; i++)
        if (r->past[N_PAST - 1 - i] == r->some[0]) limit = i;
    for (int k = 0; k < SOME && limit >= r->ids[0]; k++) {
        int longest = 0;
        bool again = r->some[k] == r->some[0];
        for (int j = 0; j < k; j++) again |= r->some[j] == r->some[k];
        for (int at = 0; at < N_PAST - 1 && !again; at++) { /* what follows past[at] is some[k] */
            int m = 0;
            if (r->past[at + 1] != r->some[k]) continue;
            while (m <= at && r->past[at - m] == r->past[N_PAST - 1 - m]) m++;
            if (m > limit) m = limit;
            if (m > longest) longest = m;
        }
        if (longest >= r->ids[0]) r->l[r->some[k]] -= r->v[0] * pow(r->v[1], longest - r->ids[0]);
    }
}
static double cosine(int32_t i, int32_t j) { return i == j ? 1 : (double)(((int64_t)i * 31 + (int64_t)j * 31) % 17) / 20 - 0.4; }
static void cosines(void *user, int32_t id, float *out) {
    for (int32_t j = 0; j < *(const int32_t *)user; j++) out[j] = (float)cosine(id, j);
}
static void cosine_text(row *r, char *out, size_t size) {
    r->v[0] = between(r, -3, 3);
    snprintf(out, size, "cosine_penalty=%.17g,3", r->v[0]);
}
static void cosine_penalty(row *r) {
    for (int32_t j = 0; j < r->n; j++) {
        double most = -1;
        for (int k = 1; k <= 3; k++) most = fmax(most, cosine(r->past[N_PAST - k], j));
        r->l[j] -= r->v[0] * most;
    }
}
static void decay_text(row *r, char *out, size_t size) {
    r->v[0] = between(r, 0.8, 1.4), r->ids[0] = (int32_t)(oracle_random(&r->rng) % 16);
    snprintf(out, size, "length_decay=%.17g,%d", r->v[0], r->ids[0]);
}
static void length_decay(row *r) {
    if (N_OUTPUT > r->ids[0] && r->l[r->eos] > -INFINITY)
        r->l[r->eos] += fabs(r->l[r->eos]) * (pow(r->v[0], N_OUTPUT - r->ids[0]) - 1);
}
static void min_text(row *r, char *out, size_t size) {
    r->ids[0] = N_OUTPUT - 1 + (int32_t)(oracle_random(&r->rng) % 4);
    snprintf(out, size, "min_length=%d", r->ids[0]);
}
static void min_length(row *r) {
    if (N_OUTPUT < r->ids[0]) ban(r, &r->eos, 1);
}
static void forced_text(row *r, char *out, size_t size) {
    int n = snprintf(out, size, "forced_tokens=0");
    r->ids[0] = random_id(r);
    for (int k = 1; k < N_OUTPUT; k++) n += snprintf(out + n, size - (size_t)n, ",1");
    snprintf(out + n, size - (size_t)n, ",%d", r->ids[0]);
}
static void forced_tokens(row *r) { force(r, r->ids[0]); }
static void eos_text(row *r, char *out, size_t size) {
    (void)r;
    snprintf(out, size, "forced_eos=true");
}
static void forced_eos(row *r) { force(r, r->eos); }
static void smoothing_text(row *r, char *out, size_t size) {
    r->v[0] = between(r, 0.01, 1), r->v[1] = between(r, 1, 3);
    snprintf(out, size, "smoothing=%.17g,%.17g", r->v[0], r->v[1]);
}
static void smoothing(row *r) {
    double k = r->v[0] * (3 - r->v[1]) / 2, q = r->v[0] * (r->v[1] - 1) / 2;
    measure(r);
    for (int32_t i = 0; i < r->n && r->alive > 1; i++) {
        double d = r->l[i] - r->max;
        if (d > -INFINITY) r->l[i] = r->max - k * d * d + q * d * d * d;
    }
}
static void dynamic_text(row *r, char *out, size_t size) {
    r->v[0] = between(r, 0.3, 2), r->v[1] = between(r, 0, 1.5), r->v[2] = between(r, 0.3, 3);
    if (r->v[1] < 0.2) r->v[1] = 0;
    snprintf(out, size, "temperature=%.17g,%.17g,%.17g", r->v[0], r->v[1], r->v[2]);
}
static void dynamic(row *r) {
    double t = r->v[0], low = fmax(0, t - r->v[1]);
    measure(r);
    if (r->v[1] > 0 && r->alive < 2) return;
    if (r->v[1] > 0) t = low + (t + r->v[1] - low) * pow(fmin(r->h / log(r->alive), 1), r->v[2]);
    if (r->v[1] > 0) near(r, log(t / 1e-6));
    if (r->v[1] > 0 && r->h < 1e-3 * log(r->alive)) near(r, 0); /* a power of an entropy that is mostly rounding */
    if (r->v[1] > 0 && t < 1e-6) { /* greedy */
        for (int32_t i = 0; i < r->n; i++)
            if (i != r->best) r->l[i] = -INFINITY;
        return;
    }
    for (int32_t i = 0; i < r->n; i++) r->l[i] /= t;
}
static void xtc_text(row *r, char *out, size_t size) {
    r->v[0] = pow(between(r, 0, 1), 3) / 2;
    snprintf(out, size, "xtc=1,%.17g", r->v[0]);
}
static void xtc(row *r) {
    int32_t last = -1;
    measure(r);
    for (int32_t i = 0; i < r->n; i++) {
        if (!(r->p[i] > 0)) continue;
        if (r->alive > 1) near(r, r->v[0] > 0 ? log(r->p[i] / r->v[0]) : 1);
        if (r->p[i] >= r->v[0] && (last < 0 || r->l[i] <= r->l[last])) last = i; /* of equals the highest id is the least */
    }
    for (int32_t i = 0; i < r->n && last >= 0; i++)
        if (r->l[i] > r->l[last] || (r->l[i] == r->l[last] && i < last)) r->l[i] = -INFINITY;
}
static void mirostat_text(row *r, char *out, size_t size) {
    r->v[0] = between(r, 0.2, 6);
    snprintf(out, size, "mirostat=1,%.17g", r->v[0]);
}
static void mirostat(row *r) {
    double tb = 0, tt = 0, before = 0;
    int n = 0;
    measure(r);
    for (int32_t at = 0; at < r->n && n < 100; at++) { /* `order` is of the raw row, and the rows here keep it */
        int32_t i = r->order[at];
        if (!(r->l[i] > -INFINITY)) continue;
        if (n > 0) {
            double t = log((n + 1.0) / n);
            tb += t * (before - r->l[i]), tt += t * t;
        }
        before = r->l[i];
        n++;
    }
    double s = tb / tt, e = s - 1;
    if (n < 2 || !(s > 0)) return;
    double k = pow((fabs(e) < 1e-9 ? 1 / log(r->n) : e / (1 - pow(r->n, -e))) * pow(2, 2 * r->v[0]), 1 / s);
    if (!(k < r->alive + 1.0)) return;
    near(r, (k - round(k)) / fmax(1, k));
    int32_t most = k < 1 ? 1 : (int32_t)k, kept = 0;
    for (int32_t at = 0; at < r->n; at++) {
        int32_t i = r->order[at];
        if (!(r->l[i] > -INFINITY)) continue;
        if (kept++ >= most) r->l[i] = -INFINITY;
    }
}
static void adaptive_text(row *r, char *out, size_t size) {
    r->v[0] = between(r, 0, 1), r->v[1] = between(r, 0.05, 1);
    snprintf(out, size, "adaptive_p=%.17g,0.9,%.17g", r->v[0], r->v[1]);
}
static void adaptive(row *r) {
    measure(r);
    for (int32_t i = 0; i < r->n; i++) {
        double d = fabs(r->p[i] - r->v[0]) / r->v[1];
        if (r->l[i] > -INFINITY) r->l[i] = 5 - 10 * d * d / (1 + d);
    }
}
static void skew_text(row *r, char *out, size_t size) {
    r->v[0] = between(r, -1, 1);
    snprintf(out, size, "skew=%.17g", r->v[0]);
}
static void skew(row *r) {
    double a = exp(r->v[0]), sum = 0, rest = 0;
    measure(r);
    if (r->alive < 2) return;
    for (int32_t i = r->n; i-- > 0;) rest += r->p[i]; /* near 1; C_i = sum / rest keeps the small ones exact */
    for (int32_t i = 0; i < r->n; i++) {
        double before = sum;
        sum += r->p[i];
        /* C_i^a - C_i-1^a = C_i^a (1 - e^(a ln(C_i-1 / C_i))) */
        r->l[i] = r->p[i] > 0 ? a * log(sum / rest) + log(-expm1(a * (before > 0 ? log1p(-r->p[i] / sum) : -INFINITY))) : -INFINITY;
    }
}

static const struct kind {
    const char *name;
    void (*text)(row *r, char *out, size_t size);
    void (*define)(row *r);
    bool shapes;   /* probabilities, not logits, can be compared: tiny ones are known to a part of the whole */
} kinds[] = {{"logit_bias", bias_text, bias, false},         {"allowed_tokens", list_text, allowed, false},
             {"banned_tokens", banned_text, banned, false},  {"penalties", penalties_text, penalties, false},
             {"no_repeat_ngram", ngram_text, ngram, false},  {"dry", dry_text, dry, false},
             {"cosine_penalty", cosine_text, cosine_penalty, false}, {"length_decay", decay_text, length_decay, false},
             {"min_length", min_text, min_length, false},    {"forced_tokens", forced_text, forced_tokens, false},
             {"forced_eos", eos_text, forced_eos, false},    {"smoothing", smoothing_text, smoothing, false},
             {"temperature", dynamic_text, dynamic, false},  {"xtc", xtc_text, xtc, false},
             {"mirostat", mirostat_text, mirostat, false},   {"adaptive_p", adaptive_text, adaptive, false},
             {"skew", skew_text, skew, true}};
enum { N_KINDS = sizeof kinds / sizeof *kinds };
/* Those of test_samplers_oracle.c and of the table in test_samplers_filters.c. */
static const char *const elsewhere[] = {"top_k", "top_p", "min_p", "top_a", "epsilon_cutoff", "eta_cutoff", "top_n_sigma",
                                        "tail_free", "top_h", "typical_p"};

/* === What the chain made of it */

typedef struct spy {
    sampler base;
    double *l; /* (V) over the temperature, -inf = gone */
    int32_t n;
} spy;
static glimpse_status spy_apply(sampler *s, candidates *c) {
    spy *y = (spy *)s;
    double t = c->temperature > 0 ? c->temperature : 1;
    for (int32_t i = 0; i < c->vocab; i++) y->l[i] = -INFINITY;
    y->n = 0;
    for (int32_t i = 0; i < c->n; i++) {
        if (!(c->l[i] > -INFINITY)) continue;
        y->l[candidates_id(c, i)] = (double)c->l[i] / t;
        y->n++;
    }
    return GLIMPSE_OK;
}
static void spy_free(sampler *s) { (void)s; }
static const sampler_ops spy_ops = {"spy", NULL, spy_apply, NULL, NULL, spy_free, NULL};

static void random_row(row *r, int kind) {
    r->n = (int32_t)exp(log(2) + oracle_uniform(&r->rng) * (log(V_MOST) - log(2)));
    double scale = exp(oracle_uniform(&r->rng) * 4 - 1.5), shift = oracle_normal(&r->rng) * 20;
    for (int32_t i = 0; i < r->n; i++) {
        r->raw[i] = (float)(shift + scale * oracle_normal(&r->rng));
        if (kind == 1) r->raw[i] = roundf(r->raw[i]);
        if (kind == 2 && oracle_random(&r->rng) % 2) r->raw[i] = -INFINITY;
        if (kind == 3) r->raw[i] = (float)((double)i * -1e-42); /* denormals */
        if (kind == 4) r->raw[i] = i == r->n / 2 ? 0.0f : -100.0f;
        if (kind == 5) r->raw[i] = (float)(scale * 3 * -log(1 + (double)i));
        if (kind == 6 && i % 1000 == 7) r->raw[i] = 1e3f;
        if (kind == 7 && i != r->n / 3) r->raw[i] = -INFINITY; /* one is left */
    }
    if (kind == 2) r->raw[r->n / 2] = 0;
    for (int k = 0; k < SOME; k++) r->some[k] = random_id(r);
    for (int k = 0; k < N_PAST; k++) r->past[k] = r->some[oracle_random(&r->rng) % SOME];
    r->eos = oracle_random(&r->rng) % 2 ? r->some[1] : random_id(r);
}

typedef struct key { float l; int32_t id; } key;
static int falling(const void *a, const void *b) {
    const key *x = a, *y = b;
    if (x->l != y->l) return x->l < y->l ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

static chain *open_row(row *r, const char *order, spy *y) {
    char breaker[32];
    snprintf(breaker, sizeof breaker, "IDS:%d", r->some[0]);
    sampler_flag flag = {"dry_breakers", breaker};
    sampler_settings s = SAMPLER_SETTINGS_INIT;
    sampler_context x = SAMPLER_CONTEXT_INIT;
    chain *c = NULL;
    s.order = order;
    x.flags = &flag;
    x.n_flags = strstr(order, "dry") ? 1 : 0;
    x.eos = r->eos;
    x.max_tokens = N_OUTPUT + 1;
    x.cosines = cosines;
    x.user = &r->n;
    if (!EXPECT_OK(chain_open_in(&s, &x, r->n, &c))) return NULL;
    EXPECT_OK(chain_append(c, &y->base));
    for (int i = 0; i < N_PAST; i++) {
        if (i < N_PROMPT) chain_accept_prompt(c, r->past[i]);
        else chain_accept(c, r->past[i]);
    }
    return c;
}

/* Where they differ: an id, -1 = nowhere. */
static int32_t difference(row *r, const struct kind *k, const spy *y, const double *before) {
    double top = -INFINITY, ours = -INFINITY;
    for (int32_t i = 0; i < r->n; i++) {
        if ((r->l[i] > -INFINITY) != (y->l[i] > -INFINITY) && !(k->shapes && fmax(r->p[i], 0) < 1e-300)) return i;
        top = fmax(top, r->l[i]), ours = fmax(ours, y->l[i]);
    }
    for (int32_t i = 0; i < r->n; i++) {
        if (!(r->l[i] > -INFINITY) || !(y->l[i] > -INFINITY)) continue;
        double a = r->l[i] - top, b = y->l[i] - ours, size = 1 + fmax(fabs(top), fabs(r->l[i])), tolerance;
        if (before[i] > -INFINITY) size += fabs(before[i]);
        tolerance = 1e-6 * size * (k->define == smoothing ? 1 + 4 * (fabs(a) + sqrt(fabs(a))) : 1);
        if (k->shapes ? !(fabs(exp(a) - exp(b)) <= 2e-5) : !(fabs(a - b) <= tolerance)) return i;
    }
    return -1;
}

static void against_definitions(int first, int last, uint64_t seed, int rows) {
    row r = {.rng = seed, .l = malloc(V_MOST * sizeof(double)), .p = malloc(V_MOST * sizeof(double)),
             .raw = malloc(V_MOST * sizeof(float)), .order = malloc(V_MOST * sizeof(int32_t))};
    double *before = malloc(V_MOST * sizeof *before);
    key *sorted = malloc(V_MOST * sizeof *sorted);
    spy y = {{&spy_ops}, malloc(V_MOST * sizeof(double)), 0};
    int skipped[N_KINDS] = {0}, acted[N_KINDS] = {0}, wrong = 0;
    REQUIRE(r.l && r.p && r.raw && r.order && before && sorted && y.l);
    for (int at = 0; at < rows && wrong < 20; at++) {
        random_row(&r, at % 9);
        for (int32_t i = 0; i < r.n; i++) sorted[i] = (key){r.raw[i], i};
        qsort(sorted, (size_t)r.n, sizeof *sorted, falling);
        for (int32_t i = 0; i < r.n; i++) r.order[i] = sorted[i].id;
        for (int k = first; k < last; k++) {
            char order[400], text[300];
            double t = at % 3 ? between(&r, 0.4, 2) : 1;
            int32_t cut = at % 4 == 3 ? 1 + (int32_t)exp(oracle_uniform(&r.rng) * log(r.n)) : r.n;
            for (int32_t i = 0; i < r.n; i++) r.l[i] = (double)r.raw[i] / t;
            for (int32_t i = cut; i < r.n; i++) r.l[r.order[i]] = -INFINITY;
            for (int32_t i = 0; i < r.n; i++) before[i] = r.l[i];
            kinds[k].text(&r, text, sizeof text);
            snprintf(order, sizeof order, "temperature=%.17g;top_k=%d;%s", t, cut, text);
            chain *c = open_row(&r, order, &y);
            if (!c) break;
            r.margin = INFINITY;
            kinds[k].define(&r);
            glimpse_token token;
            EXPECT_OK(chain_draw(c, r.raw, &(draw_key){1, 0}, 0, 0, &token, NULL));
            EXPECT_EQ(token.kept, y.n);
            int32_t where = difference(&r, &kinds[k], &y, before), moved = 0;
            for (int32_t i = 0; i < r.n && !moved; i++) moved = r.l[i] != before[i];
            acted[k] += moved;
            if (where >= 0 && r.margin < 1e-5) skipped[k]++;
            else if (where >= 0) {
                wrong++;
                EXPECT(!"as the definition says");
                printf("row %d, V %d, %.200s: id %d is %.9g, not %.9g (it was %.9g); margin %g\n", at, r.n, order, where, y.l[where],
                       r.l[where], before[where], r.margin);
            }
            chain_close(c);
        }
    }
    for (int k = first; k < last; k++) {
        EXPECT_LE(skipped[k], rows / 20);
        EXPECT_LE(rows / 4, acted[k]);
        printf("%s: %d rows, %d acted on, %d on an edge\n", kinds[k].name, rows, acted[k], skipped[k]);
    }
    free(r.l), free(r.p), free(r.raw), free(r.order), free(before), free(sorted), free(y.l);
}

static int row_count(void) { return test_is_full() ? 10000 : test_is_slow_build() ? 90 : 1000; }
TEST_LIMIT(samplers_rows_of_lists, 400) { against_definitions(0, 6, 51, row_count()); }
TEST_LIMIT(samplers_rows_of_lengths, 400) { against_definitions(6, 11, 52, row_count()); }
TEST_LIMIT(samplers_rows_of_shapes, 400) { against_definitions(11, N_KINDS, 53, row_count()); }

TEST(samplers_rows_of_every_kind) {
    for (int i = 0; i < sampler_kind_count; i++) {
        const char *name = sampler_kinds[i]->ops.name;
        bool seen = false;
        for (int k = 0; k < N_KINDS && !seen; k++) seen = !strcmp(kinds[k].name, name);
        for (size_t k = 0; k < sizeof elsewhere / sizeof *elsewhere && !seen; k++) seen = !strcmp(elsewhere[k], name);
        if (!EXPECT(seen)) printf("%s has no definition that rows are compared with\n", name);
    }
}
