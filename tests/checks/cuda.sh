#!/bin/sh
# What the .cu files keep to, so that they run emulated: PTX in ptx.cuh alone, launches and shared memory through its macros,
# and none of what the emulation does not have.  With nvcc, what was built exports one symbol; the decision path has no fused
# multiply-add that is not written.
bad=0
refuse() { # pattern, why, files
    pattern=$1 why=$2
    shift 2
    [ $# -gt 0 ] || return
    grep -nE "$pattern" "$@" /dev/null | grep -vE '^[^:]*:[0-9]+: ?(/?\*|//)' && { echo "^ $why"; bad=1; }
}
all=$(find kernels -name '*.cu' -o -name '*.cuh')
others=$(echo "$all" | grep -v '/ptx\.cuh$')
refuse '(^|[^a-z_])(__)?asm(__)?[ (]|asm volatile' 'PTX belongs into ptx.cuh' $others
refuse '<<<|extern __shared__|__shared__ ' 'LAUNCH, SHARED and SHARED_DYN are what the emulation knows' $others
refuse 'cooperative_groups|cuda::barrier|<cuda/|wgmma|__cluster_dims__|cluster_group|cudaGraphCond|[^_a-z]assert *\(|__trap|printf *\(' 'not in this project: the emulation does not have it' $all
refuse '__shfl|__ballot|__syncwarp|__ldg|__pipeline' 'the wrappers of ptx.cuh are what the emulation knows' $others
for f in $others; do grep -qE 'measured|floats_kernel' "$f" || ! grep -q __global__ "$f" || { echo "$f: a kernel without a word of what was measured"; bad=1; }; done
if [ -f "$B/libglimpse_cuda.so" ]; then
    found=$(nm -D --defined-only "$B/libglimpse_cuda.so" | awk '{ print $3 }')
    [ "$found" = glimpse_cuda_v1 ] || { echo "libglimpse_cuda.so exports: $found"; bad=1; }
fi
# The programs for a GPU, over the emulation and the driver for tests with tiny shapes, a worker and its trainer among them; a
# sanitizer, which takes minutes there, has the tests.
case $B in /*) at=$B ;; *) at=$(pwd)/$B ;; esac
export LD_LIBRARY_PATH="$at/tests/driver" GLIMPSE_WORKER="$at/tests/gpu/glimpse"
for p in first bench; do
    [ "$MODE" = release ] || break
    [ -x "$B/tests/emu_$p" ] || continue
    "$B/tests/emu_$p" --tiny >"$TMP/$p" 2>&1 || { echo "emu_$p --tiny failed"; cat "$TMP/$p"; bad=1; }
    grep -q 'not tried\|not measured\|did not open\|will go through' "$TMP/$p" && { echo "emu_$p --tiny left something out"; cat "$TMP/$p"; bad=1; }
    "$B/tests/emu_$p" --no_such_flag >/dev/null 2>&1 && { echo "emu_$p took a flag that it does not have"; bad=1; }
done
# Without IPC, on this side or on the other: what needs it is not tried, and nothing else fails.
for refused in 1 2; do
    [ "$MODE" = release ] && [ -x "$B/tests/emu_first" ] || break
    FAKE_CUDA=refuse_ipc=$refused "$B/tests/emu_first" --tiny --beside >"$TMP/first" 2>&1 && [ "$(grep -c ^skip "$TMP/first")" = 2 ] ||
        { echo "emu_first without IPC ($refused)"; cat "$TMP/first"; bad=1; }
done
! command -v python3 >/dev/null || python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' tests/bench/torch_compare.py || bad=1
exit $bad
