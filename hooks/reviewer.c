/* reviewer.c -- `glimpse review DIR`: the review page in a terminal.  Here is what the keys do; viz/screen.h draws it.
 *
 * An eval is read when it is looked at.  What needs every eval (a search, the map of the probes) is done in slices between two
 * keys, so that the screen answers while it goes on.  The journal is looked at twice a second for evals of a live run. */
#include "hooks/full_screen.h"
#include "hooks/journal_index.h"
#include "hooks/over_steps.h"
#include "hooks/run_dir.h"
#include "hooks/session_state.h"
#include "hooks/text_search.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "include/internal/threads.h"
#include "include/internal/utf8.h"
#include "viz/screen.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 500, SLICE_MS = 25, MOST_FOUND = 100000 };

typedef struct hit { /* what a search found */
    int64_t eval, from, to; /* bytes of the sample's text */
    int32_t sample;
} hit;

typedef struct probe_row { /* an eval's probes: p of token i of probe k, one after the other */
    bool read;
    int32_t n, *n_tokens;
    float *p;
} probe_row;

typedef struct reviewer {
    full_screen *t;
    journal_index *x;
    screen_view v;
    int64_t top;             /* of the text, moved by screen_draw */
    int64_t seen;            /* evals that there were when one looked at the last */
    bool choose;             /* another sample is in sight: its most surprising token is to be selected */
    buffer line, problem, said;
    char kind;               /* what is typed: '/', 'g'; 0 = nothing */
    text_search *search;     /* NULL = none */
    buffer hits;             /* hit, in the order of the evals */
    int64_t searched, hit_at, search_from;
    bool jump;               /* to the next hit from search_from on, as soon as it is known */
    probe_row *rows;         /* (n_rows) by eval */
    int64_t n_rows;
    buffer map, map_steps;
    over_steps over;
    const options *o;
    view_plan run;           /* what the run is drawn with, from the first eval that was read */
    bool styled;
    buffer sampled;          /* a byte an eval, of the first so many: 0 = not known yet, else 1 + whether it has samples */
} reviewer;

static void say(reviewer *w, const char *fmt, ...) BUF_PRINTF_LIKE(2, 3);
static void say(reviewer *w, const char *fmt, ...) {
    va_list args;
    buf_clear(&w->said);
    va_start(args, fmt);
    buf_vprintf(&w->said, fmt, args);
    va_end(args);
}

/* === What is in sight =========================================================================================== */

static const glimpse_sample *sample_of(const reviewer *w) {
    const glimpse_record *r = w->v.r;
    return r && w->v.sample < r->n_samples ? GLIMPSE_AT(r->samples, w->v.sample) : NULL;
}

static void select_surprising(reviewer *w, int step) {
    const glimpse_sample *s = sample_of(w);
    int32_t best = -1;
    const float now = s && w->v.token < s->n_tokens ? GLIMPSE_AT(s->tokens, w->v.token)->logprob : 0;
    for (int32_t i = 0; s && i < s->n_tokens; i++) { /* of those less (more) surprising than this one the most (least); ties in order */
        float x = GLIMPSE_AT(s->tokens, i)->logprob;
        bool beyond = !step || (step > 0 ? x > now || (x == now && i > w->v.token) : x < now || (x == now && i < w->v.token));
        if (!isfinite(x) || !beyond) continue;
        float b = best < 0 ? 0 : GLIMPSE_AT(s->tokens, best)->logprob;
        if (best < 0 || (step < 0 ? x >= b : x < b)) best = i;
    }
    if (best >= 0) w->v.token = best;
    else if (step > 0) select_surprising(w, 0); /* around */
}

/* Whether eval i was sampled.  Of a line that cannot be read: no. */
static bool is_sampled(reviewer *w, int64_t i) {
    static const char key[] = ",\"samples\":["; /* no string of a line has a bare quotation mark */
    if ((size_t)i >= w->sampled.n) buf_fill(&w->sampled, 0, (size_t)evals_count(w->x) - w->sampled.n);
    if (buf_failed(&w->sampled)) return true;
    char *known = &w->sampled.bytes[i];
    if (!*known) {
        buffer line = {0};
        const char *at = evals_read(w->x, i, &line) < 0 ? NULL : memmem(buf_str(&line), line.n, key, sizeof key - 1);
        *known = at && at[sizeof key - 1] != ']' ? 2 : 1;
        buf_free(&line);
    }
    return *known == 2;
}

