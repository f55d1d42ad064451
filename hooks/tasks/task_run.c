/* task_run.c -- see task_run.h. */
#include "hooks/tasks/task_run.h"

#include "hooks/tasks/python_random.h"
#include "include/internal/status.h"
#include "include/internal/threads.h"
#include "sampling/generator.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- tokens ------------------------------------------------------------------------------------------------------- */

int32_t task_prefix_id(const model *m, const tokenizer *t) {
    int32_t of[] = { t ? t->bos : -1, m->d.bos, t ? t->eos : -1, m->d.eos };
    for (int i = 0; i < 4; i++)
        if (of[i] >= 0 && of[i] < m->d.vocab_size) return of[i];
    return -1;
}

glimpse_status task_encode(const model *m, tokenizer *t, text s, buffer *ids) {
    (void)m;
    buffer own = {0}; /* tokenizer_encode_prompt puts its prefix before an empty list alone */
    glimpse_status st = tokenizer_encode_prompt(t, s.s, s.n, &own);
    if (st >= 0) buf_put(ids, own.bytes, own.n);
    ids->failed |= own.failed;
    buf_free(&own);
    return st;
}

glimpse_status task_encode_pair(const model *m, tokenizer *t, text context, text continuation, buffer *ids,
                                int32_t *n_context, int32_t *n) {
    glimpse_status st = GLIMPSE_OK;
    buffer whole = {0}, before = {0}, both = {0};
    size_t from = ids->n;
    if (!context.n) {
        int32_t prefix = task_prefix_id(m, t);
        TRY_GOTO(tokenizer_encode(t, continuation.s, continuation.n, &whole));
        const int32_t *first = (const int32_t *)(const void *)whole.bytes;
        if (prefix < 0 && whole.n) FAIL_GOTO(GLIMPSE_E_TOKENIZER, "an empty context needs a BOS or EOS token, and there is none");
        if (!whole.n || *first != prefix) buf_put(ids, &prefix, sizeof prefix);
        buf_put(ids, whole.bytes, whole.n);
        *n_context = 1;
    } else {
        text kept = py_rstrip(context);
        buf_put(&both, context.s, context.n);
        buf_put(&both, continuation.s, continuation.n);
        TRY_GOTO(task_encode(m, t, (text){ buf_str(&both), both.n }, &whole));
        TRY_GOTO(task_encode(m, t, kept, &before));
        buf_put(ids, before.bytes, before.n);
        if (whole.n > before.n) buf_put(ids, whole.bytes + before.n, whole.n - before.n);
        *n_context = (int32_t)(before.n / sizeof(int32_t));
    }
    if (buf_failed(ids) || both.failed || whole.failed || before.failed) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to encode a text");
    *n = (int32_t)((ids->n - from) / sizeof(int32_t));
out:
    buf_free(&whole);
    buf_free(&before);
    buf_free(&both);
    return st;
}

/* --- examples ----------------------------------------------------------------------------------------------------- */

typedef struct shots {
    json_lines own;           /* where they come from another file */
    const json_lines *lines;
    text *dump;               /* (lines->n) each document's JSON, made when it is compared */
    py_random rnd;
    uint32_t *drawn;
} shots;

static glimpse_status dump_of(shots *s, uint32_t i, arena *a, text *out) {
    if (!s->dump[i].s) {
        buffer b = {0};
        json_dump(s->lines->lines[i].tree.nodes, 0, &b);
        s->dump[i] = (text){ buf_failed(&b) ? NULL : arena_text(a, b.bytes, b.n), b.n };
        buf_free(&b);
        if (!s->dump[i].s) FAIL(GLIMPSE_E_MEMORY, "no memory for an example");
    }
    *out = s->dump[i];
    return GLIMPSE_OK;
}

