/* views.h -- the files drawn from a record: sample.txt and its coloured twin, the folder of each eval with its sheets and
 * charts.  Drawn from the record alone, so that a run and `glimpse report` write the same bytes.
 *
 *   DIR/sample.txt, DIR/sample.ansi                 one entry a sample, appended
 *   DIR/evals/step_00000250/sample.txt              this eval's entries
 *   DIR/evals/step_00000250/p0_top_k_5_s0.png       the sheet of a sample
 *   DIR/evals/step_00000250/p0_top_k_5_s0/token_0001.png, minmax.png    with --show_heatmaps
 *   DIR/report.html, DIR/report/                    the review page (review.h), and with it
 *   DIR/metrics.csv, DIR/events.out.tfevents.*      for a spreadsheet and for TensorBoard */
#ifndef GLIMPSE_HOOKS_VIEWS_H
#define GLIMPSE_HOOKS_VIEWS_H

#include "include/internal/options.h"
#include "viz/view.h"

/* The view options in force as the JSON object that a record carries.  Appends. */
glimpse_status views_options(const options *o, buffer *out);

/* How texts look, from the options: all but what depends on where they go (depth, width, terminal).  `boundary` holds what
 * the style borrows. */
glimpse_status view_style_of(const options *o, view_style *style, buffer *boundary);

/* What a record says about its views. */
typedef struct view_plan {
    view_style style;
    bool sheets, heatmaps, report, tensorboard;
    chart_type chart;
    int32_t last_k;
    char *sample_file;    /* as the option gives it */
    buffer boundary;
} view_plan;
glimpse_status view_plan_of(const glimpse_record *r, view_plan *out);
void view_plan_free(view_plan *p);

typedef enum views_how {
    VIEWS_APPEND,       /* the run itself: texts are appended */
    VIEWS_REDRAW,       /* report: the same, but an absolute --sample_file is drawn inside `dir` */
    VIEWS_REDRAW_FIRST  /* and the text files are begun anew */
} views_how;

/* Append what this record adds to the files that grow: sample.txt and its coloured twin, the review page's index,
 * metrics.csv, the event file. */
glimpse_status views_write_texts(const char *dir, const glimpse_record *r, views_how how);
/* Every file of this record under `dir`.  The first failure is returned, the other files are still tried.  `where`
 * (NULL = not wanted) gets the path of the eval's sample.txt. */
glimpse_status views_write(const char *dir, const glimpse_record *r, views_how how, buffer *where);

#endif
