/* test_long_run.c -- what a run of weeks meets: a journal of gigabytes costs what must be read of it, and what is held in memory does not
 * grow with the words of every eval. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "tests/chart_record.h"
#include "tests/faults.h"
#include "tests/journal_rig.h"
#include "tests/tiny_gpt.h"
#include "viz/probe_map.h"
#include "viz/tensorboard.h"

/* `text` as a line whose check is right. */
static void put_checked(buffer *all, const char *text) {
    buf_puts(all, text);
    buf_printf(all, "%s%08x\"}\n", JOURNAL_CHECK, (unsigned)crc32c(text, strlen(text)));
}

static void put_record(buffer *all, owned_record *o, int64_t seq, int64_t step) {
    o->record.seq = seq;
    o->record.step = step;
    EXPECT_OK(journal_encode(&o->record, all));
}

typedef struct seen {
    int lines, samples, probes;
    int64_t last;
} seen;

static glimpse_status see(void *user, owned_record *o) {
    seen *s = user;
    s->lines++;
    s->samples += o->record.n_samples;
    s->probes += o->record.n_probes;
    s->last = o->record.step;
    return GLIMPSE_OK;
}

/* All lines were decoded twice: once to learn their step. */
TEST(long_run_lines_are_listed_by_their_heads) {
    static const char odd[] = "{\"v\":1,\"run\":\"9f2c1a\",\"run_name\":\"run\",\"seq\":1,\"kind\":\"train\",\"step\":20,\"time\":\"later\",\"said\":true";
    owned_record *o = chart_record(12, 5, 10, "top_k=5");
    buffer all = {0};
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    REQUIRE(o && path);
    o->record.version = 1, o->record.kind = "train", o->record.probes = o->record.samples, o->record.n_probes = 1;
    for (int left = 0; left < 2; left++) {
        seen s = {0}, light = {0};
        int64_t unread, unread_light;
        buf_clear(&all);
        put_record(&all, o, 0, 10);
        put_checked(&all, odd); /* whole, at step 20, and no record of ours: nobody looks, if it is left behind */
        put_record(&all, o, 2, left ? 20 : 30);
        put_record(&all, o, 3, 40);
        all.bytes[all.n - 40] ^= 1; /* damaged: passed over by both */
        REQUIRE_OK(file_write_atomic(path, all.bytes, all.n, false));
        EXPECT_OK(journal_read(path, see, &s, &unread));
        EXPECT_OK(journal_read_light(path, see, &light, &unread_light));
        EXPECT_EQ(unread, left ? 1 : 2);
        EXPECT_EQ(unread_light, unread);
        EXPECT_EQ(s.lines, 2);
        EXPECT_EQ(s.last, left ? 20 : 30);
        EXPECT_EQ(s.samples, 2);
        EXPECT_EQ(light.lines, 2);
        EXPECT_EQ(light.samples, 0);
        EXPECT_EQ(light.probes, 2);
    }
    o->record.probes = NULL, o->record.n_probes = 0;
    record_free(&o->record);
    buf_free(&all);
    free(path);
}

/* A run that is taken on after an update was taken back: neither file nor way out was named. */
TEST(long_run_of_a_newer_version_is_named) {
    owned_record *o = chart_record(4, 5, 10, "top_k=5");
    buffer all = {0};
    journal_state state;
    journal *j = NULL;
    char *path = path_join(test_tmpdir(), "evals.jsonl");
    struct stat s;
    REQUIRE(o && path);
    o->record.version = 1, o->record.kind = "train";
    put_record(&all, o, 0, 10);
    put_checked(&all, "{\"v\":2,\"run\":\"9f2c1a\",\"kind\":\"train\",\"step\":20,\"new\":true");
    REQUIRE_OK(file_write_atomic(path, all.bytes, all.n, false));
    EXPECT_ERR(journal_take(test_tmpdir(), 30, 0, NULL, "gpt2", 1, &j, &state), GLIMPSE_E_UNSUPPORTED,
               "evals.jsonl: version 2 of the journal, this program reads version 1\nhint: a newer Glimpse wrote it");
    EXPECT(!stat(path, &s) && s.st_size == (off_t)all.n); /* nothing was cut off */
    record_free(&o->record);
    buf_free(&all);
    free(path);
}

/* 22,000 evals with three short texts took 100 MB, of which 98 were the same words again and again. */
TEST(long_run_map_of_the_probes_keeps_its_words_once) {
    enum { EVALS = 2000, TOKENS = 12 };
    owned_record *o = chart_record(TOKENS, 5, 10, "top_k=5");
    probe_map *map = probe_map_new();
    buffer png = {0};
    REQUIRE(o && map);
    o->record.probes = o->record.samples, o->record.n_probes = 1;
    REQUIRE_OK(probe_map_add(map, &o->record));
    const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (int e = 1; e < EVALS; e++) o->record.step = e, EXPECT_OK(probe_map_add(map, &o->record));
    const size_t grown = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    EXPECT_LE(grown, EVALS * 600); /* a probability and a rank a token, and what tells one column from another */
    EXPECT_OK(chart_probe_map(map, &png));
    o->record.probes = NULL, o->record.n_probes = 0;
    record_free(&o->record);
    probe_map_free(map);
    buf_free(&png);
}

/* --- a disk that takes the journal and not the texts ---------------------------------------------------------------- */

static io_calls real;
static const char *texts;
static int tried;
static bool refused;

static int slow_and_refused(const char *path, int flags, mode_t mode) {
    if (!refused || strcmp(path, texts) || !(flags & O_APPEND)) return real.open(path, flags, mode);
    if (++tried == 2) nanosleep(&(struct timespec){1, 100000000}, NULL); /* the first redraw: of so long a run */
    errno = EIO;
    return -1;
}

/* Drawing the texts anew takes as long as the run is: where it took long and failed, it is not tried at every eval, and the last time at
 * the end. */
TEST(long_run_that_cannot_draw_its_texts_rests) {
    tiny_gpt gpt;
    session *s;
    session_host host = {0};
    options *o = options_new();
    char *dir = path_join(test_tmpdir(), "out"), *fresh = path_join(test_tmpdir(), "again/out"), *path = path_join(dir, "sample.txt");
    tiny_gpt_make(&gpt, 1, 1, 8, 40, 32, -1, 7);
    EXPECT_OK(options_set(o, OPT_out_dir, dir, OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_max_sample_tokens, "2", OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_sample_each_eval, "true", OPT_LEVEL_FLAG));
    REQUIRE_OK(session_open(o, &gpt.model, &host, &s));
    real = io;
    texts = path;
    io.open = slow_and_refused;
    EXPECT_OK(session_eval(s, 0, 2, 1));
    refused = true;
    static const int want[] = {1, 2, 2, 2}; /* appending; a redraw; then a rest of half a minute */
    for (int i = 0; i < 4; i++) {
        EXPECT_OK(session_eval(s, 10 + i, 2, 1));
        EXPECT_EQ(tried, want[i]);
    }
    refused = false;
    EXPECT_OK(session_close(s));
    io = real;
    EXPECT(fault_views_are_the_journals(dir, fresh));
    options_free(o);
    tiny_gpt_free(&gpt);
    free(dir), free(fresh), free(path);
}
