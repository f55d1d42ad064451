/* test_screen.c -- pages of the review screen as rows, drawn from records without a terminal (viz/screen.h); with one, and with
 * keys: test_reviewer.c. */
#include "tests/chart_record.h"
#include "tests/test.h"
#include "viz/colors.h"
#include "viz/screen.h"
#include "viz/word_diff.h"
#include <stdio.h>
#include <string.h>

/* The map of the probes has the colours of probes.png and of the page: p by powers of ten, 1e-4 to 1. */
TEST(reviewer_probes_on_the_scale_of_the_charts) {
    owned_record *o = chart_record(4, 5, 5, "top_k=5");
    REQUIRE(o);
    static const float p[4] = {1, 0.01F, 1e-4F, 1e-9F};
    static const double at[4] = {1, 0.5, 0, 0};
    const int64_t steps[1] = {250};
    screen_view v = {.width = 80, .height = 24, .style = {.colorize = true, .depth = DEPTH_TRUE}, .page = SCREEN_PROBES, .name = "demo", .r = &o->record, .n = 1,
                     .match_from = -1, .match_to = -1, .probes = {.probe = o->record.samples, .n = 1, .n_columns = 1, .p = p, .steps = steps}};
    buffer rows[24] = {{0}};
    int64_t top = 0;
    EXPECT_OK(screen_draw(&v, &top, rows));
    for (int i = 0; i < 4; i++) {
        char want[40];
        const rgb c = palette_rgb(PALETTE_VIRIDIS, at[i]);
        snprintf(want, sizeof want, "48;2;%d;%d;%dm", c.r, c.g, c.b);
        EXPECT(strstr(buf_str(&rows[5 + i]), want) != NULL);
        const glimpse_token *t = GLIMPSE_AT(v.probes.probe->tokens, i); /* and in numbers, as it is at this step */
        if (t->rank == 1) snprintf(want, sizeof want, "first choice");
        else snprintf(want, sizeof want, "rank %d", (int)t->rank);
        EXPECT(strstr(buf_str(&rows[5 + i]), want) != NULL);
    }
    for (int k = 0; k < 24; k++) buf_free(&rows[k]);
    record_free(&o->record);
}

/* Under the map its steps: the first, the last, and those between that have room. */
TEST(reviewer_probes_name_their_steps) {
    owned_record *o = chart_record(4, 5, 5, "top_k=5");
    REQUIRE(o);
    float p[4 * 12];
    int64_t steps[12];
    for (int k = 0; k < 48; k++) p[k] = 0.5F;
    for (int k = 0; k < 12; k++) steps[k] = 100 * k;
    for (int n = 1; n <= 12; n++) {
        screen_view v = {.width = 100, .height = 24, .style = {.depth = DEPTH_NONE}, .page = SCREEN_PROBES, .name = "demo", .r = &o->record, .n = n,
                         .match_from = -1, .match_to = -1, .probes = {.probe = o->record.samples, .n = 1, .n_columns = n, .p = p, .steps = steps}};
        buffer rows[24] = {{0}};
        int64_t top = 0;
        EXPECT_OK(screen_draw(&v, &top, rows));
        long long step = -1;
        int names = 0, used = 0, more;
        for (const char *at = buf_str(&rows[10]); sscanf(at + used, "%lld%n", &step, &more) == 1; used += more) {
            EXPECT_EQ(names ? step % 100 : step, 0);
            names++;
        }
        EXPECT_EQ(step, 100 * (n - 1));
        EXPECT(names == (n < 3 ? n : names) && (n < 5 || names > 2));
        for (int k = 0; k < 24; k++) buf_free(&rows[k]);
    }
    record_free(&o->record);
}

/* A map that fills the screen has its steps, too. */
TEST(reviewer_probes_name_their_steps_on_any_screen) {
    owned_record *o = chart_record(60, 5, 5, "top_k=5");
    REQUIRE(o);
    static float p[60];
    const int64_t steps[1] = {777};
    for (int k = 0; k < 60; k++) p[k] = 0.5F;
    for (int height = 12; height <= 60; height++) {
        screen_view v = {.width = 100, .height = height, .style = {.depth = DEPTH_NONE}, .page = SCREEN_PROBES, .name = "demo", .r = &o->record, .n = 1,
                         .match_from = -1, .match_to = -1, .probes = {.probe = o->record.samples, .n = 1, .n_columns = 1, .p = p, .steps = steps}};
        buffer rows[60] = {{0}}, all = {0};
        int64_t top = 0;
        EXPECT_OK(screen_draw(&v, &top, rows));
        for (int k = 0; k < height; k++) buf_puts(&all, buf_str(&rows[k])), buf_putc(&all, '\n'), buf_free(&rows[k]);
        if (!strstr(buf_str(&all), " 777")) EXPECT_EQ(height, 0);
        buf_free(&all);
    }
    record_free(&o->record);
}

