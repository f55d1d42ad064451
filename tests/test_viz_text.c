/* test_viz_text.c -- sample.txt, sample.ansi and the log of an eval: their form, letter by letter on small records, and
 * what must hold whatever a model says: no control byte of its own, every span closed on its line, 24 rows, no row wider
 * than the terminal, no forged entry. */
#include "include/internal/utf8.h"
#include "include/internal/schedule.h"
#include "tests/test.h"
#include "viz/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* === Records ==================================================================================================== */

enum { MOST_TOKENS = 4096 };
typedef struct made {
    glimpse_record r;
    glimpse_sample s[4];
    glimpse_piece pieces[MOST_TOKENS];
    glimpse_token tokens[MOST_TOKENS];
    char text[1 << 16];
} made;

/* A record of one sample made of these pieces (n_bytes each; NULL = strlen); token i has p = 1 / (1 + i % 5). */
static made *make(const char *const *piece, const int *n_bytes, int n) {
    made *m = calloc(1, sizeof *m);
    size_t at = 0;
    if (!m) abort();
    for (int i = 0; i < n; i++) {
        int bytes = n_bytes ? n_bytes[i] : (int)strlen(piece[i]);
        m->pieces[i] = (glimpse_piece){.id = i, .bytes = bytes, .text = piece[i]};
        memcpy(m->text + at, piece[i], (size_t)bytes);
        at += (size_t)bytes;
        float p = 1.0f / (float)(1 + i % 5);
        m->tokens[i] = (glimpse_token){.size = sizeof(glimpse_token), .id = i, .rank = 1 + i % 5, .kept = 5, .logit = (float)(i % 5),
                                       .logprob = logf(p), .p_temp = p, .p_final = p, .left = 1 - p, .entropy = (float)(i % 5)};
    }
    m->r = (glimpse_record){.size = sizeof m->r, .version = 1, .run = "9f2c1a", .run_name = "demo", .kind = "train", .step = 250,
                            .time = "", .train_loss = 2.413, .val_loss = 2.507, .best_val_loss = 2.5069, .best_step = 250,
                            .arch = "gpt2", .vocab_size = 50257, .dtype = "f32", .cache_dtype = "f32", .device = "cpu",
                            .check = "ok", .status = "ok", .blocked_s = 0.0002, .prefill_s = 0.1, .decode_s = 0.21,
                            .pieces = m->pieces, .n_pieces = n, .samples = m->s, .n_samples = 1};
    m->s[0] = (glimpse_sample){.size = sizeof m->s[0], .n_samples = 1, .prompt_text = "\n", .prompt_bytes = 1,
                               .label = "top_k=200", .samplers = "top_k=200;temperature=0.8", .seed = 1337,
                               .temperature = 0.8, .top_k = 200, .text = m->text, .text_bytes = at, .tokens = m->tokens,
                               .n_tokens = n};
    return m;
}

static const view_style plain = {.depth = DEPTH_NONE, .width = 100};

static char *txt(const made *m, const view_style *style) {
    buffer b = {0};
    EXPECT_OK(view_sample_txt(&m->r, style, &b));
    return buf_take(&b, NULL);
}

static void expect_txt(const made *m, const view_style *style, const char *want_body) {
    char *got = txt(m, style), *body = strstr(got, "check: ok\n---------------\n");
    EXPECT_STREQ(body ? body + 26 : got, want_body);
    free(got);
}

/* === sample.txt ================================================================================================= */

TEST(text_sample_txt_entry) {
    static const char *const p[] = {"Once upon", " a", " time", ".\n", "\tThe", " end."};
    made *m = make(p, NULL, 6);
    static const glimpse_metric ppl[] = {{"perplexity", 5.9123}};
    m->s[0].metrics = ppl;
    m->s[0].n_metrics = 1;
    m->s[0].n_samples = 3;
    char *got = txt(m, &plain);
    EXPECT_STREQ(got, "---------------\n"
                      " run_name: demo \n"
                      " iter_num: 250 \n"
                      " best_val_loss: 2.5069 \n"
                      " top_k: 200 \n"
                      " start_token: '\\n' \n"
                      " train_loss: 2.413   val_loss: 2.507\n"
                      " prompt: 0   sample: 0/3   seed: 1337   temperature: 0.8\n"
                      " samplers: top_k=200;temperature=0.8\n"
                      " tokens: 6   stop: length   perplexity: 5.9   check: ok\n"
                      "---------------\n"
                      "Once upon a time.\n\tThe end.\n\n\n");
    free(got);
    m->r.n_samples = 0;
    m->r.status = "skipped";
    m->r.why = "still\nbusy";
    m->r.val_loss = NAN;
    got = txt(m, &plain);
    EXPECT_STREQ(got, "---------------\n run_name: demo \n iter_num: 250 \n best_val_loss: 2.5069 \n"
                      " status: skipped (still\\nbusy) \n train_loss: 2.413\n---------------\n\n\n");
    free(got);
    free(m);
}

TEST(text_check_failed_in_every_view) {
    static const char *const p[] = {"hello"};
    made *m = make(p, NULL, 1);
    m->r.check = "failed";
    for (int depth = DEPTH_NONE; depth <= DEPTH_TRUE; depth++)
        for (int width = 20; width <= 120; width += 50) {
            view_style style = {.depth = (color_depth)depth, .colorize = true, .width = width};
            buffer b[4] = {{0}};
            EXPECT_OK(view_sample_txt(&m->r, &style, &b[0]));
            EXPECT_OK(view_sample_ansi(&m->r, &style, &b[1]));
            EXPECT_OK(view_terminal(&m->r, NULL, NULL, &style, &b[2]));
            EXPECT_OK(view_one_line(&m->r, &style, &b[3]));
            for (int i = 0; i < 4; i++) {
                EXPECT(strstr(buf_str(&b[i]), "MODEL CHECK FAILED"));
                buf_free(&b[i]);
            }
        }
    free(m);
}

