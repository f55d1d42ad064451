/* test_dataset.c -- the readers of --dataset, the slice that (seed, step) choose, the model's view of it against its own
 * losses, and memorised spans against a naive search. */
#include "hooks/memorised.h"
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "tests/oracle.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *save(const char *name, const void *bytes, size_t n) {
    char *path = path_join(test_tmpdir(), name);
    EXPECT_OK(file_write_atomic(path, bytes, n, false));
    return path;
}

enum { N = 3000 };
static uint16_t tokens[512 + N];

static void make_tokens(int vocab) {
    uint64_t state = 3;
    int32_t head[] = { 20240520, 1, N };
    memset(tokens, 0, 1024);
    memcpy(tokens, head, sizeof head);
    for (int i = 0; i < N; i++) tokens[512 + i] = (uint16_t)(oracle_random(&state) % (uint64_t)vocab);
}

TEST(dataset_readers_give_the_same_tokens) {
    make_tokens(60);
    dataset *d[2];
    char *a = save("a.bin", tokens, sizeof tokens), *b = save("train.bin", tokens + 512, N * 2);
    REQUIRE_OK(dataset_open(a, 60, &d[0]));
    REQUIRE_OK(dataset_open(b, 60, &d[1]));
    int places = 0;
    for (int step = 0; step < 20; step++) {
        buffer ids[3] = {{0}}, text = {0};
        for (int k = 0; k < 3; k++) REQUIRE_OK(dataset_slice(d[k % 2], NULL, 1337, step, 40, &ids[k], &text));
        EXPECT_EQ(ids[0].n, 40 * sizeof(int32_t));
        EXPECT_MEM(ids[0].bytes, ids[1].bytes, ids[0].n);
        EXPECT_MEM(ids[0].bytes, ids[2].bytes, ids[0].n);
        const int32_t *id = (const int32_t *)(const void *)ids[0].bytes;
        bool found = false;
        for (int at = 0; at + 40 <= N && !found; at++) {
            found = true;
            for (int i = 0; i < 40; i++) found &= tokens[512 + at + i] == id[i];
            if (found) places |= 1 << at * 16 / N;
        }
        EXPECT(found);
        for (int k = 0; k < 3; k++) buf_free(&ids[k]);
        buf_free(&text);
    }
    int spread = 0;
    for (int i = 0; i < 16; i++) spread += places >> i & 1;
    EXPECT(spread >= 8);
    dataset_close(d[0]);
    dataset_close(d[1]);
    free(a);
    free(b);
}

TEST(dataset_text_and_json_lines) {
    tiny_gpt g;
    tokenizer *t;
    dataset *d;
    tiny_gpt_make(&g, 1, 2, 16, 60, 32, -1, 1);
    REQUIRE_OK(tokenizer_from_description(&g.model.tokenizer, 60, -1, &t));
    static const char lines[] = "{\"text\":\"ABC\"}\n{\"text\":\"DEFGH\"}\n";
    char *path = save("a.jsonl", lines, sizeof lines - 1);
    REQUIRE_OK(dataset_open(path, 60, &d));
    buffer ids = {0}, text = {0};
    REQUIRE_OK(dataset_slice(d, t, 1, 1, 100, &ids, &text));
    EXPECT_STREQ(buf_str(&text), "ABC\nDEFGH\n");
    EXPECT_ERR(dataset_slice(d, NULL, 1, 1, 4, &ids, &text), GLIMPSE_E_TOKENIZER, "no tokenizer");
    dataset_close(d);
    free(path);
    static const struct { const char *name, *bytes; size_t n; const char *part; } bad[] = {
        { "b.jsonl", "{\"text\":\"A\"}\n{\"txt\":1}\n", 23, "b.jsonl:2" }, { "e.txt", "", 0, "empty" }, { "o.bin", "abc", 3, "no tokens of 2" } };
    for (int i = 0; i < 3; i++) {
        path = save(bad[i].name, bad[i].bytes, bad[i].n);
        EXPECT_ERR(dataset_open(path, 60, &d), GLIMPSE_E_FORMAT, bad[i].part);
        free(path);
    }
    make_tokens(60);
    path = save("cut.bin", tokens, sizeof tokens - 2);
    EXPECT_ERR(dataset_open(path, 60, &d), GLIMPSE_E_FORMAT, "asks for");
    free(path);
    static const int32_t no_data[][2] = {{20240520, 2}, {20240326, 3}, {20240803, 5}, {20240328, 2}, {20240522, 1}, {20240527, 1}, {20240801, 1}};
    for (size_t i = 0; i < sizeof no_data / sizeof *no_data; i++) { /* llm.c's other files: weights, a tokenizer, ... */
        memcpy(tokens, no_data[i], sizeof no_data[i]);
        path = save("none.bin", tokens, sizeof tokens);
        EXPECT_ERR(dataset_open(path, 60, &d), GLIMPSE_E_FORMAT, "llm.c's token data with 20240520, 1");
        free(path);
    }
    make_tokens(60);
    path = save("other.bin", tokens, sizeof tokens);
    REQUIRE_OK(dataset_open(path, 5, &d));
    EXPECT_ERR(dataset_slice(d, NULL, 1, 1, 100, &ids, &text), GLIMPSE_E_FORMAT, "the model knows ids 0 .. 4");
    dataset_close(d);
    free(path);
    buf_free(&ids);
    buf_free(&text);
    tokenizer_close(t);
    tiny_gpt_free(&g);
}

