/* test_leaves.c -- status, buffer, utf8 and the oracle that other tests lean on. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/buffer.h"
#include "include/internal/nearest.h"
#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "include/internal/wrap.h"
#include "tests/oracle.h"
#include "tests/test.h"

/* === nearest === */
TEST(nearest_edit_distance) {
    static const struct { const char *a, *b; int edits; } cases[] = {
        { "", "", 0 }, { "", "abc", 3 }, { "abc", "", 3 }, { "kitten", "sitting", 3 }, { "ab", "ba", 1 }, { "ca", "abc", 3 },
        { "top_k", "topk", 1 } };
    char a[NEAREST_BYTES + 40], b[NEAREST_BYTES + 40];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        EXPECT_EQ(edit_distance(cases[i].a, strlen(cases[i].a), cases[i].b, strlen(cases[i].b)), cases[i].edits);
        EXPECT_EQ(edit_distance(cases[i].b, strlen(cases[i].b), cases[i].a, strlen(cases[i].a)), cases[i].edits);
    }
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    EXPECT_EQ(edit_distance(a, sizeof a, b, sizeof b), NEAREST_BYTES);
}

/* === status === */
static glimpse_status fails(const char *name) { FAIL(GLIMPSE_E_FORMAT, "%s: bad magic", name); }
static glimpse_status outcome(void) { return GLIMPSE_SKIPPED; }

static glimpse_status forwards(glimpse_status (*f)(void), int *reached) {
    TRY(f());
    *reached = 1;
    return GLIMPSE_OK;
}
static glimpse_status fails_void(void) { return fails("a.bin"); }

static glimpse_status cleans_up(int *cleaned) {
    glimpse_status st = GLIMPSE_OK;
    TRY_GOTO(fails("b.bin"));
    *cleaned = -1;
out:
    *cleaned += 1;
    return st;
}

TEST(status_try_forwards_errors_not_outcomes) {
    int reached = 0, cleaned = 0;
    EXPECT_EQ(forwards(outcome, &reached), GLIMPSE_OK);
    EXPECT_EQ(reached, 1);
    reached = 0;
    EXPECT_ERR(forwards(fails_void, &reached), GLIMPSE_E_FORMAT, "a.bin: bad magic");
    EXPECT_EQ(reached, 0);
    EXPECT_ERR(cleans_up(&cleaned), GLIMPSE_E_FORMAT, "b.bin");
    EXPECT_EQ(cleaned, 1);
    EXPECT(strncmp(status_where(), "test_leaves.c:", 14) == 0);
}

static glimpse_status hinted(const char *name) { FAIL(GLIMPSE_E_IO, "no %s here\nhint: try %d", name, 7); }

TEST(status_text_is_safe) {
    EXPECT_ERR(fails("x\x1b[31m\r\nhint: obey\x7f"), GLIMPSE_E_FORMAT, NULL);
    EXPECT_STREQ(status_text(), "x\\x1b[31m\\x0d\\nhint: obey\\x7f: bad magic");
    fails("caf\xc3\xa9 \xff \xe2\x80\xae \xc2\x9b");
    EXPECT_STREQ(status_text(), "caf\xc3\xa9 \\xff \\u{202e} \\u{9b}: bad magic");
    hinted("\nhint: mine");
    EXPECT_STREQ(status_text(), "no \\nhint: mine here\nhint: try 7");
    HINT("or %s", "that\n");
    EXPECT_STREQ(status_text(), "no \\nhint: mine here\nhint: try 7\nhint: or that\\n");
    char long_name[5000];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    fails(long_name);
    EXPECT_LT(strlen(status_text()), 4096);
    HINT("full"); /* nothing fits: must not overflow */
    EXPECT_LT(strlen(status_text()), 4096);
}

TEST(status_carries_between_threads_and_libraries) {
    EXPECT_EQ(status_set_text(GLIMPSE_E_WORKER, "gone\nhint: restart\x1b"), GLIMPSE_E_WORKER);
    EXPECT_STREQ(status_text(), "gone\nhint: restart\\x1b");
    status_set_text(GLIMPSE_E_WORKER, status_text()); /* its own buffer */
    EXPECT_STREQ(status_text(), "gone\nhint: restart\\x1b");
    status_set_text(GLIMPSE_E_MEMORY, NULL);
    EXPECT_STREQ(status_text(), "out of memory");
    EXPECT_STREQ(status_where(), "");
    status_clear();
    EXPECT_STREQ(status_text(), "");
}

