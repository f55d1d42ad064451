/* test_api.c -- the public API with a made-up session behind it: every call accepts NULL, reasons are said once, the
 * host's state survives whatever the session does to it, three failures switch off, older structs are understood. */
#define _GNU_SOURCE
#include "tests/test.h"

#include <errno.h>
#include <fenv.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build_id.h"
#include "include/internal/record.h"
#include "include/internal/threads.h"
#include "plugin/guest.h"

/* --- a session that does what the test says ---------------------------------------------------------------------- */

static struct {
    session_host host;
    glimpse_model model;
    glimpse_request request;
    glimpse_status open, eval, run, close;
    const char *error, *log; /* log: said in eval */
    bool spoil;              /* change every state of the thread that a guest must restore */
    bool default_env;        /* seen in eval: the default floating-point environment and the locale "C" */
    int opened, evals, closed, runs, configs;
    int64_t max_tokens;
    const char *dir;
} fake;

static const char *fake_error(void) { return fake.error ? fake.error : ""; }

static void spoil(void) {
    fake.default_env = fegetround() == FE_TONEAREST && strcmp(localeconv()->decimal_point, ".") == 0;
#if defined(__SSE__)
    fake.default_env = fake.default_env && (__builtin_ia32_stmxcsr() & 0x8040) == 0; /* neither FTZ nor DAZ */
    if (fake.spoil) __builtin_ia32_ldmxcsr(0x9fc0);
#endif
    if (!fake.spoil) return;
    fesetround(FE_UPWARD);
    feraiseexcept(FE_DIVBYZERO);
    errno = 77;
}

static glimpse_status fake_read_config(options *o, const char *path) {
    fake.configs++;
    if (strcmp(path, "missing.json") == 0) {
        fake.error = "missing.json: no such file\nhint: make one";
        return GLIMPSE_E_IO;
    }
    if (strcmp(path, "only.json") == 0) return options_set(o, OPT_sample_only, "true", OPT_LEVEL_FILE);
    return options_set(o, OPT_max_sample_tokens, "33", OPT_LEVEL_FILE);
}

static glimpse_status fake_open(const options *o, const glimpse_model *model, const session_host *host, session **out) {
    fake.opened++;
    fake.host = *host;
    fake.model = *model;
    fake.max_tokens = opt_int(o, OPT_max_sample_tokens);
    spoil();
    if (fake.open < 0) return fake.open;
    *out = (session *)&fake;
    return fake.open;
}

static glimpse_status fake_eval(session *s, int64_t step, double train_loss, double val_loss) {
    (void)train_loss, (void)val_loss;
    EXPECT(s == (session *)&fake);
    fake.evals++;
    spoil();
    if (fake.log) fake.host.log(fake.host.user, fake.log);
    owned_record *r = record_new();
    if (!r) return GLIMPSE_E_MEMORY;
    r->record.step = step;
    fake.host.record(fake.host.user, &r->record);
    record_free(&r->record);
    if (fake.model.logits) {
        float out[2];
        int ids[1] = {0}, lengths[1] = {1};
        EXPECT_EQ(fake.model.logits(fake.model.logits_user, 1, 1, ids, lengths, out), 5);
    }
    spoil();
    return fake.eval;
}

static glimpse_status fake_check(session *s, const int32_t *ids, const int32_t *targets, int32_t B, int32_t T, double loss,
                                 const float *losses) {
    (void)s, (void)ids, (void)targets, (void)B, (void)T;
    fake.error = "the loss is not the trainer's";
    return (losses ? (double)losses[0] : loss) > 1 ? GLIMPSE_E_CHECK : GLIMPSE_OK;
}

static glimpse_status fake_request(session *s, const glimpse_request *request, glimpse_record **record) {
    (void)s;
    fake.request = *request;
    owned_record *r = record_new();
    if (!r) return GLIMPSE_E_MEMORY;
    *record = &r->record;
    return GLIMPSE_OK;
}

static glimpse_status fake_close(session *s) {
    (void)s;
    fake.closed++;
    return fake.close;
}

static glimpse_status fake_command(session_command which, const options *o, const char *dir, const session_host *host) {
    fake.runs += which == COMMAND_sample;
    fake.dir = dir;
    EXPECT(options_is_offline(o));
    fake.max_tokens = opt_int(o, OPT_max_sample_tokens);
    if (fake.run >= 0) host->out(host->user, "text\n", 5);
    return fake.run;
}

static bool fake_told(const session *s) {
    (void)s;
    return fake.log && fake.error && strstr(fake.log, fake.error);
}

static const session_api fake_api = {
    .version = 1, .build_id = GLIMPSE_BUILD_ID, .error = fake_error, .read_config = fake_read_config, .open = fake_open,
    .eval = fake_eval, .check = fake_check, .generate = fake_request, .score = fake_request,
    .close = fake_close, .command = fake_command, .told = fake_told };

