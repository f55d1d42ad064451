/* emu_cublas.c -- cuBLAS's product, in double, on the emulated streams (emu.h). */
#include <cublas_v2.h>

#include <stdlib.h>

#include "kernels/dtype.h"
#include "tests/emu/emu.h"

struct emu_cublas { cudaStream_t stream; cublasMath_t mode; };

typedef struct product {
    int ta, tb, m, n, k, lda, ldb, ldc;
    float alpha, beta;
    const void *A, *B;
    glimpse_dtype at, bt;
    float *C;
} product;

static glimpse_dtype dtype_of(cudaDataType t) { return t == CUDA_R_32F ? GLIMPSE_F32 : t == CUDA_R_16F ? GLIMPSE_F16 : GLIMPSE_BF16; }

static void run_product(void *data) {
    const product *p = data;
    for (int j = 0; j < p->n; j++)
        for (int i = 0; i < p->m; i++) {
            double sum = 0;
            for (int l = 0; l < p->k; l++)
                sum += (double)load_element(p->A, p->at, p->ta ? (int64_t)i * p->lda + l : (int64_t)l * p->lda + i) *
                       (double)load_element(p->B, p->bt, p->tb ? (int64_t)l * p->ldb + j : (int64_t)j * p->ldb + l);
            float *c = p->C + (int64_t)j * p->ldc + i;
            *c = (float)(p->alpha * sum + (p->beta ? (double)p->beta * (double)*c : 0));
        }
}

#define CALL()                                                                                                         \
    do {                                                                                                               \
        int e_ = emu_call();                                                                                           \
        if (e_) return e_ == cudaErrorMemoryAllocation ? CUBLAS_STATUS_ALLOC_FAILED : CUBLAS_STATUS_EXECUTION_FAILED;  \
    } while (0)

cublasStatus_t cublasCreate(cublasHandle_t *out) {
    int e = emu_call();
    if (e) return e == cudaErrorMemoryAllocation ? CUBLAS_STATUS_NOT_INITIALIZED : CUBLAS_STATUS_EXECUTION_FAILED; /* as the library says it */
    if (!(*out = calloc(1, sizeof **out))) return CUBLAS_STATUS_ALLOC_FAILED;
    emu_count_handle(1);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy(cublasHandle_t h) {
    int failed = emu_call();
    emu_count_handle(-1);
    free(h);
    return failed ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream(cublasHandle_t h, cudaStream_t s) {
    CALL();
    h->stream = s;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t h, cublasMath_t mode) {
    CALL();
    h->mode = mode;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace(cublasHandle_t h, void *workspace, size_t bytes) {
    CALL();
    (void)h, (void)workspace, (void)bytes;
    return CUBLAS_STATUS_SUCCESS;
}
const char *cublasGetStatusName(cublasStatus_t s) { return s == CUBLAS_STATUS_SUCCESS ? "CUBLAS_STATUS_SUCCESS" : "CUBLAS_STATUS"; }

cublasStatus_t cublasGemmEx(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                            const void *alpha, const void *A, cudaDataType at, int lda, const void *B, cudaDataType bt,
                            int ldb, const void *beta, void *C, cudaDataType ct, int ldc, cublasComputeType_t compute,
                            cublasGemmAlgo_t algo) {
    CALL();
    (void)algo;
    if (at == CUDA_R_16BF && (h->mode == CUBLAS_PEDANTIC_MATH || compute == CUBLAS_COMPUTE_32F_PEDANTIC))
        emu_say_problem("a product of bf16 that may not use the tensor cores");
    if (ct != CUDA_R_32F || at != bt || lda < (ta ? k : m) || ldb < (tb ? n : k) || ldc < m) return CUBLAS_STATUS_INVALID_VALUE;
    product p = {.ta = ta, .tb = tb, .m = m, .n = n, .k = k, .lda = lda, .ldb = ldb, .ldc = ldc, .A = A, .B = B,
                 .at = dtype_of(at), .bt = dtype_of(bt), .C = C};
    memcpy(&p.alpha, alpha, sizeof p.alpha);
    memcpy(&p.beta, beta, sizeof p.beta);
    return emu_enqueue(h->stream, run_product, &p, sizeof p) ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}