TEST(text_no_entry_can_be_forged) {
    static const char *const p[] = {"x\n---", "------------\n", " - - -\n--", "\n -a\n---------------"};
    made *m = make(p, NULL, 4);
    expect_txt(m, &plain, "x\n\\---------------\n\\ - - -\n\\--\n -a\n\\---------------\n\n\n");
    view_style style = {.depth = DEPTH_TRUE, .colorize = true};
    buffer b = {0};
    EXPECT_OK(view_sample_ansi(&m->r, &style, &b));
    int rules = 0; /* as a terminal shows them */
    for (char *line = b.bytes; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        char shown[256];
        size_t n = 0;
        for (const char *c = line; *c && *c != '\n' && n < 255; c++)
            if (*c == 0x1b) c = strchr(c, 'm');
            else shown[n++] = *c;
        rules += text_is_rule(shown, n);
    }
    EXPECT_EQ(rules, 2);
    buf_free(&b);
    free(m);
}

TEST(text_escapes) {
    static const struct {
        const char *in;
        size_t n;
        const char *out;
    } rows[] = {
        {"a\x1b[31mb\r\n\t\a\0z", 13, "a\\x1b[31mb\\r\n\t\\x07\\x00z"},
        {"\x7f\xc2\x85\xc2\x9b", 5, "\\x7f\\u0085\\u009b"},
        {"\xe2\x80\xae|\xe2\x81\xa6|\xef\xbb\xbf|\xe2\x80\x8b|\xc2\xad", 18, "\\u202e|\\u2066|\\ufeff|\\u200b|\\u00ad"},
        {"\xf3\xa0\x80\x81", 4, "\\U000e0001"},
        {"\xff\xfe\xc3(\xe2\x82", 6, "\\xff\\xfe\\xc3(\\xe2\\x82"},
        {"\xed\xa0\x80\xc0\xaf", 5, "\\xed\\xa0\\x80\\xc0\\xaf"}, /* a surrogate, an overlong / */
        {"na\xc3\xafve \\n \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", 21, "na\xc3\xafve \\n \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buffer b = {0};
        text_escape(&b, rows[i].in, rows[i].n, TEXT_LINES);
        EXPECT_STREQ(buf_str(&b), rows[i].out);
        buf_free(&b);
    }
    static const char *const repr[][2] = {{"a\n", "'a\\n'"}, {"it's", "\"it's\""}, {"'\"", "'\\'\"'"}, {"\\\t", "'\\\\\\t'"}}; /* Python 3 */
    for (int i = 0; i < 4; i++) {
        buffer b = {0};
        text_repr(&b, repr[i][0], strlen(repr[i][0]));
        EXPECT_STREQ(buf_str(&b), repr[i][1]);
        buf_free(&b);
    }
}

/* The log, the review and the pictures write a token by one function; the page's own is held to it in tests/report/drive.py. */
TEST(text_one_token_in_every_view) {
    static const struct { const char *bytes; size_t n; const char *text; } want[] = {
        {" a\n", 3, "\xe2\x90\xa3" "a\xe2\x86\xb5"}, {"\t\r", 2, "\xe2\x86\x92\\r"}, {"\xe2\x80\xae", 3, "\\u202e"},
        {"\xf3\xa0\x80\x81", 4, "\\U000e0001"}, {"\xc2\xa0", 2, "\\u00a0"}, {"a\\", 2, "a\\"},
        {"\xe2\x9f\xa8" "endoftext\xe2\x9f\xa9", 15, "\xe2\x9f\xa8" "endoftext\xe2\x9f\xa9"}, {"7 ", 2, "7"}, {"8 ", 2, "8\xe2\x90\xa3"}, {"7", 1, "7"}, {NULL, 0, "\xe2\x9f\xa8" "7\xe2\x9f\xa9"}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const glimpse_piece piece = {.id = 7, .text = want[i].bytes, .bytes = (int32_t)want[i].n};
        const glimpse_record r = {.size = sizeof r, .pieces = &piece, .n_pieces = want[i].bytes ? 1 : 0};
        buffer token = {0};
        styled label = {0};
        text_token(&token, &r, 7);
        text_piece(&label, &r, 7, 40, false, paint_of(PAINT_PLAIN));
        EXPECT_STREQ(buf_str(&token), want[i].text);
        EXPECT_STREQ(buf_str(&label.text), want[i].text);
        buf_free(&token);
        styled_free(&label);
    }
}

TEST(text_token_boundary_and_prompt) {
    static const char *const p[] = {"Once", " upon", "\xe2\x82", "\xac", "!"}; /* the euro sign in two tokens */
    made *m = make(p, NULL, 5);
    view_style style = {.depth = DEPTH_NONE, .token_boundary = "|"};
    expect_txt(m, &style, "Once| upon|\xe2\x82\xac|!\n\n\n");
    expect_txt(m, &plain, "Once upon\xe2\x82\xac!\n\n\n");
    m->s[0].prompt_text = "Say: ";
    m->s[0].prompt_bytes = 5;
    expect_txt(m, &style, "Say: Once| upon|\xe2\x82\xac|!\n\n\n");
    m->s[0].text_bytes = 7; /* a stop string cut the text inside a token */
    expect_txt(m, &style, "Say: Once| up\n\n\n");
    m->s[0].text = "something else"; /* pieces that do not make the text: the text counts */
    m->s[0].text_bytes = 14;
    expect_txt(m, &style, "Say: something else\n\n\n");
    free(m);
}

/* === sample.ansi ================================================================================================ */

TEST(text_sample_ansi_spans) {
    static const char *const p[] = {"Hi\nyou", "\xe2\x82", "\xac", ("\xe2\x9f\xa8" "eos\xe2\x9f\xa9")};
    made *m = make(p, NULL, 4);
    m->s[0].stop = GLIMPSE_STOP_EOS;
    m->s[0].text_bytes -= 9;
    m->s[0].prompt_text = "Q:";
    m->s[0].prompt_bytes = 2;
    view_style style = {.depth = DEPTH_TRUE, .colorize = true, .mode = COLOR_SOFTMAX};
    buffer b = {0};
    EXPECT_OK(view_sample_ansi(&m->r, &style, &b));
    const char *body = strstr(buf_str(&b), "\x1b[38;2;118;118;118mQ:"); /* not the one in the head */
    REQUIRE(body && body - b.bytes > 20);
    /* p = 1 is viridis' yellow with black text; p = 1/3 (the third token completes the sign) entry 85 with white. */
    static const char want[] = "\x1b[38;2;118;118;118mQ:\x1b[0;38;2;0;0;0;48;2;253;231;37mHi\x1b[0m\n"
                               "\x1b[38;2;0;0;0;48;2;253;231;37myou\x1b[0;38;2;255;255;255;48;2;";
    EXPECT_MEM(body, want, sizeof want - 1);
    rgb third = palette_rgb(PALETTE_VIRIDIS, 1 / 3.0);
    char rest[160];
    c_snprintf(rest, sizeof rest, "48;2;%d;%d;%dm\xe2\x82\xac\x1b[0;3;38;2;118;118;118m\xe2\x9f\xa8" "eos\xe2\x9f\xa9\x1b[0m\n", third.r,
               third.g, third.b);
    EXPECT(strstr(body, rest) != NULL);
    EXPECT(strstr(body, "p 0 \xe2\x80\xa6 1, at the temperature\x1b[0m\n\n\n") != NULL); /* the legend ends the entry */
    buf_free(&b);

    style.mode = COLOR_ALL;
    EXPECT_OK(view_sample_ansi(&m->r, &style, &b));
    const char *at = buf_str(&b);
    static const char *const heads[] = {"minmax ", "softmax ", "softmax_top_k ", "dot_product ", "rank "};
    for (int i = 0; i < 5; i++) {
        at = at ? strstr(at, heads[i]) : NULL;
        EXPECT(at != NULL);
    }
    buf_free(&b);
    style.mode = COLOR_TOPK;
    glimpse_candidate top[2] = {{.id = 0, .p = 0.5f, .p_final = 0.5f}, {.id = 1, .p = 0.25f, .p_final = 0.25f}};
    for (int i = 0; i < 4; i++) m->tokens[i].top = top, m->tokens[i].n_top = 2;
    style.depth = DEPTH_NONE;
    EXPECT_OK(view_sample_ansi(&m->r, &style, &b));
    EXPECT(strstr(buf_str(&b), "token           -ln p  rank      p   left   the most probable\n") != NULL);
    EXPECT(strstr(buf_str(&b), "Hi\xe2\x86\xb5you           0.00     1  1.000  0.000   Hi\xe2\x86\xb5you   \\xe2\\x82\n") != NULL);
    buf_free(&b);
    free(m);
}

/* === The log ==================================================================================================== */

TEST(text_terminal_golden) {
    static const char *const p[] = {"Once upon", " a", " time", ".\n\n\n", "The", " end."};
    static const glimpse_metric now[] = {{"perplexity", 5.9}, {"spelling_token_rate", 0.97}, {"repetition_tokens", 0.03}};
    static const glimpse_metric then[] = {{"perplexity", 7.2}, {"spelling_token_rate", 0.93}};
    made *m = make(p, NULL, 6), *o = make(p, NULL, 6);
    m->s[0].metrics = now, m->s[0].n_metrics = 3;
    o->s[0].metrics = then, o->s[0].n_metrics = 2;
    o->tokens[4].id = 3;
    o->r.step = 200;
    o->r.val_loss = 2.619;
    for (int i = 1; i < 3; i++) {
        m->s[i] = m->s[0];
        m->s[i].sample = i;
    }
    m->r.n_samples = 3;
    buffer b = {0};
    EXPECT_OK(view_terminal(&m->r, &o->r, "out/s.txt", &plain, &b));
    EXPECT_STREQ(buf_str(&b),
                 "glimpse  step 250 \xe2\x96\xb8 train 2.413  val 2.507 best   3\xc3\x97" "6 tokens  0.31 s  blocked 0.2 ms\n"
                 "  \"\\n\"  top_k=200 T=0.8 seed=1337                                                            1 of 3\n"
                 "  Once upon a time.\xe2\x86\xb5\xe2\x86\xb5\n"
                 "  The end.\n"
                 "  \xe2\x96\x81\xe2\x96\x82\xe2\x96\x83\xe2\x96\x83\xe2\x96\x84\xe2\x96\x81 entropy 1.67   own ppl 5.9   spelling .97   repeats .03   stop length\n"
                 "  since 200: val \xe2\x96\xbc" "0.112 \xc2\xb7 first 4 tokens same \xc2\xb7 own ppl 7.2\xe2\x86\x92" "5.9 \xc2\xb7 spelling .93\xe2\x86\x92.97\n"
                 "  \xe2\x80\xa6 2 more: out/s.txt\n");
    buf_free(&b);
    /* The change of the loss is said once, and in one form, at any width; of an eval whose texts are others too. */
    for (int width = 60; width < 130; width++) {
        view_style narrow = plain;
        narrow.width = width;
        EXPECT_OK(view_terminal(&m->r, &o->r, "out/s.txt", &narrow, &b));
        const char *change = strstr(buf_str(&b), "\n  since 200: val \xe2\x96\xbc" "0.112 \xc2\xb7 ");
        EXPECT(change != NULL && strstr(buf_str(&b), "\xe2\x96\xbc") > change && strstr(buf_str(&b), "val \xe2\x96") == strstr(buf_str(&b), "val \xe2\x96\xbc"));
        EXPECT(change && !strstr(change + 20, "\xe2\x96\xbc"));
        EXPECT(width < 80 || strstr(buf_str(&b), " entropy 1.67 ") != NULL);
        buf_free(&b);
    }
    o->s[0].prompt_text = "another", o->s[0].prompt_bytes = 7;
    EXPECT_OK(view_terminal(&m->r, &o->r, "out/s.txt", &plain, &b));
    EXPECT(strstr(buf_str(&b), "\n  since 200: val \xe2\x96\xbc" "0.112\n") != NULL);
    buf_free(&b);
    m->r.train_loss = 1e300, m->r.val_loss = -3e9; /* all of its size, whatever it is */
    EXPECT_OK(view_terminal(&m->r, &o->r, "out/s.txt", &plain, &b));
    EXPECT(strstr(buf_str(&b), " train 1e+300  val -3e+09") != NULL && strstr(buf_str(&b), "blocked") != NULL);
    EXPECT(strstr(buf_str(&b), "\n  since 200: val \xe2\x96\xbc" "3e+09\n") != NULL);
    buf_free(&b);
    char losses[SCHEDULE_LOSSES_BYTES];
    schedule_losses(1e35, 2.47, losses);
    EXPECT_STREQ(losses, "val 1e+35 \xe2\x89\xa5 best 2.47");
    schedule_losses(-1e300, -1.001e300, losses); /* as many digits as show which is greater */
    EXPECT_STREQ(losses, "val -1e+300 \xe2\x89\xa5 best -1.001e+300");
    m->r.train_loss = m->r.val_loss = NAN; /* no hole where the losses would be */
    EXPECT_OK(view_terminal(&m->r, NULL, NULL, &plain, &b));
    EXPECT(strstr(buf_str(&b), "step 250 \xe2\x96\xb8 3\xc3\x97" "6 tokens  0.31 s") != NULL);
    buf_free(&b);
    m->s[1].n_tokens = 4; /* 6 + 4 + 6: no longer three times as many */
    EXPECT_OK(view_terminal(&m->r, NULL, NULL, &plain, &b));
    EXPECT(strstr(buf_str(&b), " \xe2\x96\xb8 16 tokens  ") != NULL && strstr(buf_str(&b), "\xc3\x97") == NULL);
    buf_free(&b);
    view_style style = plain;
    style.terminal = true;
    style.depth = DEPTH_16;
    view_clear_line(&style, &b);
    EXPECT_STREQ(buf_str(&b), "\r\x1b[K");
    buf_free(&b);
    style.depth = DEPTH_NONE; /* NO_COLOR on a terminal */
    view_clear_line(&style, &b);
    EXPECT(b.n == 101 && b.bytes[0] == '\r' && b.bytes[100] == '\r' && strspn(b.bytes + 1, " ") == 99);
    buf_clear(&b);
    view_clear_line(&plain, &b); /* no terminal */
    EXPECT_EQ(b.n, 0);
    buf_free(&b);
    free(m);
    free(o);
}

/* Lines of `b` that end with a blank; those of sample.txt's head that the fork ends with one are left out. */
static int trailing_blanks(const buffer *b, bool head) {
    static const char *const fork[] = {" run_name: ", " iter_num: ", " best_val_loss: ", " top_k: ", " start_token: ", " status: "};
    int found = 0;
    for (const char *line = buf_str(b), *end; *line; line = end + 1) {
        if (!(end = strchr(line, '\n'))) end = line + strlen(line) - 1;
        bool theirs = false;
        for (size_t i = 0; head && i < sizeof fork / sizeof *fork; i++) theirs |= !strncmp(line, fork[i], strlen(fork[i]));
        if (end > line && end[-1] == ' ' && !theirs) found++;
    }
    return found;
}

/* What a line of the log must not end with: something that leads to what did not fit. */
static bool dangles(const char *line, size_t n) {
    static const char *const ends[] = {"\xc2\xb7", ":", "\xe2\x96\xb8", "val", "since", ",", "ppl", "entropy", "stop", "(", "blocked", "data"};
    while (n && line[n - 1] == ' ') n--;
    while (n && *line == ' ') line++, n--;
    for (color_mode mode = COLOR_MINMAX; mode <= COLOR_ALL; mode++)
        if (n == strlen(color_mode_name(mode)) && !memcmp(line, color_mode_name(mode), n)) return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t k = strlen(ends[i]);
        if (n >= k && !memcmp(line + n - k, ends[i], k)) return true;
    }
    return n == 0; /* an empty row */
}

