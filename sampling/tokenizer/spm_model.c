/* spm_model.c -- see spm_model.h.  Byte pairs: the neighbours whose joined text is the piece of the highest score are joined,
 * the leftmost of equals first; a piece of type UNUSED is cut again as it was joined.  Where no piece holds a blank behind
 * another character, words are joined each by itself, which gives the same ids. */
#include "sampling/tokenizer/spm_model.h"

#include <stdlib.h>
#include <string.h>

#include "include/internal/utf8.h"
#include "sampling/tokenizer/merge_queue.h"

#define BLANK "\xe2\x96\x81"
#define NONE UINT32_MAX
/* What a user-defined piece of n bytes is worth to the unigram model: more than any log probability, so that it is taken.
 * Measured to the bit: where sentencepiece 0.2.3 turns from such a piece to others, n = 3 to 51. */
static double user_score(size_t n) { return (double)(float)(0.1 * (double)n - 0.1); }

typedef struct spm_symbol {
    uint32_t at, n;      /* bytes of the word; n 0 = joined to the one before */
    uint32_t prev, next; /* NONE at the ends */
    bool frozen;         /* a user-defined piece joins with nothing */
} spm_symbol;

typedef struct spm_tokenizer {
    tokenizer base;
    spm m;
    piece_index index;  /* normal, user-defined and unused pieces */
    byte_trie user;     /* user-defined pieces */
    unigram model;
    uint32_t *left_of;  /* (V) bytes of the left part that an unused piece was last joined from */
    int32_t bytes[256]; /* ids of byte pieces */
    bool words;         /* no piece holds a blank behind another character */
    buffer normal, symbols, found, stack; /* scratch */
    merge_queue queue;
    int32_t *ranks; /* (V) of byte pairs: 0 = the highest score; the same for the same */
} spm_tokenizer;

/* === Filling === */
void spm_put(spm *m, const char *text, size_t n, float score, spm_type type) {
    uint8_t t = (uint8_t)type;
    buf_put(&m->starts, &m->texts.n, sizeof m->texts.n);
    buf_put(&m->texts, text, n);
    buf_put(&m->scores, &score, sizeof score);
    buf_put(&m->types, &t, 1);
    m->V++;
}

void spm_free(spm *m) {
    buf_free(&m->texts);
    buf_free(&m->starts);
    buf_free(&m->scores);
    buf_free(&m->types);
    charsmap_free(&m->rules);
    free(m->unk_surface);
    *m = (spm){0};
}

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

static int byte_of(const char *s, size_t n) {
    if (n != 6 || memcmp(s, "<0x", 3) || s[5] != '>' || hex(s[3]) < 0 || hex(s[4]) < 0) return -1;
    return hex(s[3]) << 4 | hex(s[4]);
}

/* === Encoding === */
typedef struct emitter {
    spm_tokenizer *t;
    buffer *ids;
    bool unknown; /* the last one was */
} emitter;

static void emit(emitter *e, const char *s, size_t n, int32_t id) {
    const spm_tokenizer *t = e->t;
    bool unknown = id == t->m.unk;
    if (unknown && t->m.byte_fallback)
        for (size_t i = 0; i < n; i++) buf_put(e->ids, &t->bytes[(unsigned char)s[i]], sizeof id);
    else if (!unknown || !e->unknown) buf_put(e->ids, &id, sizeof id);
    e->unknown = unknown;
}

static int32_t id_of(const spm_tokenizer *t, const char *s, size_t n) {
    int32_t id = index_find(&t->index, s, n);
    return id >= 0 ? id : t->m.unk;
}

static void offer(spm_tokenizer *t, const char *w, const spm_symbol *s, uint32_t left) {
    uint32_t right = left == NONE ? NONE : s[left].next;
    if (right == NONE || s[left].frozen || s[right].frozen) return;
    int32_t id = index_find(&t->index, w + s[left].at, s[left].n + s[right].n);
    if (id < 0) return;
    if (spm_type_of(&t->m, id) == SPM_UNUSED) t->left_of[id] = s[left].n;
    merge_queue_push(&t->queue, (merge_pair){t->ranks[id], left, s[left].n + s[right].n});
}

