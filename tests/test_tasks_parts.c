/* test_tasks_parts.c -- what the tasks are made of, against CPython's own answers: string methods, random.sample, SHA-256,
 * json.dumps; bad data files.  Values: python3 -c with the expressions beside them. */
#include "hooks/tasks/python_random.h"
#include "hooks/tasks/python_text.h"
#include "hooks/tasks/sha256.h"
#include "hooks/tasks/task.h"
#include "include/internal/file.h"
#include "tests/test.h"
#include <stdlib.h>
#include <string.h>

static text t_of(const char *s) { return (text){ s, strlen(s) }; }

TEST(tasks_python_strings) {
    static const char *const capitals[][2] = { { "mR. smith Goes", "Mr. smith goes" }, { "", "" }, { "\xc3\x9f" "eta", "Sseta" },
        { "\xce\x9f\xce\x94\xce\x9f\xce\xa3", "\xce\x9f\xce\xb4\xce\xbf\xcf\x82" },              /* final sigma */
        { "\xce\xa3\xce\x9f\xce\xa6\xce\x9f\xce\xa3 ABC", "\xce\xa3\xce\xbf\xcf\x86\xce\xbf\xcf\x82 abc" },
        { "A\xce\xa3" "b", "A\xcf\x83" "b" }, { "\xc7\x86ungla", "\xc7\x85ungla" },              /* dž -> Dž */
        { "x\xc4\xb0", "Xi\xcc\x87" }, { "\xef\xac\x81t", "Fit" }, { " Ab", " ab" } };
    for (size_t i = 0; i < sizeof capitals / sizeof *capitals; i++) {
        buffer b = {0};
        py_capitalize(t_of(capitals[i][0]), &b);
        EXPECT_STREQ(buf_str(&b), capitals[i][1]);
        buf_free(&b);
    }
    text s = py_strip(t_of("\x1c\xe2\x80\xa8 \xc2\x85 a b \xe3\x80\x80\t"));
    EXPECT(s.n == 3 && !memcmp(s.s, "a b", 3));
    EXPECT_EQ(py_strip(t_of(" \xe2\x80\x8a")).n, 0);
    EXPECT_EQ(py_strip(t_of("\xe2\x80\x8b")).n, 3); /* a zero-width space is no blank */
    EXPECT_EQ(py_len(t_of("a\xc3\xa9\xf0\x9f\x98\x80")), 3);
    EXPECT_EQ(py_count_words(t_of("")), 1); /* re.split gives [''] */
    EXPECT_EQ(py_count_words(t_of(" a  b\xc2\xa0" "c ")), 5);
    EXPECT_EQ(py_drop_last(t_of("a\xc3\xa9")).n, 1);
    int spaces = 0;
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) spaces += py_is_space(cp);
    EXPECT_EQ(spaces, 29);
    buffer b = {0};
    buf_puts(&b, "a   b  c");
    py_replace(&b, "  ", " ");
    EXPECT_STREQ(buf_str(&b), "a  b c");
    buf_clear(&b);
    buf_puts(&b, "( a ( b ) c ) \" q \" \" (");
    py_trim_pairs(&b, '(', ')');
    py_trim_pairs(&b, '"', '"');
    EXPECT_STREQ(buf_str(&b), "(a ( b) c ) \"q\" \" (");
    buf_free(&b);
}

TEST(tasks_python_numbers) {
    static const struct { double x; const char *text; } of[] = { { 0, "0.0" }, { -0.5, "-0.5" }, { 1e16, "1e+16" }, { 1e15, "1000000000000000.0" },
        { 0.0001, "0.0001" }, { 0.00001, "1e-05" }, { 1.0 / 3, "0.3333333333333333" }, { -123.456, "-123.456" }, { 5e-324, "5e-324" },
        { 1.7976931348623157e308, "1.7976931348623157e+308" }, { 100, "100.0" }, { 1.5e-7, "1.5e-07" } };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        buffer b = {0};
        py_float(of[i].x, &b);
        EXPECT_STREQ(buf_str(&b), of[i].text);
        buf_free(&b);
    }
}

