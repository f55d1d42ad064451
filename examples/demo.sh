#!/bin/sh
# demo.sh BUILD -- what `make demo` runs: a small GPT learns to write stories on this processor for about a minute, samples
# appear at each of its ten evals, and everything that Glimpse writes lies in out/demo afterwards.
# On a machine so busy that a minute is not 1200 steps it goes on until then: before, the words are not yet words.
# OMP_WAIT_POLICY: the sampling worker shares the cores, and a team that spins at its barriers would starve both.
set -e
out=${OUT:-out/demo}
OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} "$1/train_gpt" --out_dir "$out" --minutes "${MINUTES:-1}" --min_steps 1200 --steps 99999999 \
    --max_sample_tokens 280 --sample_each_eval --sample_metrics --dataset_benchmarks --show_heatmaps --last_k_tokens 10 \
    --glimpse_num_samples 2
echo
echo "Now look at:"
for f in report.html sample.ansi sample.txt evals.jsonl metrics.csv; do
    [ -e "$out/$f" ] && echo "  $out/$f"
done
echo "or speak with the model: $1/train_gpt --out_dir $out --sample_only --sample_start_tokens 'Once upon a time'"
