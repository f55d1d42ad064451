/* ptx_orders.c -- global memory that two threads of a launch use, one of them writing, with nothing that orders them; what a kernel
 * asks for before its griddepcontrol.wait of what the one ahead wrote; ld.global.nc of what is written (ptx_machine.c asks).
 *
 * Source: PTX ISA, "Memory Consistency Model".  Within a block barriers order, as in ptx_races.c.  Between blocks of one launch
 * a release that an acquire reads, or reads what came of it through read-modify-writes, and what is before the one and behind
 * the other in program order or by a barrier of the block: vector clocks of which a component is how many barriers a block has
 * left.  A block's clock is its threads' at their last barrier; what one learns by an acquire the others know behind the next.
 * Between launches all is ordered but for what a chained launch does before its wait.
 *
 * Of each word the last write is remembered (of each of its halves) and, of up to four blocks, the last use: the persistent
 * kernel has no more (EMU_TOGETHER).  In a larger launch blocks share a memory, and a word that several of them read is taken
 * to be read by one that nothing orders.  A *stamp* stands for a thread between two barriers, or for several of a warp or
 * of a block; stamps rise, so those of earlier launches are below the first of this one.  Strong operations never race with each
 * other.  Only what PTX does is seen: copies, cuBLAS and the host write unnoticed.  What orders in the run that is seen is taken
 * to order: a wait that is left out shows where it would have been too early, so in some orders of EMU_RANDOM. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/emu/ptx/ptx_machine.h"

enum { PAGE_BITS = 12, WORDS = (1 << PAGE_BITS) / 4, SLOTS = 4, SEVERAL = 0xffff, WARPS = 32, MOST_PAGES = 1 << 14 };
/* Beside a place. */
#define PLACE_MASK 0xfffffffu
#define USED_STRONG 0x10000000u
#define USED_WRITE 0x20000000u
#define USED_CONSTANT 0x40000000u
#define MANY_BLOCKS 0xffffffffu
#define MOST_STAMPS 0xf0000000u

typedef struct word {
    uint32_t writer[2], wrote_at[2]; /* stamps and places: a module << PTX_PLACE_BITS | its place */
    uint32_t user[SLOTS], used_at[SLOTS]; /* reads, and strong operations of all kinds */
} word;

typedef struct who { uint32_t block, barriers, warp_barriers; uint16_t thread, warp; } who; /* SEVERAL */

/* What is known of one block: all that it did before its so many-th barrier, and all of one of its threads up to a stamp. */
typedef struct known { uint32_t barriers, stamp; } known;

typedef struct block_state {
    known *clock, *coming; /* of all blocks; coming: from the barrier number coming_at on.  NULL = nothing is known */
    uint32_t coming_at, several, several_at; /* the stamp of several of its threads, after so many barriers */
    struct { uint32_t stamp, barriers, warp_barriers; } warp[WARPS]; /* of several of a warp */
} block_state;

/* A word that something was released to: what who acquires from it learns. */
typedef struct flag { uint64_t address; known *clock; } flag;

static struct {
    long number;            /* emu_launches() */
    uint32_t n_blocks, first, first_in_flight; /* stamps: of this launch, of the launches that it may overlap */
    block_state *blocks;
    flag *flags;
    int n_flags;
    void **taken;           /* memory of this launch */
    int n_taken;
} launch;
static who *whos;           /* of stamps launch.first .. next_stamp - 1 */
static uint32_t next_stamp = 1, room_whos;

typedef struct page { uint64_t number; word *words; } page;
static page *pages;         /* a table of 2^page_bits */
static int page_bits, n_pages;

static void *need(void *p) {
    if (!p) ptx_fault("no memory to watch it", 0, 0);
    return p;
}
static known *take_clock(void) {
    launch.taken = need(realloc(launch.taken, (size_t)(launch.n_taken + 1) * sizeof *launch.taken));
    return launch.taken[launch.n_taken++] = need(calloc(launch.n_blocks, sizeof(known)));
}

/* Words ----------------------------------------------------------------------------------------------------------- */

