/* test_tasks.c -- `glimpse eval` on a small random GPT-2, against what lm-evaluation-harness found on the same files
 * (tests/ref/tasks/, written by tests/ref/parity_tasks.py --freeze): every log-likelihood, every hash, every number. */
#include "hooks/session_state.h"
#include "hooks/tasks/json_lines.h"
#include "include/internal/file.h"
#include "tests/test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char tasks[] = "hellaswag,arc_easy,arc_challenge,piqa,winogrande,boolq,openbookqa,sciq,copa,lambada_openai,lambada_standard,my_task";

static int put_table(void *user, const char *bytes, size_t n) {
    buf_put(user, bytes, n);
    return 0;
}

static bool evaluate(const char *shots, const char *limit, const char *batch, const char *threads, char **dir) {
    options *o = options_new();
    buffer table = {0};
    session_host host = { .user = &table, .out = put_table };
    buffer name = {0}, root = {0};
    buf_printf(&name, "out%s_%s_%s", shots, batch, threads);
    *dir = path_join(test_tmpdir(), buf_str(&name));
    buf_printf(&root, "%s/tests/ref/tasks/ckpt", test_source_dir());
    options_set_offline(o, true);
    EXPECT_OK(options_set(o, OPT_checkpoint, buf_str(&root), OPT_LEVEL_FLAG));
    buf_clear(&root);
    buf_printf(&root, "%s/tests/ref/tasks/data", test_source_dir());
    EXPECT_OK(options_set(o, OPT_lm_eval_data, buf_str(&root), OPT_LEVEL_FLAG));
    buf_clear(&root);
    buf_printf(&root, "%s%s", tasks, *shots == '0' ? ",wikitext" : "");
    EXPECT_OK(options_set(o, OPT_lm_eval_tasks, buf_str(&root), OPT_LEVEL_FLAG));
    const struct { opt_id id; const char *value; } set[] = { { OPT_num_fewshot, shots }, { OPT_lm_eval_limit, limit },
        { OPT_batch_size, batch }, { OPT_threads, threads }, { OPT_out_dir, *dir } };
    for (size_t i = 0; i < sizeof set / sizeof *set; i++) EXPECT_OK(options_set(o, set[i].id, set[i].value, OPT_LEVEL_FLAG));
    bool ok = EXPECT_OK(session_evaluate(o, &host));
    EXPECT(strstr(buf_str(&table), "|hellaswag       |") != NULL);
    buf_free(&table);
    buf_free(&name);
    buf_free(&root);
    options_free(o);
    return ok;
}

static double number(const json_node *o, const char *key) {
    double x = NAN;
    const json_node *n = json_get(o, key);
    if (n && n->kind == JSON_STRING) return parse_double(n->text, n->n, &x) ? x : NAN;
    json_double(n, &x);
    return x;
}

static bool same_text(const json_node *a, const json_node *b, const char *key) {
    const json_node *x = json_get(a, key), *y = json_get(b, key);
    return x && y && x->n == y->n && !memcmp(x->text, y->text, x->n);
}

static void compare_document(const json_node *want, const json_node *got, double *worst) {
    EXPECT(same_text(want, got, "doc_hash") && same_text(want, got, "prompt_hash") && same_text(want, got, "target_hash"));
    const json_node *ll = json_get(want, "ll"), *greedy = json_get(want, "greedy"), *resps = json_get(got, "filtered_resps");
    REQUIRE(ll && resps && ll->n == resps->n);
    const json_node *g = json_first(greedy), *r = json_first(resps);
    for (const json_node *x = json_first(ll); x; x = json_next(ll, x), r = json_next(resps, r)) {
        double a, b = NAN;
        json_double(x, &a);
        const json_node *value = r->kind == JSON_ARRAY ? json_first(r) : r;
        REQUIRE(parse_double(value->text, value->n, &b));
        if (!(fabs(a - b) <= *worst)) *worst = fabs(a - b);
        if (r->kind == JSON_ARRAY) {
            EXPECT(json_is_text(json_next(r, value), g->kind == JSON_TRUE ? "True" : "False"));
            g = json_next(greedy, g);
        }
    }
    const json_node *metrics = json_get(want, "metrics");
    char key[64];
    for (const json_node *m = json_first(metrics); m; m = json_next(metrics, m)) {
        double a;
        json_double(m, &a);
        snprintf(key, sizeof key, "%.*s", (int)m->key_n, m->key);
        EXPECT_NEAR(number(got, key), a, 0);
    }
}