/* Without the escape codes. */
static void strip_codes(buffer *b) {
    size_t to = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (b->bytes[i] == 0x1b) {
            while (i < b->n && b->bytes[i] != 'm') i++;
            continue;
        }
        b->bytes[to++] = b->bytes[i];
    }
    b->n = to;
    b->bytes[to] = 0;
}

/* At any width each row is whole: nothing leads to a piece that did not fit, and no colours stand without what they mean. */
TEST(text_terminal_leaves_nothing_dangling) {
    static const char *const p[] = {"Once upon", " a", " time", ".", "The", " end"};
    static const glimpse_metric now[] = {{"perplexity", 5.9}, {"spelling_token_rate", 0.97}, {"repetition_tokens", 0.03}};
    static const glimpse_metric then[] = {{"perplexity", 7.2}, {"spelling_token_rate", 0.93}};
    static const glimpse_task_score score = {.size = sizeof score, .task = "hellaswag", .metric = "acc_norm", .value = 0.25, .std_error = 0.01, .n = 100, .n_all = 100};
    static const glimpse_metric data[] = {{"loss", 2.5}, {"bits_per_byte", 1.2}};
    buffer b = {0};
    for (int kind = 0; kind < 16; kind++) {
        made *m = make(p, NULL, 6), *o = make(p, NULL, 6);
        m->s[0].metrics = now, m->s[0].n_metrics = 3;
        o->s[0].metrics = then, o->s[0].n_metrics = 2;
        o->r.step = 0;
        o->r.val_loss = 3.888;
        o->tokens[kind & 1 ? 0 : 3].id = 5; /* another text from the first token on, or from the fourth */
        if (kind & 2) m->s[1] = m->s[0], m->s[1].setting = 1, m->r.n_samples = 2; /* "first sample: " */
        if (kind & 4) m->r.train_loss = m->r.val_loss = m->r.prefill_s = m->r.blocked_s = NAN;
        if (kind & 8) m->r.scores = &score, m->r.n_scores = 1, m->r.dataset = data, m->r.n_dataset = 2, m->r.step = 1234567;
        for (color_mode mode = COLOR_MINMAX; mode <= COLOR_ALL; mode++)
            for (int width = 20; width <= 200; width++) {
                const view_style style = {.depth = DEPTH_256, .colorize = true, .width = width, .mode = mode};
                buf_clear(&b);
                EXPECT_OK(view_terminal(&m->r, &o->r, NULL, &style, &b));
                strip_codes(&b);
                for (const char *line = buf_str(&b), *end; (end = strchr(line, '\n')); line = end + 1)
                    if (dangles(line, (size_t)(end - line))) {
                        test_check(false, __FILE__, __LINE__, "kind %d, mode %d, %d columns: \"%.*s\"", kind, (int)mode, width, (int)(end - line), line);
                        width = 200;
                        break;
                    }
                if (mode == COLOR_MINMAX && !(kind & 4)) EXPECT(strstr(buf_str(&b), "\xe2\x80\xa6 high") || width < 29);
                if (!(kind & 6) && width >= 80) EXPECT(strstr(buf_str(&b), "  stop length\n") && strstr(buf_str(&b), "since 0: val \xe2\x96\xbc" "1.381 \xc2\xb7 "));
            }
        free(m);
        free(o);
    }
    buf_free(&b);
}

