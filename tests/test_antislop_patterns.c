/* test_antislop_patterns.c -- regular expressions to go back from: what is refused; the search token by token against one of
 * the whole text; how long it waits; samples against a search of their final text; patterns that would never end. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "sampling/antislop.h"
#include "sampling/generate.h"
#include "sampling/phrases.h"
#include "tests/test.h"
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

static glimpse_status parse(const char *json, arena *a, phrase_list **out) {
    char *copy = strdup(json);
    glimpse_status st = phrases_parse("test", copy, strlen(copy), 1, a, out);
    free(copy);
    return st;
}

TEST(antislop_patterns_forms) {
    arena *a = arena_new();
    phrase_list *l = NULL;
    REQUIRE_OK(parse("[[\"b\",0.5],{\"pattern\":\"x+y\"},{\"factor\":0.25,\"pattern\":\"q.\"},[\"a\",0.5],{\"pattern\":\"no\",\"factor\":1}]", a, &l));
    EXPECT_EQ(phrases_count(l), 4); /* factor 1 changes nothing */
    EXPECT_EQ(phrases_patterns(l), 2);
    EXPECT_STREQ(phrases_at(l, 0)->text, "a");
    EXPECT_STREQ(phrases_at(l, 2)->text, "x+y");
    EXPECT(phrases_at(l, 2)->pattern && !phrases_at(l, 1)->pattern);
    EXPECT(phrases_at(l, 2)->log_factor < -1e300);
    EXPECT_NEAR(phrases_at(l, 3)->log_factor, -1.3862943611198906, 1e-12);
    REQUIRE_OK(parse("[{\"pattern\":\"x\"},[\"counted\",1204]]", a, &l));
    EXPECT_EQ(phrases_count(l), 2);
    static const char *const bad[][2] = {
        { "[\"a\",{\"pattern\":\"a(b\"}]", "the pattern \"a(b\" of element 1 does not compile: at byte 3, missing closing parenthesis" },
        { "[{\"pattern\":\"a*\"}]", "it may match the empty text" },
        { "[{\"pattern\":\"(?=foo)\"}]", "it may match the empty text" },
        { "[{\"pattern\":\"\\\\b\"}]", "it may match the empty text" },
        { "[{\"pattern\":\"a{257}\"}]", "it matches no text of up to 256 bytes" },
        { "[{\"pattern\":\"(?<=a{300})b\"}]", "element 0" },
        { "[{\"pattern\":\"(?<=a+)b\"}]", "lookbehind assertion is not" },
        { "[{\"pattern\":\"\\\\C\"}]", "does not compile" },
        { "[{\"pattern\":\"\"}]", "has 0 bytes" },
        { "[{\"pattern\":3}]", "element 0 is no pattern" },
        { "[{\"patern\":\"a\"}]", "element 0 is no pattern" },
        { "[{\"pattern\":\"a\",\"weight\":1}]", "element 0 is no pattern" },
        { "[{\"pattern\":\"a\",\"factor\":2}]", "the factor of element 0" },
        { "[{\"pattern\":\"a\",\"factor\":\"x\"}]", "the factor of element 0" },
        { "[{\"pattern\":\"\\u001b[(\"}]", "\\u001b[(" }, /* shown as it was written */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) EXPECT_ERR(parse(bad[i][0], a, &l), GLIMPSE_E_FORMAT, bad[i][1]);
    arena_free(a);
}

/* --- the search ---------------------------------------------------------------------------------------------------- */

enum { V = 24, ROOM = 48, PATTERNS = 14 };
static const char *const pieces[V] = { "a", "b", "c", "A", "B", "C", " ", "ab", "bc", "cA", "aB ", "\xC3", "\xA9", "\x89",
    "\xC3\xA9", "c\xC3", ("\x89" "a"), "\xE2\x84", "\xAA", "k", " a", "bb", "\xFF", "ca" };

static const char *const regexes[PATTERNS] = { "ab+", "b(?!c)a", "a\\b", "(?<=c )a", "ca$", "^b", "(a|b)\\1c", "\\bk[abc]{2,4}\\b",
    "\xC3\xA9.", "k.*?k", "c\\Kab", "(?<!b)c[^ ]{3,9} ", "a++(?= )", "[ab]+ [ab]+ " };

static uint64_t rng = 9;
static uint32_t next_random(void) {
    rng = rng * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(rng >> 33);
}

