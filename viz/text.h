/* text.h -- text that is safe to show, and how it is painted: what the views of sample.txt, sample.ansi and the terminal
 * are made of.
 *
 * A `styled` is safe text with runs of paint.  Bytes enter it escaped: nothing that a model emits can move a cursor,
 * reorder or hide text.  It leaves it line by line, and every line closes what it opened.
 *
 * Paint.  The tokens' colours are *grounds* with black or white text on them, whichever has more contrast (>= 4.58 : 1):
 * legible on a dark and on a light terminal alike, and the palette keeps its order, which text in the palette's colours
 * could not.  The dim grey and the accents are chosen so that they have 4.5 : 1 on black and on white. */
#ifndef GLIMPSE_VIZ_TEXT_H
#define GLIMPSE_VIZ_TEXT_H

#include "viz/colors.h"

/* === Escapes =====================================================================================================*/
enum { TEXT_ONE_LINE = 0, TEXT_LINES = 1 /* newline and tab stay what they are */ };

/* Append `s` with what must not reach a terminal as \r, \x1b (C0, DEL; bytes that are no UTF-8), \u202e, \U000e0001
 * (C1, bidi controls, invisible characters, the combining mark behind sixteen others, those in `out` counted).  A backslash stays as
 * it is.  `s` is taken as whole. */
void text_escape(buffer *out, const char *s, size_t n, int flags);
/* The same between quotes as Python's repr() writes a str: 'a\n', "it's". */
void text_repr(buffer *out, const char *s, size_t n);
void text_quote(buffer *out, const char *s, size_t n); /* between double quotes, which are escaped */
/* A text on one line as a label: blanks as ␣ ↵ →, the rest as text_escape; a no-break blank, another script's, and a joiner that stands
 * first as \u00a0, \u3000, \u200d.  At most `limit` bytes are looked at. */
void text_visible(buffer *out, const char *s, size_t n, size_t limit);
/* Without a tokenizer a piece is the id and the blank before the next one (sampling/pieces_text.h), which is no part of a token. */
bool text_is_id(const glimpse_piece *p);
/* A token as every view of it writes it: text_visible of its piece, the id alone without a tokenizer, and ⟨464⟩ where the record has
 * no bytes of that id.  A special token's piece is ⟨name⟩ already. */
void text_token(buffer *out, const glimpse_record *r, int32_t id);
/* ⟨name⟩, as special tokens are recorded. */
bool text_is_special(const char *piece, size_t n);
/* A piece that stands for what the vocabulary lacks: ⟨unk⟩, <unk>, [UNK], <|unk|>, U+FFFD. */
bool text_is_unknown(const char *piece, size_t n);
/* Where a label is too narrow for it, the end of a text goes by its short name: ⟨endoftext⟩ becomes ⟨eot⟩.  False: `label`
 * is something else, and as it was. */
bool text_end_short(buffer *label);
/* A scored text begins with a token that nothing predicts, unless BOS stands before it: true, and the token appended, if the
 * text's own first token is given so. */
bool text_given(buffer *out, const glimpse_record *r, const glimpse_sample *probe);
/* True for a line that could pass for a rule of an entry: dashes and blanks only, at least one dash. */
bool text_is_rule(const char *line, size_t n);

/* === Width =======================================================================================================
 * Columns as wcwidth would count them on a UTF-8 terminal: wide East Asian characters and emoji 2, combining 0. */
int text_char_width(uint32_t cp);
size_t text_width(const char *s, size_t n);
/* Bytes of the longest prefix of whole grapheme clusters that fits `columns`; *used = its width (may be NULL). */
size_t text_fit(const char *s, size_t n, size_t columns, size_t *used);
/* One line of a paragraph: bytes to show, at most `columns` wide, broken after a blank where there is one; *next =
 * where the line after it starts.  A newline ends the line. */
size_t text_wrap(const char *s, size_t n, size_t columns, size_t *next);

/* === Styled text =================================================================================================*/
typedef enum paint_kind {
    PAINT_PLAIN, PAINT_DIM, PAINT_STRONG, PAINT_GOOD, PAINT_BAD, PAINT_ALARM, PAINT_SPECIAL,
    PAINT_CURSOR, PAINT_COME, PAINT_GONE, PAINT_BAR, /* of screen.h: what is selected, what changed; also without colours */
    PAINT_GROUND,
    PAINT_CHOSEN /* PAINT_GROUND, bold and underlined: the token drawn, in the table */
} paint_kind;

typedef struct paint {
    paint_kind kind;
    palette colors; /* grounds */
    float v;
} paint;

typedef struct styled { /* start from {0} */
    buffer text;
    buffer runs; /* struct styled_run: where a paint ends */
} styled;

static inline paint paint_of(paint_kind kind) { return (paint){kind, PALETTE_VIRIDIS, 0}; }

void styled_put(styled *t, const char *safe, size_t n, paint p); /* text that is already safe */
void styled_puts(styled *t, const char *safe, paint_kind kind);
void styled_escape(styled *t, const char *s, size_t n, int flags, paint p);
/* Text from outside, escaped or between quotes, on one line: as much as fits `columns`, and an ellipsis in `mark` if that is not all.
 * Returns the columns it takes. */