/* A fresh model's stretches differ by a few hundredths of ln V, a trained one's lie near the ground: both are to be seen. */
TEST(text_terminal_bars_tell_apart) {
    static const char *const p[] = {"a", "b", "c", "d", "e", "f"};
    static const float entropies[] = {3.4f, 3.7f, 4.1f, 0.8f, 0.3f, 0.1f}; /* of ln 65 = 4.17 */
    made *m = make(p, NULL, 6);
    buffer b = {0};
    m->r.vocab_size = 65;
    for (int i = 0; i < 6; i++) m->tokens[i].entropy = entropies[i];
    EXPECT_OK(view_terminal(&m->r, NULL, NULL, &plain, &b));
    EXPECT(strstr(buf_str(&b), "\n  \xe2\x96\x86\xe2\x96\x87\xe2\x96\x88\xe2\x96\x83\xe2\x96\x82\xe2\x96\x81 entropy ") != NULL);
    buf_free(&b);
    free(m);
}

/* A text that ink would not show has a row all the same, and numbers that such a text does not have say so. */
TEST(text_terminal_of_blanks) {
    static const char *const p[] = {"\n", "\n", " ", "\t", "\n"}, *const s[] = {"SS", "SS", "SS", "SS", "SS"};
    static const glimpse_metric blanks[] = {{"repetition_tokens", NAN}, {"spelling_token_rate", NAN}}, one_word[] = {{"repetition", NAN}, {"repetition_tokens", 0.96}};
    made *m = make(p, NULL, 5);
    m->s[0].metrics = blanks, m->s[0].n_metrics = 2;
    buffer b = {0};
    for (int colored = 0; colored < 2; colored++) {
        view_style style = plain;
        style.colorize = colored;
        style.depth = colored ? DEPTH_TRUE : DEPTH_NONE;
        EXPECT_OK(view_terminal(&m->r, NULL, NULL, &style, &b));
        EXPECT(strstr(buf_str(&b), "\xe2\x86\xb5\xe2\x86\xb5\xe2\x90\xa3\xe2\x86\x92\xe2\x86\xb5") != NULL);
        EXPECT(colored || strstr(buf_str(&b), "   spelling -   repeats -   stop") != NULL);
        buf_free(&b);
    }
    m->s[0].prompt_text = "Say:", m->s[0].prompt_bytes = 4;
    EXPECT_OK(view_terminal(&m->r, NULL, NULL, &plain, &b));
    EXPECT(strstr(buf_str(&b), "  Say:\xe2\x86\xb5\xe2\x86\xb5\xe2\x90\xa3\xe2\x86\x92\xe2\x86\xb5\n") != NULL);
    buf_free(&b);
    m->s[0].n_tokens = 0, m->s[0].text_bytes = 0;
    EXPECT_OK(view_terminal(&m->r, NULL, NULL, &plain, &b));
    EXPECT(strstr(buf_str(&b), "(no text)\n") != NULL);
    buf_free(&b);
    free(m);
    m = make(s, NULL, 5); /* one word: no 4-gram of words, and yet it repeats */
    m->s[0].metrics = one_word, m->s[0].n_metrics = 2;
    EXPECT_OK(view_terminal(&m->r, NULL, NULL, &plain, &b));
    EXPECT(strstr(buf_str(&b), "   repeats .96   stop") != NULL && strstr(buf_str(&b), "hint: 96 % of the 4-grams repeat") != NULL);
    buf_free(&b);
    unsigned hinted = 0; /* a run's log gives a hint once; another kind is another hint */
    view_style once = plain;
    once.hinted = &hinted;
    for (int i = 0; i < 3; i++) {
        if (i == 2) m->s[0].n_tokens = 1, m->s[0].stop = GLIMPSE_STOP_EOS;
        EXPECT_OK(view_terminal(&m->r, NULL, NULL, &once, &b));
        EXPECT_EQ(strstr(buf_str(&b), "4-grams repeat") != NULL, i == 0);
        EXPECT_EQ(strstr(buf_str(&b), "ended the text at once") != NULL, i == 2);
        buf_free(&b);
    }
    free(m);
}

