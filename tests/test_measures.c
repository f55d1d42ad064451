/* test_measures.c -- numbers beside the samples: llm.c's HellaSwag against llm.c's own, scores and data in metrics.csv, in the
 * log and in a packed record, the width of train.bin, advice, and all of it in worker mode without a sample. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/session_state.h"
#include "hooks/tasks/json_lines.h"
#include "include/internal/file.h"
#include "tests/chart_record.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"
#include "tests/worker_rig.h"
#include "viz/csv.h"
#include "viz/html.h"
#include "viz/tensorboard.h"
#include "viz/text.h"

static char *ref(const char *name) {
    buffer b = {0};
    buf_printf(&b, "%s/tests/ref/tasks/%s", test_source_dir(), name);
    return buf_take(&b, NULL);
}

static int put(void *user, const char *bytes, size_t n) {
    buf_put(user, bytes, n);
    return 0;
}

static double number(const json_node *o, const char *key) {
    double x = NAN;
    json_double(json_get(o, key), &x);
    return x;
}

/* === llm.c's HellaSwag ========================================================================================== */

/* What its own dev/data/hellaswag.py found (tests/ref/parity_llmc.py), from the same lines and from its tokens. */
TEST(tasks_hellaswag_as_llmc) {
    static const char *const data[] = {"llmc_lines", "llmc_tokens"};
    json_lines want, got;
    char *path = ref("llmc_expected.jsonl"), *ckpt = ref("ckpt");
    REQUIRE_OK(json_lines_read(path, &want));
    const json_node *all = want.lines[0].tree.nodes;
    for (int k = 0; k < 2; k++) {
        options *o = options_new();
        buffer table = {0}, line = {0};
        session_host host = {.user = &table, .out = put};
        char *dir = ref(data[k]), *samples = path_join(test_tmpdir(), "lm_eval_samples_hellaswag_llmc.jsonl");
        options_set_offline(o, true);
        EXPECT_OK(options_set(o, OPT_checkpoint, ckpt, OPT_LEVEL_FLAG));
        EXPECT_OK(options_set(o, OPT_lm_eval_data, dir, OPT_LEVEL_FLAG));
        EXPECT_OK(options_set(o, OPT_lm_eval_tasks, "hellaswag_llmc", OPT_LEVEL_FLAG));
        EXPECT_OK(options_set(o, OPT_num_fewshot, "3", OPT_LEVEL_FLAG)); /* it has no examples */
        EXPECT_OK(options_set(o, OPT_out_dir, test_tmpdir(), OPT_LEVEL_FLAG));
        REQUIRE_OK(session_evaluate(o, &host));
        REQUIRE_OK(json_lines_read(samples, &got));
        EXPECT_EQ(got.n, number(all, "n"));
        EXPECT(got.n >= 15);
        for (int32_t i = 0; i < got.n; i++) {
            const json_node *sums = json_get(want.lines[i + 1].tree.nodes, "sums"), *r = json_get(got.lines[i].tree.nodes, "filtered_resps");
            REQUIRE(sums && r && sums->n == 4 && r->n == 4);
            const json_node *pair = json_first(r);
            for (const json_node *x = json_first(sums); x; x = json_next(sums, x), pair = json_next(r, pair)) {
                double a = NAN, b = NAN;
                json_double(x, &a);
                EXPECT(parse_double(json_first(pair)->text, json_first(pair)->n, &b));
                EXPECT_NEAR(-b, a, 1e-4);
            }
        }
        for (int norm = 0; norm < 2; norm++) {
            buf_clear(&line);
            buf_printf(&line, "|%-15s|\xe2\x86\x91  |%9.4f|", norm ? "acc_norm" : "acc", number(all, norm ? "acc_norm" : "acc"));
            EXPECT(strstr(buf_str(&table), buf_str(&line)) != NULL);
        }
        EXPECT(strstr(buf_str(&table), "hellaswag_llmc: rules of llm.c") != NULL);
        json_lines_free(&got);
        buf_free(&table);
        buf_free(&line);
        options_free(o);
        free(dir);
        free(samples);
    }
    json_lines_free(&want);
    free(path);
    free(ckpt);
}

