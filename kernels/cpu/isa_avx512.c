/* isa_avx512.c -- the CPU backend's loops for AVX-512 (flags: -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma
 * -mf16c).  Chosen at run time by backend_cpu.c. */
#if defined(__x86_64__)
#include "kernels/cpu/vec_avx512.h"

#include "kernels/cpu/vec_math.h"

#include "kernels/cpu/attend.h"

const cpu_kernels cpu_kernels_avx512 = {
    .name = "avx512",
    .embed = embed_rows,
    .prologue = prologue_rows,
    .epilogue = epilogue_rows,
    .matmul = matmul_chunk,
    .attend = attend_group,
    .map = map_values,
};
#endif