/* A text of --probe without a prompt stands alone; an eval without a sample says where there is something to see; what is
 * the best is the loss, not the step that it is compared with. */
TEST(reviewer_leads_on_where_no_sample_is) {
    owned_record *o = chart_record(4, 5, 5, "top_k=5"), *was = chart_record(4, 5, 5, "top_k=5");
    REQUIRE(o && was);
    glimpse_sample *text = (glimpse_sample *)o->record.samples;
    const float p[4] = {1, 1, 1, 1};
    const int64_t steps[1] = {250};
    text->prompt_bytes = 0;
    was->record.step = 100, was->record.val_loss = 3, o->record.val_loss = 2, o->record.best_step = o->record.step;
    o->record.n_samples = 0, o->record.status = "skipped", o->record.why = "still busy", o->record.probes = text, o->record.n_probes = 1;
    for (int page = 0; page < 2; page++) {
        screen_view v = {.width = 100, .height = 24, .style = {.depth = DEPTH_NONE}, .page = page ? SCREEN_PROBES : SCREEN_SAMPLE, .name = "demo", .r = &o->record,
                         .before = &was->record, .n = 1, .match_from = -1, .match_to = -1, .probes = {.probe = text, .n = 1, .n_columns = 1, .p = p, .steps = steps}};
        buffer rows[24] = {{0}}, all = {0};
        int64_t top = 0;
        EXPECT_OK(screen_draw(&v, &top, rows));
        for (int k = 0; k < 24; k++) buf_puts(&all, buf_str(&rows[k])), buf_putc(&all, '\n'), buf_free(&rows[k]);
        if (page) EXPECT(!strstr(buf_str(&all), "\"\" \xe2\x86\x92"));
        else {
            EXPECT(strstr(buf_str(&all), "skipped: still busy"));
            EXPECT(strstr(buf_str(&all), "the last sample: step 100 (g 100)"));
            EXPECT(strstr(buf_str(&all), "p shows the probes of this step"));
            EXPECT(strstr(buf_str(&all), " best   val 2.000 \xe2\x96\xbc" "1.000 since 100"));
        }
        buf_free(&all);
    }
    record_free(&o->record);
    record_free(&was->record);
}

/* A key that would lead to nothing is not offered; a number is called by words. */
TEST(reviewer_offers_what_there_is) {
    static const glimpse_metric data[] = {{"bits_per_byte", 1.5}};
    for (int probes = 0; probes < 3; probes++) {
        owned_record *o = chart_record(4, 5, 5, "top_k=5"), *was = chart_record(4, 5, 5, "top_k=5");
        REQUIRE(o && was);
        if (probes == 1) o->record.probes = o->record.samples, o->record.n_probes = 1;
        if (probes == 2) was->record.probes = was->record.samples, was->record.n_probes = 1; /* the eval in sight failed, say */
        o->record.dataset = data, o->record.n_dataset = 1;
        for (int page = 0; page < 2; page++) {
            screen_view v = {.width = 80, .height = 40, .style = {.depth = DEPTH_NONE}, .page = page ? SCREEN_NUMBERS : SCREEN_SAMPLE, .name = "demo", .r = &o->record,
                             .before = &was->record, .n = 1, .match_from = -1, .match_to = -1};
            buffer rows[40] = {{0}}, all = {0};
            int64_t top = 0;
            EXPECT_OK(screen_draw(&v, &top, rows));
            for (int k = 0; k < 40; k++) buf_puts(&all, buf_str(&rows[k])), buf_putc(&all, '\n'), buf_free(&rows[k]);
            EXPECT((strstr(buf_str(&all), "p probes") != NULL) == (probes > 0));
            EXPECT(strstr(buf_str(&all), "m numbers") && strstr(buf_str(&all), "g go to"));
            if (page) EXPECT(strstr(buf_str(&all), "bits per byte  ") && !strstr(buf_str(&all), "bits_per_byte"));
            buf_free(&all);
        }
        record_free(&o->record), record_free(&was->record);
    }
}

