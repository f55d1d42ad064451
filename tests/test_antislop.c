/* test_antislop.c -- phrases: the list, the search across tokens and characters against a naive one; going back from them
 * against a reference that starts from nothing at every token; no phrase left unless the record says so. */
#include "sampling/generate.h"
#include "sampling/phrases.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static phrase_list *list_of(const char *json, double strength, arena *a) {
    char *copy = strdup(json);
    phrase_list *l = NULL;
    EXPECT_OK(phrases_parse("test", copy, strlen(copy), strength, a, &l));
    free(copy);
    return l;
}

static double factor_of(const phrase_list *l, const char *text) {
    for (int32_t i = 0; i < phrases_count(l); i++)
        if (phrases_at(l, i)->bytes == strlen(text) && !memcmp(phrases_at(l, i)->text, text, strlen(text)))
            return exp(phrases_at(l, i)->log_factor);
    return -1;
}

TEST(phrases_forms) {
    arena *a = arena_new();
    phrase_list *l = list_of("[[\"a testament to\",0.05],[\"A Testament TO\",0.5],[\"tapestry\",1],[\"never\",0]]", 1, a);
    EXPECT_EQ(phrases_count(l), 2); /* one for the first two, with the smaller factor; factor 1 changes nothing */
    EXPECT_NEAR(factor_of(l, "a testament to") + factor_of(l, "A Testament TO"), 0.05 - 1, 1e-12);
    EXPECT_EQ(factor_of(l, "never"), 0);
    l = list_of("[[\"shivers\",0.5],[\"x\",0.25]]", 2, a);
    EXPECT_NEAR(factor_of(l, "shivers"), 0.25, 1e-12);
    l = list_of("[[\"elara\",28671],[\"x\",1]]", 1, a); /* counts */
    EXPECT_EQ(factor_of(l, "elara"), 0);
    EXPECT_EQ(factor_of(l, "x"), 0);
    l = list_of("[\"one\",\"two\"]", 1, a);
    EXPECT_EQ(factor_of(l, "two"), 0);
    l = list_of("[]", 1, a);
    EXPECT_EQ(phrases_count(l), 0);
    static const char *const bad[] = { "{}", "[3]", "[[\"a\",-1]]", "[[\"a\",\"b\"]]", "[[\"a\",1,2]]", "[\"\"]", "[\"a\"", "" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64];
        c_snprintf(text, sizeof text, "%s", bad[i]);
        EXPECT_ERR(phrases_parse("test", text, strlen(text), 1, a, &l), GLIMPSE_E_FORMAT, "test");
    }
    static const uint32_t folds[][2] = { { 'A', 'a' }, { 0xC9, 0xE9 }, { 0x3A3, 0x3C3 }, { 0x3C2, 0x3C3 }, { 0x17F, 's' },
        { 0x212A, 'k' }, { 0x130, 0x130 }, { 0x131, 0x131 }, { 0x1E9E, 0xDF }, { 0xB5, 0x3BC }, { 0x10400, 0x10428 }, { '1', '1' } };
    for (size_t i = 0; i < sizeof folds / sizeof *folds; i++) EXPECT_EQ(phrases_fold(folds[i][0]), folds[i][1]);
    arena_free(a);
}

/* --- the naive way ------------------------------------------------------------------------------------------------- */

enum { V = 24, ROOM = 48, PHRASES = 14 };
static const char *const pieces[V] = { "a", "b", "c", "A", "B", "C", " ", "ab", "bc", "cA", "aB ", "\xC3", "\xA9", "\x89",
    "\xC3\xA9", "c\xC3", ("\x89" "a"), "\xE2\x84", "\xAA", "k", " a", "bb", "\xFF", "ca" };

static const char *const texts[PHRASES] = { "abc", "bca", "a\xC3\xA9", "\xC3\x89", "ka", "bbb", " a", "cab", ("c\xC3\xA9" "a"), "aa", "ca c",
    "bb c", "kk", "b a b" };

/* Characters folded one by one; of each folded byte the piece in which its character begins.  ASCII, e acute, the Kelvin sign
 * and lone bytes are all that occurs. */