static pcre2_code *compiled(const char *regex) {
    int error;
    PCRE2_SIZE where;
    return pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_CASELESS,
                         &error, &where, NULL);
}

typedef struct span {
    size_t from, end;
} span;

/* All matches of the whole text, one behind the other. */
static int matches_of(const char *regex, const char *text, size_t n, span *out, int room) {
    pcre2_code *code = compiled(regex);
    pcre2_match_data *data = pcre2_match_data_create(4, NULL);
    int found = 0;
    for (size_t at = 0; at <= n && found < room && pcre2_match(code, (PCRE2_SPTR)text, n, at, PCRE2_NO_JIT, data, NULL) >= 0;) {
        out[found].from = pcre2_get_startchar(data);
        at = out[found++].end = pcre2_get_ovector_pointer(data)[1];
    }
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return found;
}

/* Fed in pieces, each pattern finds what a search of the whole text finds. */
TEST(antislop_patterns_search_is_the_whole_texts) {
    arena *a = arena_new();
    slop_matcher *m;
    int total = 0, waited = 0, rounds = test_is_full() ? 3000 : 200;
    REQUIRE_OK(slop_matcher_open(&m));
    for (int k = 0; k < PATTERNS; k++) {
        const slop_pattern *p;
        REQUIRE_OK(slop_pattern_compile("test", k, regexes[k], strlen(regexes[k]), a, &p));
        int here = 0;
        for (int round = 0; round < rounds; round++) {
            char text[ROOM * 4];
            span mine[ROOM * 4], whole[ROOM * 4];
            size_t n = 0, from = 0;
            int n_mine = 0;
            for (int i = 0; i < ROOM; i++) { /* whole characters alone */
                static const char *const some[] = { "a", "b", "c", "A", " ", "k", "\xC3\xA9", "\xFF", "\xE2\x84\xAA", "ab", "C a" };
                const char *s = some[next_random() % 11];
                memcpy(text + n, s, strlen(s));
                n += strlen(s);
                for (;;) {
                    size_t end;
                    slop_found what = slop_search(p, m, text, n, i == ROOM - 1, &from, &end);
                    if (what != SLOP_MATCH) {
                        EXPECT_EQ(what, SLOP_NONE);
                        waited += from < n;
                        break;
                    }
                    mine[n_mine++] = (span){ from, end };
                    from = end;
                }
            }
            int n_whole = matches_of(regexes[k], text, n, whole, ROOM * 4);
            REQUIRE(n_mine == n_whole);
            for (int i = 0; i < n_mine; i++) {
                EXPECT_EQ(mine[i].from, whole[i].from);
                EXPECT_EQ(mine[i].end, whole[i].end);
            }
            here += n_mine;
        }
        test_check(here > 0, __FILE__, __LINE__, "%s is never found", regexes[k]);
        total += here;
    }
    EXPECT_LT(rounds, total);
    EXPECT_LT(rounds, waited);
    slop_matcher_close(m);
    arena_free(a);
}

TEST(antislop_patterns_wait_256_bytes) {
    arena *a = arena_new();
    slop_matcher *m;
    const slop_pattern *open, *greedy;
    static char text[2000];
    size_t from = 0, end, first = 0;
    memset(text, 'a', sizeof text);
    text[100] = 'q';
    REQUIRE_OK(slop_matcher_open(&m));
    REQUIRE_OK(slop_pattern_compile("test", 0, "q[a-p]*z", 8, a, &open));
    REQUIRE_OK(slop_pattern_compile("test", 0, "qa+", 3, a, &greedy));
    for (size_t n = 1; n <= sizeof text; n++) {
        EXPECT_EQ(slop_search(open, m, text, n, false, &from, &end), SLOP_NONE);
        EXPECT_EQ(from, n > 100 && n <= 356 ? 100 : n);
    }
    from = 0;
    for (size_t n = 1; n <= sizeof text && !first; n++)
        if (slop_search(greedy, m, text, n, false, &from, &end) == SLOP_MATCH) first = n;
    EXPECT_EQ(first, 357);
    EXPECT_EQ(from, 100);
    EXPECT_EQ(end, 357);
    slop_matcher_close(m);
    arena_free(a);
}

/* --- going back ---------------------------------------------------------------------------------------------------- */

/* Logits that depend on the last three ids. */
static int fn(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user;
    for (int b = 0; b < B; b++) {
        unsigned h = 17;
        for (int i = lengths[b] < 3 ? 0 : lengths[b] - 3; i < lengths[b]; i++) h = h * 31 + (unsigned)ids[b * T + i];
        for (int v = 0; v < V; v++) out[b * V + v] = (float)(((h + (unsigned)v * 40503u) * 2654435761u) >> 12 & 1023) / 300;
    }
    return 0;
}