/* The colours of the run's own log, unless the command line names others; keys change them from there. */
static glimpse_status look_as_the_run(reviewer *w) {
    view_style *style = &w->v.style;
    TRY(view_plan_of(w->v.r, &w->run));
    view_style_of_run(w->o, &w->run, style);
    style->colorize = true;
    if (style->mode == COLOR_ALL) style->mode = COLOR_MINMAX; /* the first of them, as in the log */
    w->styled = true;
    return GLIMPSE_OK;
}

/* Read what the view says is to be seen. */
static glimpse_status load(reviewer *w) {
    screen_view *v = &w->v;
    v->r = v->before = NULL;
    v->problem = NULL;
    v->n = evals_count(w->x);
    if (v->at >= v->n) v->at = v->n - 1;
    if (v->at < 0) v->at = 0;
    if (v->at == v->n - 1) w->seen = v->n;
    v->fresh = v->n - w->seen;
    if (!v->n) return GLIMPSE_OK;
    int64_t before = v->at - 1;
    while (before >= 0 && !is_sampled(w, before)) before--;
    glimpse_status st = before >= 0 ? evals_record(w->x, before, &v->before) : GLIMPSE_OK;
    if (st < 0) v->before = NULL;
    if (st == GLIMPSE_E_MEMORY) return st;
    st = evals_record(w->x, v->at, &v->r);
    if (st == GLIMPSE_E_MEMORY) return st;
    if (st < 0) {
        v->r = NULL;
        buf_clear(&w->problem);
        buf_puts(&w->problem, status_text());
        v->problem = buf_str(&w->problem);
        return GLIMPSE_OK;
    }
    if (!w->styled) {
        TRY(look_as_the_run(w));
        if (!v->r->n_samples && !v->before && v->r->n_probes) v->page = SCREEN_PROBES; /* all that there is to see */
    }
    if (v->page == SCREEN_PROBES) return GLIMPSE_OK;
    if (v->sample >= v->r->n_samples && v->r->n_samples) v->sample = v->r->n_samples - 1;
    const glimpse_sample *s = sample_of(w);
    if (w->choose && s) {
        select_surprising(w, 0);
        w->choose = false;
        w->top = 0;
    }
    if (s && v->token >= s->n_tokens) v->token = s->n_tokens ? s->n_tokens - 1 : 0;
    v->match_from = v->match_to = -1;
    const hit *h = (const hit *)(const void *)w->hits.bytes;
    if (w->hit_at >= 0 && h[w->hit_at].eval == v->at && h[w->hit_at].sample == v->sample) {
        v->match_from = h[w->hit_at].from;
        v->match_to = h[w->hit_at].to;
    }
    return GLIMPSE_OK;
}

/* === Search ===================================================================================================== */

static void end_search(reviewer *w) {
    text_search_close(w->search);
    w->search = NULL;
    buf_clear(&w->hits);
    w->hit_at = -1;
    w->searched = 0;
}

static void begin_search(reviewer *w, const char *query, size_t n) {
    end_search(w);
    if (!n) return;
    if (text_search_open(query, n, &w->search) < 0) {
        say(w, "no such pattern: %s", status_text());
        return;
    }
    w->jump = true;
    w->search_from = w->v.at;
}

static void search_text(reviewer *w, int64_t eval, int32_t sample, buffer *text) {
    size_t from, to, at = 0;
    text_search_prepare(text);
    while (w->hits.n / sizeof(hit) < MOST_FOUND && text_search_next(w->search, text, at, &from, &to)) {
        hit h = { eval, (int64_t)from, (int64_t)to, sample };
        buf_put(&w->hits, &h, sizeof h);
        at = to;
    }
}

/* Search evals for a while; true while there are more. */
static bool search_on(reviewer *w) {
    buffer line = {0}, text = {0};
    int64_t until = monotonic_ms() + SLICE_MS, n = evals_count(w->x);
    while (w->search && w->searched < n && monotonic_ms() < until) {
        size_t at = 0;
        buf_clear(&line);
        if (evals_read(w->x, w->searched, &line) >= 0)
            for (int32_t s = 0; evals_next_text(line.bytes, line.n, &at, &text); s++) search_text(w, w->searched, s, &text);
        w->searched++;
    }
    buf_free(&line);
    buf_free(&text);
    return w->search && w->searched < n;
}

