/* html.h -- the review page: report.html, a fixed shell; report/glimpse.js and glimpse.css, its one script and style; a
 * data file an eval; and an index that grows by a line an eval.
 *
 * Opened from file://, where a page may not fetch but may add script tags: a data file is a script that calls one
 * function with one literal.  The shell's content policy allows scripts and styles from files beside it and nothing
 * else, so no text of a model can act, even where a view forgot that it is text.
 *
 *   report/index.js              glimpse_eval({...});\n an eval, appended
 *   report/step_00000250.js      glimpse_step({...});\n
 *
 *   report/probes.js             glimpse_probes({"run","step","seq","probes":[{"i","prompt","text","why","from","given","t":[piece..],
 *                                "l":[ln p..],"r":[rank..]}]});\n an eval that scored some, appended
 *
 * All are JSON in a call: `<`, U+2028 and U+2029 escaped, so that they are scripts whatever the texts hold.
 *
 * A sample's numbers stand in `d`, base64 of little-endian columns of n tokens, each complete before the next:
 *   u32 id     index into the file's `pieces`
 *   i32 rank, kept      f32 logit, logprob, p_temp, p_final, left, entropy, dot       (NaN = not finite)
 *   top id [n][k]       likewise; 0xFFFFFFFF = none; where the file's `w` is 2, u16 and 0xFFFF
 *   u16 top p [n][k]    -2000 ln p rounded, at most 65534: three digits are exact; 65535 = 0
 *   u16 top p_final [n][k]
 * In one file (`glimpse report --single`) the same stands inside the page: style and script in it, named to its content
 * policy by their hashes, the data in blocks that no browser runs:
 *   <script type="application/json" id="glimpse-index">[{...},...]</script>       id="glimpse-step-00000250">{...}</script>
 *   and id="glimpse-probes">[{...},...]</script>
 *
 * A piece is a string, or an array of bytes where it is not UTF-8 by itself.
 * Called by hooks/review.c and hooks/export.c. */
#ifndef GLIMPSE_VIZ_HTML_H
#define GLIMPSE_VIZ_HTML_H

#include "viz/view.h"

typedef struct html_file {
    const char *name; /* below the run's directory: "report.html", "report/glimpse.js" */
    const char *bytes;
    size_t n;
} html_file;
enum { HTML_FILES = 3 };
/* The files that never change, i = 0 .. HTML_FILES - 1; borrowed for ever. */
html_file html_file_at(int i);

/* An eval's line of the index: its losses, the metrics of each sample, its task scores and dataset's numbers; `mode`: the run's
 * --colorize_mode, in which the page opens.  Appends. */
glimpse_status html_index_line(const glimpse_record *r, color_mode mode, buffer *out);
/* An eval's probes, for the map over the steps; nothing if it has none.  Appends. */
glimpse_status html_probes_line(const glimpse_record *r, buffer *out);
/* An eval's data file; `sheets`: there is a picture of each sample beside it.  Appends. */
glimpse_status html_step(const glimpse_record *r, bool sheets, buffer *out);

/* The page in one file: begin, then each eval (its data; its lines are kept for the index and the probes), then
 * end.  Both buffers are the caller's, {0} at first.  Pictures stay outside.  Append. */
glimpse_status html_single_begin(buffer *out);
glimpse_status html_single_step(const glimpse_record *r, color_mode mode, buffer *index, buffer *probes, buffer *out);
glimpse_status html_single_end(const buffer *index, const buffer *probes, buffer *out);

#endif