static size_t place_in(uint64_t number) {
    size_t i = number * 0x9e3779b97f4a7c15u >> (64 - page_bits);
    while (pages[i].words && pages[i].number != number) i = (i + 1) & (((size_t)1 << page_bits) - 1);
    return i;
}
static void grow(void) {
    page *before = pages;
    const size_t n = page_bits ? (size_t)1 << page_bits : 0;
    page_bits = page_bits ? page_bits + 1 : 10;
    pages = need(calloc((size_t)1 << page_bits, sizeof *pages));
    for (size_t i = 0; i < n; i++)
        if (before[i].words) pages[place_in(before[i].number)] = before[i];
    free(before);
}
static word *word_of(uint64_t address) {
    static uint64_t last = UINT64_MAX;
    static word *words;
    const uint64_t number = address >> PAGE_BITS;
    if (!n_pages || number != last) {
        if (2 * n_pages >= (page_bits ? 1 << page_bits : 0)) grow();
        const size_t i = place_in(number);
        if (!pages[i].words) {
            pages[i].words = need(calloc(WORDS, sizeof(word)));
            pages[i].number = number;
            n_pages++;
        }
        last = number;
        words = pages[i].words;
    }
    return words + address % (1 << PAGE_BITS) / 4;
}
static void forget_all(void) {
    for (size_t i = 0; page_bits && i < (size_t)1 << page_bits; i++) free(pages[i].words);
    free(pages);
    pages = NULL;
    page_bits = n_pages = 0;
    next_stamp = 1;
}

/* Stamps and clocks ------------------------------------------------------------------------------------------------ */

static uint32_t stamp_new(who w) {
    const uint32_t i = next_stamp - launch.first;
    if (i == room_whos) {
        room_whos = room_whos ? room_whos * 2 : 4096;
        whos = need(realloc(whos, room_whos * sizeof *whos));
    }
    whos[i] = w;
    return next_stamp++;
}
static const who *who_is(uint32_t stamp) { return &whos[stamp - launch.first]; }
static uint16_t my_warp(void) { return (uint16_t)(emu_self->thread.x / 32); }
static uint32_t my_stamp(ptx_thread *t) {
    if (!t->stamp)
        t->stamp = stamp_new((who){t->block, t->barriers, t->warp_barriers, (uint16_t)emu_self->thread.x, my_warp()});
    return t->stamp;
}
static uint32_t several_of_warp(const ptx_thread *t) {
    block_state *b = &launch.blocks[t->block];
    const uint16_t w = my_warp();
    if (!b->warp[w].stamp || b->warp[w].barriers != t->barriers || b->warp[w].warp_barriers != t->warp_barriers) {
        b->warp[w].stamp = stamp_new((who){t->block, t->barriers, t->warp_barriers, SEVERAL, w});
        b->warp[w].barriers = t->barriers;
        b->warp[w].warp_barriers = t->warp_barriers;
    }
    return b->warp[w].stamp;
}
static uint32_t several_of_block(const ptx_thread *t) {
    block_state *b = &launch.blocks[t->block];
    if (!b->several || b->several_at != t->barriers) b->several = stamp_new((who){t->block, t->barriers, 0, SEVERAL, SEVERAL});
    b->several_at = t->barriers;
    return b->several;
}

static int knows(const known *clock, const who *w, uint32_t stamp) {
    if (!clock) return 0;
    const known *k = &clock[w->block];
    return w->barriers < k->barriers || (k->stamp && stamp <= k->stamp && w->thread != SEVERAL && who_is(k->stamp)->thread == w->thread);
}
/* Is what this stamp did before what the thread does now? */
static int is_before(const ptx_thread *t, uint32_t stamp) {
    if (stamp < launch.first || stamp == t->stamp) return 1;
    const who *w = who_is(stamp);
    if (w->block == t->block)
        return w->barriers != t->barriers || w->thread == emu_self->thread.x || (w->warp == my_warp() && w->warp_barriers != t->warp_barriers);
    return w->block != MANY_BLOCKS && (knows(launch.blocks[t->block].clock, w, stamp) || knows(t->learnt, w, stamp));
}