/* Step to the sample of a hit and select the token in which it begins. */
static glimpse_status show_hit(reviewer *w, int64_t i) {
    const hit h = ((const hit *)(const void *)w->hits.bytes)[i];
    w->hit_at = i;
    w->v.at = h.eval;
    w->v.sample = h.sample;
    w->v.page = SCREEN_SAMPLE;
    w->v.diff = false;
    w->choose = false;
    TRY(load(w));
    const glimpse_sample *s = sample_of(w);
    int64_t bytes = 0;
    for (int32_t k = 0; s && k < s->n_tokens; k++) {
        const glimpse_piece *p = record_piece(w->v.r, GLIMPSE_AT(s->tokens, k)->id);
        bytes += p ? p->bytes : 0;
        if (bytes <= h.from) continue;
        w->v.token = k;
        break;
    }
    return GLIMPSE_OK;
}

static glimpse_status next_hit(reviewer *w, int by) {
    int64_t n = (int64_t)(w->hits.n / sizeof(hit));
    if (!w->search) say(w, "nothing is searched for: /");
    else if (n) return show_hit(w, w->hit_at < 0 ? 0 : (w->hit_at + by + n) % n);
    return GLIMPSE_OK;
}

/* After a search went on: to the first hit where one stood, or behind it. */
static glimpse_status jump_to_hit(reviewer *w, bool more) {
    const hit *h = (const hit *)(const void *)w->hits.bytes;
    int64_t n = (int64_t)(w->hits.n / sizeof *h), i = 0;
    while (i < n && h[i].eval < w->search_from) i++;
    if (i == n && more) return GLIMPSE_OK;
    w->jump = false;
    return n ? show_hit(w, i % n) : GLIMPSE_OK;
}

static void say_found(reviewer *w) {
    int64_t n = (int64_t)(w->hits.n / sizeof(hit));
    if (w->searched < evals_count(w->x)) say(w, "%lld found, %lld of %lld steps searched", (long long)n, (long long)w->searched, (long long)evals_count(w->x));
    else if (!n) say(w, "not found in %lld step%s", (long long)w->searched, w->searched == 1 ? "" : "s");
    else if (w->hit_at >= 0) say(w, "%lld of %lld found   n next  N previous", (long long)w->hit_at + 1, (long long)n);
    else say(w, "%lld found", (long long)n);
}

/* === Probes ===================================================================================================== */

static void forget_probes(reviewer *w) {
    for (int64_t i = 0; i < w->n_rows; i++) free(w->rows[i].p), free(w->rows[i].n_tokens);
    free(w->rows);
    w->rows = NULL;
    w->n_rows = 0;
}

static glimpse_status read_probes(reviewer *w, int64_t i) {
    owned_record *o = NULL;
    probe_row *row = &w->rows[i];
    row->read = true;
    glimpse_status st = evals_record_light(w->x, i, &o);
    if (st == GLIMPSE_E_MEMORY) return st;
    if (st < 0) return GLIMPSE_OK;
    const glimpse_record *r = &o->record;
    size_t n = 0;
    for (int32_t k = 0; k < r->n_probes; k++) n += (size_t)GLIMPSE_AT(r->probes, k)->n_tokens;
    row->n_tokens = calloc((size_t)r->n_probes + 1, sizeof *row->n_tokens);
    row->p = calloc(n + 1, sizeof *row->p);
    if (!row->n_tokens || !row->p) st = status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for the probes of a step");
    else row->n = r->n_probes;
    float *p = row->p;
    for (int32_t k = 0; st >= 0 && k < r->n_probes; k++) {
        const glimpse_sample *s = GLIMPSE_AT(r->probes, k);
        row->n_tokens[k] = s->n_tokens;
        for (int32_t j = 0; j < s->n_tokens; j++) *p++ = expf(GLIMPSE_AT(s->tokens, j)->logprob);
    }
    record_free(&o->record);
    return st;
}

