/* views.c -- the files drawn from a record (views.h).  Called by the session after each journal line, and by report. */
#include "hooks/views.h"

#include "hooks/journal.h"
#include "hooks/prompts.h"
#include "hooks/review.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const opt_id view_opts[] = { OPT_colorize_output, OPT_colorize_mode, OPT_palette, OPT_token_boundary, OPT_escapes,
                                    OPT_sample_file, OPT_sheets, OPT_show_heatmaps, OPT_chart_type, OPT_last_k_tokens,
                                    OPT_report, OPT_tensorboard };
enum { N_VIEW_OPTS = sizeof view_opts / sizeof *view_opts };

glimpse_status views_options(const options *o, buffer *out) {
    const char *names[N_VIEW_OPTS], *values[N_VIEW_OPTS];
    for (int i = 0; i < N_VIEW_OPTS; i++) {
        names[i] = opt_info_of(view_opts[i])->name;
        values[i] = opt_str(o, view_opts[i]);
    }
    return journal_views(names, values, N_VIEW_OPTS, out);
}

/* --- from the record's options to a plan -------------------------------------------------------------------------- */

static bool is_view_option(int id) {
    for (int i = 0; i < N_VIEW_OPTS; i++)
        if ((int)view_opts[i] == id) return true;
    return false;
}

static glimpse_status read_options(const char *json, options *o) {
    glimpse_status st = GLIMPSE_OK;
    cJSON *all = cJSON_Parse(json ? json : "{}"), *e;
    if (!all) FAIL(GLIMPSE_E_FORMAT, "the record's view options are no JSON");
    cJSON_ArrayForEach(e, all) {
        int id = e->string ? opt_find(e->string, strlen(e->string)) : -1;
        if (!is_view_option(id) || !cJSON_IsString(e)) continue; /* a later version's option */
        glimpse_status set = options_set(o, (opt_id)id, e->valuestring, OPT_LEVEL_FLAG);
        if (set == GLIMPSE_E_MEMORY) TRY_GOTO(set); /* any other: a later version's value, and the default stands */
    }
out:
    cJSON_Delete(all);
    return st;
}

/* The index of an enum option's choice among `names`, in their order; 0 for any other ("auto"). */
static int choice_of(const options *o, opt_id id, const char *const *names, int n) {
    for (int i = 0; i < n; i++)
        if (opt_is(o, id, names[i])) return i;
    return 0;
}

glimpse_status view_style_of(const options *o, view_style *style, buffer *boundary) {
    static const char *const palettes[] = { "viridis", "cividis", "redgreen" };
    static const char *const modes[] = { "minmax", "softmax", "softmax_top_k", "rank", "dot_product", "entropy", "topk", "all" };
    view_style s = { .mode = (color_mode)choice_of(o, OPT_colorize_mode, modes, 8),
                     .colors = (palette)choice_of(o, OPT_palette, palettes, 3),
                     .colorize = opt_bool(o, OPT_colorize_output), .width = 80 };
    const char *text = opt_str(o, OPT_token_boundary);
    if (text && *text) {
        buf_clear(boundary);
        if (opt_bool(o, OPT_escapes)) TRY(unescape(text, strlen(text), boundary));
        else buf_puts(boundary, text);
        if (buf_failed(boundary)) FAIL(GLIMPSE_E_MEMORY, "no memory for --token_boundary");
        s.token_boundary = buf_str(boundary);
    }
    *style = s;
    return GLIMPSE_OK;
}

glimpse_status view_plan_of(const glimpse_record *r, view_plan *out) {
    glimpse_status st = GLIMPSE_OK;
    view_plan p = {0};
    options *o = options_new();
    if (!o) FAIL(GLIMPSE_E_MEMORY, "no memory for the view options");
    TRY_GOTO(read_options(r->views, o));
    TRY_GOTO(view_style_of(o, &p.style, &p.boundary));
    p.sheets = opt_bool(o, OPT_sheets);
    p.heatmaps = opt_bool(o, OPT_show_heatmaps);
    p.report = opt_bool(o, OPT_report);
    p.tensorboard = opt_bool(o, OPT_tensorboard);
    p.chart = opt_is(o, OPT_chart_type, "barchart") ? CHART_BARCHART : CHART_HEATMAP;
    p.last_k = (int32_t)opt_int(o, OPT_last_k_tokens);
    const char *name = opt_str(o, OPT_sample_file);
    bool harmless = name && view_check_sample_file(name) >= 0;
    p.sample_file = strdup(harmless ? name : "sample.txt");
    if (!p.sample_file) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the view options");
    *out = p;
    p = (view_plan){0};
out:
    view_plan_free(&p);
    options_free(o);
    return st;
}