static int fold_naively(const int32_t *ids, int n, unsigned char *out, int *token) {
    unsigned char raw[ROOM * 4];
    int of[ROOM * 4], bytes = 0, m = 0;
    for (int i = 0; i < n; i++)
        for (const char *p = pieces[ids[i]]; *p; p++) raw[bytes] = (unsigned char)*p, of[bytes++] = i;
    for (int i = 0; i < bytes;) {
        int left = bytes - i;
        const unsigned char *p = raw + i;
        if (p[0] == 0xC3 && left > 1 && (p[1] == 0xA9 || p[1] == 0x89)) {
            out[m] = 0xC3, token[m++] = of[i];
            out[m] = 0xA9, token[m++] = of[i];
            i += 2;
        } else if (p[0] == 0xE2 && left > 2 && p[1] == 0x84 && p[2] == 0xAA) {
            out[m] = 'k', token[m++] = of[i];
            i += 3;
        } else if ((p[0] == 0xC3 && left == 1) || (p[0] == 0xE2 && (left == 1 || (left == 2 && p[1] == 0x84)))) break; /* waits */
        else {
            out[m] = p[0] >= 'A' && p[0] <= 'Z' ? p[0] + 32 : p[0];
            token[m++] = of[i++];
        }
    }
    return m;
}

static int fold_text(const char *text, unsigned char *out) {
    int n = 0;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        out[n] = c >= 'A' && c <= 'Z' ? c + 32 : n && out[n - 1] == 0xC3 && c == 0x89 ? 0xA9 : c;
        n++;
    }
    return n;
}

typedef struct seen {
    int n, phrase[ROOM * 8], token[ROOM * 8];
} seen;

/* Matches that end in folded bytes from .. m - 1: by end, the longest first. */
static void find_naively(const unsigned char *text, const int *token, int from, int m, seen *out) {
    out->n = 0;
    for (int end = from + 1; end <= m; end++)
        for (int len = end; len > 0; len--)
            for (int p = 0; p < PHRASES; p++) {
                unsigned char folded[32];
                if (fold_text(texts[p], folded) != len || memcmp(text + end - len, folded, (size_t)len)) continue;
                out->phrase[out->n] = p;
                out->token[out->n++] = token[end - len];
            }
}

static int last_byte(const int32_t *ids, int n) {
    return n ? (unsigned char)pieces[ids[n - 1]][strlen(pieces[ids[n - 1]]) - 1] : 0;
}

/* The token in which the longest end of the text begins that begins a phrase, or a character that is not complete. */
static int open_naively(const int32_t *ids, int n) {
    unsigned char text[ROOM * 4], f[32];
    int token[ROOM * 4], m = fold_naively(ids, n, text, token), open = n;
    for (int at = m - 1; at >= 0; at--)
        for (int p = 0; p < PHRASES; p++) {
            int len = fold_text(texts[p], f);
            if (m - at <= len && !memcmp(text + at, f, (size_t)(m - at)) && token[at] < open) open = token[at];
        }
    for (int i = n - 1, cut = 0; i >= 0 && cut < 3; i--) { /* the last lead byte that still waits */
        int len = (int)strlen(pieces[ids[i]]);
        for (int k = len - 1; k >= 0 && cut < 3; k--, cut++) {
            unsigned char c = (unsigned char)pieces[ids[i]][k];
            bool waits = (c == 0xC3 && cut == 0) || (c == 0xE2 && cut == 0) || (c == 0xE2 && cut == 1);
            if (waits && c == 0xE2 && cut == 1) waits = last_byte(ids, n) == 0x84;
            if (waits && i < open) open = i;
        }
    }
    return open;
}

static bool remember(void *user, const phrase_match *m) {
    seen *s = user;
    s->phrase[s->n] = m->phrase;
    s->token[s->n++] = m->token;
    return false;
}

static phrase_list *all_phrases(const double *factors, arena *a) {
    buffer b = {0};
    for (int i = 0; i < PHRASES; i++) {
        buf_puts(&b, i ? ",[" : "[[");
        buf_json_string(&b, texts[i], strlen(texts[i]));
        buf_printf(&b, ",%.17g]", factors ? factors[i] : 0);
    }
    buf_puts(&b, "]");
    phrase_list *l = list_of(buf_str(&b), 1, a);
    buf_free(&b);
    return l;
}

static uint64_t rng = 9;
static uint32_t next_random(void) {
    rng = rng * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(rng >> 33);
}

