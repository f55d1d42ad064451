/* score_file.c -- `glimpse score`: how likely the model finds a given text, token by token, or the answers to a file of
 * requests.
 *
 * A text (--prompt TEXT, FILE:path, IDS:1,2 or -) is read in the windows of lm-evaluation-harness's rolling log-likelihood
 * (score_batch.h): every token scored once, the first after BOS or EOS.
 *
 * Requests are JSON lines, answered in order, a line each, with the request's "id" if it has one:
 *   {"context": C, "continuation": X}      {"logprob": -3.25, "greedy": false, "tokens": 2}   by the harness's token rules
 *   {"text": T}                            {"logprob": .., "tokens": ..}                      rolling
 *   {"context": C, "until": [..], "max_gen_toks": N}   {"text": ".."}                         greedy, cut before `until`
 * Called by session_api.c; examples/lm_eval_glimpse.py is written on it. */
#include "hooks/npy_out.h"
#include "hooks/prompts.h"
#include "hooks/session_state.h"
#include "hooks/text_out.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "sampling/generator.h"
#include "sampling/pieces_text.h"
#include "viz/text.h"
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_TEXT ((size_t)256 << 20)

/* --- requests ------------------------------------------------------------------------------------------------------- */

typedef enum ask { ASK_PAIR, ASK_ROLLING, ASK_GENERATE } ask;
typedef struct asked {
    ask kind;
    int32_t first, n; /* its requests */
    int32_t tokens;
} asked;

static glimpse_status add_request(session *s, const json_lines *l, int32_t i, rolling_windows *w, asked *a) {
    const json_node *root = l->lines[i].tree.nodes;
    text context, continuation;
    int32_t prefix = task_prefix_id(s->m, s->t);
    a->first = (int32_t)(w->requests.n / sizeof(score_request));
    a->kind = json_get(root, "until") ? ASK_GENERATE : json_get(root, "continuation") ? ASK_PAIR : ASK_ROLLING;
    if (a->kind == ASK_GENERATE) return GLIMPSE_OK;
    if (a->kind == ASK_ROLLING) {
        buffer ids = {0};
        if (!json_get(root, "text"))
            return json_line_fail(l, i, "neither \"context\" and \"continuation\", nor \"text\", nor \"context\" and \"until\"");
        TRY(json_line_text(l, i, root, "text", &context));
        glimpse_status st = task_encode(s->t, context, &ids);
        if (st >= 0 && prefix < 0) st = status_fail(GLIMPSE_E_TOKENIZER, __FILE__, __LINE__, "a whole text needs a BOS or EOS "
                                                    "token before it, and there is none");
        a->tokens = (int32_t)(ids.n / sizeof(int32_t));
        if (st >= 0) st = rolling_add(w, (const int32_t *)(const void *)ids.bytes, ids.n / sizeof(int32_t), prefix,
                                      s->m->d.max_seq_len, &a->n);
        buf_free(&ids);
        return st;
    }
    int32_t n_context, n;
    TRY(json_line_text(l, i, root, "context", &context));
    TRY(json_line_text(l, i, root, "continuation", &continuation));
    TRY(task_encode_pair(s->m, s->t, context, continuation, &w->ids, &n_context, &n));
    if (n <= n_context || n - n_context > s->m->d.max_seq_len)
        return json_line_fail(l, i, "a continuation of %d tokens; the model's context holds %d", n - n_context, s->m->d.max_seq_len);
    score_request rq = { .n = n, .n_scored = n - n_context };
    buf_put(&w->requests, &rq, sizeof rq);
    a->n = 1;
    a->tokens = rq.n_scored;
    return GLIMPSE_OK;
}

