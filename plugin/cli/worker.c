/* worker.c -- `glimpse worker`, the child of `glimpse keeper`: the process that samples for a trainer.  Started by
 * libglimpse.so (plugin/spawn.c), never by hand; it speaks worker_protocol.h over descriptor 3, runs a session on the
 * mapped snapshot, and ends with its trainer: at the end of file, or when the trainer's process is gone, it finishes what
 * was sent and exits.
 *
 * A guest of the machine: nice 19 with short slices, no faster than it must (pace.h), first in the OOM killer's eyes, no
 * core file, every processor of the cpuset and not only those the trainer is bound to, the trainer's stderr written only
 * while somebody reads it.  Called by commands.c. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "build_id.h" /* written by the Makefile: GLIMPSE_BUILD_ID */
#include "include/internal/file.h"
#include "include/internal/record.h"
#include "include/internal/threads.h"
#include "plugin/cli/cli.h"
#include "plugin/cli/import.h"
#include "plugin/cli/pace.h"
#include "plugin/guest.h"
#include "plugin/lock_holder.h"
#include "plugin/module.h"
#include "plugin/worker_protocol.h"

enum { FROM_GPU = -1, STDERR_WAIT_MS = 1000, HELLO_WAIT_MS = 60000, MOST_WAITING = 64 };

typedef struct worker {
    const session_api *api;
    session *s;
    modules *mods;          /* NULL = none */
    hello hello;            /* the description; its memory is behind `model` */
    glimpse_model model;    /* tensors bound into the snapshot */
    void *snapshot;         /* one slot of it is mapped here, whichever is asked for: the tensors stay in their place */
    int snapshot_fd, n_slots, slot; /* slot: which is mapped, FROM_GPU = memory of ours with a copy from the GPU */
    import *gpu;            /* the snapshot on a GPU, NULL = none is offered */
    weights_source source;  /* what the session asks for the weights of an eval; weights on a GPU alone */
    weights_part part;      /* its only one: the slot */
    enum {                  /* where the weights of this eval are: */
        WEIGHTS_MAPPED,     /* in host memory, from the first */
        WEIGHTS_ON_GPU, WEIGHTS_OPENED, WEIGHTS_GIVEN_BACK /* in a slot on the GPU, which we have open, which is the trainer's again:
                               then what it holds is anybody's guess */
    } weights;
    int gpu_slot;           /* of this eval, unless its weights are mapped */
    int64_t gpu_id;
    uint64_t host_epoch;    /* whose weights are mapped */
    char no_gpu[WHY_BYTES]; /* why the weights' GPU could not be found here */
    int trainer;            /* pidfd of the trainer, -1 = not to be had */
    pid_t trainer_pid;
    bool alone;             /* the trainer is gone: nobody is told any more */
    bool hooked;            /* this eval's record is wanted back */
    double blocked_s;       /* of this eval */
    pace pace;
    message waiting[MOST_WAITING]; /* (n_waiting) taken during a rest, oldest first */
    int n_waiting;
    bool locked;            /* the directory was another's when this eval asked */
    double waited_s;        /* for it, while nothing told that it will be free */
} worker;

/* --- manners ----------------------------------------------------------------------------------------------------- */

/* Before Linux 5.9, and in sandboxes that do not know the call, one after the other. */
static void close_from(int first) {
    if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *e; d && (e = readdir(d));) {
        int64_t fd;
        if (parse_i64(e->d_name, strlen(e->d_name), &fd) && fd >= first && fd != dirfd(d)) close((int)fd);
    }
    if (d) closedir(d);
}

static void take_descriptors_over(void) {
    for (int fd = 0; fd <= STDERR_FILENO; fd++) /* the trainer may have closed its stderr: the number stays taken */
        if (fcntl(fd, F_GETFD) < 0) (void)!open("/dev/null", O_RDWR);
    close_from(WORKER_SOCKET + 1);
    fcntl(WORKER_SOCKET, F_SETFD, FD_CLOEXEC);
}

/* A thread of the trainer that wakes at a barrier gets its processor when the slice of whoever runs there is over, however
 * low that one's weight is: ours are as short as Linux allows (since 6.12; the kernels before do not read the field). */
static void take_short_slices(void) {
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline, period;
    } attr = {.size = sizeof attr, .policy = SCHED_OTHER, .nice = 19, .runtime_ns = 100000}; /* sched_setattr(2)'s, version 0 */
    syscall(SYS_sched_setattr, 0, &attr, 0U);
}