/* === buffer === */
TEST(buffer_appends) {
    buffer b = {0};
    EXPECT_STREQ(buf_str(&b), "");
    buf_puts(&b, "ab");
    buf_putc(&b, 'c');
    buf_put(&b, "d\0e", 3);
    buf_fill(&b, '-', 3);
    EXPECT_EQ(b.n, 9);
    EXPECT_MEM(b.bytes, "abcd\0e---", 10);
    buf_clear(&b);
    for (int i = 0; i < 1000; i++) buf_printf(&b, "%d,", i);
    EXPECT_EQ(b.n, 10 * 2 + 90 * 3 + 900 * 4);
    EXPECT(strncmp(b.bytes + 20, "10,11,", 6) == 0);
    buf_clear(&b);
    buf_printf(&b, "%0600d", 5); /* longer than the small buffer inside */
    EXPECT_EQ(b.n, 600);
    EXPECT_EQ(b.bytes[599], '5');
    size_t n;
    char *bytes = buf_take(&b, &n);
    EXPECT_EQ(n, 600);
    EXPECT(b.bytes == NULL);
    free(bytes);
    bytes = buf_take(&b, &n);
    EXPECT_STREQ(bytes, "");
    free(bytes);
}

TEST(buffer_out_of_memory_is_sticky) {
    buffer b = {0};
    buf_puts(&b, "kept");
    test_fail_alloc(1);
    buf_fill(&b, 'x', 1000);
    EXPECT(buf_failed(&b));
    buf_puts(&b, "y");
    EXPECT_STREQ(buf_str(&b), "kept");
    EXPECT(buf_take(&b, NULL) == NULL);
    EXPECT(b.bytes == NULL);
    EXPECT(!buf_failed(&b));
    EXPECT(buf_reserve(&b, SIZE_MAX - 1) == NULL);
    EXPECT(buf_failed(&b));
    buf_free(&b);
}

static const char *g_of(double value, int digits) {
    static char text[8][64];
    static int next;
    buffer b = {0};
    buf_g(&b, value, digits);
    char *out = text[next++ % 8];
    snprintf(out, 64, "%s", buf_str(&b));
    buf_free(&b);
    return out;
}

TEST(buffer_numbers) {
    EXPECT_STREQ(g_of(0.1, 17), "0.10000000000000001");
    EXPECT_STREQ(g_of(-1.5, 6), "-1.5");
    EXPECT_STREQ(g_of(1e300, 3), "1e+300");
    EXPECT_STREQ(g_of(123456789, 3), "1.23e+08");
    EXPECT_STREQ(g_of(-NAN, 6), "nan");
    EXPECT_STREQ(g_of(-INFINITY, 6), "-inf");
    EXPECT_STREQ(g_of(2.5, 0), "2"); /* digits clamped to 1 */
    buffer b = {0};
    buf_i64(&b, INT64_MIN);
    buf_putc(&b, ' ');
    buf_i64(&b, 0);
    buf_putc(&b, ' ');
    buf_u64(&b, UINT64_MAX);
    EXPECT_STREQ(buf_str(&b), "-9223372036854775808 0 18446744073709551615");
    buf_free(&b);
}