/* ContextSampler.sample: n of the documents; where the document itself may be among them, one more, less itself. */
static glimpse_status draw(const task_result *r, shots *s, int32_t i, arena *a) {
    uint32_t n = (uint32_t)r->num_fewshot, all = (uint32_t)s->lines->n, kept = 0;
    if (!r->kind.leave_out) return py_random_sample(&s->rnd, all, n, s->drawn);
    TRY(py_random_sample(&s->rnd, all, n + 1, s->drawn));
    buffer b = {0};
    json_dump(r->lines.lines[i].tree.nodes, 0, &b);
    glimpse_status st = GLIMPSE_OK;
    for (uint32_t k = 0; k <= n && kept < n; k++) {
        text other;
        TRY_GOTO(dump_of(s, s->drawn[k], a, &other));
        if (other.n != b.n || memcmp(other.s, b.bytes, b.n)) s->drawn[kept++] = s->drawn[k];
    }
    if (kept < n) { /* copies of the document: again, from all the others */
        uint32_t others = 0, *pool = malloc(all * sizeof *pool);
        if (!pool) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for examples");
        for (uint32_t k = 0; k < all && st >= 0; k++) {
            text other = {0};
            st = dump_of(s, k, a, &other);
            if (st >= 0 && (other.n != b.n || memcmp(other.s, b.bytes, b.n))) pool[others++] = k;
        }
        if (st >= 0) st = py_random_sample(&s->rnd, others, n, s->drawn);
        for (uint32_t k = 0; st >= 0 && k < n; k++) s->drawn[k] = pool[s->drawn[k]];
        free(pool);
    }
out:
    buf_free(&b);
    return st;
}

static glimpse_status open_shots(const task_result *r, const task_options *o, arena *a, shots *s) {
    if (!r->num_fewshot) return GLIMPSE_OK;
    char *path = NULL;
    s->lines = &r->lines;
    if (r->kind.shots_split || r->kind.shots) {
        glimpse_status st = task_file(&r->kind, o->dir, true, &path);
        if (st < 0) {
            HINT("%d examples before each document are drawn from it (--num_fewshot 0: none)", r->num_fewshot);
            return st;
        }
        st = json_lines_read(path, &s->own);
        free(path);
        TRY(st);
        s->lines = &s->own;
    }
    if (r->num_fewshot + r->kind.leave_out > s->lines->n)
        FAIL(GLIMPSE_E_INVALID, "%s: %d examples before each document, %s has %d lines", r->kind.name, r->num_fewshot,
             s->lines->path, s->lines->n);
    s->dump = arena_alloc(a, (size_t)s->lines->n * sizeof *s->dump);
    s->drawn = arena_alloc(a, ((size_t)r->num_fewshot + 1) * sizeof *s->drawn);
    if (!s->dump || !s->drawn) FAIL(GLIMPSE_E_MEMORY, "no memory for the examples of %s", r->kind.name);
    py_random_seed(&s->rnd, (uint64_t)o->fewshot_seed);
    return GLIMPSE_OK;
}

/* --- requests ------------------------------------------------------------------------------------------------------ */

static glimpse_status keep(arena *a, buffer *b, text *out) {
    *out = (text){ buf_failed(b) ? NULL : arena_text(a, b->bytes, b->n), b->n };
    if (!out->s) FAIL(GLIMPSE_E_MEMORY, "no memory for a request");
    return GLIMPSE_OK;
}

/* Description and examples: what stands before every document's own context. */
static glimpse_status put_before(const task_result *r, shots *s, int32_t i, buffer *b) {
    const task_kind *k = &r->kind;
    buf_put(b, k->description.s, k->description.n);
    if (!r->num_fewshot) return GLIMPSE_OK;
    TRY(draw(r, s, i, r->arena));
    for (int32_t e = 0; e < r->num_fewshot; e++) {
        task_doc d = {0};
        TRY(k->read(k, s->lines, (int32_t)s->drawn[e], r->arena, &d));
        buf_put(b, d.context.s, d.context.n);
        if (d.answer.n) {
            buf_put(b, k->target_delimiter.s, k->target_delimiter.n);
            buf_put(b, d.answer.s, d.answer.n);
            buf_put(b, k->fewshot_delimiter.s, k->fewshot_delimiter.n);
        }
    }
    return GLIMPSE_OK;
}