void view_style_of_run(const options *o, const view_plan *run, view_style *style) {
    if (!opt_is_set(o, OPT_colorize_output)) style->colorize = run->style.colorize;
    if (!opt_is_set(o, OPT_colorize_mode)) style->mode = run->style.mode;
    if (!opt_is_set(o, OPT_palette)) style->colors = run->style.colors;
    if (!opt_is_set(o, OPT_token_boundary)) style->token_boundary = run->style.token_boundary;
}

void view_plan_free(view_plan *p) {
    free(p->sample_file);
    buf_free(&p->boundary);
    *p = (view_plan){0};
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* Whole, or as it was before. */
static glimpse_status append_file(const char *path, const buffer *text, bool anew) {
    glimpse_status st = GLIMPSE_OK;
    struct stat before;
    char *folder = path_dir(path);
    if (!folder) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    st = mkdir_p(folder);
    free(folder);
    TRY(st);
    int fd = file_open_fd(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | (anew ? O_TRUNC : 0));
    if (fd < 0) FAIL(GLIMPSE_E_IO, "%s: %s", path, strerror(errno));
    bool regular = !io.fstat(fd, &before) && S_ISREG(before.st_mode);
    st = file_write_fd(fd, path, text->bytes, text->n);
    if (st < 0 && regular && io.ftruncate(fd, before.st_size)) HINT("and what got out could not be cut off again");
    io.close(fd);
    return st;
}

void views_redraw_free(views_redraw *d) { buf_free(&d->begun); }

bool views_redraw_begins(views_redraw *d, const char *name) {
    if (!d) return false;
    for (size_t at = 0; at < d->begun.n; at += strlen(d->begun.bytes + at) + 1)
        if (!strcmp(d->begun.bytes + at, name)) return false;
    buf_put(&d->begun, name, strlen(name) + 1);
    return true;
}

glimpse_status view_check_sample_file(const char *name) {
    static const char *const endings[] = { ".txt", ".log", ".md" };
    const char *base = path_base(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(base), e = strlen(endings[i]);
        if (n > e && !strcmp(base + n - e, endings[i])) return GLIMPSE_OK;
    }
    FAIL(GLIMPSE_E_INVALID, "--sample_file %s: expected a name that ends in .txt, .log or .md", name);
}

/* sample.txt -> sample.ansi; a name without an ending gets one. */
void view_ansi_name(const char *sample_file, buffer *out) {
    const char *base = path_base(sample_file), *dot = strrchr(base, '.');
    size_t n = dot && dot > base ? (size_t)(dot - sample_file) : strlen(sample_file);
    buf_put(out, sample_file, n);
    buf_puts(out, ".ansi");
}

static glimpse_status write_png(const char *dir, const char *name, const buffer *png) {
    char *path = path_join(dir, name);
    if (!path || buf_failed(png)) {
        free(path);
        FAIL(GLIMPSE_E_MEMORY, "no memory for a picture");
    }
    glimpse_status st = file_write_atomic(path, png->bytes, png->n, false);
    free(path);
    return st;
}

static glimpse_status token_charts(const view_plan *p, const glimpse_record *r, const glimpse_sample *s, const char *dir) {
    glimpse_status st = GLIMPSE_OK;
    buffer png = {0};
    TRY_GOTO(mkdir_p(dir));
    for (int32_t i = 0; i < s->n_tokens; i++) {
        char name[32];
        c_snprintf(name, sizeof name, "token_%04d.png", i + 1);
        buf_clear(&png);
        TRY_GOTO(chart_token(r, s, i, p->chart, p->last_k, &png));
        TRY_GOTO(write_png(dir, name, &png));
    }
    buf_clear(&png);
    TRY_GOTO(chart_minmax(r, s, &png));
    TRY_GOTO(write_png(dir, "minmax.png", &png));
out:
    buf_free(&png);
    return st;
}

static glimpse_status sample_pictures(const view_plan *p, const glimpse_record *r, const glimpse_sample *s,
                                      const char *folder) {
    glimpse_status st = GLIMPSE_OK;
    buffer png = {0}, name = {0};
    char *dir = NULL;
    view_sample_name(s, &name);
    dir = path_join(folder, buf_str(&name));
    buf_puts(&name, ".png");
    if (!dir || buf_failed(&name)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
    if (p->sheets) {
        TRY_GOTO(chart_sheet(r, s, &png));
        TRY_GOTO(write_png(folder, buf_str(&name), &png));
    }
    if (p->heatmaps) TRY_GOTO(token_charts(p, r, s, dir));
out:
    buf_free(&png);
    buf_free(&name);
    free(dir);
    return st;
}

/* Of several files: a failure does not stop the others, and later ones do not hide the first.  Begin with {0}. */
typedef struct failures {
    glimpse_status st; /* the first one's */
    buffer why;        /* what it said */
} failures;

static void count_failure(failures *f, glimpse_status st) {
    if (st >= 0 || f->st < 0) return;
    f->st = st;
    buf_puts(&f->why, status_text());
}

static glimpse_status failures_end(failures *f) {
    if (f->st < 0 && f->why.n) status_set_text(f->st, buf_str(&f->why));
    buf_free(&f->why);
    return f->st;
}

/* Where a redraw draws the sample file: at its own place, unless that is outside the directory. */
static const char *inside(const char *name) {
    return name[0] == '/' || strstr(name, "..") ? path_base(name) : name;
}

static glimpse_status write_texts(const view_plan *p, const char *dir, const glimpse_record *r, views_redraw *redraw,
                                  const buffer *text) {
    glimpse_status st = GLIMPSE_OK;
    buffer ansi = {0}, name = {0};
    const char *texts = redraw ? inside(p->sample_file) : p->sample_file;
    char *txt_path = path_join(dir, texts), *ansi_path = NULL;
    view_ansi_name(texts, &name);
    if (!buf_failed(&name)) ansi_path = path_join(dir, buf_str(&name));
    if (!txt_path || !ansi_path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for file names");
    view_style coloured = p->style;
    coloured.depth = DEPTH_TRUE;
    TRY_GOTO(view_sample_ansi(r, &coloured, &ansi));
    if (buf_failed(&ansi)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the samples' text");
    bool anew = views_redraw_begins(redraw, texts);
    TRY_GOTO(append_file(txt_path, text, anew));
    TRY_GOTO(append_file(ansi_path, &ansi, anew));
out:
    buf_free(&ansi);
    buf_free(&name);
    free(txt_path);
    free(ansi_path);
    return st;
}

static glimpse_status texts_end_with(const view_plan *p, const char *dir, const glimpse_record *r, bool *yes) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0}, ansi = {0}, name = {0};
    char *path = NULL;
    view_style coloured = p->style;
    coloured.depth = DEPTH_TRUE;
    view_ansi_name(p->sample_file, &name);
    TRY_GOTO(view_sample_txt(r, &p->style, &text));
    TRY_GOTO(view_sample_ansi(r, &coloured, &ansi));
    for (int i = 0; i < 2 && *yes; i++) {
        free(path);
        path = buf_failed(&name) ? NULL : path_join(dir, i ? buf_str(&name) : p->sample_file);
        if (!path) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a file name");
        TRY_GOTO(file_ends_with(path, i ? &ansi : &text, yes));
    }
out:
    buf_free(&text);
    buf_free(&ansi);
    buf_free(&name);
    free(path);
    return st;
}

bool views_end_with(const char *dir, const glimpse_record *r) {
    view_plan p = {0};
    bool yes = true;
    glimpse_status st = view_plan_of(r, &p);
    if (st >= 0) st = texts_end_with(&p, dir, r, &yes);
    if (st >= 0 && yes) st = review_ends_with(&p, dir, r, &yes);
    view_plan_free(&p);
    return st >= 0 && yes;
}

/* The eval's folder and its part of the page. */
static glimpse_status write_own(const view_plan *p, const char *dir, const glimpse_record *r, const buffer *text, buffer *where) {
    glimpse_status st = GLIMPSE_OK;
    failures first = {0};
    buffer folder = {0};
    buf_printf(&folder, "%s/evals/step_%08lld", dir, (long long)r->step);
    char *own = path_join(buf_str(&folder), "sample.txt");
    if (!own || buf_failed(text) || buf_failed(&folder)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the samples' text");
    if (!r->n_samples) { /* what an abandoned branch may have left at this step */
        views_clear_folder(buf_str(&folder));
        rmdir(buf_str(&folder));
    } else {
        glimpse_status made = mkdir_p(buf_str(&folder));
        count_failure(&first, made);
        if (made >= 0) {
            views_clear_folder(buf_str(&folder));
            for (int32_t i = 0; i < r->n_samples; i++)
                count_failure(&first, sample_pictures(p, r, GLIMPSE_AT(r->samples, i), buf_str(&folder)));
            glimpse_status last = file_write_atomic(own, text->bytes, text->n, false);
            if (last >= 0 && first.st < 0) io.unlink(own); /* where it stands, the folder is whole: is_drawn */
            count_failure(&first, last);
            if (where) buf_puts(where, own);
        }
    }
    if (p->report) count_failure(&first, review_page(p, dir, r));
out:
    count_failure(&first, st);
    buf_free(&folder);
    free(own);
    return failures_end(&first);
}

/* The files that write_own makes are all there. */
static bool is_drawn(const view_plan *p, const char *dir, const glimpse_record *r) {
    buffer folder = {0}, page = {0};
    buf_printf(&folder, "%s/evals/step_%08lld/sample.txt", dir, (long long)r->step);
    buf_printf(&page, "%s/report/step_%08lld.js", dir, (long long)r->step);
    bool drawn = !buf_failed(&folder) && !buf_failed(&page) && (!r->n_samples || path_is_file(buf_str(&folder)))
                 && (!p->report || path_is_file(buf_str(&page)));
    buf_free(&folder);
    buf_free(&page);
    return drawn;
}

/* A record's plan and its entries of sample.txt, which all that follows wants. */
typedef struct drawing {
    view_plan p;
    buffer text;
} drawing;

static glimpse_status drawing_begin(drawing *d, const glimpse_record *r) {
    *d = (drawing){0};
    TRY(view_plan_of(r, &d->p));
    return view_sample_txt(r, &d->p.style, &d->text);
}

static void drawing_end(drawing *d) {
    view_plan_free(&d->p);
    buf_free(&d->text);
}

glimpse_status views_write_texts(const char *dir, const glimpse_record *r, views_redraw *redraw) {
    drawing d;
    glimpse_status st = drawing_begin(&d, r);
    if (st >= 0) st = write_texts(&d.p, dir, r, redraw, &d.text);
    if (st >= 0 && !is_drawn(&d.p, dir, r)) st = write_own(&d.p, dir, r, &d.text, NULL);
    if (st >= 0) st = review_append(&d.p, dir, r, redraw);
    drawing_end(&d);
    return st;
}

glimpse_status views_write_own(const char *dir, const glimpse_record *r, buffer *where) {
    drawing d;
    glimpse_status st = drawing_begin(&d, r);
    if (st >= 0) st = write_own(&d.p, dir, r, &d.text, where);
    drawing_end(&d);
    return st;
}

void views_spoil(const char *dir) {
    char *path = path_join(dir, "metrics.csv"); /* it is always drawn */
    if (path) io.unlink(path);
    free(path);
}

glimpse_status views_write(const char *dir, const glimpse_record *r, views_redraw *redraw, buffer *where) {
    drawing d;
    failures first = {0};
    glimpse_status st = drawing_begin(&d, r);
    count_failure(&first, st);
    if (st >= 0) {
        count_failure(&first, write_texts(&d.p, dir, r, redraw, &d.text));
        count_failure(&first, write_own(&d.p, dir, r, &d.text, where));
        count_failure(&first, review_append(&d.p, dir, r, redraw));
    }
    drawing_end(&d);
    return failures_end(&first);
}