/* No digit that the float does not need, none less than it needs. */
TEST(buffer_floats_are_short) {
    static const struct {
        float value;
        const char *text;
    } cases[] = {{1e-5f, "1e-05"}, {1e-12f, "1e-12"}, {10000, "10000"}, {500000, "500000"}, {1e6f, "1e+06"}, {16777217, "16777216"},
                 {0.1f, "0.1"}, {0.3f, "0.3"}, {1.0f / 3, "0.33333334"}, {0, "0"}, {-INFINITY, "-inf"}, {NAN, "nan"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer b = {0};
        buf_float(&b, cases[i].value);
        EXPECT_STREQ(buf_str(&b), cases[i].text);
        buf_free(&b);
    }
    uint32_t bits = 1;
    for (int i = 0; i < 100000; i++) {
        float value;
        buffer b = {0};
        bits = bits * 1664525 + 1013904223;
        memcpy(&value, &bits, sizeof value);
        buf_float(&b, value);
        double back = 0;
        if (value - value == 0 && !(parse_double(b.bytes, b.n, &back) && (float)back == value && b.n < 20)) EXPECT(!"reads back");
        buf_free(&b);
    }
}

TEST(buffer_numbers_in_a_comma_locale) {
    if (!test_use_comma_locale()) SKIP("localedef cannot make a locale here (apt-get install locales)");
    double d = 0;
    EXPECT_STREQ(g_of(0.5, 6), "0.5");
    EXPECT(parse_double("1.25", 4, &d));
    EXPECT_NEAR(d, 1.25, 0);
    EXPECT(!parse_double("1,25", 4, &d));
    fails_void();
    (void)status_fail(GLIMPSE_E_INVALID, "f.c", 1, "%g", 0.5);
    EXPECT_STREQ(status_text(), "0.5");
    EXPECT_STREQ(localeconv()->decimal_point, ","); /* and the host keeps its own */
}

TEST(buffer_json_strings) {
    static const struct {
        const char *in;
        size_t n;
        const char *out;
    } cases[] = {
        {"plain", 5, "\"plain\""},
        {"", 0, "\"\""},
        {"a\"b\\c/\n\t\r", 9, "\"a\\\"b\\\\c/\\n\\t\\r\""},
        {"\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\""},
        {"\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {"\xe2\x80\xa8\xe2\x80\xa9", 6, "\"\\u2028\\u2029\""},
        {"a\xff" "b", 3, "\"a\xef\xbf\xbd" "b\""},
        {"\xf0\x9f\x98", 3, "\"\xef\xbf\xbd\""},             /* cut off: one mark */
        {"\xe2\x28\xa1", 3, "\"\xef\xbf\xbd(\xef\xbf\xbd\""}, /* bad second byte */
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer b = {0};
        buf_json_string(&b, cases[i].in, cases[i].n);
        EXPECT_STREQ(buf_str(&b), cases[i].out);
        buf_free(&b);
    }
}

TEST(parse_numbers) {
    static const char *bad_doubles[] = {"", " 1", "1 ", "0x10", "inf", "nan", "1e999", "-1e999", "1e", ".", "+-1", "1.2.3", "1,5", "--1"};
    static const struct {
        const char *text;
        double value;
    } doubles[] = {{"0", 0}, {"-1.5e3", -1500}, {".5", .5}, {"5.", 5}, {"+2", 2}, {"1e-400", 0}, {"0.1", 0.1}};
    for (size_t i = 0; i < sizeof bad_doubles / sizeof *bad_doubles; i++) {
        double d = 42;
        test_check(!parse_double(bad_doubles[i], strlen(bad_doubles[i]), &d), __FILE__, __LINE__, "took \"%s\"", bad_doubles[i]);
        EXPECT_NEAR(d, 42, 0);
    }
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        double d = NAN;
        EXPECT(parse_double(doubles[i].text, strlen(doubles[i].text), &d));
        EXPECT_NEAR(d, doubles[i].value, 0);
    }
    double d = 42;
    EXPECT(!parse_double("1\0002", 3, &d));
    EXPECT(parse_double("12345", 2, &d)); /* n counts, not the NUL */
    EXPECT_NEAR(d, 12, 0);
    int64_t i = 42;
    uint64_t u = 42;
    EXPECT(parse_i64("-9223372036854775808", 20, &i) && i == INT64_MIN);
    EXPECT(parse_i64("9223372036854775807", 19, &i) && i == INT64_MAX);
    EXPECT(parse_i64("+7", 2, &i) && i == 7);
    static const char *bad_ints[] = {"", "-", "+", "-+1", "+-1", "1.0", " 1", "1e3", "0x1", "9223372036854775808", "-9223372036854775809", "99999999999999999999999"};
    for (size_t k = 0; k < sizeof bad_ints / sizeof *bad_ints; k++)
        test_check(!parse_i64(bad_ints[k], strlen(bad_ints[k]), &i), __FILE__, __LINE__, "took \"%s\"", bad_ints[k]);
    EXPECT_EQ(i, 7);
    EXPECT(parse_u64("18446744073709551615", 20, &u) && u == UINT64_MAX);
    EXPECT(!parse_u64("18446744073709551616", 20, &u));
    EXPECT(!parse_u64("-1", 2, &u));
}

