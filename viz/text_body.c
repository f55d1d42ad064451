/* text_body.c -- the words of a sample in paint, the legend of its colours, its table (text.h).
 * Called by sample_txt.c, sample_ansi.c and terminal.c. */
#include "viz/text.h"

#include "include/internal/utf8.h"
#include <math.h>
#include <string.h>

bool text_is(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }

const char *text_stop_name(glimpse_stop stop) {
    static const char *const names[] = {"length", "eos", "stop", "context", "nonfinite", "scored", "cancelled"};
    return (unsigned)stop < sizeof names / sizeof *names ? names[stop] : "unknown";
}

bool text_shows_metric(const char *name) { return !text_is(name, "distinct_1"); }

double text_metric_of(const glimpse_metric *list, int32_t n, const char *name) {
    for (int32_t i = 0; i < n; i++)
        if (text_is(list[i].name, name)) return list[i].value;
    return NAN;
}

double text_metric(const glimpse_sample *s, const char *name) {
    if (text_has_metric(s, name)) return text_metric_of(s->metrics, s->n_metrics, name);
    bool perplexity = text_is(name, "perplexity");
    if ((!perplexity && !text_is(name, "mean_entropy")) || s->n_tokens <= 0) return NAN;
    double sum = 0;
    for (int32_t i = 0; i < s->n_tokens; i++) {
        const glimpse_token *t = GLIMPSE_AT(s->tokens, i);
        sum += perplexity ? -(double)t->logprob : (double)t->entropy;
    }
    sum /= s->n_tokens;
    return perplexity ? exp(sum) : sum;
}

bool text_has_metric(const glimpse_sample *s, const char *name) {
    for (int32_t i = 0; i < s->n_metrics; i++)
        if (text_is(s->metrics[i].name, name)) return true;
    return false;
}

double text_repeats(const glimpse_sample *s) {
    const double words = text_metric(s, "repetition"), ids = text_metric(s, "repetition_tokens");
    if (words > 0.3 && !(ids < words / 2)) return words;
    return ids > 0.6 ? ids : 0;
}

const char *text_metric_label(const char *name, text_label room) {
    static const char *const labels[][2] = {
        {"perplexity", "ppl of its own text"}, {"mean_entropy", "entropy"}, {"spelling_token_rate", "spelling"},
        {"repetition_tokens", "repeats"}, {"repetition", "word repeats"}};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (text_is(labels[i][0], name)) return labels[i][1];
    c_snprintf(room, sizeof(text_label), "%s", name);
    for (char *c = room; *c; c++)
        if (*c == '_') *c = ' ';
    return room;
}

const glimpse_sample *text_same_sample(const glimpse_record *r, const glimpse_sample *s) {
    for (int32_t i = 0; r && i < r->n_samples; i++) {
        const glimpse_sample *o = GLIMPSE_AT(r->samples, i);
        if (o->sample == s->sample && o->prompt_bytes == s->prompt_bytes && text_is(o->label, s->label) &&
            (!s->prompt_bytes || !memcmp(o->prompt_text, s->prompt_text, s->prompt_bytes)))
            return o;
    }
    return NULL;
}

void text_short(char out[32], double x) {
    double a = fabs(x);
    c_snprintf(out, 32, a < 2 ? "%.2f" : a < 100 ? "%.1f" : a < 1e6 ? "%.0f" : "%.1e", x);
}

void text_share(char out[32], double x) {
    c_snprintf(out, 32, "%.2f", x);
    if (out[0] == '0' && out[1] == '.') memmove(out, out + 1, strlen(out));
}

/* === The words ================================================================================================== */

typedef struct piece_bytes {
    const char *s;
    size_t n;
} piece_bytes;

static piece_bytes bytes_of(const glimpse_record *r, const glimpse_token *t) {
    const glimpse_piece *p = record_piece(r, t->id);
    return p && p->text && p->bytes > 0 ? (piece_bytes){p->text, (size_t)p->bytes} : (piece_bytes){"", 0};
}

bool text_given(buffer *out, const glimpse_record *r, const glimpse_sample *probe) {
    if (probe->n_prompt_ids < 1 || probe->n_tokens < 1) return false;
    const glimpse_token before = {.id = probe->prompt_ids[0]};
    const piece_bytes first = bytes_of(r, &before);
    size_t scored = 0;
    for (int32_t i = 0; i < probe->n_tokens; i++) scored += bytes_of(r, GLIMPSE_AT(probe->tokens, i)).n;
    /* BOS is no part of the text, and then the tokens make up all of it. */
    if (text_is_special(first.s, first.n) || scored >= probe->prompt_bytes + probe->text_bytes) return false;
    text_token(out, r, before.id);
    return true;
}