/* Greedy text after the context, up to the first of `until`; the context keeps its end. */
static glimpse_status generate_one(session *s, const json_lines *l, int32_t i, buffer *out) {
    glimpse_status st = GLIMPSE_OK;
    const json_node *root = l->lines[i].tree.nodes, *until = json_get(root, "until"), *most = json_get(root, "max_gen_toks");
    int64_t max_tokens = 256;
    const char *stops[64];
    int n_stops = 0;
    text context;
    buffer ids = {0}, names[64] = {{0}};
    batch_result batch = {0};
    if (until->kind != JSON_ARRAY) return json_line_fail(l, i, "\"until\" is no list of texts");
    if (most && (!json_i64(most, &max_tokens) || max_tokens < 1 || max_tokens >= s->m->d.max_seq_len))
        return json_line_fail(l, i, "\"max_gen_toks\" is no number from 1 to %d", s->m->d.max_seq_len - 1);
    if (max_tokens >= s->m->d.max_seq_len) max_tokens = s->m->d.max_seq_len / 2;
    TRY(json_line_text(l, i, root, "context", &context));
    for (const json_node *u = json_first(until); u && n_stops < 64; u = json_next(until, u)) {
        if (u->kind != JSON_STRING || !u->n || memchr(u->text, 0, u->n)) continue;
        buf_put(&names[n_stops], u->text, u->n);
        stops[n_stops] = buf_str(&names[n_stops]);
        n_stops++;
    }
    TRY_GOTO(task_encode(s->t, context, &ids));
    int32_t prefix = task_prefix_id(s->m, s->t);
    if (!ids.n && prefix >= 0) buf_put(&ids, &prefix, sizeof prefix);
    if (buf_failed(&ids) || !ids.n) FAIL_GOTO(GLIMPSE_E_TOKENIZER, "%s:%lld: an empty context, and no BOS", l->path, (long long)l->lines[i].number);
    int32_t n = (int32_t)(ids.n / sizeof(int32_t)), room = s->m->d.max_seq_len - (int32_t)max_tokens, cut = n > room ? n - room : 0;
    batch_prompt prompt = { context.s, context.n, (const int32_t *)(const void *)ids.bytes + cut, n - cut };
    sampler_settings greedy = { .temperature = 0, .top_p = 1, .repetition_penalty = 1 };
    const char *label = "greedy";
    batch_request rq = { .prompts = &prompt, .n_prompts = 1, .settings = &greedy, .labels = &label, .n_settings = 1, .num_samples = 1,
                         .max_tokens = (int32_t)max_tokens, .stops = stops, .n_stops = n_stops };
    TRY_GOTO(generate_batch(s->g, &rq, &batch));
    buf_puts(out, "\"text\": ");
    buf_json_string(out, batch.samples[0].text, batch.samples[0].text_bytes);
out:
    for (int k = 0; k < n_stops; k++) buf_free(&names[k]);
    batch_result_free(&batch);
    buf_free(&ids);
    return st;
}

static void watch(void *user, int64_t done, int64_t total) {
    const session *s = user;
    char line[80];
    c_snprintf(line, sizeof line, "  %lld of %lld token%s", (long long)done, (long long)total, total == 1 ? "" : "s");
    s->host.progress(s->host.user, line);
}

static glimpse_status write_answer(session *s, const json_lines *l, int32_t i, const asked *a, const score_answer *answers, buffer *out) {
    const json_node *id = json_get(l->lines[i].tree.nodes, "id");
    buf_putc(out, '{');
    if (id) {
        buf_puts(out, "\"id\": ");
        json_dump(id, 0, out);
        buf_puts(out, ", ");
    }
    if (a->kind == ASK_GENERATE) TRY(generate_one(s, l, i, out));
    else {
        double sum = 0;
        for (int32_t k = 0; k < a->n; k++) sum += answers[a->first + k].logprob;
        buf_puts(out, "\"logprob\": ");
        if (isfinite(sum)) buf_g(out, sum, 17);
        else buf_puts(out, "null");
        if (a->kind == ASK_PAIR) buf_printf(out, ", \"greedy\": %s", answers[a->first].greedy ? "true" : "false");
        buf_printf(out, ", \"tokens\": %d", a->tokens);
    }
    buf_puts(out, "}\n");
    return GLIMPSE_OK;
}

static glimpse_status put_out(session *s, buffer *b) {
    if (buf_failed(b)) FAIL(GLIMPSE_E_MEMORY, "no memory for the answers");
    if (s->host.out && b->n && s->host.out(s->host.user, b->bytes, b->n)) FAIL(GLIMPSE_E_IO, "the answers cannot be written");
    buf_clear(b);
    return GLIMPSE_OK;
}

