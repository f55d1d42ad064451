/* driver.c -- CUDA's driver library, loaded where a tensor lies on a device (driver.h). */
#define _GNU_SOURCE
#include "plugin/driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define LIBRARY "libcuda.so.1"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static driver table;
static bool loaded;

static glimpse_status find_calls(void *library, driver *out) {
    const char *missing = NULL;
#define DRIVER_FIND(member, symbol, parameters)                                                                         \
    do {                                                                                                                \
        void *at = dlsym(library, #symbol);                                                                             \
        if (!at && !missing) missing = #symbol;                                                                         \
        memcpy(&out->member, &at, sizeof at);                                                                           \
    } while (0);
    DRIVER_CALLS(DRIVER_FIND)
#undef DRIVER_FIND
    if (missing)
        FAIL(GLIMPSE_E_DEVICE, "the NVIDIA driver is too old: " LIBRARY " has no %s\nhint: a driver for CUDA %d.0 or later", missing,
             CU_LEAST_VERSION / 1000);
    int version = 0;
    cu_result e = out->version(&version);
    if (e != CU_OK) return driver_failed(out, e, "version");
    if (version < CU_LEAST_VERSION)
        FAIL(GLIMPSE_E_DEVICE, "the NVIDIA driver is too old: it is for CUDA %d.%d\nhint: a driver for CUDA %d.0 or later",
             version / 1000, version / 10 % 100, CU_LEAST_VERSION / 1000);
    return GLIMPSE_OK;
}

static glimpse_status load(bool present) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | (present ? RTLD_NOLOAD : 0));
    if (!library) FAIL(GLIMPSE_E_DEVICE, "there is no NVIDIA driver here (" LIBRARY ")");
    driver found;
    glimpse_status st = find_calls(library, &found);
    if (st < 0) {
        dlclose(library);
        return st;
    }
    table = found;
    loaded = true;
    return GLIMPSE_OK;
}

glimpse_status driver_load(bool present, const driver **out) {
    pthread_mutex_lock(&lock);
    glimpse_status st = loaded ? GLIMPSE_OK : load(present);
    pthread_mutex_unlock(&lock);
    if (st >= 0) *out = &table;
    return st;
}

static const char *symbol_of(const char *member) {
#define DRIVER_NAME(name, symbol, parameters)                                                                           \
    if (strcmp(member, #name) == 0) return #symbol;
    DRIVER_CALLS(DRIVER_NAME)
#undef DRIVER_NAME
    return member;
}

glimpse_status driver_failed(const driver *cu, cu_result error, const char *what) {
    const char *name = NULL;
    if (cu->error_name(error, &name) != CU_OK || !name) name = "an unknown error";
    FAIL(error == CU_OUT_OF_MEMORY ? GLIMPSE_E_MEMORY : GLIMPSE_E_DEVICE, "the GPU's driver failed: %s: %s (%d)", symbol_of(what), name,
         error);
}

glimpse_status driver_enter(const driver *cu, cu_context context, driver_guard *guard) {
    *guard = (driver_guard){.mode = CU_CAPTURE_RELAXED};
    DRIVER_TRY(cu, capture_mode, &guard->mode);
    guard->exchanged = true;
    cu_result e = cu->push(context);
    if (e != CU_OK) {
        driver_leave(cu, guard);
        return driver_failed(cu, e, "push");
    }
    guard->pushed = true;
    return GLIMPSE_OK;
}

void driver_leave(const driver *cu, driver_guard *guard) {
    cu_context ours;
    if (guard->pushed) cu->pop(&ours);
    if (guard->exchanged) cu->capture_mode(&guard->mode);
    *guard = (driver_guard){0};
}
