/* test_report.c -- the review page and metrics.csv: the data files read back by other parsers (cJSON, a base64 and a CSV
 * reader of this file), hostile texts, what an eval costs, what a crash leaves, redrawing; and the page in a browser
 * (tests/report/drive.py), where there is one. */
#include "hooks/journal.h"
#include "hooks/review.h"
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "tests/chart_record.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"
#include "viz/csv.h"
#include "viz/html.h"
#include "viz/openai.h"
#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *const hostile[] = {
    "</script><script>window.pwned=1</script>", "<img src=x onerror=window.pwned=1>", "&lt;b&gt; &amp; &#x3c;",
    "\xe2\x80\xa8 and \xe2\x80\xa9", "\xe2\x80\xae reversed \xe2\x81\xa6", "\x1b[2J\x07\x7f", "\"});window.pwned=1;({\"",
    "\\\"\\u003c", "'; DROP TABLE", "\xff\xfe\x80", "]]>-->", "${window.pwned=1}`",
};
enum { N_HOSTILE = sizeof hostile / sizeof *hostile };

static glimpse_sample *sample_of(owned_record *o) { return (glimpse_sample *)(uintptr_t)o->record.samples; }

/* The literal of "glimpse_step({...});\n"; also that it is one line that no script or page could misread. */
static cJSON *literal(const buffer *b, const char *call) {
    size_t n = strlen(call);
    if (!EXPECT(b->n > n + 4 && !strncmp(b->bytes, call, n) && !strcmp(b->bytes + b->n - 3, ");\n"))) return NULL;
    EXPECT(!memchr(b->bytes, '<', b->n));
    EXPECT(!memmem(b->bytes, b->n, "\xe2\x80\xa8", 3) && !memmem(b->bytes, b->n, "\xe2\x80\xa9", 3));
    for (size_t i = 0; i + 1 < b->n; i++)
        if ((uint8_t)b->bytes[i] < 32) return EXPECT(!"a control character"), NULL;
    const char *end = NULL;
    cJSON *j = cJSON_ParseWithLengthOpts(b->bytes + n, b->n - n, &end, 0);
    EXPECT(j && end == b->bytes + b->n - 3);
    return j;
}

TEST(report_data_is_a_script_whatever_the_text) {
    for (int i = 0; i < N_HOSTILE; i++) {
        owned_record *o = chart_record(3, 5, 5, "top_k=5");
        glimpse_sample *s = sample_of(o);
        s->text = s->prompt_text = s->samplers = s->why = hostile[i];
        s->text_bytes = s->prompt_bytes = strlen(hostile[i]);
        o->record.why = o->record.run_name = o->record.arch = hostile[i];
        buffer b = {0}, line = {0};
        EXPECT_OK(html_step(&o->record, true, &b));
        EXPECT_OK(html_index_line(&o->record, COLOR_MINMAX, &line));
        cJSON *j = literal(&b, "glimpse_step("), *k = literal(&line, "glimpse_eval(");
        const cJSON *text = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(j, "samples"), 0), "text");
        EXPECT(cJSON_IsString(text));
        if (cJSON_IsString(text) && i != 9) EXPECT_STREQ(text->valuestring, hostile[i]); /* 9 is not UTF-8 */
        EXPECT(k && cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(k, "rows")));
        cJSON_Delete(j);
        cJSON_Delete(k);
        buf_free(&b);
        buf_free(&line);
        record_free(&o->record);
    }
}

static int count_of(const char *text, const char *part) {
    int n = 0;
    for (; (text = strstr(text, part)); text++) n++;
    return n;
}

/* In one file: whatever the texts, the page has one script that runs and a block of data for the index, the probes and each eval. */
TEST(report_in_one_file_whatever_the_text) {
    buffer page = {0}, index = {0}, probes = {0};
    EXPECT_OK(html_single_begin(&page));
    for (int i = 0; i < N_HOSTILE; i++) {
        owned_record *o = chart_record(3, 5, 5, "top_k=5");
        glimpse_sample *s = sample_of(o);
        s->text = s->prompt_text = s->samplers = s->why = hostile[i];
        s->text_bytes = s->prompt_bytes = strlen(hostile[i]);
        o->record.why = o->record.run_name = o->record.arch = hostile[i];
        o->record.step = i;
        o->record.probes = o->record.samples;
        o->record.n_probes = 1;
        EXPECT_OK(html_single_step(&o->record, COLOR_MINMAX, &index, &probes, &page));
        record_free(&o->record);
    }
    EXPECT_OK(html_single_end(&index, &probes, &page));
    EXPECT_EQ(count_of(page.bytes, "<script type=\"application/json\""), N_HOSTILE + 2);
    EXPECT_EQ(count_of(page.bytes, "<script>"), 1);
    EXPECT_EQ(count_of(page.bytes, "</script>"), N_HOSTILE + 3);
    EXPECT_EQ(count_of(page.bytes, "report/glimpse"), 1); /* what <noscript> says: no other file is asked for */
    EXPECT_EQ(count_of(page.bytes, "'self'"), 0);
    for (const char *at = page.bytes; (at = strstr(at, "application/json"));) { /* every block is JSON to its end */
        const char *from = strchr(at, '>') + 1, *to = strstr(from, "</script>");
        cJSON *j = cJSON_ParseWithLength(from, (size_t)(to - from));
        if (!EXPECT(j)) break;
        cJSON_Delete(j);
        at = to;
    }
    buf_free(&page);
    buf_free(&index);
    buf_free(&probes);
}

