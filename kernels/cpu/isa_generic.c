/* isa_generic.c -- the CPU backend's loops in plain C.  Chosen at run time by backend_cpu.c. */
#include "kernels/cpu/vec_generic.h"

#include "kernels/cpu/vec_math.h"

#include "kernels/cpu/attend.h"

const cpu_kernels cpu_kernels_generic = {
    .name = "generic",
    .embed = embed_rows,
    .prologue = prologue_rows,
    .epilogue = epilogue_rows,
    .matmul = matmul_chunk,
    .attend = attend_group,
    .map = map_values,
};