static glimpse_status answer_requests(session *s, const char *path) {
    glimpse_status st = GLIMPSE_OK;
    json_lines l = { .path = NULL };
    rolling_windows w = {{0}, {0}};
    asked *as = NULL;
    score_answer *answers = NULL;
    buffer out = {0};
    int32_t n;
    if (strcmp(path, "-") && !path_exists(path)) FAIL_GOTO(GLIMPSE_E_IO, "--requests: there is no %s", path);
    TRY_GOTO(json_lines_read(path, &l));
    as = calloc((size_t)l.n, sizeof *as);
    if (!as) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for %d requests", l.n);
    for (int32_t i = 0; i < l.n; i++) {
        glimpse_status added = add_request(s, &l, i, &w, &as[i]);
        if (added < 0 && added != GLIMPSE_E_FORMAT) HINT("%s:%lld", path, (long long)l.lines[i].number);
        TRY_GOTO(added);
    }
    if (w.ids.failed || w.requests.failed) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for %d requests", l.n);
    const score_request *requests = rolling_finish(&w, &n);
    answers = malloc(((size_t)n + 1) * sizeof *answers);
    if (!answers) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for %d requests", n);
    score_config cfg = { .batch_size = (int32_t)opt_int(s->o, OPT_batch_size), .progress = s->host.progress ? watch : NULL, .user = s };
    TRY_GOTO(score_requests(s->g, requests, n, &cfg, answers));
    if (s->host.progress) s->host.progress(s->host.user, NULL);
    for (int32_t i = 0; i < l.n; i++) {
        TRY_GOTO(write_answer(s, &l, i, &as[i], answers, &out));
        if (out.n > 65536) TRY_GOTO(put_out(s, &out));
    }
    TRY_GOTO(put_out(s, &out));
out:
    json_lines_free(&l);
    rolling_free(&w);
    free(as);
    free(answers);
    buf_free(&out);
    return st;
}

/* --- a text ----------------------------------------------------------------------------------------------------------- */

static glimpse_status text_to_score(const session *s, buffer *ids) {
    glimpse_status st = GLIMPSE_OK;
    const char *spec = opt_str(s->o, OPT_sample_start_tokens);
    buffer t = {0};
    if (!strncmp(spec, "IDS:", 4)) {
        for (const char *p = spec + 4; *p;) {
            size_t n = strcspn(p, ", ");
            int64_t id;
            if (n && (!parse_i64(p, n, &id) || id < 0 || id >= s->m->d.vocab_size))
                FAIL_GOTO(GLIMPSE_E_INVALID, "\"%.*s\" is no id of the model's 0 .. %d", (int)(n < 40 ? n : 40), p, s->m->d.vocab_size - 1);
            int32_t small = n ? (int32_t)id : 0;
            if (n) buf_put(ids, &small, sizeof small);
            p += n + (p[n] != 0);
        }
        return GLIMPSE_OK;
    }
    if (!s->t) FAIL_GOTO(GLIMPSE_E_TOKENIZER, "without a tokenizer no text can be scored\nhint: --tokenizer FILE, or IDS:1,2,3");
    if (!strncmp(spec, "FILE:", 5)) TRY_GOTO(status_prefix(file_read_all(spec + 5, MOST_TEXT, &t), "--prompt"));
    else if (!strcmp(spec, "-")) TRY_GOTO(file_read_fd(STDIN_FILENO, "standard input", MOST_TEXT, &t));
    else if (opt_bool(s->o, OPT_escapes)) TRY_GOTO(unescape(spec, strlen(spec), &t));
    else buf_puts(&t, spec);
    st = task_encode(s->t, (text){ buf_str(&t), t.n }, ids);
    if (st == GLIMPSE_E_TOKENIZER) HINT("--prompt gives another text, or ids: --prompt IDS:464,290");
out:
    buf_free(&t);
    return st;
}

/* How wide the column of tokens is: what a terminal has left, so that the ids stand beside them. */
static size_t token_column(const view_style *style) {
    int left = style->width - 38 - 2 - 6; /* the numbers before it; the id */
    return left >= 24 ? 24 : left < 5 ? 5 : (size_t)left;
}

/* Of a number that has RECORD_DIGITS digits, none that it lacks: the points stand below each other. */
static void put_nats(buffer *out, int width, float x) {
    int behind = RECORD_DIGITS - 1;
    for (float most = 9.99995f; behind > 0 && fabsf(x) >= most; most *= 10) behind--;
    int blanks = RECORD_DIGITS - 1 - behind;
    buf_printf(out, "%*.*f%*s", width - blanks, behind, (double)x, blanks, "");
}

