/* rank_files.c -- vocabularies of byte strings in the order in which they are merged: openai/tiktoken's files (lines of
 * base64, a blank, the rank) and Mistral's tekken.json (mistral-common, tekken.py).  The ranks are the merges.
 *
 * A tiktoken file says neither its pattern nor its special tokens: both follow from the pattern that is asked for, else from
 * the number of ranks, which tells the known files apart; the name of any other file may tell (cl100k_base.tiktoken). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "sampling/checkpoint/json_tree.h"
#include "sampling/tokenizer/base64_text.h"
#include "sampling/tokenizer/kinds.h"

enum { MAX_RANKS = 1 << 22, LLAMA3_SPECIALS = 256, QWEN_EXTRAS = 205 };

typedef struct ranks { /* start from {0} */
    buffer bytes;      /* all tokens */
    buffer at;         /* size_t: where each begins, and its length */
    buffer special;    /* bool */
} ranks;

typedef struct place {
    size_t at, n;
} place;

static void ranks_free(ranks *r) {
    buf_free(&r->bytes);
    buf_free(&r->at);
    buf_free(&r->special);
}

static int32_t count(const ranks *r) { return (int32_t)(r->at.n / sizeof(place)); }

/* Token `id`, not before the last one; what lies between has no piece. */
static void put(ranks *r, int32_t id, const char *bytes, size_t n, bool special) {
    bool no = false;
    while (count(r) < id && !r->at.failed) {
        buf_put(&r->at, &(place){r->bytes.n, 0}, sizeof(place));
        buf_put(&r->special, &no, sizeof no);
    }
    buf_put(&r->at, &(place){r->bytes.n, n}, sizeof(place));
    buf_put(&r->special, &special, sizeof special);
    buf_put(&r->bytes, bytes, n);
}

/* scan or, where it is NULL, the pattern's text. */
static glimpse_status build(const char *path, const ranks *r, scan_fn scan, const struct json_node *pattern, bool add_bos,
                            tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    int32_t n = count(r);
    const place *at = (const place *)(const void *)r->at.bytes;
    if (buf_failed(&r->bytes) || buf_failed(&r->at) || buf_failed(&r->special))
        FAIL(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d", (int)n);
    const char **pieces = calloc((size_t)n + 1, sizeof *pieces);
    int32_t *bytes = calloc((size_t)n + 1, sizeof *bytes);
    tokenizer *t = NULL;
    if (!pieces || !bytes) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary of %d", (int)n);
    for (int32_t i = 0; i < n; i++) pieces[i] = buf_str(&r->bytes) + at[i].at, bytes[i] = (int32_t)at[i].n;
    TRY_GOTO(pieces_tokenizer_open(&(pieces_spec){pieces, bytes, n, -1, path, (const bool *)r->special.bytes, scan,
                                                  scan ? NULL : pattern->text, scan ? 0 : pattern->n}, &t));
    if (add_bos && t->bos >= 0) {
        if (!(t->prefix = malloc(sizeof *t->prefix))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a tokenizer");
        t->prefix[t->n_prefix++] = t->bos;
    }
    *out = t;
    t = NULL;
out:
    free(pieces);
    free(bytes);
    tokenizer_close(t);
    return st;
}

/* === tiktoken === */
bool is_tiktoken(const char *file, size_t n) {
    size_t i = 0;
    while (i < n && i < 512 && (base64_digit(file[i]) >= 0 || file[i] == '=')) i++;
    return i && i + 1 < n && file[i] == ' ' && file[i + 1] >= '0' && file[i + 1] <= '9';
}

typedef struct known_file {
    const char *pattern, *name; /* name: part of a file's name */
    int32_t ranks;
    const char *specials; /* "id text" by line breaks */
} known_file;

static const known_file known[] = {
    {"gpt2", "r50k", 50256, "50256 <|endoftext|>"},
    {"gpt2", "gpt2", 50256, "50256 <|endoftext|>"},
    {"p50k", "p50k", 50280, "50256 <|endoftext|>"},
    {"cl100k", "cl100k", 100256,
     "100257 <|endoftext|>\n100258 <|fim_prefix|>\n100259 <|fim_middle|>\n100260 <|fim_suffix|>\n100276 <|endofprompt|>"},
    {"o200k", "o200k", 199998, "199999 <|endoftext|>\n200018 <|endofprompt|>"},
    {"llama3", "llama", 128000, NULL},
    {"qwen2", "qwen", 151643, "151643 <|endoftext|>\n151644 <|im_start|>\n151645 <|im_end|>"},
};

static const known_file *which(const char *path, const char *pattern, int32_t n) {
    const char *name = path_base(path);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].ranks == n && (!pattern || pattern_by_name(pattern) == pattern_by_name(known[i].pattern))) return &known[i];
    for (size_t i = 0; i < sizeof known / sizeof *known && !pattern; i++)
        if (strstr(name, known[i].name)) return &known[i];
    return NULL;
}