/* === utf8 === */
TEST(utf8_every_code_point_survives) {
    for (uint32_t cp = 0; cp <= 0x110000; cp++) {
        char bytes[4];
        uint32_t back = 0;
        int n = utf8_encode(cp, bytes), m = utf8_decode(bytes, (size_t)n, &back);
        bool valid = cp <= 0x10FFFF && !(cp >= 0xD800 && cp <= 0xDFFF);
        if (n != m || back != (valid ? cp : 0xFFFD)) EXPECT_EQ(cp, back);
        for (int k = 1; k < n; k++) /* cut anywhere it is unfinished, not invalid */
            if (utf8_decode(bytes, (size_t)k, &back) != 0) EXPECT_EQ(cp, -k);
    }
}

/* Independent of the tables: decode by the bits, then ask whether that is the shortest form of a scalar value. */
static int slow_decode(const unsigned char *s) {
    int n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (n == 0) return -1;
    uint32_t cp = n == 1 ? s[0] : s[0] & (0x7F >> n);
    for (int i = 1; i < n; i++) {
        if (s[i] >> 6 != 2) return -1;
        cp = cp << 6 | (s[i] & 63);
    }
    return cp < least[n] || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF) ? -1 : n;
}

TEST(utf8_agrees_with_a_slow_decoder) {
    static const unsigned char tail[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++)
            for (size_t c = 0; c < sizeof tail; c++)
                for (size_t d = 0; d < sizeof tail; d++) {
                    unsigned char s[4] = {(unsigned char)a, (unsigned char)b, tail[c], tail[d]};
                    uint32_t cp;
                    int fast = utf8_decode((char *)s, 4, &cp), slow = slow_decode(s);
                    if ((fast > 0 ? fast : -1) != slow || fast == 0) EXPECT_EQ(fast, slow);
                }
}

