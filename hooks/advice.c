/* advice.c -- what a person may want to change, one line after an offline run or an answer: from the samples alone, whether or not
 * their metrics are recorded.  Called by offline.c and chat.c; the log of an eval has its own row (viz/terminal.c). */
#include "hooks/session_state.h"

#include "sampling/pieces_text.h"
#include "viz/text.h"

#define FEW_UNKNOWN 0.01

/* The share of tokens that stand for what the tokenizer does not know.  Here are no pieces of a record yet. */
static double unknown_share(const session *s, const glimpse_sample *sample) {
    int32_t n = 0;
    buffer piece = {0};
    for (int32_t k = 0; s->t && k < sample->n_tokens; k++) {
        buf_clear(&piece);
        n += piece_text(s->t, GLIMPSE_AT(sample->tokens, k)->id, &piece) >= 0 && text_is_unknown(buf_str(&piece), piece.n);
    }
    buf_free(&piece);
    return sample->n_tokens ? (double)n / sample->n_tokens : 0;
}

static bool advise_one(const session *s, const glimpse_sample *sample, arena *a) {
    glimpse_sample measured = *sample;
    if (sample->n_tokens == 1 && sample->stop == GLIMPSE_STOP_EOS) {
        session_log(s, "hint: the model ended the text at once: another prompt, another --seed, or --ignore_eos");
        return true;
    }
    if (metrics_of_sample(&measured, true, NULL, a) < 0) return false;
    double repeats = text_repeats(&measured), odd = text_metric(&measured, "invalid_utf8_rate"), unknown = unknown_share(s, sample);
    const char *which = opt_str(s->o, OPT_tokenizer);
    const char *source = which ? which : s->t ? s->t->source : "this";
    if (unknown > FEW_UNKNOWN && unknown > odd)
        session_log(s, "hint: %.0f %% of the text is unknown tokens: is %s the tokenizer that the model was trained with? --tokenizer "
                    "names another", 100 * unknown, source);
    else if (odd > FEW_UNKNOWN)
        session_log(s, "hint: %.0f %% of the characters are bytes that make no UTF-8 (shown as \\xHH): tokens of single bytes that do not "
                    "belong together, as a model says them that is not trained yet. If it is, is %s the tokenizer that it was trained "
                    "with? --tokenizer names another", 100 * odd, source);
    else if (repeats > 0)
        session_log(s, "hint: %.0f %% of the 4-grams repeat: --repetition_penalty 1.1, or a higher --temperature", 100 * repeats);
    else return false;
    return true;
}

/* Was there a choice at any token of it? */
static bool was_drawn(const glimpse_sample *x) {
    bool choice = false;
    for (int32_t k = 0; k < x->n_tokens; k++) choice |= GLIMPSE_AT(x->tokens, k)->kept > 1;
    return choice && x->temperature > 0;
}

static bool same_ids(const glimpse_sample *x, const glimpse_sample *y) {
    bool same = x->n_tokens == y->n_tokens && x->prompt == y->prompt && x->setting == y->setting;
    for (int32_t k = 0; same && k < x->n_tokens; k++) same = GLIMPSE_AT(x->tokens, k)->id == GLIMPSE_AT(y->tokens, k)->id;
    return same;
}

/* Several samples of one prompt that could not but be the same. */
static bool advise_copies(const session *s, const glimpse_sample *samples, int32_t n) {
    for (int32_t i = 1; i < n; i++) {
        const glimpse_sample *x = GLIMPSE_AT(samples, i - 1), *y = GLIMPSE_AT(samples, i);
        if (x->n_beams || !x->n_tokens || was_drawn(x) || was_drawn(y) || !same_ids(x, y)) continue;
        const char *why = x->temperature <= 0 ? "--temperature 0 always takes the likeliest token" :
                          x->top_k == 1 ? "--top_k 1 always takes the likeliest token" : "these samplers leave one token at a time";
        bool alone = GLIMPSE_AT(samples, 0)->setting == GLIMPSE_AT(samples, n - 1)->setting; /* else the others are not the same */
        if (alone) session_log(s, "hint: the %d samples are the same, %s: --num_samples 1 is enough", x->n_samples, why);
        else session_log(s, "hint: the %d samples of %s are the same, %s", x->n_samples, x->label, why);
        return true;
    }
    return false;
}

void session_advise(const session *s, const glimpse_sample *samples, int32_t n) {
    arena *a = arena_new();
    if (s->t && s->t->vocab_size > s->m->d.vocab_size)
        session_log(s, "hint: the tokenizer has %d ids, the model %d: is this the one it was trained with? --tokenizer names another",
                    s->t->vocab_size, s->m->d.vocab_size);
    else if (!advise_copies(s, samples, n))
        for (int32_t i = 0; a && i < n; i++)
            if (advise_one(s, GLIMPSE_AT(samples, i), a)) break;
    arena_free(a);
}