static buffer said; /* what the guest logged, one message a line */
static void keep(void *user, const char *line) {
    buf_puts((buffer *)user, line);
    buf_putc((buffer *)user, '\n');
}

static glimpse_config *config_with(const char *name, const char *value) {
    glimpse_config *cfg = glimpse_config_new();
    session_use(&fake_api);
    memset(&fake, 0, sizeof fake);
    buf_clear(&said);
    glimpse_set_log(cfg, keep, &said);
    EXPECT_OK(glimpse_set(cfg, "mode", "inline"));
    if (name) EXPECT_OK(glimpse_set(cfg, name, value));
    return cfg;
}

static const float weights[4] = {1, 2, 3, 4};
static glimpse_model small_model(void) {
    glimpse_model m = GLIMPSE_MODEL_INIT;
    m.vocab_size = 2;
    EXPECT_OK(glimpse_bind(&m, "transformer.wte.weight", weights, GLIMPSE_F32, 2, (int64_t[]){2, 2}));
    return m;
}

/* --- tests ------------------------------------------------------------------------------------------------------- */

TEST(api_every_call_accepts_null) {
    int argc = 0;
    int32_t ids[1] = {0};
    glimpse_record *r = NULL;
    glimpse_request q = GLIMPSE_REQUEST_INIT;
    glimpse_config_free(NULL);
    EXPECT_ERR(glimpse_set(NULL, "seed", "1"), GLIMPSE_E_MEMORY, NULL);
    EXPECT(glimpse_get(NULL, "seed") == NULL);
    EXPECT_ERR(glimpse_parse_args(NULL, &argc, NULL), GLIMPSE_E_MEMORY, NULL);
    EXPECT_EQ(glimpse_is_sample_only(NULL), 0);
    glimpse_set_log(NULL, keep, NULL);
    EXPECT_EQ(glimpse_run(NULL), 1);
    EXPECT_ERR(glimpse_bind(NULL, "x", weights, GLIMPSE_F32, 1, (int64_t[]){4}), GLIMPSE_E_INVALID, NULL);
    EXPECT_ERR(glimpse_bind_tensor(NULL, NULL), GLIMPSE_E_INVALID, NULL);
    glimpse_model_free(NULL);
    EXPECT(glimpse_open(NULL, NULL) == NULL);
    EXPECT_EQ(glimpse_eval(NULL, 0, NAN, NAN), GLIMPSE_NOT_DUE);
    EXPECT_EQ(glimpse_check(NULL, ids, ids, 1, 1, 0), GLIMPSE_NOT_DUE);
    EXPECT_OK(glimpse_drain(NULL));
    EXPECT_OK(glimpse_close(NULL));
    EXPECT_OK(glimpse_add_hook(NULL, NULL, NULL));
    EXPECT_ERR(glimpse_generate(NULL, &q, &r), GLIMPSE_E_STATE, NULL);
    EXPECT_ERR(glimpse_score(NULL, &q, &r), GLIMPSE_E_STATE, NULL);
    EXPECT(r == NULL);
    EXPECT(glimpse_record_piece(NULL, 0) == NULL);
    glimpse_record_free(NULL);
    glimpse_config *cfg = config_with("max_sample_tokens", "8");
    EXPECT_ERR(glimpse_set(cfg, NULL, "1"), GLIMPSE_E_INVALID, NULL);
    EXPECT(glimpse_get(cfg, NULL) == NULL && glimpse_get(cfg, "nothing") == NULL);
    EXPECT(glimpse_open(cfg, NULL) == NULL);
    EXPECT(strstr(buf_str(&said), "glimpse: glimpse_open: model is NULL"));
    EXPECT_EQ(fake.opened, 0);
    glimpse_config_free(cfg);
}

TEST(api_set_and_get) {
    glimpse_config *cfg = config_with(NULL, NULL);
    EXPECT_OK(glimpse_set(cfg, "top-k", "1 2"));
    EXPECT_STREQ(glimpse_get(cfg, "top_k"), "1,2");
    EXPECT_STREQ(glimpse_get(cfg, "num_samples"), "1");
    EXPECT_OK(glimpse_set(cfg, "sample_only", "true"));
    EXPECT_STREQ(glimpse_get(cfg, "num_samples"), "3"); /* the defaults that will count */
    EXPECT_STREQ(glimpse_get(cfg, "flag_scope"), "trainer");
    EXPECT_OK(glimpse_set(cfg, "flag_scope", "all"));
    EXPECT_STREQ(glimpse_get(cfg, "flag_scope"), "all");
    EXPECT_ERR(glimpse_set(cfg, "flag_scope", "some"), GLIMPSE_E_INVALID, "trainer or all");
    EXPECT_ERR(glimpse_set(cfg, "temprature", "1"), GLIMPSE_E_INVALID, "did you mean temperature?");
    EXPECT_ERR(glimpse_set(cfg, "temperature", "hot"), GLIMPSE_E_INVALID, "from 0 to 100");
    EXPECT_STREQ(glimpse_get(cfg, "temperature"), "0.8");
    EXPECT_OK(glimpse_set(cfg, "top_k", NULL));
    EXPECT_STREQ(glimpse_get(cfg, "top_k"), "200");
    EXPECT(strstr(glimpse_version(), GLIMPSE_VERSION_STRING) && strstr(glimpse_version(), GLIMPSE_BUILD_ID));
    EXPECT_STREQ(glimpse_status_text(GLIMPSE_E_CHECK), "the loss computed from the bound tensors is not the trainer's");
    EXPECT_STREQ(glimpse_status_text((glimpse_status)-99), "unknown status");
    glimpse_config_free(cfg);
}