/* In colours a blank has a ground, also where it ends the text. */
TEST(text_terminal_last_blank) {
    static const char *const p[] = {"Hi", " "};
    made *m = make(p, NULL, 2);
    const view_style style = {.depth = DEPTH_TRUE, .colorize = true, .mode = COLOR_SOFTMAX, .width = 80};
    buffer b = {0};
    char want[80];
    const rgb half = palette_rgb(PALETTE_VIRIDIS, 0.5), ink = rgb_text_on(half);
    c_snprintf(want, sizeof want, "38;2;%d;%d;%d;48;2;%d;%d;%dm \x1b[0m\n", ink.r, ink.g, ink.b, half.r, half.g, half.b);
    EXPECT_OK(view_terminal(&m->r, NULL, NULL, &style, &b));
    EXPECT(strstr(buf_str(&b), want) != NULL);
    buf_free(&b);
    free(m);
}

static const char *legend_of(const made *m, color_mode mode, size_t columns) {
    static char text[400];
    const view_style style = {.depth = DEPTH_NONE};
    styled t = {0};
    text_legend(&m->r, m->s, mode, &style, columns, &t);
    EXPECT(text_width(buf_str(&t.text), t.text.n) <= columns);
    c_snprintf(text, sizeof text, "%s", buf_str(&t.text));
    styled_free(&t);
    return text;
}

