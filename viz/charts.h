/* charts.h -- what the charts share: which candidates of a token are shown, how a number is written, the header, the
 * colour scale.  The charts themselves are declared in view.h.  Called by heatmap.c, barchart.c, sheet.c, minmax.c, probe_map.c.
 *
 * Probabilities are coloured by viridis on a logarithmic scale from 1e-4 to 1, the same in every picture, so that
 * pictures compare.  A number that is not finite shows as "–" on a hatched ground. */
#ifndef GLIMPSE_VIZ_CHARTS_H
#define GLIMPSE_VIZ_CHARTS_H

#include "viz/canvas.h"
#include "viz/png.h"
#include "viz/text.h"

enum { CHART_W = 960, CHART_H = 240, CHART_MARGIN = 16, CHART_CELLS = 20 };

typedef struct chart_cell {
    int32_t id;
    float p, p_final; /* as glimpse_candidate */
    bool chosen;
    bool filtered;    /* did not survive the filters: shown for the model's sake */
} chart_cell;

typedef struct chart_cells {
    chart_cell cell[CHART_CELLS]; /* by falling p_final */
    int n;
    int64_t others;      /* survivors that are not shown */
    double others_mass;  /* their probability */
} chart_cells;

/* The survivors a token was drawn from, at most twenty; the chosen one is always among them (in the last place if its
 * own is beyond).  Fewer than five survivors (greedy): what the model would have said next fills up to five. */
void chart_cells_of(const glimpse_token *t, chart_cells *out);

typedef char chart_number[16];
const char *chart_p(double p, chart_number out);              /* ".42", ".042", ".0042", "4e-4", "1", "0", "–" */
const char *chart_fixed(double x, int decimals, chart_number out); /* "-1.83" with a minus sign, "–" */

/* 0..1 on the colour scale; 0 for what is not above 1e-4. */
double chart_scale(double p);
int chart_color(double p); /* index of the palette */

/* The last_k ids before token i (prompt, then sample), "…" before them if there are more, "▸" after them.  Appends. */
void chart_context(const glimpse_record *r, const glimpse_sample *s, int32_t i, int32_t last_k, buffer *out);
/* The label of a token that has `w` pixels: its short name where it has one and needs it.  Instead of what `out` held. */
void chart_token_label(const glimpse_record *r, int32_t id, font_face face, int w, buffer *out);
/* "step 250 · prompt 1 · top_k 5", " · sample 2 of 3" where there are several.  Appends. */
void chart_title(const glimpse_record *r, const glimpse_sample *s, buffer *out);

/* The two lines above a token's chart; fails for want of memory alone. */
glimpse_status chart_header(canvas *c, const glimpse_record *r, const glimpse_sample *s, int32_t i, int32_t last_k, const char *note);
/* Where the check of the model failed: a red border and the words, their right edge at `right`; returns their width. */
int chart_alarm(canvas *c, const glimpse_record *r, int right, int baseline);
/* The colour scale with its numbers, standing (h high) or lying (w wide). */
void chart_bar_standing(canvas *c, int x, int y, int h);
void chart_bar_lying(canvas *c, int x, int y, int w);
/* An axis's upper end: the least of 1, 2, 4, 5, 8 times a power of ten that is at least x. */
double chart_nice(double x);

/* A token of a sample; NULL if there is none of that number. */
const glimpse_token *chart_token_at(const glimpse_sample *s, int32_t i);

glimpse_status chart_heatmap_draw(canvas *c, const glimpse_record *r, const glimpse_sample *s, int32_t i, int32_t last_k);
glimpse_status chart_barchart_draw(canvas *c, const glimpse_record *r, const glimpse_sample *s, int32_t i, int32_t last_k);

#endif
