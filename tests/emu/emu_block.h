/* emu_block.h -- what emu_runtime.c asks of emu_block.c. */
#ifndef GLIMPSE_TEST_EMU_BLOCK_H
#define GLIMPSE_TEST_EMU_BLOCK_H

#include "tests/emu/emu.h"

uint64_t emu_random(void);
void emu_permutation(int *out, int n); /* 0 .. n - 1 in today's order */
enum { EMU_TOGETHER = 4 }; /* blocks */
size_t emu_shared_limit(void); /* of the device */
/* Runs `n` blocks to their end, taking turns; 0 = a problem was said, or no memory. */
int emu_run_blocks(emu_body run, const void *arguments, emu_dim grid, emu_dim size, const emu_dim *blocks, int n, size_t dynamic_bytes,
                   int chained);

#endif