TEST(tasks_llmc_lines_that_lie) {
    static const struct {
        const char *line, *part;
    } bad[] = {
        {"{\"endings\":[\"a\"],\"label\":0}", "no field \"ctx\""},
        {"{\"ctx\":\"\",\"endings\":[\"a\"],\"label\":0}", "\"ctx\" is empty"},
        {"{\"ctx\":\"x\",\"endings\":[],\"label\":0}", "\"endings\" is no list"},
        {"{\"ctx\":\"x\",\"endings\":[\"a\",1],\"label\":0}", "ending 1 is no text"},
        {"{\"ctx\":\"x\",\"endings\":[\"a\",\"b\"],\"label\":2}", "the right answer is number 2 of 2"},
    };
    arena *a = arena_new();
    task_kind k;
    task_doc d;
    REQUIRE_OK(task_find("hellaswag_llmc", test_tmpdir(), a, &k));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_lines l;
        char *path = path_join(test_tmpdir(), "h.jsonl");
        EXPECT_OK(file_write_atomic(path, bad[i].line, strlen(bad[i].line), false));
        REQUIRE_OK(json_lines_read(path, &l));
        EXPECT_ERR(k.read(&k, &l, 0, a, &d), GLIMPSE_E_FORMAT, bad[i].part);
        json_lines_free(&l);
        free(path);
    }
    char *file;
    EXPECT_ERR(task_file(&k, test_tmpdir(), false, &file), GLIMPSE_E_IO, "no hellaswag_val.bin");
    arena_free(a);
}

/* === One record in every view =================================================================================== */

static const glimpse_task_score two_scores[] = {
    {.size = sizeof two_scores[0], .task = "hellaswag", .metric = "acc_norm", .variant = "lm-evaluation-harness", .version = 1,
     .value = 0.3114, .std_error = 0.0046, .chance = 0.25, .n = 1000, .n_all = 10042},
    {.size = sizeof two_scores[0], .task = "wikitext", .metric = "bits_per_byte", .variant = "lm-evaluation-harness", .version = 2,
     .value = 1.125, .std_error = NAN, .chance = NAN, .n = 62, .n_all = 62},
};
static const glimpse_metric data_numbers[] = {{"loss", 2.25}, {"bits_per_byte", 1.5}, {"lexical_diversity", 0.75}};
static const glimpse_metric sample_numbers[] = {{"perplexity", 4.5}, {"memorised_bytes", 40}, {"memorised_share", 0.5}, {"memorised_searched", 1}};

static owned_record *with_measures(void) {
    owned_record *o = chart_record(6, 5, 5, "top_k=5");
    if (!o) return NULL;
    glimpse_sample *s = (glimpse_sample *)(uintptr_t)o->record.samples;
    s->metrics = sample_numbers, s->n_metrics = 4;
    o->record.scores = two_scores, o->record.n_scores = 2;
    o->record.dataset = data_numbers, o->record.n_dataset = 3;
    return o;
}

TEST(csv_has_scores_data_and_memorised_spans) {
    owned_record *o = with_measures();
    REQUIRE(o);
    buffer b = {0};
    csv_header(&b);
    size_t head = b.n, commas = 0, lines = 0;
    for (size_t i = 0; i < head; i++) commas += b.bytes[i] == ',';
    EXPECT(strstr(buf_str(&b), ",correct_char_total,memorised_bytes,memorised_share,memorised_searched,measure,value,std_error\r\n"));
    EXPECT_OK(csv_lines(&o->record, &b));
    const char *rows[8];
    for (char *p = b.bytes + head; *p; p = strstr(p, "\r\n") + 2) {
        size_t here = 0;
        EXPECT(lines < 8);
        if (lines < 8) rows[lines++] = p;
        for (char *q = p; *q != '\r'; q++) {
            if (*q == '"')
                for (q++; *q != '"'; q++) continue;
            here += *q == ',';
        }
        EXPECT_EQ(here, commas);
    }
    REQUIRE(lines == 6); /* a sample, two scores, three numbers of the data */
    EXPECT(strstr(rows[0], ",40,0.5,1,,,\r\n"));
    EXPECT(strstr(rows[1], ",,,lm_eval/hellaswag/acc_norm,0.3114,0.0046\r\n") && !strncmp(rows[1], "250,", 4));
    EXPECT(strstr(rows[2], ",,,lm_eval/wikitext/bits_per_byte,1.125,\r\n"));
    EXPECT(strstr(rows[3], ",,,dataset/loss,2.25,\r\n") && strstr(rows[5], ",,,dataset/lexical_diversity,0.75,\r\n"));
    buf_free(&b);
    record_free(&o->record);
}

