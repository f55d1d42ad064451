/* module.c -- loading modules and keeping what they registered (module.h). */
#define _GNU_SOURCE
#include "plugin/module.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "plugin/guest.h"

enum { MOST_MODULES = 64, MOST_PARTS = 1024 };

typedef struct module_sampler {
    glimpse_sampler vt;  /* its name is owned */
    void *user;
} module_sampler;

typedef struct module {
    modules *all;
    char *path, *args;   /* owned */
    void *library;
    const glimpse_module *table;
    void *state;
    bool opened;
    char *refusal;       /* why its open refuses; owned */
} module;

struct modules {
    module *of;          /* (n) */
    int n;
    const glimpse_model *model;
    module_sampler *samplers;
    int n_samplers;
    guest_hook *hooks;
    int n_hooks;
    bool has_tokenizer;
    glimpse_tokenizer tokenizer;
    glimpse_logits_fn logits, logits_all;
    void *logits_user;
};

/* --- what a module calls in its open ------------------------------------------------------------------------------ */

static glimpse_status on_add_sampler(void *to, const glimpse_sampler *given, void *user) {
    modules *m = ((module *)to)->all;
    if (!given || given->size < offsetof(glimpse_sampler, reset) || !given->name || !given->apply)
        FAIL(GLIMPSE_E_INVALID, "add_sampler: a name and apply are needed\nhint: start from GLIMPSE_SAMPLER_INIT");
    if (m->n_samplers >= MOST_PARTS) FAIL(GLIMPSE_E_INVALID, "add_sampler: more than %d samplers", MOST_PARTS);
    module_sampler *grown = realloc(m->samplers, (size_t)(m->n_samplers + 1) * sizeof *grown);
    if (grown) m->samplers = grown;
    char *name = grown ? strdup(given->name) : NULL;
    if (!name) FAIL(GLIMPSE_E_MEMORY, "no memory for a sampler");
    module_sampler *s = &grown[m->n_samplers++];
    *s = (module_sampler){.vt = GLIMPSE_SAMPLER_INIT, .user = user};
    memcpy(&s->vt, given, given->size < sizeof s->vt ? given->size : sizeof s->vt);
    s->vt.size = sizeof s->vt;
    s->vt.name = name;
    return GLIMPSE_OK;
}

static glimpse_status on_add_hook(void *to, glimpse_hook_fn fn, void *user) {
    modules *m = ((module *)to)->all;
    if (!fn) FAIL(GLIMPSE_E_INVALID, "add_hook: the function is NULL");
    if (m->n_hooks >= MOST_PARTS) FAIL(GLIMPSE_E_INVALID, "add_hook: more than %d hooks", MOST_PARTS);
    guest_hook *grown = realloc(m->hooks, (size_t)(m->n_hooks + 1) * sizeof *grown);
    if (!grown) FAIL(GLIMPSE_E_MEMORY, "no memory for a hook");
    grown[m->n_hooks++] = (guest_hook){fn, user};
    m->hooks = grown;
    return GLIMPSE_OK;
}

static glimpse_status on_set_tokenizer(void *to, const glimpse_tokenizer *given) {
    modules *m = ((module *)to)->all;
    if (!given || given->size == 0) FAIL(GLIMPSE_E_INVALID, "set_tokenizer: no tokenizer\nhint: start from GLIMPSE_TOKENIZER_INIT");
    if (m->has_tokenizer) FAIL(GLIMPSE_E_INVALID, "set_tokenizer: a module has given a tokenizer already");
    m->tokenizer = (glimpse_tokenizer)GLIMPSE_TOKENIZER_INIT;
    memcpy(&m->tokenizer, given, given->size < sizeof m->tokenizer ? given->size : sizeof m->tokenizer);
    m->tokenizer.size = sizeof m->tokenizer;
    m->has_tokenizer = true;
    return GLIMPSE_OK;
}

static glimpse_status on_set_logits(void *to, glimpse_logits_fn logits, glimpse_logits_fn logits_all, void *user) {
    modules *m = ((module *)to)->all;
    if (!logits && !logits_all) FAIL(GLIMPSE_E_INVALID, "set_logits: both functions are NULL");
    if (!m->model) FAIL(GLIMPSE_E_UNSUPPORTED, "set_logits: offline the model is the checkpoint's");
    if (m->logits || m->logits_all) FAIL(GLIMPSE_E_INVALID, "set_logits: a module has given a model function already");
    m->logits = logits;
    m->logits_all = logits_all;
    m->logits_user = user;
    return GLIMPSE_OK;
}

