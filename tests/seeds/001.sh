# 001.sh -- sampling and analysis while training: every argument of that document, by its own name, in the example's trainer.
# Different here: nothing is sampled at an eval that did not improve unless --sample_each_eval says so, as there; and the text
# never reaches the trainer's stdout: it goes to stderr and to --sample_file.
. "$S/tests/seeds/lib.sh"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo "the cat sat on the mat. a dog ran to the red barn. what is it?"; done > text.txt
cat text.txt text.txt text.txt text.txt > data.txt
train() {
    "$B/train_gpt" --data data.txt --layers 1 --heads 2 --channels 16 --context 32 --batch_size 2 --threads 1 --steps 6 --eval_interval 3 \
        --glimpse_when_busy wait "$@"
}
run train --glimpse_out_dir out/none
err "no tokens to sample were asked for"
run train --glimpse_out_dir out/d --dataset_benchmarks --glimpse_dataset data.txt
err "no samples, as --max_sample_tokens is not set, but --dataset_benchmarks at every eval"; err "data loss"
printf 'the cat sat\n' > probes.txt
run train --glimpse_out_dir out/p --glimpse_probe probes.txt
err "glimpse 0: no sample, --max_sample_tokens is not set; 1 probe scored"
err "probes mean logprob "
is "a probe at every eval" test "$(grep -c '"probes":\[{' out/p/evals.jsonl)" = 3
run train --glimpse_out_dir out/a --max_sample_tokens 12 --sample_each_eval --sample_start_tokens 'the ' --sample_metrics \
    --dataset_benchmarks --glimpse_dataset data.txt --colorize_output=true --colorize_mode minmax --show_heatmaps --chart_type barchart \
    --last_k_tokens 5 --sample_file inferences.txt --token_boundary "|" --glimpse_ignore_eos
is "a file of samples, with the boundary between tokens" grep -q '|' out/a/inferences.txt
is "charts" test -n "$(find out/a/evals -name 'token_0001.png')"
is "the slice of the dataset in the journal" grep -q '"dataset":{"' out/a/evals.jsonl
run train --glimpse_out_dir out/b --max_sample_tokens 8 --sample_each_eval True --sample_metrics True
is "True is a value of a switch" grep -q '"spelling"\|"repetition"' out/b/evals.jsonl
run train --glimpse_out_dir out/a --sample_only --max_sample_tokens 8
is "no numbers that nobody asked for" test "$(grep -c 'own ppl' err.txt)" = 0
run train --glimpse_out_dir out/a --sample_only --max_sample_tokens 8 --sample_metrics --dataset_benchmarks --glimpse_dataset data.txt
err "own ppl"; err "repeats"; err "data loss"
is "it samples and does not train" test "$(grep -c 'loss' out.txt)" = 0
printf 'the\nquit\n' > lines.txt
last="--glimpse_interactive"
train --glimpse_out_dir out/a --glimpse_interactive --max_sample_tokens 8 < lines.txt > out.txt 2> err.txt || bad "exit code"
err "8 tokens"
is "a conversation instead of training" test "$(grep -c 'loss' out.txt)" = 0
done_
