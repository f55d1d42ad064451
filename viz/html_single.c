/* html_single.c -- the review page in one file (html.h): the shell with its style, its script and its data inside.
 *
 * The content policy allows the one script and the one style whose hashes the build wrote down.  The data are JSON in blocks
 * that are not run; texts carry no `<` (html.c), so none can end its block. */
#include "viz/html.h"

#include "include/internal/status.h"
#include <string.h>

extern const char page_shell[], page_style[], page_script[], page_style_hash[], page_script_hash[];
extern const unsigned page_shell_bytes, page_style_bytes, page_script_bytes;

static const char link_tag[] = "<link rel=\"stylesheet\" href=\"report/glimpse.css\">";
static const char script_tag[] = "<script src=\"report/glimpse.js\"></script>";
static const char policy[] = "script-src 'self'; style-src 'self'; img-src 'self'";

/* Put the shell up to `mark`, move *at behind the mark. */
static bool put_until(const char **at, const char *mark, buffer *out) {
    const char *found = strstr(*at, mark);
    if (!found) return false;
    buf_put(out, *at, (size_t)(found - *at));
    *at = found + strlen(mark);
    return true;
}

static glimpse_status done(const buffer *out, bool whole) {
    if (!whole) FAIL(GLIMPSE_E_INTERNAL, "the review page lacks its policy, its style or its script");
    if (buf_failed(out)) FAIL(GLIMPSE_E_MEMORY, "no memory for the review page in one file");
    return GLIMPSE_OK;
}

glimpse_status html_single_begin(buffer *out) {
    const char *at = page_shell;
    bool whole = put_until(&at, policy, out);
    buf_printf(out, "script-src 'sha256-%s'; style-src 'sha256-%s'; img-src data:", page_script_hash, page_style_hash);
    whole = whole && put_until(&at, link_tag, out);
    buf_puts(out, "<style>");
    buf_put(out, page_style, page_style_bytes);
    buf_puts(out, "</style>");
    whole = whole && put_until(&at, script_tag, out);
    return done(out, whole);
}

/* `call` is "name({...});\n": its argument. */
static void put_argument(const buffer *call, buffer *out) {
    const char *from = memchr(call->bytes, '(', call->n);
    if (from && !buf_failed(call)) buf_put(out, from + 1, call->n - (size_t)(from + 1 - call->bytes) - strlen(");\n"));
    else out->failed = true;
}

/* The argument of a line of index.js or probes.js among those kept; `made`: what became of the line. */
static glimpse_status keep_line(glimpse_status made, buffer *call, buffer *kept) {
    if (made >= 0 && call->n) {
        buf_puts(kept, kept->n ? ",\n" : "");
        put_argument(call, kept);
        made = done(kept, true);
    }
    buf_clear(call);
    return made;
}

glimpse_status html_single_step(const glimpse_record *r, color_mode mode, buffer *index, buffer *probes, buffer *out) {
    glimpse_status st = GLIMPSE_OK;
    buffer call = {0};
    TRY_GOTO(keep_line(html_index_line(r, mode, &call), &call, index));
    TRY_GOTO(keep_line(html_probes_line(r, &call), &call, probes));
    TRY_GOTO(html_step(r, false, &call));
    buf_printf(out, "<script type=\"application/json\" id=\"glimpse-step-%08lld\">", (long long)r->step);
    put_argument(&call, out);
    buf_puts(out, "</script>\n");
    TRY_GOTO(done(out, true));
out:
    buf_free(&call);
    return st;
}

static void put_block(const char *id, const buffer *lines, buffer *out) {
    buf_printf(out, "<script type=\"application/json\" id=\"%s\">[", id);
    buf_put(out, lines->bytes, lines->n);
    buf_puts(out, "]</script>\n");
}

glimpse_status html_single_end(const buffer *index, const buffer *probes, buffer *out) {
    const char *at = strstr(page_shell, script_tag);
    put_block("glimpse-index", index, out);
    put_block("glimpse-probes", probes, out);
    buf_puts(out, "<script>");
    buf_put(out, page_script, page_script_bytes);
    buf_puts(out, "</script>");
    if (at) buf_puts(out, at + strlen(script_tag));
    return done(out, at != NULL);
}
