/* sample_ansi.c -- entries of sample.ansi (for `less -R`, `tail -f`) and text while it streams: the content of
 * sample.txt in colour, each sample followed by the legend of its colours.  Nothing is wrapped, every span ends on its
 * line.  Mode `all` shows the text once for each of the fork's modes, mode `topk` a table instead of the text. */
#include "viz/text.h"

#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include <string.h>

/* t is scratch. */
static void put_text(const glimpse_record *r, const glimpse_sample *s, color_mode mode, const view_style *style,
                     styled *t, buffer *out) {
    bool colored = style->colorize && style->depth != DEPTH_NONE;
    styled_clear(t);
    if (mode == COLOR_TOPK) {
        text_topk_table(r, s, s->n_tokens, 0, style, t);
        styled_emit(t, 0, t->text.n, style->depth, out);
        return;
    }
    text_body(r, s, mode, colored, SIZE_MAX, style, NULL, t);
    styled_emit_guarded(t, style->depth, out);
}

/* Columns that a legend may have: a terminal's, or any number. */
static size_t columns_of(const view_style *style) { return style->terminal && style->width > 1 ? (size_t)style->width - 1 : SIZE_MAX; }

static void put_legend(const glimpse_record *r, const glimpse_sample *s, color_mode mode, const view_style *style,
                       styled *t, buffer *out) {
    styled_clear(t);
    styled_puts(t, " ", PAINT_PLAIN);
    text_legend(r, s, mode, style, columns_of(style) - 1, t);
    styled_puts(t, "\n", PAINT_PLAIN);
    styled_emit(t, 0, t->text.n, style->depth, out);
}

static void put_sample(const glimpse_record *r, const glimpse_sample *s, const view_style *style, styled *t, buffer *out) {
    static const color_mode all[] = {COLOR_MINMAX, COLOR_SOFTMAX, COLOR_SOFTMAX_TOP_K, COLOR_DOT_PRODUCT, COLOR_RANK};
    bool colored = style->colorize && style->depth != DEPTH_NONE;
    if (colored && style->mode == COLOR_ALL)
        for (size_t m = 0; m < sizeof all / sizeof *all; m++) {
            if (m) buf_putc(out, '\n');
            put_legend(r, s, all[m], style, t, out);
            put_text(r, s, all[m], style, t, out);
        }
    else {
        put_text(r, s, style->mode, style, t, out);
        if (colored) {
            buf_putc(out, '\n');
            put_legend(r, s, style->mode, style, t, out);
        }
    }
}

glimpse_status view_sample_text(const glimpse_record *r, const glimpse_sample *s, const view_style *style, buffer *out) {
    styled t = {0};
    size_t before = out->n;
    put_sample(r, s, style, &t, out);
    bool failed = styled_failed(&t);
    styled_free(&t);
    return text_done(failed, out, before, "a coloured text");
}

glimpse_status view_sample_ansi(const glimpse_record *r, const view_style *style, buffer *out) {
    styled t = {0};
    size_t before = out->n;
    for (int32_t i = 0; i < r->n_samples; i++) {
        const glimpse_sample *s = GLIMPSE_AT(r->samples, i);
        styled_clear(&t);
        text_entry_head(r, s, &t);
        styled_emit(&t, 0, t.text.n, style->depth, out);
        put_sample(r, s, style, &t, out);
        buf_puts(out, "\n\n");
    }
    if (!text_is(r->status, "ok")) {
        styled_clear(&t);
        text_entry_head(r, NULL, &t);
        styled_emit(&t, 0, t.text.n, style->depth, out);
        buf_puts(out, "\n\n");
    }
    bool failed = styled_failed(&t);
    styled_free(&t);
    return text_done(failed, out, before, "a coloured text");
}

/* === While text streams ========================================================================================= */

/* What can be known of a token before the sample is finished. */
static color_mode stream_mode(color_mode mode) {
    return mode == COLOR_SOFTMAX_TOP_K || mode == COLOR_RANK || mode == COLOR_ENTROPY ? mode : COLOR_SOFTMAX;
}

color_scale view_stream_scale(const view_style *style, int32_t vocab, int32_t top_k) {
    const glimpse_sample any = {.size = sizeof any, .temperature = 1, .top_k = top_k};
    return color_scale_of(stream_mode(style->mode), &any, vocab);
}

glimpse_status view_stream_token(const color_scale *scale, const glimpse_token *t, const char *bytes, size_t n,
                                 const view_style *style, buffer *held, buffer *out) {
    paint p = paint_of(PAINT_PLAIN);
    double v;
    if (scale && t && bytes && style->colorize) {
        if (text_is_special(bytes, n)) p = paint_of(PAINT_SPECIAL);
        else if (color_scale_value(scale, t, &v)) p = (paint){PAINT_GROUND, style->colors, (float)v};
    }
    size_t before = out->n;
    styled line = {0};
    if (bytes && held->bytes && !held->n && style->token_boundary) {
        styled_escape(&line, style->token_boundary, strlen(style->token_boundary), TEXT_LINES, paint_of(PAINT_DIM));
        styled_emit(&line, 0, line.text.n, style->depth, out);
        styled_clear(&line);
    }
    if (bytes && n) buf_put(held, bytes, n);
    size_t whole = bytes ? utf8_complete_prefix(buf_str(held), held->n) : held->n;
    styled_escape(&line, buf_str(held), whole, TEXT_LINES, p);
    styled_emit(&line, 0, line.text.n, style->depth, out);
    bool failed = styled_failed(&line) || buf_failed(held);
    styled_free(&line);
    TRY(text_done(failed, out, before, "a coloured text"));
    if (!bytes) buf_free(held);
    else if (whole) {
        memmove(held->bytes, held->bytes + whole, held->n - whole);
        held->n -= whole;
        held->bytes[held->n] = 0;
    }
    return GLIMPSE_OK;
}

glimpse_status view_stream_legend(const view_style *style, int32_t vocab, int32_t top_k, glimpse_stop stop, size_t columns, buffer *out) {
    color_mode mode = stream_mode(style->mode);
    styled t = {0};
    size_t before = out->n;
    const glimpse_sample any = {.size = sizeof any, .temperature = 1, .top_k = top_k, .stop = stop};
    const glimpse_record of = {.size = sizeof of, .vocab_size = vocab};
    char note[64] = "";
    if (mode != style->mode) c_snprintf(note, sizeof note, "  (%s needs the finished text)", color_mode_name(style->mode));
    const size_t own = strlen(note), least = 20; /* the mode, a bar and its ends: the words behind them make way for the note */
    text_legend(&of, &any, mode, style, columns >= own + least ? columns - own : columns, &t);
    if (text_width(buf_str(&t.text), t.text.n) + own <= columns) styled_puts(&t, note, PAINT_DIM);
    styled_puts(&t, "\n", PAINT_PLAIN);
    styled_emit(&t, 0, t.text.n, style->depth, out);
    bool failed = styled_failed(&t);
    styled_free(&t);
    return text_done(failed, out, before, "a coloured text");
}
