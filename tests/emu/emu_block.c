/* emu_block.c -- the blocks of a kernel, one or those that run together: their threads as fibers, barriers, shared memory (emu.h).
 *
 * A fiber runs until it waits or ends.  A barrier opens when as many have arrived as are alive; when a round over all
 * threads moves none of them, they wait for different things: divergence.  A switch is fifteen lines of assembly on
 * x86-64 (20 ns; ucontext, which saves the signal mask, takes 300) and ucontext elsewhere. */
#define _GNU_SOURCE
#include "tests/emu/emu_block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/emu/emu.h"

#if defined(__x86_64__) && !defined(EMU_UCONTEXT) /* tests/checks/emu_ucontext.sh */
#define OWN_SWITCH 1
#else
#define OWN_SWITCH 0
#include <ucontext.h>
#endif

enum { STACK_BYTES = 128 << 10, GUARD_BYTES = 4096, MAX_THREADS = 1024, MAX_FIBERS = EMU_TOGETHER * MAX_THREADS, WARP = 32, MAX_SHARED = 32, FIXED_SHARED = 48 << 10 };

typedef enum fiber_state { READY, AT_BLOCK, AT_WARP, DONE } fiber_state;

typedef struct fiber {
    emu_thread at;      /* first: emu_self points to it */
    fiber_state state;
    char *stack;
    int waited;         /* for the kernel before, in a chained launch */
#if OWN_SWITCH
    void *sp;
#else
    ucontext_t context;
#endif
} fiber;

typedef struct warp_state {
    int alive, arrived;
    int parity;
    unsigned char slot[2][WARP * 64]; /* of as many bytes a lane as all of them give */
    unsigned given[2];
} warp_state;

typedef struct resident { /* a block that runs */
    fiber *fibers;
    int n_fibers, alive, arrived;
    int yielded;        /* a thread waits for another block */
    int faulted;
    void *own;          /* *emu_self->of_block */
    warp_state warps[MAX_THREADS / WARP];
    struct { const void *key; void *memory; } shared[MAX_SHARED];
    int n_shared;
    size_t fixed_bytes, dynamic_bytes; /* of shared memory */
    void *dynamic;
} resident;

emu_thread *emu_self;
void (*emu_instead)(const void *, unsigned char *const *, const size_t *, int);
static fiber fibers[MAX_FIBERS];
static resident residents[EMU_TOGETHER];
static resident *now;   /* whose turn it is */
static emu_body body;
static const void *body_arguments;
static uint64_t random_state = 1, ticks;
static long lost_arrival, arrivals;
static int order;

uint64_t emu_random(void) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    uint64_t x = random_state ^ (random_state >> 33);
    return (x * 0xff51afd7ed558ccdull) >> 32;
}

/* GLIMPSE_EMU_ORDER=forward, reverse or a seed: that order in every test and every worker, whatever they ask for. */
static void force_order(uint64_t seed) {
    const char *asked = getenv("GLIMPSE_EMU_ORDER");
    if (!asked || !*asked) return;
    order = !strcmp(asked, "forward") ? EMU_FORWARD : !strcmp(asked, "reverse") ? EMU_REVERSE : EMU_RANDOM;
    if (order == EMU_RANDOM) random_state = (strtoull(asked, NULL, 10) * 1000003 + seed) * 2 + 1;
}
__attribute__((constructor)) static void first_order(void) { force_order(0); }

void emu_schedule(int new_order, uint64_t seed) {
    order = new_order;
    random_state = seed * 2 + 1;
    force_order(seed);
}

void emu_permutation(int *out, int n) {
    for (int i = 0; i < n; i++) out[i] = order == EMU_REVERSE ? n - 1 - i : i;
    if (order != EMU_RANDOM) return;
    for (int i = n - 1; i > 0; i--) {
        int j = (int)(emu_random() % (uint64_t)(i + 1)), t = out[i];
        out[i] = out[j];
        out[j] = t;
    }
}

/* Switching ------------------------------------------------------------------------------------------------------ */

static void fiber_main(void);
#if OWN_SWITCH
static void *main_sp;
/* Saves what a called function must keep (System V ABI) and changes stacks. */
void emu_switch_stacks(void **save, void *to);
__asm__(".text\n .globl emu_switch_stacks\n .type emu_switch_stacks, @function\nemu_switch_stacks:\n"
        "pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
        "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
        "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n"
        ".size emu_switch_stacks, . - emu_switch_stacks\n");
