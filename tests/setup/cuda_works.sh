#!/bin/sh
# cuda_works.sh -- can the CUDA backend be built here?  Prints 1 or 0.  Called by kernels/cuda/cuda.mk where nobody said CUDA=0 or
# CUDA=1: a toolkit that is too old for the chips, that refuses this machine's compiler or lacks cuBLAS must not keep the rest of
# Glimpse from being built.  NVCC, COMPILE, LINK and LIBS are the backend's own.  The answer stays in build/cuda_works, three lines: what
# was asked, the answer, why not (shown by `make info`).
at=build/cuda_works
asked="$NVCC $(stat -L -c '%Y %s' "$NVCC" 2>/dev/null) $(${CC:-gcc} -dumpfullversion 2>/dev/null) $COMPILE $LINK $LIBS"
[ "$(sed -n 1p $at 2>/dev/null)" = "$asked" ] && { sed -n 2p $at; exit; }
t=$(mktemp -d) || { echo 0; exit; }
trap 'rm -rf "$t"' EXIT
cat >"$t/try.cu" <<'END'
#include <cublas_v2.h>
#include <cuda_runtime.h>
__global__ void one(int *p) { *p = 1; }
extern "C" int works(cublasHandle_t *h, int *p) {
    one<<<1, 1>>>(p);
    return cublasCreate(h);
}
END
answer=1 why=
said=$({ $COMPILE -c "$t/try.cu" -o "$t/try.o" && $LINK "$t/try.o" $LIBS -o "$t/try.so"; } 2>&1) || {
    answer=0
    why=$(printf '%s\n' "$said" | grep -iE -m1 'fatal|error|cannot|not found' || printf '%s\n' "$said" | tail -n1)
    echo "without CUDA: $NVCC cannot build the backend here: $why (CUDA=1 tries it all the same, CUDA=0 does not ask)" >&2
}
mkdir -p build
printf '%s\n' "$asked" "$answer" "$why" >"$at.$$" && mv "$at.$$" "$at"
echo $answer
