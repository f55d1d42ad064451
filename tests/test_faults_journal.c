/* test_faults_journal.c -- the journal cut at every byte, and with random bits flipped: exactly the intact lines are used,
 * nothing damaged is ever taken for a record, and what is cut off is kept aside. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "tests/faults.h"
#include "tests/journal_rig.h"
#include "tests/tiny_gpt.h"

enum { LINES = 6 };
static const char arch[] = "gpt2";
static buffer whole;           /* the journal */
static size_t ends[LINES];     /* behind each line's newline */
static int64_t n_params;

static void hear_nothing(void *user, const char *line) { (void)user, (void)line; }

static void make(const char *dir) {
    tiny_gpt gpt;
    session *s;
    session_host host = {.log = hear_nothing};
    options *o = options_new();
    tiny_gpt_make(&gpt, 1, 1, 8, 40, 32, -1, 7);
    EXPECT_OK(options_set(o, OPT_out_dir, dir, OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_max_sample_tokens, "2", OPT_LEVEL_FLAG));
    EXPECT_OK(options_set(o, OPT_sheets, "false", OPT_LEVEL_FLAG));
    REQUIRE_OK(session_open(o, &gpt.model, &host, &s));
    for (int i = 0; i < LINES; i++) session_eval(s, 10 * i, 3, i % 3 ? 5 : 2 - 0.1 * i); /* some are not due */
    session_close(s);
    options_free(o);
    tiny_gpt_free(&gpt);
    char *path = path_join(dir, "evals.jsonl");
    REQUIRE_OK(file_read_all(path, 1 << 24, &whole));
    free(path);
    owned_record *r;
    size_t n = 0;
    for (size_t i = 0; i < whole.n; i++)
        if (whole.bytes[i] == '\n' && n < LINES) ends[n++] = i + 1;
    EXPECT_EQ(n, LINES);
    REQUIRE_OK(journal_decode(whole.bytes, ends[0] - 1, &r));
    n_params = r->record.n_params;
    record_free(&r->record);
}

typedef struct reading {
    int n, wrong, next;
} reading;
/* Every record that is accepted is, written again, a line that was there, in order. */
static glimpse_status is_one_of_them(void *user, owned_record *r) {
    reading *x = user;
    buffer line = {0};
    bool found = false;
    if (EXPECT_OK(journal_encode(&r->record, &line)))
        while (!found && x->next < LINES) {
            size_t from = x->next ? ends[x->next - 1] : 0;
            found = line.n == ends[x->next] - from && !memcmp(line.bytes, whole.bytes + from, line.n);
            x->next++;
        }
    x->n++;
    x->wrong += !found;
    buf_free(&line);
    return GLIMPSE_OK;
}

/* The file and what was kept aside are together what there was. */
static bool nothing_gone(const char *dir, const buffer *was) {
    struct dirent *e;
    buffer all = {0};
    char *path = path_join(dir, "evals.jsonl");
    bool ok = file_read_all(path, 1 << 24, &all) >= 0;
    DIR *d = opendir(dir);
    while (ok && d && (e = readdir(d))) {
        if (!strstr(e->d_name, ".torn-")) continue;
        char *torn = path_join(dir, e->d_name);
        ok = file_read_all(torn, 1 << 24, &all) >= 0;
        io.unlink(torn);
        free(torn);
    }
    if (d) closedir(d);
    ok = ok && all.n == was->n && (!all.n || !memcmp(all.bytes, was->bytes, was->n));
    buf_free(&all);
    free(path);
    return ok;
}

typedef struct outcome {
    int64_t runs, wrong, fewer, gone, refused, damaged;
} outcome;

/* Open the damaged journal, go on with it, read it all; at least `least` lines must be found. */
static void survive(const char *dir, const buffer *bytes, int least, int most, outcome *out) {
    char *path = path_join(dir, "evals.jsonl");
    journal *j = NULL;
    journal_state st = {0};
    reading x = {0};
    int64_t unread = 0;
    out->runs++;
    if (EXPECT_OK(file_write_atomic(path, buf_str(bytes), bytes->n, false)) &&
        journal_take(dir, 1000, 0, NULL, arch, n_params, &j, &st) < 0) {
        printf("refused: %s\n", status_text());
        out->refused++;
    } else {
        if (st.last) record_free(&st.last->record);
        journal_close(j);
        if (!EXPECT_OK(journal_read(path, is_one_of_them, &x, &unread))) out->refused++;
        out->wrong += x.wrong;
        out->fewer += x.n < least || x.n > most;
        out->damaged += LINES - x.n;
        out->gone += !nothing_gone(dir, bytes);
    }
    free(path);
}

TEST_LIMIT(faults_journal_cut, 600) {
    char *dir = path_join(test_tmpdir(), "out");
    outcome out = {0};
    make(dir);
    buffer bytes = {0};
    size_t stride = test_is_full() ? 1 : whole.n / 150;
    for (size_t n = 0; n <= whole.n; n += stride) {
        int intact = 0;
        while (intact < LINES && ends[intact] <= n) intact++;
        buf_clear(&bytes);
        buf_put(&bytes, whole.bytes, n);
        survive(dir, &bytes, intact, intact, &out);
    }
    fault_row(!out.wrong && !out.fewer && !out.gone && !out.refused, "journal.cut", "%zu bytes, cut at %lld places: %lld times not "
              "exactly the intact lines, %lld wrong records, %lld times not kept aside, %lld refused", whole.n, (long long)out.runs,
              (long long)out.fewer, (long long)out.wrong, (long long)out.gone, (long long)out.refused);
    buf_free(&bytes);
    buf_free(&whole);
    free(dir);
}

TEST_LIMIT(faults_journal_bits, 600) {
    char *dir = path_join(test_tmpdir(), "out");
    outcome out = {0};
    uint64_t random = 11;
    make(dir);
    int runs = test_is_full() ? 10000 : 300;
    for (int i = 0; i < runs; i++) {
        buffer bytes = {0};
        bool hit[LINES] = {false};
        int flips = 1 + (int)fault_random(&random, i % 2 ? 6 : 1), least = 0;
        buf_put(&bytes, whole.bytes, whole.n);
        for (int k = 0; k < flips; k++) {
            size_t at = (size_t)fault_random(&random, i % 7 == 6 ? ends[0] : whole.n);
            if (i % 5 == 4) at = ends[fault_random(&random, LINES)] - 1 - (size_t)fault_random(&random, 24); /* newline, crc */
            int line = 0;
            while (ends[line] <= at) line++;
            hit[line] = true;
            if (ends[line] - 1 == at && line + 1 < LINES) hit[line + 1] = true; /* two lines become one */
            bytes.bytes[at] ^= (char)(1 << fault_random(&random, 8));
        }
        for (int k = 0; k < LINES; k++) least += !hit[k];
        survive(dir, &bytes, least, LINES, &out);
        buf_free(&bytes);
    }
    fault_row(!out.wrong && !out.fewer && !out.gone && !out.refused, "journal.bits", "%lld journals with 1 to 6 bits flipped: %lld lines "
              "damaged, %lld taken for a record all the same, %lld times an intact line was not used, %lld times not kept aside, %lld "
              "refused", (long long)out.runs, (long long)out.damaged, (long long)out.wrong, (long long)out.fewer, (long long)out.gone,
              (long long)out.refused);
    buf_free(&whole);
    free(dir);
}