/* A joined symbol: its id, or those of the parts that an unused piece was joined from. */
static void resegment(emitter *e, const char *w, uint32_t n) {
    spm_tokenizer *t = e->t;
    struct {
        const char *s;
        uint32_t n;
    } part = {w, n};
    buf_clear(&t->stack);
    for (;;) {
        int32_t id = id_of(t, part.s, part.n);
        uint32_t left = id != t->m.unk && spm_type_of(&t->m, id) == SPM_UNUSED ? t->left_of[id] : 0;
        if (left && left < part.n) {
            const char *s = part.s;
            part.s += left, part.n -= left;
            buf_put(&t->stack, &part, sizeof part);
            part.s = s, part.n = left;
            continue;
        }
        emit(e, part.s, part.n, id);
        if (t->stack.n < sizeof part) return;
        t->stack.n -= sizeof part;
        memcpy(&part, t->stack.bytes + t->stack.n, sizeof part);
    }
}

static size_t next_symbol(const spm_tokenizer *t, const char *s, size_t n, bool *frozen) {
    size_t bytes = 0;
    *frozen = t->user.n_nodes && trie_longest(&t->user, s, n, &bytes) >= 0;
    if (*frozen) return bytes;
    unsigned char c = (unsigned char)*s;
    bytes = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return bytes < n ? bytes : n;
}

static glimpse_status join(emitter *e, const char *w, size_t n) {
    spm_tokenizer *t = e->t;
    buf_clear(&t->symbols);
    for (size_t at = 0; at < n;) {
        spm_symbol s = {.at = (uint32_t)at};
        uint32_t k = (uint32_t)(t->symbols.n / sizeof s);
        s.n = (uint32_t)next_symbol(t, w + at, n - at, &s.frozen);
        at += s.n;
        s.prev = k ? k - 1 : NONE, s.next = at < n ? k + 1 : NONE;
        buf_put(&t->symbols, &s, sizeof s);
    }
    size_t count = t->symbols.n / sizeof(spm_symbol);
    if (buf_failed(&t->symbols)) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word of %zu bytes", n);
    spm_symbol *s = (spm_symbol *)(void *)t->symbols.bytes;
    merge_queue_start(&t->queue);
    for (uint32_t i = 0; i + 1 < count; i++) offer(t, w, s, i);
    for (merge_pair c; merge_queue_pop(&t->queue, &c);) {
        uint32_t left = c.place, right = s[left].n ? s[left].next : NONE;
        if (right == NONE || s[left].n + s[right].n != c.what) continue;
        s[left].n = c.what;
        s[left].next = s[right].next;
        s[right].n = 0;
        if (s[left].next != NONE) s[s[left].next].prev = left;
        offer(t, w, s, s[left].prev);
        offer(t, w, s, left);
    }
    if (t->queue.failed) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a word of %zu bytes", n);
    for (uint32_t i = 0; i != NONE; i = s[i].next) resegment(e, w + s[i].at, s[i].n);
    return GLIMPSE_OK;
}

static bool blank_at(const char *s, size_t n) { return n >= 3 && !memcmp(s, BLANK, 3); }

/* Where the word that begins here ends: before the next blank behind another character. */
static size_t word_end(const char *s, size_t n) {
    size_t at = 0;
    while (at < n && blank_at(s + at, n - at)) at += 3;
    while (at < n && !blank_at(s + at, n - at)) at++;
    return at;
}

/* SPM_WORD: every blank begins a word, or ends one with `suffix`. */
static size_t whole_word(const spm *m, const char *s, size_t n) {
    size_t at = 0;
    if (!m->suffix && blank_at(s, n)) at = 3;
    while (at < n && !blank_at(s + at, n - at)) at++;
    return m->suffix && at < n ? at + 3 : at ? at : 3;
}

