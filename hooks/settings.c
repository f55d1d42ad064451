/* settings.c -- what the options say of a batch: one setting for each --top_k, the chain's flags, stop strings, lengths.
 *
 * Called by session_eval.c for an eval, by offline.c and by session_api.c for glimpse_generate. */
#include "hooks/session_state.h"

#include "hooks/prompts.h"
#include "include/internal/status.h"
#include <string.h>

int32_t session_record_top(const options *o, int32_t vocab) {
    int64_t n = opt_bool(o, OPT_show_heatmaps) && !opt_is_set(o, OPT_record_top) ? 40 : opt_int(o, OPT_record_top);
    return n < vocab ? (int32_t)n : vocab;
}

/* The flags of the samplers that sampler_settings does not hold, and the preset. */
static glimpse_status sampler_flags(const options *o, arena *a, const sampler_context **out) {
    sampler_context *c = arena_alloc(a, sizeof *c);
    int32_t n = 0;
    for (int id = OPT_logit_bias; id < OPT_seed; id++)
        if (opt_is_set(o, (opt_id)id)) n += opt_count(o, (opt_id)id);
    sampler_flag *flags = arena_alloc(a, (size_t)n * sizeof *flags + 1);
    if (!c || !flags) FAIL(GLIMPSE_E_MEMORY, "no memory for %d flags of samplers", n);
    *c = (sampler_context)SAMPLER_CONTEXT_INIT;
    c->flags = flags;
    for (int id = OPT_logit_bias; id < OPT_seed; id++)
        for (int i = 0; opt_is_set(o, (opt_id)id) && i < opt_count(o, (opt_id)id); i++)
            flags[c->n_flags++] = (sampler_flag){ opt_info_of((opt_id)id)->name, opt_str_at(o, (opt_id)id, i) };
    c->preset = opt_str(o, OPT_sampler_preset);
    if (opt_is_set(o, OPT_temperature)) c->given |= SETTING_TEMPERATURE;
    if (opt_is_set(o, OPT_top_k)) c->given |= SETTING_TOP_K;
    if (opt_is_set(o, OPT_top_p)) c->given |= SETTING_TOP_P;
    if (opt_is_set(o, OPT_min_p)) c->given |= SETTING_MIN_P;
    if (opt_is_set(o, OPT_repetition_penalty)) c->given |= SETTING_PENALTY;
    static const opt_id classic[] = { OPT_temperature, OPT_top_k, OPT_top_p, OPT_min_p, OPT_repetition_penalty };
    for (int i = 0; i < 5; i++) /* in the order of SETTING_* */
        if (opt_level_of(o, classic[i]) > OPT_LEVEL_LIKE) c->named |= 1u << i;
    *out = c;
    return GLIMPSE_OK;
}

/* What a sample goes back from, and what guides it. */
static glimpse_status phrases_and_guidance(const options *o, const model *m, tokenizer *t, arena *a, batch_request *rq) {
    const char *list = opt_str(o, OPT_antislop), *negative = opt_str(o, OPT_negative_prompt);
    if (list) {
        phrase_list *phrases;
        TRY(status_prefix(phrases_read(list, opt_float(o, OPT_antislop_strength), a, &phrases), "--antislop"));
        rq->phrases = phrases_count(phrases) ? phrases : NULL;
        rq->phrase_retries = (int32_t)opt_int(o, OPT_antislop_retries);
    }
    rq->guidance = opt_float(o, OPT_guidance_scale);
    if (!batch_guided(rq) || !negative) return GLIMPSE_OK;
    prompt_list one = {0};
    TRY(prompt_list_negative(o, negative, m, t, &one));
    int32_t *ids = arena_alloc(a, (size_t)one.prompts[0].n_ids * sizeof *ids);
    if (ids) memcpy(ids, one.prompts[0].ids, (size_t)one.prompts[0].n_ids * sizeof *ids);
    rq->negative_ids = ids;
    rq->n_negative = one.prompts[0].n_ids;
    prompt_list_free(&one);
    if (!ids) FAIL(GLIMPSE_E_MEMORY, "no memory for the negative prompt");
    return GLIMPSE_OK;
}