size_t styled_cut(styled *t, const char *s, size_t n, bool quoted, size_t columns, paint_kind kind, paint_kind mark);
void styled_printf(styled *t, paint_kind kind, const char *fmt, ...) BUF_PRINTF_LIKE(3, 4); /* safe arguments only */
void styled_copy(styled *t, const styled *from, size_t begin, size_t end); /* bytes begin .. end with their paint */
void styled_clear(styled *t);
void styled_free(styled *t);
bool styled_failed(const styled *t);

/* Append bytes from .. to of the text in paint; spans are closed before each newline and at the end. */
void styled_emit(const styled *t, size_t from, size_t to, color_depth depth, buffer *out);
/* Append all lines, a backslash before each that could pass for a rule; a newline at the end if there is none. */
void styled_emit_guarded(const styled *t, color_depth depth, buffer *out);

/* The parameters of the SGR escape for a paint, "" for none; `out` holds at least 64 bytes.  colors on 16-colour
 * terminals: text_ground_16. */
void text_sgr(paint p, color_depth depth, char *out);
/* Ground and text of a value on a 16-colour terminal, as SGR numbers (40-47, 100-107; 30 or 97). */
void text_ground_16(palette p, double v, int *ground, int *text);

/* The end of a view that appends: GLIMPSE_OK, or what it appended behind `before` is taken back and no memory for `what`. */
glimpse_status text_done(bool failed, buffer *out, size_t before, const char *what);

/* === Parts of the views ==========================================================================================*/
/* The words of a sample: the prompt (dim; at most its last `prompt_most` bytes, SIZE_MAX = all; left out if it is blank:
 * it stands in the header), then what was generated, each token painted by `mode` if `colored`, the token boundary
 * between tokens.  A token that ends inside a character waits for the rest.  The EOS that ended the text follows, dim, if
 * `colored`.  `ends` (n_tokens; may be NULL): where the text of each token ends in out->text, all 0 if the tokens do not make
 * up the text. */
void text_body(const glimpse_record *r, const glimpse_sample *s, color_mode mode, bool colored, size_t prompt_most,
               const view_style *style, size_t *ends, styled *out);
/* A piece as a label of at most `columns`, blanks visible, cut with an ellipsis, filled up with blanks if `fill`. */
void text_piece(styled *out, const glimpse_record *r, int32_t id, size_t columns, bool fill, paint p);
/* "minmax [bar] lowest .. highest logit of each sample, not p (-3.1 .. 14.2)": what the colours mean, in the same words at every
 * eval; the numbers are those of `s` (NULL = none).  Of its pieces as many as fit `columns`, from the first on; where the bar's
 * two ends cannot be named, nothing. */
void text_legend(const glimpse_record *r, const glimpse_sample *s, color_mode mode, const view_style *style, size_t columns,
                 styled *out);
/* The table of mode topk, rows 0 .. n_rows - 1, with a heading; lines cut at `columns` (0 = never). */
void text_topk_table(const glimpse_record *r, const glimpse_sample *s, int32_t n_rows, size_t columns,
                     const view_style *style, styled *out);

/* The rule, the fields and the rule that open an entry; s = NULL for an eval that was skipped or failed. */
void text_entry_head(const glimpse_record *r, const glimpse_sample *s, styled *out);
/* True if the loss of the bound tensors was not the trainer's; and what every view then says. */
bool text_check_failed(const glimpse_record *r);
#define TEXT_CHECK_FAILED_SHORT "MODEL CHECK FAILED"
#define TEXT_CHECK_FAILED TEXT_CHECK_FAILED_SHORT ": the loss of the bound tensors is not the trainer's"

/* A number of a list by its name, NAN = it is not there. */
double text_metric_of(const glimpse_metric *list, int32_t n, const char *name);
/* A metric of the sample by name, NAN if it has none; perplexity and mean_entropy are computed if they are not there. */
double text_metric(const glimpse_sample *s, const char *name);
/* The share of repeated 4-grams where it is much, else 0: of words above 0.3, or of tokens, which may be letters, above 0.6.  Words
 * count only where their tokens repeat too: in "e4 e5 Nf3 d4" and in formulas they are single letters. */
double text_repeats(const glimpse_sample *s);
/* Whether people are shown it: distinct_1 is lexical_diversity by another name, the same number always, and that one is. */
bool text_shows_metric(const char *name);
bool text_has_metric(const glimpse_sample *s, const char *name); /* it was measured, be it that the text gives no number */
/* What every view for people calls a metric, the page too (METRIC_LABELS of viz/page/words.js): "repeats" is repetition_tokens, which
 * any text has and any script; "word repeats" is repetition.  Of others the name, blanks for its underscores, in `room`.  Files keep the
 * name itself. */
typedef char text_label[64];
const char *text_metric_label(const char *name, text_label room);
/* Where there is no room for the label of `perplexity`: it is that of the model on what it has just said itself, and stands beside a
 * validation loss. */
#define TEXT_OWN_PPL "own ppl"
/* Nothing, or blanks and ends of lines alone: ink would not show it. */
bool text_is_blank(const char *s, size_t n);
/* The sample of another eval (NULL = none) with the same prompt, setting and number; NULL = it has none. */
const glimpse_sample *text_same_sample(const glimpse_record *r, const glimpse_sample *s);
void text_short(char out[32], double x); /* "1.04", "5.9", "123" */
void text_share(char out[32], double x); /* ".97", "1.00" */
const char *text_stop_name(glimpse_stop stop); /* "length", "eos", "stop", "context", "nonfinite", "scored", "cancelled" */
bool text_is(const char *a, const char *b);    /* equal; NULL is equal to nothing */

#endif
