/* test_module.c -- --module: the same samples from a module in the worker and inline, hooks, a tokenizer and a model
 * function of a module, each refusal by its name, and a module that crashes. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "plugin/guest.h"
#include "tests/worker_rig.h"

static const char *option(const char *name, const char *value) {
    static char text[4][4400];
    static int n;
    char *t = text[n++ % 4];
    snprintf(t, sizeof text[0], "%s=%s", name, value);
    return t;
}

typedef struct spoken {
    char samplers[128];
    int32_t ids[64];
    int n;
    char text[256];
} spoken;
static void listen(void *user, const glimpse_record *r) {
    spoken *s = user;
    if (!r->n_samples) return;
    const glimpse_sample *x = r->samples;
    snprintf(s->samplers, sizeof s->samplers, "%s", x->samplers);
    s->n = x->n_tokens < 64 ? x->n_tokens : 64;
    for (int i = 0; i < s->n; i++) s->ids[i] = GLIMPSE_AT(x->tokens, i)->id;
    snprintf(s->text, sizeof s->text, "%.*s", (int)x->text_bytes, x->text);
}

static bool repeats_within(const spoken *s, int gap) {
    for (int i = 0; i < s->n; i++)
        for (int k = i + 1; k < s->n && k <= i + gap; k++)
            if (s->ids[i] == s->ids[k]) return true;
    return false;
}

extern const session_api glimpse_session_v1;

TEST(module_sampler_in_worker_and_inline) {
    char so[4300];
    spoken s[3] = {0};
    snprintf(so, sizeof so, "%s/custom_sampler.so:12", test_build_dir());
    session_use(&glimpse_session_v1);
    for (int i = 0; i < 3; i++) { /* worker, inline, and neither: what the sampler changes */
        rig r;
        const char *mode = option("mode", i == 1 ? "inline" : "worker");
        const char *with[] = {mode, "max_sample_tokens=40", "temperature=0.3", "samplers=top_k=9;no_echo;temperature", option("module", so), NULL};
        const char *without[] = {mode, "max_sample_tokens=40", "temperature=0.3", "samplers=top_k=9;temperature", NULL};
        rig_open(&r, i < 2 ? with : without);
        REQUIRE(r.g != NULL);
        EXPECT_OK(glimpse_add_hook(r.g, listen, &s[i]));
        EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
        EXPECT_OK(glimpse_drain(r.g));
        EXPECT_OK(glimpse_close(r.g));
        r.g = NULL;
        rig_close(&r);
    }
    EXPECT(strstr(s[0].samplers, "no_echo") != NULL);
    EXPECT(s[0].n == 40 && s[1].n == 40);
    EXPECT(!repeats_within(&s[0], 12));
    EXPECT(repeats_within(&s[2], 12));
    EXPECT_MEM(s[0].ids, s[1].ids, 40 * sizeof *s->ids);
}

