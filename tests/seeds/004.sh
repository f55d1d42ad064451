# 004.sh -- llm-samplers: every sampler of that page by its flag, a model that is a function, ids in and ids out.
# Different here: README's table under "Beam search".
. "$S/tests/seeds/lib.sh"
run_ids() { run "$B/glimpse" --checkpoint out/run --prompt "IDS:1,2,3" --num_samples 1 --max_new_tokens 12 "$@"; }

run "$B/custom_model" --temperature 0.7
is "a model of one's own: ids" grep -Eq '^[0-9]+ ' out.txt
run_ids --temperature 0.7;                      err "temperature=0.7"
run_ids --temperature 1.2;                      err "temperature=1.2"
run_ids --top_k 50;                             err "top_k=50"
run_ids --top_p 0.95;                           err "top_p=0.95"
run_ids --min_p 0.05;                           err "min_p=0.05"
run_ids --xtc_probability 0.5 --xtc_threshold 0.1; err "xtc=0.5"
echo '[["and", 0.05], "to"]' > slop.json
run_ids --antislop slop.json
run "$B/glimpse" --checkpoint out/run --prompt "IDS:1,2,3" --max_new_tokens 20 --num_beams 5 --num_return_sequences 3
is "three sequences" test "$(grep -c -- '^--------------- sample [123] of 3   score -' out.txt)" = 3
run "$B/glimpse" --checkpoint out/run --prompt "IDS:1,2,3" --max_new_tokens 20 --beam_width 5
wrong "$B/glimpse" --checkpoint out/run --prompt "IDS:1,2,3" --num_beams 2 --num_return_sequences 3
refuse "$B/glimpse" --checkpoint out/run --prompt "IDS:1,2,3" --num_return_sequences 3
run_ids --samplers "temperature=0.7;top_k=50;top_p=0.95"; err "temperature=0.7;top_k=50;top_p=0.95"
done_