static void learn(known **to, const known *from) {
    if (!from) return;
    if (!*to) *to = take_clock();
    for (uint32_t i = 0; i < launch.n_blocks; i++) {
        if (from[i].barriers > (*to)[i].barriers) (*to)[i].barriers = from[i].barriers;
        if (from[i].stamp > (*to)[i].stamp) (*to)[i].stamp = from[i].stamp;
    }
}
static flag *flag_of(uint64_t address, int make) {
    for (int i = 0; i < launch.n_flags; i++)
        if (launch.flags[i].address == address) return &launch.flags[i];
    if (!make) return NULL;
    launch.flags = need(realloc(launch.flags, (size_t)(launch.n_flags + 1) * sizeof *launch.flags));
    launch.flags[launch.n_flags] = (flag){address, NULL};
    return &launch.flags[launch.n_flags++];
}
static void acquire(ptx_thread *t, uint64_t address) {
    const flag *f = flag_of(address, 0);
    if (f) learn(&t->learnt, f->clock);
}
static void release(ptx_thread *t, uint64_t address) {
    flag *f = flag_of(address, 1);
    if (!f->clock) f->clock = take_clock();
    learn(&f->clock, launch.blocks[t->block].clock);
    learn(&f->clock, t->learnt);
    known *mine = &f->clock[t->block];
    if (t->barriers > mine->barriers) mine->barriers = t->barriers;
    if (my_stamp(t) > mine->stamp) mine->stamp = t->stamp;
    t->stamp = 0; /* what follows is not released */
}

void ptx_order_arrive(ptx_thread *t) {
    block_state *b = &launch.blocks[t->block];
    if (!t->learnt) return;
    if (b->coming) learn(&b->coming, t->learnt);
    else b->coming = t->learnt;
    b->coming_at = t->barriers + 1;
    t->learnt = NULL;
}
/* The first to leave moves it on; one that is late finds what has come since, for the next barrier. */
void ptx_order_leave(ptx_thread *t) {
    block_state *b = &launch.blocks[t->block];
    if (!b->coming || b->coming_at != t->barriers) return;
    if (b->clock) learn(&b->clock, b->coming);
    else b->clock = b->coming;
    b->coming = NULL;
}

/* Uses -------------------------------------------------------------------------------------------------------------- */

static void clash(const ptx_thread *t, const char *what, uint64_t address, uint32_t stamp, uint32_t place) {
    const char *now = ptx_place_name(t->module, ptx_place), *then = ptx_place_name(ptx_module_of((place & PLACE_MASK) >> PTX_PLACE_BITS), place & ((1u << PTX_PLACE_BITS) - 1));
    const who none = {MANY_BLOCKS, 0, 0, SEVERAL, SEVERAL}, *w = stamp < launch.first ? &none : who_is(stamp);
    char it[64] = "several blocks", thread[32] = "several threads";
    if (w->thread != SEVERAL) snprintf(thread, sizeof thread, "thread %u", w->thread);
    if (w->block != MANY_BLOCKS) snprintf(it, sizeof it, "%s of block %u", thread, w->block);
    emu_say_problem("%s: %s: 0x%llx, by thread %u of block %u at %s, and by %s at %s", t->kernel->name, what, (unsigned long long)address,
                    emu_self->thread.x, t->block, now, stamp < launch.first ? "the kernel ahead" : it, then);
    emu_fault();
}

static void note_use(ptx_thread *t, word *w, uint32_t flags, uint32_t place) {
    const int slot = t->block % SLOTS;
    const uint32_t before = w->user[slot], mine = my_stamp(t);
    uint32_t stamp = mine;
    if (before >= launch.first && before != mine) {
        const who *other = who_is(before);
        flags |= w->used_at[slot] & USED_CONSTANT;
        if (!is_before(t, before)) {
            if (!(w->used_at[slot] & USED_STRONG)) flags &= ~USED_STRONG;
            flags |= w->used_at[slot] & USED_WRITE;
            if (other->block != t->block) stamp = other->block == MANY_BLOCKS ? before : stamp_new((who){MANY_BLOCKS, 0, 0, SEVERAL, SEVERAL});
            else stamp = other->warp == my_warp() ? several_of_warp(t) : several_of_block(t);
        }
    } else if (before == mine) {
        flags = (flags & w->used_at[slot] & USED_STRONG) | ((flags | w->used_at[slot]) & (USED_WRITE | USED_CONSTANT));
    }
    w->user[slot] = stamp;
    w->used_at[slot] = place | flags;
}