/* Tokens that are part of the text: the EOS that ended it is not. */
static int32_t text_tokens(const glimpse_sample *s) {
    return s->stop == GLIMPSE_STOP_EOS && s->n_tokens > 0 ? s->n_tokens - 1 : s->n_tokens;
}

/* How the tokens' pieces make up the text: it begins `*skip` bytes into them (a tokenizer that drops the first blank)
 * and may end before they do (a stop string).  False: they do not, and the text is shown as it was recorded. */
static bool pieces_make_text(const glimpse_record *r, const glimpse_sample *s, size_t *skip) {
    for (*skip = 0; *skip < 2; ++*skip) {
        size_t at = 0, drop = *skip; /* bytes of the text matched, bytes still to leave out */
        bool ok = true;
        for (int32_t i = 0, n = text_tokens(s); i < n && ok && at < s->text_bytes; i++) {
            piece_bytes p = bytes_of(r, GLIMPSE_AT(s->tokens, i));
            if (drop && p.n) {
                ok = p.s[0] == ' ';
                p.s++, p.n--, drop = 0;
            }
            if (p.n > s->text_bytes - at) p.n = s->text_bytes - at;
            ok = ok && !memcmp(s->text + at, p.s, p.n);
            at += p.n;
        }
        if (ok && at == s->text_bytes) return true;
    }
    return false;
}

bool text_is_blank(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\n", s[i]) || !s[i]) return false;
    return true;
}

/* The prompt, or the last `most` bytes of it and a little less: whole characters. */
static void put_prompt(const glimpse_sample *s, size_t most, paint p, styled *out) {
    const char *text = s->prompt_text;
    size_t n = s->prompt_bytes;
    if (!n || text_is_blank(text, n)) return;
    if (n > most) {
        text += n - most;
        n = most;
        while (n && ((unsigned char)*text & 0xC0) == 0x80) text++, n--;
        styled_put(out, "\xe2\x80\xa6", 3, p);
    }
    styled_escape(out, text, n, TEXT_LINES, p);
}

void text_body(const glimpse_record *r, const glimpse_sample *s, color_mode mode, bool colored, size_t prompt_most,
               const view_style *style, size_t *ends, styled *out) {
    const paint plain = paint_of(PAINT_PLAIN), dim = paint_of(PAINT_DIM);
    const char *boundary = style->token_boundary && *style->token_boundary ? style->token_boundary : NULL;
    size_t skip = 0, left = s->text_bytes;
    for (int32_t i = 0; ends && i < s->n_tokens; i++) ends[i] = 0;
    put_prompt(s, prompt_most, colored ? dim : plain, out);
    if (!pieces_make_text(r, s, &skip)) {
        styled_escape(out, s->text, s->text_bytes, TEXT_LINES, plain);
        return;
    }
    color_scale scale = color_scale_of(mode, s, r->vocab_size);
    buffer held = {0}; /* a character that is not complete yet */
    paint p = plain;
    bool first = true;
    int32_t i = 0;
    for (int32_t n = text_tokens(s); i < n && left; i++) {
        const glimpse_token *t = GLIMPSE_AT(s->tokens, i);
        piece_bytes piece = bytes_of(r, t);
        if (skip && piece.n) piece.s++, piece.n--, skip = 0;
        if (piece.n > left) piece.n = left;
        left -= piece.n;
        if (boundary && !first && !held.n) styled_escape(out, boundary, strlen(boundary), TEXT_LINES, colored ? dim : plain);
        first = false;
        double v;
        p = plain;
        if (colored && text_is_special(piece.s, piece.n)) p = paint_of(PAINT_SPECIAL);
        else if (colored && color_scale_value(&scale, t, &v)) p = (paint){PAINT_GROUND, style->colors, (float)v};
        buf_put(&held, piece.s, piece.n);
        size_t whole = utf8_complete_prefix(buf_str(&held), held.n);
        styled_escape(out, buf_str(&held), whole, TEXT_LINES, p);
        if (whole) memmove(held.bytes, held.bytes + whole, held.n - whole);
        held.n -= whole;
        if (ends) ends[i] = out->text.n;
    }
    styled_escape(out, buf_str(&held), held.n, TEXT_LINES, p);
    if (ends && i && held.n) ends[i - 1] = out->text.n;
    if (buf_failed(&held)) out->text.failed = true;
    buf_free(&held);
    if (colored && s->stop == GLIMPSE_STOP_EOS && s->n_tokens > 0) {
        piece_bytes eos = bytes_of(r, GLIMPSE_AT(s->tokens, s->n_tokens - 1));
        styled_escape(out, eos.s, eos.n, TEXT_ONE_LINE, paint_of(PAINT_SPECIAL));
    }
    for (; ends && i < s->n_tokens; i++) ends[i] = out->text.n;
}

