/* isa_avx2.c -- the CPU backend's loops for AVX2 with FMA and F16C (flags: -mavx2 -mfma -mf16c).  Chosen at run time by backend_cpu.c. */
#if defined(__x86_64__)
#include "kernels/cpu/vec_avx2.h"

#include "kernels/cpu/vec_math.h"

#include "kernels/cpu/attend.h"

const cpu_kernels cpu_kernels_avx2 = {
    .name = "avx2",
    .embed = embed_rows,
    .prologue = prologue_rows,
    .epilogue = epilogue_rows,
    .matmul = matmul_chunk,
    .attend = attend_group,
    .map = map_values,
};
#endif