static void behave(void) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGTTOU, &ignore, NULL); /* a terminal with `stty tostop`: a line of ours must not stop us */
    setpriority(PRIO_PROCESS, 0, 19);
    take_short_slices();
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all); /* the kernel keeps it within the cpuset */
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "800", 3);
        close(fd);
    }
}

/* --- speaking ---------------------------------------------------------------------------------------------------- */

/* Send, waiting for room as long as the trainer lives. */
static glimpse_status tell(worker *w, message_head *head, const void *payload, size_t n) {
    while (!w->alone) {
        glimpse_status st = message_send(WORKER_SOCKET, head, payload, n, -1);
        if (st == GLIMPSE_OK) return st;
        if (st == GLIMPSE_E_WORKER) w->alone = true;
        if (st < 0) return st;
        struct pollfd p[2] = {{WORKER_SOCKET, POLLOUT, 0}, {w->trainer, POLLIN, 0}};
        poll(p, 2, 1000);
        if (p[1].revents & POLLIN) w->alone = true;
    }
    return GLIMPSE_SKIPPED;
}

/* To the trainer's stderr: in one write, but for a pipe in pieces that what poll calls writable takes without waiting.  A
 * pipe that nobody reads loses the line after a second, and everything once the trainer is gone. */
static void write_stderr(worker *w, const char *text, size_t n) {
    struct stat s;
    size_t most = fstat(STDERR_FILENO, &s) == 0 && (S_ISREG(s.st_mode) || S_ISCHR(s.st_mode)) ? n : (size_t)PIPE_BUF;
    while (n > 0) {
        struct pollfd p[2] = {{STDERR_FILENO, POLLOUT, 0}, {w->alone ? -1 : w->trainer, POLLIN, 0}};
        if (poll(p, 2, w->alone ? 0 : STDERR_WAIT_MS) < 1) return;
        if (p[1].revents) w->alone = true;
        if (!(p[0].revents & POLLOUT)) {
            if (p[0].revents) return;
            continue; /* the trainer ended meanwhile: once more, without waiting */
        }
        ssize_t k = write(STDERR_FILENO, text, n < most ? n : most);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return;
        text += k;
        n -= (size_t)k;
    }
}

static void on_log(void *user, const char *line) {
    worker *w = user;
    if (w->hello.log_back) {
        message_head head = {.kind = MSG_LOG};
        tell(w, &head, line, strlen(line));
        return;
    }
    buffer b = {0};
    guest_for_stderr(line, &b);
    buf_putc(&b, '\n');
    if (!buf_failed(&b)) write_stderr(w, b.bytes, b.n);
    buf_free(&b);
}

static void on_record(void *user, const glimpse_record *record) {
    worker *w = user;
    modules_record(w->mods, record);
    if (!w->hooked) return;
    buffer b = {0};
    message_head head = {.kind = MSG_RECORD, .step = record->step};
    if (record_pack(record, &b) >= 0) tell(w, &head, b.bytes, b.n);
    buf_free(&b);
}

/* The directory is another's.  Nobody waits for this worker but the evals, which are skipped meanwhile: it waits for a
 * worker that finishes for a trainer that is gone, however long that takes, and --close_timeout for one it cannot make out. */
static bool on_locked(void *user, const char *dir) {
    worker *w = user;
    const struct timespec between = {0, 20000000};
    struct pollfd p = {w->trainer, POLLIN, 0};
    lock_holder h = lock_holder_of(dir, w->trainer_pid);
    if (h == HOLDER_ALIVE) return false;
    if (!w->locked && h == HOLDER_ENDING) {
        buffer b = {0};
        buf_printf(&b, "glimpse: %s: waiting for the worker of the run before, which finishes its last eval", dir);
        if (!buf_failed(&b)) on_log(w, buf_str(&b));
        buf_free(&b);
    }
    w->locked = true;
    if (poll(&p, 1, 0) > 0) w->alone = true;
    if (h == HOLDER_ENDING && !w->alone) w->waited_s = 0;
    if (w->waited_s > opt_float(w->hello.o, OPT_close_timeout)) return false;
    nanosleep(&between, NULL);
    w->waited_s += 1e-9 * (double)between.tv_nsec; /* no clock: while this process stood still, nobody's patience was tried */
    return true;
}