/* The map for the eval in sight, from what is read so far; reads a while.  *more: there is something left to read. */
static glimpse_status map_probes(reviewer *w, bool *more) {
    screen_view *v = &w->v;
    screen_probes *m = &v->probes;
    int64_t n = evals_count(w->x), wide = screen_probe_columns(v->width), until = monotonic_ms() + SLICE_MS;
    *more = false;
    m->probe = NULL;
    if (w->n_rows < n) {
        probe_row *rows = realloc(w->rows, (size_t)n * sizeof *rows);
        if (!rows) FAIL(GLIMPSE_E_MEMORY, "no memory for the probes of the steps");
        memset(rows + w->n_rows, 0, (size_t)(n - w->n_rows) * sizeof *rows);
        w->rows = rows;
        w->n_rows = n;
    }
    if (!v->r || !v->r->n_probes) return GLIMPSE_OK;
    if (v->sample >= v->r->n_probes) v->sample = v->r->n_probes - 1;
    m->index = v->sample;
    m->n = v->r->n_probes;
    m->first = n <= wide ? 0 : v->at < wide / 2 ? 0 : v->at - wide / 2 > n - wide ? n - wide : v->at - wide / 2;
    m->n_columns = n < wide ? n : wide;
    buf_clear(&w->map);
    buf_clear(&w->map_steps);
    const glimpse_sample *probe = GLIMPSE_AT(v->r->probes, m->index);
    for (int64_t c = 0; c < m->n_columns; c++) {
        probe_row *row = &w->rows[m->first + c];
        if (!row->read && monotonic_ms() < until) TRY(read_probes(w, m->first + c));
        *more = *more || !row->read;
        const float *p = row->p;
        for (int32_t k = 0; k < m->index && k < row->n; k++) p += row->n_tokens[k];
        bool known = m->index < row->n && row->n_tokens[m->index] == probe->n_tokens;
        for (int32_t j = 0; j < probe->n_tokens; j++) {
            float x = known ? p[j] : NAN;
            buf_put(&w->map, &x, sizeof x);
        }
        buf_put(&w->map_steps, &evals_at(w->x, m->first + c)->step, sizeof(int64_t));
    }
    if (buf_failed(&w->map) || buf_failed(&w->map_steps)) FAIL(GLIMPSE_E_MEMORY, "no memory for the map of the probes");
    m->p = (const float *)(const void *)w->map.bytes;
    m->steps = (const int64_t *)(const void *)w->map_steps.bytes;
    m->probe = probe;
    return GLIMPSE_OK;
}

/* === Keys ======================================================================================================= */

static void go_to(reviewer *w, int64_t at) {
    int64_t n = evals_count(w->x);
    if (at < 0) at = 0;
    if (at >= n) at = n - 1;
    w->v.at = at;
}

static void go_to_step(reviewer *w, const char *text, size_t n) {
    int64_t step, best = 0;
    while (n && *text == ' ') text++, n--;
    if (!parse_i64(text, n, &step) || step < 0) {
        say(w, "no number of a step");
        return;
    }
    for (int64_t i = 0; i < evals_count(w->x); i++)
        if (llabs(evals_at(w->x, i)->step - step) < llabs(evals_at(w->x, best)->step - step)) best = i;
    go_to(w, best);
}

static void go_to_sample(reviewer *w, int by) {
    const glimpse_record *r = w->v.r;
    int32_t n = !r ? 0 : w->v.page == SCREEN_PROBES ? r->n_probes : r->n_samples;
    int32_t to = w->v.sample + by;
    if (to < 0) to = 0;
    if (to >= n) to = n ? n - 1 : 0;
    if (to != w->v.sample && w->v.page == SCREEN_SAMPLE) w->choose = true, w->hit_at = -1;
    w->v.sample = to;
}

static void go_to_token(reviewer *w, int by) {
    const glimpse_sample *s = sample_of(w);
    int32_t n = w->v.page == SCREEN_PROBES && w->v.probes.probe ? w->v.probes.probe->n_tokens : s ? s->n_tokens : 0, to = w->v.token + by;
    if (w->v.diff || w->v.page == SCREEN_NUMBERS) {
        w->top += by;
        return;
    }
    w->v.token = to < 0 || !n ? 0 : to >= n ? n - 1 : to;
}