/* === Legend ===================================================================================================== */

typedef struct legend {
    styled *out;
    size_t columns; /* left */
    bool full;      /* a piece did not fit: none follows */
} legend;

static void legend_add(legend *l, const char *piece) {
    size_t w = text_width(piece, strlen(piece));
    if (l->full || w > l->columns) {
        l->full = true;
        return;
    }
    styled_puts(l->out, piece, PAINT_DIM);
    l->columns -= w;
}

static void signed_text(char out[32], double x) {
    char text[32];
    c_snprintf(text, sizeof text, "%.1f", fabs(x));
    c_snprintf(out, 32, "%s%s", x < 0 && strcmp(text, "0.0") ? "\xe2\x88\x92" : "", text); /* U+2212 */
}

/* The numbers between which a mode spreads its colours over one sample; nothing if it has none. */
static void legend_spread(legend *l, const glimpse_record *r, const glimpse_sample *s, color_mode mode) {
    if (!s) return;
    color_scale scale = color_scale_of(mode, s, r->vocab_size);
    if (!isfinite(scale.lo)) return;
    const double unit = mode == COLOR_MINMAX ? scale.temperature : 1; /* shown raw, as the journal has them */
    char lo[32], hi[32], text[80];
    signed_text(lo, scale.lo * unit), signed_text(hi, scale.hi * unit);
    c_snprintf(text, sizeof text, " (%s \xe2\x80\xa6 %s)", lo, hi);
    legend_add(l, text);
}

/* What the two ends of the bar are, from the fullest wording to the least. */
enum { WORDINGS = 3 };
static void legend_ends(const glimpse_record *r, const glimpse_sample *s, color_mode mode, char out[WORDINGS][64]) {
    const char *of = mode == COLOR_MINMAX ? "logit" : "cosine";
    char k[16] = "k", nats[32] = "low is sure";
    switch (mode) {
    case COLOR_MINMAX:
    case COLOR_DOT_PRODUCT:
        c_snprintf(out[0], 64, "lowest \xe2\x80\xa6 highest %s", of);
        c_snprintf(out[1], 64, "low \xe2\x80\xa6 high %s", of);
        c_snprintf(out[2], 64, "low \xe2\x80\xa6 high");
        return;
    case COLOR_RANK:
        if (s) c_snprintf(k, sizeof k, "%d", s->top_k > 2 ? (int)s->top_k : 2);
        c_snprintf(out[0], 64, "rank %s \xe2\x80\xa6 2", k);
        c_snprintf(out[1], 64, "rank %s\xe2\x80\xa6" "2", k);
        break;
    case COLOR_ENTROPY:
        if (r->vocab_size > 1) c_snprintf(nats, sizeof nats, "0 \xe2\x80\xa6 %.1f nats", log((double)r->vocab_size));
        c_snprintf(out[0], 64, "%s", nats);
        c_snprintf(out[1], 64, "%s", nats);
        break;
    default:
        c_snprintf(out[0], 64, "p 0 \xe2\x80\xa6 1");
        c_snprintf(out[1], 64, "p 0\xe2\x80\xa6" "1");
        break;
    }
    memcpy(out[2], out[1], 64);
}

/* The mode's name, its bar and what the ends of it are.  Where that is too much for the columns, the words go first, then cells, then the
 * name; never what the ends are, without which the rest says nothing.  False: not even that fits. */
static bool legend_begin(legend *l, const glimpse_record *r, const glimpse_sample *s, color_mode mode, const view_style *style) {
    const char *name = color_mode_name(mode);
    const size_t most = l->columns < 36 ? 4 : l->columns < 60 ? 8 : l->columns < 90 ? 10 : 16; /* 10: minmax is said whole in 78 columns */
    char ends[WORDINGS][64];
    legend_ends(r, s, mode, ends);
    for (int attempt = 0; attempt < 3 * WORDINGS; attempt++) {
        const char *said = ends[attempt % WORDINGS];
        const size_t cells = attempt < WORDINGS ? most : 4, named = attempt < 2 * WORDINGS ? strlen(name) + 1 : 0;
        if (named + cells + 1 + text_width(said, strlen(said)) > l->columns) continue;
        if (named) legend_add(l, name), legend_add(l, " ");
        for (size_t i = 0; i < cells; i++, l->columns--)
            styled_put(l->out, " ", 1, (paint){PAINT_GROUND, style->colors, (float)i / (float)(cells - 1)});
        legend_add(l, " ");
        legend_add(l, said);
        return true;
    }
    return false;
}