TEST(phrases_search_is_the_naive_one) {
    arena *a = arena_new();
    phrase_list *l = all_phrases(NULL, a);
    int found_any = 0, rounds = test_is_full() ? 20000 : 1500;
    for (int round = 0; round < rounds; round++) {
        phrase_state states[ROOM + 1] = { { 0 } };
        int32_t ids[ROOM];
        int n = 0, steps = 0;
        while (n < ROOM && steps++ < 2 * ROOM) {
            if (n && next_random() % 9 == 0) { /* back, as if another token stood there */
                n -= (int)(next_random() % (uint32_t)n) + 1;
                continue;
            }
            unsigned char folded[ROOM * 4];
            int token[ROOM * 4], before = fold_naively(ids, n, folded, token);
            ids[n] = (int32_t)(next_random() % V);
            seen mine = { 0 }, naive;
            phrases_feed(l, states, n, pieces[ids[n]], strlen(pieces[ids[n]]), remember, &mine);
            n++;
            int m = fold_naively(ids, n, folded, token);
            find_naively(folded, token, before, m, &naive);
            REQUIRE(mine.n == naive.n);
            for (int i = 0; i < mine.n; i++) {
                EXPECT_STREQ(phrases_at(l, mine.phrase[i])->text, texts[naive.phrase[i]]);
                EXPECT_EQ(mine.token[i], naive.token[i]);
            }
            found_any += mine.n;
            EXPECT_EQ(phrases_open_from(l, states, n), open_naively(ids, n));
        }
    }
    EXPECT_LT(rounds, found_any);
    arena_free(a);
}

/* --- going back ---------------------------------------------------------------------------------------------------- */

/* Logits that depend on the last three ids. */
static void row_of(const int32_t *ids, int n, float *out) {
    unsigned h = 17;
    for (int i = n < 3 ? 0 : n - 3; i < n; i++) h = h * 31 + (unsigned)ids[i];
    for (int v = 0; v < V; v++) {
        unsigned x = (h + (unsigned)v * 40503u) * 2654435761u;
        out[v] = (float)(x >> 12 & 1023) / 300;
    }
}

static int fn(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user;
    for (int b = 0; b < B; b++) row_of(ids + b * T, lengths[b], out + b * V);
    return 0;
}

typedef struct low {
    int at, id, tries;
    double by, factor;
} low;

typedef struct reference {
    int32_t ids[ROOM];
    int n, rewinds;
    bool stands[PHRASES];
} reference;

static const int32_t prompt_ids[] = { 0, 1, 2, 9, 20 };
static const batch_prompt prompt = { "p", 1, prompt_ids, 5 };
enum { N_PROMPT = 5 };

/* The rule of antislop.h, with nothing kept but ids and what was lowered: at every token a new chain draws all from the first. */
static void refer(const sampler_settings *set, const sampler_context *cx, const double *factors, int retries, uint64_t seed,
                  int sample, int room, reference *r) {
    static low lows[4096];
    int n_low = 0, settled = 0;
    long thrown = 0;
    struct { int phrase, end; } stands[4096];
    int n_stands = 0;
    draw_key key = { .key = draw_key_make(seed, "p", 1, (uint32_t)sample) };
    memset(r, 0, sizeof *r);
    while (r->n < room) {
        chain *c;
        if (!EXPECT_OK(chain_open_in(set, cx, V, &c))) return;
        int32_t all[N_PROMPT + ROOM];
        memcpy(all, prompt_ids, sizeof prompt_ids);
        for (int i = 0; i < N_PROMPT; i++) chain_accept_prompt(c, prompt_ids[i]);
        for (int k = 0; k <= r->n; k++) {
            float row[V];
            glimpse_token t;
            row_of(all, N_PROMPT + k, row);
            for (int i = 0; i < n_low; i++)
                if (lows[i].at == k && lows[i].id >= 0) row[lows[i].id] = (float)((double)row[lows[i].id] + lows[i].by);
            EXPECT_OK(chain_draw(c, row, &key, (uint32_t)(N_PROMPT + k), 0, &t, NULL));
            if (k < r->n) EXPECT_EQ(t.id, r->ids[k]); /* the same again, as everything before is */
            r->ids[k] = all[N_PROMPT + k] = t.id;
            chain_accept(c, t.id);
        }
        chain_close(c);
        unsigned char folded[ROOM * 4];
        int token[ROOM * 4];
        int before = fold_naively(r->ids, r->n, folded, token), m = fold_naively(r->ids, r->n + 1, folded, token), back = -1;
        seen s;
        r->n++;
        find_naively(folded, token, before, m, &s);
        for (int i = 0; i < s.n && back < 0; i++) {
            int at = s.token[i] < settled ? settled : s.token[i], id = r->ids[at], tries = 0;
            double f = log(factors[s.phrase[i]]);
            bool exempt = false;
            low *x = NULL;
            for (int k = 0; k < n_low; k++)
                if (lows[k].at == at) {
                    exempt |= lows[k].id < 0;
                    tries += lows[k].tries;
                    if (lows[k].id == id) x = &lows[k];
                }
            bool stays = exempt;
            if (!exempt) {
                if (!x) {
                    x = &lows[n_low++];
                    *x = (low){ at, id, 0, 0, -INFINITY };
                }
                if (f > x->factor) x->factor = f;
                if ((x->tries && x->by <= f) || thrown > 8L * room) stays = true;
                else if (tries < retries) x->by = f, x->tries++;
                else {
                    low *best = NULL;
                    for (int k = 0; k < n_low; k++)
                        if (lows[k].at == at && (!best || lows[k].factor > best->factor)) best = &lows[k];
                    for (int k = 0; k < n_low; k++)
                        if (lows[k].at == at) lows[k].by = &lows[k] == best ? 0 : -INFINITY;
                    stays = best == x;
                    lows[n_low++] = (low){ at, -1, 0, 0, 0 };
                }
            }
            if (stays) stands[n_stands].phrase = s.phrase[i], stands[n_stands++].end = r->n - 1;
            else back = at;
        }
        if (back < 0) {
            int open = open_naively(r->ids, r->n);
            if (open > settled) settled = open;
            continue;
        }
        thrown += r->n - back;
        r->n = back;
        r->rewinds++;
        int kept = 0;
        for (int k = 0; k < n_low; k++)
            if (lows[k].at <= back) lows[kept++] = lows[k];
        n_low = kept, kept = 0;
        for (int k = 0; k < n_stands; k++)
            if (stands[k].end < back) stands[kept++] = stands[k];
        n_stands = kept;
    }
    for (int k = 0; k < n_stands; k++) r->stands[stands[k].phrase] = true;
}

