/* text_out.c -- see text_out.h. */
#include "hooks/text_out.h"

#include "include/internal/wrap.h"
#include "sampling/pieces_text.h"
#include "viz/text.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

static const glimpse_token no_token = { .size = sizeof no_token, .p_temp = NAN, .p_final = NAN, .logit = NAN, .logprob = NAN };

static void put_out(text_out *w) {
    if (w->out.n) w->mid_line = w->out.bytes[w->out.n - 1] != '\n';
    if (w->out.n && !w->error) w->error = w->s->host.out(w->s->host.user, w->out.bytes, w->out.n);
    buf_clear(&w->out);
}

/* The same, of text: broken between words where it goes to a terminal. */
static void put_text(text_out *w) {
    if (!w->wrap.column && !w->wrap.held.n) w->wrap.columns = w->s->host.out_terminal ? wrap_columns(STDOUT_FILENO) : 0;
    word_wrap_put(&w->wrap, w->out.bytes, w->out.n, &w->shown);
    buf_clear(&w->out);
    buf_put(&w->out, w->shown.bytes, w->shown.n);
    buf_clear(&w->shown);
    put_out(w);
}

void text_out_token(void *user, int32_t sequence, const glimpse_token *t) {
    text_out *w = user;
    (void)sequence;
    w->open = true;
    if (model_ends(&w->s->m->d, t->id) && !opt_bool(w->s->o, OPT_ignore_eos)) return;
    buf_clear(&w->piece);
    if (piece_text(w->s->t, t->id, &w->piece) >= 0)
        view_stream_token(&w->scale, t, w->piece.bytes, w->piece.n, &w->style, &w->held, &w->out);
    put_text(w);
}

void text_out_end(text_out *w) {
    if (!w->open) return;
    view_stream_token(NULL, &no_token, NULL, 0, &w->style, &w->held, &w->out);
    buf_putc(&w->out, '\n');
    put_text(w);
    w->open = false;
}

void text_out_leave_line(text_out *w) {
    if (!(w->mid_line || w->wrap.held.n) || !w->s->host.terminal || !w->s->host.out_terminal) return;
    buf_putc(&w->out, '\n');
    put_text(w);
}

void text_out_text(text_out *w, const char *text, size_t n) {
    view_style style = w->style;
    style.colorize = false;
    w->open = true;
    view_stream_token(NULL, &no_token, text, n, &style, &w->held, &w->out);
    view_stream_token(NULL, &no_token, NULL, 0, &style, &w->held, &w->out);
    put_text(w);
}

/* What the chain that draws keeps at most, 0 = everything. */
static int32_t top_k_of(const session *s, const batch_request *rq) {
    chain *c;
    if (generator_chain(s->g, rq, 0, &c) < 0) return 0;
    int64_t k = offline_top_k_of(chain_string(c));
    chain_close(c);
    return k < s->m->d.vocab_size ? (int32_t)k : s->m->d.vocab_size;
}

void text_out_legend(const session *s, color_mode mode, int32_t top_k, glimpse_stop stop) {
    buffer b = {0};
    view_style style = session_terminal_style(s, false);
    const size_t before = 13, columns = style.terminal && style.width > 40 ? (size_t)style.width - 1 : 200;
    style.mode = mode;
    buf_puts(&b, "  colours    ");
    if (view_stream_legend(&style, s->m->d.vocab_size, top_k, stop, columns - before, &b) >= 0) session_say_rows(s, &b);
    buf_free(&b);
}

bool text_out_begin(text_out *w, const batch_request *rq, bool stream) {
    const session *s = w->s;
    const color_mode told = w->style.mode;
    const int32_t top_k = top_k_of(s, rq);
    w->style = session_terminal_style(s, true);
    w->scale = view_stream_scale(&w->style, s->m->d.vocab_size, top_k);
    if (!stream || !w->style.colorize || w->style.depth == DEPTH_NONE) return stream;
    if (s->text != w && (w->style.mode == COLOR_TOPK || w->style.mode == COLOR_ALL)) return false;
    if (opt_bool(s->o, OPT_quiet) || (w->told && told == w->style.mode)) return true;
    w->told = true;
    text_out_legend(s, w->style.mode, top_k, GLIMPSE_STOP_LENGTH);
    return true;
}

/* Which sample follows; what is the same for all is left away. */
static void put_header(text_out *w, const glimpse_record *r, const glimpse_sample *s) {
    int32_t prompts = 0, settings = 0;
    char paint[64] = "";
    for (int32_t i = 0; i < r->n_samples; i++) {
        const glimpse_sample *x = GLIMPSE_AT(r->samples, i);
        if (x->prompt >= prompts) prompts = x->prompt + 1;
        if (x->setting >= settings) settings = x->setting + 1;
    }
    text_sgr(paint_of(PAINT_DIM), w->style.depth, paint);
    if (*paint) buf_printf(&w->out, "\x1b[%sm", paint);
    buf_puts(&w->out, "---------------");
    if (prompts > 1) buf_printf(&w->out, " prompt %d of %d  ", s->prompt + 1, prompts);
    if (settings > 1) {
        buf_putc(&w->out, ' ');
        text_escape(&w->out, s->label, strlen(s->label), TEXT_ONE_LINE);
        buf_puts(&w->out, "  ");
    }
    buf_printf(&w->out, " sample %d of %d", s->sample + 1, s->n_samples);
    if (s->n_beams) {
        buf_puts(&w->out, "   score ");
        buf_g(&w->out, s->beam_score, RECORD_DIGITS);
    }
    buf_puts(&w->out, *paint ? "\x1b[0m\n" : "\n");
}

static void put_plain(text_out *w, const glimpse_record *r, const glimpse_sample *s) {
    for (int32_t k = 0; k < s->n_tokens && s->stop != GLIMPSE_STOP_STRING; k++) {
        const glimpse_token *t = GLIMPSE_AT(s->tokens, k);
        const glimpse_piece *p = record_piece(r, t->id);
        if (k == s->n_tokens - 1 && s->stop == GLIMPSE_STOP_EOS) break;
        if (p) view_stream_token(NULL, t, p->text, (size_t)p->bytes, &w->style, &w->held, &w->out);
    }
    if (s->stop == GLIMPSE_STOP_STRING) text_out_text(w, s->text, s->text_bytes);
    view_stream_token(NULL, &no_token, NULL, 0, &w->style, &w->held, &w->out);
}

void text_out_samples(text_out *w, const glimpse_record *r) {
    for (int32_t i = 0; i < r->n_samples && !w->error; i++) {
        const glimpse_sample *s = GLIMPSE_AT(r->samples, i);
        if (r->n_samples > 1) put_header(w, r, s);
        if (w->style.colorize && w->style.depth != DEPTH_NONE) { /* whole: in any mode, its legend below */
            view_sample_text(r, s, &w->style, &w->out);
            put_out(w);
            continue;
        }
        text_out_text(w, s->prompt_text, s->prompt_bytes);
        put_plain(w, r, s);
        buf_putc(&w->out, '\n');
        put_text(w);
        w->open = false;
    }
}

void text_out_free(text_out *w) {
    buf_free(&w->held);
    buf_free(&w->out);
    buf_free(&w->piece);
    buf_free(&w->shown);
    word_wrap_free(&w->wrap);
}
