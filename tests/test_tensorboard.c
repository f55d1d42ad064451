/* test_tensorboard.c -- the event file against byte vectors (made with protoc and TensorBoard's own .proto files) and
 * against a decoder of its own; texts that try to leave their fence; a file that a crash tore. */
#include "hooks/review.h"
#include "include/internal/file.h"
#include "tests/chart_record.h"
#include "tests/test.h"
#include "viz/tensorboard.h"
#include <dirent.h>
#include <unistd.h>

/* Wall time 1700000000, step 10.  Length, its check, the event, its check. */
static const char version_hex[] = "1800000000000000a37f4b22" "0900000040fc54d941" "1a0d627261696e2e4576656e743a32" "eced8f9d";
static const char scalar_hex[] = "1e00000000000000d9dc1232" "0900000040fc54d941" "100a" "2a11" "0a0f" "0a086c6f73732f76616c" "1500002040" "c1927e71";
static const char tensor_hex[] = "3200000000000000241956ec" "0900000040fc54d941" "100a" "2a25" "0a23" "0a086c6f73732f76616c" "420a" "0801" "1200" "2a0400002040"
                                 "4a0b" "0a09" "0a077363616c617273" "e30c1f9b";
static const char text_hex[] = "2e00000000000000c5cb57fa" "0900000040fc54d941" "100a" "2a21" "0a1f" "0a0973616d706c65732f30" "4208" "0807" "1200" "42026869" "4a08" "0a06"
                               "0a0474657874" "4b0e257f";

static buffer bytes_of_hex(const char *hex) {
    buffer b = {0};
    for (; *hex; hex += 2) {
        const char *digits = "0123456789abcdef";
        buf_putc(&b, (char)((strchr(digits, hex[0]) - digits) << 4 | (strchr(digits, hex[1]) - digits)));
    }
    return b;
}

TEST(tensorboard_checksums) {
    char zeros[32] = {0};
    EXPECT_EQ(crc32c(zeros, 32), 0x8a9136aa);
    EXPECT_EQ(crc32c("123456789", 9), 0xe3069283); /* the check value of the catalogue of parametrised CRC algorithms */
    EXPECT_EQ(crc32c_masked("\x1a\x11" "CRC test, one two", 19), 0x5794d08a);
    const char *const all[] = {version_hex, scalar_hex, tensor_hex, text_hex};
    for (int i = 0; i < 4; i++) {
        buffer b = bytes_of_hex(all[i]);
        EXPECT_EQ(events_record_size(b.bytes), b.n);
        uint32_t check;
        memcpy(&check, b.bytes + b.n - 4, 4);
        EXPECT_EQ(crc32c_masked(b.bytes + 12, b.n - 16), check);
        for (size_t from = 0; from < 16; from++) /* any length, from any place: with and without the processor's instruction */
            for (size_t n = 0; n <= b.n - 16; n++) EXPECT_EQ(crc32c(b.bytes + from, n), crc32c_by_table(b.bytes + from, n));
        b.bytes[3] ^= 1;
        EXPECT_EQ(events_record_size(b.bytes), 0);
        buf_free(&b);
    }
}

TEST(tensorboard_bytes) {
    const char *const want[] = {version_hex, scalar_hex, text_hex};
    for (int i = 0; i < 3; i++) {
        buffer b = bytes_of_hex(want[i]), got = {0};
        if (i == 0) events_version(1700000000.0, &got);
        if (i == 1) events_scalar(1700000000.0, 10, "loss/val", 2.5f, &got);
        if (i == 2) events_text(1700000000.0, 10, "samples/0", "hi", 2, &got);
        EXPECT_EQ(got.n, b.n);
        if (got.n == b.n) EXPECT_MEM(got.bytes, b.bytes, b.n);
        buf_free(&b);
        buf_free(&got);
    }
}

TEST(tensorboard_times) {
    static const struct { const char *iso; double s; } want[] = {
        {"1970-01-01T00:00:00Z", 0}, {"2023-11-14T22:13:20Z", 1700000000}, {"2000-02-29T12:00:00Z", 951825600},
        {"2000-03-01T00:00:00Z", 951868800}, {"2100-12-31T23:59:59Z", 4133980799.0}, {"yesterday", 0}, {"", 0},
        {"1969-12-31T23:59:59Z", 0}, {"1901-12-13T20:45:52Z", 0}}; /* a clock that was never set */
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        buffer name = {0};
        glimpse_record r = {.time = want[i].iso, .run = "5f"};
        EXPECT_NEAR(events_time(want[i].iso), want[i].s, 0);
        events_name(&r, &name);
        EXPECT(events_is_name(buf_str(&name)));
        buf_free(&name);
    }
}