TEST(record_with_scores_and_data_is_packed_and_written) {
    owned_record *o = with_measures(), *u = NULL, *j = NULL;
    REQUIRE(o);
    buffer a = {0}, b = {0}, line = {0};
    REQUIRE_OK(record_pack(&o->record, &a));
    REQUIRE_OK(record_unpack(a.bytes, a.n, &u));
    REQUIRE_OK(journal_encode(&o->record, &line));
    REQUIRE_OK(journal_decode(line.bytes, line.n - 1, &j));
    for (int k = 0; k < 2; k++) {
        const glimpse_record *r = k ? &j->record : &u->record;
        REQUIRE(r->n_scores == 2 && r->n_dataset == 3 && r->samples->n_metrics == 4);
        for (int i = 0; i < 2; i++) {
            const glimpse_task_score *s = GLIMPSE_AT(r->scores, i), *w = &two_scores[i];
            EXPECT_STREQ(s->task, w->task);
            EXPECT_STREQ(s->metric, w->metric);
            EXPECT_STREQ(s->variant, w->variant);
            EXPECT(s->value == w->value && s->version == w->version && s->n == w->n && s->n_all == w->n_all);
            EXPECT(i ? isnan(s->std_error) && isnan(s->chance) : s->std_error == w->std_error && s->chance == w->chance);
        }
        for (int i = 0; i < 3; i++) {
            EXPECT_STREQ(r->dataset[i].name, data_numbers[i].name);
            EXPECT(r->dataset[i].value == data_numbers[i].value);
        }
        EXPECT_STREQ(r->samples->metrics[1].name, "memorised_bytes");
        EXPECT(r->samples->metrics[1].value == 40);
    }
    REQUIRE_OK(record_pack(&u->record, &b));
    EXPECT_EQ(a.n, b.n);
    EXPECT_MEM(a.bytes, b.bytes, a.n);
    for (size_t n = 0; n < a.n; n++) { /* cut anywhere it is refused */
        owned_record *none = NULL;
        char *exact = malloc(n + 1);
        memcpy(exact, a.bytes, n);
        EXPECT(record_unpack(exact, n, &none) < 0);
        free(exact);
    }
    record_free(&o->record);
    record_free(&u->record);
    record_free(&j->record);
    buf_free(&a);
    buf_free(&b);
    buf_free(&line);
}

TEST(tensorboard_has_scores_data_and_memorised_spans) {
    static const char *const tags[] = {"lm_eval/hellaswag/acc_norm", "lm_eval/wikitext/bits_per_byte", "dataset/loss", "dataset/lexical_diversity",
                                       "sample_metrics/memorised_share", "sample_metrics/perplexity"};
    owned_record *o = with_measures();
    REQUIRE(o);
    buffer b = {0};
    EXPECT_OK(events_of(&o->record, &b));
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) EXPECT(memmem(b.bytes, b.n, tags[i], strlen(tags[i])) != NULL);
    buf_free(&b);
    record_free(&o->record);
}