TEST(memorised_spans_against_a_naive_search) {
    uint64_t state = 11;
    for (int round = 0; round < 300; round++) {
        int32_t a[40], s[200], n = 1 + (int32_t)(oracle_random(&state) % 40), m = (int32_t)(oracle_random(&state) % 200);
        uint64_t letters = 1 + oracle_random(&state) % 4;
        for (int i = 0; i < n; i++) a[i] = (int32_t)(oracle_random(&state) % letters);
        for (int i = 0; i < m; i++) s[i] = (int32_t)(oracle_random(&state) % (letters + (round % 3 == 0)));
        int32_t want = 0, end;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < m; j++) {
                int k = 0;
                while (i + k < n && j + k < m && a[i + k] == s[j + k]) k++;
                if (k > want) want = k;
            }
        span_finder *f;
        REQUIRE_OK(span_finder_new(a, n, &f));
        int half = m / 3;
        span_finder_feed(f, s, (size_t)half);
        span_finder_feed(f, s + half, (size_t)(m - half));
        EXPECT_EQ(span_finder_longest(f, &end), want);
        bool stands = false;
        for (int j = 0; j + want <= m; j++) stands |= !memcmp(a + end - want, s + j, (size_t)want * sizeof *a);
        EXPECT(end >= want && end <= n && stands);
        span_finder_free(f);
    }
}

static double of(const glimpse_metric *m, int32_t n, const char *name) {
    for (int32_t i = 0; i < n; i++)
        if (!strcmp(m[i].name, name)) return m[i].value;
    return -777;
}

/* An eval with --dataset_benchmarks: what the journal's line says, against the losses of the same slice. */
TEST(dataset_benchmarks_of_an_eval) {
    tiny_gpt g;
    options *o = options_new();
    session *s = NULL;
    session_host host = { .user = NULL };
    dataset *d;
    make_tokens(60);
    char *path = save("train.bin", tokens + 512, N * 2);
    tiny_gpt_make(&g, 2, 2, 16, 60, 48, -1, 1);
    static const struct { opt_id id; const char *value; } set[] = { { OPT_max_sample_tokens, "100" }, { OPT_sheets, "false" },
        { OPT_dataset_benchmarks, "true" }, { OPT_sample_metrics, "true" } };
    for (size_t i = 0; i < sizeof set / sizeof *set; i++) EXPECT_OK(options_set(o, set[i].id, set[i].value, OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_out_dir, test_tmpdir(), OPT_LEVEL_FLAG));
    EXPECT_ERR(session_open(o, &g.model, &host, &s), GLIMPSE_E_INVALID, "--dataset PATH");
    EXPECT_OK(options_set(o, OPT_dataset, path, OPT_LEVEL_FLAG));
    REQUIRE_OK(session_open(o, &g.model, &host, &s));
    EXPECT_OK(session_eval(s, 7, 3, 3));
    REQUIRE(s->before);
    const glimpse_record *r = &s->before->record;
    REQUIRE(r->n_dataset > 15 && r->n_samples == 1);
    /* the slice again, in the same windows: the first token given, then at most 47 scored in each */
    buffer ids = {0}, text = {0};
    REQUIRE_OK(dataset_open(path, 60, &d));
    REQUIRE_OK(dataset_slice(d, s->t, 1337, 7, 100, &ids, &text));
    const int32_t *id = (const int32_t *)(const void *)ids.bytes;
    double loss = 0;
    rolling_windows w = {{0}, {0}};
    int32_t n;
    REQUIRE_OK(rolling_add(&w, id + 1, 99, id[0], 47, &n));
    const score_request *rq = rolling_finish(&w, &n);
    score_answer answers[8];
    REQUIRE_OK(score_requests(s->g, rq, n, &(score_config){ 0 }, answers));
    for (int i = 0; i < n; i++) loss -= answers[i].logprob;
    EXPECT_NEAR(of(r->dataset, r->n_dataset, "loss"), loss / 99, 1e-4);
    EXPECT_NEAR(of(r->dataset, r->n_dataset, "bits_per_byte"), loss / 99 / log(2), 1e-4); /* a byte a token */
    EXPECT(of(r->dataset, r->n_dataset, "accuracy") >= 0 && of(r->dataset, r->n_dataset, "rank_p95") <= 60);
    EXPECT(of(r->dataset, r->n_dataset, "lexical_diversity") != -777);
    EXPECT(of(r->dataset, r->n_dataset, "perplexity") == -777);
    const glimpse_sample *x = r->samples;
    int32_t longest = 0;
    for (int i = 0; i < x->n_tokens; i++)
        for (int j = 0; j < N; j++) {
            int k = 0;
            while (i + k < x->n_tokens && j + k < N && x->tokens[i + k].id == tokens[512 + j + k]) k++;
            if (k > longest) longest = k;
        }
    EXPECT(longest > 0);
    EXPECT_NEAR(of(x->metrics, x->n_metrics, "memorised_bytes"), longest, 0);
    EXPECT_NEAR(of(x->metrics, x->n_metrics, "memorised_searched"), 1, 0);
    buf_free(&ids);
    buf_free(&text);
    rolling_free(&w);
    dataset_close(d);
    session_close(s);
    options_free(o);
    tiny_gpt_free(&g);
    free(path);
}