static glimpse_status encode(tokenizer *base, const char *text, size_t n, buffer *ids) {
    spm_tokenizer *t = (spm_tokenizer *)base;
    emitter e = {t, ids, false};
    if (n > INT32_MAX / 4) FAIL(GLIMPSE_E_TOKENIZER, "a text of %zu bytes is too long", n);
    buf_clear(&t->normal);
    spm_normalize(&t->m, &t->user, text, n, &t->normal);
    if (buf_failed(&t->normal)) FAIL(GLIMPSE_E_MEMORY, "no memory to encode a text of %zu bytes", n);
    const char *s = t->normal.bytes;
    n = t->normal.n;
    if (t->m.kind == SPM_UNIGRAM) {
        buf_clear(&t->found);
        TRY(unigram_encode(&t->model, s, n, &t->found));
        const unigram_piece *p = (const unigram_piece *)(const void *)t->found.bytes;
        for (size_t i = 0; i < t->found.n / sizeof *p; i++) emit(&e, s + p[i].at, p[i].n, p[i].id);
        return GLIMPSE_OK;
    }
    for (size_t at = 0, bytes; at < n; at += bytes) {
        bool frozen;
        if (t->m.kind == SPM_BPE) {
            bytes = t->words ? word_end(s + at, n - at) : n;
            TRY(join(&e, s + at, bytes));
            continue;
        }
        bytes = t->m.kind == SPM_WORD ? whole_word(&t->m, s + at, n - at) : next_symbol(t, s + at, n - at, &frozen);
        emit(&e, s + at, bytes, id_of(t, s + at, bytes));
    }
    return GLIMPSE_OK;
}

/* === Decoding === */
static void put_piece(const char *s, size_t n, buffer *out) {
    for (size_t i = 0; i < n;)
        if (blank_at(s + i, n - i)) buf_putc(out, ' '), i += 3;
        else buf_putc(out, s[i++]);
}

static glimpse_status decode_next(tokenizer *base, int32_t id, bool *begun, buffer *out) {
    spm_tokenizer *t = (spm_tokenizer *)base;
    size_t n, start = out->n;
    if (id < 0 || id >= t->m.V) return GLIMPSE_OK;
    const char *s = spm_piece(&t->m, id, &n);
    int byte = spm_type_of(&t->m, id) == SPM_BYTE ? byte_of(s, n) : -1;
    if (byte >= 0) buf_putc(out, (char)byte);
    else if (id == t->m.unk) buf_puts(out, t->m.unk_surface);
    else if (spm_type_of(&t->m, id) == SPM_CONTROL) {
        buf_put(out, s, n);
        return GLIMPSE_OK; /* an event, not a text's first piece */
    } else {
        bool drop = !*begun && (t->m.dummy_prefix || t->m.remove_extra) && blank_at(s, n);
        put_piece(s + (drop ? 3 : 0), n - (drop ? 3 : 0), out);
        if (drop && !t->m.remove_extra) *begun = true;
    }
    if (out->n > start) *begun = true;
    return GLIMPSE_OK;
}

static glimpse_status decode(tokenizer *base, int32_t id, buffer *out) {
    bool begun = true;
    return decode_next(base, id, &begun, out);
}

static void close_spm(tokenizer *base) {
    spm_tokenizer *t = (spm_tokenizer *)base;
    buffer *scratch[] = {&t->normal, &t->symbols, &t->found, &t->stack};
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++) buf_free(scratch[i]);
    spm_free(&t->m);
    index_free(&t->index);
    trie_free(&t->user);
    unigram_free(&t->model);
    free(t->left_of);
    free(t->ranks);
    merge_queue_free(&t->queue);
    free(t);
}

static void facts_of(const tokenizer *base, tokenizer_facts *f) {
    *f = (tokenizer_facts){.cuts = CUTS_SENTENCEPIECE, .spm = &((const spm_tokenizer *)base)->m};
}