/* tiktoken leaves an id free for a special token inside the ranks (p50k): it is put into its place. */
static glimpse_status put_special(ranks *r, int32_t id, const char *text, size_t n) {
    if (id < count(r)) {
        place *p = (place *)(void *)r->at.bytes + id;
        if (p->n) return GLIMPSE_OK; /* not that file after all */
        *p = (place){r->bytes.n, n};
        r->special.bytes[id] = 1;
        buf_put(&r->bytes, text, n);
    } else put(r, id, text, n, true);
    return GLIMPSE_OK;
}

static glimpse_status put_specials(ranks *r, const known_file *k, int32_t n) {
    if (n != k->ranks) return GLIMPSE_OK; /* a vocabulary of somebody's own */
    for (const char *s = k->specials, *end; s && *s; s = *end ? end + 1 : end) {
        end = strchr(s, '\n');
        if (!end) end = s + strlen(s);
        const char *blank = memchr(s, ' ', (size_t)(end - s));
        TRY(put_special(r, (int32_t)strtol(s, NULL, 10), blank + 1, (size_t)(end - blank - 1)));
    }
    char text[64];
    for (int i = 0; i < QWEN_EXTRAS && !strcmp(k->pattern, "qwen2"); i++) {
        int bytes = snprintf(text, sizeof text, "<|extra_%d|>", i);
        put(r, count(r), text, (size_t)bytes, true);
    }
    static const char *const llama3[] = {"begin_of_text", "end_of_text", NULL, NULL, NULL, NULL, "start_header_id",
                                         "end_header_id", NULL, "eot_id"}; /* meta-llama/llama3, tokenizer.py */
    for (int i = 0, reserved = 0; i < LLAMA3_SPECIALS && !strcmp(k->pattern, "llama3"); i++) {
        const char *name = i < 10 ? llama3[i] : NULL;
        int bytes = name ? snprintf(text, sizeof text, "<|%s|>", name)
                         : snprintf(text, sizeof text, "<|reserved_special_token_%d|>", reserved++);
        put(r, count(r), text, (size_t)bytes, true);
    }
    return GLIMPSE_OK;
}

glimpse_status tiktoken_new(const char *path, const char *file, size_t n, const char *pattern, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    ranks r = {0};
    buffer token = {0};
    int32_t tokens = 0;
    size_t line = 1;
    for (size_t at = 0; at < n; line++) {
        const char *end = memchr(file + at, '\n', n - at), *s = file + at;
        size_t bytes = end ? (size_t)(end - s) : n - at;
        at += bytes + (end != NULL);
        if (bytes && s[bytes - 1] == '\r') bytes--;
        if (!bytes) continue;
        const char *blank = memchr(s, ' ', bytes);
        int64_t rank;
        buf_clear(&token);
        if (!blank || !base64_text(s, (size_t)(blank - s), &token) ||
            !parse_i64(blank + 1, bytes - (size_t)(blank + 1 - s), &rank) || rank < 0)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: line %zu is no base64, blank and rank", path, line);
        if (rank < count(&r) || rank > MAX_RANKS || (uint64_t)rank > 4 * (uint64_t)n)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: line %zu: the rank %lld; ranks rise, at most to %d", path, line,
                      (long long)rank, (int)MAX_RANKS);
        if (!token.n || token.n > PIECE_BYTES_MAX)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: line %zu: a token of %zu bytes", path, line, token.n);
        put(&r, (int32_t)rank, token.bytes, token.n, false);
        tokens++;
    }
    if (buf_failed(&token)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary");
    const known_file *k = which(path, pattern, tokens);
    if (!k && !pattern)
        FAIL_GOTO(GLIMPSE_E_TOKENIZER,
                  "%s: %d ranks of tiktoken's kind: the file does not say its pattern, and neither their number nor the "
                  "file's name does\nhint: --tokenizer_pattern " PATTERN_NAMES,
                  path, (int)tokens);
    if (k) TRY_GOTO(put_specials(&r, k, tokens));
    st = build(path, &r, pattern_by_name(pattern ? pattern : k->pattern), NULL, k && !strcmp(k->pattern, "llama3"), out);
out:
    buf_free(&token);
    ranks_free(&r);
    return st;
}