static glimpse_status make_requests(task_result *r, shots *s, int32_t i) {
    glimpse_status st = GLIMPSE_OK;
    task_sample *x = &r->samples[i];
    const task_kind *k = &r->kind;
    buffer before = {0}, b = {0};
    x->n_requests = k->output == TASK_CHOICE ? x->doc.n_choices : 1;
    text *contexts = arena_alloc(r->arena, (size_t)x->n_requests * sizeof *contexts);
    text *continuations = arena_alloc(r->arena, (size_t)x->n_requests * sizeof *continuations);
    if (!contexts || !continuations) FAIL(GLIMPSE_E_MEMORY, "no memory for a request");
    if (k->output == TASK_ROLLING) contexts[0] = x->doc.target;
    else {
        TRY_GOTO(put_before(r, s, i, &before));
        for (int32_t c = 0; c < x->n_requests; c++) {
            if (c == 0 || x->doc.contexts) {
                text own = x->doc.contexts ? x->doc.contexts[c] : x->doc.context;
                buf_clear(&b);
                buf_put(&b, before.bytes, before.n);
                buf_put(&b, own.s, own.n);
                TRY_GOTO(keep(r->arena, &b, &contexts[c]));
            } else contexts[c] = contexts[0];
            text cont = k->output == TASK_LOGLIKELIHOOD || x->doc.contexts ? x->doc.target : x->doc.choices[c];
            buf_clear(&b);
            if (k->output == TASK_CHOICE) buf_put(&b, k->target_delimiter.s, k->target_delimiter.n);
            buf_put(&b, cont.s, cont.n);
            TRY_GOTO(keep(r->arena, &b, &continuations[c]));
        }
    }
    x->contexts = contexts;
    x->continuations = continuations;
out:
    buf_free(&before);
    buf_free(&b);
    return st;
}

typedef struct request_list {
    rolling_windows w;    /* ids and requests */
    int32_t *windows;     /* (documents) ROLLING: how many each has */
} request_list;

static glimpse_status where(const task_result *r, int32_t i, glimpse_status st) {
    if (st < 0) {
        if (st == GLIMPSE_E_TOKENIZER) HINT("--lm_eval_tasks chooses the tasks; one of your own can be of such text: `glimpse help eval`");
        if (r->lines.n) HINT("document %d of %s, line %lld", i, r->file, (long long)r->lines.lines[i].number);
        else HINT("document %d of %s", i, r->file);
    }
    return st;
}

/* Context and answers each for itself: the document becomes one of tokens. */
static glimpse_status encode_apart(task_result *r, int32_t i, tokenizer *t) {
    task_sample *x = &r->samples[i];
    glimpse_status st = GLIMPSE_OK;
    buffer ids = {0};
    int32_t *lengths = arena_alloc(r->arena, ((size_t)x->n_requests + 1) * sizeof *lengths), *kept = NULL;
    if (!lengths) FAIL(GLIMPSE_E_MEMORY, "no memory for a document");
    for (int32_t c = 0; c <= x->n_requests; c++) {
        text s = c ? x->continuations[c - 1] : x->contexts[0];
        size_t before = ids.n;
        TRY_GOTO(tokenizer_encode(t, s.s, s.n, &ids));
        lengths[c] = (int32_t)((ids.n - before) / sizeof *kept);
        if (!lengths[c]) FAIL_GOTO(GLIMPSE_E_TOKENIZER, c ? "an answer has no token" : "the context has no token");
    }
    kept = buf_failed(&ids) ? NULL : arena_alloc(r->arena, ids.n);
    if (!kept) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a document");
    memcpy(kept, ids.bytes, ids.n);
    x->doc.ids = kept;
    x->doc.n_ids = lengths;
out:
    buf_free(&ids);
    return st;
}