void text_legend(const glimpse_record *r, const glimpse_sample *s, color_mode mode, const view_style *style, size_t columns,
                 styled *out) {
    if (mode == COLOR_ALL) mode = COLOR_MINMAX;
    legend l = {.out = out, .columns = columns};
    if (!legend_begin(&l, r, s, mode, style)) return;
    switch (mode) {
    case COLOR_MINMAX:
    case COLOR_DOT_PRODUCT:
        if (mode == COLOR_DOT_PRODUCT) legend_add(&l, " to the token before");
        legend_add(&l, mode == COLOR_DOT_PRODUCT ? ", of each sample" : " of each sample");
        if (mode == COLOR_MINMAX) legend_add(&l, ", not p");
        legend_spread(&l, r, s, mode);
        break;
    case COLOR_RANK:
        legend_add(&l, " (1 plain)");
        break;
    case COLOR_ENTROPY:
        if (r->vocab_size > 1) legend_add(&l, ", low is sure");
        break;
    default:
        legend_add(&l, mode == COLOR_SOFTMAX_TOP_K ? ", among the kept" : mode == COLOR_TOPK || (s && s->stop == GLIMPSE_STOP_SCORED) ? ", the model's own" : ", at the temperature");
        break;
    }
}

/* === Table of mode topk ========================================================================================= */

enum { TOKEN_COLUMNS = 14, CANDIDATE_COLUMNS = 8, CANDIDATES = 10 };

void text_piece(styled *out, const glimpse_record *r, int32_t id, size_t columns, bool fill, paint p) {
    buffer scratch = {0};
    text_token(&scratch, r, id);
    size_t used, fits = text_fit(buf_str(&scratch), scratch.n, columns, &used);
    if (fits < scratch.n && text_end_short(&scratch)) fits = text_fit(buf_str(&scratch), scratch.n, columns, &used);
    if (fits < scratch.n && columns) {
        fits = text_fit(buf_str(&scratch), scratch.n, columns - 1, &used);
        scratch.n = fits;
        buf_puts(&scratch, "\xe2\x80\xa6");
        used++;
    }
    if (fill) buf_fill(&scratch, ' ', columns - used);
    styled_put(out, buf_str(&scratch), scratch.n, p);
    if (buf_failed(&scratch)) out->text.failed = true;
    buf_free(&scratch);
}

/* Six columns. */
static void put_p(styled *out, double p, paint_kind kind) {
    char text[32];
    if (!isfinite(p)) {
        styled_puts(out, "     -", kind);
        return;
    }
    c_snprintf(text, sizeof text, "%6.3f", p);
    styled_puts(out, text, kind);
}

void text_topk_table(const glimpse_record *r, const glimpse_sample *s, int32_t n_rows, size_t columns,
                     const view_style *style, styled *out) {
    const size_t fixed = TOKEN_COLUMNS + 8 + 6 + 6 + 1 + 6 + 3; /* as the formats below add up */
    int32_t n_candidates = CANDIDATES;
    if (columns) {
        n_candidates = columns > fixed ? (int32_t)((columns - fixed) / (CANDIDATE_COLUMNS + 1)) : 0;
        if (n_candidates > CANDIDATES) n_candidates = CANDIDATES;
    }
    styled_printf(out, PAINT_DIM, "%-*s  -ln p  rank      p   left%s\n", TOKEN_COLUMNS, "token",
                  n_candidates ? "   the most probable" : "");
    for (int32_t i = 0; i < s->n_tokens && i < n_rows; i++) {
        const glimpse_token *t = GLIMPSE_AT(s->tokens, i);
        text_piece(out, r, t->id, TOKEN_COLUMNS, true, paint_of(PAINT_STRONG));
        if (isfinite(t->logprob)) styled_printf(out, PAINT_PLAIN, " %6.2f ", fabs((double)t->logprob));
        else styled_puts(out, "      - ", PAINT_PLAIN);
        styled_printf(out, PAINT_PLAIN, "%5d ", (int)t->rank);
        put_p(out, exp((double)t->logprob), PAINT_PLAIN);
        styled_puts(out, " ", PAINT_PLAIN);
        put_p(out, t->left, PAINT_PLAIN);
        int32_t n = n_candidates < t->n_top ? n_candidates : t->n_top;
        for (int32_t k = 0; k < n; k++) {
            const glimpse_candidate *c = &t->top[k];
            styled_puts(out, k ? " " : "   ", PAINT_PLAIN);
            paint p = {c->id == t->id ? PAINT_CHOSEN : PAINT_GROUND, style->colors, c->p};
            bool fill = k + 1 < n || style->depth != DEPTH_NONE; /* without a ground the last one's would trail */
            text_piece(out, r, c->id, CANDIDATE_COLUMNS, fill, p);
        }
        styled_puts(out, "\n", PAINT_PLAIN);
    }
}