/* distinct_1 and lexical_diversity are one number: people are shown it once, the table for spreadsheets has both columns. */
TEST(views_show_a_number_once) {
    static const glimpse_metric twice[] = {{"distinct_1", 0.123}, {"lexical_diversity", 0.123}};
    owned_record *o = with_measures();
    REQUIRE(o);
    glimpse_sample *s = (glimpse_sample *)(uintptr_t)o->record.samples;
    s->metrics = o->record.dataset = twice, s->n_metrics = o->record.n_dataset = 2;
    buffer all = {0}, csv = {0};
    EXPECT_OK(events_of(&o->record, &all));
    EXPECT_OK(html_index_line(&o->record, COLOR_MINMAX, &all));
    EXPECT_OK(html_step(&o->record, false, &all));
    EXPECT(memmem(all.bytes, all.n, "lexical_diversity", 17) && !memmem(all.bytes, all.n, "distinct_1", 10));
    EXPECT(!memmem(all.bytes, all.n, "[,", 2) && !memmem(all.bytes, all.n, ",]", 2) && !memmem(all.bytes, all.n, "{,", 2));
    csv_header(&csv);
    EXPECT(strstr(buf_str(&csv), ",distinct_1,") && strstr(buf_str(&csv), ",lexical_diversity,"));
    buf_free(&all), buf_free(&csv);
    record_free(&o->record);
}

/* One row, dim, cut to the terminal's width. */
TEST(text_terminal_row_of_scores) {
    owned_record *o = with_measures();
    REQUIRE(o);
    static const int widths[] = {140, 80, 60};
    for (int k = 0; k < 3; k++) {
        buffer b = {0};
        view_style style = {.depth = DEPTH_NONE, .width = widths[k]};
        EXPECT_OK(view_terminal(&o->record, NULL, NULL, &style, &b));
        const char *row = strstr(buf_str(&b), "  hellaswag acc_norm ");
        REQUIRE(row != NULL);
        size_t bytes = strcspn(row, "\n");
        EXPECT(text_width(row, bytes) <= (size_t)widths[k]);
        if (k == 0) {
            buffer one = {0};
            buf_put(&one, row, bytes);
            EXPECT_STREQ(buf_str(&one), "  hellaswag acc_norm 0.3114\xc2\xb1" "0.0046 (first 1000)   wikitext bits_per_byte 1.12 (62)   data loss 2.2   data bits per byte 1.50");
            buf_free(&one);
        }
        buf_free(&b);
    }
    record_free(&o->record);
}

/* === Advice ===================================================================================================== */

static bool advised(const glimpse_record *r, const char *what) {
    buffer b = {0};
    view_style style = {.depth = DEPTH_NONE, .width = 120};
    EXPECT_OK(view_terminal(r, NULL, NULL, &style, &b));
    bool found = strstr(buf_str(&b), "hint: ") != NULL;
    if (what) {
        test_check(strstr(buf_str(&b), what) != NULL, __FILE__, __LINE__, "no \"%s\" in: %s", what, buf_str(&b));
    } else EXPECT(!found);
    buf_free(&b);
    return found;
}

/* The table of mode topk that is cut: the whole of it is in sample.ansi, for sample.txt has the text alone. */
TEST(text_terminal_says_where_the_table_is) {
    owned_record *o = chart_record(60, 5, 5, "top_k=5");
    REQUIRE(o);
    for (int colored = 0; colored < 2; colored++)
        for (int mode = 0; mode < 2; mode++) {
            buffer b = {0};
            const view_style style = {.depth = colored ? DEPTH_16 : DEPTH_NONE, .colorize = true, .width = 80, .mode = mode ? COLOR_TOPK : COLOR_SOFTMAX};
            EXPECT_OK(view_terminal(&o->record, NULL, "out/demo/evals/step_00000250/sample.txt", &style, &b));
            EXPECT((strstr(buf_str(&b), "text: out/demo/evals/step_00000250/sample.txt") != NULL) == mode);
            EXPECT((strstr(buf_str(&b), "(the whole table: sample.ansi)") != NULL) == (mode && colored));
            EXPECT(!mode || !strstr(buf_str(&b), "the rest: "));
            int rows = 0;
            for (size_t i = 0; i < b.n; i++) rows += b.bytes[i] == '\n';
            EXPECT(rows <= 24);
            buf_free(&b);
        }
    record_free(&o->record);
}

