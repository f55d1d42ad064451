#!/bin/sh
# demo.sh BUILD -- what `make demo` runs: a small GPT learns to write stories on this processor for about a minute, samples
# appear at each of its evals, and everything that Glimpse writes lies in out/demo afterwards; then the same session once
# offline, from the checkpoint, with a chart for every token.  MINUTES=2 trains longer.  On a machine so busy that a minute
# is not 1200 steps it goes on until then: before, the words are not yet words.
# OMP_WAIT_POLICY: the sampling worker shares the cores, and a team that spins at its barriers would starve both.
set -e
out=${OUT:-out/demo}
rm -rf "$out"
OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} "$1/train_gpt" --out_dir "$out" --minutes "${MINUTES:-1}" --min_steps 1200 --steps 99999999 \
    --max_sample_tokens 280 --sample_each_eval --sample_metrics --glimpse_num_samples 2 --glimpse_probe examples/probes.txt
echo
echo "The same session offline: $1/glimpse --out_dir $out --prompt 'Once upon a time' --num_samples 1 --max_new_tokens 200 --show_heatmaps --quiet"
"$1/glimpse" --out_dir "$out" --prompt 'Once upon a time' --num_samples 1 --max_new_tokens 200 --show_heatmaps --quiet
echo
last=$(ls -d "$out"/evals/step_* | tail -n 1)
echo "Now look at:"
echo "  $out/report.html             every sample of the run on one page, in a browser"
echo "  less -R $out/sample.ansi     the same in the terminal, in colour"
echo "  $out/sample.txt              the same, to read and to grep"
echo "  $last/$(cd "$last" && ls -- *_s0.png | head -n 1)     a sheet: what else it might have said"
echo "  $(ls -d "$out"/offline-1/evals/step_*/p*_s0 | head -n 1)/     a chart of every token"
echo "  $out/evals.jsonl             one line an eval, every number"
echo "  tensorboard --samples_per_plugin text=1000,images=200 --logdir $out     the same there; without the flag it shows a few of them"
