/* views.h -- the files drawn from a record: sample.txt and its coloured twin, the folder of each eval with its sheets and
 * charts.  Drawn from the record alone, so that a run and `glimpse report` write the same bytes.
 *
 *   DIR/sample.txt, DIR/sample.ansi                 one entry a sample, appended
 *   DIR/evals/step_00000250/sample.txt              this eval's entries
 *   DIR/evals/step_00000250/p0_top_k_5_s0.png       the sheet of a sample
 *   DIR/evals/step_00000250/p0_top_k_5_s0/token_0001.png, minmax.png    with --show_heatmaps
 *   DIR/report.html, DIR/report/                    the review page (review.h), and with it
 *   DIR/probes.png                                  the texts of --probe over the steps; when a run closes, and by a report
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
/* What the run was drawn with, as far as `o` (a command line) says nothing else: `style` has those of `o`; the boundary is borrowed
 * from `run`. */
void view_style_of_run(const options *o, const view_plan *run, view_style *style);
void view_plan_free(view_plan *p);

/* Drawing anew from a journal (report, or a run whose texts are stale): each growing file is begun anew where it first
 * occurs, and a --sample_file elsewhere is drawn inside the directory.  Begin with {0}. */
typedef struct views_redraw {
    buffer begun; /* names begun, each with a NUL */
} views_redraw;
void views_redraw_free(views_redraw *d); /* {0} again */
/* True the first time that `name` is asked for; false for `d` NULL, the run itself. */
bool views_redraw_begins(views_redraw *d, const char *name);

/* Append what this record adds to the files that grow: sample.txt and its coloured twin, the review page's index,
 * metrics.csv, the event file.  An eval whose own files were never written gets them, too. */
glimpse_status views_write_texts(const char *dir, const glimpse_record *r, views_redraw *redraw);
/* Every file of this record under `dir`.  The first failure is returned, the other files are still tried.  `where`
 * (NULL = not wanted) gets the path of the eval's sample.txt. */
glimpse_status views_write(const char *dir, const glimpse_record *r, views_redraw *redraw, buffer *where);
/* Those of its files that do not grow: its folder and its part of the page.  `where` as below. */
glimpse_status views_write_own(const char *dir, const glimpse_record *r, buffer *where);
/* Whether the files that grow end with what this record, the journal's last, adds to them: not so where its writer died
 * in between.  False for what cannot be read. */
bool views_end_with(const char *dir, const glimpse_record *r);
/* The files that grow are to be drawn anew: views_end_with is false until they are, whoever dies in between. */
void views_spoil(const char *dir);
/* Remove the temporary files that a writer killed in `dir` left.  For the one who holds the directory's lock. */
void views_sweep(const char *dir);
/* Remove our own files of an eval's folder: by our own names, through no link, nothing else. */
void views_clear_folder(const char *folder);
/* A report draws beside what is there, and only what is whole takes its place.  *beside: the empty folder .glimpse-redraw of
 * `dir`; returned (free), and removed by views_beside_end with all that is in it.  For the one who holds the directory's lock. */
glimpse_status views_beside(const char *dir, char **beside);
void views_beside_end(const char *beside);
/* Move all of it to `dir`; files there by other names stay. */
glimpse_status views_put_in_place(const char *beside, const char *dir);
/* Remove the files of the evals at `step` and beyond, left behind by a run that went on before them. */
void views_forget(const char *dir, int64_t step);

/* GLIMPSE_E_INVALID unless a sample file of this name can do no harm: it ends in .txt, .log or .md.  (A report begins it
 * anew, and a journal may come from anybody.) */
glimpse_status view_check_sample_file(const char *name);
/* sample.txt -> sample.ansi.  Appends. */
void view_ansi_name(const char *sample_file, buffer *out);

#endif