static const tokenizer_ops ops = {.kind = "sentencepiece",
                                  .facts = facts_of,
                                  .encode = encode,
                                  .decode = decode,
                                  .close = close_spm,
                                  .decode_next = decode_next,
                                  .invalid = INVALID_BYTES};

/* === Opening === */
static glimpse_status check_piece(const char *path, spm_tokenizer *t, int32_t id) {
    size_t n;
    const char *s = spm_piece(&t->m, id, &n);
    spm_type type = spm_type_of(&t->m, id);
    if (!n || n > PIECE_BYTES_MAX)
        FAIL(GLIMPSE_E_FORMAT, "%s: piece %d has %zu bytes, 1 to %d are possible", path, (int)id, n, (int)PIECE_BYTES_MAX);
    if (type < SPM_NORMAL || type > SPM_BYTE)
        FAIL(GLIMPSE_E_FORMAT, "%s: piece %d has the type %d, 1 to 6 are known", path, (int)id, (int)type);
    float score = spm_score_of(&t->m, id);
    if (!(score - score == 0)) FAIL(GLIMPSE_E_FORMAT, "%s: the score of piece %d is not finite", path, (int)id);
    if (type == SPM_UNKNOWN) {
        if (t->m.unk >= 0 && t->m.unk != id)
            FAIL(GLIMPSE_E_FORMAT, "%s: two unknown tokens, %d and %d", path, (int)t->m.unk, (int)id);
        t->m.unk = id;
    } else if (type == SPM_BYTE) {
        int byte = byte_of(s, n);
        if (byte < 0) FAIL(GLIMPSE_E_FORMAT, "%s: the byte piece %d is \"%.*s\"", path, (int)id, n < 60 ? (int)n : 60, s);
        t->bytes[byte] = id;
    } else if (type != SPM_CONTROL) {
        if (index_find(&t->index, s, n) >= 0)
            FAIL(GLIMPSE_E_FORMAT, "%s: the piece \"%.*s\" is there twice (%d)", path, n < 60 ? (int)n : 60, s, (int)id);
        index_add(&t->index, s, n, id);
        if (type == SPM_USER) TRY(trie_add(&t->user, s, n, id));
        for (size_t i = 1; i < n; i++)
            if (blank_at(s + i, n - i) && !(i >= 3 && blank_at(s + i - 3, n - i + 3))) t->words = false;
    }
    return GLIMPSE_OK;
}

static glimpse_status open_unigram(spm_tokenizer *t) {
    unigram *u = &t->model;
    float low = 3.402823466e38f;
    u->scores = malloc((size_t)t->m.V * sizeof *u->scores);
    if (!u->scores) FAIL(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d", (int)t->m.V);
    for (int32_t id = 0; id < t->m.V; id++) {
        size_t n;
        const char *s = spm_piece(&t->m, id, &n);
        spm_type type = spm_type_of(&t->m, id);
        float score = spm_score_of(&t->m, id);
        u->scores[id] = type == SPM_USER ? user_score(n) : (double)score;
        if (type == SPM_NORMAL) low = score < low ? score : low;
        if (type == SPM_NORMAL || type == SPM_USER) TRY(trie_add(&u->trie, s, n, id));
    }
    u->single = true;
    u->unk_score = (double)(low - 10.0f);
    u->unk = t->m.unk;
    return GLIMPSE_OK;
}

typedef struct scored {
    float score;
    int32_t id;
} scored;

static int by_score(const void *a, const void *b) {
    float x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x < y) - (x > y);
}