static void compare(const char *dir, int shots) {
    json_lines want, got = { .path = NULL };
    char path[4096], open_task[64] = "", key[64];
    buffer json = {0};
    json_tree results = {0};
    double worst = 0;
    int documents = 0;
    snprintf(path, sizeof path, "%s/tests/ref/tasks/expected.jsonl", test_source_dir());
    REQUIRE_OK(json_lines_read(path, &want));
    snprintf(path, sizeof path, "%s/lm_eval_results.json", dir);
    REQUIRE_OK(file_read_all(path, 1 << 24, &json));
    REQUIRE_OK(json_parse(path, json.bytes, json.n, 16, &results));
    for (int32_t i = 0; i < want.n; i++) {
        const json_node *w = want.lines[i].tree.nodes, *task = json_get(w, "task"), *numbers = json_get(w, "results");
        if (number(w, "shots") != shots) continue;
        if (!json_is_text(task, open_task)) {
            json_lines_free(&got);
            snprintf(open_task, sizeof open_task, "%.*s", (int)task->n, task->text);
            snprintf(path, sizeof path, "%s/lm_eval_samples_%s.jsonl", dir, open_task);
            REQUIRE_OK(json_lines_read(path, &got));
        }
        if (!numbers) {
            int32_t doc = (int32_t)number(w, "doc_id");
            REQUIRE(doc < got.n);
            documents++;
            compare_document(w, got.lines[doc].tree.nodes, &worst);
            continue;
        }
        EXPECT_EQ(got.n, number(w, "n"));
        const json_node *r = json_get(json_get(results.nodes, "results"), open_task);
        for (const json_node *m = json_first(numbers); m; m = json_next(numbers, m)) {
            double a;
            json_double(m, &a);
            snprintf(key, sizeof key, "%.*s", (int)m->key_n, m->key);
            EXPECT_NEAR(number(r, key), a, 2e-5 * (fabs(a) > 1 ? fabs(a) : 1));
        }
    }
    EXPECT(documents >= (shots ? 80 : 150));
    test_check(worst <= 1e-4, __FILE__, __LINE__, "a log-likelihood is off by %g", worst);
    json_lines_free(&want);
    json_lines_free(&got);
    json_free(&results);
    buf_free(&json);
}

TEST_LIMIT(tasks_as_lm_evaluation_harness, 120) {
    char *dir;
    if (!evaluate("0", "0", "auto", "1", &dir)) return;
    compare(dir, 0);
    free(dir);
    if (!evaluate("2", "7", "auto", "2", &dir)) return;
    compare(dir, 2);
    free(dir);
}

TEST_LIMIT(tasks_give_the_same_bytes_in_any_batch, 120) {
    char *a, *b, path[4096];
    if (!evaluate("2", "5", "1", "1", &a) || !evaluate("2", "5", "64", "3", &b)) return;
    static const char *const names[] = { "hellaswag", "winogrande", "lambada_openai", "sciq" };
    for (size_t i = 0; i < 4; i++) {
        buffer x = {0}, y = {0};
        snprintf(path, sizeof path, "%s/lm_eval_samples_%s.jsonl", a, names[i]);
        REQUIRE_OK(file_read_all(path, 1 << 24, &x));
        snprintf(path, sizeof path, "%s/lm_eval_samples_%s.jsonl", b, names[i]);
        REQUIRE_OK(file_read_all(path, 1 << 24, &y));
        EXPECT(x.n == y.n && x.n > 0);
        EXPECT_MEM(x.bytes, y.bytes, x.n < y.n ? x.n : y.n);
        buf_free(&x);
        buf_free(&y);
    }
    free(a);
    free(b);
}
