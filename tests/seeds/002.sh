# 002.sh -- generate.py for fine-tuned models.
# Different here: a prompt in the instruction form begins with the model's BOS whether the tokenizer's post-processor puts it there
# or not; special tokens show as their names.
. "$S/tests/seeds/lib.sh"

run python generate.py --prompt "Your instruction here"
err "out/finetune/ckpt.pt"; err "data/tokenizer/custom_gpt_tokenizer.json"; err "1 x 1 sample, seed 1337"; err "max_sample_tokens is 150"
err "temperature=0.8;top_k=50"; err '"Instruction: Your instruction here Response:"'
out "Instruction: Your instruction here Response:"
run python generate.py \
    --checkpoint_path "out/finetune/ckpt.pt" \
    --tokenizer_path "data/tokenizer/custom_gpt_tokenizer.json" \
    --prompt "Explain the concept of neural networks in simple terms." \
    --max_new_tokens 150 \
    --temperature 0.7 \
    --top_k 50 \
    --repetition_penalty 1.15
err "penalties=1.15"; err "temperature=0.7"
run python generate.py --prompt "Put it in short" --input_text "a cat sat" --max_new_tokens 4 --seed 7 --device cpu --top_k 0
err '"Instruction: Put it in short Input: a cat sat Response:"'; err "seed 7"; err "device cpu"
run python generate.py --prompt "x" --max_new_tokens 3
cp out.txt first.txt
is "the number of tokens counts BOS" grep -q 'prompt 1   25 tokens' err.txt
run python generate.py --prompt "x" --max_new_tokens 3
is "the same seed gives the same" cmp first.txt out.txt

# 6. Troubleshooting
for key in model state_dict model_state_dict; do
    run python generate.py --checkpoint_path out/finetune/$key.pt --prompt "x" --max_new_tokens 3
    is "weights under $key" cmp first.txt out.txt
done
refuse python generate.py --checkpoint_path out/finetune/weights.pt --prompt "x"
err "no weights under model, state_dict or model_state_dict; keys found: weights"
refuse python generate.py --checkpoint_path out/finetune/none.pt --prompt "x"
err "out/finetune/none.pt"
refuse python generate.py --tokenizer_path data/tokenizer/none.json --prompt "x"
err "data/tokenizer/none.json"
head -c 300 data/tokenizer/custom_gpt_tokenizer.json > data/tokenizer/torn.json
refuse python generate.py --tokenizer_path data/tokenizer/torn.json --prompt "x"
err "data/tokenizer/torn.json"
wrong python generate.py
err "--prompt is required with --like generate"
run python generate.py --prompt "x" --max_new_tokens 60 --temperature 0 --top_k 0 --ignore_eos
is "advice against repetition" grep -q 'hint: .*repeat.*--repetition_penalty' err.txt
done_