/* A trainer that goes to another directory: the worker after a death finds everything where the first one did. */
TEST(module_by_a_relative_path_is_found_again) {
    char here[4096], so[4300], to[4300];
    pid_t pid = 0;
    rig r;
    REQUIRE(getcwd(here, sizeof here) != NULL);
    snprintf(so, sizeof so, "%s/custom_sampler.so", test_build_dir());
    snprintf(to, sizeof to, "%s/mine.so", test_tmpdir());
    REQUIRE(symlink(so, to) == 0);
    snprintf(so, sizeof so, "%s/glimpse", test_build_dir());
    snprintf(to, sizeof to, "%s/program", test_tmpdir());
    REQUIRE(symlink(so, to) == 0);
    REQUIRE(chdir(test_tmpdir()) == 0);
    rig_open(&r, (const char *const[]){"module=./mine.so", "samplers=no_echo;temperature", NULL});
    glimpse_close(r.g);
    glimpse_set(r.cfg, "out_dir", "relative/out");
    setenv("GLIMPSE_WORKER", "./program", 1);
    rig_reopen(&r);
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT(chdir("/") == 0);
    EXPECT_EQ(rig_workers(&pid, 1), 1);
    kill(pid, SIGKILL);
    EXPECT(rig_wait_end(pid));
    EXPECT_OK(glimpse_eval(r.g, 1, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    snprintf(r.dir, sizeof r.dir, "%.4000s/relative/out", test_tmpdir());
    EXPECT_STREQ(rig_status(&r, 0), "ok");
    EXPECT_STREQ(rig_status(&r, 1), "ok");
    rig_close(&r);
    EXPECT(chdir(here) == 0);
}

TEST(module_refusals_are_named) {
    static const char head[] = "#include <glimpse.h>\n#include <stddef.h>\n";
    static const char *const table = "const glimpse_module glimpse_module_v1 = {sizeof(glimpse_module), %s, open, NULL};\n";
    static const struct { const char *name, *body, *version, *said; } cases[] = {
        {"none", "int x;\n", NULL, "none.so has no symbol glimpse_module_v1: it is no module\nhint: "},
        {"newer", "static int open(glimpse_module_host *h, void **s) { (void)h, (void)s; return 0; }\n", "2",
         "newer.so is of version 2, with "},
        {"refuses", "static int open(glimpse_module_host *h, void **s) { (void)s; return h->refuse(h->to, \"no licence\"); }\n", "1",
         "refuses.so refuses: no licence"},
        {"fails", "static int open(glimpse_module_host *h, void **s) { (void)h, (void)s; return 5; }\n", "1",
         "fails.so refuses: its open returned 5"},
        {"half", "static int open(glimpse_module_host *h, void **s) { glimpse_sampler x = GLIMPSE_SAMPLER_INIT; (void)s;\n"
                 "return h->add_sampler(h->to, &x, NULL); }\n", "1", "half.so refuses: its open returned -1: add_sampler: a name and apply"},
        {"taken", "static int apply(void *s, glimpse_candidates *c) { (void)s, (void)c; return 0; }\n"
                  "static int open(glimpse_module_host *h, void **s) { glimpse_sampler x = GLIMPSE_SAMPLER_INIT; (void)s;\n"
                  "x.name = \"top_k\"; x.apply = apply; return h->add_sampler(h->to, &x, NULL); }\n", "1",
         "there is a sampler top_k already\nhint: the sampler top_k comes from --"},
    };
    session_use(&glimpse_session_v1);
    for (int mode = 0; mode < 2; mode++) {
        rig r;
        const char *how = mode ? "mode=inline" : "mode=worker";
        rig_open(&r, (const char *const[]){how, "module=/nowhere/lib.so:args", NULL});
        EXPECT(r.g == NULL && strstr(buf_str(&r.said), "/nowhere/lib.so was not loaded: "));
        EXPECT(strstr(buf_str(&r.said), "cannot open shared object file"));
        rig_close(&r);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            buffer source = {0};
            buf_puts(&source, head);
            buf_puts(&source, cases[i].body);
            if (cases[i].version) buf_printf(&source, table, cases[i].version);
            const char *so = rig_module(cases[i].name, buf_str(&source));
            buf_free(&source);
            if (!so) SKIP("no C compiler");
            rig_open(&r, (const char *const[]){how, option("module", so), NULL});
            EXPECT(r.g == NULL);
            test_check(strstr(buf_str(&r.said), cases[i].said) != NULL, __FILE__, __LINE__, "not said: %s; said: %s", cases[i].said,
                       buf_str(&r.said));
            rig_close(&r);
        }
    }
    EXPECT(rig_wait_workers(0));
}

static const char whole[] =
    "#include <glimpse.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "static const float *wte;\n"
    "static int logits(void *u, int B, int T, const int *ids, const int *lengths, float *out) {\n"
    "    (void)u, (void)ids, (void)T; (void)lengths;\n"
    "    for (int i = 0; i < B * 40; i++) out[i] = i % 40 == (int)wte[0] ? 50.0f : 0.0f;\n" /* the trainer's weights, as of that eval */
    "    return 0; }\n"
    "static int32_t encode(void *u, const char *t, size_t n, int32_t *ids, int32_t cap) {\n"
    "    (void)u, (void)t, (void)n; if (cap < 1) return -1; ids[0] = 3; return 1; }\n"
    "static int32_t decode(void *u, int32_t id, char *out, int32_t cap) {\n"
    "    (void)u; if (cap < 8) return -8; return snprintf(out, 8, \"<%d>\", (int)id); }\n"
    "static void note(void *u, const glimpse_record *r) {\n"
    "    FILE *f = fopen(u, \"a\"); if (f) fprintf(f, \"%lld %d;\", (long long)r->step, r->n_samples), fclose(f); }\n"
    "static int open(glimpse_module_host *h, void **s) {\n"
    "    glimpse_tokenizer t = GLIMPSE_TOKENIZER_INIT; t.encode = encode; t.decode = decode;\n"
    "    *s = strdup(h->args);\n"
    "    for (int i = 0; i < h->model->n_tensors; i++)\n"
    "        if (strstr(h->model->tensors[i].name, \"wte\")) wte = h->model->tensors[i].data;\n"
    "    return !wte || h->set_tokenizer(h->to, &t) < 0 || h->set_logits(h->to, logits, NULL, NULL) < 0 || h->add_hook(h->to, note, *s) < 0; }\n"
    "static void close(void *s) { FILE *f = fopen(s, \"a\"); if (f) fputs(\"closed\", f), fclose(f); free(s); }\n"
    "const glimpse_module glimpse_module_v1 = {sizeof(glimpse_module), GLIMPSE_MODULE_VERSION, open, close};\n";

TEST(module_hook_tokenizer_and_model) {
    const char *so = rig_module("whole", whole);
    if (!so) SKIP("no C compiler");
    session_use(&glimpse_session_v1);
    for (int mode = 0; mode < 2; mode++) {
        rig r;
        spoken s = {0};
        buffer noted = {0};
        char notes[4300], module[8600];
        snprintf(notes, sizeof notes, "%s/notes%d", test_tmpdir(), mode);
        snprintf(module, sizeof module, "%s:%s", so, notes);
        rig_open(&r, (const char *const[]){mode ? "mode=inline" : "mode=worker", "top_k=1", "max_sample_tokens=3", option("module", module), NULL});
        if (!test_check(r.g != NULL, __FILE__, __LINE__, "off: %s", buf_str(&r.said))) return;
        EXPECT_OK(glimpse_add_hook(r.g, listen, &s));
        for (int step = 0; step < 2; step++) {
            r.gpt.w[0][0] = (float)(11 + step);
            EXPECT_OK(glimpse_eval(r.g, step, 2, 1));
            EXPECT_OK(glimpse_drain(r.g));
            EXPECT_STREQ(s.text, step ? "<12><12><12>" : "<11><11><11>");
        }
        EXPECT_OK(glimpse_close(r.g));
        r.g = NULL;
        EXPECT_OK(file_read_all(notes, 1000, &noted));
        EXPECT_STREQ(buf_str(&noted), "0 1;1 1;closed");
        buf_free(&noted);
        rig_close(&r);
    }
}

TEST(module_that_crashes_is_one_failed_eval) {
    const char *source =
        "#include <glimpse.h>\n#include <signal.h>\n#include <string.h>\n#include <unistd.h>\n"
        "static char path[4096];\n"
        "static int apply(void *s, glimpse_candidates *c) {\n"
        "    (void)s, (void)c; if (access(path, F_OK) == 0 && unlink(path) == 0) kill(getpid(), SIGSEGV); return 0; }\n"
        "static int open(glimpse_module_host *h, void **s) { glimpse_sampler x = GLIMPSE_SAMPLER_INIT; (void)s;\n"
        "    strncpy(path, h->args, sizeof path - 1); x.name = \"crash\"; x.apply = apply; return h->add_sampler(h->to, &x, NULL) < 0; }\n"
        "const glimpse_module glimpse_module_v1 = {sizeof(glimpse_module), GLIMPSE_MODULE_VERSION, open, NULL};\n";
    const char *so = rig_module("crash", source);
    if (!so) SKIP("no C compiler");
    char flag[4300], module[8600];
    rig r;
    snprintf(flag, sizeof flag, "%s/now", test_tmpdir());
    snprintf(module, sizeof module, "%s:%s", so, flag);
    setenv("ASAN_OPTIONS", "handle_segv=0", 1); /* a worker built with sanitizers would end by itself */
    rig_open(&r, (const char *const[]){option("module", module), NULL});
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 0, 2, 1));
    EXPECT_OK(glimpse_drain(r.g));
    EXPECT_OK(file_write_atomic(flag, "", 0, false));
    EXPECT_OK(glimpse_eval(r.g, 1, 2, 1));
    EXPECT_ERR(glimpse_drain(r.g), GLIMPSE_E_WORKER, "the eval of step 1 failed, the worker died: signal 11 (SIGSEGV)");
    EXPECT_OK(glimpse_eval(r.g, 2, 2, 1));
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    EXPECT_STREQ(rig_status(&r, 0), "ok");
    EXPECT_STREQ(rig_status(&r, 1), "failed");
    EXPECT_STREQ(rig_status(&r, 2), "ok");
    rig_close(&r);
}

