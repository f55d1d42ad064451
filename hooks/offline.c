/* offline.c -- sample once from a checkpoint: glimpse_run, `glimpse sample`, a trainer's --sample_only.  The generated text
 * goes to the host's output, everything else to its log, the files to out_dir. */
#include "hooks/prompts.h"
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "sampling/checkpoint/checkpoint.h"
#include "sampling/pieces_text.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where an offline run writes: `dir` itself if no run has written there, else dir/offline-N, so that a live run is
 * never touched. */
static glimpse_status choose_dir(const char *dir, char **out) {
    char *journal = path_join(dir, "evals.jsonl");
    if (!journal) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    bool taken = path_exists(journal);
    free(journal);
    for (int n = 0; n < 100000; n++) {
        char name[32];
        c_snprintf(name, sizeof name, "offline-%d", n);
        char *path = n || taken ? path_join(dir, name) : strdup(dir);
        if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
        if ((n && !path_exists(path)) || (!n && !taken)) {
            *out = path;
            return GLIMPSE_OK;
        }
        free(path);
    }
    FAIL(GLIMPSE_E_IO, "%s: offline-1 to offline-99999 are all taken", dir);
}

static void progress(void *user, int64_t done, int64_t total) {
    const session_host *host = user;
    if (!host->terminal || total < (int64_t)256 << 20 || !host->log) return;
    char line[96];
    c_snprintf(line, sizeof line, "glimpse: reading %.1f of %.1f GB", (double)done / 1e9, (double)total / 1e9);
    host->log(host->user, line);
}

static glimpse_status find_tokenizer(const options *o, const session_host *host, const model *m, const char *checkpoint,
                                     tokenizer **out) {
    const char *given = opt_str(o, OPT_tokenizer);
    if (given) return tokenizer_load_pattern(given, opt_str(o, OPT_tokenizer_pattern), out);
    if (host->tokenizer) return tokenizer_from_description(host->tokenizer, m->d.vocab_size, m->d.eos, out);
    return checkpoint_find_tokenizer(checkpoint, opt_str(o, OPT_out_dir), out);
}

/* --- what is said before ------------------------------------------------------------------------------------------ */