static void put_token(session *s, const glimpse_token *t, const char *piece, size_t n, const view_style *style, buffer *out) {
    double p = exp((double)t->logprob);
    if (opt_bool(s->o, OPT_json)) {
        buf_printf(out, "{\"id\": %d, \"text\": ", t->id);
        buf_json_string(out, piece, n);
        buf_puts(out, ", \"logprob\": ");
        buf_g(out, (double)t->logprob, RECORD_DIGITS);
        buf_printf(out, ", \"rank\": %d, \"entropy\": ", t->rank);
        buf_g(out, (double)t->entropy, RECORD_DIGITS);
        buf_puts(out, ", \"left\": ");
        buf_g(out, (double)t->left, RECORD_DIGITS);
        buf_puts(out, "}\n");
        return;
    }
    buffer shown = {0};
    text_visible(&shown, piece, n, n);
    size_t width = text_width(buf_str(&shown), shown.n);
    put_nats(out, 9, t->logprob);
    buf_printf(out, " %8.5f %8d ", p, t->rank);
    put_nats(out, 8, t->entropy);
    buf_puts(out, "  ");
    char sgr[64];
    text_sgr((paint){PAINT_GROUND, style->colors, (float)p}, style->depth, sgr);
    if (*sgr) buf_printf(out, "\x1b[%sm", sgr);
    buf_put(out, shown.bytes, shown.n);
    if (*sgr) buf_puts(out, "\x1b[0m");
    size_t column = token_column(style);
    if (width < column) buf_fill(out, ' ', column - width);
    buf_printf(out, "  %d\n", t->id);
    out->failed |= shown.failed;
    buf_free(&shown);
}

typedef struct logits_out {
    npy_out npy;
    const char *path; /* NULL = nobody asked */
    int64_t vocab;
    int32_t from;     /* the first row of this window that counts */
} logits_out;

static glimpse_status put_logits(void *user, int32_t pos, const float *logits) {
    const logits_out *f = user;
    return pos < f->from ? GLIMPSE_OK : npy_row(&f->npy, logits, f->vocab);
}

/* How the text runs with --colorize_output: each token in the colour of its probability, a character that tokens share when it is whole. */
typedef struct running_text {
    bool on;
    view_style style;
    color_scale scale;
    buffer held;
} running_text;

static void running_begin(session *s, const view_style *out, running_text *t) {
    t->on = opt_bool(s->o, OPT_colorize_output) && !opt_bool(s->o, OPT_json);
    if (!t->on) return;
    t->style = *out;
    if (!opt_is_set(s->o, OPT_colorize_mode)) t->style.mode = COLOR_SOFTMAX;
    const int32_t vocab = s->m->d.vocab_size; /* no top_k: a rank may be any */
    t->scale = view_stream_scale(&t->style, vocab, vocab);
    if (out->depth != DEPTH_NONE && !opt_bool(s->o, OPT_quiet)) text_out_legend(s, t->style.mode, vocab, GLIMPSE_STOP_SCORED);
}

/* The sum of it, and what the first token stood behind, which is not in the table. */
static glimpse_status say_score(session *s, int32_t prefix, int64_t count, double sum) {
    buffer behind = {0}, piece = {0};
    if (prefix < 0) buf_puts(&behind, "the model has no BOS or EOS: the first token is given, not scored");
    else {
        const char *name = prefix == s->m->d.bos || (s->t && prefix == s->t->bos) ? "BOS" : "EOS";
        buf_puts(&behind, "the first behind ");
        if (s->t && piece_text(s->t, prefix, &piece) >= 0 && piece.n) {
            text_visible(&behind, piece.bytes, piece.n, piece.n);
            buf_putc(&behind, ' ');
        }
        buf_printf(&behind, "(%s, id %d)", name, prefix);
    }
    bool failed = buf_failed(&behind);
    if (!failed)
        session_log(s, "glimpse: %lld token%s, %.4f nats a token, perplexity %.4g; %s", (long long)count, count == 1 ? "" : "s",
                    -sum / (double)count, exp(-sum / (double)count), buf_str(&behind));
    buf_free(&behind);
    buf_free(&piece);
    if (failed) FAIL(GLIMPSE_E_MEMORY, "no memory for the name of a token");
    return GLIMPSE_OK;
}

