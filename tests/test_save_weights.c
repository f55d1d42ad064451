/* test_save_weights.c -- --save_snapshots in worker and inline mode: the weights as they were at the eval, the latest kept, and
 * what cannot be written said without failing the eval. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "plugin/guest.h"
#include "sampling/checkpoint/checkpoint.h"
#include "sampling/checkpoint/save.h"
#include "tests/worker_rig.h"

static void snapshot_path(const rig *r, int step, char out[5000]) {
    snprintf(out, 5000, "%s/snapshots/step_%08d", r->dir, step);
}

TEST(save_snapshots_hold_the_weights_of_their_eval) {
    extern const session_api glimpse_session_v1;
    session_use(&glimpse_session_v1);
    for (int mode = 0; mode < 2; mode++) {
        rig r;
        char path[5000];
        rig_open(&r, (const char *const[]){mode ? "mode=inline" : "mode=worker", "save_snapshots=true", "keep_snapshots=2", NULL});
        REQUIRE(r.g != NULL);
        float first[4] = {0};
        for (int step = 0; step < 4; step++) {
            first[step] = r.gpt.w[0][3];
            EXPECT_OK(glimpse_eval(r.g, step * 10, 2, 1));
            for (size_t k = 0; k < r.gpt.n[0]; k++) r.gpt.w[0][k] *= 0.5f;
            EXPECT_OK(glimpse_drain(r.g));
        }
        EXPECT_OK(glimpse_close(r.g));
        r.g = NULL;
        for (int step = 0; step < 4; step++) {
            model *m = NULL;
            snapshot_path(&r, step * 10, path);
            EXPECT_EQ(path_exists(path), step >= 2);
            if (step < 2 || !EXPECT_OK(checkpoint_open(path, NULL, NULL, &m))) continue;
            EXPECT_NEAR(((const float *)m->wte.data)[3], first[step], 0);
            EXPECT_STREQ(m->arch, "gpt2");
            model_close(m);
        }
        rig_close(&r);
    }
}

TEST(save_snapshots_that_cannot_be_written_are_said) {
    rig r;
    char path[5000];
    rig_open(&r, (const char *const[]){"save_snapshots=true", NULL});
    REQUIRE(r.g != NULL);
    snprintf(path, sizeof path, "%s/snapshots", r.dir);
    REQUIRE_OK(file_write_atomic(path, "x", 1, false)); /* a file where the directory should be */
    for (int step = 0; step < 4; step++) {
        EXPECT_OK(glimpse_eval(r.g, step, 2, 1));
        EXPECT_OK(glimpse_drain(r.g));
    }
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    test_check(strstr(buf_str(&r.said), "no snapshot was saved") != NULL, __FILE__, __LINE__, "said: %s", buf_str(&r.said));
    EXPECT_STREQ(rig_status(&r, 3), "ok");
    rig_close(&r);
}

/* A model that was loaded from a file speaks as the one that it was saved from; the file may go meanwhile. */
TEST(save_load_model_gives_the_same_samples) {
    extern const session_api glimpse_session_v1;
    session_use(&glimpse_session_v1);
    rig r;
    char path[5000];
    rig_open(&r, (const char *const[]){"mode=inline", "save_snapshots=true", "num_samples=1", NULL});
    REQUIRE(r.g != NULL);
    EXPECT_OK(glimpse_eval(r.g, 7, 2, 1));
    glimpse_request rq = GLIMPSE_REQUEST_INIT;
    glimpse_record *a = NULL, *b = NULL;
    const int32_t ids[] = {1, 2};
    rq.ids = ids, rq.n_ids = 2, rq.options = "max_sample_tokens=8";
    REQUIRE_OK(glimpse_generate(r.g, &rq, &a));
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    glimpse_model m = GLIMPSE_MODEL_INIT, empty = GLIMPSE_MODEL_INIT;
    snapshot_path(&r, 7, path);
    EXPECT_ERR(glimpse_model_load("/nowhere", &m), GLIMPSE_E_IO, "no such file");
    EXPECT_MEM(&m, &empty, sizeof m);
    REQUIRE_OK(glimpse_model_load(path, &m));
    EXPECT_ERR(glimpse_model_load(path, &m), GLIMPSE_E_STATE, "tensors already");
    EXPECT_STREQ(m.arch, "gpt2");
    m.tokenizer = r.gpt.model.tokenizer;
    char dir[5000];
    snprintf(dir, sizeof dir, "%s/again", r.dir);
    EXPECT_OK(glimpse_set(r.cfg, "out_dir", dir));
    EXPECT_OK(glimpse_set(r.cfg, "save_snapshots", "false"));
    glimpse *g = glimpse_open(r.cfg, &m);
    REQUIRE(g != NULL);
    REQUIRE_OK(glimpse_generate(g, &rq, &b));
    EXPECT_EQ(a->samples->n_tokens, b->samples->n_tokens);
    for (int i = 0; i < a->samples->n_tokens; i++)
        EXPECT_EQ(GLIMPSE_AT(a->samples->tokens, i)->id, GLIMPSE_AT(b->samples->tokens, i)->id);
    EXPECT_OK(glimpse_close(g));
    glimpse_record_free(a);
    glimpse_record_free(b);
    glimpse_model_free(&m);
    rig_close(&r);
}

