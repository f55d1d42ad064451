/* ptx_races.c -- shared memory that two threads use with no barrier between them, of which one writes (ptx_machine.c asks).
 *
 * Fibers run one after the other, so a race gives the right value in most orders.  Here every two bytes remember who wrote and
 * who read them last, and after how many barriers: two accesses by different threads are ordered by a barrier of the block
 * between them, or, within a warp, by a bar.warp.sync; a shuffle, a vote and mma order no memory (PTX ISA, "Memory Consistency
 * Model").  Atomic operations may meet each other. */
#include <stdlib.h>

#include "tests/emu/ptx/ptx_machine.h"

enum { CELL = 2, SEVERAL = 0xffff };

typedef struct cell { /* threads are counted from 1 */
    uint32_t wrote_at, wrote_at_warp, read_at, read_at_warp; /* barriers of the block and of the warp by then */
    uint16_t writer, reader; /* reader: SEVERAL of one warp, if reader_warp is that */
    uint16_t reader_warp;
    uint16_t atomic;
} cell;

static int after_write(const cell *c, uint16_t me, const ptx_thread *t) {
    if (!c->writer || c->writer == me || c->wrote_at != t->barriers) return 1;
    return (c->writer - 1) / 32 == (me - 1) / 32 && c->wrote_at_warp != t->warp_barriers;
}
static int after_reads(const cell *c, uint16_t me, const ptx_thread *t) {
    if (!c->reader || c->reader == me || c->read_at != t->barriers) return 1;
    return c->reader_warp == (me - 1) / 32 && c->read_at_warp != t->warp_barriers;
}
static void note_read(cell *c, uint16_t me, const ptx_thread *t) {
    const uint16_t warp = (uint16_t)((me - 1) / 32);
    if (!c->reader || c->read_at != t->barriers || (c->reader_warp == warp && c->read_at_warp != t->warp_barriers)) c->reader = me, c->reader_warp = warp;
    else if (c->reader_warp != warp) c->reader_warp = c->reader = SEVERAL;
    else if (c->reader != me) c->reader = SEVERAL;
    c->read_at = t->barriers;
    c->read_at_warp = t->warp_barriers;
}

void ptx_race(const ptx_thread *t, size_t first, size_t bytes, size_t all, unsigned access) {
    const uint16_t me = (uint16_t)(emu_self->thread.x + 1);
    if (!*emu_self->of_block && !(*emu_self->of_block = calloc(all / CELL + 1, sizeof(cell)))) return;
    for (size_t i = first / CELL; i <= (first + bytes - 1) / CELL; i++) {
        cell *c = (cell *)*emu_self->of_block + i;
        if (!after_write(c, me, t) && !(access & PTX_STRONG && c->atomic))
            ptx_fault(!(access & PTX_WRITE) ? "a race: it is read where another thread wrote it" : "a race: it is written by two threads", first, bytes);
        if (!(access & PTX_WRITE)) {
            note_read(c, me, t);
            continue;
        }
        if (!after_reads(c, me, t)) ptx_fault("a race: it is written where another thread read it", first, bytes);
        c->writer = me;
        c->atomic = (access & PTX_STRONG) != 0;
        c->wrote_at = t->barriers;
        c->wrote_at_warp = t->warp_barriers;
    }
}
