#!/bin/sh
# The PTX that nvcc made of the kernels, executed: what gpu-first asks of a chip, and a short part of `make ptx-test`.
[ -x "$B/tests/ptx90_bare" ] || { echo 'no PTX is executed here: that needs nvcc, python3 and MODE=release'; exit 77; }
unset GLIMPSE_TEST_FULL
bad=0
"$B/tests/ptx90_first" --tiny --alone >"$TMP/said" 2>&1 || { cat "$TMP/said"; bad=1; }
for t in train_gpt_cuda cuda_ptx cuda_bf16_cache cuda_matmul cuda_models cuda_same_bits cuda_burst_not_finite cuda_draws_the_cpus_token cuda_draws_no_token \
    cuda_parts_of_flat_rows cuda_decode_is_chosen cuda_persistent_of_other_bits; do
    J=1 "$B/tests/ptx90_bare" $t >"$TMP/said" 2>&1 || { cat "$TMP/said"; bad=1; }
done
exit $bad