static glimpse_status banner(session *s, const char *checkpoint, const batch_request *rq, const prompt_list *prompts) {
    const model *m = s->m;
    buffer b = {0};
    buf_printf(&b, "glimpse %s\n", GLIMPSE_VERSION_STRING);
    buf_printf(&b, "  model      %s  %s, %d layers, %d heads, %d channels, vocabulary %d, context %d\n", checkpoint, m->arch,
               m->d.n_layers, m->d.n_heads, m->d.channels, m->d.vocab_size, m->d.max_seq_len);
    buf_printf(&b, "  parameters %.2f M  %s  device %s\n", (double)m->n_params / 1e6, s->facts.dtype, s->facts.device);
    buf_printf(&b, "  tokenizer  %s\n", s->t ? s->t->source : "none found: ids are shown (--tokenizer FILE)");
    for (int32_t i = 0; i < prompts->n && i < 8; i++) {
        buf_printf(&b, "  prompt %d   %d tokens  ", i, prompts->prompts[i].n_ids);
        buf_json_string(&b, prompts->prompts[i].text, prompts->prompts[i].bytes < 200 ? prompts->prompts[i].bytes : 200);
        buf_putc(&b, '\n');
    }
    glimpse_status st = GLIMPSE_OK;
    buf_printf(&b, "  sampling   %d tokens, %d x %d samples, seed %llu", rq->max_tokens, rq->n_settings, rq->num_samples,
               (unsigned long long)rq->seed);
    for (int32_t i = 0; i < rq->n_settings; i++) {
        chain *c = NULL;
        TRY_GOTO(generator_chain(s->g, rq, i, &c));
        bool nothing = rq->beams.width > 1 && !rq->beams.sample && !strcmp(chain_string(c), "temperature=1");
        buf_printf(&b, "\n  samplers   %s", nothing ? "none (beam search draws nothing without --beam_sample)" : chain_string(c));
        chain_close(c);
    }
    if (rq->beams.width > 1) {
        buf_puts(&b, "\n  search     ");
        beam_describe(&rq->beams, &b);
    }
    const sampler_settings *set = &rq->settings[0];
    if (rq->beams.width <= 1 && !set->order && !rq->context->preset) { /* what people look for and do not find in the chain */
        buf_puts(&b, "  (off:");
        if (set->top_p == 1) buf_puts(&b, " top_p");
        if (set->min_p == 0) buf_puts(&b, " min_p");
        if (set->repetition_penalty == 1) buf_puts(&b, " repetition_penalty");
        buf_puts(&b, " and all that --help lists beside these)");
    }
    buf_printf(&b, "\n  files      %s", s->out_dir);
    if (buf_failed(&b)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the banner");
    session_log(s, "%s", buf_str(&b));
out:
    buf_free(&b);
    return st;
}

/* --- the text ----------------------------------------------------------------------------------------------------- */

typedef struct streamer {
    session *s;
    view_style style;
    buffer held, out, piece;
    int error;            /* errno of the output, which then gets no more; the samples are drawn and recorded all the same */
} streamer;

static void put_out(streamer *w) {
    if (w->out.n && !w->error) w->error = w->s->host.out(w->s->host.user, w->out.bytes, w->out.n);
    buf_clear(&w->out);
}

static void stream_token(void *user, int32_t sequence, const glimpse_token *t) {
    streamer *w = user;
    (void)sequence;
    if (t->id == w->s->m->d.eos && !opt_bool(w->s->o, OPT_ignore_eos)) return;
    buf_clear(&w->piece);
    if (piece_text(w->s->t, t->id, &w->piece) >= 0)
        view_stream_token(NULL, t, w->piece.bytes, w->piece.n, &w->style, &w->held, &w->out);
    put_out(w);
}

/* Control characters of a text made visible, by the same hand as a streamed token. */
static void put_text(streamer *w, const char *text, size_t n) {
    glimpse_token plain = { .size = sizeof plain, .p_temp = NAN, .p_final = NAN, .logit = NAN, .logprob = NAN };
    view_style style = w->style;
    style.colorize = false;
    view_stream_token(NULL, &plain, text, n, &style, &w->held, &w->out);
    view_stream_token(NULL, &plain, NULL, 0, &style, &w->held, &w->out);
    put_out(w);
}

static glimpse_status put_samples(streamer *w, const glimpse_record *r) {
    for (int32_t i = 0; i < r->n_samples && !w->error; i++) {
        const glimpse_sample *s = GLIMPSE_AT(r->samples, i);
        put_text(w, s->prompt_text, s->prompt_bytes);
        for (int32_t k = 0; k < s->n_tokens; k++) {
            const glimpse_token *t = GLIMPSE_AT(s->tokens, k);
            const glimpse_piece *p = record_piece(r, t->id);
            if (k == s->n_tokens - 1 && s->stop == GLIMPSE_STOP_EOS) break;
            if (s->stop == GLIMPSE_STOP_STRING && !w->style.colorize) break;
            if (p) view_stream_token(r, t, p->text, (size_t)p->bytes, &w->style, &w->held, &w->out);
        }
        if (s->stop == GLIMPSE_STOP_STRING && !w->style.colorize) put_text(w, s->text, s->text_bytes);
        view_stream_token(r, &(glimpse_token){ .size = sizeof(glimpse_token), .p_temp = NAN }, NULL, 0, &w->style, &w->held,
                          &w->out);
        buf_puts(&w->out, "\n---------------\n");
        put_out(w);
    }
    return GLIMPSE_OK;
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

static glimpse_status announce(session *s, const char *checkpoint, int32_t *sequences, prompt_list *prompts) {
    batch_request rq = {0};
    arena *a = arena_new();
    if (!a) FAIL(GLIMPSE_E_MEMORY, "no memory for a batch");
    rq.users = s->users;
    rq.n_users = s->n_users;
    glimpse_status st = session_settings(s->o, s->m, s->t, a, &rq);
    if (st >= 0) st = prompt_list_make(s->o, s->m, s->t, rq.max_tokens, prompts);
    if (st >= 0) {
        *sequences = prompts->n * rq.n_settings * rq.num_samples;
        if (!opt_bool(s->o, OPT_quiet)) st = banner(s, checkpoint, &rq, prompts);
    }
    arena_free(a);
    return st;
}

glimpse_status offline_open(const options *given, const session_host *host, const char *dir, char **found, session **out) {
    glimpse_status st = GLIMPSE_OK;
    char *checkpoint = NULL;
    model *m = NULL;
    tokenizer *t = NULL;
    session *s = NULL;
    const char *from = opt_str(given, OPT_checkpoint);
    TRY(checkpoint_find_newest(from ? from : opt_str(given, OPT_out_dir), &checkpoint));
    TRY_GOTO(checkpoint_open(checkpoint, progress, (void *)(uintptr_t)host, &m));
    TRY_GOTO(find_tokenizer(given, host, m, checkpoint, &t));
    if (t) model_drop_padding(m, t->vocab_size);
    model *model_given = m;
    tokenizer *tokenizer_given = t;
    m = NULL;
    t = NULL;
    TRY_GOTO(session_open_model(given, model_given, tokenizer_given, "offline", dir, host, &s));
    if (host->opened) {
        char why[512] = "";
        glimpse_status told = host->opened(host->user, s, why, sizeof why);
        if (told < 0) TRY_GOTO(status_set_text(told, why));
    }
    *found = checkpoint;
    *out = s;
    checkpoint = NULL;
    s = NULL;
out:
    if (s) session_close(s);
    model_close(m);
    tokenizer_close(t);
    free(checkpoint);
    return st;
}

glimpse_status session_run(const options *given, const session_host *host) {
    glimpse_status st = GLIMPSE_OK;
    char *checkpoint = NULL, *dir = NULL;
    session *s = NULL;
    streamer w = {0};
    prompt_list prompts = {0};
    TRY_GOTO(choose_dir(opt_str(given, OPT_out_dir), &dir));
    TRY_GOTO(offline_open(given, host, dir, &checkpoint, &s));
    int32_t sequences = 0;
    TRY_GOTO(announce(s, checkpoint, &sequences, &prompts));
    s->prompts = &prompts;
    w.s = s;
    w.style = session_terminal_style(s, true);
    bool stream = sequences == 1 && !opt_count(s->o, OPT_stop) && host->out;
    if (stream) {
        put_text(&w, prompts.prompts[0].text, prompts.prompts[0].bytes);
        s->on_token = stream_token;
        s->on_token_user = &w;
    }
    int64_t step = checkpoint_step(checkpoint);
    st = session_eval(s, step < 0 ? 0 : step, NAN, NAN);
    if (st >= 0 && host->out) {
        if (stream) {
            view_stream_token(NULL, &(glimpse_token){ .size = sizeof(glimpse_token), .p_temp = NAN }, NULL, 0, &w.style,
                              &w.held, &w.out);
            buf_putc(&w.out, '\n');
            put_out(&w);
        } else if (s->before)
            TRY_GOTO(put_samples(&w, &s->before->record));
        if (w.error && w.error != EPIPE) { /* a reader that went away had enough */
            char room[64];
            FAIL_GOTO(GLIMPSE_E_IO, "the generated text cannot be written: %s\nhint: everything is in %s",
                      strerror_r(w.error, room, sizeof room), dir);
        }
    }
    if (st >= 0 && !opt_bool(given, OPT_quiet)) session_log(s, "glimpse: everything about it is in %s", dir);
out:
    prompt_list_free(&prompts);
    buf_free(&w.held);
    buf_free(&w.out);
    buf_free(&w.piece);
    if (s) session_close(s);
    free(checkpoint);
    if (st < 0 && dir && strcmp(dir, opt_str(given, OPT_out_dir))) rmdir(dir); /* only if nothing was written */
    free(dir);
    return st;
}