TEST(report_in_the_fields_of_openai) {
    owned_record *o = chart_record(3, 5, 5, "top_k=5");
    buffer lines = {0};
    REQUIRE_OK(openai_lines(&o->record, &lines));
    const glimpse_sample *s = sample_of(o);
    cJSON *j = cJSON_ParseWithLength(lines.bytes, lines.n);
    REQUIRE(j && count_of(lines.bytes, "\n") == o->record.n_samples);
    const cJSON *content = cJSON_GetObjectItem(cJSON_GetObjectItem(j, "logprobs"), "content"), *t;
    EXPECT_EQ(cJSON_GetArraySize(content), s->n_tokens);
    int i = 0;
    cJSON_ArrayForEach(t, content) {
        const glimpse_token *tok = GLIMPSE_AT(s->tokens, i++);
        const glimpse_piece *p = record_piece(&o->record, tok->id);
        const cJSON *bytes = cJSON_GetObjectItem(t, "bytes"), *top = cJSON_GetObjectItem(t, "top_logprobs");
        EXPECT(fabs(cJSON_GetObjectItem(t, "logprob")->valuedouble - (double)tok->logprob) <= 1e-6 * fabs((double)tok->logprob));
        EXPECT_EQ(cJSON_GetArraySize(bytes), p->bytes);
        for (int k = 0; k < p->bytes; k++) EXPECT_EQ(cJSON_GetArrayItem(bytes, k)->valueint, (uint8_t)p->text[k]);
        EXPECT_EQ(cJSON_GetArraySize(top), tok->n_top);
        for (int k = 0; k < tok->n_top; k++) {
            double want = tok->top[k].p > 0 ? log((double)tok->top[k].p) : -9999;
            EXPECT(fabs(cJSON_GetObjectItem(cJSON_GetArrayItem(top, k), "logprob")->valuedouble - want) <= 1e-4 * fabs(want) + 1e-9);
        }
    }
    cJSON_Delete(j);
    for (int stop = GLIMPSE_STOP_LENGTH; stop <= GLIMPSE_STOP_CANCELLED; stop++) {
        bool full = stop == GLIMPSE_STOP_LENGTH || stop == GLIMPSE_STOP_CONTEXT;
        sample_of(o)->stop = (glimpse_stop)stop;
        buf_clear(&lines);
        REQUIRE_OK(openai_lines(&o->record, &lines));
        j = cJSON_ParseWithLength(lines.bytes, lines.n);
        EXPECT_STREQ(cJSON_GetObjectItem(j, "finish_reason")->valuestring, full ? "length" : "stop");
        cJSON_Delete(j);
    }
    buf_free(&lines);
    record_free(&o->record);
}

TEST(report_one_megabyte_without_a_blank) {
    owned_record *o = chart_record(3, 5, 5, "top_k=5");
    glimpse_sample *s = sample_of(o);
    char *big = malloc(1 << 20);
    REQUIRE(big);
    memset(big, '<', 1 << 20);
    big[(1 << 20) - 1] = 0;
    s->text = big, s->text_bytes = (1 << 20) - 1;
    buffer b = {0};
    EXPECT_OK(html_step(&o->record, true, &b));
    cJSON *j = literal(&b, "glimpse_step(");
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(j, "samples"), 0), "text");
    EXPECT(cJSON_IsString(text) && !strcmp(text->valuestring, big));
    cJSON_Delete(j);
    buf_free(&b);
    free(big);
    record_free(&o->record);
}

/* --- the numbers -------------------------------------------------------------------------------------------------- */
static uint8_t *from_base64(const char *s, size_t *n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t *out = malloc(strlen(s) + 4);
    uint32_t v = 0;
    int bits = 0;
    for (*n = 0; *s && *s != '='; s++) {
        const char *d = strchr(digits, *s);
        if (!d) return EXPECT(!"a base64 digit"), out;
        v = v << 6 | (uint32_t)(d - digits);
        if ((bits += 6) >= 8) out[(*n)++] = (uint8_t)(v >> (bits -= 8));
    }
    return out;
}

