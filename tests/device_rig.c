/* device_rig.c -- see device_rig.h. */
#define _GNU_SOURCE
#include "tests/device_rig.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/guest.h"

extern const session_api glimpse_session_v1;

fake_cuda *driver_start(void) {
    char path[4200];
    snprintf(path, sizeof path, "%s/tests/driver", test_build_dir());
    setenv("LD_LIBRARY_PATH", path, 1); /* the workers' */
    snprintf(path, sizeof path, "%s/tests/driver/libcuda.so.1", test_build_dir());
    void *library = dlopen(path, RTLD_NOW); /* found again by its soname */
    fake_cuda *f = library ? dlsym(library, "fake_cuda") : NULL;
    session_use(&glimpse_session_v1); /* inline mode: the runner's own */
    if (test_check(f != NULL, __FILE__, __LINE__, "%s", library ? "no fake_cuda" : dlerror())) f->init();
    return f;
}

/* Step `version` of the training: every weight another one. */
static void write_weights(const trainer *t, int version) {
    for (int i = 0; i < 16; i++) {
        size_t n = t->r.gpt.n[i];
        float *w = (float *)(void *)t->at[i];
        for (size_t j = 0; j < n; j++) w[j] = t->base[i][(j + (size_t)version * 7) % n];
    }
}
static void write_next(void *user) {
    trainer *t = user;
    write_weights(t, ++t->version);
}
static void train_step(trainer *t) {
    if (t->f) t->f->launch(t->stream, write_next, t);
    else write_next(t);
}

void trainer_open(trainer *t, fake_cuda *f, int blocks, bool own_stream, const char *program, const char *const *options) {
    char path[4300];
    *t = (trainer){.f = f};
    rig_prepare(&t->r, options);
    snprintf(path, sizeof path, "%s/%s", test_build_dir(), program ? program : "glimpse");
    setenv("GLIMPSE_WORKER", path, 1);
    if (!program) EXPECT_OK(glimpse_set(t->r.cfg, "device", "cpu"));
    size_t total = 0, at = 0;
    for (int i = 0; i < 16; i++) total += t->r.gpt.n[i] * sizeof(float);
    unsigned long long all = f && blocks == 1 ? f->take(total) : 0;
    for (int i = 0; i < 16; i++) {
        size_t bytes = t->r.gpt.n[i] * sizeof(float);
        t->base[i] = malloc(bytes);
        memcpy(t->base[i], t->r.gpt.w[i], bytes);
        t->at[i] = (char *)t->r.gpt.w[i];
        if (!f) continue;
        unsigned long long device = all ? all + at : f->take(bytes);
        at += bytes;
        t->at[i] = f->live(device);
        memcpy(t->at[i], t->base[i], bytes);
        for (int32_t k = 0; k < t->r.gpt.model.n_tensors; k++)
            if (t->r.gpt.model.tensors[k].data == t->r.gpt.w[i]) t->r.gpt.model.tensors[k].data = (void *)(uintptr_t)device;
    }
    if (own_stream) t->r.gpt.model.stream = t->stream = f->stream();
    rig_reopen(&t->r);
}
void trainer_close(trainer *t) {
    rig_close(&t->r);
    if (t->f) EXPECT_STREQ(t->f->problem ? t->f->problem : "", "");
    for (int i = 0; i < 16; i++) free(t->base[i]);
}

glimpse_status eval_at(trainer *t, int step) {
    train_step(t);
    glimpse_status st = glimpse_eval(t->r.g, step, 2.0, 1.0);
    train_step(t);
    return st;
}
void run_out(trainer *t) {
    if (t->f) t->f->run();
    glimpse_drain(t->r.g);
}

glimpse_status note_line(void *user, owned_record *line) {
    const glimpse_record *r = &line->record;
    buf_printf(user, "%lld %s:", (long long)r->step, r->status);
    for (int i = 0; i < r->n_samples; i++)
        for (int k = 0; k < r->samples[i].n_tokens; k++)
            buf_printf(user, " %d %.9g", r->samples[i].tokens[k].id, r->samples[i].tokens[k].logit);
    buf_putc(user, '\n');
    return GLIMPSE_OK;
}

void run_five(trainer *t, buffer *journal) {
    if (!test_check(t->r.g != NULL, __FILE__, __LINE__, "%s", buf_str(&t->r.said))) return;
    for (int i = 0; i < EVALS; i++) {
        EXPECT_EQ(eval_at(t, i * 10), GLIMPSE_OK);
        run_out(t);
        if (t->f) EXPECT_STREQ(t->f->problem ? t->f->problem : "", "");
    }
    rig_lines(&t->r, note_line, journal);
}

static glimpse_status note_device(void *user, owned_record *line) {
    const glimpse_record *r = &line->record;
    if (r->n_samples) buf_printf(user, "%s;", r->device);
    return GLIMPSE_OK;
}
bool all_on(const trainer *t, const char *device) {
    buffer said = {0};
    int lines = rig_lines(&t->r, note_device, &said), found = count_text(buf_str(&said), device);
    bool all = lines > 0 && found > 0 && found * (int)(strlen(device) + 1) == (int)said.n;
    buf_free(&said);
    return all;
}

int count_text(const char *text, const char *part) {
    int n = 0;
    for (; (text = strstr(text, part)); text++) n++;
    return n;
}
