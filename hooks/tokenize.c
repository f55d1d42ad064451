/* tokenize.c -- see tokenize.h.  A line: the id, the piece as JSON writes it, its bytes as they are. */
#include "hooks/tokenize.h"

#include <stdlib.h>
#include <string.h>

#include "hooks/run_dir.h"
#include "include/internal/buffer.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include "sampling/checkpoint/checkpoint.h"
#include "sampling/tokenizer/tokenizer.h"

static glimpse_status put_token(tokenizer *t, int32_t id, bool json, buffer *piece, buffer *out) {
    buf_clear(piece);
    TRY(tokenizer_decode(t, id, piece));
    buf_printf(out, json ? "{\"id\":%d,\"piece\":" : "%d\t", (int)id);
    buf_json_string(out, buf_str(piece), piece->n);
    buf_puts(out, json ? ",\"bytes\":\"" : "\t");
    for (size_t i = 0; i < piece->n; i++) buf_printf(out, i && !json ? " %02x" : "%02x", (unsigned char)piece->bytes[i]);
    buf_puts(out, json ? "\"}\n" : "\n");
    return GLIMPSE_OK;
}

static glimpse_status read_ids(const char *s, size_t n, int32_t V, buffer *ids) {
    for (size_t at = 0; at < n;) {
        size_t end = at;
        int64_t id;
        while (end < n && !strchr(", \t\r\n", s[end])) end++;
        if (end == at) {
            at++;
            continue;
        }
        if (!parse_i64(s + at, end - at, &id) || id < 0 || id >= V)
            FAIL(GLIMPSE_E_INVALID, "\"%.*s\" is no id: 0 to %d exist", end - at < 40 ? (int)(end - at) : 40, s + at, (int)V - 1);
        int32_t one = (int32_t)id;
        buf_put(ids, &one, sizeof one);
        at = end;
    }
    return GLIMPSE_OK;
}

static glimpse_status run(const session_tokenize *job, tokenizer *t, buffer *ids, buffer *out) {
    glimpse_status st = GLIMPSE_OK;
    buffer piece = {0};
    if (job->decode) TRY_GOTO(read_ids(job->text, job->n, t->vocab_size, ids));
    else {
        if (job->special) buf_put(ids, t->prefix, (size_t)t->n_prefix * sizeof *t->prefix);
        TRY_GOTO(tokenizer_encode(t, job->text, job->n, ids));
        if (job->special) buf_put(ids, t->suffix, (size_t)t->n_suffix * sizeof *t->suffix);
    }
    if (buf_failed(ids)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the ids");
    const int32_t *list = (const int32_t *)(const void *)buf_str(ids);
    if (job->decode && !job->json) TRY_GOTO(tokenizer_text(t, list, ids->n / sizeof *list, !job->special, out));
    else
        for (size_t i = 0; i < ids->n / sizeof *list; i++) TRY_GOTO(put_token(t, list[i], job->json, &piece, out));
    if (buf_failed(&piece) || buf_failed(out)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the tokens");
out:
    buf_free(&piece);
    return st;
}

/* The path of the tokenizer that sampling would take; a directory that holds no checkpoint yet may hold one, too. */
static glimpse_status look_for(const session_tokenize *job, char **path) {
    glimpse_status st = GLIMPSE_OK;
    const char *where = job->checkpoint ? job->checkpoint : job->out_dir;
    char *found = NULL;
    *path = NULL;
    if (run_dir_checkpoint(where, &found, NULL) >= 0) TRY_GOTO(checkpoint_find_tokenizer_path(found, job->out_dir, path));
    else if (job->checkpoint && !path_is_dir(where)) TRY_GOTO(checkpoint_find_newest(where, &found)); /* says what is wrong */
    else TRY_GOTO(tokenizer_find_path((const char *const[]){where, "."}, 2, path));
    if (!*path)
        FAIL_GOTO(GLIMPSE_E_TOKENIZER, "tokenize: no tokenizer in %s, nor in the working directory\nhint: --tokenizer FILE, --out_dir DIR "
                  "or --checkpoint PATH", where);
out:
    free(found);
    return st;
}

glimpse_status tokenize_text(const session_tokenize *job, char **out, size_t *bytes, char **source) {
    glimpse_status st = GLIMPSE_OK;
    buffer ids = {0}, text = {0};
    tokenizer *t = NULL;
    char *path = NULL;
    if (!job->path) TRY_GOTO(look_for(job, &path));
    TRY_GOTO(tokenizer_load_pattern(path ? path : job->path, job->pattern, &t));
    TRY_GOTO(run(job, t, &ids, &text));
    if (!path && path_is_dir(job->path) && !(path = strdup(t->source))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a path");
    if (!(*out = buf_take(&text, bytes))) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the tokens");
    *source = path;
    path = NULL;
out:
    tokenizer_close(t);
    buf_free(&ids);
    buf_free(&text);
    free(path);
    return st;
}

void tokenize_free(char *text) { free(text); }