static float f32_at(const uint8_t *p) {
    float x;
    memcpy(&x, p, 4);
    return x;
}

TEST(report_numbers_read_back) {
    enum { N = 37, K = 7 };
    owned_record *o = chart_record(N, 5, K, "top_k=5");
    glimpse_sample *s = sample_of(o);
    ((glimpse_token *)(uintptr_t)s->tokens)[4].entropy = NAN;
    ((glimpse_token *)(uintptr_t)s->tokens)[5].n_top = 2;
    buffer b = {0};
    REQUIRE_OK(html_step(&o->record, false, &b));
    cJSON *j = literal(&b, "glimpse_step(");
    REQUIRE(j);
    const cJSON *x = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(j, "samples"), 0);
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(j, "ids"), *pieces = cJSON_GetObjectItemCaseSensitive(j, "pieces");
    size_t n;
    uint8_t *d = from_base64(cJSON_GetObjectItemCaseSensitive(x, "d")->valuestring, &n);
    EXPECT_EQ(n, N * 40 + N * K * 6);
    for (int i = 0; i < N; i++) {
        const glimpse_token *t = GLIMPSE_AT(s->tokens, i);
        const float want[] = {t->logit, t->logprob, t->p_temp, t->p_final, t->left, t->entropy, t->dot};
        uint32_t place, rank, kept;
        memcpy(&place, d + 4 * i, 4), memcpy(&rank, d + 4 * (N + i), 4), memcpy(&kept, d + 4 * (2 * N + i), 4);
        EXPECT_EQ(cJSON_GetArrayItem(ids, (int)place)->valueint, t->id);
        EXPECT_EQ(rank, t->rank);
        EXPECT_EQ(kept, t->kept);
        for (int c = 0; c < 7; c++) {
            float got = f32_at(d + 4 * ((3 + c) * N + i));
            EXPECT(isnan(want[c]) ? isnan(got) : got == want[c]);
        }
        for (int k = 0; k < K; k++) {
            uint16_t id, p, pf;
            const size_t at = (size_t)(i * K + k) * 2;
            memcpy(&id, d + 40 * N + at, 2), memcpy(&p, d + 40 * N + 2 * N * K + at, 2), memcpy(&pf, d + 40 * N + 4 * N * K + at, 2);
            if (k >= t->n_top) {
                EXPECT_EQ(id, 65535);
                continue;
            }
            EXPECT_EQ(cJSON_GetArrayItem(ids, id)->valueint, t->top[k].id);
            EXPECT_NEAR(exp(-p / 2000.0) / t->top[k].p, 1, 3e-4);
            if (t->top[k].p_final > 0) EXPECT_NEAR(exp(-pf / 2000.0) / t->top[k].p_final, 1, 3e-4);
            else EXPECT_EQ(pf, 65535);
        }
    }
    for (int i = 0; i < o->record.n_pieces; i++) { /* a text, or bytes where it is none */
        const cJSON *p = cJSON_GetArrayItem(pieces, i);
        const glimpse_piece *want = &o->record.pieces[i];
        if (cJSON_IsString(p)) EXPECT_STREQ(p->valuestring, want->text);
        else {
            EXPECT_EQ(cJSON_GetArraySize(p), want->bytes);
            for (int k = 0; k < want->bytes; k++) EXPECT_EQ(cJSON_GetArrayItem(p, k)->valueint, (uint8_t)want->text[k]);
        }
    }
    free(d);
    cJSON_Delete(j);
    buf_free(&b);
    record_free(&o->record);
}

/* --- metrics.csv -------------------------------------------------------------------------------------------------- */
/* RFC 4180: the fields of the next line, each with a NUL behind it; *at moves on.  -1 = not a line. */
static int next_line(const buffer *b, size_t *at, char (*out)[4096], int most) {
    int n = 0;
    for (;;) {
        size_t w = 0;
        if (n == most) return -1;
        if (*at < b->n && b->bytes[*at] == '"') {
            for (++*at; *at < b->n; ++*at) {
                if (b->bytes[*at] == '"' && b->bytes[*at + 1] != '"') break;
                if (b->bytes[*at] == '"') ++*at;
                out[n][w++] = b->bytes[*at];
            }
            ++*at;
        } else
            while (*at < b->n && !strchr(",\r\n\"", b->bytes[*at])) out[n][w++] = b->bytes[(*at)++];
        out[n++][w] = 0;
        if (*at < b->n && b->bytes[*at] == ',') { ++*at; continue; }
        if (*at + 1 >= b->n || b->bytes[*at] != '\r' || b->bytes[*at + 1] != '\n') return -1;
        *at += 2;
        return n;
    }
}