TEST(api_open_says_once_why_it_is_off) {
    glimpse_model m = small_model();
    glimpse_config *cfg = config_with(NULL, NULL);
    EXPECT(glimpse_open(cfg, &m) == NULL);
    EXPECT_STREQ(buf_str(&said), "glimpse: off: no tokens to sample were asked for\nhint: --max_sample_tokens 128\n");
    EXPECT(strstr(glimpse_error(), "no tokens to sample"));
    glimpse_config_free(cfg);

    cfg = config_with("max_sample_tokens", "8");
    setenv("GLIMPSE", "off", 1);
    EXPECT(glimpse_open(cfg, &m) == NULL);
    EXPECT_STREQ(buf_str(&said), "glimpse: off, because GLIMPSE=off\n");
    EXPECT_EQ(glimpse_run(cfg), 0);
    EXPECT_EQ(fake.opened + fake.runs, 0);
    setenv("GLIMPSE", "on", 1);
    glimpse *g = glimpse_open(cfg, &m);
    EXPECT(g != NULL);
    EXPECT_OK(glimpse_close(g));
    unsetenv("GLIMPSE");
    glimpse_config_free(cfg);

    cfg = config_with("max_sample_tokens", "8"); /* a refused flag */
    char *argv[] = {(char *)"t", (char *)"--chart_type=pie", NULL};
    int argc = 2;
    EXPECT(glimpse_parse_args(cfg, &argc, argv) < 0);
    EXPECT_STREQ(buf_str(&said), "");
    EXPECT(glimpse_open(cfg, &m) == NULL);
    EXPECT_STREQ(buf_str(&said), "glimpse: --chart_type = \"pie\": expected heatmap or barchart\nglimpse: off; the training goes on without samples\n");
    EXPECT_EQ(glimpse_run(cfg), 2);
    EXPECT_EQ(fake.opened + fake.runs, 0);
    glimpse_config_free(cfg);

    cfg = config_with("max_sample_tokens", "8"); /* a failed bind; the first error counts */
    EXPECT_ERR(glimpse_bind(&m, "a", NULL, GLIMPSE_F32, 1, (int64_t[]){1}), GLIMPSE_E_MODEL, "a: its data is NULL");
    EXPECT_ERR(glimpse_bind(&m, "b", weights, GLIMPSE_F32, 5, (int64_t[]){1, 1, 1, 1, 1}), GLIMPSE_E_MODEL, "5 dimensions");
    EXPECT(glimpse_open(cfg, &m) == NULL);
    EXPECT(strstr(buf_str(&said), "glimpse: tensor a: its data is NULL\nhint: bind after"));
    glimpse_model_free(&m);
    EXPECT_EQ(m.bind_status, 0);

    m = small_model(); /* the session refuses */
    buf_clear(&said);
    fake.open = GLIMPSE_E_MODEL;
    fake.error = "tensor x is missing\nhint: bind it";
    EXPECT(glimpse_open(cfg, &m) == NULL);
    EXPECT_STREQ(buf_str(&said), "glimpse: tensor x is missing\nhint: bind it\nglimpse: off; the training goes on without samples\n");
    EXPECT_STREQ(glimpse_error(), "tensor x is missing\nhint: bind it");
    glimpse_model_free(&m);
    glimpse_config_free(cfg);
}