static glimpse_status score_text(session *s) {
    glimpse_status st = GLIMPSE_OK;
    buffer ids = {0}, out = {0}, piece = {0};
    rolling_windows w = {{0}, {0}};
    logits_out f = { .npy = { .fd = -1 }, .path = opt_str(s->o, OPT_logits_out), .vocab = s->m->d.vocab_size };
    view_style style = session_terminal_style(s, true);
    running_text running = { .on = false };
    int32_t n, prefix = task_prefix_id(s->m, s->t);
    double sum = 0;
    int64_t count = 0;
    TRY_GOTO(text_to_score(s, &ids));
    size_t n_ids = ids.n / sizeof(int32_t);
    const int32_t *id = (const int32_t *)(const void *)ids.bytes;
    if (buf_failed(&ids)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the text");
    bool given = prefix < 0; /* without BOS or EOS the first token is given and not scored */
    if (n_ids < 1 + (size_t)given) FAIL_GOTO(GLIMPSE_E_INVALID, "there is no token to score\nhint: --prompt TEXT, FILE:path, or --requests FILE");
    TRY_GOTO(rolling_add(&w, id + given, n_ids - given, given ? id[0] : prefix, s->m->d.max_seq_len - 1, &n)); /* score_ids also runs the last id */
    const score_request *r = rolling_finish(&w, &n);
    if (f.path) TRY_GOTO(npy_open(&f.npy, f.path, (int64_t)(n_ids - given), f.vocab));
    running_begin(s, &style, &running);
    if (running.on && given) {
        TRY_GOTO(piece_text(s->t, id[0], &piece));
        TRY_GOTO(view_stream_token(NULL, NULL, buf_str(&piece), piece.n, &running.style, &running.held, &out));
    } else if (!running.on && !opt_bool(s->o, OPT_json)) {
        buf_puts(&out, "     ln p        p     rank  entropy  token");
        buf_fill(&out, ' ', token_column(&style) - 5 + 2);
        buf_puts(&out, "id\n");
    }
    for (int32_t k = 0; k < n; k++) {
        batch_result b = {0};
        TRY_GOTO(score_ids(s->g, r[k].ids, r[k].n, 1, &b));
        const glimpse_sample *x = &b.samples[0];
        for (int32_t i = x->n_tokens - r[k].n_scored; i < x->n_tokens && st >= 0; i++) {
            buf_clear(&piece);
            st = piece_text(s->t, x->tokens[i].id, &piece);
            if (!running.on) put_token(s, &x->tokens[i], buf_str(&piece), piece.n, &style, &out);
            else if (st >= 0)
                st = view_stream_token(&running.scale, &x->tokens[i], buf_str(&piece), piece.n, &running.style, &running.held, &out);
            sum += (double)x->tokens[i].logprob;
            count++;
        }
        batch_result_free(&b);
        if (st < 0) goto out;
        f.from = r[k].n - 1 - r[k].n_scored;
        if (f.path) TRY_GOTO(score_each_row(s->g, r[k].ids, r[k].n - 1, put_logits, &f));
        TRY_GOTO(put_out(s, &out));
    }
    if (running.on) {
        TRY_GOTO(view_stream_token(NULL, NULL, NULL, 0, &running.style, &running.held, &out));
        buf_putc(&out, '\n');
        TRY_GOTO(put_out(s, &out));
    }
    if (f.path) TRY_GOTO(npy_finish(&f.npy));
    if (!opt_bool(s->o, OPT_quiet)) TRY_GOTO(say_score(s, prefix, count, sum));
out:
    npy_close(&f.npy);
    rolling_free(&w);
    buf_free(&running.held);
    buf_free(&ids);
    buf_free(&out);
    buf_free(&piece);
    return st;
}

glimpse_status session_score_file(const options *o, const session_host *host) {
    glimpse_status st = GLIMPSE_OK;
    char *checkpoint = NULL;
    session *s = NULL;
    const char *requests = opt_str(o, OPT_requests);
    if (!requests && !opt_is_set(o, OPT_sample_start_tokens))
        FAIL(GLIMPSE_E_INVALID, "no text is given to score\nhint: --prompt TEXT, --prompt FILE:path, --prompt -, or --requests FILE");
    if (requests && opt_level_of(o, OPT_sample_start_tokens) == OPT_LEVEL_FLAG)
        FAIL(GLIMPSE_E_INVALID, "--requests and --prompt: `glimpse score` takes one of them");
    if (requests && opt_has(o, OPT_logits_out)) FAIL(GLIMPSE_E_INVALID, "--logits_out is for a text, and there are --requests");
    if (opt_count(o, OPT_sample_start_tokens) > 1) FAIL(GLIMPSE_E_INVALID, "--prompt is given several times: `glimpse score` takes one text");
    if (opt_has(o, OPT_logits_out)) TRY_GOTO(npy_may_write("--logits_out", opt_str(o, OPT_logits_out)));
    TRY_GOTO(offline_open(o, host, &checkpoint, &s));
    offline_say_checkpoint(s, checkpoint);
    if (requests && !s->t) FAIL_GOTO(GLIMPSE_E_TOKENIZER, "without a tokenizer no request can be scored\nhint: --tokenizer FILE");
    TRY_GOTO(requests ? answer_requests(s, requests) : score_text(s));
out:
    if (s) session_close(s);
    free(checkpoint);
    return st;
}