TEST(text_advice_of_every_kind) {
    owned_record *o = chart_record(40, 5, 5, "top_k=5");
    REQUIRE(o);
    glimpse_sample *s = (glimpse_sample *)(uintptr_t)o->record.samples;
    glimpse_metric m[3] = {{"repetition", 0.3}, {"invalid_utf8_rate", 0.01}, {"repetition_tokens", 0.02}};
    s->metrics = m, s->n_metrics = 2;
    s->stop = GLIMPSE_STOP_LENGTH;
    advised(&o->record, NULL); /* at the limits: none */
    m[0].value = 0.31;
    advised(&o->record, "31 % of the 4-grams repeat: --glimpse_repetition_penalty 1.1 may help");
    s->n_metrics = 3; /* moves of chess, formulas: "words" of one letter repeat, the text does not */
    advised(&o->record, NULL);
    m[2].value = 0.16;
    advised(&o->record, "31 % of the 4-grams repeat: --glimpse_repetition_penalty 1.1 may help");
    m[0].value = 0.1, m[2].value = 0.61; /* no words to speak of, and yet it repeats */
    advised(&o->record, "61 % of the 4-grams repeat: --glimpse_repetition_penalty 1.1 may help");
    m[0].value = 0.31, s->n_metrics = 2;
    m[1].value = 0.02;
    advised(&o->record, "2 % is no UTF-8: is this the tokenizer it was trained with?");
    m[2] = (glimpse_metric){"mean_entropy", 0.95 * log(o->record.vocab_size)}, m[0].value = 0.1, s->n_metrics = 3; /* it guesses still */
    advised(&o->record, NULL);
    const int32_t vocab = o->record.vocab_size;
    o->record.vocab_size = 0; /* a line that does not say it */
    advised(&o->record, "2 % is no UTF-8: is this the tokenizer it was trained with?");
    o->record.vocab_size = vocab;
    m[2].value = 0.8 * log(vocab);
    advised(&o->record, "2 % is no UTF-8: is this the tokenizer it was trained with?");
    s->n_metrics = 2;
    m[0].value = m[1].value = NAN;
    advised(&o->record, NULL);
    static const char *const unk[] = {"<unk>", "[UNK]", "\xe2\x9f\xa8UNK\xe2\x9f\xa9", "<|unk|>"}, *const plain[] = {"trunk", "[unit]", "unk", "<unkn>"};
    glimpse_piece one[1] = {{.id = s->tokens[0].id}};
    for (int i = 0; i < 8; i++) {
        one->text = i < 4 ? unk[i] : plain[i - 4];
        one->bytes = (int32_t)strlen(one->text);
        o->record.pieces = one, o->record.n_pieces = 1;
        advised(&o->record, i < 4 ? "of the tokens are UNK: is this the tokenizer it was trained with?" : NULL);
    }
    s->n_tokens = 1;
    s->stop = GLIMPSE_STOP_EOS;
    advised(&o->record, "the model ended the text at once");
    record_free(&o->record);
}

static void hear(void *user, const char *line) {
    buf_puts(user, line);
    buf_putc(user, '\n');
}

/* A tokenizer of another size than the model's. */
TEST(session_advises_on_the_tokenizer) {
    tiny_gpt g;
    options *o = options_new();
    session *s = NULL;
    buffer said = {0};
    session_host host = {.user = &said, .log = hear};
    char *json = ref("ckpt/tokenizer.json");
    tiny_gpt_make(&g, 1, 2, 16, 60, 32, -1, 1);
    EXPECT_OK(options_set(o, OPT_out_dir, test_tmpdir(), OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_max_sample_tokens, "4", OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_tokenizer, json, OPT_LEVEL_FLAG));
    EXPECT_ERR(session_open(o, &g.model, &host, &s), GLIMPSE_E_TOKENIZER, "is this the tokenizer that the model is trained with?");
    EXPECT_OK(options_set(o, OPT_sample_start_tokens, "IDS:3", OPT_LEVEL_FLAG));
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    EXPECT(strstr(buf_str(&said), "400 ids; the model has 60: is this the one it is trained with?"));
    session_close(s);
    options_free(o);
    buf_free(&said);
    free(json);
    tiny_gpt_free(&g);
}