TEST(api_configuration_file_stands_beneath_flags) {
    glimpse_model m = small_model();
    glimpse_config *cfg = config_with("config", "some.json");
    glimpse *g = glimpse_open(cfg, &m);
    EXPECT(g && fake.configs == 1 && fake.max_tokens == 33);
    glimpse_close(g);
    EXPECT_OK(glimpse_set(cfg, "max_sample_tokens", "5"));
    g = glimpse_open(cfg, &m);
    EXPECT(g && fake.max_tokens == 5);
    glimpse_close(g);
    EXPECT_OK(glimpse_set(cfg, "config", "missing.json"));
    EXPECT(glimpse_open(cfg, &m) == NULL);
    EXPECT(strstr(buf_str(&said), "glimpse: missing.json: no such file\nhint: make one"));
    EXPECT_OK(glimpse_set(cfg, "config", "only.json"));
    EXPECT(glimpse_open(cfg, &m) == NULL);
    EXPECT(strstr(buf_str(&said), "sample_only in only.json comes too late"));
    glimpse_config_free(cfg);
    glimpse_model_free(&m);
}

static int hook_calls;
static void on_hook(void *user, const glimpse_record *record) {
    hook_calls++;
    EXPECT(fegetround() == FE_DOWNWARD); /* the host's own environment in the host's own function */
    EXPECT_EQ(record->step, 7);
    EXPECT_ERR(glimpse_eval(*(glimpse **)user, 1, 1, 1), GLIMPSE_E_STATE, "from within a hook");
    EXPECT_ERR(glimpse_close(*(glimpse **)user), GLIMPSE_E_STATE, "from within a hook");
}

static int on_logits(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)B, (void)T, (void)ids, (void)lengths, (void)out;
    EXPECT_EQ(*(int *)user, 3);
    EXPECT(fegetround() == FE_DOWNWARD);
    return 5;
}

TEST(api_guards_the_host) {
    int number = 3;
    glimpse_model m = GLIMPSE_MODEL_INIT;
    m.logits = on_logits;
    m.logits_user = &number;
    glimpse_config *cfg = config_with("max_sample_tokens", "8");
    fake.spoil = true;
    test_use_comma_locale(); /* where it can be had */
    fesetround(FE_DOWNWARD);
    feclearexcept(FE_ALL_EXCEPT);
#if defined(__SSE__)
    unsigned mxcsr = __builtin_ia32_stmxcsr() | 0x8040; /* a host built with -Ofast */
    __builtin_ia32_ldmxcsr(mxcsr);
#endif
    locale_t locale = uselocale((locale_t)0);
    errno = 42;
    glimpse *g = glimpse_open(cfg, &m);
    EXPECT_EQ(errno, 42);
    EXPECT(g && fake.default_env);
    EXPECT_OK(glimpse_add_hook(g, on_hook, &g));
    EXPECT_OK(glimpse_add_hook(g, on_hook, &g));
    EXPECT_ERR(glimpse_add_hook(g, NULL, NULL), GLIMPSE_E_INVALID, NULL);
    fake.default_env = false;
    EXPECT_OK(glimpse_eval(g, 7, 1, 2));
    EXPECT_EQ(hook_calls, 2);
    EXPECT_EQ(errno, 42);
    EXPECT(fegetround() == FE_DOWNWARD);
    EXPECT(!fetestexcept(FE_DIVBYZERO));
    EXPECT(uselocale((locale_t)0) == locale);
#if defined(__SSE__)
    EXPECT_EQ(__builtin_ia32_stmxcsr() & 0xffc0, mxcsr & 0xffc0);
    __builtin_ia32_ldmxcsr(0x1f80);
#endif
    fesetround(FE_TONEAREST);
    EXPECT_OK(glimpse_close(g));
    EXPECT_EQ(fake.closed, 1);
    glimpse_config_free(cfg);
}

/* A step that no line of a journal could give back never comes to one. */
TEST(api_steps_are_the_whole_numbers_of_json) {
    glimpse_model m = small_model();
    glimpse_config *cfg = config_with("max_sample_tokens", "8");
    glimpse *g = glimpse_open(cfg, &m);
    REQUIRE(g != NULL);
    static const int64_t beyond[] = {INT64_MAX, INT64_MIN, ((int64_t)1 << 53) + 1, -((int64_t)1 << 53) - 1};
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        EXPECT_ERR(glimpse_eval(g, beyond[i], 1, 1), GLIMPSE_E_INVALID, "2^53");
        EXPECT_OK(glimpse_eval(g, 1 + (int64_t)i, 1, 1)); /* between them the others go on */
    }
    EXPECT_EQ(fake.evals, 4);
    EXPECT_OK(glimpse_eval(g, (int64_t)1 << 53, 1, 1));
    for (int i = 0; i < 300; i++) (void)glimpse_eval(g, INT64_MAX, 1, 1); /* a loop whose step is a time */
    int said_so = 0;
    for (const char *at = buf_str(&said); (at = strstr(at, "2^53")); at++) said_so++;
    EXPECT_LT(said_so, 8);
    EXPECT(strstr(buf_str(&said), "off after 3 failures") != NULL);
    EXPECT_OK(glimpse_close(g));
    glimpse_config_free(cfg);
    glimpse_model_free(&m);
}