/* "aaa...": after 60 tokens a b, and again. */
static int fn_hostile(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user, (void)T, (void)ids;
    for (int b = 0; b < B; b++)
        for (int v = 0; v < V; v++) out[b * V + v] = v == (lengths[b] % 60 ? 0 : 1) ? 30 : v == 2 ? 10 : 0;
    return 0;
}

static generator *function_generator(model **m, tokenizer **t, int threads, int context,
                                     int (*f)(void *, int, int, const int *, const int *, float *)) {
    generator *g = NULL;
    generator_config cfg = { .threads = threads };
    glimpse_model d = GLIMPSE_MODEL_INIT;
    glimpse_tokenizer td = GLIMPSE_TOKENIZER_INIT;
    static int32_t bytes[V];
    *m = NULL, *t = NULL;
    for (int i = 0; i < V; i++) bytes[i] = (int32_t)strlen(pieces[i]);
    d.vocab_size = V, d.max_seq_len = context, d.logits = f;
    td.pieces = pieces, td.piece_bytes = bytes, td.n_pieces = V;
    if (model_from_description(&d, m) < 0 || tokenizer_from_description(&td, V, -1, t) < 0) return NULL;
    return generator_open(*m, *t, &cfg, &g) < 0 ? NULL : g;
}

static phrase_list *all_patterns(const char *factor, arena *a) {
    buffer b = {0};
    phrase_list *l = NULL;
    buf_puts(&b, "[\"aa\"");
    for (int i = 0; i < PATTERNS; i++) {
        buf_puts(&b, ",{\"pattern\":");
        buf_json_string(&b, regexes[i], strlen(regexes[i]));
        buf_printf(&b, ",\"factor\":%s}", factor);
    }
    buf_puts(&b, "]");
    EXPECT_OK(parse(buf_str(&b), a, &l));
    buf_free(&b);
    return l;
}

static bool named(const char *note, const char *regex) {
    buffer b = {0};
    buf_puts(&b, "; pattern ");
    buf_json_string(&b, regex, strlen(regex));
    buf_puts(&b, " stands");
    bool yes = note && strstr(note, buf_str(&b));
    buf_free(&b);
    return yes;
}

static const int32_t prompt_ids[] = { 0, 1, 2, 9, 20 };
static const batch_prompt prompt = { "p", 1, prompt_ids, 5 };
static const char *const label = "x";

typedef struct stream {
    int32_t id[ROOM], n, waits;
} stream;

static void on_token(void *user, int32_t sequence, const glimpse_token *t) {
    stream *s = (stream *)user + sequence;
    if (s->n < ROOM) s->id[s->n++] = t->id;
}

/* No pattern matches in the final text unless the note says so, and what it says is there; the same alone, beside others, on
 * one thread and eight; a stream showed what stands. */
