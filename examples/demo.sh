#!/bin/sh
# demo.sh BUILD_DIR -- what `make demo` runs: train the example for about a minute on this CPU while Glimpse shows what the
# model says, then once more offline from the checkpoint, and name the files to look at.  MINUTES=2 trains longer.
set -e
build=${1:-build/release}
out=out/demo
rm -rf "$out"
mkdir -p "$out"
"$build/train_gpt" --out_dir "$out" --minutes "${MINUTES:-1}" \
    --max_sample_tokens 240 --sample_each_eval --sample_metrics --show_heatmaps \
    --sample_start_tokens '\n' --sample_start_tokens 'Once upon a time' --glimpse_run_name demo
echo
echo "the same session offline, from the checkpoint: glimpse --out_dir $out --prompt 'One day' --temperature 0.5"
"$build/glimpse" --out_dir "$out" --prompt 'One day' --temperature 0.5 --num_samples 1 --max_new_tokens 120 --quiet
last=$(ls -d "$out"/evals/step_* | tail -n 1)
echo
echo "look at:"
echo "  $out/sample.txt                   every sample, to read and to grep"
echo "  less -R $out/sample.ansi          the same, coloured by the model's confidence"
echo "  $last/              this eval's sheets, and a chart of every token"
echo "  $last/$(cd "$last" && ls -- *_s0.png | head -n 1)"
echo "  $out/evals.jsonl                  one line an eval: every number"