static generator *function_generator(model **m, tokenizer **t, int threads) {
    generator *g = NULL;
    generator_config cfg = { .threads = threads };
    glimpse_model d = GLIMPSE_MODEL_INIT;
    glimpse_tokenizer td = GLIMPSE_TOKENIZER_INIT;
    static int32_t bytes[V];
    for (int i = 0; i < V; i++) bytes[i] = (int32_t)strlen(pieces[i]);
    d.vocab_size = V, d.max_seq_len = 64, d.logits = fn;
    td.pieces = pieces, td.piece_bytes = bytes, td.n_pieces = V;
    if (!EXPECT_OK(model_from_description(&d, m)) || !EXPECT_OK(tokenizer_from_description(&td, V, -1, t))) return NULL;
    EXPECT_OK(generator_open(*m, *t, &cfg, &g));
    return g;
}

static bool names(const char *note, const char *text) {
    buffer b = {0};
    buf_json_string(&b, text, strlen(text));
    bool yes = note && strstr(note, buf_str(&b));
    buf_free(&b);
    return yes;
}

/* Every sampler with a state, factors of all kinds, few tries and many: token for token what the reference has. */
TEST(antislop_is_the_reference_from_scratch) {
    static const char *const orders[] = { "temperature=0.9", "penalties=1.3,frequency:0.2,last_n:9;dry=0.8,base:1.5;temperature=0.8;top_k=12",
        "temperature=1.1;mirostat=2,tau:3", "temperature=0.7;min_p=0.05;adaptive_p=0.3", "temperature=0",
        "no_repeat_ngram=3;temperature=1;top_p=0.9;xtc=0.5,threshold:0.1" };
    arena *a = arena_new();
    model *m;
    tokenizer *t;
    generator *g = function_generator(&m, &t, 2);
    int rewinds = 0, stood = 0, samples = test_is_full() ? 20 : 3;
    for (int o = 0; o < 6; o++)
        for (int kind = 0; kind < 3; kind++) {
            double factors[PHRASES];
            for (int i = 0; i < PHRASES; i++) factors[i] = kind == 0 ? 0 : kind == 1 ? 0.02 * (i + 1) : i % 3 ? 0 : 0.5;
            int retries = kind == 2 ? 2 : 20;
            const char *label = "x";
            sampler_settings set = { 1, 0, 1, 0, 1, orders[o] };
            sampler_context cx = SAMPLER_CONTEXT_INIT;
            cx.history = 64;
            batch_request rq = { .prompts = &prompt, .n_prompts = 1, .settings = &set, .labels = &label, .n_settings = 1, .context = &cx,
                                 .num_samples = samples, .max_tokens = 40, .n_top = 2, .seed = 11,
                                 .phrases = all_phrases(factors, a), .phrase_retries = retries };
            batch_result r;
            REQUIRE_OK(generate_batch(g, &rq, &r));
            for (int i = 0; i < samples; i++) {
                reference ref;
                const glimpse_sample *s = &r.samples[i];
                refer(&set, &cx, factors, retries, 11, i, 40, &ref);
                REQUIRE(s->n_tokens == ref.n);
                for (int k = 0; k < ref.n; k++) EXPECT_EQ(s->tokens[k].id, ref.ids[k]);
                for (int p = 0; p < PHRASES; p++) {
                    EXPECT_EQ(names(s->note, texts[p]), ref.stands[p]);
                    stood += ref.stands[p];
                }
                char said[64];
                c_snprintf(said, sizeof said, "went back %d time", ref.rewinds);
                EXPECT(ref.rewinds ? s->note && strstr(s->note, said) : !s->note || ref.stands[0] || strstr(s->note, said));
                rewinds += ref.rewinds;
            }
            batch_result_free(&r);
        }
    EXPECT_LT(100, rewinds);
    EXPECT_LT(5, stood);
    generator_close(g);
    model_close(m);
    tokenizer_close(t);
    arena_free(a);
}