TEST(csv_reads_back) {
    static char head[64][4096], row[64][4096];
    static const struct { const char *prompt, *repr; } want[] = {
        {"\n", "'\\n'"}, {"a,b", "'a,b'"}, {"say \"hi\"", "'say \"hi\"'"}, {"it's \"x\", y", "'it\\'s \"x\", y'"},
        {"=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")'"}, {"it's", "\"it's\""}, {"\x1b\r\n", "'\\x1b\\r\\n'"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        owned_record *o = chart_record(3, 5, 5, "top_k=5,\"x\"\x1b[2J\n"); /* a journal may be anybody's */
        glimpse_sample *s = sample_of(o);
        static const glimpse_metric metrics[] = {{"distinct_2", 0.25}, {"perplexity", 4.5}, {"mean_rank", NAN}, {"of_a_later_version", 1}};
        s->metrics = metrics, s->n_metrics = 4;
        s->prompt_text = want[i].prompt, s->prompt_bytes = strlen(want[i].prompt);
        o->record.train_loss = NAN;
        buffer b = {0};
        csv_header(&b);
        EXPECT_OK(csv_lines(&o->record, &b));
        o->record.n_samples = 0;
        o->record.status = "skipped";
        EXPECT_OK(csv_lines(&o->record, &b));
        size_t at = 0;
        int n = next_line(&b, &at, head, 64);
        EXPECT(n > 30);
        for (int line = 0; line < 2; line++) {
            EXPECT_EQ(next_line(&b, &at, row, 64), n);
            for (int c = 0; c < n; c++) {
                const char *is = NULL;
                if (!strcmp(head[c], "step")) is = "250";
                if (!strcmp(head[c], "val_loss")) is = "2.507";
                if (!strcmp(head[c], "train_loss") || !strcmp(head[c], "mean_rank")) is = "";
                if (!strcmp(head[c], "status")) is = line ? "skipped" : "ok";
                if (!strcmp(head[c], "setting")) is = line ? "" : "top_k=5,\"x\"\\x1b[2J\\n";
                if (!strcmp(head[c], "start_token")) is = line ? "" : want[i].repr;
                if (!strcmp(head[c], "perplexity")) is = line ? "" : "4.5";
                if (!strcmp(head[c], "distinct_2")) is = line ? "" : "0.25";
                if (is) EXPECT_STREQ(row[c], is);
            }
        }
        EXPECT_EQ(at, b.n);
        buf_free(&b);
        record_free(&o->record);
    }
}

/* --- files -------------------------------------------------------------------------------------------------------- */
static int64_t written;
static ssize_t counting_write(int fd, const void *bytes, size_t n) {
    ssize_t r = write(fd, bytes, n);
    if (r > 0) written += r;
    return r;
}

/* Step i of a run: the same text sizes at each, so that only what grows with the run could differ. */
static owned_record *eval_at(int i) {
    owned_record *o = chart_record(24, 5, 5, "top_k=5");
    o->record.step = 100000 + i;
    o->record.seq = 1000 + i;
    o->record.views = "{\"sheets\":\"false\"}";
    return o;
}

/* With all that an eval can hold: sheets, metrics, probes, task scores, the dataset's numbers. */
static void put_all(owned_record *o) {
    static const glimpse_metric metrics[] = {{"perplexity", 4.5}, {"spelling_token_rate", 0.97}, {"repetition", 0.03}};
    static const glimpse_metric dataset[] = {{"loss", 3.25}, {"accuracy", 0.31}};
    static const glimpse_task_score scores[] = {{.size = sizeof *scores, .task = "hellaswag", .metric = "acc", .variant = "lm-evaluation-harness",
                                                 .version = 1, .value = 0.3, .std_error = 0.01, .chance = 0.25, .n = 100, .n_all = 10042}};
    glimpse_sample *s = sample_of(o), *probe = arena_alloc(o->arena, sizeof *probe);
    s->metrics = metrics;
    s->n_metrics = 3;
    if (!EXPECT(probe)) return;
    *probe = *s;
    probe->stop = GLIMPSE_STOP_SCORED;
    o->record.probes = probe;
    o->record.n_probes = 1;
    o->record.scores = scores;
    o->record.n_scores = 1;
    o->record.dataset = dataset;
    o->record.n_dataset = 2;
    o->record.views = "{\"sheets\":\"true\",\"report\":\"true\",\"tensorboard\":\"true\"}";
}