/* It dies already when it is opened: Glimpse is off, the module is named, the training goes on. */
TEST(module_that_crashes_at_open) {
    const char *so = rig_module("opens",
        "#include <glimpse.h>\n#include <signal.h>\n#include <unistd.h>\n"
        "static int open(glimpse_module_host *h, void **s) { (void)h, (void)s; return kill(getpid(), SIGSEGV); }\n"
        "const glimpse_module glimpse_module_v1 = {sizeof(glimpse_module), GLIMPSE_MODULE_VERSION, open, NULL};\n");
    if (!so) SKIP("no C compiler");
    rig r;
    setenv("ASAN_OPTIONS", "handle_segv=0", 1);
    rig_open(&r, (const char *const[]){option("module", so), NULL});
    EXPECT(r.g == NULL);
    EXPECT(strstr(buf_str(&r.said), "died before it was ready: signal 11 (SIGSEGV)\nhint: it had loaded --"));
    EXPECT(glimpse_eval(r.g, 0, 2, 1) == GLIMPSE_NOT_DUE && rig_wait_workers(0));
    rig_close(&r);
}

/* glimpse_add_sampler cannot reach a worker, and says what can. */
TEST(module_is_named_where_a_sampler_cannot_go) {
    rig r;
    glimpse_sampler s = GLIMPSE_SAMPLER_INIT;
    rig_open(&r, NULL);
    REQUIRE(r.g != NULL);
    EXPECT_ERR(glimpse_add_sampler(r.g, &s, NULL), GLIMPSE_E_STATE, "hint: --glimpse_module lib.so brings a sampler to it");
    rig_close(&r);
}