/* The same words whatever the sample, its numbers behind them; at any width whole pieces. */
TEST(text_legend_says_what_the_colours_are) {
    static const char *const p[] = {"a", "b", "c"};
    made *m = make(p, NULL, 3);
    EXPECT_STREQ(legend_of(m, COLOR_MINMAX, 100), "minmax                  lowest \xe2\x80\xa6 highest logit of each sample, not p (0.0 \xe2\x80\xa6 2.0)");
    EXPECT_STREQ(legend_of(m, COLOR_MINMAX, 65), "minmax            lowest \xe2\x80\xa6 highest logit of each sample, not p");
    EXPECT_STREQ(legend_of(m, COLOR_MINMAX, 59), "minmax          lowest \xe2\x80\xa6 highest logit of each sample");
    EXPECT_STREQ(legend_of(m, COLOR_MINMAX, 40), "minmax          lowest \xe2\x80\xa6 highest logit");
    EXPECT_STREQ(legend_of(m, COLOR_SOFTMAX, 100), "softmax                  p 0 \xe2\x80\xa6 1, at the temperature");
    EXPECT_STREQ(legend_of(m, COLOR_TOPK, 100), "topk                  p 0 \xe2\x80\xa6 1, the model's own");
    m->s[0].stop = GLIMPSE_STOP_SCORED; /* at no temperature */
    EXPECT_STREQ(legend_of(m, COLOR_SOFTMAX, 100), "softmax                  p 0 \xe2\x80\xa6 1, the model's own");
    m->s[0].stop = GLIMPSE_STOP_LENGTH;
    EXPECT_STREQ(legend_of(m, COLOR_ENTROPY, 100), "entropy                  0 \xe2\x80\xa6 10.8 nats, low is sure");
    EXPECT_STREQ(legend_of(m, COLOR_RANK, 100), "rank                  rank 200 \xe2\x80\xa6 2 (1 plain)");
    m->s[0].n_tokens = 0; /* no numbers */
    EXPECT_STREQ(legend_of(m, COLOR_MINMAX, 100), "minmax                  lowest \xe2\x80\xa6 highest logit of each sample, not p");
    for (int mode = COLOR_MINMAX; mode <= COLOR_ALL; mode++)
        for (size_t columns = 0; columns < 120; columns++) legend_of(m, (color_mode)mode, columns);
    free(m);
}

TEST(text_no_trailing_blanks) {
    static const char *const p[] = {"Once", " upon", " a", " time", " there", " was", " a", " little", " girl", " who"};
    made *m = make(p, NULL, 10);
    buffer b = {0};
    static const glimpse_candidate top[] = {{0, 0.5f, 0.6f}, {1, 0.25f, 0.3f}, {2, 0.1f, 0.1f}};
    for (int k = 0; k < 10; k++) m->tokens[k].n_top = k % 4, m->tokens[k].top = top;
    m->tokens[8].left = NAN;
    m->s[0].note = "it went back";
    for (color_mode mode = COLOR_MINMAX; mode <= COLOR_ALL; mode++)
        for (int width = 20; width <= 140; width++) {
            view_style style = plain;
            style.mode = mode;
            style.width = width;
            buf_clear(&b);
            EXPECT_OK(view_terminal(&m->r, NULL, "out/s.txt", &style, &b));
            EXPECT_EQ(trailing_blanks(&b, false), 0);
            buf_clear(&b);
            EXPECT_OK(view_sample_txt(&m->r, &style, &b));
            EXPECT_EQ(trailing_blanks(&b, true), 0);
            buf_clear(&b);
            EXPECT_OK(view_sample_ansi(&m->r, &style, &b));
            EXPECT_EQ(trailing_blanks(&b, true), 0);
        }
    buf_free(&b);
    free(m);
}

TEST(text_one_line) {
    glimpse_record r = {.size = sizeof r, .step = 750, .val_loss = 2.51, .best_val_loss = 2.47, .best_step = 500,
                        .train_loss = NAN, .status = "ok", .check = "none"};
    buffer b = {0};
    EXPECT_OK(view_one_line(&r, &plain, &b));
    EXPECT_STREQ(buf_str(&b), "glimpse 750: no sample, val 2.51 \xe2\x89\xa5 best 2.47 @ 500 (--sample_each_eval)\n");
    buf_clear(&b);
    EXPECT_OK(view_terminal(&r, NULL, NULL, &plain, &b)); /* the same for a record without samples */
    EXPECT_STREQ(buf_str(&b), "glimpse 750: no sample, val 2.51 \xe2\x89\xa5 best 2.47 @ 500 (--sample_each_eval)\n");
    buf_clear(&b);
    const view_style narrow = {.depth = DEPTH_NONE, .width = 60, .terminal = true};
    EXPECT_OK(view_one_line(&r, &narrow, &b));
    EXPECT_STREQ(buf_str(&b), "glimpse 750: no sample, val 2.51 \xe2\x89\xa5 best 2.47 @ 500\n  (--sample_each_eval)\n");
    buf_clear(&b);
    r.val_loss = 2.4702;
    EXPECT_OK(view_one_line(&r, &plain, &b)); /* digits enough to see why */
    EXPECT_STREQ(buf_str(&b), "glimpse 750: no sample, val 2.4702 \xe2\x89\xa5 best 2.4700 @ 500 (--sample_each_eval)\n");
    buf_clear(&b);
    r.status = "skipped";
    r.why = "the eval before is \x1b]0;busy\a";
    EXPECT_OK(view_one_line(&r, &plain, &b));
    EXPECT_STREQ(buf_str(&b), "glimpse 750: no sample, the eval before is \\x1b]0;busy\\x07\n");
    buf_free(&b);
}