static glimpse_status encode_document(task_result *r, int32_t i, const model *m, tokenizer *t, request_list *q) {
    const task_sample *x = &r->samples[i];
    if (r->kind.apart && !x->doc.ids) TRY(encode_apart(r, i, t));
    if (x->doc.ids) {
        const int32_t *choice = x->doc.ids + x->doc.n_ids[0];
        for (int32_t c = 0; c < x->n_requests; choice += x->doc.n_ids[++c]) {
            score_request rq = { .n = x->doc.n_ids[0] + x->doc.n_ids[c + 1], .n_scored = x->doc.n_ids[c + 1] };
            buf_put(&q->w.ids, x->doc.ids, (size_t)x->doc.n_ids[0] * sizeof(int32_t));
            buf_put(&q->w.ids, choice, (size_t)x->doc.n_ids[c + 1] * sizeof(int32_t));
            buf_put(&q->w.requests, &rq, sizeof rq);
        }
        return GLIMPSE_OK;
    }
    if (r->kind.output == TASK_ROLLING) {
        buffer ids = {0};
        int32_t prefix = task_prefix_id(m, t);
        glimpse_status st = task_encode(m, t, x->doc.target, &ids);
        if (st >= 0 && prefix < 0) st = status_fail(GLIMPSE_E_TOKENIZER, __FILE__, __LINE__, "a whole text needs a BOS or EOS "
                                                    "token before it, and there is none");
        if (st >= 0) st = rolling_add(&q->w, (const int32_t *)(const void *)ids.bytes, ids.n / sizeof(int32_t), prefix,
                                      m->d.max_seq_len, &q->windows[i]);
        buf_free(&ids);
        return st;
    }
    for (int32_t c = 0; c < x->n_requests; c++) {
        int32_t n_context, n;
        TRY(task_encode_pair(m, t, x->contexts[c], x->continuations[c], &q->w.ids, &n_context, &n));
        if (n <= n_context)
            FAIL(GLIMPSE_E_TOKENIZER, "answer %d has no token of its own after its context", c);
        if (n - n_context > m->d.max_seq_len)
            FAIL(GLIMPSE_E_INVALID, "answer %d has %d tokens, the model's context holds %d", c, n - n_context, m->d.max_seq_len);
        score_request rq = { .n = n, .n_scored = n - n_context };
        buf_put(&q->w.requests, &rq, sizeof rq);
    }
    return GLIMPSE_OK;
}

/* --- numbers -------------------------------------------------------------------------------------------------------- */

static int32_t best_of(const task_sample *x, int how) { /* numpy.argmax: the first of equals */
    int32_t best = 0;
    double most = 0;
    for (int32_t c = 0; c < x->n_requests; c++) {
        double v = x->answers[c].logprob;
        if (x->doc.ids && how) v /= x->doc.n_ids[c + 1];
        else if (how == METRIC_ACC_NORM) v /= (double)py_len(x->doc.choices[c]);
        else if (how == METRIC_ACC_BYTES) v /= (double)x->doc.choices[c].n;
        if (!c || v > most) best = c, most = v;
    }
    return best;
}

static void measure(const task_kind *k, task_sample *x) {
    if (k->output == TASK_CHOICE) {
        x->pick = best_of(x, 0);
        x->pick_norm = best_of(x, METRIC_ACC_NORM);
        x->metric[0] = x->pick == x->doc.gold;
        x->metric[1] = x->pick_norm == x->doc.gold;
        x->metric[2] = best_of(x, METRIC_ACC_BYTES) == x->doc.gold;
        return;
    }
    double ll = x->answers[0].logprob;
    x->metric[0] = x->answers[0].greedy;
    x->metric[__builtin_ctz((unsigned)METRIC_PERPLEXITY)] = ll;
    if (k->output != TASK_ROLLING) return;
    x->words = (double)py_count_words(x->doc.page);
    x->bytes = (double)x->doc.page.n;
}

typedef struct bootstrap {
    const double *ll;
    double *out;
    int32_t n;
} bootstrap;

static void bootstrap_task(void *arg, int chunk) {
    const bootstrap *b = arg;
    py_random rnd;
    py_random_seed(&rnd, (uint64_t)chunk);
    for (int k = 0; k < 1000; k++) {
        double sum = 0;
        for (int32_t i = 0; i < b->n; i++) sum += b->ll[(int32_t)(py_random_double(&rnd) * b->n)];
        b->out[chunk * 1000 + k] = exp(-(sum / b->n));
    }
}