static glimpse_status rank_scores(spm_tokenizer *t) {
    scored *s = malloc((size_t)t->m.V * sizeof *s);
    t->ranks = malloc((size_t)t->m.V * sizeof *t->ranks);
    if (!s || !t->ranks) {
        free(s);
        FAIL(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d", (int)t->m.V);
    }
    for (int32_t i = 0; i < t->m.V; i++) s[i] = (scored){spm_score_of(&t->m, i), i};
    qsort(s, (size_t)t->m.V, sizeof *s, by_score);
    for (int32_t i = 0, rank = 0; i < t->m.V; i++) {
        if (i && s[i].score < s[i - 1].score) rank = i;
        t->ranks[s[i].id] = rank;
    }
    free(s);
    return GLIMPSE_OK;
}

static glimpse_status set_specials(spm_tokenizer *t) {
    glimpse_status st = GLIMPSE_OK;
    int32_t n = 0, *ids = malloc(((size_t)t->m.V + 1) * sizeof *ids), *bytes = malloc(((size_t)t->m.V + 1) * sizeof *bytes);
    const char **texts = malloc(((size_t)t->m.V + 1) * sizeof *texts);
    if (!ids || !bytes || !texts) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    for (int32_t id = 0; id < t->m.V; id++)
        if (spm_type_of(&t->m, id) == SPM_CONTROL) {
            size_t length;
            ids[n] = id, texts[n] = spm_piece(&t->m, id, &length), bytes[n++] = (int32_t)length;
        }
    if (n) TRY_GOTO(special_set_new(ids, texts, bytes, n, &t->base.specials));
    t->base.bos = t->m.bos, t->base.eos = t->m.eos;
    if (t->m.add_bos && t->m.bos >= 0) {
        if (!(t->base.prefix = malloc(sizeof *t->base.prefix))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
        t->base.prefix[t->base.n_prefix++] = t->m.bos;
    }
    if (t->m.add_eos && t->m.eos >= 0) {
        if (!(t->base.suffix = malloc(sizeof *t->base.suffix))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
        t->base.suffix[t->base.n_suffix++] = t->m.eos;
    }
out:
    free(ids);
    free(bytes);
    free(texts);
    return st;
}

glimpse_status spm_tokenizer_new(const char *path, spm *m, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    spm_tokenizer *t = calloc(1, sizeof *t);
    if (!t) {
        spm_free(m);
        FAIL(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
    }
    buf_put(&m->starts, &m->texts.n, sizeof m->texts.n);
    t->m = *m;
    *m = (spm){0};
    TRY_GOTO(tokenizer_init(&t->base, &ops, t->m.V, path));
    if (!t->m.unk_surface) t->m.unk_surface = strdup(" \xe2\x81\x87 ");
    if (buf_failed(&t->m.texts) || buf_failed(&t->m.starts) || buf_failed(&t->m.scores) || buf_failed(&t->m.types) ||
        !t->m.unk_surface || !(t->left_of = calloc((size_t)t->m.V + 1, sizeof *t->left_of)))
        FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d", (int)t->m.V);
    if (!t->m.V) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: it has no pieces", path);
    TRY_GOTO(index_open(&t->index, t->m.V));
    memset(t->bytes, 0xff, sizeof t->bytes);
    t->words = t->m.escape;
    t->m.unk = -1;
    for (int32_t id = 0; id < t->m.V; id++) TRY_GOTO(check_piece(path, t, id));
    if (t->m.unk < 0) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: no piece is the unknown token", path);
    for (int b = 0; b < 256 && t->m.byte_fallback; b++)
        if (t->bytes[b] < 0) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: byte_fallback without the piece <0x%02X>", path, (unsigned)b);
    if (t->m.bos >= t->m.V || t->m.eos >= t->m.V)
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: bos is %d and eos %d, %d pieces exist", path, (int)t->m.bos, (int)t->m.eos,
                  (int)t->m.V);
    if (t->m.kind == SPM_UNIGRAM) TRY_GOTO(open_unigram(t));
    if (t->m.kind == SPM_BPE) TRY_GOTO(rank_scores(t));
    TRY_GOTO(set_specials(t));
    *out = &t->base;
    t = NULL;
out:
    if (t) t->base.ops ? tokenizer_close(&t->base) : free(t);
    return st;
}