TEST(api_three_failures_in_a_row_switch_off) {
    glimpse_model m = small_model();
    glimpse_config *cfg = config_with("max_sample_tokens", "8");
    glimpse *g = glimpse_open(cfg, &m);
    REQUIRE(g != NULL);
    fake.error = "the disk is full";
    fake.eval = GLIMPSE_E_IO;
    EXPECT_ERR(glimpse_eval(g, 1, 1, 1), GLIMPSE_E_IO, "the disk is full");
    EXPECT_ERR(glimpse_eval(g, 2, 1, 1), GLIMPSE_E_IO, "the disk is full");
    fake.eval = GLIMPSE_OK; /* a good one starts the count anew */
    EXPECT_OK(glimpse_eval(g, 3, 1, 1));
    fake.eval = GLIMPSE_E_IO;
    buf_clear(&said);
    EXPECT(glimpse_eval(g, 4, 1, 1) < 0);
    EXPECT_STREQ(buf_str(&said), "glimpse: the disk is full\n");
    fake.log = "glimpse 5: failed: the disk is full"; /* the session said it: not said again */
    buf_clear(&said);
    EXPECT(glimpse_eval(g, 5, 1, 1) < 0);
    EXPECT_STREQ(buf_str(&said), "glimpse 5: failed: the disk is full\n");
    fake.log = "glimpse: a new run";
    buf_clear(&said);
    EXPECT(glimpse_eval(g, 6, 1, 1) < 0);
    EXPECT_STREQ(buf_str(&said), "glimpse: a new run\nglimpse: the disk is full\n"
                                 "glimpse: off after 3 failures in a row, the last at step 6; training goes on, an eval in an hour tries again\n");
    int evals = fake.evals;
    buf_clear(&said);
    EXPECT_EQ(glimpse_eval(g, 7, 1, 1), GLIMPSE_NOT_DUE);
    EXPECT_EQ(fake.evals, evals);
    EXPECT_STREQ(buf_str(&said), "");
    EXPECT(g->off_until_s > monotonic_s() + 3000);
    fake.log = NULL;
    g->off_until_s = 1e-9; /* the hour is over: one more, and it is off for another */
    EXPECT_ERR(glimpse_eval(g, 8, 1, 1), GLIMPSE_E_IO, "the disk is full");
    EXPECT_STREQ(buf_str(&said), "glimpse: the disk is full\n"
                                 "glimpse: off after 3 failures in a row, the last at step 8; training goes on, an eval in an hour tries again\n");
    EXPECT_EQ(glimpse_eval(g, 9, 1, 1), GLIMPSE_NOT_DUE);
    g->off_until_s = 1e-9;
    fake.eval = GLIMPSE_OK;
    EXPECT_OK(glimpse_eval(g, 10, 1, 1));
    EXPECT_OK(glimpse_eval(g, 11, 1, 1));
    fake.eval = GLIMPSE_E_BUSY; /* another run's directory is not taken while that one is started again */
    for (int i = 12; i < 15; i++) EXPECT(glimpse_eval(g, i, 1, 1) < 0);
    EXPECT(g->off_until_s == 0);
    EXPECT_EQ(glimpse_eval(g, 15, 1, 1), GLIMPSE_NOT_DUE);
    EXPECT_OK(glimpse_drain(g));
    fake.close = GLIMPSE_E_IO;
    EXPECT_ERR(glimpse_close(g), GLIMPSE_E_IO, NULL);
    glimpse_config_free(cfg);
    glimpse_model_free(&m);
}