/* sample_stddev of exp(-mean) over resamples by random.choices, in chunks of 1000, chunk i seeded with i. */
static double bootstrap_perplexity(const double *ll, int32_t n, int32_t resamples, pool *threads) {
    int32_t chunks = resamples / 1000;
    double *x = chunks > 0 ? malloc((size_t)chunks * 1000 * sizeof *x) : NULL, mean = 0, squares = 0;
    if (!x || n < 2) {
        free(x);
        return NAN;
    }
    bootstrap b = { ll, x, n };
    pool_run(threads, bootstrap_task, &b, chunks);
    for (int32_t i = 0; i < chunks * 1000; i++) mean += x[i];
    mean /= chunks * 1000;
    for (int32_t i = 0; i < chunks * 1000; i++) squares += (x[i] - mean) * (x[i] - mean);
    free(x);
    return sqrt(squares / (chunks * 1000 - 1));
}

static glimpse_status aggregate(task_result *r, int32_t resamples, pool *threads) {
    double *ll = malloc((size_t)r->n * sizeof *ll), all = 0, words = 0, bytes = 0, chance = 0;
    if (!ll) FAIL(GLIMPSE_E_MEMORY, "no memory for the numbers of %s", r->kind.name);
    for (int32_t i = 0; i < r->n; i++) {
        const task_sample *x = &r->samples[i];
        ll[i] = x->metric[3];
        all += ll[i];
        words += x->words;
        bytes += x->bytes;
        if (x->doc.n_choices) chance += 1.0 / x->doc.n_choices / r->n;
    }
    for (int b = 0; b < METRICS; b++) {
        int bit = 1 << b;
        if (!(r->kind.metrics & bit)) continue;
        task_metric *m = &r->metrics[r->n_metrics++];
        *m = (task_metric){ bit, NAN, NAN, NAN };
        if (bit == METRIC_PERPLEXITY) {
            m->value = exp(-(all / r->n));
            m->stderr_ = bootstrap_perplexity(ll, r->n, resamples, threads);
        } else if (bit == METRIC_WORD_PERPLEXITY) m->value = exp(-(all / words));
        else if (bit == METRIC_BYTE_PERPLEXITY) m->value = exp(-(all / bytes));
        else if (bit == METRIC_BITS_PER_BYTE) m->value = -(all / bytes) / log(2);
        else {
            double sum = 0, squares = 0;
            for (int32_t i = 0; i < r->n; i++) sum += r->samples[i].metric[b];
            m->value = sum / r->n;
            for (int32_t i = 0; i < r->n; i++) squares += (r->samples[i].metric[b] - m->value) * (r->samples[i].metric[b] - m->value);
            if (r->n > 1) m->stderr_ = sqrt(squares / (r->n - 1)) / sqrt(r->n);
            if (r->kind.output == TASK_CHOICE) m->chance = chance;
        }
    }
    free(ll);
    return GLIMPSE_OK;
}

/* --- one task ------------------------------------------------------------------------------------------------------- */

typedef struct told {
    const task_options *o;
    const char *task;
} told;
static void tell(void *user, int64_t done, int64_t total) {
    const told *t = user;
    t->o->progress(t->o->user, t->task, done, total);
}

static glimpse_status read_documents(task_result *r, const task_options *o) {
    TRY(task_file(&r->kind, o->dir, false, &r->file));
    task_doc *tokens = NULL;
    if (!r->kind.apart || !task_is_tokens(r->file)) {
        TRY(json_lines_read(r->file, &r->lines));
        r->n_all = r->lines.n;
        memcpy(r->sha256, r->lines.sha256, sizeof r->sha256);
    } else TRY(task_read_llmc(r->file, r->arena, &tokens, &r->n_all, r->sha256));
    r->n = o->limit > 0 && o->limit < r->n_all ? o->limit : r->n_all;
    r->samples = arena_alloc(r->arena, (size_t)r->n * sizeof *r->samples);
    if (!r->samples) FAIL(GLIMPSE_E_MEMORY, "no memory for %d documents", r->n);
    for (int32_t i = 0; i < r->n; i++) {
        if (tokens) r->samples[i].doc = tokens[i];
        else TRY(r->kind.read(&r->kind, &r->lines, i, r->arena, &r->samples[i].doc));
        if (tokens) r->samples[i].n_requests = tokens[i].n_choices;
    }
    return GLIMPSE_OK;
}