static bool on_taken(void *user, const char *dir) { return lock_holder_of(dir, ((worker *)user)->trainer_pid) == HOLDER_ALIVE; }

/* The trainer has ended, or closed its end: a shutdown of its writing side alone is the end, too. */
static bool is_alone(void *user) {
    worker *w = user;
    struct pollfd p[2] = {{WORKER_SOCKET, POLLRDHUP, 0}, {w->trainer, POLLIN, 0}};
    return w->alone || poll(p, 2, 0) > 0;
}

/* Between two matrices: the trainer's turn.  The rest ends where somebody wants something, and the eval then hurries; a note
 * wants nothing. */
static int rest(void *user) {
    worker *w = user;
    for (double left = pace_debt(&w->pace); left > 0 && w->n_waiting < MOST_WAITING;) {
        const struct timespec most = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
        struct pollfd p[2] = {{WORKER_SOCKET, POLLIN | POLLRDHUP, 0}, {w->trainer, POLLIN, 0}};
        double began = monotonic_s();
        int n = ppoll(p, 2, &most, NULL);
        double s = monotonic_s() - began;
        pace_rested(&w->pace, s);
        left -= s;
        if (n <= 0) continue;
        message *m = &w->waiting[w->n_waiting];
        *m = (message)MESSAGE_INIT;
        if (message_receive(WORKER_SOCKET, m) != GLIMPSE_OK) { /* the end */
            pace_hurry(&w->pace);
            break;
        }
        if (m->head.kind != MSG_NOTE) pace_hurry(&w->pace), left = 0;
        if (m->head.kind == MSG_HURRY) message_free(m);
        else w->n_waiting++;
    }
    return w->pace.threads;
}

static double blocked(void *user) { return ((const worker *)user)->blocked_s; }

/* --- opening ----------------------------------------------------------------------------------------------------- */

static glimpse_status map_snapshot(worker *w, int fd) {
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END), slot = (off_t)w->hello.snapshot_bytes;
    if (slot <= 0 || size < slot || size % slot || size / slot > 2)
        FAIL(GLIMPSE_E_WORKER, "the snapshot is missing or of another size");
    w->n_slots = (int)(size / slot);
    w->snapshot_fd = fd;
    w->snapshot = mmap(NULL, w->hello.snapshot_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (w->snapshot == MAP_FAILED) {
        w->snapshot = NULL;
        FAIL(GLIMPSE_E_MEMORY, "the snapshot cannot be mapped: %s", strerror(errno));
    }
    return GLIMPSE_OK;
}

static glimpse_status use_slot(worker *w, int slot) {
    if (slot == w->slot) return GLIMPSE_OK;
    if (slot < 0 || slot >= w->n_slots) FAIL(GLIMPSE_E_FORMAT, "slot %d of a snapshot of %d", slot, w->n_slots);
    if (mmap(w->snapshot, w->hello.snapshot_bytes, PROT_READ, MAP_SHARED | MAP_FIXED, w->snapshot_fd,
             (off_t)slot * (off_t)w->hello.snapshot_bytes) == MAP_FAILED)
        FAIL(GLIMPSE_E_MEMORY, "the snapshot cannot be mapped: %s", strerror(errno));
    w->slot = slot;
    return GLIMPSE_OK;
}

/* --- weights on a GPU: what the session asks (weights_source.h) ------------------------------------------------------ */

static glimpse_status left_text(glimpse_status st, char *why, size_t cap) {
    if (st < 0) c_snprintf(why, cap, "%s", status_text());
    return st;
}

static glimpse_status open_slot(worker *w) {
    uint64_t at = 0;
    if (w->weights == WEIGHTS_GIVEN_BACK)
        FAIL(GLIMPSE_E_STATE, "the weights of this eval on the GPU were read already, and are no longer there");
    if (!w->gpu) FAIL(GLIMPSE_E_DEVICE, "the weights lie on a GPU that this worker could not open");
    if (w->weights == WEIGHTS_OPENED) return GLIMPSE_OK;
    TRY(import_begin(w->gpu, w->gpu_slot, w->hello.snapshot_bytes, &at));
    w->part = (weights_part){w->snapshot, w->hello.snapshot_bytes, at};
    w->weights = WEIGHTS_OPENED;
    return GLIMPSE_OK;
}