TEST(api_check_and_requests) {
    glimpse_model m = small_model();
    glimpse_config *cfg = config_with("max_sample_tokens", "8");
    glimpse *g = glimpse_open(cfg, &m);
    REQUIRE(g != NULL);
    int32_t ids[2] = {0, 1};
    EXPECT_OK(glimpse_check(g, ids, ids, 1, 2, 0.5));
    EXPECT_ERR(glimpse_check(g, ids, ids, 1, 2, 5), GLIMPSE_E_CHECK, "not the trainer's");
    EXPECT_STREQ(buf_str(&said), "glimpse: the loss is not the trainer's\n");
    EXPECT_OK(glimpse_check_losses(g, ids, ids, 1, 2, (const float[]){0.5f, 0.5f}));
    EXPECT_ERR(glimpse_check_losses(g, ids, ids, 1, 2, (const float[]){5, 5}), GLIMPSE_E_CHECK, "not the trainer's");
    EXPECT_ERR(glimpse_check_losses(g, ids, ids, 1, 2, NULL), GLIMPSE_E_INVALID, "losses");
    EXPECT_EQ(glimpse_check_losses(NULL, ids, ids, 1, 2, NULL), GLIMPSE_NOT_DUE);
    EXPECT_ERR(glimpse_check(g, NULL, ids, 1, 2, 5), GLIMPSE_E_INVALID, NULL);
    EXPECT_ERR(glimpse_check(g, ids, ids, 0, 2, 5), GLIMPSE_E_INVALID, NULL);
    glimpse_request q = GLIMPSE_REQUEST_INIT;
    glimpse_record *r = NULL;
    EXPECT_ERR(glimpse_generate(g, &q, &r), GLIMPSE_E_INVALID, "neither text nor ids");
    q.text = "hello";
    EXPECT_OK(glimpse_generate(g, &q, &r));
    EXPECT_EQ(fake.request.text_bytes, 5);
    glimpse_record_free(r);
    r = NULL;
    /* A program built when the struct ended before `options`: what stands after it is not read. */
    q.size = offsetof(glimpse_request, options);
    q.options = (const char *)16;
    EXPECT_OK(glimpse_score(g, &q, &r));
    EXPECT(fake.request.options == NULL && fake.request.size == sizeof q);
    glimpse_record_free(r);
    EXPECT_ERR(glimpse_generate(g, NULL, &r), GLIMPSE_E_INVALID, NULL);
    EXPECT_ERR(glimpse_generate(g, &q, NULL), GLIMPSE_E_INVALID, NULL);
    q.size = 0;
    EXPECT_ERR(glimpse_generate(g, &q, &r), GLIMPSE_E_INVALID, "GLIMPSE_REQUEST_INIT");
    EXPECT_OK(glimpse_close(g));
    glimpse_config_free(cfg);
    glimpse_model_free(&m);
}

TEST(api_understands_older_structs) {
    /* The description as it was when it ended after max_seq_len, in a page of exactly that size. */
    volatile size_t old = offsetof(glimpse_model, bos); /* volatile: the compiler need not know it is short */
    glimpse_model full = GLIMPSE_MODEL_INIT, *m = malloc(old);
    REQUIRE(m != NULL);
    full.size = old;
    full.n_layers = 3;
    memcpy((void *)m, &full, old);
    glimpse_config *cfg = config_with("max_sample_tokens", "8");
    glimpse *g = glimpse_open(cfg, m);
    EXPECT(g != NULL);
    EXPECT_EQ(fake.model.n_layers, 3);
    EXPECT_EQ(fake.model.bos, -1); /* what it does not have stands at its initial value */
    EXPECT_EQ(fake.model.size, sizeof(glimpse_model));
    EXPECT_ERR(glimpse_bind(m, "x", weights, GLIMPSE_F32, 1, (int64_t[]){4}), GLIMPSE_E_INVALID, "GLIMPSE_MODEL_INIT");
    glimpse_model_free(m);
    glimpse_close(g);
    m->size = 0;
    EXPECT(glimpse_open(cfg, m) == NULL);
    EXPECT(strstr(buf_str(&said), "start from GLIMPSE_MODEL_INIT"));
    free(m);
    /* A tensor without strides and flags. */
    glimpse_model now = GLIMPSE_MODEL_INIT;
    glimpse_tensor t = GLIMPSE_TENSOR_INIT;
    t.size = offsetof(glimpse_tensor, strides);
    t.name = "x", t.data = weights, t.n_dims = 1, t.dims[0] = 4;
    t.strides[0] = -5, t.flags = 0xffff; /* beyond its size */
    EXPECT_OK(glimpse_bind_tensor(&now, &t));
    EXPECT(now.tensors[0].strides[0] == 0 && now.tensors[0].flags == 0);
    glimpse_model_free(&now);
    glimpse_config_free(cfg);
}