/* The answers of each document from those of its requests. */
static glimpse_status take_answers(task_result *r, const request_list *q, const score_answer *answers) {
    int64_t bad = 0;
    for (int32_t i = 0, at = 0; i < r->n; i++) {
        task_sample *x = &r->samples[i];
        if (r->kind.output != TASK_ROLLING) {
            x->answers = answers + at;
            at += x->n_requests;
        } else {
            score_answer *sum = arena_alloc(r->arena, sizeof *sum);
            if (!sum) FAIL(GLIMPSE_E_MEMORY, "no memory for an answer");
            for (int32_t w = 0; w < q->windows[i]; w++) sum->logprob += answers[at++].logprob;
            x->answers = sum;
        }
        for (int32_t c = 0; c < x->n_requests; c++) bad += !isfinite(x->answers[c].logprob);
        measure(&r->kind, x);
    }
    if (bad) FAIL(GLIMPSE_E_NONFINITE, "%s: %lld answers are not finite: the model's logits are broken", r->kind.name, (long long)bad);
    return GLIMPSE_OK;
}

glimpse_status task_run(const task_kind *k, const task_options *o, generator *g, const model *m, tokenizer *t,
                        task_result *out) {
    glimpse_status st = GLIMPSE_OK;
    task_result r = { .kind = *k, .num_fewshot = k->output == TASK_ROLLING || k->apart ? 0 : o->num_fewshot,
                      .seed = o->fewshot_seed, .arena = arena_new() };
    request_list q = { .windows = NULL };
    shots s = { .lines = NULL };
    int32_t n;
    if (!r.arena) FAIL(GLIMPSE_E_MEMORY, "no memory for a task");
    TRY_GOTO(read_documents(&r, o));
    if (!t && r.lines.n) FAIL_GOTO(GLIMPSE_E_TOKENIZER, "%s: without a tokenizer no text can be scored\nhint: --tokenizer FILE", k->name);
    TRY_GOTO(open_shots(&r, o, r.arena, &s));
    q.windows = arena_alloc(r.arena, (size_t)r.n * sizeof *q.windows);
    if (!q.windows) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for %d documents", r.n);
    for (int32_t i = 0; i < r.n; i++) {
        if (r.lines.n) TRY_GOTO(where(&r, i, make_requests(&r, &s, i)));
        TRY_GOTO(where(&r, i, encode_document(&r, i, m, t, &q)));
    }
    if (buf_failed(&q.w.ids) || buf_failed(&q.w.requests)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the requests of %s", k->name);
    const score_request *requests = rolling_finish(&q.w, &n);
    score_answer *answers = arena_alloc(r.arena, ((size_t)n + 1) * sizeof *answers);
    if (!answers) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for %d answers", n);
    told user = { o, k->name };
    score_config cfg = { .batch_size = o->batch_size, .progress = o->progress ? tell : NULL, .user = &user };
    TRY_GOTO(score_requests(g, requests, n, &cfg, answers));
    TRY_GOTO(take_answers(&r, &q, answers));
    TRY_GOTO(aggregate(&r, o->bootstrap, g->pool));
    *out = r;
    r = (task_result){ .arena = NULL };
out:
    json_lines_free(&s.own);
    rolling_free(&q.w);
    task_result_free(&r);
    return st;
}

void task_result_free(task_result *r) {
    json_lines_free(&r->lines);
    free(r->file);
    arena_free(r->arena);
    *r = (task_result){ .arena = NULL };
}