/* --- on a model ------------------------------------------------------------------------------------------------------ */

static const int32_t ids_a[] = { 5, 9, 2, 30, 11 };
static const batch_prompt gpt_prompt = { "abc", 3, ids_a, 5 };
static const sampler_settings gpt_set = { 0.9, 30, 1, 0, 1.1, NULL };
static const char *const gpt_label = "a";

enum { MANY = 200 };
static char many[MANY][4];

/* 200 phrases of two or three characters out of the tiny vocabulary, in lower case where the model writes upper case. */
static phrase_list *many_phrases(arena *a, const char *factor) {
    buffer b = {0};
    rng = 5;
    for (int i = 0; i < MANY; i++) {
        int n = i < 60 ? 2 : 3;
        for (int k = 0; k < n; k++) many[i][k] = (char)('!' + 1 + next_random() % 58);
        many[i][n] = 0;
        for (int k = 0; k < n; k++) if (many[i][k] >= 'A' && many[i][k] <= 'Z') many[i][k] += 32;
        buf_puts(&b, i ? ",[" : "[[");
        buf_json_string(&b, many[i], (size_t)n);
        buf_printf(&b, ",%s]", factor);
    }
    buf_puts(&b, "]");
    phrase_list *l = list_of(buf_str(&b), 1, a);
    buf_free(&b);
    return l;
}

static bool contains(const char *text, size_t n, const char *phrase) {
    size_t len = strlen(phrase);
    for (size_t at = 0; at + len <= n; at++) {
        size_t k = 0;
        while (k < len && (text[at + k] >= 'A' && text[at + k] <= 'Z' ? text[at + k] + 32 : text[at + k]) == phrase[k]) k++;
        if (k == len) return true;
    }
    return false;
}

static void fingerprint(const glimpse_sample *s, buffer *out) {
    for (int32_t k = 0; k < s->n_tokens; k++)
        buf_printf(out, "%d %a %a %a %d|", s->tokens[k].id, (double)s->tokens[k].logit, (double)s->tokens[k].p_final,
                   (double)s->tokens[k].entropy, s->tokens[k].rank);
    buf_printf(out, "%s %d %s\n", s->text, (int)s->stop, s->note ? s->note : "");
}

TEST_LIMIT(antislop_none_is_left, 240) {
    arena *a = arena_new();
    tiny_gpt tiny;
    model *m;
    tokenizer *t;
    generator *g;
    generator_config cfg = { .threads = 2 };
    batch_result r;
    tiny_gpt_make(&tiny, 1, 2, 16, 61, 64, 17, 3);
    REQUIRE_OK(model_from_description(&tiny.model, &m));
    REQUIRE_OK(tokenizer_from_description(&tiny.model.tokenizer, 61, 17, &t));
    REQUIRE_OK(generator_open(m, t, &cfg, &g));
    int without = 0, named = 0, samples = test_is_slow_build() ? 100 : 500;
    for (int kind = 0; kind < 3; kind++) {
        phrase_list *l = kind ? many_phrases(a, kind == 1 ? "0" : "0.25") : NULL;
        if (!kind) many_phrases(a, "0");
        batch_request rq = { .prompts = &gpt_prompt, .n_prompts = 1, .settings = &gpt_set, .labels = &gpt_label, .n_settings = 1,
                             .num_samples = samples, .max_tokens = 40, .n_top = 1, .seed = 3, .phrases = l, .phrase_retries = 20 };
        REQUIRE_OK(generate_batch(g, &rq, &r));
        int here = 0;
        for (int i = 0; i < r.n_samples; i++)
            for (int p = 0; p < MANY; p++) {
                if (!contains(r.samples[i].text, r.samples[i].text_bytes, many[p])) {
                    if (kind) EXPECT(!names(r.samples[i].note, many[p]));
                    continue;
                }
                here++;
                if (kind) EXPECT(names(r.samples[i].note, many[p]));
            }
        if (kind == 0) without = here;
        if (kind == 1) EXPECT_EQ(here, 0); /* 20 tries are enough here */
        if (kind == 2) named = here;
        batch_result_free(&r);
    }
    EXPECT_LT(samples / 4, without);
    EXPECT(named > 0 && named < without / 2);
    generator_close(g);
    model_close(m);
    tokenizer_close(t);
    tiny_gpt_free(&tiny);
    arena_free(a);
}