TEST(api_bind_checks_each_tensor) {
    static const struct {
        glimpse_tensor t;
        const char *part;
    } bad[] = {
        {{0, "x", weights, GLIMPSE_F32, 1, {4}, {0}, 0}, "GLIMPSE_TENSOR_INIT"},
        {{sizeof(glimpse_tensor), NULL, weights, GLIMPSE_F32, 1, {4}, {0}, 0}, "without a name"},
        {{sizeof(glimpse_tensor), "", weights, GLIMPSE_F32, 1, {4}, {0}, 0}, "without a name"},
        {{sizeof(glimpse_tensor), "h.*.*.w", weights, GLIMPSE_F32, 1, {4}, {0}, 0}, "one * stands"},
        {{sizeof(glimpse_tensor), "x", weights, (glimpse_dtype)9, 1, {4}, {0}, 0}, "unknown dtype 9"},
        {{sizeof(glimpse_tensor), "x", weights, GLIMPSE_F32, 0, {4}, {0}, 0}, "0 dimensions"},
        {{sizeof(glimpse_tensor), "x", weights, GLIMPSE_F32, 2, {4, 0}, {0}, 0}, "dimension 1 is 0"},
        {{sizeof(glimpse_tensor), "x", weights, GLIMPSE_F32, 2, {4, -1}, {0}, 0}, "dimension 1 is -1"},
        {{sizeof(glimpse_tensor), "x", weights, GLIMPSE_F32, 2, {INT64_MAX, 2}, {0}, 0}, "overflow"},
        {{sizeof(glimpse_tensor), "x", weights, GLIMPSE_F32, 2, {2, 2}, {INT64_MAX, 1}, 0}, "strides overflow"},
        {{sizeof(glimpse_tensor), "x", weights, GLIMPSE_F32, 2, {2, 2}, {2, -1}, 0}, "stride 1 is -1"},
        {{sizeof(glimpse_tensor), "x", weights, GLIMPSE_F32, 2, {2, 2}, {2, 0}, 0}, "all strides, or none"},
        {{sizeof(glimpse_tensor), "x", weights, GLIMPSE_F32, 1, {4}, {0}, 2}, "unknown flags 0x2"},
        {{sizeof(glimpse_tensor), "wte", weights, GLIMPSE_F32, 1, {4}, {0}, 0}, "bound twice"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        glimpse_model m = GLIMPSE_MODEL_INIT;
        EXPECT_OK(glimpse_bind(&m, "wte", weights, GLIMPSE_F32, 1, (int64_t[]){4}));
        glimpse_status st = glimpse_bind_tensor(&m, &bad[i].t);
        EXPECT_ERR(st, bad[i].t.size ? GLIMPSE_E_MODEL : GLIMPSE_E_INVALID, bad[i].part);
        EXPECT_EQ(m.bind_status, st);
        EXPECT_EQ(m.n_tensors, 1);
        glimpse_model_free(&m);
        glimpse_model_free(&m); /* twice is fine */
    }
    glimpse_model m = GLIMPSE_MODEL_INIT; /* names are copied, the list grows */
    for (int i = 0; i < 500; i++) {
        char name[32];
        snprintf(name, sizeof name, "transformer.h.%d.w", i);
        EXPECT_OK(glimpse_bind(&m, name, weights, GLIMPSE_BF16, 2, (int64_t[]){1, 1}));
    }
    EXPECT_EQ(m.n_tensors, 500);
    EXPECT_STREQ(m.tensors[0].name, "transformer.h.0.w");
    EXPECT_STREQ(m.tensors[499].name, "transformer.h.499.w");
    EXPECT_ERR(glimpse_bind(&m, "n", weights, GLIMPSE_F32, 1, NULL), GLIMPSE_E_MODEL, "0 dimensions");
    glimpse_model_free(&m);
}

TEST(api_bind_survives_every_failing_allocation) {
    for (long n = 1; n < 200; n++) {
        glimpse_model m = GLIMPSE_MODEL_INIT;
        glimpse_config *cfg = config_with("max_sample_tokens", "8");
        test_fail_alloc(n);
        for (int i = 0; i < 40; i++) {
            char name[32];
            snprintf(name, sizeof name, "t%d", i);
            glimpse_bind(&m, name, weights, GLIMPSE_F32, 1, (int64_t[]){4});
        }
        long seen = test_fail_alloc(0);
        EXPECT(m.bind_status == GLIMPSE_OK || m.bind_status == GLIMPSE_E_MEMORY);
        EXPECT_EQ(m.n_tensors, m.bind_status ? 39 : 40);
        glimpse *g = glimpse_open(cfg, &m);
        EXPECT((g != NULL) == (m.bind_status == GLIMPSE_OK));
        glimpse_close(g);
        glimpse_model_free(&m);
        glimpse_config_free(cfg);
        if (seen < n) return;
    }
    EXPECT(!"the loop ends");
}

TEST(api_run) {
    glimpse_config *cfg = config_with(NULL, NULL);
    char path[4096];
    snprintf(path, sizeof path, "%s/out", test_tmpdir());
    fflush(stdout);
    int saved = dup(1), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(fd, 1);
    int code = glimpse_run(cfg);
    dup2(saved, 1);
    EXPECT_EQ(code, 0);
    EXPECT_EQ(fake.max_tokens, 500);
    char text[16] = {0};
    EXPECT_EQ(pread(fd, text, sizeof text - 1, 0), 5);
    EXPECT_STREQ(text, "text\n");
    fake.run = GLIMPSE_E_IO, fake.error = "no checkpoint";
    EXPECT_EQ(glimpse_run(cfg), 1);
    EXPECT(strstr(buf_str(&said), "glimpse: no checkpoint\n"));
    fake.run = GLIMPSE_E_INVALID;
    EXPECT_EQ(glimpse_run(cfg), 2);
    int runs = fake.runs;
    EXPECT_OK(glimpse_set(cfg, "like", "generate"));
    EXPECT_EQ(glimpse_run(cfg), 2);
    EXPECT(strstr(buf_str(&said), "glimpse: --glimpse_prompt is required with --glimpse_like generate\n"));
    EXPECT_EQ(fake.runs, runs);
    fake.run = GLIMPSE_NOT_DUE; /* no text in this one */
    EXPECT_OK(glimpse_set(cfg, "prompt", "x"));
    fake.run = GLIMPSE_E_IO;
    EXPECT_EQ(glimpse_run(cfg), 1);
    EXPECT_EQ(fake.max_tokens, 150);
    close(fd);
    close(saved);
    glimpse_config_free(cfg);
}

/* --- the loader, with the library as it is installed ------------------------------------------------------------- */

static const char probe[] = /* a trainer: opens and prints what was said */
    "#include <glimpse.h>\n#include <stdio.h>\n"
    "static void say(void *u, const char *s) { (void)u; printf(\"%s\\n\", s); }\n"
    "int main(void) { glimpse_config *c = glimpse_config_new(); glimpse_model m = GLIMPSE_MODEL_INIT;\n"
    "  glimpse_set_log(c, say, 0); glimpse_set(c, \"max_sample_tokens\", \"4\"); glimpse_set(c, \"mode\", \"inline\");\n"
    "  glimpse *g = glimpse_open(c, &m); printf(g ? \"open\\n\" : \"off\\n\");\n"
    "  glimpse_close(g); glimpse_config_free(c); return 0; }\n";
static const char session_source[] =
    "#include \"include/internal/session.h\"\n"
    "static const char *error(void) { return \"the made-up session says no\"; }\n"
    "static glimpse_status open_(const options *o, const glimpse_model *m, const session_host *h, session **out)\n"
    "{ (void)o; (void)m; (void)h; (void)out; return GLIMPSE_E_MODEL; }\n"
    "__attribute__((visibility(\"default\"))) const session_api glimpse_session_v1 =\n"
    "{ .version = VERSION_, .build_id = BUILD_, .error = error, .open = open_ };\n";

static bool sh(const char *fmt, ...) {
    char command[8192];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    return system(command) == 0;
}

static void put_file(const char *name, const char *text) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", test_tmpdir(), name);
    FILE *f = fopen(path, "w");
    if (f) fputs(text, f), fclose(f);
}

