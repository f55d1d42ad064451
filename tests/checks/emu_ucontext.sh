#!/bin/sh
# The emulation's fibers by ucontext, as on a processor other than x86-64: barriers, gathers, lanes that ended, divergence.
cat >"$TMP/fibers.c" <<'C'
#include <stdarg.h>
#include <stdio.h>
#include "tests/emu/emu_block.h"
static int said, wrong;
void emu_say_problem(const char *fmt, ...) { (void)fmt, said++; }
static void sums(const void *to) {
    int mine = (int)emu_self->thread.x, all[32], *shared = emu_shared(&said, 96 * sizeof *shared), sum = 0, total = 0;
    if (mine >= 90) return;
    emu_warp_gather(&mine, sizeof mine, all);
    for (int i = 0; i < 32; i++) sum += all[i];
    shared[mine] = sum;
    emu_sync_block();
    for (int i = 0; i < 90; i++) total += shared[i];
    wrong += total != 32 * (31 * 16) + 32 * (31 * 16 + 32 * 32) + 26 * (25 * 13 + 26 * 64);
    ++*(int *)(unsigned long)to;
}
static void apart(const void *to) {
    (void)to;
    if (emu_self->thread.x < 5) emu_sync_block();
    else emu_sync_warp();
}
size_t emu_shared_limit(void) { return 48 * 1024; }
int main(void) {
    int ran = 0;
    for (int order = EMU_FORWARD; order <= EMU_RANDOM; order++) {
        emu_schedule(order, 3);
        wrong += !emu_run_blocks(sums, &ran, (emu_dim){1, 1, 1}, (emu_dim){96, 1, 1}, &(emu_dim){0, 0, 0}, 1, 64, 0);
    }
    wrong += said != 0 || ran != 270;
    wrong += emu_run_blocks(apart, &ran, (emu_dim){1, 1, 1}, (emu_dim){32, 1, 1}, &(emu_dim){0, 0, 0}, 1, 0, 0) || said != 1;
    printf("%d wrong, %d threads ran, %d problems\n", wrong, ran, said);
    return wrong != 0;
}
C
for how in -DEMU_UCONTEXT -DEMU_OWN; do
    "${CC:-cc}" -std=c17 -D_GNU_SOURCE= -O1 -Wall -Wextra -Werror $how -I. "$TMP/fibers.c" tests/emu/emu_block.c -o "$TMP/fibers" || exit 1
    "$TMP/fibers" || { echo "^ $how"; exit 1; }
done