static void turn_to(reviewer *w, screen_page page) {
    if ((w->v.page == SCREEN_PROBES) != (page == SCREEN_PROBES)) w->v.sample = 0, w->choose = true;
    w->v.page = w->v.page == page ? SCREEN_SAMPLE : page;
    if (page == SCREEN_PROBES && w->v.page == SCREEN_SAMPLE) w->v.sample = 0, w->choose = true;
    w->top = 0;
}

static void typed(reviewer *w, uint32_t key) {
    char utf8[4];
    if (key == KEY_ESCAPE) w->kind = 0;
    else if (key == KEY_ENTER) {
        char kind = w->kind;
        w->kind = 0;
        if (kind == '/') begin_search(w, buf_str(&w->line), w->line.n);
        else go_to_step(w, buf_str(&w->line), w->line.n);
    } else if (key == KEY_BACKSPACE) {
        if (!w->line.n) w->kind = 0;
        while (w->line.n && ((unsigned char)w->line.bytes[--w->line.n] & 0xC0) == 0x80) {}
        if (w->line.bytes) w->line.bytes[w->line.n] = 0;
    } else if (key >= 32 && key < KEY_LEFT && w->line.n < 200) buf_put(&w->line, utf8, (size_t)utf8_encode(key, utf8));
}

/* False: it is over. */
static bool pressed(reviewer *w, uint32_t key, glimpse_status *st) {
    screen_view *v = &w->v;
    buf_clear(&w->said);
    if (w->kind) return typed(w, key), true;
    switch (key) {
    case 'q': case KEY_ESCAPE: /* back; at the top the one leaves, the other ends the search */
        if (v->page != SCREEN_SAMPLE) turn_to(w, v->page);
        else if (v->diff) v->diff = false;
        else if (key == 'q') return false;
        else end_search(w);
        break;
    case KEY_LEFT: go_to(w, v->at - 1); break;
    case KEY_RIGHT: go_to(w, v->at + 1); break;
    case KEY_HOME: go_to(w, 0); break;
    case KEY_END: case 'G': go_to(w, evals_count(w->x) - 1); break;
    case KEY_UP: case 'k': go_to_sample(w, -1); break;
    case KEY_DOWN: case 'j': go_to_sample(w, 1); break;
    case 'h': case ',': go_to_token(w, -1); break;
    case 'l': case '.': go_to_token(w, 1); break;
    case KEY_PAGE_UP: go_to_token(w, -10); break;
    case KEY_PAGE_DOWN: case ' ': go_to_token(w, 10); break;
    case 's': select_surprising(w, 1); break;
    case 'S': select_surprising(w, -1); break;
    case 'c': v->style.mode = v->style.mode >= COLOR_TOPK ? COLOR_MINMAX : v->style.mode + 1; break;
    case 'C': v->style.mode = v->style.mode == COLOR_MINMAX ? COLOR_TOPK : v->style.mode - 1; break;
    case 'd': v->diff = !v->diff && v->page == SCREEN_SAMPLE; w->top = 0; break;
    case 'o': turn_to(w, SCREEN_OVER); break;
    case KEY_ENTER: if (v->page == SCREEN_OVER) turn_to(w, SCREEN_OVER); break;
    case 'p': turn_to(w, SCREEN_PROBES); break;
    case 'm': turn_to(w, SCREEN_NUMBERS); break;
    case '?': turn_to(w, SCREEN_HELP); break;
    case 'n': *st = next_hit(w, 1); break;
    case 'N': *st = next_hit(w, -1); break;
    case '/': case 'g':
        w->kind = (char)key;
        buf_clear(&w->line);
        break;
    default: break;
    }
    return true;
}

/* === The loop =================================================================================================== */