static double processor_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Writes the views of eval i into dir: the processor time of this thread; *bytes, what was written. */
static double views_cost(const char *dir, int i, bool all, int64_t *bytes) {
    owned_record *o = eval_at(i);
    if (!EXPECT(o)) return NAN;
    if (all) put_all(o);
    written = 0;
    io.write = counting_write;
    double from = processor_s();
    EXPECT_OK(views_write(dir, &o->record, NULL, NULL));
    double took = processor_s() - from;
    io.write = write;
    *bytes = written;
    record_free(&o->record);
    return took;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Eval 5 of a new run and an eval after 480 of an old one, in turns: what else the machine does then falls on both, and the
 * median of the pairs is judged. Bytes are exact; time leaves room (in full: the figure itself). */
TEST_TIMED(report_eval_500_costs_what_eval_5_cost_with_everything_on, 120) {
    enum { PAIRS = 21 };
    const char *old = test_tmpdir();
    int64_t early = 0, late = 0;
    double ratio[PAIRS];
    for (int i = 0; i <= 500 - PAIRS; i++) views_cost(old, i, true, &late);
    for (int p = 0; p < PAIRS; p++) {
        char name[32];
        snprintf(name, sizeof name, "new%d", p);
        char *dir = path_join(test_tmpdir(), name);
        REQUIRE_OK(mkdir_p(dir));
        for (int i = 0; i < 5; i++) views_cost(dir, i, true, &early);
        double five = views_cost(dir, 5, true, &early);
        ratio[p] = views_cost(old, 501 - PAIRS + p, true, &late) / five;
        free(dir);
    }
    qsort(ratio, PAIRS, sizeof *ratio, by_size);
    EXPECT(early > 1000);
    EXPECT_LE((double)late, 1.2 * (double)early);
    EXPECT_LE(ratio[PAIRS / 2], test_is_full() ? 1.2 : 1.5);
    if (test_is_full()) printf("an eval after 480 / the fifth: median %.3f, least %.3f, most %.3f\n", ratio[PAIRS / 2], ratio[0], ratio[PAIRS - 1]);
}

TEST(report_eval_500_costs_what_eval_5_cost) {
    const char *dir = test_tmpdir();
    int64_t cost[501] = {0};
    for (int i = 0; i <= 500; i++) views_cost(dir, i, false, &cost[i]);
    EXPECT(cost[5] > 1000);
    EXPECT_LE((double)cost[500], 1.2 * (double)cost[5]);
}

static char *slurp(const char *dir, const char *name, size_t *n) {
    char *path = path_join(dir, name);
    buffer b = {0};
    EXPECT_OK(file_read_all(path, 1 << 28, &b));
    free(path);
    return buf_take(&b, n);
}

static char *folder(const char *name) {
    char *path = path_join(test_tmpdir(), name);
    EXPECT_OK(mkdir_p(path));
    return path;
}

static const char *const files[] = {"report.html", "report/glimpse.js", "report/glimpse.css", "report/index.js", "report/step_00100000.js",
                                    "report/step_00100002.js", "metrics.csv", "events.out.tfevents.1735689600.glimpse.9f2c1a"};

static bool same_files(const char *a, const char *b) {
    bool same = true;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t n, m;
        char *x = slurp(a, files[i], &n), *y = slurp(b, files[i], &m);
        same = x && y && n == m && n > 0 && !memcmp(x, y, n) && same;
        free(x), free(y);
    }
    return same;
}

TEST(report_redrawn_from_the_journal_is_the_same) {
    char *live = folder("live"), *anew = folder("anew");
    buffer lines[3] = {{0}, {0}, {0}};
    for (int i = 0; i < 3; i++) {
        owned_record *o = eval_at(i);
        o->record.views = "{\"sheets\":\"true\"}";
        REQUIRE_OK(journal_encode(&o->record, &lines[i]));
        EXPECT_OK(views_write(live, &o->record, NULL, NULL));
        record_free(&o->record);
    }
    for (int round = 0; round < 2; round++) { /* the second over the first one's files */
        views_redraw redraw = {{0}};
        for (int i = 0; i < 3; i++) {
            owned_record *o;
            REQUIRE_OK(journal_decode(lines[i].bytes, lines[i].n - 1, &o));
            EXPECT_OK(views_write(anew, &o->record, &redraw, NULL));
            record_free(&o->record);
        }
        views_redraw_free(&redraw);
    }
    EXPECT(same_files(live, anew));
    for (int i = 0; i < 3; i++) buf_free(&lines[i]);
    free(live), free(anew);
}

static int writes_left;
static ssize_t failing_write(int fd, const void *bytes, size_t n) {
    if (writes_left-- > 0) return write(fd, bytes, n > 100 ? 100 : n); /* short, then none: a full disk */
    errno = ENOSPC;
    return -1;
}