static void check_probe(const char *d, const char *want1, const char *want2) {
    char path[4096], text[4096] = {0};
    EXPECT(sh("cd '%s' && env -u LD_LIBRARY_PATH ./probe >answer 2>&1", d));
    snprintf(path, sizeof path, "%s/answer", d);
    FILE *f = fopen(path, "r");
    if (f) text[fread(text, 1, sizeof text - 1, f)] = 0, fclose(f);
    if (!EXPECT(strstr(text, want1) && strstr(text, want2) && strstr(text, "off\n")))
        test_check(false, __FILE__, __LINE__, "the probe said: %s", text);
}

TEST_LIMIT(api_loader_takes_the_library_beside_it_of_the_same_build, 120) {
    const char *d = test_tmpdir(), *src = test_source_dir(), *cc = getenv("CC") ? getenv("CC") : "cc";
    char library[4096];
    snprintf(library, sizeof library, "%s/libglimpse.so.0", test_build_dir());
    if (access(library, R_OK) != 0) SKIP("libglimpse.so.0 is not built");
    if (test_is_slow_build()) SKIP("a sanitizer's library needs a sanitizer's program");
    put_file("probe.c", probe);
    put_file("session.c", session_source);
    REQUIRE(sh("cd '%s' && cp '%s' . && ln -s libglimpse.so.0 libglimpse.so && %s -I'%s/include' probe.c -o probe "
               "-L. -lglimpse -Wl,-rpath,'$ORIGIN'", d, library, cc, src));
    check_probe(d, "glimpse: the sampling library was not loaded: libglimpse_session.so.0:", "hint: install");
#define SESSION(version, build)                                                                                        \
    REQUIRE(sh("cd '%s' && rm -f libglimpse_session.so.0 && %s -shared -fPIC -I'%s/include' -I'%s' -DVERSION_=%d "       \
               "-DBUILD_='\"%s\"' session.c -o libglimpse_session.so.0", d, cc, src, src, version, build))
    SESSION(1, GLIMPSE_BUILD_ID);
    check_probe(d, "glimpse: the made-up session says no\n", "");
    SESSION(1, "another");
    check_probe(d, "libglimpse_session.so.0 is of build another, ", "libglimpse.so.0 of build " GLIMPSE_BUILD_ID);
    SESSION(2, GLIMPSE_BUILD_ID);
    check_probe(d, "speaks version 2 of the session's interface", "hint: install both from one build");
    put_file("libglimpse_session.so.0", "not a library");
    check_probe(d, "glimpse: the sampling library was not loaded: ", "hint: install");
}