static glimpse_status draw(reviewer *w, buffer **rows, int *n_rows, bool *more) {
    screen_view *v = &w->v;
    buffer shown = {0};
    glimpse_status st = GLIMPSE_OK;
    full_screen_size(w->t, &v->width, &v->height);
    v->style.width = v->width;
    TRY_GOTO(load(w));
    if (v->page == SCREEN_PROBES) {
        bool left = false;
        TRY_GOTO(map_probes(w, &left));
        *more = *more || left;
    }
    if (v->page == SCREEN_OVER) {
        bool left = false;
        TRY_GOTO(over_steps_show(&w->over, w->x, v, SLICE_MS, &left));
        *more = *more || left;
    }
    if (v->height > *n_rows) {
        buffer *room = realloc(*rows, (size_t)v->height * sizeof *room);
        if (!room) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a screen");
        memset(room + *n_rows, 0, (size_t)(v->height - *n_rows) * sizeof *room);
        *rows = room;
        *n_rows = v->height;
    }
    if (w->kind) buf_puts(&shown, w->kind == '/' ? "find (text, or /pattern/): " : "go to step: "), buf_put(&shown, buf_str(&w->line), w->line.n);
    else if (w->said.n) buf_put(&shown, w->said.bytes, w->said.n);
    v->line = shown.n ? buf_str(&shown) : NULL;
    v->typing = w->kind != 0;
    TRY_GOTO(screen_draw(v, &w->top, *rows));
    TRY_GOTO(full_screen_show(w->t, *rows, v->height));
out:
    buf_free(&shown);
    return st;
}

static glimpse_status loop(reviewer *w) {
    glimpse_status st = GLIMPSE_OK;
    buffer *rows = NULL;
    int n_rows = 0;
    int64_t looked = monotonic_ms();
    for (bool on = true, more = false, searching = false; on;) {
        more = false;
        if (w->search && (w->searched < evals_count(w->x) || searching || w->jump)) {
            searching = more = search_on(w);
            if (w->jump) TRY_GOTO(jump_to_hit(w, searching));
            say_found(w);
        }
        TRY_GOTO(draw(w, &rows, &n_rows, &more));
        uint32_t key = full_screen_key(w->t, more ? 0 : LOOK_MS);
        if (key == KEY_GONE) break;
        if (key != KEY_NONE && key < KEY_RESIZED) {
            on = pressed(w, key, &st);
            if (st < 0) goto out;
            if ((key == 'n' || key == 'N') && w->search) say_found(w);
        }
        if (monotonic_ms() - looked >= LOOK_MS) {
            evals_change change;
            TRY_GOTO(evals_refresh(w->x, &change));
            if (change != EVALS_SAME) {
                end_search(w);
                forget_probes(w);
                over_steps_forget(&w->over);
                buf_clear(&w->sampled);
                w->seen = 0;
                w->v.at = evals_count(w->x) - 1;
                w->choose = true;
                say(w, change == EVALS_ANOTHER ? "another run has begun" : "the run goes on from an earlier step");
            }
            looked = monotonic_ms();
        }
    }
out:
    for (int i = 0; i < n_rows; i++) buf_free(&rows[i]);
    free(rows);
    return st;
}

glimpse_status session_review(const options *o, const char *dir, const session_host *host) {
    glimpse_status st = GLIMPSE_OK;
    buffer boundary = {0};
    reviewer w = { .v = { .match_from = -1, .match_to = -1, .name = path_base(dir) }, .choose = true, .hit_at = -1 };
    session as_if = { .o = (options *)(uintptr_t)o, .host = *host }; /* the style is asked of a session */
    char *path = path_join(dir, "evals.jsonl");
    if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    TRY_GOTO(view_style_of(o, &as_if.style, &boundary));
    w.v.style = session_terminal_style(&as_if, true);
    w.v.style.colorize = true;
    w.o = o;
    TRY_GOTO(run_dir_check_begun(dir, "review"));
    TRY_GOTO(evals_open(path, &w.x));
    w.v.at = evals_count(w.x) - 1;
    w.seen = evals_count(w.x);
    TRY_GOTO(full_screen_open(host, &w.t));
    st = loop(&w);
out:
    full_screen_close(w.t); /* first: what is said then stands below what was there */
    end_search(&w);
    forget_probes(&w);
    over_steps_forget(&w.over);
    evals_close(w.x);
    buf_free(&w.hits), buf_free(&w.line), buf_free(&w.problem), buf_free(&w.said), buf_free(&w.map), buf_free(&w.map_steps), buf_free(&w.sampled);
    buf_free(&boundary);
    view_plan_free(&w.run);
    free(path);
    return st;
}