TEST(module_offline) {
    buffer cmd = {0}, said = {0};
    char path[4300];
    buf_printf(&cmd, "cd '%s' && '%s/train_gpt' --no_glimpse --threads 1 --layers 1 --channels 16 --heads 2 --context 64 --batch_size 2 "
               "--steps 1 --out run >/dev/null 2>&1 && "
               "'%s/glimpse' --checkpoint run --out_dir o --num_samples 1 --max_sample_tokens 30 --samplers 'no_echo;temperature=0.1' "
               "--module '%s/custom_sampler.so:9' --module '%s/custom_hook.so' >out 2>err", test_tmpdir(), test_build_dir(), test_build_dir(),
               test_build_dir(), test_build_dir());
    if (system(buf_str(&cmd)) != 0) EXPECT(!"the offline run failed");
    snprintf(path, sizeof path, "%s/err", test_tmpdir());
    EXPECT_OK(file_read_all(path, 1 << 20, &said));
    EXPECT(strstr(buf_str(&said), "no_echo;temperature=0.1"));
    EXPECT(strstr(buf_str(&said), "sample 0: most surprising is token"));
    buf_clear(&cmd);
    buf_clear(&said);
    buf_printf(&cmd, "cd '%s' && '%s/glimpse' --checkpoint run --out_dir o --module '%s/custom_sampler.so:99' >out 2>err", test_tmpdir(),
               test_build_dir(), test_build_dir());
    EXPECT_EQ(WEXITSTATUS(system(buf_str(&cmd))), 1);
    EXPECT_OK(file_read_all(path, 1 << 20, &said));
    EXPECT(strstr(buf_str(&said), "custom_sampler.so refuses: the gap is from 1 to 32 tokens"));
    buf_free(&cmd), buf_free(&said);
}