/* === tekken.json === */
static glimpse_status tekken_specials(const char *path, const json_node *list, int32_t n, ranks *r) {
    static const char *const usual[] = {
        "<unk>",          "<s>",            "</s>",      "[INST]", "[/INST]",     "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
        "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>",       "[IMG_BREAK]",       "[IMG_END]",
        "[PREFIX]",       "[MIDDLE]",       "[SUFFIX]",  "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"};
    char filler[32];
    if (list && list->kind == JSON_ARRAY)
        for (const json_node *m = json_first(list); m; m = json_next(list, m)) {
            const json_node *text = json_get(m, "token_str");
            int64_t rank;
            if (!json_i64(json_get(m, "rank"), &rank) || rank != count(r) || rank >= n || !text ||
                text->kind != JSON_STRING || !text->n)
                FAIL(GLIMPSE_E_FORMAT, "%s: special_tokens: entry %d is no rank in order with a token_str", path, (int)count(r));
            put(r, (int32_t)rank, text->text, text->n, true);
        }
    else
        for (size_t i = 0; i < sizeof usual / sizeof *usual && count(r) < n; i++)
            put(r, count(r), usual[i], strlen(usual[i]), true);
    while (count(r) < n && !r->at.failed) {
        int bytes = snprintf(filler, sizeof filler, "<SPECIAL_%d>", (int)count(r));
        put(r, count(r), filler, (size_t)bytes, true);
    }
    return GLIMPSE_OK;
}

glimpse_status tekken_new(const char *path, const json_node *root, const char *pattern, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    ranks r = {0};
    buffer token = {0};
    const json_node *vocab = json_get(root, "vocab"), *config = json_get(root, "config"), *p = json_get(config, "pattern");
    int64_t size = 0, special = 0;
    if (!vocab || vocab->kind != JSON_ARRAY || !vocab->n) FAIL(GLIMPSE_E_FORMAT, "%s: vocab is no list", path);
    if (!json_i64(json_get(config, "default_vocab_size"), &size) ||
        !json_i64(json_get(config, "default_num_special_tokens"), &special) || special < 3 || special > 1 << 16 ||
        size <= special || size - special > (int64_t)vocab->n)
        FAIL(GLIMPSE_E_FORMAT, "%s: config: default_vocab_size %lld and default_num_special_tokens %lld with %u tokens", path,
             (long long)size, (long long)special, (unsigned)vocab->n);
    scan_fn scan = pattern                           ? pattern_by_name(pattern)
                   : p && p->kind == JSON_STRING ? pattern_scanner(p->text, p->n)
                                                     : NULL;
    if (!scan && (!p || p->kind != JSON_STRING || !p->n))
        FAIL(GLIMPSE_E_FORMAT, "%s: config has no pattern\nhint: --tokenizer_pattern " PATTERN_NAMES, path);
    TRY_GOTO(tekken_specials(path, json_get(root, "special_tokens"), (int32_t)special, &r));
    int64_t i = 0;
    for (const json_node *m = json_first(vocab); m && i < size - special; m = json_next(vocab, m), i++) {
        const json_node *bytes = json_get(m, "token_bytes");
        int64_t rank;
        buf_clear(&token);
        if (!json_i64(json_get(m, "rank"), &rank) || rank != i || !bytes || bytes->kind != JSON_STRING ||
            !base64_text(bytes->text, bytes->n, &token) || token.n > PIECE_BYTES_MAX)
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: vocab: entry %lld is no rank in order with token_bytes", path, (long long)i);
        put(&r, (int32_t)(special + i), token.bytes, token.n, false);
    }
    if (buf_failed(&token)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary");
    st = build(path, &r, scan, p, true, out);
out:
    buf_free(&token);
    ranks_free(&r);
    return st;
}