/* Every file below a folder, by name, with its bytes. */
static void listing(const char *dir, buffer *out) {
    struct dirent **names = NULL;
    int n = scandir(dir, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char *path = names[i]->d_name[0] == '.' && strlen(names[i]->d_name) < 3 ? NULL : path_join(dir, names[i]->d_name);
        buffer bytes = {0};
        if (path) buf_printf(out, "%s\n", path);
        if (path && path_is_dir(path)) listing(path, out);
        else if (path && file_read_all(path, 1 << 28, &bytes) >= 0) buf_put(out, bytes.bytes, bytes.n);
        buf_free(&bytes);
        free(path);
        free(names[i]);
    }
    free(names);
}

/* A disk that fills up while a report is drawn: everything is as it was, in a directory that was drawn before and in one that
 * holds the journal alone; the error says where and why.  With room again the report draws all of it. */
TEST(report_on_a_full_disk_changes_nothing) {
    char *dir = folder("full"), *journal = path_join(dir, "evals.jsonl");
    buffer lines = {0}, before = {0}, after = {0}, whole = {0};
    options *o = options_new();
    session_host host = {0};
    for (int i = 0; i < 3; i++) {
        owned_record *r = eval_at(i);
        r->record.views = "{\"sheets\":\"true\"}";
        REQUIRE_OK(journal_encode(&r->record, &lines));
        record_free(&r->record);
    }
    REQUIRE_OK(file_write_atomic(journal, lines.bytes, lines.n, false));
    for (int drawn = 0; drawn < 2; drawn++) {
        int failed = 0;
        buf_clear(&before);
        listing(dir, &before);
        for (int writes = 0; writes < 3000; writes = writes * 3 / 2 + 1) {
            writes_left = writes;
            io.write = failing_write;
            glimpse_status st = session_report(o, dir, &host);
            io.write = write;
            if (st >= 0) break;
            failed++;
            EXPECT(strstr(status_text(), "No space left on device") && strstr(status_text(), "is as it was") && strstr(status_text(), dir));
            buf_clear(&after);
            listing(dir, &after);
            EXPECT(before.n == after.n && !memcmp(before.bytes, after.bytes, before.n));
            if (writes > 200 && !drawn) break;
        }
        EXPECT_LT(5, failed);
        REQUIRE_OK(session_report(o, dir, &host));
        listing(dir, drawn ? &after : &whole);
    }
    EXPECT(memmem(whole.bytes, whole.n, "/sample.txt\n", 12) && !memmem(whole.bytes, whole.n, "redraw", 6));
    options_free(o);
    buf_free(&lines), buf_free(&before), buf_free(&after), buf_free(&whole);
    free(dir), free(journal);
}

/* Files that are not ours stay, those of an eval that has no samples any more go; a folder may be a link. */
TEST(report_puts_in_place_what_is_ours) {
    char *dir = folder("mine"), *far = folder("far"), *journal = path_join(dir, "evals.jsonl"), *evals = path_join(dir, "evals");
    char *note = path_join(far, "note.md"), *stale = path_join(far, "step_00100007"), *old = path_join(stale, "sample.txt");
    buffer line = {0};
    options *o = options_new();
    session_host host = {0};
    owned_record *r = eval_at(0);
    REQUIRE_OK(journal_encode(&r->record, &line));
    r->record.n_samples = 0;
    r->record.step += 7;
    REQUIRE_OK(journal_encode(&r->record, &line));
    record_free(&r->record);
    REQUIRE_OK(file_write_atomic(journal, line.bytes, line.n, false));
    REQUIRE_OK(mkdir_p(stale));
    REQUIRE_OK(file_write_atomic(note, "mine", 4, false));
    REQUIRE_OK(file_write_atomic(old, "old", 3, false));
    EXPECT(symlink(far, evals) == 0);
    EXPECT_OK(session_report(o, dir, &host));
    char *fresh = path_join(far, "step_00100000/sample.txt");
    EXPECT(path_is_file(note) && path_is_file(fresh));
    EXPECT(!path_is_dir(stale));
    options_free(o);
    buf_free(&line);
    free(dir), free(far), free(journal), free(evals), free(note), free(stale), free(old), free(fresh);
}