TEST(antislop_same_alone_or_beside_others) {
    arena *a = arena_new();
    tiny_gpt tiny;
    model *m;
    tokenizer *t;
    enum { BASE = 16 };
    buffer base[BASE] = {0};
    int went = 0;
    tiny_gpt_make(&tiny, 1, 2, 16, 61, 64, 17, 3);
    REQUIRE_OK(model_from_description(&tiny.model, &m));
    REQUIRE_OK(tokenizer_from_description(&tiny.model.tokenizer, 61, 17, &t));
    phrase_list *l = many_phrases(a, "0");
    for (int run = 0; run < 4; run++) {
        generator *g;
        generator_config cfg = { .threads = run % 2 ? 8 : 1 };
        batch_result r;
        REQUIRE_OK(generator_open(m, t, &cfg, &g));
        batch_request rq = { .prompts = &gpt_prompt, .n_prompts = 1, .settings = &gpt_set, .labels = &gpt_label, .n_settings = 1,
                             .num_samples = run < 2 ? BASE : 64, .max_tokens = 40, .n_top = 2, .seed = 3, .phrases = l,
                             .phrase_retries = 20 };
        REQUIRE_OK(generate_batch(g, &rq, &r));
        for (int i = 0; i < BASE; i++) {
            buffer b = {0};
            fingerprint(&r.samples[i], run ? &b : &base[i]);
            if (run) EXPECT_STREQ(buf_str(&b), buf_str(&base[i]));
            went += r.samples[i].note != NULL;
            buf_free(&b);
        }
        EXPECT(strstr(r.samples[0].samplers, " phrases;penalties=1.1;") != NULL);
        batch_result_free(&r);
        generator_close(g);
    }
    EXPECT_LT(8, went);
    for (int i = 0; i < BASE; i++) buf_free(&base[i]);
    model_close(m);
    tokenizer_close(t);
    tiny_gpt_free(&tiny);
    arena_free(a);
}

/* --- what the factor means, rules that stay, the stream ---------------------------------------------------------------- */

static int fn_fixed(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    static const float p[4] = { 0.4f, 0.3f, 0.2f, 0.1f };
    (void)user, (void)T, (void)ids, (void)lengths;
    for (int i = 0; i < B * 4; i++) out[i] = logf(p[i % 4]);
    return 0;
}

/* A factor of 0.25 makes the token exactly four times less likely, whatever was drawn at first. */
TEST(antislop_factor_is_a_probability) {
    arena *a = arena_new();
    glimpse_model d = GLIMPSE_MODEL_INIT;
    glimpse_tokenizer td = GLIMPSE_TOKENIZER_INIT;
    static const char *const abcd[] = { "a", "b", "c", "d" };
    static const int32_t ones[] = { 1, 1, 1, 1 }, id = 3;
    const batch_prompt p = { "d", 1, &id, 1 };
    const sampler_settings set = SAMPLER_SETTINGS_INIT;
    model *m;
    tokenizer *t;
    generator *g;
    generator_config cfg = { .threads = 1 };
    batch_result r;
    enum { N = 4000 };
    d.vocab_size = 4, d.max_seq_len = 8, d.logits = fn_fixed;
    td.pieces = abcd, td.piece_bytes = ones, td.n_pieces = 4;
    REQUIRE_OK(model_from_description(&d, &m));
    REQUIRE_OK(tokenizer_from_description(&td, 4, -1, &t));
    REQUIRE_OK(generator_open(m, t, &cfg, &g));
    batch_request rq = { .prompts = &p, .n_prompts = 1, .settings = &set, .labels = &gpt_label, .n_settings = 1, .num_samples = N,
                         .max_tokens = 1, .seed = 3, .phrases = list_of("[[\"a\",0.25]]", 1, a), .phrase_retries = 5 };
    REQUIRE_OK(generate_batch(g, &rq, &r));
    double expected[] = { 0.1 / 0.7, 0.3 / 0.7, 0.2 / 0.7, 0.1 / 0.7 }, chi = 0;
    int count[4] = { 0 };
    for (int i = 0; i < N; i++) count[r.samples[i].tokens[0].id]++;
    for (int i = 0; i < 4; i++) chi += pow(count[i] - N * expected[i], 2) / (N * expected[i]);
    EXPECT_LT(chi, 16.3); /* three degrees of freedom, one in a thousand */
    for (int i = 0; i < N; i++) {
        const glimpse_token *k = &r.samples[i].tokens[0];
        if (k->id) continue;
        EXPECT_NEAR(k->p_final, 0.1 / 0.7, 1e-5);
        EXPECT_NEAR(k->logprob, log(0.4), 1e-5); /* the model's own */
        EXPECT(strstr(r.samples[i].note, "drawn all the same") != NULL);
        break;
    }
    batch_result_free(&r);
    /* Rules stay: what is forced stands there, and the record says why. */
    const sampler_settings forced = { 1, 0, 1, 0, 1, "forced_tokens=0;temperature=1" };
    rq.settings = &forced, rq.num_samples = 3, rq.max_tokens = 4, rq.phrases = list_of("[\"ab\",\"a\"]", 1, a);
    REQUIRE_OK(generate_batch(g, &rq, &r));
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(r.samples[i].tokens[0].id, 0);
        for (int k = 1; k < 4; k++) EXPECT(r.samples[i].tokens[k].id != 0);
        EXPECT(strstr(r.samples[i].note, "\"a\" stands: nothing else may stand there") != NULL);
    }
    batch_result_free(&r);
    const sampler_settings allowed = { 1, 0, 1, 0, 1, "allowed_tokens=0,1;temperature=1" };
    rq.settings = &allowed, rq.phrases = list_of("[\"a\",\"b\"]", 1, a);
    REQUIRE_OK(generate_batch(g, &rq, &r));
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) EXPECT_LE(r.samples[i].tokens[k].id, 1);
    batch_result_free(&r);
    generator_close(g);
    model_close(m);
    tokenizer_close(t);
    arena_free(a);
}

