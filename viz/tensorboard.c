/* tensorboard.c -- see tensorboard.h.  Called by hooks/review.c. */
#include "viz/tensorboard.h"

#include "include/internal/status.h"
#include "viz/text.h"
#include <math.h>
#include <string.h>
#ifdef __x86_64__
#include <nmmintrin.h>
#endif

#define CLOSING_TAG "glimpse/blocked_seconds"

/* === CRC-32C =====================================================================================================*/
/* The journal of a long run is gigabytes: where the processor has an instruction for it, eight bytes at a time. */
#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc_by_instruction(const uint8_t *p, size_t n) {
    uint64_t crc = 0xFFFFFFFFu, word;
    for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
        memcpy(&word, p, sizeof word);
        crc = _mm_crc32_u64(crc, word);
    }
    while (n--) crc = _mm_crc32_u8((uint32_t)crc, *p++);
    return ~(uint32_t)crc;
}
#endif

uint32_t crc32c(const void *bytes, size_t n) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2")) return crc_by_instruction(bytes, n);
#endif
    return crc32c_by_table(bytes, n);
}

/* Four bits at a time: the table is small enough to be written out. */
uint32_t crc32c_by_table(const void *bytes, size_t n) {
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                       0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    uint32_t crc = 0xFFFFFFFFu;
    for (const uint8_t *p = bytes, *end = p + n; p < end; p++) {
        crc ^= *p;
        crc = table[crc & 15] ^ crc >> 4;
        crc = table[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}

uint32_t crc32c_masked(const void *bytes, size_t n) {
    uint32_t crc = crc32c(bytes, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* === Protobuf ====================================================================================================*/
static void put_le(buffer *b, uint64_t v, int bytes) {
    char le[8];
    for (int i = 0; i < bytes; i++) le[i] = (char)(v >> 8 * i);
    buf_put(b, le, (size_t)bytes);
}

static void put_varint(buffer *b, uint64_t v) {
    for (; v >= 128; v >>= 7) buf_putc(b, (char)(v | 128));
    buf_putc(b, (char)v);
}

static void put_varint_field(buffer *b, int field, uint64_t v) {
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, v);
}

static void put_bytes_field(buffer *b, int field, const void *bytes, size_t n) {
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    buf_put(b, bytes, n);
}

/* A message that was built in `m`; m is empty afterwards. */
static void put_message(buffer *b, int field, buffer *m) {
    put_bytes_field(b, field, buf_str(m), m->n);
    if (buf_failed(m)) b->failed = true;
    buf_free(m);
}

static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static void begin_event(double wall_time, buffer *event) {
    put_varint(event, 1 << 3 | 1);
    put_le(event, bits_of(wall_time), 8);
}

static void put_record(buffer *event, buffer *out) {
    buffer head = {0};
    put_le(&head, event->n, 8);
    buf_put(out, buf_str(&head), head.n);
    put_le(out, crc32c_masked(buf_str(&head), head.n), 4);
    buf_put(out, buf_str(event), event->n);
    put_le(out, crc32c_masked(buf_str(event), event->n), 4);
    if (buf_failed(&head) || buf_failed(event)) out->failed = true;
    buf_free(&head);
    buf_free(event);
}

/* One value as an event of its own: a reader that stops inside an eval then has whole values. */
static void put_value(double wall_time, int64_t step, buffer *value, buffer *out) {
    buffer event = {0}, summary = {0};
    put_message(&summary, 1, value);
    begin_event(wall_time, &event);
    if (step) put_varint_field(&event, 2, (uint64_t)step);
    put_message(&event, 5, &summary);
    put_record(&event, out);
}

void events_version(double wall_time, buffer *out) {
    buffer event = {0};
    begin_event(wall_time, &event);
    put_bytes_field(&event, 3, "brain.Event:2", 13);
    put_record(&event, out);
}

void events_scalar(double wall_time, int64_t step, const char *tag, float x, buffer *out) {
    buffer value = {0};
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_bytes_field(&value, 1, tag, strlen(tag));
    put_varint(&value, 2 << 3 | 5);
    put_le(&value, bits, 4);
    put_value(wall_time, step, &value, out);
}

void events_text(double wall_time, int64_t step, const char *tag, const char *markdown, size_t n, buffer *out) {
    buffer value = {0}, tensor = {0}, plugin = {0}, metadata = {0};
    put_varint_field(&tensor, 1, 7);
    put_bytes_field(&tensor, 2, "", 0);
    put_bytes_field(&tensor, 8, markdown, n);
    put_bytes_field(&plugin, 1, "text", 4);
    put_message(&metadata, 1, &plugin);
    put_bytes_field(&value, 1, tag, strlen(tag));
    put_message(&value, 8, &tensor);
    put_message(&value, 9, &metadata);
    put_value(wall_time, step, &value, out);
}

static uint32_t big_endian(const char *s) {
    const uint8_t *p = (const uint8_t *)s;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void events_image(double wall_time, int64_t step, const char *tag, const char *png, size_t n, buffer *out) {
    if (n < 33 || memcmp(png, "\x89PNG\r\n\x1a\n", 8)) return;
    buffer value = {0}, image = {0};
    put_varint_field(&image, 1, big_endian(png + 20)); /* the header chunk: width, height */
    put_varint_field(&image, 2, big_endian(png + 16));
    put_varint_field(&image, 3, 3);
    put_bytes_field(&image, 4, png, n);
    put_bytes_field(&value, 1, tag, strlen(tag));
    put_message(&value, 4, &image);
    put_value(wall_time, step, &value, out);
}

/* === Names and times =============================================================================================*/
static bool number(const char *s, int digits, int64_t *out) {
    int64_t v = 0;
    for (int i = 0; i < digits; i++) {
        if (s[i] < '0' || s[i] > '9') return false;
        v = 10 * v + (s[i] - '0');
    }
    *out = v;
    return true;
}

double events_time(const char *iso) {
    int64_t y, m, d, hh, mm, ss;
    if (!iso || strlen(iso) < 19 || !number(iso, 4, &y) || !number(iso + 5, 2, &m) || !number(iso + 8, 2, &d)
        || !number(iso + 11, 2, &hh) || !number(iso + 14, 2, &mm) || !number(iso + 17, 2, &ss))
        return 0;
    /* Days since 1970 of the proleptic Gregorian calendar; the year begins in March, so that a leap day ends it. */
    y -= m <= 2;
    int64_t era = y / 400, of_era = y - era * 400, of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    int64_t s = days * 86400 + hh * 3600 + mm * 60 + ss;
    return s > 0 ? (double)s : 0; /* a clock that was never set may stand before 1970, and a file's name has no sign */
}

#define NAME_HEAD "events.out.tfevents."
void events_name(const glimpse_record *r, buffer *out) {
    buf_printf(out, NAME_HEAD "%010lld.glimpse.", (long long)events_time(r->time));
    for (const char *c = r->run ? r->run : ""; *c; c++)
        if ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9')) buf_putc(out, *c);
}

bool events_is_name(const char *name) {
    const size_t head = strlen(NAME_HEAD);
    if (strncmp(name, NAME_HEAD, head)) return false;
    name += head;
    name += strspn(name, "0123456789");
    return !strncmp(name, ".glimpse.", 9);
}

/* === An eval =====================================================================================================*/
static void loss(const glimpse_record *r, const char *tag, double value, buffer *out) {
    if (isfinite(value)) events_scalar(events_time(r->time), r->step, tag, (float)value, out);
}

/* The metrics of the setting whose first sample is `first`: the mean over its samples of every prompt. */
static void setting_metrics(const glimpse_record *r, const glimpse_sample *first, bool several, buffer *out) {
    for (int32_t m = 0; m < first->n_metrics; m++) {
        if (!text_shows_metric(first->metrics[m].name)) continue;
        double sum = 0;
        int n = 0;
        for (int32_t i = 0; i < r->n_samples; i++) {
            const glimpse_sample *s = GLIMPSE_AT(r->samples, i);
            double x = s->setting == first->setting ? text_metric_of(s->metrics, s->n_metrics, first->metrics[m].name) : NAN;
            if (isfinite(x)) sum += x, n++;
        }
        if (!n) continue;
        buffer tag = {0};
        buf_puts(&tag, "sample_metrics/");
        buf_puts(&tag, first->metrics[m].name);
        if (several) buf_printf(&tag, "/%s", first->label);
        events_scalar(events_time(r->time), r->step, buf_str(&tag), (float)(sum / n), out);
        if (buf_failed(&tag)) out->failed = true;
        buf_free(&tag);
    }
}

static bool opens_setting(const glimpse_record *r, int32_t i) {
    for (int32_t k = 0; k < i; k++)
        if (GLIMPSE_AT(r->samples, k)->setting == GLIMPSE_AT(r->samples, i)->setting) return false;
    return true;
}

/* A fence longer than any run of backticks in the text: nothing in it can close it. */
static size_t fence_for(const buffer *text) {
    size_t longest = 2, run = 0;
    for (size_t i = 0; i < text->n; i++) {
        run = text->bytes[i] == '`' ? run + 1 : 0;
        if (run > longest) longest = run;
    }
    return longest + 1;
}

static void sample_text(const glimpse_record *r, const glimpse_sample *s, buffer *out) {
    buffer tag = {0}, text = {0}, markdown = {0};
    char ppl[32];
    text_short(ppl, text_metric(s, "perplexity"));
    buf_puts(&tag, "samples/");
    view_sample_name(s, &tag);
    text_escape(&text, s->label, strlen(s->label), TEXT_ONE_LINE);
    buf_printf(&text, "  seed %llu  " TEXT_OWN_PPL " %s  stop %s\n\n", (unsigned long long)s->seed, ppl, text_stop_name(s->stop));
    text_escape(&text, s->prompt_text, s->prompt_bytes, TEXT_LINES);
    text_escape(&text, s->text, s->text_bytes, TEXT_LINES);
    size_t fence = fence_for(&text);
    if (text_check_failed(r)) buf_puts(&markdown, "**" TEXT_CHECK_FAILED "**\n\n");
    buf_fill(&markdown, '`', fence);
    buf_putc(&markdown, '\n');
    buf_put(&markdown, buf_str(&text), text.n);
    buf_putc(&markdown, '\n');
    buf_fill(&markdown, '`', fence);
    buf_putc(&markdown, '\n');
    events_text(events_time(r->time), r->step, buf_str(&tag), buf_str(&markdown), markdown.n, out);
    if (buf_failed(&tag) || buf_failed(&text) || buf_failed(&markdown)) out->failed = true;
    buf_free(&tag);
    buf_free(&text);
    buf_free(&markdown);
}

static void probe_scalars(const glimpse_record *r, const glimpse_sample *s, buffer *out) {
    for (int32_t i = 0; i < s->n_metrics; i++) {
        buffer tag = {0};
        buf_printf(&tag, "probes/%s/%d", s->metrics[i].name, (int)s->prompt);
        if (isfinite(s->metrics[i].value)) events_scalar(events_time(r->time), r->step, buf_str(&tag), (float)s->metrics[i].value, out);
        if (buf_failed(&tag)) out->failed = true;
        buf_free(&tag);
    }
}

/* One number under a name of four parts. */
static void named_scalar(const glimpse_record *r, const char *a, const char *b, const char *c, const char *d, double x, buffer *out) {
    buffer tag = {0};
    if (!isfinite(x)) return;
    buf_printf(&tag, "%s%s%s%s", a, b, c, d);
    events_scalar(events_time(r->time), r->step, buf_str(&tag), (float)x, out);
    if (buf_failed(&tag)) out->failed = true;
    buf_free(&tag);
}

glimpse_status events_of(const glimpse_record *r, buffer *out) {
    size_t from = out->n;
    int settings = 0;
    for (int32_t i = 0; i < r->n_samples; i++) settings += opens_setting(r, i);
    loss(r, "loss/train", r->train_loss, out);
    loss(r, "loss/val", r->val_loss, out);
    for (int32_t i = 0; i < r->n_samples; i++)
        if (opens_setting(r, i)) setting_metrics(r, GLIMPSE_AT(r->samples, i), settings > 1, out);
    for (int32_t i = 0; i < r->n_scores; i++) {
        const glimpse_task_score *s = GLIMPSE_AT(r->scores, i);
        named_scalar(r, "lm_eval/", s->task, "/", s->metric, s->value, out);
    }
    for (int32_t i = 0; i < r->n_dataset; i++)
        if (text_shows_metric(r->dataset[i].name)) named_scalar(r, "dataset/", r->dataset[i].name, "", "", r->dataset[i].value, out);
    for (int32_t i = 0; i < r->n_samples; i++) sample_text(r, GLIMPSE_AT(r->samples, i), out);
    for (int32_t i = 0; i < r->n_probes; i++) probe_scalars(r, GLIMPSE_AT(r->probes, i), out);
    return text_done(false, out, from, "an eval's events");
}

void events_close(const glimpse_record *r, buffer *out) {
    events_scalar(events_time(r->time), r->step, CLOSING_TAG, isfinite(r->blocked_s) ? (float)r->blocked_s : 0, out);
}

/* === Is a file whole? ============================================================================================*/
static uint64_t le(const uint8_t *p, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* The length of the whole record that the n bytes begin with, 0 if there is none. */
static size_t record_at(const uint8_t *p, size_t n) {
    if (n < 16 || le(p + 8, 4) != crc32c_masked(p, 8)) return 0;
    uint64_t length = le(p, 8);
    if (length > n - 16 || le(p + 12 + length, 4) != crc32c_masked(p + 12, (size_t)length)) return 0;
    return (size_t)length + 16;
}

bool events_end_whole(const void *tail, size_t n) {
    const uint8_t *p = tail;
    for (size_t from = 0; from + 16 <= n; from++)
        if (record_at(p + from, n - from) == n - from) {
            const char *const marks[] = {CLOSING_TAG, "brain.Event:2"};
            for (int i = 0; i < 2; i++)
                if (memmem(p + from, n - from, marks[i], strlen(marks[i]))) return true;
        }
    return false;
}

uint64_t events_record_size(const void *head) {
    const uint8_t *p = head;
    uint64_t length = le(p, 8);
    return le(p + 8, 4) == crc32c_masked(p, 8) && length < UINT64_MAX / 2 ? length + 16 : 0;
}