/* Spelling without its dictionary: one line, once, and everything else is measured. */
TEST(session_without_a_dictionary_says_so_once) {
    tiny_gpt g;
    options *o = options_new();
    session *s = NULL;
    buffer said = {0};
    session_host host = {.user = &said, .log = hear};
    tiny_gpt_make(&g, 1, 2, 16, 60, 32, -1, 1);
    static const struct { opt_id id; const char *value; } set[] = {{OPT_max_sample_tokens, "8"}, {OPT_sample_metrics, "true"}, {OPT_sheets, "false"},
        {OPT_spelling_language, "xx_YY"}, {OPT_sample_each_eval, "true"}};
    for (size_t i = 0; i < sizeof set / sizeof *set; i++) EXPECT_OK(options_set(o, set[i].id, set[i].value, OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_out_dir, test_tmpdir(), OPT_LEVEL_FLAG));
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    for (int step = 0; step < 3; step++) EXPECT_OK(session_eval(s, step, 3, 3));
    const char *first = strstr(buf_str(&said), "metrics without spelling");
    EXPECT(first && !strstr(first + 1, "metrics without spelling"));
    const glimpse_sample *x = s->before->record.samples;
    EXPECT(text_metric(x, "lexical_diversity") == text_metric(x, "lexical_diversity") || x->n_metrics > 12);
    EXPECT(isnan(text_metric(x, "spelling_token_rate")));
    session_close(s);
    options_free(o);
    buf_free(&said);
    tiny_gpt_free(&g);
}

/* === train.bin ================================================================================================== */

/* meta.pkl as Python's pickle.dumps({'vocab_size': n}, 2) writes it. */
static void write_meta(const char *dir, uint32_t n) {
    char bytes[64], *path = path_join(dir, "meta.pkl");
    static const char head[] = "\x80\x02}q\x00X\x0a\x00\x00\x00vocab_sizeq\x01J";
    size_t at = sizeof head - 1;
    memcpy(bytes, head, at);
    for (int i = 0; i < 4; i++) bytes[at++] = (char)(n >> 8 * i);
    bytes[at++] = 's', bytes[at++] = '.';
    EXPECT_OK(file_write_atomic(path, bytes, at, false));
    free(path);
}

TEST(dataset_width_is_told_by_meta_pickle) {
    enum { N = 600 };
    uint32_t wide[N];
    uint16_t narrow[N];
    buffer first = {0};
    for (int i = 0; i < N; i++) wide[i] = narrow[i] = (uint16_t)(i * 37 % 300);
    char *path = path_join(test_tmpdir(), "train.bin");
    static const struct { uint32_t said; int32_t vocab; bool wide; } cases[] = {
        {0, 300, false}, {0, 100000, true}, {100277, 300, true}, {50257, 100000, false}, {65536, 100000, false}, {65537, 300, true}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        dataset *d;
        EXPECT_OK(file_write_atomic(path, cases[k].wide ? (const char *)wide : (const char *)narrow, cases[k].wide ? sizeof wide : sizeof narrow, false));
        if (cases[k].said) write_meta(test_tmpdir(), cases[k].said);
        for (int again = 0; again < 2; again++) { /* another run: the same slice of (seed, step) */
            buffer ids = {0}, text = {0};
            REQUIRE_OK(dataset_open(path, cases[k].vocab, &d));
            REQUIRE_OK(dataset_slice(d, NULL, 7, 250, 50, &ids, &text));
            EXPECT_EQ(ids.n, 50 * sizeof(int32_t));
            const int32_t *id = (const int32_t *)(const void *)ids.bytes;
            for (int i = 1; i < 50; i++) EXPECT_EQ(id[i], (id[i - 1] + 37) % 300);
            if (!first.n) buf_put(&first, ids.bytes, ids.n);
            EXPECT_MEM(first.bytes, ids.bytes, ids.n);
            buf_free(&ids);
            buf_free(&text);
            dataset_close(d);
        }
    }
    static const int32_t frozen = 121; /* where (7, 250) points: id of the first token, the same in every version */
    EXPECT_EQ(*(const int32_t *)(const void *)first.bytes, frozen);
    char *meta = path_join(test_tmpdir(), "meta.pkl");
    EXPECT_OK(file_write_atomic(meta, "no pickle", 9, false)); /* is as if there were none */
    dataset *d;
    REQUIRE_OK(dataset_open(path, 100000, &d));
    dataset_close(d);
    buf_free(&first);
    free(meta);
    free(path);
}

