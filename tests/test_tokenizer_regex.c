/* test_tokenizer_regex.c -- patterns of tokenizer.json that PCRE2 reads otherwise than Oniguruma, which Hugging Face
 * tokenizers uses.  What is expected is what tokenizers 0.23.3 gives:
 * pre_tokenizers.Split(Regex(pattern), behavior).pre_tokenize_str(text), and normalizers.Replace(Regex(pattern), content).normalize_str(text). */
#include <string.h>

#include "sampling/tokenizer/json_regex.h"
#include "tests/test.h"

static void run(json_step *s, const char *pattern, const char *text, const char *want) {
    pieces_text p = {0};
    buffer have = {0};
    json_steps steps = {s, 1, 1};
    if (EXPECT_OK(regex_matcher("test", pattern, strlen(pattern), REGEX_ONIGURUMA, s))) {
        pieces_start(&p, text, strlen(text), true);
        EXPECT_OK(steps_run(&steps, &p));
        const piece_span *spans = (const piece_span *)(const void *)p.spans.bytes;
        for (size_t i = 0; i < p.spans.n / sizeof *spans; i++) {
            if (i) buf_putc(&have, '|');
            buf_put(&have, p.text.bytes + spans[i].at, spans[i].n);
        }
        test_check(!strcmp(buf_str(&have), want), __FILE__, __LINE__, "%s over \"%s\": \"%s\", expected \"%s\"", pattern, text,
                   buf_str(&have), want);
    }
    regex_free(s);
    pieces_free(&p);
    buf_free(&have);
}