TEST(antislop_patterns_none_is_left) {
    arena *a = arena_new();
    enum { BASE = 20, MOST = 80 };
    static stream streams[MOST];
    buffer base[BASE] = { { 0 } };
    static const char *const stops[] = { "b b", "c " };
    const sampler_settings set = { 0.9, 0, 1, 0, 1.1, "penalties=1.1,frequency:0.1;dry=0.8,base:1.5;temperature=0.9" };
    int without = 0, stood = 0, went = 0;
    for (int run = 0; run < 7; run++) { /* 0: none; 1 .. 4: factor 0; 5: 0.2; 6: two tries */
        model *m;
        tokenizer *t;
        generator *g = function_generator(&m, &t, run % 2 ? 8 : 1, 64, fn);
        sampler_context cx = SAMPLER_CONTEXT_INIT;
        cx.history = 64;
        phrase_list *l = run ? all_patterns(run == 5 ? "0.2" : "0", a) : NULL;
        batch_request rq = { .prompts = &prompt, .n_prompts = 1, .settings = &set, .labels = &label, .n_settings = 1, .context = &cx,
                             .num_samples = run == 1 || run == 2 ? BASE : MOST, .max_tokens = 40, .n_top = 1, .seed = 5,
                             .phrases = l, .phrase_retries = run == 6 ? 2 : 20, .stops = stops, .n_stops = 2,
                             .on_token = on_token, .user = streams };
        batch_result r;
        memset(streams, 0, sizeof streams);
        REQUIRE_OK(generate_batch(g, &rq, &r));
        for (int i = 0; i < r.n_samples; i++) {
            const glimpse_sample *s = &r.samples[i];
            REQUIRE(streams[i].n == s->n_tokens);
            for (int k = 0; k < s->n_tokens; k++) EXPECT_EQ(streams[i].id[k], s->tokens[k].id);
            for (int p = 0; p < PATTERNS; p++) {
                span at;
                bool there = matches_of(regexes[p], s->text, s->text_bytes, &at, 1) > 0;
                if (run) test_check(there == named(s->note, regexes[p]), __FILE__, __LINE__, "run %d sample %d %s: %s | %s", run, i,
                                    regexes[p], s->text, s->note ? s->note : "");
                if (run) stood += there;
                else without += there;
            }
            went += s->note && strstr(s->note, "went back ") && !strstr(s->note, "went back 0");
            if (!run || run > 4 || i >= BASE) continue;
            buffer b = {0};
            for (int k = 0; k < s->n_tokens; k++) buf_printf(&b, "%d %a|", s->tokens[k].id, (double)s->tokens[k].p_final);
            buf_printf(&b, "%s %s", s->text, s->note ? s->note : "");
            if (run == 1) base[i] = b;
            else {
                EXPECT_STREQ(buf_str(&b), buf_str(&base[i]));
                buf_free(&b);
            }
        }
        batch_result_free(&r);
        generator_close(g);
        model_close(m);
        tokenizer_close(t);
    }
    EXPECT_LT(MOST, without);
    EXPECT_LT(BASE, went);
    EXPECT_LT(5, stood);
    for (int i = 0; i < BASE; i++) buf_free(&base[i]);
    arena_free(a);
}

/* a, b, c and then k for ever; k is the second choice everywhere. */
static int fn_abc(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user;
    for (int b = 0; b < B; b++) {
        int last = ids[b * T + lengths[b] - 1], next = lengths[b] == 5 ? 0 : last == 0 ? 1 : last == 1 ? 2 : 19;
        for (int v = 0; v < V; v++) out[b * V + v] = v == next ? 30 : v == 19 ? 20 : 0;
    }
    return 0;
}

/* To the token in which the match begins, not the one that made it one. */
TEST(antislop_patterns_back_to_the_beginning) {
    arena *a = arena_new();
    model *m;
    tokenizer *t;
    generator *g = function_generator(&m, &t, 1, 64, fn_abc);
    const sampler_settings set = { 0, 0, 1, 0, 1, NULL };
    phrase_list *l;
    batch_result r;
    static const char *const json[] = { "[{\"pattern\":\"a.c\"}]", "[{\"pattern\":\"bck?(?=k)\"}]", "[{\"pattern\":\"b(?=c.{3})\"}]" },
        *const expected[] = { "kkkkkkkk", "akkkkkkk", "akkkkkkk" };
    REQUIRE(g != NULL);
    for (int i = 0; i < 3; i++) {
        REQUIRE_OK(parse(json[i], a, &l));
        batch_request rq = { .prompts = &prompt, .n_prompts = 1, .settings = &set, .labels = &label, .n_settings = 1, .num_samples = 1,
                             .max_tokens = 8, .seed = 5, .phrases = l, .phrase_retries = 20 };
        REQUIRE_OK(generate_batch(g, &rq, &r));
        EXPECT_STREQ(r.samples[0].text, expected[i]);
        EXPECT_STREQ(r.samples[0].note ? r.samples[0].note : "", "antislop: went back 1 time");
        batch_result_free(&r);
    }
    generator_close(g);
    model_close(m);
    tokenizer_close(t);
    arena_free(a);
}