/* What is not a checkpoint of ours does not give way, and a link's target is nobody's to remove. */
TEST(save_replaces_checkpoints_alone) {
    tiny_gpt g;
    model *m;
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 5);
    REQUIRE_OK(model_from_description(&g.model, &m));
    buffer cmd = {0};
    buf_printf(&cmd, "cd '%s' && mkdir -p docs/sub old llmc bare wild empty && echo a >docs/thesis.odt && echo b >old/config.json && touch old/model.safetensors old/model.safetensors.index.json old/tokenizer.model old/cl100k.tiktoken && touch llmc/model_00010.bin llmc/state_00010.bin llmc/val.bin llmc/tokenizer.bin bare/config.json bare/tokenizer.json && cp old/* wild && touch wild/train.txt && echo c >file && ln -s old link", test_tmpdir());
    REQUIRE(system(buf_str(&cmd)) == 0);
    static const struct {
        const char *name, *why;
    } cases[] = { { "docs", "holds" }, { "link", "is a link" }, { "file", "is a file" }, { "old", NULL },
                  { "llmc", "none of the files that are written here" }, { "bare", "no model.safetensors" }, { "wild", "train.txt" }, { "empty", NULL } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = path_join(test_tmpdir(), cases[i].name);
        save_request rq = { .path = path, .replace = true };
        if (cases[i].why) EXPECT_ERR(model_save(m, &rq), GLIMPSE_E_IO, cases[i].why);
        else EXPECT_OK(model_save(m, &rq));
        free(path);
    }
    buf_clear(&cmd);
    buf_printf(&cmd, "cd '%s' && test -f docs/thesis.odt && test -d docs/sub && test -f llmc/model_00010.bin && test -f llmc/val.bin && test -f bare/config.json && test -f wild/train.txt && test -f old/model.safetensors && test ! -e old/cl100k.tiktoken && test -L link && grep -q c file", test_tmpdir());
    EXPECT_EQ(system(buf_str(&cmd)), 0);
    /* what is read does not give way, itself, within, or through a link */
    buf_clear(&cmd);
    buf_printf(&cmd, "cd '%s' && mkdir cache && ln -s ../old/model.safetensors cache/model.safetensors && echo x >in.bin && ln -s in.bin also", test_tmpdir());
    REQUIRE(system(buf_str(&cmd)) == 0);
    static const char *const reads[][2] = { { "old", "old" }, { "old/config.json", "old" }, { "cache", "old" }, { "also", "in.bin" } };
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
        for (int k = 0; k < 3; k++) {
            char *in = path_join(test_tmpdir(), reads[i][0]), *path = path_join(test_tmpdir(), reads[i][1]);
            save_request rq = { .path = path, .replace = true };
            rq.inputs[k] = in;
            EXPECT_ERR(model_save(m, &rq), GLIMPSE_E_IO, "is read, and");
            free(in);
            free(path);
        }
    char *old = path_join(test_tmpdir(), "old"), *llmc = path_join(test_tmpdir(), "llmc");
    EXPECT(!save_remove_checkpoint(llmc) && path_exists(llmc));
    EXPECT(save_remove_checkpoint(old) && !path_exists(old));
    free(old);
    free(llmc);
    buf_free(&cmd);
    model_close(m);
    tiny_gpt_free(&g);
}

/* Beside the snapshots: a directory and a file under a step's name that no snapshot is. */
TEST(save_keep_snapshots_removes_snapshots_alone) {
    extern const session_api glimpse_session_v1;
    session_use(&glimpse_session_v1);
    rig r;
    buffer cmd = {0};
    rig_open(&r, (const char *const[]){"mode=inline", "save_snapshots=true", "keep_snapshots=1", NULL});
    REQUIRE(r.g != NULL);
    buf_printf(&cmd, "cd '%s' && mkdir -p snapshots/step_00000001 && cd snapshots && echo x >step_00000001/model_00010.bin && echo x >step_00000002", r.dir);
    REQUIRE(system(buf_str(&cmd)) == 0);
    for (int step = 10; step < 40; step += 10) EXPECT_OK(glimpse_eval(r.g, step, 2, 1));
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    buf_clear(&cmd);
    buf_printf(&cmd, "cd '%s/snapshots' && test -f step_00000001/model_00010.bin && test -f step_00000002 && test ! -e step_00000010 && test ! -e step_00000020 && test -d step_00000030", r.dir);
    EXPECT_EQ(system(buf_str(&cmd)), 0);
    buf_free(&cmd);
    rig_close(&r);
}

/* A run that is resumed at an earlier step keeps what it saves, not the branch that it left behind. */
TEST(save_keep_snapshots_after_a_resume) {
    extern const session_api glimpse_session_v1;
    session_use(&glimpse_session_v1);
    rig r;
    char path[5000];
    rig_open(&r, (const char *const[]){"mode=inline", "save_snapshots=true", "keep_snapshots=2", NULL});
    REQUIRE(r.g != NULL);
    static const struct { int at, kept[2]; } evals[] = {{10, {10, 10}}, {20, {10, 20}}, {30, {20, 30}}, {40, {30, 40}},
        {15, {15, 40}}, {25, {15, 25}}, {35, {25, 35}}, {40, {35, 40}}, {50, {40, 50}}, {50, {40, 50}}, {5, {5, 50}}};
    for (size_t i = 0; i < sizeof evals / sizeof *evals; i++) {
        EXPECT_OK(glimpse_eval(r.g, evals[i].at, 2, 1));
        for (int step = 5; step <= 50; step += 5) {
            snapshot_path(&r, step, path);
            test_check(path_exists(path) == (step == evals[i].kept[0] || step == evals[i].kept[1]), __FILE__, __LINE__,
                       "behind the eval %zu, of step %d: step_%08d", i, evals[i].at, step);
        }
    }
    EXPECT_OK(glimpse_close(r.g));
    r.g = NULL;
    rig_close(&r);
}

TEST(file_write_atomic_leaves_devices_alone) {
    EXPECT_ERR(file_write_atomic("/dev/null", "x", 1, false), GLIMPSE_E_IO, "a device or a pipe");
    EXPECT_EQ(system("test -c /dev/null"), 0);
}