/* Beam search takes its flags, and nothing that would do nothing: each is named. */
static glimpse_status beams_of(const options *o, batch_request *rq) {
    static const opt_id only[] = { OPT_num_return_sequences, OPT_length_penalty, OPT_early_stopping, OPT_num_beam_groups,
                                   OPT_diversity_penalty, OPT_beam_sample };
    beam_settings *b = &rq->beams;
    int32_t returned = (int32_t)opt_int(o, OPT_num_return_sequences);
    *b = (beam_settings){ .width = (int32_t)opt_int(o, OPT_num_beams), .n_groups = (int32_t)opt_int(o, OPT_num_beam_groups),
                          .diversity = opt_float(o, OPT_diversity_penalty), .length_penalty = opt_float(o, OPT_length_penalty),
                          .stopping = (beam_stopping)opt_int(o, OPT_early_stopping), .sample = opt_bool(o, OPT_beam_sample) };
    if (b->width <= 1) {
        for (size_t i = 0; i < sizeof only / sizeof *only; i++)
            if (opt_level_of(o, only[i]) > OPT_LEVEL_LIKE)
                FAIL(GLIMPSE_E_INVALID, "--%s belongs to beam search, and --num_beams is 1\nhint: --num_beams 4%s", opt_info_of(only[i])->name,
                     only[i] == OPT_num_return_sequences ? ", or --num_samples for samples that are drawn" : "");
        return GLIMPSE_OK;
    }
    if (opt_level_of(o, OPT_num_samples) > OPT_LEVEL_LIKE && opt_int(o, OPT_num_samples) != returned)
        FAIL(GLIMPSE_E_INVALID, "--num_samples is for samples that are drawn, and --num_beams is %d\nhint: --num_return_sequences says "
             "how many of the beams are shown", b->width);
    if (!b->sample && opt_count(o, OPT_top_k) > 1)
        FAIL(GLIMPSE_E_INVALID, "--top_k is a list, and beam search cuts nothing: all would be the same\nhint: --beam_sample, or no "
             "list");
    if (b->n_groups > 1 && b->diversity == 0)
        FAIL(GLIMPSE_E_INVALID, "--num_beam_groups is %d without --diversity_penalty: all groups would find the same\nhint: "
             "--diversity_penalty 0.5", b->n_groups);
    if (b->n_groups == 1 && b->diversity != 0)
        FAIL(GLIMPSE_E_INVALID, "--diversity_penalty is %g, and there is one group of beams\nhint: --num_beam_groups 2", b->diversity);
    TRY(beam_check(b, returned));
    rq->num_samples = returned;
    return GLIMPSE_OK;
}

glimpse_status session_settings(const options *o, const model *m, tokenizer *t, arena *a, batch_request *rq) {
    int n = opt_count(o, OPT_top_k);
    if (n < 1) n = 1;
    TRY(sampler_flags(o, a, &rq->context));
    TRY(phrases_and_guidance(o, m, t, a, rq));
    sampler_settings *set = arena_alloc(a, (size_t)n * sizeof *set);
    const char **labels = arena_alloc(a, (size_t)n * sizeof *labels);
    int n_stops = opt_count(o, OPT_stop);
    const char **stops = arena_alloc(a, (size_t)n_stops * sizeof *stops + 1);
    size_t *stop_bytes = arena_alloc(a, (size_t)n_stops * sizeof *stop_bytes + 1);
    if (!set || !labels || !stops || !stop_bytes) FAIL(GLIMPSE_E_MEMORY, "no memory for %d settings", n);
    for (int i = 0; i < n; i++) {
        set[i] = (sampler_settings){ .temperature = opt_float(o, OPT_temperature),
                                     .top_k = (int32_t)opt_int_at(o, OPT_top_k, i), .top_p = opt_float(o, OPT_top_p),
                                     .min_p = opt_float(o, OPT_min_p),
                                     .repetition_penalty = opt_float(o, OPT_repetition_penalty),
                                     .order = opt_str(o, OPT_samplers) };
        for (int k = 0; k < i; k++)
            if (set[k].top_k == set[i].top_k)
                FAIL(GLIMPSE_E_INVALID, "--top_k names %d twice", set[i].top_k);
        char label[32];
        int beams = (int)opt_int(o, OPT_num_beams);
        if (beams > 1 && n == 1) c_snprintf(label, sizeof label, "beams=%d", beams);
        else if (beams > 1) c_snprintf(label, sizeof label, "beams=%d,top_k=%d", beams, set[i].top_k);
        else c_snprintf(label, sizeof label, "top_k=%d", set[i].top_k);
        labels[i] = arena_text(a, label, strlen(label));
        if (!labels[i]) FAIL(GLIMPSE_E_MEMORY, "no memory for %d settings", n);
    }
    for (int i = 0; i < n_stops; i++) {
        const char *raw = opt_str_at(o, OPT_stop, i);
        buffer b = {0};
        glimpse_status st = GLIMPSE_OK;
        if (opt_bool(o, OPT_escapes)) st = unescape(raw, strlen(raw), &b);
        else buf_puts(&b, raw);
        stop_bytes[i] = b.n;
        stops[i] = st >= 0 && !buf_failed(&b) ? arena_text(a, b.bytes, b.n) : NULL;
        buf_free(&b);
        TRY(st);
        if (!stops[i]) FAIL(GLIMPSE_E_MEMORY, "no memory for a stop string");
    }
    rq->settings = set;
    rq->labels = labels;
    rq->n_settings = n;
    rq->stops = stops;
    rq->stop_bytes = stop_bytes;
    rq->n_stops = n_stops;
    rq->num_samples = (int32_t)opt_int(o, OPT_num_samples);
    rq->max_tokens = (int32_t)opt_int(o, OPT_max_sample_tokens);
    rq->seed = (uint64_t)opt_int(o, OPT_seed);
    rq->ignore_eos = opt_bool(o, OPT_ignore_eos);
    rq->n_top = session_record_top(o, m->d.vocab_size);
    return beams_of(o, rq);
}