TEST(tokenizer_regex_splits_as_oniguruma) {
    static const struct {
        const char *pattern;
        split_behavior behavior;
        const char *text, *want;
    } cases[] = {
        {"^a|b$", SPLIT_ISOLATED, "ab\nab\n", "a|b|\n|a|b|\n"},
        {"(?m:a.b)", SPLIT_ISOLATED, "xa\nbx", "x|a\nb|x"},
        {"(?m)a.b(?-m:.?)", SPLIT_ISOLATED, "xa\nb\nx", "x|a\nb|\nx"},
        {"\\w+", SPLIT_ISOLATED, "a\xcc\x81" "b \xc2\xb2x \xe2\x80\x8d" "b", "a\xcc\x81" "b| |\xc2\xb2x| \xe2\x80\x8d|b"},
        {"[\\w]+", SPLIT_ISOLATED, "a\xc2\xb2 \xc3\xa9", "a|\xc2\xb2 |\xc3\xa9"},
        {"\\W", SPLIT_ISOLATED, "a\xc2\xb2 \xc3\xa9", "a\xc2\xb2| |\xc3\xa9"},
        {"\\bb", SPLIT_ISOLATED, "b\xc2\xb2" "b b\xcc\x81" "b", "b|\xc2\xb2" "b |b|\xcc\x81" "b"},
        {"\\Bb", SPLIT_ISOLATED, "\xc2\xb2" "b bb", "\xc2\xb2|b| b|b"},
        {"\\p{Han}+", SPLIT_ISOLATED,
         "a\xe3\x80\x81\xe4\xb8\x80\xf0\xb1\x8d\x90" "b", "a\xe3\x80\x81|\xe4\xb8\x80\xf0\xb1\x8d\x90|b"},
        {"\\p{N}{1,3}+", SPLIT_ISOLATED, "a12345", "a|12345"},
        {"(a(b)?){1,2}+", SPLIT_ISOLATED, "xabaaab", "x|abaaab"},
        {"[\\\\]{1,2}+a", SPLIT_ISOLATED, "\\\\\\a", "\\\\\\a"},
        {"b{2}?", SPLIT_ISOLATED, "bbb", "bb|b"},
        {"a{,2}b", SPLIT_ISOLATED, "aaab", "a|aab"},
        {"a{1,2}?", SPLIT_ISOLATED, "aaa", "a|a|a"},
        {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+|"
         " ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
         SPLIT_ISOLATED, "a12345 \n b", "a|12345| \n| b"},
        {"(?=(\\d{3})+(?!\\d))", SPLIT_ISOLATED, "a1234567", "a1|234|567"},
        {"x*", SPLIT_ISOLATED, "axxb", "a|xx|b"},
        {"x*", SPLIT_REMOVED, "axxb", "a|b"},
        {"x*", SPLIT_PREVIOUS, "axxb", "axx|b"},
        {"x*", SPLIT_NEXT, "axxb", "a|xxb"},
        {"x*", SPLIT_CONTIGUOUS, "axxb", "a|xx|b"},
        {"(?=A)", SPLIT_NEXT, "aAaA", "a|Aa|A"},
        {"\\h+", SPLIT_ISOLATED, "xaf1z", "x|af1|z"},
        {"\\v", SPLIT_ISOLATED, "a\n\x0b" "b", "a\n|\x0b|b"},
        {"\\d+", SPLIT_ISOLATED, "a1\xf0\x90\xb5\x80" "b", "a|1\xf0\x90\xb5\x80|b"},
        {"[\\d]", SPLIT_ISOLATED, "a\xf0\x90\xb5\x80", "a|\xf0\x90\xb5\x80"},
        {"\\x41{1,3}+", SPLIT_ISOLATED, "_AAAAA4_", "_|AAAAA|4_"},
        {"\\x{4e00}{1,2}+", SPLIT_ISOLATED, "a\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80", "a|\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x80"},
        {"(?<x>a)\\k<x>{1,2}+b", SPLIT_ISOLATED, "xaaaaab", "x|aaaaab"},
        {"a(?i)b|c", SPLIT_ISOLATED, "aBC c ab", "aB|C c |ab"},
        {"(?:a(?i)b|c)d", SPLIT_ISOLATED, "aBd Cd aCd", "aBd| Cd |aCd"},
        {"x(?i)a(?m)b.|c|(?-i)d", SPLIT_ISOLATED, "xaB\nxACxad xaD xAd", "xaB\n|xAC|xad| xaD |xAd"},
        {"\\p{^Han}+", SPLIT_ISOLATED, "\xe4\xb8\x80" "a\xe3\x80\x81\xe4\xb8\x80", "\xe4\xb8\x80|a\xe3\x80\x81|\xe4\xb8\x80"},
        {"[\\P{Han}]+", SPLIT_ISOLATED, "\xe4\xb8\x80" "a\xe3\x80\x81\xe4\xb8\x80", "\xe4\xb8\x80|a\xe3\x80\x81|\xe4\xb8\x80"},
        {"\xc3\xa9{1,2}+", SPLIT_ISOLATED, "a\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9" "b", "a|\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9|b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_step s = {.kind = STEP_SPLIT, .behavior = cases[i].behavior};
        run(&s, cases[i].pattern, cases[i].text, cases[i].want);
    }
}

TEST(tokenizer_regex_replaces_as_oniguruma) {
    static const struct {
        const char *pattern, *content, *text, *want;
    } cases[] = {
        {"a{,2}", "-", "aaab", "--b-"},
        {"x*", "-", "axxb", "-a-b-"},
        {"^ +", "", "  a\n b", "a\nb"},
        {"$", ".", "a\nb", "a.\nb."},
        {"(?=b)", "", "abb", "abb"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char content[8];
        strcpy(content, cases[i].content);
        json_step s = {.kind = STEP_REPLACE, .content = content, .content_n = strlen(content)};
        run(&s, cases[i].pattern, cases[i].text, cases[i].want);
    }
}

/* tekken.json's patterns are Rust's: possessive, and $ is the end of the text alone. */
TEST(tokenizer_regex_of_rust) {
    static const struct {
        const char *pattern, *text;
        size_t at, bytes; /* of the first match */
        bool found;
    } cases[] = {{"\\p{N}{1,3}+", "a12345", 1, 3, true}, {"a$", "a\n", 0, 0, false}, {"^b", "a\nb", 0, 0, false},
                 {"x*", "axx", 1, 2, true},             {"\\w+", "\xc2\xb2" "a", 2, 1, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_step s = {0};
        size_t at = 0, bytes = 0, n = strlen(cases[i].text);
        bool found = false;
        if (!EXPECT_OK(regex_matcher("test", cases[i].pattern, strlen(cases[i].pattern), REGEX_RUST, &s))) continue;
        EXPECT_OK(regex_next(&s, cases[i].text, n, 0, false, &at, &bytes, &found));
        EXPECT_EQ(found, cases[i].found);
        if (found) EXPECT(at == cases[i].at && bytes == cases[i].bytes);
        regex_free(&s);
    }
}

/* What is not known to mean the same is refused by its name. */
TEST(tokenizer_regex_refused) {
    static const struct {
        const char *pattern, *says;
    } cases[] = {{"\\pL", "\\p and no {property}"}, {"\\Qa.\\E", "\\Q"},          {"\\Ra", "\\R"},            {"[\\V]", "\\V"},       {"\\xg", "\\x"},
                 {"[^\\S\n]", "\\S in a class"},     {"[\\W]", "\\W in a class"}, {"[[a]b]", "a class in a class"},
                 {"[a-z&&[a]]", "&& in a class"},     {"(?s:a.b)", "option (?s)"},   {"a+{2}", "is not taken"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_step s = {0};
        glimpse_status st = regex_matcher("test", cases[i].pattern, strlen(cases[i].pattern), REGEX_ONIGURUMA, &s);
        EXPECT_ERR(st, GLIMPSE_E_UNSUPPORTED, cases[i].says);
        regex_free(&s);
    }
}

/* The known patterns keep their scanners, each in the dialect in which the scanner is what the pattern says. */
TEST(tokenizer_regex_known_patterns_are_scanned) {
    static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    static const char cl100k[] = "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|"
                                 "\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s";
    const struct {
        const char *pattern;
        regex_dialect dialect;
        matcher_kind match;
    } cases[] = {{gpt2, REGEX_ONIGURUMA, MATCH_SCAN}, {gpt2, REGEX_RUST, MATCH_SCAN}, {cl100k, REGEX_RUST, MATCH_SCAN},
                 {cl100k, REGEX_ONIGURUMA, MATCH_REGEX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_step s = {0};
        EXPECT_OK(regex_matcher("test", cases[i].pattern, strlen(cases[i].pattern), cases[i].dialect, &s));
        EXPECT_EQ(s.match, cases[i].match);
        regex_free(&s);
    }
}