/* A stop text may hold a NUL. */
TEST(generate_stops_at_a_zero_byte) {
    glimpse_model d = GLIMPSE_MODEL_INIT;
    glimpse_tokenizer td = GLIMPSE_TOKENIZER_INIT;
    static const char *const some[] = { "a", "\0", "c", "d" };
    static const int32_t ones[] = { 1, 1, 1, 1 }, id = 3;
    const batch_prompt p = { "d", 1, &id, 1 };
    const sampler_settings set = SAMPLER_SETTINGS_INIT;
    static const char *const stops[] = { "\0a" };
    static const size_t bytes[] = { 2 };
    model *m;
    tokenizer *t;
    generator *g;
    generator_config cfg = { .threads = 1 };
    batch_result r;
    d.vocab_size = 4, d.max_seq_len = 64, d.logits = fn_fixed;
    td.pieces = some, td.piece_bytes = ones, td.n_pieces = 4;
    REQUIRE_OK(model_from_description(&d, &m));
    REQUIRE_OK(tokenizer_from_description(&td, 4, -1, &t));
    REQUIRE_OK(generator_open(m, t, &cfg, &g));
    batch_request rq = { .prompts = &p, .n_prompts = 1, .settings = &set, .labels = &gpt_label, .n_settings = 1, .num_samples = 20,
                         .max_tokens = 40, .seed = 3, .stops = stops, .stop_bytes = bytes, .n_stops = 1 };
    REQUIRE_OK(generate_batch(g, &rq, &r));
    int stopped = 0;
    for (int i = 0; i < 20; i++) {
        const glimpse_sample *s = &r.samples[i];
        for (int k = 0; k + 1 < s->n_tokens; k++)
            EXPECT((s->tokens[k].id == 1 && s->tokens[k + 1].id == 0) == (k + 2 == s->n_tokens && s->stop == GLIMPSE_STOP_STRING));
        if (s->stop != GLIMPSE_STOP_STRING) continue;
        stopped++;
        EXPECT_EQ(s->text_bytes, s->n_tokens - 2);
    }
    EXPECT_LT(10, stopped);
    batch_result_free(&r);
    generator_close(g);
    model_close(m);
    tokenizer_close(t);
}

typedef struct stream {
    int32_t id[ROOM], n;
} stream;

static void on_token(void *user, int32_t sequence, const glimpse_token *t) {
    stream *s = (stream *)user + sequence;
    s->id[s->n++] = t->id;
}