TEST(report_half_written_lines_are_taken_back) {
    char *whole = folder("whole"), *torn = folder("torn");
    for (int i = 0; i < 3; i++) {
        owned_record *o = eval_at(i);
        EXPECT_OK(views_write(whole, &o->record, NULL, NULL));
        for (int fail = 0; fail < 8 && i == 1; fail++) { /* eval 1 fails again and again, in other places */
            view_plan plan = {.report = true, .tensorboard = true};
            writes_left = fail;
            io.write = failing_write;
            glimpse_status st = review_append(&plan, torn, &o->record, NULL);
            io.write = write;
            EXPECT_EQ(st, GLIMPSE_E_IO);
            /* What went through before the failure stands in the files of this eval: begin again as report does. */
            owned_record *first = eval_at(0);
            views_redraw anew = {{0}};
            EXPECT_OK(views_write(torn, &first->record, &anew, NULL));
            views_redraw_free(&anew);
            record_free(&first->record);
        }
        if (i == 1) { /* a crash in the middle of two appends */
            const char *const grow[] = {"report/index.js", "metrics.csv", files[7]};
            for (int f = 0; f < 3; f++) {
                char *path = path_join(torn, grow[f]);
                size_t n;
                char *bytes = slurp(torn, grow[f], &n);
                buffer more = {0};
                buf_put(&more, bytes, n);
                buf_put(&more, bytes, n / 3); /* the beginning of something, without its end */
                if (f < 2) while (more.n > n && more.bytes[more.n - 1] == '\n') more.n--;
                while (f < 2 && more.n > n && memchr(more.bytes + n, '\n', more.n - n)) more.n--;
                EXPECT_OK(file_write_atomic(path, more.bytes, more.n, false));
                buf_free(&more);
                free(bytes), free(path);
            }
        }
        EXPECT_OK(views_write(torn, &o->record, NULL, NULL));
        record_free(&o->record);
    }
    size_t n, m; /* lines are mended exactly; whole records of a half eval stay in the event file */
    for (int f = 0; f < 7; f++) {
        char *x = slurp(whole, files[f], &n), *y = slurp(torn, files[f], &m);
        EXPECT_EQ(n, m);
        if (n == m) EXPECT_MEM(x, y, n);
        free(x), free(y);
    }
    free(whole), free(torn);
}

TEST(report_switched_off) {
    const char *dir = test_tmpdir();
    owned_record *o = eval_at(0);
    o->record.views = "{\"report\":\"false\",\"tensorboard\":\"false\",\"sheets\":\"false\"}";
    EXPECT_OK(views_write(dir, &o->record, NULL, NULL));
    static const bool there[] = {false, false, false, false, false, false, true, false};
    for (int i = 0; i < 8; i++) {
        char *path = path_join(dir, files[i]);
        EXPECT(i == 5 || path_exists(path) == there[i]);
        free(path);
    }
    record_free(&o->record);
}

/* Evals `from`, from + 10, .. of a run in `dir`, by the session itself. */
static void run_session(const char *dir, int from, int n) {
    tiny_gpt g;
    tiny_gpt_make(&g, 1, 2, 16, 40, 24, -1, 1);
    session_host host = {0};
    session *s;
    options *o = options_new();
    EXPECT_OK(options_set(o, OPT_out_dir, dir, OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_max_sample_tokens, "8", OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_sample_each_eval, "true", OPT_LEVEL_FLAG));
    g.model.name = "tiny";
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    for (int i = 0; i < n; i++) EXPECT(session_eval(s, from + 10 * i, 3.0, 3.0) >= 0);
    session_close(s);
    options_free(o);
    tiny_gpt_free(&g);
}

TEST(report_of_a_run_that_resumes_and_of_a_new_one) {
    const char *dir = test_tmpdir();
    run_session(dir, 0, 3);
    run_session(dir, 30, 1);
    char *index = slurp(dir, "report/index.js", NULL);
    EXPECT_EQ(count_of(index, "glimpse_eval("), 4);
    free(index);
    run_session(dir, 30, 1); /* a repeated step takes its line's place */
    index = slurp(dir, "report/index.js", NULL);
    EXPECT_EQ(count_of(index, "glimpse_eval("), 4);
    char run[16] = "";
    const char *at = strstr(index, "\"run\":\"");
    if (EXPECT(at != NULL)) sscanf(at + 7, "%15[a-z0-9]", run);
    free(index);
    run_session(dir, 0, 1); /* a new run: the older one's files go aside, the page stays */
    index = slurp(dir, "report/index.js", NULL);
    EXPECT_EQ(count_of(index, "glimpse_eval("), 1);
    EXPECT(!strstr(index, run));
    free(index);
    buffer cmd = {0}; /* by its date and its name; one event file a folder */
    buf_printf(&cmd, "cd %s && R=%s && for f in report.20*_$R/index.js report.20*_$R/step_00000030.js metrics.20*_$R.csv evals.20*_$R.jsonl "
               "evals.20*_$R/step_00000000; do test -e $f || exit 1; done; test $(ls events.out.tfevents.* | wc -l) = 1 && "
               "test $(ls evals.20*_$R/events.out.tfevents.*.$R | wc -l) = 1", dir, run);
    EXPECT_EQ(system(buf_str(&cmd)), 0);
    buf_clear(&cmd); /* the page knows it; as does one that is drawn anew, and who names its journal is told where it is */
    for (int drawn = 0; drawn < 2; drawn++) {
        char *runs = slurp(dir, "report/runs.js", NULL);
        EXPECT(runs && !strncmp(runs, "glimpse_runs([\"20", 17) && strstr(runs, run) && strstr(runs, "\"],[[30,3,\"tiny\"]]);\n"));
        free(runs);
        buf_clear(&cmd);
        buf_printf(&cmd, "rm %s/report/runs.js && %s/glimpse report %s >%s/said", dir, test_build_dir(), dir, dir);
        EXPECT_EQ(system(buf_str(&cmd)), 0);
    }
    buf_clear(&cmd);
    buf_printf(&cmd, "cd %s && ! %s/glimpse report evals.20*_%s.jsonl 2>said && grep -q '/report.html#run=20.*_%s$' said && "
               "! %s/glimpse report evals.jsonl 2>said && grep -q 'hint: glimpse report' said", dir, test_build_dir(), run, run, test_build_dir());
    EXPECT_EQ(system(buf_str(&cmd)), 0);
    buf_free(&cmd);
}

