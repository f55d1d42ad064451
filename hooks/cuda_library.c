/* cuda_library.c -- libglimpse_cuda.so beside the session's library, or where the dynamic loader looks (cuda_library.h). */
#define _GNU_SOURCE
#include "hooks/cuda_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "build_id.h" /* written by the Makefile: GLIMPSE_BUILD_ID */
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "kernels/cuda/cuda_module.h"

#define CUDA_FILE "libglimpse_cuda.so.0"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const cuda_module *loaded;

static char *own_folder(void) {
    Dl_info info;
    static const char here; /* an address of ours that is no function pointer */
    if (!dladdr(&here, &info) || !info.dli_fname || !strchr(info.dli_fname, '/')) return NULL;
    char *path = realpath(info.dli_fname, NULL), *dir = path ? path_dir(path) : NULL;
    free(path);
    return dir;
}

static glimpse_status load_from(const char *path, const cuda_module **out) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        FAIL(GLIMPSE_E_LIBRARY, "the CUDA backend was not loaded: %s\nhint: build with CUDA=1 and install " CUDA_FILE
             " beside libglimpse_session.so, with cuBLAS where the loader finds it; or --device cpu", why ? why : path);
    }
    const cuda_module *m = dlsym(handle, CUDA_MODULE_SYMBOL);
    if (m && m->build_id && strcmp(m->build_id, GLIMPSE_BUILD_ID) == 0) {
        m->share_status(status_place_here);
        *out = m;
        return GLIMPSE_OK;
    }
    glimpse_status st = status_fail(GLIMPSE_E_LIBRARY, __FILE__, __LINE__, "%s is of build %s, this is build %s\nhint: install both "
                                    "from one build, or --device cpu", path, m && m->build_id ? m->build_id : "(none)", GLIMPSE_BUILD_ID);
    dlclose(handle);
    return st;
}

static glimpse_status find_and_load(const cuda_module **out) {
    char *dir = own_folder(), *beside = dir ? path_join(dir, CUDA_FILE) : NULL;
    glimpse_status st = load_from(beside && path_is_file(beside) ? beside : CUDA_FILE, out);
    free(dir);
    free(beside);
    return st;
}

glimpse_status cuda_library_load(const backend_ops **out) {
    pthread_mutex_lock(&lock);
    glimpse_status st = loaded ? GLIMPSE_OK : find_and_load(&loaded);
    pthread_mutex_unlock(&lock);
    if (st >= 0) *out = loaded->ops;
    return st;
}

glimpse_status cuda_library_probe(int32_t device) { return loaded->probe(device); }

bool cuda_library_gpu_is_there(void) {
    int n = 0;
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL); /* kept: unloading a driver helps nobody */
    if (!driver) return false;
    int (*init)(unsigned), (*count)(int *);
    void *at[2] = { dlsym(driver, "cuInit"), dlsym(driver, "cuDeviceGetCount") };
    if (!at[0] || !at[1]) return false;
    memcpy(&init, &at[0], sizeof init);
    memcpy(&count, &at[1], sizeof count);
    return init(0) == 0 && count(&n) == 0 && n > 0;
}

bool cuda_device_of(const char *text, int32_t *device) {
    if (!text || strncmp(text, "cuda", 4) != 0) return false;
    *device = 0;
    if (!text[4]) return true;
    if (text[4] != ':' || !text[5] || strlen(text) > 7) return false;
    for (const char *c = text + 5; *c; c++) {
        if (*c < '0' || *c > '9') return false;
        *device = *device * 10 + (*c - '0');
    }
    return true;
}