static void use_word(ptx_thread *t, word *w, uint64_t address, int halves, unsigned access, uint32_t place) {
    const int early = t->kernel->waits && !t->waited, writes = access & PTX_WRITE, strong = access & PTX_STRONG;
    for (int h = 0; h < 2; h++) {
        const uint32_t writer = w->writer[h];
        if (!(halves >> h & 1) || writer < launch.first_in_flight) continue;
        if (writer < launch.first) {
            if (early) clash(t, "it is read before the wait for the kernel that writes it", address, writer, w->wrote_at[h]);
            if (access & PTX_CONSTANT) clash(t, "it is read as constant where the kernel ahead may still write it", address, writer, w->wrote_at[h]);
            continue;
        }
        if (access & PTX_CONSTANT) clash(t, "it is read as constant in the launch that writes it", address, writer, w->wrote_at[h]);
        if (writer != t->stamp && !is_before(t, writer))
            clash(t, writes ? "a race: it is written by two threads" : "a race: it is read where another thread wrote it", address, writer, w->wrote_at[h]);
    }
    for (int s = 0; s < SLOTS; s++) {
        const uint32_t user = w->user[s], used = w->used_at[s];
        if (user < launch.first || user == t->stamp) continue;
        if (writes && used & USED_CONSTANT) clash(t, "it is written in the launch that reads it as constant", address, user, used);
        if (strong && used & USED_STRONG) continue;
        if ((writes || used & USED_WRITE) && !is_before(t, user))
            clash(t, writes ? "a race: it is written where another thread uses it" : "a race: it is read where another thread changes it", address, user, used);
    }
    if (!writes || strong) {
        note_use(t, w, (strong ? USED_STRONG : 0) | (strong && writes ? USED_WRITE : 0) | (access & PTX_CONSTANT ? USED_CONSTANT : 0), place);
        return;
    }
    int was_flag = 0;
    for (int s = 0; s < SLOTS; s++) was_flag |= w->user[s] >= launch.first && w->used_at[s] & USED_STRONG;
    if (was_flag && flag_of(address, 0)) flag_of(address, 0)->clock = NULL; /* who reads this reads no release */
    for (int h = 0; h < 2; h++)
        if (halves >> h & 1) w->writer[h] = my_stamp(t), w->wrote_at[h] = place;
    if (halves == 3) memset(w->user, 0, sizeof w->user); /* they are before this, and so before what comes behind it */
}

void ptx_order(ptx_thread *t, uint64_t address, size_t bytes, unsigned access) {
    const uint32_t place = t->module->number << PTX_PLACE_BITS | ptx_place;
    if (access & PTX_WRITE && t->kernel->waits && !t->waited) ptx_fault("global memory is written before the wait for the kernel ahead", address, bytes);
    if (access & PTX_ACQUIRE) acquire(t, address); /* so what it read from is before it */
    for (uint64_t a = address & ~(uint64_t)3; a < address + bytes; a += 4) {
        const int halves = (a + 2 > address) | (a + 2 < address + bytes) << 1;
        use_word(t, word_of(a), a, halves, access, place);
    }
    if (access & PTX_RELEASE) release(t, address);
}

/* Launches ---------------------------------------------------------------------------------------------------------- */

void ptx_order_begin(ptx_thread *t) {
    const emu_dim g = emu_self->grid, b = emu_self->block;
    t->stamp = 0;
    t->learnt = NULL;
    t->block = b.x + g.x * (b.y + g.y * b.z);
    if (launch.number == emu_launches()) return;
    for (int i = 0; i < launch.n_taken; i++) free(launch.taken[i]);
    free(launch.blocks);
    launch.n_taken = launch.n_flags = 0;
    if (!emu_overlaps() && (n_pages > MOST_PAGES || next_stamp > MOST_STAMPS)) forget_all();
    launch.number = emu_launches();
    launch.first = next_stamp;
    if (!emu_overlaps()) launch.first_in_flight = next_stamp;
    launch.n_blocks = g.x * g.y * g.z;
    launch.blocks = need(calloc(launch.n_blocks, sizeof *launch.blocks));
}
