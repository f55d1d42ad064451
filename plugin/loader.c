/* loader.c -- finds and loads the session library: beside the library (or program) that holds this code, in lib beside
 * its bin, and then wherever the dynamic loader looks.  The two are built together, so structs of include/internal cross
 * between them; a library of another build is refused by name instead of being called.  Called by glimpse_open and
 * glimpse_run; the program has a copy of its own for `glimpse report`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "build_id.h" /* written by the Makefile: GLIMPSE_BUILD_ID */
#include "plugin/guest.h"

#define SESSION_FILE "libglimpse_session.so.0"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const session_api *loaded; /* kept for the life of the process: its threads may outlive any glimpse */

char *guest_own_path(void) {
    Dl_info info;
    static const char here; /* an address of ours that is no function pointer */
    if (dladdr(&here, &info) && info.dli_fname && strchr(info.dli_fname, '/')) {
        char *path = realpath(info.dli_fname, NULL);
        if (path) return path;
    }
    return realpath("/proc/self/exe", NULL); /* linked statically into a program that was found in PATH */
}

static glimpse_status check_build(const session_api *api, const char *path, const char *own) {
    if (api->version != 1)
        FAIL(GLIMPSE_E_LIBRARY, "%s speaks version %u of the session's interface, %s speaks 1\nhint: install both from one build",
             path, (unsigned)api->version, own);
    if (!api->build_id || strcmp(api->build_id, GLIMPSE_BUILD_ID) != 0)
        FAIL(GLIMPSE_E_LIBRARY, "%s is of build %s, %s of build %s\nhint: install both from one build", path,
             api->build_id ? api->build_id : "(none)", own, GLIMPSE_BUILD_ID);
    return GLIMPSE_OK;
}

const char *guest_tight_limit(char words[64]) {
    static const struct { int what; rlim_t least_kb; const char *words; } limits[] = { /* a start takes about 64 kB and 10 MB */
        {RLIMIT_STACK, 256, "kB of stack (ulimit -s)"}, {RLIMIT_AS, 64 << 10, "kB of memory (ulimit -v)"}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit now;
        if (getrlimit(limits[i].what, &now) || now.rlim_cur >> 10 >= limits[i].least_kb) continue; /* RLIM_INFINITY is the largest */
        c_snprintf(words, 64, "%llu %s", (unsigned long long)now.rlim_cur >> 10, limits[i].words);
        return words;
    }
    return NULL;
}

static glimpse_status load_from(const char *path, const char *own, const session_api **out) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        char limit[64];
        if (guest_tight_limit(limit))
            FAIL(GLIMPSE_E_MEMORY, "the sampling library was not loaded: %s\nhint: this process is limited to %s", why ? why : path, limit);
        FAIL(GLIMPSE_E_LIBRARY, "the sampling library was not loaded: %s\nhint: install " SESSION_FILE
             " beside libglimpse.so, or name its folder in LD_LIBRARY_PATH", why ? why : path);
    }
    const session_api *api = dlsym(handle, GLIMPSE_SESSION_SYMBOL);
    glimpse_status st = GLIMPSE_OK;
    if (!api) st = status_fail(GLIMPSE_E_LIBRARY, __FILE__, __LINE__, "%s has no %s: it is not the sampling library", path,
                               GLIMPSE_SESSION_SYMBOL);
    else st = check_build(api, path, own);
    if (st < 0) {
        dlclose(handle);
        return st;
    }
    *out = api;
    return GLIMPSE_OK;
}

static glimpse_status find_and_load(const session_api **out) {
    glimpse_status st = GLIMPSE_OK;
    char *own = guest_own_path(), *dir = own ? path_dir(own) : NULL, *beside = NULL;
    static const char *const places[] = {SESSION_FILE, "../lib/" SESSION_FILE};
    for (size_t i = 0; dir && i < sizeof places / sizeof *places; i++) {
        free(beside);
        beside = path_join(dir, places[i]);
        if (beside && path_is_file(beside)) {
            TRY_GOTO(load_from(beside, own, out));
            goto out;
        }
    }
    TRY_GOTO(load_from(SESSION_FILE, own ? own : "libglimpse.so", out));
out:
    free(own);
    free(dir);
    free(beside);
    return st;
}

glimpse_status session_load(const session_api **out) {
    pthread_mutex_lock(&lock);
    const session_api *api = loaded;
    glimpse_status st = api ? GLIMPSE_OK : find_and_load(&api);
    if (st >= 0) *out = loaded = api;
    pthread_mutex_unlock(&lock);
    return st;
}

glimpse_status session_said(const session_api *api, glimpse_status st) {
    return st < 0 ? status_set_text(st, api->error()) : st;
}

void session_use(const session_api *api) {
    pthread_mutex_lock(&lock);
    loaded = api;
    pthread_mutex_unlock(&lock);
}