/* What was streamed is what stands, token for token: nothing that was taken back was shown. */
TEST(antislop_stream_holds_back) {
    arena *a = arena_new();
    model *m;
    tokenizer *t;
    generator *g = function_generator(&m, &t, 1);
    static stream streams[40];
    const sampler_settings set = SAMPLER_SETTINGS_INIT;
    batch_result r;
    static const char *const stops[] = { "b b" };
    static const size_t stop_bytes[] = { 3 };
    batch_request rq = { .prompts = &prompt, .n_prompts = 1, .settings = &set, .labels = &gpt_label, .n_settings = 1, .num_samples = 40,
                         .max_tokens = 40, .seed = 5, .phrases = all_phrases(NULL, a), .phrase_retries = 20, .stops = stops,
                         .stop_bytes = stop_bytes, .n_stops = 1, .on_token = on_token, .user = streams };
    REQUIRE_OK(generate_batch(g, &rq, &r));
    int went = 0;
    for (int i = 0; i < 40; i++) {
        REQUIRE(streams[i].n == r.samples[i].n_tokens);
        for (int k = 0; k < streams[i].n; k++) EXPECT_EQ(streams[i].id[k], r.samples[i].tokens[k].id);
        went += r.samples[i].note != NULL;
    }
    EXPECT_LT(10, went);
    batch_result_free(&r);
    generator_close(g);
    model_close(m);
    tokenizer_close(t);
    arena_free(a);
}

TEST(antislop_every_allocation_failing) {
    arena *a = arena_new();
    phrase_list *l = all_phrases(NULL, a);
    long n = 1;
    for (; n < 100000; n = n < 60 ? n + 1 : n + 11) {
        model *m;
        tokenizer *t;
        generator *g = function_generator(&m, &t, 1);
        const sampler_settings set = { 0.9, 0, 1, 0, 1.2, NULL };
        batch_request rq = { .prompts = &prompt, .n_prompts = 1, .settings = &set, .labels = &gpt_label, .n_settings = 1,
                             .num_samples = 2, .max_tokens = 20, .seed = 5, .phrases = l, .phrase_retries = 20,
                             .guidance = 1.5 };
        batch_result r;
        test_fail_alloc(n);
        glimpse_status st = generate_batch(g, &rq, &r);
        bool over = test_fail_alloc(0) < n;
        if (st >= 0) batch_result_free(&r);
        generator_close(g);
        model_close(m);
        tokenizer_close(t);
        if (over) break;
        EXPECT_EQ(st, GLIMPSE_E_MEMORY);
    }
    EXPECT_LT(20, n);
    arena_free(a);
}

/* What a sample's chain was printed as is a chain that --samplers takes, and gives the same. */
TEST(antislop_and_guidance_read_back) {
    tiny_gpt gpt;
    model *m = NULL;
    generator *g = NULL;
    generator_config cfg = { .threads = 1 };
    phrase_list *list = NULL;
    arena *a = arena_new();
    char json[] = "[\"a testament to\", \"tapestry\"]";
    static const int32_t ids[] = { 5, 9, 2 };
    static const batch_prompt p = { "abc", 3, ids, 3 };
    static const char *const label = "a";
    sampler_settings set = { 0.7, 40, 1, 0, 1.1, NULL };
    batch_request rq = { .prompts = &p, .n_prompts = 1, .settings = &set, .labels = &label, .n_settings = 1, .num_samples = 1,
                         .max_tokens = 4, .guidance = 1.5 };
    chain *c = NULL, *again = NULL;
    tiny_gpt_make(&gpt, 1, 2, 8, 61, 32, -1, 3);
    REQUIRE(a != NULL);
    REQUIRE_OK(model_from_description(&gpt.model, &m));
    REQUIRE_OK(generator_open(m, NULL, &cfg, &g));
    REQUIRE_OK(phrases_parse("list", json, strlen(json), 1, a, &list));
    rq.phrases = list;
    REQUIRE_OK(generator_chain(g, &rq, 0, &c));
    EXPECT_STREQ(chain_string(c), "guidance=1.5;antislop=2 phrases;penalties=1.1;temperature=0.7;top_k=40");
    set.order = chain_string(c);
    REQUIRE_OK(generator_chain(g, &rq, 0, &again));
    EXPECT_STREQ(chain_string(again), chain_string(c));
    chain_close(again);
    rq.guidance = 2; /* its flags say another thing, or nothing */
    EXPECT_ERR(generator_chain(g, &rq, 0, &again), GLIMPSE_E_INVALID, "the chain has guidance=1.5, and --guidance_scale is 2");
    rq.guidance = 0;
    EXPECT_ERR(generator_chain(g, &rq, 0, &again), GLIMPSE_E_INVALID, "and --guidance_scale is 1");
    set.order = "antislop;temperature=0.7";
    rq.phrases = NULL;
    EXPECT_ERR(generator_chain(g, &rq, 0, &again), GLIMPSE_E_INVALID, "--antislop FILE");
    chain_close(c);
    arena_free(a);
    generator_close(g);
    model_close(m);
    tiny_gpt_free(&gpt);
}