static void fiber_start(fiber *f) {
    void **top = (void **)(void *)(f->stack + STACK_BYTES);
    *--top = NULL;              /* fiber_main is entered with rsp = 8 mod 16, as by a call */
    *--top = (void *)(uintptr_t)fiber_main;
    for (int i = 0; i < 6; i++) *--top = NULL;
    f->sp = top;
}
static void resume(fiber *f) {
    emu_self = &f->at;
    emu_switch_stacks(&main_sp, f->sp);
    emu_self = NULL;
}
static void leave(fiber *f) { emu_switch_stacks(&f->sp, main_sp); }
#else
static ucontext_t main_context;
static void fiber_start(fiber *f) {
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = NULL;
    makecontext(&f->context, fiber_main, 0);
}
static void resume(fiber *f) {
    emu_self = &f->at;
    swapcontext(&main_context, &f->context);
    emu_self = NULL;
}
static void leave(fiber *f) { swapcontext(&f->context, &main_context); }
#endif

static fiber *self(void) { return (fiber *)(void *)emu_self; }
static int self_index(void) { return (int)(self() - now->fibers); }

/* Barriers ------------------------------------------------------------------------------------------------------- */

static void open_block_barrier(void) {
    if (!now->alive || now->arrived < now->alive) return;
    now->arrived = 0;
    for (int i = 0; i < now->n_fibers; i++)
        if (now->fibers[i].state == AT_BLOCK) now->fibers[i].state = READY;
}

static void open_warp_barrier(int w) {
    warp_state *s = &now->warps[w];
    if (!s->alive || s->arrived < s->alive) return;
    s->arrived = 0;
    s->parity ^= 1;
    s->given[s->parity] = 0;
    for (int i = w * WARP; i < (w + 1) * WARP && i < now->n_fibers; i++)
        if (now->fibers[i].state == AT_WARP) now->fibers[i].state = READY;
}

void emu_sync_block(void) {
    fiber *f = self();
    f->state = AT_BLOCK;
    now->arrived++;
    open_block_barrier();
    leave(f);
}

void emu_sync_warp(void) {
    fiber *f = self();
    int w = self_index() / WARP;
    f->state = AT_WARP;
    now->warps[w].arrived++;
    open_warp_barrier(w);
    leave(f);
}

/* Slots alternate: what is given at one barrier is read before the next but one can overwrite it. */
void emu_warp_gather(const void *mine, size_t n, void *all) {
    int i = self_index(), w = i / WARP, p = now->warps[w].parity;
    memcpy(now->warps[w].slot[p] + (size_t)(i % WARP) * n, mine, n);
    now->warps[w].given[p] |= 1u << (i % WARP);
    emu_sync_warp();
    memcpy(all, now->warps[w].slot[p], WARP * n);
    for (int lane = 0; lane < WARP && ~now->warps[w].given[p]; lane++)
        if (!(now->warps[w].given[p] >> lane & 1)) memset((unsigned char *)all + (size_t)lane * n, 0, n);
}

void emu_yield(void) {
    ticks++;
    now->yielded = 1;
    leave(self());
}
void emu_fault(void) {
    now->faulted = 1;
    leave(self());
    __builtin_unreachable(); /* nobody resumes it */
}
uint64_t emu_clock_ns(void) { return ticks * 100000; }
void emu_dependency_wait(void) { self()->waited = 1; }
void emu_lose_arrival(long nth) { lost_arrival = nth; }
long emu_arrivals(void) { return arrivals; }
unsigned emu_arrives(void) {
    arrivals++;
    return !(lost_arrival && --lost_arrival == 0);
}

static void fiber_main(void) {
    body(body_arguments);
    fiber *f = self();
    int w = self_index() / WARP;
    f->state = DONE;
    now->alive--;
    now->warps[w].alive--;
    open_block_barrier();
    open_warp_barrier(w);
    leave(f);
    __builtin_unreachable();
}

/* Shared memory -------------------------------------------------------------------------------------------------- */

void *emu_shared(const void *key, size_t bytes) {
    for (int i = 0; i < now->n_shared; i++)
        if (now->shared[i].key == key) return now->shared[i].memory;
    if (now->n_shared == MAX_SHARED) {
        emu_say_problem("more than %d __shared__ arrays in one kernel", MAX_SHARED);
        return now->shared[0].memory;
    }
    now->fixed_bytes += bytes;
    if (now->fixed_bytes > FIXED_SHARED || now->fixed_bytes + now->dynamic_bytes > emu_shared_limit())
        emu_say_problem("a block with %zu bytes of shared memory in arrays of their own and %zu besides", now->fixed_bytes, now->dynamic_bytes);
    void *m = malloc(bytes);
    memset(m, 0xff, bytes);
    now->shared[now->n_shared].key = key;
    now->shared[now->n_shared++].memory = m;
    return m;
}

