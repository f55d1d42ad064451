/* spawn.c -- starting the worker (spawn.h). */
#define _GNU_SOURCE
#include "plugin/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build_id.h" /* written by the Makefile: GLIMPSE_BUILD_ID */
#include "include/internal/file.h"
#include "plugin/guest.h"
#include "plugin/worker_protocol.h"

extern char **environ;

glimpse_status spawn_find(char **program) {
    const char *set = getenv("GLIMPSE_WORKER");
    if (set && *set) {
        if (!path_is_file(set) || access(set, X_OK) != 0)
            FAIL(GLIMPSE_E_LIBRARY, "off: GLIMPSE_WORKER=%s is no program\nhint: set it to the program glimpse, or sample "
                 "within the eval with --mode inline", set);
        char *path = strdup(set);
        if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a path");
        *program = path;
        return GLIMPSE_OK;
    }
    glimpse_status st = GLIMPSE_OK;
    char *own = guest_own_path(), *dir = own ? path_dir(own) : NULL, *path = NULL;
    static const char *const places[] = {"glimpse", "../bin/glimpse"};
    for (size_t i = 0; dir && i < sizeof places / sizeof *places; i++) {
        free(path);
        path = path_join(dir, places[i]);
        if (!path || !path_is_file(path) || access(path, X_OK) != 0) continue;
        *program = path;
        path = NULL;
        goto out;
    }
    FAIL_GOTO(GLIMPSE_E_LIBRARY, "off: the program glimpse is neither beside %s nor in ../bin\nhint: set GLIMPSE_WORKER to its "
              "path, or sample within the eval with --mode inline", own ? own : "libglimpse.so");
out:
    free(own);
    free(dir);
    free(path);
    return st;
}

typedef struct order { /* what the intermediate does, in the memory it shares with the trainer */
    const char *program;
    char *const *argv;
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attr;
    pid_t pid;
    int err;
    bool is_child;        /* of this process: nobody else could start it */
} order;

static int intermediate(void *arg) {
    order *o = arg;
    o->err = posix_spawn(&o->pid, o->program, o->actions, o->attr, o->argv, environ);
    return 0;
}

/* Run the order in a clone that is gone when this returns. */
static int run_order(order *o) {
    enum { STACK_BYTES = 256 << 10 };
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return errno;
    sigset_t all, before;
    int cancel, status;
    sigfillset(&all);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* a handler of the trainer must not run in the intermediate */
    o->err = ECHILD;
    pid_t pid = clone(intermediate, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK, o);
    if (pid < 0 && errno == EINVAL) intermediate(o), o->is_child = true; /* unknown here: an emulator of programs */
    else if (pid < 0) o->err = errno;
    else
        while (waitpid(pid, &status, __WCLONE) < 0 && errno == EINTR) {}
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_setcancelstate(cancel, &cancel);
    munmap(stack, STACK_BYTES);
    return o->err;
}

/* Whether it adopts what its children leave behind. */
static bool adopts(void) {
    int subreaper = 0;
    return getpid() == 1 || (prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0) == 0 && subreaper);
}

glimpse_status spawn_worker(const char *program, int *socket_out, pid_t *pid, bool *is_child) {
    glimpse_status st = GLIMPSE_OK;
    int ends[2] = {-1, -1}, err = 0;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        FAIL(GLIMPSE_E_WORKER, "no socket for the worker: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        ends[i] = file_above_stdio(ends[i]);
        if (ends[i] < 0) err = errno;
    }
    if (posix_spawn_file_actions_init(&actions) != 0) err = ENOMEM, actions = (posix_spawn_file_actions_t){0};
    if (!err) err = posix_spawn_file_actions_adddup2(&actions, ends[1], WORKER_SOCKET);
    if (!err) err = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!err) err = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    char trainer[16]; /* whose worker it is: lock_holder.c, and whoever reads `ps` */
    c_snprintf(trainer, sizeof trainer, "%d", (int)getpid());
    char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)"keeper", (char *)(uintptr_t)GLIMPSE_BUILD_ID, trainer, NULL};
    order o = {.program = program, .argv = argv, .actions = &actions, .attr = &attr};
    if (!err) err = run_order(&o);
    if (err)
        FAIL_GOTO(GLIMPSE_E_WORKER, "the worker %s did not start: %s%s", program, strerror(err),
                  err == ENOENT && !path_exists("/dev/null") ? ": /dev/null" : ""); /* in a bare chroot */
    *socket_out = ends[0];
    *pid = o.pid;
    *is_child = o.is_child || adopts();
    ends[0] = -1;
out:
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) close(ends[i]);
    return st;
}

bool spawn_reap(pid_t pid, bool wait) {
    int status;
    pid_t r;
    do r = waitpid(pid, &status, wait ? 0 : WNOHANG);
    while (r < 0 && errno == EINTR);
    return r != 0;
}