TEST(text_stream) {
    static const char *const p[] = {"a", "\xe2\x82", "\xac", "\x1b[2J", " b\n", "\xf0\x9f"};
    made *m = make(p, NULL, 6);
    view_style style = {.depth = DEPTH_NONE};
    const color_scale scale = view_stream_scale(&style, m->r.vocab_size, 0);
    for (int pass = 0; pass < 2; pass++) {
        buffer held = {0}, out = {0};
        style.token_boundary = pass ? "|" : NULL;
        for (int i = 0; i < 6; i++)
            EXPECT_OK(view_stream_token(&scale, &m->tokens[i], p[i], strlen(p[i]), &style, &held, &out));
        EXPECT_EQ(held.n, 2);
        EXPECT_OK(view_stream_token(NULL, NULL, NULL, 0, &style, &held, &out));
        EXPECT_EQ(held.n, 0);
        EXPECT_STREQ(buf_str(&out), pass ? "a|\xe2\x82\xac|\\x1b[2J| b\n|\\xf0\\x9f" : "a\xe2\x82\xac\\x1b[2J b\n\\xf0\\x9f");
        buf_free(&out);
    }
    buffer out = {0};
    style.mode = COLOR_MINMAX;
    EXPECT_OK(view_stream_legend(&style, m->r.vocab_size, 0, GLIMPSE_STOP_LENGTH, 100, &out));
    EXPECT(!strncmp(buf_str(&out), "softmax ", 8) && strstr(buf_str(&out), "(minmax needs the finished text)"));
    buf_clear(&out);
    EXPECT_OK(view_stream_legend(&style, m->r.vocab_size, 0, GLIMPSE_STOP_LENGTH, 66, &out)); /* what a terminal of 80 columns leaves behind "colours" */
    EXPECT(strstr(buf_str(&out), "p 0 \xe2\x80\xa6 1") && strstr(buf_str(&out), "(minmax needs the finished text)"));
    EXPECT(text_width(buf_str(&out), out.n - 1) <= 66);
    buf_clear(&out);
    EXPECT_OK(view_stream_legend(&style, m->r.vocab_size, 0, GLIMPSE_STOP_LENGTH, 50, &out)); /* no room for both */
    EXPECT(strstr(buf_str(&out), "p 0 \xe2\x80\xa6 1") && !strstr(buf_str(&out), "needs"));
    buf_clear(&out);
    style.mode = COLOR_RANK; /* the ranks of the setting, not of none */
    EXPECT_OK(view_stream_legend(&style, m->r.vocab_size, 50, GLIMPSE_STOP_LENGTH, 100, &out));
    EXPECT_STREQ(strstr(buf_str(&out), "  rank"), "  rank 50 \xe2\x80\xa6 2 (1 plain)\n");
    buf_free(&out);
    free(m);
}

/* === Whatever the model says ==================================================================================== */

/* Width of what the corpus holds, from wcwidth's definition and not from the code under test. */
static int own_width(uint32_t cp) {
    if ((cp >= 0x300 && cp <= 0x36f) || cp == 0x200d) return 0;
    if ((cp >= 0x1100 && cp <= 0x115f) || (cp >= 0x2e80 && cp <= 0xa4cf) || (cp >= 0xac00 && cp <= 0xd7a3) ||
        (cp >= 0x1f300 && cp <= 0x1faff) || (cp >= 0xff01 && cp <= 0xff60))
        return 2;
    return 1;
}

/* Checks a view's bytes; returns its rows and in *widest the columns of the widest. */
static int check_bytes(const buffer *b, const char *view, bool escapes, int *widest) {
    bool open = false, ok = true;
    int rows = 0, width = 0;
    size_t i = 0;
    *widest = 0;
    while (i < b->n && ok) {
        uint32_t cp;
        int len = utf8_decode(b->bytes + i, b->n - i, &cp);
        if (cp == 0x1b && escapes) {
            size_t end = i + 2;
            while (end < b->n && strchr("0123456789;", b->bytes[end])) end++;
            ok = b->bytes[i + 1] == '[' && b->bytes[end] == 'm';
            open = !(end == i + 3 && b->bytes[i + 2] == '0');
            i = end + 1;
            continue;
        }
        ok = len > 0 && (cp == '\n' || cp == '\t' || !utf8_is_control(cp));
        if (cp == '\n') {
            ok = ok && !open;
            rows++;
            width = 0;
        } else width += own_width(cp);
        if (width > *widest) *widest = width;
        i += len > 0 ? (size_t)len : 1;
    }
    ok = ok && !open && width == 0; /* ends at column 0 */
    test_check(ok, __FILE__, __LINE__, "%s: byte %zu of %zu", view, i, b->n);
    return rows;
}

static void check_views(made *m) {
    static const int widths[] = {20, 40, 80, 120, 300};
    m->s[1] = m->s[0]; /* a second setting, its text as the prompt and the reason too */
    m->s[1].setting = 1;
    m->s[1].label = "top_k=\x1b[1m5";
    m->s[1].prompt_text = m->s[0].text;
    m->s[1].prompt_bytes = m->s[0].text_bytes;
    m->s[1].why = m->s[0].text;
    m->r.n_samples = 2;
    m->r.run_name = m->s[0].text;
    for (int depth = DEPTH_NONE; depth <= DEPTH_TRUE; depth++)
        for (int mode = COLOR_MINMAX; mode <= COLOR_ALL; mode++) {
            view_style style = {.depth = (color_depth)depth, .mode = (color_mode)mode, .colorize = true,
                                .token_boundary = mode == COLOR_RANK ? "\x1b|" : NULL, .colors = (palette)(mode % 3)};
            buffer b = {0};
            int widest, rows;
            EXPECT_OK(view_sample_ansi(&m->r, &style, &b));
            check_bytes(&b, "sample.ansi", depth != DEPTH_NONE, &widest);
            buf_clear(&b);
            EXPECT_OK(view_sample_txt(&m->r, &style, &b));
            check_bytes(&b, "sample.txt", false, &widest);
            for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
                style.width = widths[w];
                style.terminal = depth != DEPTH_NONE;
                for (int failed = 0; failed < 2; failed++) {
                    m->r.status = failed ? "failed" : "ok";
                    m->r.why = failed ? m->s[0].text : NULL;
                    buf_clear(&b);
                    EXPECT_OK(view_terminal(&m->r, &m->r, "out/x.txt", &style, &b));
                    rows = check_bytes(&b, "log", depth != DEPTH_NONE, &widest);
                    EXPECT_LE(rows, 24);
                    EXPECT_LE(widest, widths[w] - 1 + (widths[w] < 30 ? 8 : 0)); /* a path is never cut */
                }
                m->r.status = "ok";
                m->r.why = NULL;
            }
            buf_free(&b);
        }
}