void *emu_shared_dynamic(void) { return now->dynamic; }
size_t emu_shared_dynamic_bytes(void) { return now->dynamic_bytes; }

/* Blocks --------------------------------------------------------------------------------------------------------- */

static int give_stacks(fiber *f, int n) {
    for (int i = 0; i < n; i++) {
        if (f[i].stack) continue;
        char *m = mmap(NULL, STACK_BYTES + GUARD_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (m == MAP_FAILED) return 0;
        mprotect(m, GUARD_BYTES, PROT_NONE);
        f[i].stack = m + GUARD_BYTES;
    }
    return 1;
}

static int begin_block(resident *r, emu_dim grid, emu_dim size, emu_dim block, size_t dynamic_bytes) {
    memset(r, 0, sizeof *r);
    r->fibers = fibers + (r - residents) * MAX_THREADS;
    r->n_fibers = r->alive = (int)(size.x * size.y * size.z);
    if (!give_stacks(r->fibers, r->n_fibers)) return 0;
    r->dynamic_bytes = dynamic_bytes;
    if (dynamic_bytes) {
        r->dynamic = malloc(dynamic_bytes);
        memset(r->dynamic, 0xff, dynamic_bytes);
    }
    for (int i = 0; i < r->n_fibers; i++) {
        fiber *f = &r->fibers[i];
        f->at.thread = (emu_dim){(unsigned)i % size.x, (unsigned)i / size.x % size.y, (unsigned)i / (size.x * size.y)};
        f->at.block = block;
        f->at.block_size = size;
        f->at.grid = grid;
        f->at.of_block = &r->own;
        f->state = READY;
        f->waited = 0;
        fiber_start(f);
        r->warps[i / WARP].alive++;
    }
    return 1;
}

/* The block in turn runs to its end, or until one of its threads waits for another block; in random order, sometimes a round
 * alone.  0: its threads wait for different things, or one faulted. */
static int run_rounds(int *turn) {
    now->yielded = 0;
    while (now->alive && !now->yielded) {
        int moved = 0;
        emu_permutation(turn, now->n_fibers);
        for (int k = 0; k < now->n_fibers; k++) {
            fiber *f = &now->fibers[turn[k]];
            if (f->state != READY) continue;
            moved = 1;
            resume(f);
            if (now->faulted) return 0;
        }
        if (!moved) return 0;
        if (order == EMU_RANDOM && emu_random() % 8 == 0) break;
    }
    return 1;
}

static int says_divergence(const resident *r) {
    int at_block = 0, at_warp = 0, done = 0;
    const emu_dim b = r->fibers[0].at.block;
    for (int i = 0; i < r->n_fibers; i++) {
        at_block += r->fibers[i].state == AT_BLOCK;
        at_warp += r->fibers[i].state == AT_WARP;
        done += r->fibers[i].state == DONE;
    }
    emu_say_problem("barrier divergence in block (%u, %u, %u): of %d threads %d wait for the block, %d for their warp, %d "
                    "have ended", b.x, b.y, b.z, r->n_fibers, at_block, at_warp, done);
    return 0;
}

static int all_waited(const resident *r) {
    for (int i = 0; i < r->n_fibers; i++)
        if (!r->fibers[i].waited) {
            emu_say_problem("thread %d of a chained kernel ended without waiting for the kernel before it", i);
            return 0;
        }
    return 1;
}

int emu_run_blocks(emu_body run, const void *arguments, emu_dim grid, emu_dim size, const emu_dim *blocks, int n, size_t dynamic_bytes,
                   int chained) {
    static int turn[MAX_THREADS];
    int ok = 1, begun = 0, which[EMU_TOGETHER];
    body = run;
    body_arguments = arguments;
    while (begun < n && ok) ok = begin_block(&residents[begun], grid, size, blocks[begun], dynamic_bytes), begun++;
    for (int left = n; left && ok;) {
        left = 0;
        emu_permutation(which, n);
        for (int k = 0; k < n && ok; k++) {
            now = &residents[which[k]];
            if (now->alive && !run_rounds(turn)) ok = now->faulted ? 0 : says_divergence(now);
            left += now->alive > 0;
        }
    }
    for (int i = 0; i < begun; i++) {
        if (chained && ok) ok = all_waited(&residents[i]);
        for (int j = 0; j < residents[i].n_shared; j++) free(residents[i].shared[j].memory);
        free(residents[i].dynamic);
        free(residents[i].own);
    }
    return ok;
}
