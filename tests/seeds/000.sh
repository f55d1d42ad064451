# 000.sh -- nanoGPT's sample.py with colours, heatmaps, a conversation and lm-eval.
# Different here: "--batch_size" is auto, and any number gives the same scores; a data set is never fetched, the file is named;
# a second run in the same directory writes to offline-N beside the first and changes nothing of it; the line before each sample
# says which it is.
. "$S/tests/seeds/lib.sh"
R=out/run

run python sample.py --out_dir=$R
err "ckpt.pt"; err "data/toy/meta.pkl"; err "1 x 3 samples, seed 1337"; err "max_sample_tokens is 500"; err "temperature=0.8;top_k=200"
is "three samples" test "$(grep -c -- '^--------------- sample [123] of 3$' out.txt)" = 3
is "the first sample's text, as before" cp out.txt first.txt
run python sample.py --out_dir=$R
is "the same seed gives the same" cmp first.txt out.txt
run python sample.py --out_dir=$R --seed=1338
is "another seed gives another" test "$(cmp -s first.txt out.txt; echo $?)" = 1

printf 'to be or not' > prompt.txt
run python sample.py --out_dir=$R --start=FILE:prompt.txt --num_samples=1 --max_new_tokens=5
out "to be or not"
run python sample.py --out_dir=$R --start="what is" --num_samples=2 --max_new_tokens=7 --temperature=1.0 --top_k=5 --seed=3
err "7 tokens, 1 x 2 samples, seed 3"; err "top_k=5"; out "what is"

printf 'hello\nwhat is this\nexit\nnever\n' > lines.txt
last="--interactive"
python sample.py --out_dir=$R --interactive --max_new_tokens=4 < lines.txt > out.txt 2> err.txt || bad "interactive"
is "an answer to each line until exit" test "$(grep -c 'glimpse: .*context' err.txt)" = 2

for mode in minmax softmax softmax_top_k rank dot_product all; do
    run python sample.py --out_dir=$R --colorize_output --colorize_mode $mode --color always --num_samples=1 --max_new_tokens=20
    is "colours in the terminal's text" grep -q "$(printf '\033')\[" out.txt
done
run python sample.py --out_dir=$R --show_heatmaps --chart_type heatmap --last_k_tokens 5 --num_samples=1 --max_new_tokens=3
where=$(sed -n 's/.*everything about it is in //p' err.txt)
is "a heatmap a token" test "$(find "$where" -name 'token_*.png' | wc -l)" = 3
run python sample.py --out_dir=$R --show_heatmaps --chart_type barchart --num_samples=1 --max_new_tokens=2
where=$(sed -n 's/.*everything about it is in //p' err.txt)
is "a bar chart a token" test "$(find "$where" -name 'token_*.png' | wc -l)" = 2

refuse python sample.py --out_dir=$R --lm_eval_tasks="hellaswag,arc_easy"
err "hellaswag/validation.jsonl"; err "load_dataset"
mkdir -p data/lm_eval/hellaswag data/lm_eval/arc_easy
for i in 0 1; do
    echo '{"ctx_a":"a man","ctx_b":"he","activity_label":"run","endings":["runs","sits","eats","is"],"label":"'$i'"}'
done > data/lm_eval/hellaswag/validation.jsonl
echo '{"question":"what is it","choices":{"text":["a dog","a cat"],"label":["A","B"]},"answerKey":"B"}' > data/lm_eval/arc_easy/test.jsonl
run python sample.py --out_dir=$R --lm_eval_tasks="hellaswag,arc_easy" --batch_size=1 --max_new_tokens=2
err "hellaswag acc "; err "arc_easy acc "
where=$(sed -n 's/.*everything about it is in //p' err.txt)
is "scores in the output directory" grep -q '"arc_easy"' "$where/lm_eval_results.json"
run python sample.py --out_dir=$R --lm_eval_tasks=arc_easy --lm_eval_results_output=scores.json --max_new_tokens=2
is "scores where it was said" find . -name scores.json

echo '{"question":"@@@","choices":{"text":["a dog","a cat"],"label":["A","B"]},"answerKey":"B"}' > data/lm_eval/arc_easy/test.jsonl
refuse python sample.py --out_dir=$R --lm_eval_tasks=arc_easy --max_new_tokens=2
err "not all that was asked for was measured"
is "the samples stay" test -s out.txt

# What goes wrong
refuse python sample.py --out_dir=out/nothing
err "out/nothing"
mkdir -p out/empty
refuse python sample.py --out_dir=out/empty
err "ckpt.pt"
mv data/toy data/away
refuse python sample.py --out_dir=$R --start="what"
err "tokenizer"

mv data/away data/toy
wrong python sample.py --out_dir=$R --colorize_mode rainbow
err "minmax, softmax"
done_