TEST(utf8_replacements_and_prefixes) {
    static const struct {
        const char *s;
        size_t n, complete;
        int first;
    } cases[] = {
        {"", 0, 0, 0},          {"a", 1, 1, 1},           {"a\xc3", 2, 1, 1},        {"\xc3", 1, 0, 0},
        {"\xe2\x82", 2, 0, 0},  {"\xe2\x28", 2, 2, -1},   {"\xf0\x90\x80", 3, 0, 0}, {"\xf0\x80\x80", 3, 3, -1},
        {"\xff", 1, 1, -1},     {"\x80", 1, 1, -1},       {"\xf0\x9f\x98\x80", 4, 4, 4},
        {"\xf0\x9f\x98\x41", 4, 4, -3}, {"\xc0\xaf", 2, 2, -1}, {"\xed\xa0", 2, 2, -1}, {"\xf4\x90", 2, 2, -1},
        {"abc\xe2\x82\xac\xe2", 7, 6, 1}, {"\x80\x80\x80\x80", 4, 4, -1}, {"\xc3\xa9\x80", 3, 3, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t cp;
        EXPECT_EQ(utf8_decode(cases[i].s, cases[i].n, &cp), cases[i].first);
        EXPECT_EQ(utf8_complete_prefix(cases[i].s, cases[i].n), cases[i].complete);
    }
    EXPECT(utf8_valid("h\xc3\xa9", 3));
    EXPECT(!utf8_valid("h\xc3", 2));
    EXPECT(utf8_valid("", 0));
}

TEST(utf8_controls) {
    static const uint32_t controls[] = {0, 9, 10, 13, 0x1B, 0x1F, 0x7F, 0x80, 0x9B, 0x9F, 0x61C, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A, 0x202E, 0x2066, 0x2069, 0xFEFF, 0xE0001, 0xE0041, 0xE007F};
    static const uint32_t shown[] = {' ', '~', 0xA0, 0xE9, 0x200D, 0x2027, 0x202F, 0x2065, 0xFFFD, 0x1F600, 0xE0080, 0x10FFFF};
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
        if (!utf8_is_control(controls[i])) EXPECT_EQ(controls[i], -1);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (utf8_is_control(shown[i])) EXPECT_EQ(shown[i], -1);
}

/* === messages on a narrow terminal === */
static const char *wrapped(const char *text, size_t columns) {
    static char got[4096];
    buffer b = {0};
    wrap_lines(&b, text, columns);
    snprintf(got, sizeof got, "%s", buf_str(&b));
    buf_free(&b);
    return got;
}

TEST(wrap_breaks_at_blanks_alone) {
    EXPECT_STREQ(wrapped("glimpse: one two  three\nhint: four", 0), "glimpse: one two  three\nhint: four");
    EXPECT_STREQ(wrapped("glimpse: one two  three\nhint: four\n", 80), "glimpse: one two  three\nhint: four\n");
    EXPECT_STREQ(wrapped("glimpse: one two  three\nhint: four", 18), "glimpse: one two\n  three\nhint: four");
    EXPECT_STREQ(wrapped("  model      file  gpt2, 3 layers, 4 heads", 30), "  model      file  gpt2, 3\n             layers, 4 heads");
    /* a path stays whole, a list is cut behind a semicolon, an accent is one column, a wide character two */
    EXPECT_STREQ(wrapped("see runs/a/very/long/path/sample.txt now", 20), "see\n  runs/a/very/long/path/sample.txt\n  now");
    EXPECT_STREQ(wrapped("  chain  top_k=200;top_p=0.9;min_p=0.05;x", 30), "  chain  top_k=200;top_p=0.9;\n         min_p=0.05;x");
    EXPECT_STREQ(wrapped("\xc3\xa9\xc3\xa9\xc3\xa9 ab", 6), "\xc3\xa9\xc3\xa9\xc3\xa9 ab");
    EXPECT_STREQ(wrapped("\xe6\x97\xa5\xe6\x97\xa5 ab", 6), "\xe6\x97\xa5\xe6\x97\xa5\n  ab");
    EXPECT_STREQ(wrapped("hint: a `one two` three", 20), "hint: a `one two`\n  three"); /* to be copied */
    EXPECT_STREQ(wrapped("hint: `one two three four` five", 20), "hint:\n  `one two three four`\n  five");
    EXPECT_STREQ(wrapped("\r\x1b[Kglimpse: one two thr", 20), "\r\x1b[Kglimpse: one two thr");
    EXPECT_STREQ(wrapped("\r                   \rglimpse: one two thr four", 20), "\r                   \rglimpse: one two thr\n  four");
    /* Whatever the width: the words, in their order, and no line too wide but by one word. */
    static const char text[] = "  model      out/demo/model_00001238.bin  gpt2, 3 layers, 4 heads, 128 channels\nglimpse: no run is writing to out/demo";
    for (size_t columns = 41; columns < 130; columns++) { /* narrower, the path is too wide for the place behind its name */
        const char *got = wrapped(text, columns), *from = text;
        for (const char *at = got; *at; at += strcspn(at, "\n") + (at[strcspn(at, "\n")] == '\n')) {
            const size_t n = strcspn(at, "\n"), blanks = strspn(at, " ");
            if (n > columns && memchr(at + blanks, ' ', n - blanks)) EXPECT(!"a line of several words is too wide");
        }
        for (const char *at = got; *at; at++) {
            if (*at == ' ' || *at == '\n') continue;
            while (*from == ' ' || *from == '\n') from++;
            EXPECT_EQ(*at, *from++);
        }
        EXPECT_EQ(*from, 0);
    }
}

/* === the oracle itself === */
TEST(oracle_chi_square_table) {
    /* Upper points from the NIST/SEMATECH handbook, table 1.3.6.7.4. */
    static const struct {
        int df;
        double x, p;
    } table[] = {{1, 3.841, .05}, {3, 16.266, .001}, {10, 18.307, .05}, {10, 4.865, .9}, {50, 67.505, .05}, {100, 149.449, .001}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        EXPECT_NEAR(oracle_chi_square_p(table[i].x, table[i].df), table[i].p, 1e-4 * (table[i].p + .1));
    EXPECT(isnan(oracle_chi_square_p(NAN, 3)));
}

TEST(oracle_fit_tells_right_from_wrong) {
    static const double p[] = {.5, .25, .15, .1}, cut[] = {.5 / .9, .25 / .9, .15 / .9, 0};
    int64_t right[4] = {0}, wrong[4] = {0};
    uint64_t state = 1;
    for (int i = 0; i < 100000; i++) {
        double u = oracle_uniform(&state), v = u;
        int k = 0, j = 0;
        while (k < 3 && (u -= p[k]) >= 0) k++;
        while (j < 2 && (v -= cut[j]) >= 0) j++;
        right[k]++, wrong[j]++;
    }
    EXPECT_LT(1e-3, oracle_fit_p(right, p, 4));
    EXPECT_LT(oracle_fit_p(wrong, p, 4), 1e-12);
    EXPECT_LT(oracle_fit_p(right, cut, 4), 1e-12); /* a draw of what is impossible */
}