/* Of more runs than the page offers the newest are, whatever the order of the directory; those whose age no name tells are the oldest. */
TEST(report_offers_the_newest_runs) {
    enum { RUNS = 300, MOST = 256 };
    const char *dir = test_tmpdir();
    buffer path = {0}, want = {0};
    for (int i = -2; i < RUNS; i++) {
        int k = (i * 7 + 3 * RUNS) % RUNS; /* made in another order */
        buf_clear(&path);
        if (i == -2) buf_printf(&path, "%s/report", dir);
        else if (i == -1) buf_printf(&path, "%s/report.9f2c1a", dir);
        else buf_printf(&path, "%s/report.20%02d-11-21_2045_c7%04d", dir, k / 10, k);
        EXPECT_OK(mkdir_p(buf_str(&path)));
    }
    EXPECT_OK(review_runs(dir, dir));
    buf_puts(&want, "glimpse_runs([");
    for (int k = RUNS - MOST; k < RUNS; k++) buf_printf(&want, "%s\"20%02d-11-21_2045_c7%04d\"", k > RUNS - MOST ? "," : "", k / 10, k);
    buf_puts(&want, "],[");
    for (int k = 0; k < MOST; k++) buf_puts(&want, k ? ",[null,null,null]" : "[null,null,null]"); /* nothing is known of an empty folder */
    buf_puts(&want, "]);\n");
    char *runs = slurp(dir, "report/runs.js", NULL);
    EXPECT_STREQ(runs, buf_str(&want));
    free(runs);
    buf_free(&path), buf_free(&want);
}

/* The model's name goes from the trainer into the journal and the page, and back; without one there is none. */
TEST(report_names_the_model) {
    owned_record *o = eval_at(10);
    for (int named = 0; named < 2; named++) {
        buffer line = {0}, page = {0};
        owned_record *back = NULL;
        o->record.model_name = named ? "my \"gpt\"" : NULL;
        EXPECT_OK(journal_encode(&o->record, &line));
        REQUIRE_OK(journal_decode(buf_str(&line), line.n - 1, &back));
        if (named) EXPECT_STREQ(back->record.model_name, "my \"gpt\"");
        else EXPECT(!back->record.model_name);
        EXPECT_OK(html_index_line(&back->record, COLOR_MINMAX, &page));
        EXPECT_EQ(strstr(buf_str(&page), ",\"model\":\"my \\\"gpt\\\"\",") != NULL, named);
        buf_free(&line);
        buf_free(&page);
        record_free(&back->record);
    }
    record_free(&o->record);
    /* From the program's model into the first line of a run. */
    const char *dir = test_tmpdir();
    run_session(dir, 0, 1);
    char *index = slurp(dir, "report/index.js", NULL);
    EXPECT(index && strstr(index, ",\"model\":\"tiny\",") != NULL);
    free(index);
}

/* The page itself: keys, search, diff, hostile texts, in a browser without a window. */
TEST_LIMIT(report_in_a_browser, 300) {
    if (test_is_slow_build()) SKIP("the page is the same in every build");
    if (system("command -v chromium >/dev/null && command -v python3 >/dev/null")) SKIP("no chromium or no python3");
    buffer cmd = {0};
    buf_printf(&cmd, "python3 '%s/tests/report/drive.py' '%s/glimpse' '%s' >'%s/said' 2>&1", test_source_dir(), test_build_dir(),
               test_tmpdir(), test_tmpdir());
    int rc = system(buf_str(&cmd));
    if (rc) {
        char *said = slurp(test_tmpdir(), "said", NULL);
        test_check(false, __FILE__, __LINE__, "drive.py: %s", said ? said : "");
        free(said);
    }
    buf_free(&cmd);
}