/* Without colours what changed stands in wdiff's marks: words in a row within one pair of them. */
TEST(reviewer_marks_what_changed_without_colours) {
    static const char *const texts[][3] = {{"a b c d e.", "a x y z e.", "a [-b c d-] {+x y z+} e."}, {"a b.", "a b.", "a b."}, {"a", "a b c", "a {+b c+}"}, {"a b c\n", "c\n", "[-a b-] c"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        owned_record *o = chart_record(4, 5, 5, "top_k=5"), *was = chart_record(4, 5, 5, "top_k=5");
        REQUIRE(o && was);
        for (int k = 0; k < 2; k++) {
            glimpse_sample *s = (glimpse_sample *)(uintptr_t)(k ? o : was)->record.samples;
            s->text = texts[i][k], s->text_bytes = strlen(s->text);
        }
        screen_view v = {.width = 80, .height = 24, .style = {.depth = DEPTH_NONE}, .name = "demo", .r = &o->record, .before = &was->record, .n = 1, .diff = true,
                         .match_from = -1, .match_to = -1};
        buffer rows[24] = {{0}}, all = {0};
        int64_t top = 0;
        EXPECT_OK(screen_draw(&v, &top, rows));
        for (int k = 0; k < 24; k++) { /* the escapes of a style are no letters */
            for (size_t c = 0; c < rows[k].n; c++)
                if (rows[k].bytes[c] != 0x1b) buf_putc(&all, rows[k].bytes[c]);
                else while (c < rows[k].n && rows[k].bytes[c] != 'm' && rows[k].bytes[c] != 'K') c++;
            buf_putc(&all, '\n');
            buf_free(&rows[k]);
        }
        if (!strstr(buf_str(&all), texts[i][2])) EXPECT_STREQ(buf_str(&all), texts[i][2]);
        buf_free(&all);
        record_free(&o->record), record_free(&was->record);
    }
}

/* === Words that changed ========================================================================================= */

static void put(void *user, diff_kind kind, const char *text, size_t n) {
    static const char *const marks[] = {"=", "-", "+"};
    buf_puts(user, marks[kind]);
    buf_put(user, text, n);
}

TEST(screen_word_diff) {
    bool little;
    static const char *const cases[][3] = {
        {"", "", ""}, {"a b", "a b", "=a =b"}, {"a b c", "a x c", "=a -b +x =c"}, {"", "a", "+a"}, {"a", "", "-a"},
        {"the dog ran.", "the big dog.", "=the +big =dog-ran=."}, {"a a a", "a a", "=a =a-a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer b = {0};
        EXPECT(word_diff(cases[i][0], strlen(cases[i][0]), cases[i][1], strlen(cases[i][1]), put, &b, &little));
        EXPECT_STREQ(buf_str(&b), cases[i][2]);
        buf_free(&b);
    }
    uint64_t state = 3;
    for (int round = 0; round < 200; round++) { /* what is same or came is the new text, whatever they are */
        buffer a = {0}, b = {0}, parts = {0}, now = {0};
        for (int i = 0; i < 40; i++) buf_printf(&a, "%c ", 'a' + (int)(chart_uniform(&state) * 4));
        for (int i = 0; i < 40; i++) buf_printf(&b, "%c ", 'a' + (int)(chart_uniform(&state) * 4));
        EXPECT(word_diff(a.bytes, a.n, b.bytes, b.n, put, &parts, &little));
        for (size_t i = 0; i < parts.n; i += 3)
            if (parts.bytes[i] != '-') buf_put(&now, parts.bytes + i + 1, 2);
        EXPECT_STREQ(buf_str(&now), buf_str(&b));
        buf_free(&a), buf_free(&b), buf_free(&parts), buf_free(&now);
    }
}

TEST(screen_marks_nothing_where_texts_have_little_in_common) {
    static const struct {
        const char *was, *now;
        bool little;
    } cases[] = {
        {"", "", false}, {"a b c d e f g h i", "a b c d e f g h i", false},
        {"She was happy.", "He was sad.", false}, /* short: marks do not mislead */
        {"one day a cat and a dog went to the park", "there was the sun and it fell on a red hat", true}, /* by chance: and, a */
        {"one day a cat and a dog went to the park", "one day a hat fell on it where no cat is", false},  /* one day a */
        {"a b c d e f g h", "a b c d x e f g h", false}, /* came alone */
        {"", "a b c d e f g h i", false},
        {"a b c x d e f y g h i z", "a b c 1 d e f 2 g h i 3", false},
        {"a b 1 c d 2 e f 3 g h 4", "a b 5 c d 6 e f 7 g h 8", true}, /* never three in a row */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *was = cases[i].was, *now = cases[i].now;
        bool there, back;
        buffer b = {0};
        EXPECT(word_diff(was, strlen(was), now, strlen(now), put, &b, &there) && there == cases[i].little);
        EXPECT(word_diff(now, strlen(now), was, strlen(was), put, &b, &back) && back == cases[i].little);
        buf_free(&b);
    }
}