/* 2^59 ways to fail: that pattern is given up, the others and the sample go on. */
TEST(antislop_patterns_that_would_never_end) {
    arena *a = arena_new();
    model *m;
    tokenizer *t;
    generator *g = function_generator(&m, &t, 1, 512, fn_hostile);
    const sampler_settings set = { 0, 0, 1, 0, 1, NULL };
    phrase_list *l;
    batch_result r;
    span at;
    REQUIRE(g != NULL);
    REQUIRE_OK(parse("[{\"pattern\":\"(a+)+c\"},{\"pattern\":\"(?:a|aa|a.)+?[^abc ]\"},{\"pattern\":\"(?R)?b(?R)?ac\"},{\"pattern\":\"ba{3}\"}]", a, &l));
    batch_request rq = { .prompts = &prompt, .n_prompts = 1, .settings = &set, .labels = &label, .n_settings = 1, .num_samples = 2,
                         .max_tokens = 400, .seed = 5, .phrases = l, .phrase_retries = 20 };
    REQUIRE_OK(generate_batch(g, &rq, &r));
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(r.samples[i].n_tokens, 400);
        REQUIRE(r.samples[i].note && strstr(r.samples[i].note, "; pattern \"(a+)+c\" was given up: it needs too many steps"));
        EXPECT(!strstr(r.samples[i].note, "\"ba{3}\""));
        EXPECT_EQ(matches_of("ba{3}", r.samples[i].text, r.samples[i].text_bytes, &at, 1), 0);
    }
    batch_result_free(&r);
    generator_close(g);
    model_close(m);
    tokenizer_close(t);
    arena_free(a);
}

TEST(antislop_patterns_every_allocation_failing) {
    const sampler_settings set = { 0.9, 0, 1, 0, 1.2, NULL };
    long n = 1;
    for (; n < 100000; n = n < 120 ? n + 1 : n + 11) {
        arena *a = arena_new();
        model *m;
        tokenizer *t;
        generator *g = function_generator(&m, &t, 1, 64, fn);
        phrase_list *l = NULL;
        batch_result r;
        REQUIRE(a && g);
        char json[] = "[\"aa\",{\"pattern\":\"ab+\"},{\"pattern\":\"b(?!c)a\",\"factor\":0.5}]";
        test_fail_alloc(n);
        glimpse_status st = phrases_parse("test", json, strlen(json), 1, a, &l);
        batch_request rq = { .prompts = &prompt, .n_prompts = 1, .settings = &set, .labels = &label, .n_settings = 1,
                             .num_samples = 2, .max_tokens = 20, .seed = 5, .phrases = l, .phrase_retries = 20 };
        if (st >= 0 && (st = generate_batch(g, &rq, &r)) >= 0) batch_result_free(&r);
        bool over = test_fail_alloc(0) < n;
        generator_close(g);
        model_close(m);
        tokenizer_close(t);
        arena_free(a);
        if (over) break;
        if (st < 0) EXPECT_EQ(st, GLIMPSE_E_MEMORY);
    }
    EXPECT_LT(20, n);
}

/* Every token goes back once and then stands: what the sample remembers of those that stand is looked at in proportion to its
 * length, not to its square. */
TEST(antislop_many_that_stand_cost_what_they_are) {
    static const char text[] = "[\"ab\",{\"pattern\":\"b\"}]";
    static const sampler_settings plain = SAMPLER_SETTINGS_INIT;
    int64_t looked[4];
    for (int k = 0; k < 4; k++) {
        int32_t room = 500 << k, n = 0;
        arena *a = arena_new();
        phrase_list *l = NULL;
        chain *c = NULL;
        antislop *s = NULL;
        buffer said = {0}, so_far = {0};
        REQUIRE_OK(parse(text, a, &l));
        REQUIRE_OK(chain_open(&plain, 4, &c));
        REQUIRE_OK(antislop_open(l, 1, room, c, a, &s));
        glimpse_token *tokens = arena_alloc(a, (size_t)room * sizeof *tokens);
        size_t *ends = arena_alloc(a, ((size_t)room + 1) * sizeof *ends);
        REQUIRE(tokens && ends);
        while (n < room) {
            int32_t back;
            ends[n] = so_far.n;
            tokens[n] = (glimpse_token){ .size = sizeof *tokens, .id = n % 2 };
            buf_putc(&so_far, n % 2 ? 'b' : 'a');
            antislop_note(s, c, n % 2);
            chain_accept(c, n % 2);
            REQUIRE_OK(antislop_accepted(s, &c, tokens, n + 1, &so_far, ends, n + 1 == room, &back));
            n = back < 0 ? n + 1 : back;
            if (back >= 0) so_far.n = ends[back];
        }
        antislop_report(s, &said);
        EXPECT(strstr(buf_str(&said), "; pattern \"b\" stands: "));
        looked[k] = antislop_looked(s);
        EXPECT_LT(room / 8, looked[k]); /* they are many */
        if (k) EXPECT_LE(looked[k], looked[k - 1] * 5 / 2);
        antislop_close(s);
        chain_close(c);
        arena_free(a);
        buf_free(&said), buf_free(&so_far);
    }
}