/* === Worker mode ================================================================================================ */

typedef struct seen {
    int lines, scores, probes, dataset, samples, not_due;
} seen;
static glimpse_status look(void *user, owned_record *line) {
    seen *s = user;
    const glimpse_record *r = &line->record;
    s->lines++;
    s->scores += r->n_scores > 0;
    s->probes += r->n_probes > 0;
    s->dataset += r->n_dataset > 0;
    s->samples += r->n_samples > 0;
    return GLIMPSE_OK;
}

/* The weights are read at every eval, though only the first and the third give a sample. */
TEST(worker_measures_where_no_sample_is_due) {
    buffer task = {0}, data = {0}, probes = {0}, dir = {0};
    char *a = path_join(test_tmpdir(), "mine.jsonl"), *b = path_join(test_tmpdir(), "data.txt"), *c = path_join(test_tmpdir(), "probes.txt");
    static const char lines[] = "{\"query\": \"AB\", \"choices\": [\"C\", \"DE\"], \"gold\": 0}\n{\"query\": \"B\", \"choices\": [\"A\", \"B\"], \"gold\": 1}\n";
    static const char description[] = "{\"target_delimiter\": \"\"}";
    char *j = path_join(test_tmpdir(), "mine.json");
    EXPECT_OK(file_write_atomic(j, description, sizeof description - 1, false));
    EXPECT_OK(file_write_atomic(a, lines, sizeof lines - 1, false));
    buf_fill(&data, 'A', 300);
    EXPECT_OK(file_write_atomic(b, data.bytes, data.n, false));
    EXPECT_OK(file_write_atomic(c, "ABC\n", 4, false));
    buf_printf(&dir, "lm_eval_data=%s", test_tmpdir());
    buf_printf(&task, "dataset=%s", b);
    buf_printf(&probes, "probe=%s", c);
    rig r;
    rig_open(&r, (const char *const[]){"sample_each_eval=false", "when_busy=wait", "lm_eval_tasks=mine", "dataset_benchmarks=true", buf_str(&dir),
                                       buf_str(&task), buf_str(&probes), NULL});
    REQUIRE(r.g != NULL);
    static const double losses[] = {3, 3.5, 2.5, 2.6};
    for (int i = 0; i < 4; i++) {
        EXPECT(glimpse_eval(r.g, 10 * i, 3, losses[i]) >= 0);
        EXPECT(glimpse_drain(r.g) >= 0);
    }
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    seen s = {0};
    rig_lines(&r, look, &s);
    test_check(s.lines == 4 && s.samples == 2 && s.scores == 4 && s.probes == 4 && s.dataset == 4, __FILE__, __LINE__,
               "%d lines, %d with samples, %d scores, %d probes, %d data; said: %s", s.lines, s.samples, s.scores, s.probes, s.dataset,
               buf_str(&r.said));
    rig_close(&r);
    buf_free(&task), buf_free(&data), buf_free(&probes), buf_free(&dir);
    free(a), free(b), free(c), free(j);
}