TEST(tasks_python_random) {
    py_random r; /* random.Random(1234): random() twice, sample(range(40), 3), sample(range(1000), 8) */
    py_random_seed(&r, 1234);
    EXPECT_NEAR(py_random_double(&r), 0.9664535356921388, 0);
    EXPECT_NEAR(py_random_double(&r), 0.4407325991753527, 0);
    static const uint32_t want_a[] = { 0, 5, 37 };
    static const uint32_t want_b[] = { 35, 687, 709, 85, 100, 784, 363, 242 };
    uint32_t got[8];
    py_random_seed(&r, 1234);
    for (int i = 0; i < 2; i++) py_random_double(&r);
    REQUIRE_OK(py_random_sample(&r, 40, 3, got));
    for (int i = 0; i < 3; i++) EXPECT_EQ(got[i], want_a[i]);
    REQUIRE_OK(py_random_sample(&r, 1000, 8, got));
    for (int i = 0; i < 8; i++) EXPECT_EQ(got[i], want_b[i]);
    EXPECT_ERR(py_random_sample(&r, 3, 4, got), GLIMPSE_E_INVALID, "4 of 3");
}

TEST(tasks_sha256) { /* FIPS 180-4's examples, and lengths around a block */
    char hex[SHA256_HEX];
    sha256_hex("abc", 3, hex);
    EXPECT_STREQ(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex("", 0, hex);
    EXPECT_STREQ(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
    EXPECT_STREQ(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static char *save(const char *name, const char *bytes, size_t n) {
    char *path = path_join(test_tmpdir(), name);
    EXPECT_OK(file_write_atomic(path, bytes, n, false));
    return path;
}

TEST(tasks_json_lines_as_python_writes_them) {
    static const char line[] = "\xEF\xBB\xBF\r\n{\"a\":[1,2.50,{}],\"b\":\"q\\u0001\\u00e9\\\"/\\u2028\",\"c\":null,\"d\":{\"e\":true,\"f\":1e3},\"g\":[]}\r\n";
    char *path = save("a.jsonl", line, sizeof line - 1);
    json_lines l;
    buffer b = {0};
    REQUIRE_OK(json_lines_read(path, &l));
    REQUIRE(l.n == 1 && l.lines[0].number == 2);
    json_dump(l.lines[0].tree.nodes, 0, &b);
    EXPECT_STREQ(buf_str(&b), "{\"a\": [1, 2.5, {}], \"b\": \"q\\u0001\xc3\xa9\\\"/\xe2\x80\xa8\", \"c\": null, \"d\": {\"e\": true, \"f\": 1000.0}, \"g\": []}");
    buf_clear(&b);
    json_dump(json_get(l.lines[0].tree.nodes, "d"), 2, &b);
    EXPECT_STREQ(buf_str(&b), "{\n  \"e\": true,\n  \"f\": 1000.0\n}");
    buf_free(&b);
    json_lines_free(&l);
    free(path);
}

TEST(tasks_bad_lines_are_named) {
    static const struct { const char *bytes, *part; } bad[] = {
        { "{\"a\":1}\n{\"a\":", "bad.jsonl:2" }, { "{\"a\":1}\n\n[1]\n", "bad.jsonl:3: not an object" }, { "\n\n", "holds no line" },
        { "{\"a\":\"\xff\"}", "bad.jsonl:1" }, { "{\"a\":1}garbage\n", "bad.jsonl:1" }, { "{\"a\":\"\\ud800\"}", "bad.jsonl:1" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_lines l;
        char *path = save("bad.jsonl", bad[i].bytes, strlen(bad[i].bytes));
        EXPECT_ERR(json_lines_read(path, &l), GLIMPSE_E_FORMAT, bad[i].part);
        free(path);
    }
    buffer huge = {0};
    buf_puts(&huge, "{\"a\":\"");
    buf_fill(&huge, 'x', (size_t)17 << 20);
    buf_puts(&huge, "\"}\n");
    json_lines l;
    char *path = save("huge.jsonl", huge.bytes, huge.n);
    EXPECT_ERR(json_lines_read(path, &l), GLIMPSE_E_FORMAT, "huge.jsonl:1: a line of");
    buf_free(&huge);
    free(path);
    EXPECT_ERR(json_lines_read("/nowhere/x.jsonl", &l), GLIMPSE_E_IO, "/nowhere/x.jsonl");
}

/* A document of every task that lacks something: file, line and what is missing. */
TEST(tasks_bad_documents_are_named) {
    static const struct { const char *task, *line, *part; } bad[] = {
        { "hellaswag", "{\"ctx_a\":\"a\"}", "\"ctx_b\"" },
        { "hellaswag", "{\"ctx_a\":\"a\",\"ctx_b\":\"b\",\"activity_label\":\"c\",\"endings\":[\"x\"],\"label\":\"4\"}", "number 4 of 1" },
        { "hellaswag", "{\"ctx_a\":\"a\",\"ctx_b\":\"b\",\"activity_label\":\"c\",\"endings\":\"x\",\"label\":\"\"}", "\"label\" is no whole number" },
        { "arc_easy", "{\"question\":\"q\",\"choices\":{\"text\":[\"a\"],\"label\":[]},\"answerKey\":\"A\"}", "as many" },
        { "arc_easy", "{\"question\":{\"stem\":\"q\",\"choices\":[{\"text\":\"a\",\"label\":\"A\"}]},\"answerKey\":\"B\"}", "none of the labels" },
        { "winogrande", "{\"sentence\":\"no gap\",\"option1\":\"a\",\"option2\":\"b\",\"answer\":\"1\"}", "no _" },
        { "copa", "{\"premise\":\"p\",\"question\":\"why\",\"choice1\":\"a\",\"choice2\":\"b\",\"label\":0}", "neither cause nor effect" },
        { "piqa", "{\"goal\":7}", "\"goal\" is no text" },
        { "boolq", "{\"passage\":\"p\",\"question\":\"q\",\"label\":2}", "number 2 of 2" },
        { "wikitext", "{\"text\":\"p\"}", "\"page\"" } };
    arena *a = arena_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_lines l;
        task_kind k;
        task_doc d = {0};
        char *path = save("doc.jsonl", bad[i].line, strlen(bad[i].line));
        REQUIRE_OK(json_lines_read(path, &l));
        REQUIRE_OK(task_find(bad[i].task, test_tmpdir(), a, &k));
        EXPECT_ERR(k.read(&k, &l, 0, a, &d), GLIMPSE_E_FORMAT, bad[i].part);
        EXPECT_ERR(k.read(&k, &l, 0, a, &d), GLIMPSE_E_FORMAT, "doc.jsonl:1: ");
        json_lines_free(&l);
        free(path);
    }
    task_kind k;
    char *file = NULL;
    EXPECT_ERR(task_find("helaswag", test_tmpdir(), a, &k), GLIMPSE_E_INVALID, "did you mean hellaswag?");
    EXPECT_ERR(task_find("../x", test_tmpdir(), a, &k), GLIMPSE_E_INVALID, "no task");
    REQUIRE_OK(task_find("sciq", test_tmpdir(), a, &k));
    EXPECT_ERR(task_file(&k, test_tmpdir(), false, &file), GLIMPSE_E_IO, "distractor1");
    EXPECT_ERR(task_file(&k, test_tmpdir(), false, &file), GLIMPSE_E_IO, "load_dataset('allenai/sciq', split='test').to_json(");
    arena_free(a);
}

/* llm.c's tokens: two examples written here; cut at every byte they are refused, never read beyond. */
TEST(tasks_llmc_tokens) {
    uint16_t w[512 + 64] = {0};
    int32_t head[] = { 20240522, 1, 2, 60 };
    memcpy(w, head, sizeof head);
    static const uint16_t examples[] = { 65535, 38, 0, 2, 4, 3, 10, 11, 12, 1, 20, 2, 21, 22, 1, 23, 2, 24, 25,
                                         65535, 32, 1, 1, 4, 1, 10, 1, 20, 1, 21, 1, 22, 1, 23, 0 };
    memcpy(w + 512, examples, sizeof examples);
    size_t n = 1024 + 38 + 32;
    w[512 + 20 - 1 + 1] = 30; /* bytes of the second: 15 words */
    arena *a = arena_new();
    task_doc *d = NULL;
    int32_t count = 0;
    char hex[SHA256_HEX], *path = save("h.bin", (const char *)w, n);
    REQUIRE_OK(task_read_llmc(path, a, &d, &count, hex));
    EXPECT_EQ(count, 2);
    EXPECT_EQ(d[0].gold, 2);
    EXPECT_EQ(d[0].n_choices, 4);
    EXPECT_EQ(d[0].n_ids[0], 3);
    EXPECT_EQ(d[0].n_ids[4], 2);
    EXPECT_EQ(d[0].ids[8], 25);
    EXPECT_EQ(d[1].ids[1], 20);
    free(path);
    for (size_t cut = 0; cut < n - 2; cut += 3) {
        path = save("h.bin", (const char *)w, cut);
        EXPECT_ERR(task_read_llmc(path, a, &d, &count, hex), GLIMPSE_E_FORMAT, "h.bin");
        free(path);
    }
    arena_free(a);
}