/* --- a decoder ---------------------------------------------------------------------------------------------------- */
typedef struct seen {
    int version, scalars, texts, images, closings, bad;
    int64_t step;
    double wall;
    buffer text;   /* the last one */
    buffer tags;   /* "tag=value\n" of the scalars */
    uint32_t w, h;
} seen;

static uint64_t varint(const uint8_t **p, const uint8_t *end) {
    uint64_t v = 0;
    for (int shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 127) << shift;
        if (b < 128) break;
    }
    return v;
}

/* The first field of that number and wire type 0 or 2; *n = its length, or its value. */
static const uint8_t *field(const uint8_t *p, size_t size, int number, uint64_t *n) {
    for (const uint8_t *end = p + size; p < end;) {
        uint64_t key = varint(&p, end), v = 0;
        int type = (int)(key & 7);
        const uint8_t *at = p;
        if (type == 0) v = varint(&p, end);
        else if (type == 1) p += 8, v = 8;
        else if (type == 5) p += 4, v = 4;
        else { v = varint(&p, end); at = p; p += v; }
        if ((int)(key >> 3) == number) { *n = v; return at; }
    }
    *n = 0;
    return NULL;
}

static void see_value(seen *s, const uint8_t *p, size_t size) {
    uint64_t n_tag, n, m;
    const uint8_t *tag = field(p, size, 1, &n_tag), *x = field(p, size, 2, &n), *image = field(p, size, 4, &n);
    if (!tag) { s->bad++; return; }
    if (x) {
        float value;
        memcpy(&value, x, 4);
        bool closing = n_tag == 23 && !memcmp(tag, "glimpse/blocked_seconds", 23);
        if (closing) s->closings++;
        else {
            s->scalars++;
            buf_put(&s->tags, tag, n_tag);
            buf_printf(&s->tags, "=%.5g\n", (double)value);
        }
    } else if (image) {
        uint64_t h, w, kind, n_png;
        field(image, n, 1, &h), field(image, n, 2, &w), field(image, n, 3, &kind);
        const uint8_t *png = field(image, n, 4, &n_png);
        s->images++;
        s->w = (uint32_t)w, s->h = (uint32_t)h;
        if (!png || n_png < 8 || memcmp(png, "\x89PNG", 4) || kind != 3) s->bad++;
    } else {
        const uint8_t *tensor = field(p, size, 8, &n), *text = tensor ? field(tensor, n, 8, &m) : NULL;
        if (!text) { s->bad++; return; }
        s->texts++;
        buf_clear(&s->text);
        buf_put(&s->text, text, m);
    }
}

static seen decode(const uint8_t *p, size_t size) {
    seen s = {0};
    size_t at = 0;
    while (at < size) {
        uint64_t n = size - at >= 12 ? events_record_size(p + at) : 0, k, m;
        uint32_t check;
        if (!n || n > size - at) { s.bad++; break; }
        memcpy(&check, p + at + n - 4, 4);
        if (check != crc32c_masked(p + at + 12, n - 16)) s.bad++;
        const uint8_t *e = p + at + 12;
        size_t e_n = n - 16;
        const uint8_t *wall = field(e, e_n, 1, &k);
        if (wall) memcpy(&s.wall, wall, 8);
        field(e, e_n, 2, &k);
        s.step = (int64_t)k;
        if (field(e, e_n, 3, &k)) s.version++;
        const uint8_t *summary = field(e, e_n, 5, &k), *value = summary ? field(summary, k, 1, &m) : NULL;
        if (value) see_value(&s, value, m);
        at += n;
    }
    return s;
}

static void seen_free(seen *s) {
    buf_free(&s->text);
    buf_free(&s->tags);
}