/* Brought to where the slots of the host are mapped: the tensors stay in their place. */
static glimpse_status copy_slot(worker *w) {
    size_t bytes = w->hello.snapshot_bytes;
    TRY(open_slot(w));
    if (w->slot != FROM_GPU && mmap(w->snapshot, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        FAIL(GLIMPSE_E_MEMORY, "no memory for a copy of the weights: %s", strerror(errno));
    w->slot = FROM_GPU;
    TRY(import_copy(w->gpu, w->snapshot, bytes));
    w->host_epoch = w->source.epoch;
    return GLIMPSE_OK;
}

static glimpse_status on_host(void *user, char *why, size_t cap) {
    worker *w = user;
    return w->host_epoch == w->source.epoch ? GLIMPSE_OK : left_text(copy_slot(w), why, cap);
}

static glimpse_status on_device(void *user, char *why, size_t cap) {
    worker *w = user;
    if (w->weights == WEIGHTS_MAPPED) return GLIMPSE_SKIPPED;
    glimpse_status st = left_text(open_slot(w), why, cap);
    w->source.there = st >= 0;
    return st;
}

/* The slot is the trainer's again. */
static void taken(void *user) {
    worker *w = user;
    w->source.there = false;
    w->part.address = 0;
    if (w->weights == WEIGHTS_MAPPED || w->weights == WEIGHTS_GIVEN_BACK) return;
    import_end(w->gpu);
    w->weights = WEIGHTS_GIVEN_BACK;
    message_head head = {.kind = MSG_COPIED, .id = w->gpu_id};
    tell(w, &head, "", 0);
}

/* The weights of the next eval or check are in this slot. */
static glimpse_status take_slot(worker *w, int slot, int64_t id) {
    w->source.epoch++;
    w->weights = slot < DEVICE_SLOT ? WEIGHTS_MAPPED : WEIGHTS_ON_GPU;
    if (slot < DEVICE_SLOT) {
        TRY(use_slot(w, slot));
        w->host_epoch = w->source.epoch;
        return GLIMPSE_OK;
    }
    w->gpu_slot = slot - DEVICE_SLOT;
    w->gpu_id = id;
    return GLIMPSE_OK;
}

/* NULL = the weights are the host's. */
static weights_source *describe_source(worker *w) {
    const hello *h = &w->hello;
    uint64_t step = (uint64_t)2 << 20;
    if (!h->gpu && !h->gpu_why) return NULL;
    w->source = (weights_source){.user = w, .device = -1, .why_not = h->gpu_why, .parts = &w->part, .n_parts = 1,
                                 .on_host = on_host, .on_device = on_device, .taken = taken,
                                 .memory_percent = opt_float(h->o, OPT_gpu_memory_limit),
                                 .held_bytes = (h->snapshot_bytes + step - 1) / step * step * (uint64_t)w->n_slots,
                                 .keep_host = opt_bool(h->o, OPT_save_snapshots) || opt_count(h->o, OPT_module) > 0};
    if (h->gpu && !opt_is(h->o, OPT_device, "cpu") && import_find(h->gpu, &w->source.device) < 0) {
        c_snprintf(w->no_gpu, sizeof w->no_gpu, "%s", status_text());
        w->source.device = -1;
        w->source.why_not = w->no_gpu;
    }
    return &w->source;
}

static void open_gpu(worker *w, const message *m) {
    device_offer offer;
    import_close(w->gpu);
    w->gpu = NULL;
    glimpse_status st = GLIMPSE_OK;
    if (m->head.bytes != sizeof offer) st = status_fail(GLIMPSE_E_FORMAT, __FILE__, __LINE__, "an offer of another size");
    else memcpy(&offer, m->payload, sizeof offer);
    if (st >= 0) st = import_open(&offer, w->hello.snapshot_bytes, &w->gpu);
    const char *text = st < 0 ? status_text() : "";
    message_head head = {.kind = MSG_DEVICE, .status = (int32_t)st};
    tell(w, &head, text, strlen(text));
}

/* The description with tensors that lie in the snapshot, each checked again as at the first binding. */
static glimpse_status bind_snapshot(worker *w) {
    w->model = w->hello.model;
    w->model.tensors = NULL;
    w->model.n_tensors = 0;
    for (int32_t i = 0; i < w->hello.model.n_tensors; i++) {
        glimpse_tensor t = w->hello.model.tensors[i];
        t.data = (const char *)w->snapshot + w->hello.offsets[i];
        TRY(glimpse_bind_tensor(&w->model, &t));
    }
    return GLIMPSE_OK;
}

static glimpse_status on_opened(void *user, session *s, char *why, size_t cap) {
    worker *w = user;
    glimpse_status st = modules_join(w->mods, w->api, s);
    if (st < 0) c_snprintf(why, cap, "%s", status_text());
    return st;
}

static glimpse_status open_session(worker *w, message *m) {
    if (m->head.kind != MSG_HELLO) FAIL(GLIMPSE_E_FORMAT, "the first message is no description");
    TRY(hello_unpack(m->payload, (size_t)m->head.bytes, &w->hello));
    if (strcmp(w->hello.build_id, GLIMPSE_BUILD_ID) != 0)
        FAIL(GLIMPSE_E_LIBRARY, "the worker is of build " GLIMPSE_BUILD_ID ", the library of build %s", w->hello.build_id);
    if (w->hello.directory) (void)!chdir(w->hello.directory); /* the trainer may be elsewhere by now */
    TRY(map_snapshot(w, m->fd));
    m->fd = -1; /* kept */
    TRY(bind_snapshot(w));
    TRY(session_load(&w->api));
    session_host host = {.user = w, .log = on_log, .record = on_record, .blocked = blocked, .locked = on_locked, .taken = on_taken,
                         .between = rest, .alone = is_alone, .opened = on_opened,
                         .terminal = !w->hello.log_back && isatty(STDERR_FILENO)};
    host.weights = describe_source(w);
    host.begun = m->head.again == RUN_BEGAN_AT_0;
    host.seen = m->head.again != RUN_IS_NEW;
    memcpy(host.run, w->hello.run, sizeof host.run);
    w->pace.least = opt_float(w->hello.o, OPT_worker_share) / 100;
    TRY(modules_open(w->hello.o, &w->model, &w->mods));
    glimpse_model described = w->model; /* the modules are shown the trainer's */
    TRY(modules_describe(w->mods, &described));
    return session_said(w->api, w->api->open(w->hello.o, &described, &host, &w->s));
}

/* What a trainer asks before it opens: its options with those of the file beneath them, packed. */
static glimpse_status read_config(worker *w, const message *m, buffer *packed) {
    TRY(options_unpack(m->payload, (size_t)m->head.bytes, &w->hello.o));
    TRY(session_load(&w->api));
    if (opt_has(w->hello.o, OPT_config))
        TRY(session_said(w->api, w->api->read_config(w->hello.o, opt_str(w->hello.o, OPT_config))));
    return options_pack(w->hello.o, packed);
}

/* --- the loop ---------------------------------------------------------------------------------------------------- */

/* The next message; waits for it.  False: the trainer is gone and everything it sent was taken. */
static bool next_message(worker *w, message *m, int wait_ms) {
    if (w->n_waiting) {
        *m = w->waiting[0];
        memmove(w->waiting, w->waiting + 1, (size_t)--w->n_waiting * sizeof *w->waiting);
        return true;
    }
    for (;;) {
        glimpse_status st = message_receive(WORKER_SOCKET, m);
        if (st == GLIMPSE_OK) return true;
        if (st < 0 || w->alone) return false;
        struct pollfd p[2] = {{WORKER_SOCKET, POLLIN, 0}, {w->trainer, POLLIN, 0}};
        int n = poll(p, 2, wait_ms);
        if (n == 0) return false;
        /* A forked child of the trainer may hold the other end: then only the process tells of its end. */
        if (n > 0 && p[1].revents) w->alone = true;
    }
}

static glimpse_status check(worker *w, const message *m) {
    const message_head *h = &m->head;
    size_t n = h->B > 0 && h->T > 0 ? (size_t)h->B * (size_t)h->T : 0;
    bool each = h->bytes == 3 * n * sizeof(int32_t);
    if (!n || (!each && h->bytes != 2 * n * sizeof(int32_t)))
        FAIL(GLIMPSE_E_FORMAT, "a check of %llu bytes", (unsigned long long)h->bytes);
    TRY(take_slot(w, h->slot, h->id));
    const int32_t *ids = (const int32_t *)(const void *)m->payload;
    return session_said(w->api, w->api->check(w->s, ids, ids + n, h->B, h->T, h->val_loss,
                                              each ? (const float *)(const void *)(ids + 2 * n) : NULL));
}

/* False: this process is of no use any more, a GPU's failure stays with it; the next eval has a new worker. */
static bool serve(worker *w, const message *m) {
    const message_head *h = &m->head;
    glimpse_status st;
    w->hooked = h->hooked == 1;
    w->blocked_s = h->blocked_s;
    w->locked = false;
    w->waited_s = 0;
    switch (h->kind) {
    case MSG_DEVICE: open_gpu(w, m); return true;
    case MSG_EVAL:
        st = take_slot(w, h->slot, h->id);
        if (st < 0) {
            char why[WHY_BYTES];
            c_snprintf(why, sizeof why, "%s", status_text());
            w->api->note(w->s, h->step, h->train_loss, h->val_loss, NOTE_FAILED, why, 0, false);
            status_set_text(st, why);
            break;
        }
        pace_begin(&w->pace, h->interval_s);
        st = w->api->eval(w->s, h->step, h->train_loss, h->val_loss);
        pace_end(&w->pace);
        taken(w); /* if it did not ask for its weights */
        st = session_said(w->api, st);
        break;
    case MSG_NOTE:
        st = session_said(w->api, w->api->note(w->s, h->step, h->train_loss, h->val_loss, (note_kind)h->status, m->payload,
                                               h->again == 1 ? h->posted : 0, h->told == 1));
        break;
    case MSG_CHECK: st = check(w, m); break;
    default: return true; /* not a request: nobody waits for an answer */
    }
    message_head done = {.kind = MSG_DONE, .id = h->id, .step = h->step, .status = (int32_t)st};
    w->api->schedule(w->s, &done.due);
    done.told = st < 0 && w->api->told(w->s);
    const char *text = st < 0 ? status_text() : "";
    tell(w, &done, text, strlen(text));
    return st != GLIMPSE_E_DEVICE;
}

static void say_words(const char *text) {
    message_head head = {.kind = MSG_WORDS};
    message_send(WORKER_SOCKET, &head, text, strlen(text), -1);
}

static int run(worker *w) {
    message m = MESSAGE_INIT;
    buffer packed = {0};
    if (!next_message(w, &m, HELLO_WAIT_MS)) return 1;
    bool config = m.head.kind == MSG_CONFIG;
    glimpse_status st = config ? read_config(w, &m, &packed) : open_session(w, &m);
    message_free(&m);
    if (!config && is_alone(w)) return 0; /* too late to know what has become of the run: session_journal.c, lock_directory */
    message_head ready = {.kind = MSG_READY, .status = (int32_t)st};
    if (st < 0) tell(w, &ready, status_text(), strlen(status_text()));
    else tell(w, &ready, buf_str(&packed), packed.n);
    buf_free(&packed);
    if (st < 0 || config) return 0;
    for (bool good = true; good && next_message(w, &m, -1);) {
        good = serve(w, &m);
        message_free(&m);
    }
    return 0;
}

int cli_worker(int argc, char **argv) {
    int type = 0;
    socklen_t n = sizeof type;
    if (getsockopt(WORKER_SOCKET, SOL_SOCKET, SO_TYPE, &type, &n) != 0 || type != SOCK_SEQPACKET) {
        static const guest_log to_stderr;
        guest_say(&to_stderr, "glimpse: `glimpse worker` is started by libglimpse.so, not by hand");
        return 2;
    }
    take_descriptors_over();
    if (argc < 3 || strcmp(argv[2], GLIMPSE_BUILD_ID) != 0) {
        say_words("the program is of build " GLIMPSE_BUILD_ID);
        return 1;
    }
    worker w = {.trainer = -1};
    struct ucred peer = {0};
    n = sizeof peer;
    if (getsockopt(WORKER_SOCKET, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.pid > 0)
        w.trainer = (int)syscall(SYS_pidfd_open, w.trainer_pid = peer.pid, 0U);
    keeper_fork(argv, w.trainer);
    behave();
    int code = run(&w);
    if (w.s) w.api->close(w.s);
    modules_close(w.mods);
    glimpse_model_free(&w.model);
    import_close(w.gpu);
    if (w.snapshot) munmap(w.snapshot, w.hello.snapshot_bytes);
    hello_free(&w.hello);
    return code;
}