static int on_refuse(void *to, const char *why) {
    module *m = to;
    free(m->refusal);
    m->refusal = strdup(why && *why ? why : "without a reason");
    return -1;
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

/* "lib.so:ARGS" at the first colon, unless a file has the whole name. */
static glimpse_status split(module *m, const char *given) {
    const char *colon = path_is_file(given) ? NULL : strchr(given, ':');
    size_t n = colon ? (size_t)(colon - given) : strlen(given);
    if (!n) FAIL(GLIMPSE_E_INVALID, "--module %s names no library before the colon\nhint: --module lib.so, or --module lib.so:ARGUMENTS", given);
    m->args = strdup(colon ? colon + 1 : "");
    m->path = strndup(given, n);
    if (m->path && !strchr(m->path, '/') && path_is_file(m->path)) { /* without a slash dlopen looks elsewhere */
        char *here = path_join(".", m->path);
        free(m->path);
        m->path = here;
    }
    if (!m->path || !m->args) FAIL(GLIMPSE_E_MEMORY, "no memory for --module");
    return GLIMPSE_OK;
}

static glimpse_status load(module *m) {
    m->library = dlopen(m->path, RTLD_NOW | RTLD_LOCAL);
    if (!m->library) {
        const char *why = dlerror();
        FAIL(GLIMPSE_E_LIBRARY, "--module %s was not loaded: %s\nhint: give its path; Glimpse's own functions are called through "
             "host->api", m->path, why ? why : "");
    }
    m->table = dlsym(m->library, GLIMPSE_MODULE_SYMBOL);
    if (!m->table)
        FAIL(GLIMPSE_E_LIBRARY, "--module %s has no symbol %s: it is no module\nhint: examples/custom_sampler.c shows one", m->path,
             GLIMPSE_MODULE_SYMBOL);
    if (m->table->size < offsetof(glimpse_module, close) || m->table->version != GLIMPSE_MODULE_VERSION || !m->table->open)
        FAIL(GLIMPSE_E_LIBRARY, "--module %s is of version %u, with %zu bytes; this Glimpse knows version %d\nhint: compile it with "
             "this glimpse.h", m->path, (unsigned)m->table->version, m->table->size, GLIMPSE_MODULE_VERSION);
    return GLIMPSE_OK;
}

static glimpse_status open_one(modules *all, module *m, const char *given) {
    m->all = all;
    TRY(split(m, given));
    TRY(load(m));
    glimpse_module_host host = {.size = sizeof host, .args = m->args, .model = all->model, .api = &glimpse_api_v1, .to = m, .add_sampler = on_add_sampler,
                                .add_hook = on_add_hook, .set_tokenizer = on_set_tokenizer, .set_logits = on_set_logits,
                                .refuse = on_refuse};
    status_clear();
    int code = m->table->open(&host, &m->state);
    if (code == 0) {
        m->opened = true;
        return GLIMPSE_OK;
    }
    if (m->refusal) FAIL(GLIMPSE_E_LIBRARY, "--module %s refuses: %s", m->path, m->refusal);
    char *why = strdup(status_text()); /* of a call that failed: it may have returned just that */
    glimpse_status st = status_fail(GLIMPSE_E_LIBRARY, __FILE__, __LINE__, "--module %s refuses: its open returned %d%s%s", m->path,
                                    code, why && *why ? ": " : "", why ? why : "");
    free(why);
    return st;
}

glimpse_status modules_open(const options *o, const glimpse_model *model, modules **out) {
    int n = (int)opt_count(o, OPT_module);
    *out = NULL;
    if (n == 0) return GLIMPSE_OK;
    if (n > MOST_MODULES) FAIL(GLIMPSE_E_INVALID, "--module: more than %d", MOST_MODULES);
    modules *m = calloc(1, sizeof *m);
    if (m) m->of = calloc((size_t)n, sizeof *m->of);
    glimpse_status st = GLIMPSE_OK;
    if (!m || !m->of) st = status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for --module");
    if (m) m->model = model;
    for (int i = 0; st >= 0 && i < n; i++) {
        m->n++;
        st = open_one(m, &m->of[i], opt_str_at(o, OPT_module, i));
    }
    if (st < 0) modules_close(m);
    else *out = m;
    return st;
}

/* --- use ---------------------------------------------------------------------------------------------------------- */

glimpse_status modules_describe(const modules *m, glimpse_model *model) {
    if (!m) return GLIMPSE_OK;
    if (m->has_tokenizer) model->tokenizer = m->tokenizer;
    if (!m->logits && !m->logits_all) return GLIMPSE_OK;
    if (model->logits || model->logits_all)
        FAIL(GLIMPSE_E_INVALID, "--module gives a model function, and the trainer gives another\nhint: leave one of them out");
    model->logits = m->logits;
    model->logits_all = m->logits_all;
    model->logits_user = m->logits_user;
    return GLIMPSE_OK;
}

const glimpse_tokenizer *modules_tokenizer(const modules *m) { return m && m->has_tokenizer ? &m->tokenizer : NULL; }

glimpse_status modules_join(modules *m, const session_api *api, session *s) {
    for (int i = 0; m && i < m->n_samplers; i++) {
        glimpse_sampler vt;
        void *state = NULL;
        TRY(inline_wrap_sampler(NULL, &m->samplers[i].vt, m->samplers[i].user, &vt, &state));
        glimpse_status st = session_said(api, api->add_sampler(s, &vt, state));
        if (st >= 0) continue;
        vt.free(state);
        HINT("the sampler %s comes from --module", m->samplers[i].vt.name);
        return st;
    }
    return GLIMPSE_OK;
}

void modules_record(const modules *m, const glimpse_record *record) {
    for (int i = 0; m && i < m->n_hooks; i++) m->hooks[i].fn(m->hooks[i].user, record);
}

void modules_close(modules *m) {
    if (!m) return;
    for (int i = m->n - 1; i >= 0; i--) {
        module *x = &m->of[i];
        if (x->opened && x->table->size > offsetof(glimpse_module, close) && x->table->close) x->table->close(x->state);
    }
    for (int i = m->n - 1; i >= 0; i--) {
        module *x = &m->of[i];
        if (x->library) dlclose(x->library);
        free(x->path);
        free(x->args);
        free(x->refusal);
    }
    for (int i = 0; i < m->n_samplers; i++) free((char *)(uintptr_t)m->samplers[i].vt.name);
    free(m->samplers);
    free(m->hooks);
    free(m->of);
    free(m);
}
