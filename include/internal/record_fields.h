/* record_fields.h -- the fields of a record, a line each, in the order in which they stand in a line of the journal.  The journal's
 * writer (hooks/journal_encode.c), its reader (hooks/journal_decode.c) and the bytes that cross a socket (record_pack.c) run through
 * these lists, so that a new field is a member in glimpse.h, a line here, and a word in the form that journal.h gives.
 *
 *   FIELD(kind, name, member)          name: in the journal
 *   PAIR(kind, name, member, other)    a value of two members: a list and its number, a text and its bytes
 *   OPEN(name) .. CLOSE()              these stand in an object of their own
 *
 * A kind is a function in each of the three files: put_KIND, get_KIND, code_KIND.  Those of plain values:
 *   int32, int64, int32_if_any         whole numbers; 0 is left out
 *   number, loss, seconds              a float of RECORD_DIGITS, a double of RECORD_LOSS_DIGITS or RECORD_SECONDS_DIGITS; null unless finite
 *   text, text_or_null, text_if_any    one without a zero byte: never NULL; NULL is written as null; NULL is left out
 * Behind a sample's fields stand "answer_from", which only a probe has, and "tokens": by hand.
 *
 * Who walks a journal reads lines without parsing them: "kind" and "step" stand before the first object (journal_lines.c), "views"
 * right behind "samples" (journal_decode_light), and of all texts that of a sample alone is called "text" (journal_index.c). */
#ifndef GLIMPSE_INTERNAL_RECORD_FIELDS_H
#define GLIMPSE_INTERNAL_RECORD_FIELDS_H

#define TOKEN_FIELDS(FIELD, PAIR) \
    FIELD(int32, "id", id) \
    FIELD(number, "logit", logit) \
    FIELD(number, "logprob", logprob) \
    FIELD(number, "p_temp", p_temp) \
    FIELD(number, "p_final", p_final) \
    FIELD(int32, "rank", rank) \
    FIELD(int32, "kept", kept) \
    FIELD(number, "left", left) \
    FIELD(number, "entropy", entropy) \
    FIELD(number, "dot", dot) \
    PAIR(top, "top", top, n_top)

#define SAMPLE_FIELDS(FIELD, PAIR) \
    FIELD(int32, "prompt", prompt) \
    PAIR(bytes, "prompt_text", prompt_text, prompt_bytes) \
    PAIR(ids, "prompt_ids", prompt_ids, n_prompt_ids) \
    FIELD(int32, "setting", setting) \
    FIELD(text, "label", label) \
    FIELD(text, "samplers", samplers) \
    FIELD(int32, "sample", sample) \
    FIELD(int32, "n_samples", n_samples) \
    FIELD(seed, "seed", seed) \
    FIELD(loss, "temperature", temperature) \
    FIELD(int32, "top_k", top_k) \
    FIELD(int32_if_any, "beams", n_beams) \
    PAIR(beam_score, "beam_score", n_beams, beam_score) \
    PAIR(bytes, "text", text, text_bytes) \
    FIELD(stop, "stop", stop) \
    FIELD(text_or_null, "why", why) \
    FIELD(text_if_any, "note", note) \
    PAIR(metrics, "metrics", metrics, n_metrics)

#define RECORD_FIELDS(FIELD, PAIR, OPEN, CLOSE) \
    FIELD(int32, "v", version) \
    FIELD(text, "run", run) \
    FIELD(text, "run_name", run_name) \
    FIELD(int64, "seq", seq) \
    FIELD(text, "kind", kind) \
    FIELD(int64, "step", step) \
    FIELD(text, "time", time) \
    FIELD(loss, "train_loss", train_loss) \
    FIELD(loss, "val_loss", val_loss) \
    OPEN("best") \
    FIELD(loss, "val_loss", best_val_loss) \
    FIELD(int64, "step", best_step) \
    CLOSE() \
    OPEN("model") \
    FIELD(text_if_any, "name", model_name) \
    FIELD(text, "arch", arch) \
    FIELD(int64, "params", n_params) \
    FIELD(int32, "vocab", vocab_size) \
    FIELD(text, "dtype", dtype) \
    FIELD(text, "cache", cache_dtype) \
    FIELD(text, "device", device) \
    FIELD(text, "check", check) \
    CLOSE() \
    FIELD(text, "status", status) \
    FIELD(text_or_null, "why", why) \
    OPEN("seconds") \
    FIELD(seconds, "blocked", blocked_s) \
    FIELD(seconds, "prefill", prefill_s) \
    FIELD(seconds, "decode", decode_s) \
    FIELD(seconds, "write", write_s) \
    CLOSE() \
    PAIR(pieces, "pieces", pieces, n_pieces) \
    PAIR(samples, "samples", samples, n_samples) \
    FIELD(views, "views", views) \
    PAIR(metrics_if_any, "dataset", dataset, n_dataset) \
    PAIR(scores, "lm_eval", scores, n_scores) \
    PAIR(probes, "probes", probes, n_probes)

#endif
