# 003.sh -- generate_text.py of a JAX trainer.
# Different here: the checkpoint's arrays are safetensors; an Orbax checkpoint is refused by name with the lines that export it.
# There is no callable in Python: glimpse_generate in C is the same call (examples/custom_model.c, glimpse_model_load).
. "$S/tests/seeds/lib.sh"

run python generate_text.py \
    --checkpoint output/best_checkpoint \
    --prompt "Once upon a time"
err "output/best_checkpoint"; err "output/tokenizer.json"; err "vocabulary 61, context 64"; err "4 layers"
err "prompt 1   17 tokens"; err "max_sample_tokens is 100"; err "seed 42"; err "temperature=0.8;top_k=50"; err "off: top_p"
out "Once upon a time"
is "it stops at the model's length" grep -q '"stop":"context"\|"stop":"eos"' out/evals.jsonl

go() { run python generate_text.py --checkpoint output/best_checkpoint "$@"; }
go --prompt "The capital of France is" --temperature 0.3;       err "temperature=0.3"
go --prompt "Once upon a time" --temperature 0.8
go --prompt "Imagine a world where" --temperature 1.5;          err "temperature=1.5"
go --prompt "Hello" --top-k 20;                                 err "top_k=20"
go --prompt "Hello" --top-k 50
go --prompt "Hello" --top-k 0;                                  is "top-k off" test "$(grep -c 'top_k=' err.txt)" = 0; err "off: top_k top_p"
go --prompt "In conclusion" --top-p 0.7;                        err "top_p=0.7"
go --prompt "The story begins" --top-p 0.9
go --prompt "Once upon a time" --temperature 0.7 --top-p 0.9
go --prompt "Hello world" --max-length 20;                      err "20 tokens"
go --prompt "Once upon a time in a magical forest" --max-length 200 --temperature 0.9 --top-k 50
go --prompt "Person A: How are you?\nPerson B:" --max-length 50 --temperature 0.7 --top-p 0.9
is "a newline in the prompt" grep -q '^Person B:' out.txt
go --prompt "Question: What is the meaning of life?\nAnswer:" --max-length 100 --temperature 0.5 --top-k 40
go --prompt "def calculate-fibonacci:" --max-length 150 --temperature 0.3 --top-k 30
go --prompt "Hello" --temperature 0.3 --top-k 30 --top-p 0.8
go --prompt "Hello" --temperature 1.5 --top-k 0 --top-p 1.0
go --prompt "Hello" --seed 123;                                 err "seed 123"

# Batch generation
for prompt in "Once upon a time" "In a galaxy far away" "The quick brown fox" "Hello world"; do
    go --prompt "$prompt" --max-length 10 --temperature 0.8
    out "$prompt"
done
# Interactive generation: each prompt of the document's loop is a run of its own; here it is one conversation
printf 'Once\nquit\n' > lines.txt
last="--interactive"
python generate_text.py --checkpoint output/best_checkpoint --interactive --max-length 5 < lines.txt > out.txt 2> err.txt || bad "exit code"

# Troubleshooting
wrong python generate_text.py --checkpoint output/best_checkpoint
err "--prompt is required"
refuse python generate_text.py --checkpoint output --prompt "Hello"
err "Model config not found"; err "--checkpoint output/best_checkpoint"
mv output/tokenizer.json away.json
refuse python generate_text.py --checkpoint output/best_checkpoint --prompt "Hello"
err "Could not find tokenizer.json"; err "--tokenizer output/tokenizer.json"
run python generate_text.py --checkpoint output/best_checkpoint --tokenizer-path away.json --prompt "Hello"
mv away.json output/tokenizer.json
mv output/model_config.json away.json
refuse python generate_text.py --checkpoint output/best_checkpoint --prompt "Hello"
err "Model config not found"; err "output/model_config.json"
mv away.json output/model_config.json
mkdir -p output/orbax && : > output/orbax/_CHECKPOINT_METADATA
refuse python generate_text.py --checkpoint output/orbax --prompt "Hello"
err "Orbax"; err "safetensors"
refuse python generate_text.py --checkpoint someone/some-model --prompt "Hello"
err "nothing is downloaded"
done_