TEST(text_hostile_corpus) {
    static const struct {
        const char *s;
        int n;
    } corpus[] = {
        {"\x1b[31mred\x1b[0m", 12}, {"\x1b]0;title\x07", 10}, {"\x1b]8;;http://x\x1b\\link", 19}, {"\x1bP+q\x1b\\", 6},
        {"\x9b" "31m", 4}, {"\xc2\x9b" "31m", 5}, {"\xc2\x9d" "0;t\xc2\x9c", 7}, {"\r\r\rover", 7}, {"\b\b\b\x7f", 4},
        {"\0\0NUL", 5}, {"\x0e\x0f\x05", 3}, {"\xe2\x80\xae" "abc\xe2\x80\xac", 9}, {"\xe2\x80\xa8\xe2\x80\xa9", 6},
        {"\xef\xbb\xbf", 3}, {"\xf3\xa0\x81\x81", 4}, {"\xff\xfe\xc0\x80", 4}, {"\xed\xa0\x80", 3}, {"\xf4\x90\x80\x80", 4},
        {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac", 15}, {"\xf0\x9f\x98\x80\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", 15},
        {"a\xcc\x81\xcc\x82\xcc\x83\xcc\x81\xcc\x82\xcc\x83", 13}, {"---------------\n", 16}, {"\n\n\n\n\n\n\n\n\n\n", 10},
        {"\t\t\t\t", 4}, {"\xe2\x82", 2}, {"\xac", 1}, {"\xe2\x9f\xa8" "eos\xe2\x9f\xa9", 9}, {"%s%n%d", 6}, {" ", 1}, {"", 0},
    };
    enum { N = sizeof corpus / sizeof *corpus };
    const char *piece[N * 6];
    int bytes[N * 6], n = 0;
    for (int i = 0; i < N; i++) { /* each alone */
        piece[0] = corpus[i].s;
        bytes[0] = corpus[i].n;
        made *m = make(piece, bytes, 1);
        check_views(m);
        free(m);
    }
    for (int k = 0; k < 6; k++) /* and all together, in several orders */
        for (int i = 0; i < N; i++, n++) {
            int j = (i * (2 * k + 1) + k) % N;
            piece[n] = corpus[j].s;
            bytes[n] = corpus[j].n;
        }
    made *m = make(piece, bytes, n);
    check_views(m);
    for (int i = 0; i < n; i++) m->tokens[i].logit = m->tokens[i].p_temp = m->tokens[i].entropy = m->tokens[i].logprob = NAN;
    check_views(m);
    free(m);
}

TEST(text_long_line) {
    enum { MILLION = 1000000 };
    static const char *const units[] = {"x", "\xcc\x81", "\xe6\x97\xa5", "- ", "\x1b"}; /* a letter, an accent, wide, .. */
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        size_t len = strlen(units[u]), n = MILLION / len * len;
        char *text = malloc(n + 1);
        REQUIRE(text);
        for (size_t i = 0; i < n; i += len) memcpy(text + i, units[u], len);
        text[n] = 0;
        const char *p[] = {"x"};
        made *m = make(p, NULL, 1);
        m->pieces[0].text = m->s[0].text = text;
        m->pieces[0].bytes = (int32_t)n;
        m->s[0].text_bytes = n;
        view_style style = {.depth = DEPTH_TRUE, .colorize = true, .width = 80};
        buffer b = {0};
        int widest;
        EXPECT_OK(view_terminal(&m->r, NULL, NULL, &style, &b));
        EXPECT_LE(check_bytes(&b, "log", true, &widest), 24);
        EXPECT_LT(b.n, 24 * 80 * 65); /* an accent flood too */
        buf_clear(&b);
        EXPECT_OK(view_sample_ansi(&m->r, &style, &b));
        check_bytes(&b, "sample.ansi", true, &widest);
        buf_clear(&b);
        EXPECT_OK(view_sample_txt(&m->r, &style, &b));
        check_bytes(&b, "sample.txt", false, &widest);
        buf_free(&b);
        free(text);
        free(m);
    }
}

TEST(text_wrap) {
    static const struct {
        const char *s;
        size_t columns, len, next;
    } rows[] = {
        {"one two three", 7, 7, 8},            /* the blank that does not fit goes */
        {"one two three", 8, 8, 8},
        {"one two three", 9, 8, 8},            /* back to the blank before "three" */
        {"abcdefghij", 4, 4, 4},               /* no blank: cut */
        {"ab\ncd", 10, 2, 3},
        {"\xe6\x97\xa5\xe6\x9c\xac", 3, 3, 3}, /* two wide characters in three columns: one */
        {"a\xcc\x81\xcc\x82z", 1, 5, 5},       /* accents stay with their letter */
        {"\xe6\x97\xa5", 1, 3, 3},             /* wider than the line: alone */
        {"ab\\xe0\\xe1", 9, 6, 6},             /* a byte's escape stays whole */
        {"ab\\xe0\\xe1", 10, 10, 10},
        {"ab\\xyz", 4, 4, 4},                  /* that is none */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t next, len = text_wrap(rows[i].s, strlen(rows[i].s), rows[i].columns, &next);
        test_check(len == rows[i].len && next == rows[i].next, __FILE__, __LINE__, "row %zu: %zu %zu", i, len, next);
    }
    EXPECT_EQ(text_width("a\xcc\x81\xe6\x97\xa5\xf0\x9f\x98\x80", 10), 5);
}

TEST(text_out_of_memory) {
    static const char *const p[] = {"Once", " upon", "\n---\n", "\xe2\x82", "\xac"};
    made *m = make(p, NULL, 5);
    view_style style = {.depth = DEPTH_TRUE, .colorize = true, .mode = COLOR_ALL, .width = 80, .token_boundary = "|"};
    for (int view = 0; view < 4; view++)
        for (long k = 1;; k++) {
            buffer b = {0};
            buf_puts(&b, "before");
            if (view == 3) style.mode = COLOR_TOPK;
            test_fail_alloc(k);
            glimpse_status st = view == 0 ? view_sample_txt(&m->r, &style, &b)
                              : view == 1 ? view_terminal(&m->r, &m->r, "out/x.txt", &style, &b)
                                          : view_sample_ansi(&m->r, &style, &b);
            long used = test_fail_alloc(0);
            if (used < k) {
                EXPECT_OK(st);
                buf_free(&b);
                break;
            }
            EXPECT_EQ(st, GLIMPSE_E_MEMORY);
            EXPECT_STREQ(buf_str(&b), "before"); /* outputs untouched */
            buf_free(&b);
        }
    free(m);
}