TEST(tensorboard_eval) {
    owned_record *o = chart_record(20, 5, 5, "top_k=5");
    static const glimpse_metric metrics[] = {{"perplexity", 4.5}, {"distinct_2", NAN}};
    glimpse_sample two[3];
    for (int i = 0; i < 3; i++) two[i] = o->record.samples[0], two[i].metrics = metrics, two[i].n_metrics = 2, two[i].sample = i;
    glimpse_metric other = {"perplexity", 8};
    two[1].metrics = &other, two[1].n_metrics = 1;
    two[2].setting = 1, two[2].label = "top_k=9";
    glimpse_record r = o->record;
    r.samples = two, r.n_samples = 2, r.train_loss = NAN;
    buffer b = {0};
    EXPECT_OK(events_of(&r, &b));
    events_close(&r, &b);
    seen s = decode((uint8_t *)b.bytes, b.n);
    EXPECT_EQ(s.bad, 0);
    EXPECT_STREQ(buf_str(&s.tags), "loss/val=2.507\nsample_metrics/perplexity=6.25\n"); /* no NaN; the mean */
    EXPECT_EQ(s.texts, 2);
    EXPECT_EQ(s.closings, 1);
    EXPECT_EQ(s.step, 250);
    EXPECT_NEAR(s.wall, 1735689600.0, 0);
    seen_free(&s);
    buf_clear(&b);
    r.n_samples = 3;
    EXPECT_OK(events_of(&r, &b));
    s = decode((uint8_t *)b.bytes, b.n);
    EXPECT_STREQ(buf_str(&s.tags), "loss/val=2.507\nsample_metrics/perplexity/top_k=5=6.25\nsample_metrics/perplexity/top_k=9=4.5\n");
    seen_free(&s);
    buf_free(&b);
    record_free(&o->record);
}

TEST(tensorboard_fence_holds) {
    owned_record *o = chart_record(0, 5, 5, "top_k=5");
    glimpse_sample *s = (glimpse_sample *)(uintptr_t)o->record.samples;
    static const char hostile[] = "```\n# a title\n<script>alert(1)</script>\n``````\n~~~\x1b[2J\xe2\x80\xae";
    s->text = hostile, s->text_bytes = sizeof hostile - 1;
    o->record.check = "failed";
    buffer b = {0};
    EXPECT_OK(events_of(&o->record, &b));
    seen got = decode((uint8_t *)b.bytes, b.n);
    const char *text = buf_str(&got.text);
    EXPECT(!strncmp(text, "**MODEL CHECK FAILED", 20));
    const char *fence = strstr(text, "\n\n```````\n"); /* seven: one more than any run inside */
    EXPECT(fence != NULL);
    EXPECT(fence && strstr(fence + 4, "```````") == text + strlen(text) - 8); /* and it closes at the very end */
    EXPECT(!strchr(text, 0x1b) && !strstr(text, "\xe2\x80\xae"));
    EXPECT(strstr(text, "\\x1b[2J\\u202e") != NULL);
    seen_free(&got);
    buf_free(&b);
    record_free(&o->record);
}

/* --- the file ----------------------------------------------------------------------------------------------------- */
static char *event_file(const char *dir) {
    char *found = NULL;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (events_is_name(e->d_name)) {
            EXPECT(!found); /* one a run */
            free(found);
            found = path_join(dir, e->d_name);
        }
    if (d) closedir(d);
    return found;
}

TEST(tensorboard_torn_file_is_mended) {
    const char *dir = test_tmpdir();
    owned_record *o = chart_record(6, 5, 5, "top_k=5");
    view_plan plan = {.tensorboard = true, .sheets = true};
    EXPECT_OK(review_append(&plan, dir, &o->record, NULL));
    char *path = event_file(dir);
    REQUIRE(path);
    EXPECT_STREQ(path_base(path), "events.out.tfevents.1735689600.glimpse.9f2c1a");
    buffer one = {0}, now = {0};
    EXPECT_OK(file_read_all(path, 1 << 24, &one));
    seen s = decode((uint8_t *)one.bytes, one.n);
    EXPECT_EQ(s.bad, 0);
    EXPECT_EQ(s.version, 1);
    EXPECT_EQ(s.images, 1);
    EXPECT(s.w > 200 && s.h > 50);
    seen_free(&s);
    o->record.step = 300;
    o->record.time = "2025-01-01T01:00:00Z";
    for (size_t cut = 0; cut < one.n; cut += cut < 300 || cut + 300 > one.n ? 7 : one.n / 11) {
        REQUIRE_OK(file_write_atomic(path, one.bytes, cut, false));
        EXPECT_OK(review_append(&plan, dir, &o->record, NULL));
        buf_clear(&now);
        EXPECT_OK(file_read_all(path, 1 << 24, &now));
        s = decode((uint8_t *)now.bytes, now.n);
        EXPECT_EQ(s.bad, 0);
        EXPECT_EQ(s.version, 1);
        EXPECT_EQ(s.step, 300);
        EXPECT_EQ(s.closings, 1);
        seen_free(&s);
    }
    free(path);
    path = event_file(dir);
    free(path);
    buf_free(&one);
    buf_free(&now);
    record_free(&o->record);
}
