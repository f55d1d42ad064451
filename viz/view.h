/* view.h -- from records to what one looks at.  viz sees records and nothing else: no logits, no model, no file names
 * but those it is told.  Every function is deterministic: the same record gives the same bytes.
 *
 *   colors.h    a number of a token to a colour (modes, palettes, terminal depths)
 *   text.h      sample.txt entries, sample.ansi entries, the eval's log for the terminal
 *   canvas.h    an indexed picture: rectangles, lines, text        png.h  its encoding
 *   charts.h    heatmap, bar chart, sheet, minmax chart            probe_map.h  texts over the steps
 *   html.h      the review page                                    screen.h  the same on a terminal
 *   tensorboard.h  event files      csv.h  a spreadsheet           openai.h  JSON lines for other viewers */
#ifndef GLIMPSE_VIZ_VIEW_H
#define GLIMPSE_VIZ_VIEW_H

#include "include/internal/record.h"
#include <stdbool.h>

typedef enum color_mode {
    COLOR_MINMAX, COLOR_SOFTMAX, COLOR_SOFTMAX_TOP_K, COLOR_RANK, COLOR_DOT_PRODUCT, COLOR_ENTROPY, COLOR_TOPK, COLOR_ALL
} color_mode;
typedef enum palette { PALETTE_VIRIDIS, PALETTE_CIVIDIS, PALETTE_REDGREEN } palette;
typedef enum color_depth { DEPTH_NONE, DEPTH_16, DEPTH_256, DEPTH_TRUE } color_depth;

typedef struct view_style {     /* how texts look; taken from the options */
    color_mode mode;
    palette colors;
    color_depth depth;          /* DEPTH_NONE = no escape codes */
    bool colorize;              /* --colorize_output */
    const char *token_boundary; /* NULL = none */
    int width;                  /* columns, for the terminal log; 0 = 80 */
    bool terminal;              /* it goes to a terminal: view_clear_line */
    unsigned *hinted;           /* the kinds of hints that the log of this run has given, a bit each: not again.  NULL = each time */
} view_style;

/* One entry a sample, as sample.txt has it (no escape codes; control characters shown as escapes; a line of dashes in
 * the text gets a backslash; a skipped or failed eval has an entry too).  Appends. */
glimpse_status view_sample_txt(const glimpse_record *r, const view_style *style, buffer *out);
/* The same content in colour. */
glimpse_status view_sample_ansi(const glimpse_record *r, const view_style *style, buffer *out);
/* The log of an eval: begins and ends at column 0, at most 24 lines, then where the rest is.  `before` (NULL = none) is
 * the eval before, for the digest line; `where` the path of the eval's sample.txt, or NULL. */
glimpse_status view_terminal(const glimpse_record *r, const glimpse_record *before, const char *where,
                             const view_style *style, buffer *out);
/* The numbers alone, of an offline run, whose texts stand elsewhere: a row a sample if `samples`, each behind its head where they are
 * several, at most 24 rows; then that of task scores and of the data.  Nothing where there is none of it.  Appends. */
glimpse_status view_numbers(const glimpse_record *r, bool samples, const view_style *style, buffer *out);
/* The line of an eval without samples: "glimpse 750: no sample, val 2.51 >= best 2.47 @ 500 (--sample_each_eval)", from
 * `why` or else the losses.  view_terminal says it for a record that has none. */
glimpse_status view_one_line(const glimpse_record *r, const view_style *style, buffer *out);
/* On a terminal, what makes way for a line of the log: a progress bar that stands there is wiped.  Else nothing. */
void view_clear_line(const view_style *style, buffer *out);
/* One finished sample without its head: the text in style's mode, behind it the legend (mode `all`: once for each of the
 * fork's modes, `topk`: its table).  Appends. */
glimpse_status view_sample_text(const glimpse_record *r, const glimpse_sample *s, const view_style *style, buffer *out);

struct color_scale; /* colors.h */
/* What tokens are coloured by while text streams, when no sample is finished yet: the modes that need one (minmax,
 * dot_product, all) and the table of topk show as softmax.  `vocab` ids, the setting's top_k (0 = off). */
struct color_scale view_stream_scale(const view_style *style, int32_t vocab, int32_t top_k);
/* One token while text streams, on that scale (NULL = plain): escape codes around, control characters made visible,
 * incomplete UTF-8 held back in `held` until it is whole; bytes = NULL at the end shows what is still held and frees it. */
glimpse_status view_stream_token(const struct color_scale *scale, const glimpse_token *t, const char *bytes, size_t n,
                                 const view_style *style, buffer *held, buffer *out);
/* The legend's line for streamed text, of at most `columns`, which says so, where there is room, if the mode shows as softmax.
 * `stop`: GLIMPSE_STOP_SCORED of a given text, which has no temperature. */
glimpse_status view_stream_legend(const view_style *style, int32_t vocab, int32_t top_k, glimpse_stop stop, size_t columns, buffer *out);

typedef enum chart_type { CHART_HEATMAP, CHART_BARCHART } chart_type;

/* PNG of token i of a sample: 960 x 240 for a heatmap; `last_k` tokens of context.  Appends the file's bytes. */
glimpse_status chart_token(const glimpse_record *r, const glimpse_sample *s, int32_t i, chart_type type, int32_t last_k,
                           buffer *png);
/* PNG of a whole sample: candidates under each token, entropy and -ln p as curves. */
glimpse_status chart_sheet(const glimpse_record *r, const glimpse_sample *s, buffer *png);
/* PNG of the chosen tokens' logits over the sample. */
glimpse_status chart_minmax(const glimpse_record *r, const glimpse_sample *s, buffer *png);

/* The base name of a sample's files, the same in every view: "p0_top_k_5_s0".  Appends. */
void view_sample_name(const glimpse_sample *s, buffer *out);

#endif
