#!/bin/sh
# gpu_test.sh GPU_FIRST GPU_BENCH RUNNER -- called by `make gpu-test`: the self-test, the CUDA tests on the chip, then memcheck,
# racecheck and initcheck over small sizes where compute-sanitizer is.  Exit status 0 when all hold.
first=$1 bench=$2 runner=$3 bad=0
"$first" --tiny --alone || exit 1
timeout 240 "$runner" cuda_ || bad=1
tool=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}"/bin/compute-sanitizer 2>/dev/null)
if [ -z "$tool" ]; then
    echo 'compute-sanitizer is not here: nothing was looked for with it'
    exit $bad
fi
for what in memcheck racecheck initcheck; do
    for program in "$first --tiny --alone" "$bench --tiny"; do
        GLIMPSE_WORKER= timeout 60 "$tool" --tool $what --error-exitcode 9 --print-limit 10 $program >/tmp/gpu_test.$$ 2>&1
        code=$?
        if [ $code = 0 ]; then
            echo "ok   $what: $program"
        else
            echo "FAIL $what: $program (exit $code)"
            tail -n 30 /tmp/gpu_test.$$
            bad=1
        fi
    done
done
rm -f /tmp/gpu_test.$$
exit $bad
