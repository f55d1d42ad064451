/* token_lists.c -- what is forbidden, what alone is allowed, and what must come first.
 *
 *   banned_tokens=5,7,1-0   never id 5 or 7; never 0 straight after 1 (a sequence bans its last id once the others stand
 *                           there: transformers' bad_words_ids)
 *   allowed_tokens=5,7,9    no other
 *   forced_tokens=5,9       the first generated tokens are these, whatever the model says
 * A ban that would leave nothing is not carried out. */
#include "sampling/samplers/chain_state.h"
#include "include/internal/status.h"

typedef struct list {
    value_sampler value;
    int32_t n;
    int32_t ids[]; /* (n); banned: sequences, each preceded by its length, n the numbers in all */
} list;

static size_t bytes(const sampler_args *a) { return sizeof(list) + (a->list_bytes + 2) * sizeof(int32_t); }

static glimpse_status init_ids(sampler *s, const sampler_args *a) {
    list *b = (list *)s;
    const char *at = a->list, *end = at + a->list_bytes;
    glimpse_status st = GLIMPSE_OK;
    int32_t id;
    double value;
    bool has;
    while (sampler_next_id(a->kind->ops.name, &at, end, a->vocab, &id, &value, &has, &st)) {
        bool known = false;
        for (int32_t k = 0; a->kind == &sampler_allowed_tokens && k < b->n; k++) known |= b->ids[k] == id;
        if (has) FAIL(GLIMPSE_E_INVALID, "%s: id %d with a number after it\nhint: ids alone: 5,7", a->kind->ops.name, id);
        if (!known) b->ids[b->n++] = id;
    }
    return st;
}

static glimpse_status init_banned(sampler *s, const sampler_args *a) {
    list *b = (list *)s;
    const char *at = a->list, *end = at + a->list_bytes;
    glimpse_status st = GLIMPSE_OK;
    while (st >= 0 && at < end) {
        const char *stop = at;
        while (stop < end && *stop != ' ' && *stop != ',' && *stop != '\t' && *stop != '\n') stop++;
        int32_t *length = &b->ids[b->n], id;
        for (const char *part = at; part < stop;) {
            const char *dash = memchr(part, '-', (size_t)(stop - part)), *part_end = dash ? dash : stop, *word = part;
            double value;
            bool has;
            if (!sampler_next_id("banned_tokens", &word, part_end, a->vocab, &id, &value, &has, &st)) {
                if (st >= 0) FAIL(GLIMPSE_E_INVALID, "banned_tokens: '%.*s' is no id and no sequence of ids\nhint: 5,7,1-0",
                                  stop - at > 40 ? 40 : (int)(stop - at), at);
                return st;
            }
            if (has) FAIL(GLIMPSE_E_INVALID, "banned_tokens: id %d with a number after it\nhint: 5,7,1-0", id);
            if (part == at) b->n++, *length = 0;
            b->ids[b->n++] = id;
            ++*length;
            part = dash ? dash + 1 : stop;
        }
        at = stop + 1;
    }
    return st;
}

static glimpse_status apply_banned(sampler *s, candidates *c) {
    const list *b = (const list *)s;
    const history *h = c->past;
    int32_t *banned = (int32_t *)c->scratch->work2, n = 0;
    uint32_t *mark = c->scratch->mark;
    for (int32_t k = 0; k < b->n; k += 1 + b->ids[k]) {
        int32_t before = b->ids[k] - 1, id = b->ids[k + 1 + before];
        if (before > h->n || (before && memcmp(h->ids + h->n - before, b->ids + k + 1, (size_t)before * sizeof *b->ids)))
            continue;
        if (mark_has(mark, id)) continue;
        mark_set(mark, id);
        banned[n++] = id;
    }
    for (int32_t i = 0; i < n; i++) mark[banned[i] / 32] = 0;
    return candidates_ban(c, banned, n, false);
}

int32_t banned_tokens_ids(const sampler *s, int32_t *out, int32_t room) {
    const list *b = (const list *)s;
    int32_t n = 0;
    for (int32_t k = 0; k < b->n; k += 1 + b->ids[k]) {
        if (n == room) return -1;
        out[n++] = b->ids[k + b->ids[k]];
    }
    return n;
}

static glimpse_status apply_allowed(sampler *s, candidates *c) {
    const list *b = (const list *)s;
    return candidates_ban(c, b->ids, b->n, true);
}

static glimpse_status apply_forced(sampler *s, candidates *c) {
    const list *b = (const list *)s;
    if (c->past->generated >= b->n) return GLIMPSE_OK;
    c->scratch->id[0] = b->ids[c->past->generated];
    c->scratch->l[0] = 0;
    c->id = c->scratch->id;
    c->l = c->scratch->l;
    c->n = 1;
    return GLIMPSE_OK;
}

static void print_ids(const sampler *s, buffer *out) {
    const list *b = (const list *)s;
    for (int32_t k = 0; k < b->n; k++) {
        if (k) buf_putc(out, ',');
        buf_i64(out, b->ids[k]);
    }
}

static void print_banned(const sampler *s, buffer *out) {
    const list *b = (const list *)s;
    for (int32_t k = 0; k < b->n; k += 1 + b->ids[k])
        for (int32_t i = 0; i < b->ids[k]; i++) {
            if (k || i) buf_putc(out, i ? '-' : ',');
            buf_i64(out, b->ids[k + 1 + i]);
        }
}

#define LIST(name, apply, print) {name, NULL, apply, NULL, value_sampler_clone, value_sampler_free, print}
const sampler_kind sampler_banned_tokens = {.ops = LIST("banned_tokens", apply_banned, print_banned),
                                            .list_flag = "banned_tokens", .bytes = bytes, .init = init_banned};
const sampler_kind sampler_allowed_tokens = {.ops = LIST("allowed_tokens", apply_allowed, print_ids),
                                             .list_flag = "allowed_tokens", .bytes = bytes, .init = init_ids};
const sampler_kind sampler_forced_tokens = {.ops = LIST("forced_tokens", apply_forced, print_ids),
                                            .list_flag = "forced_tokens", .bytes = bytes, .init = init_ids};
