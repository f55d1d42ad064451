/* session_api.c -- the one symbol of libglimpse_session.so, and the calls that need no more than a few lines. */
#include "hooks/prompts.h"
#include "hooks/session_state.h"
#include "hooks/tokenize.h"
#include "include/internal/status.h"
#include "sampling/samplers/sampler.h"
#include "gen/build_id.h"
#include <stdlib.h>
#include <string.h>

/* The rest was settled when the session was opened, and would be ignored without a word. */
static bool is_for_requests(opt_id id) {
    const char *group = opt_info_of(id)->group;
    if (id == OPT_seed_each_step) return false; /* a request has no step */
    return !strcmp(group, "Length") || !strcmp(group, "Samplers") || !strcmp(group, "Beam search") || id == OPT_escapes || id == OPT_record_top
           || id == OPT_sample_metrics || id == OPT_like;
}

/* "temperature=0.7 top_k=1,5" over the session's options; a value with blanks stands in double quotes. */
static glimpse_status apply_options(options *o, const char *text) {
    while (text && *text) {
        text += strspn(text, " \t\n");
        size_t n = strcspn(text, "= \t\n");
        if (!*text) break;
        if (!n || text[n] != '=') FAIL(GLIMPSE_E_INVALID, "\"%.*s\" in the request's options is no NAME=VALUE", (int)(n ? n : 1), text);
        int id = opt_find(text, n);
        if (id < 0) {
            const char *near = opt_nearest(text, n);
            if (near) FAIL(GLIMPSE_E_INVALID, "the request's options: there is no option \"%.*s\"\nhint: did you mean %s?",
                           (int)n, text, near);
            FAIL(GLIMPSE_E_INVALID, "the request's options: there is no option \"%.*s\"", (int)n, text);
        }
        if (!is_for_requests((opt_id)id))
            FAIL(GLIMPSE_E_INVALID, "the request's options: %s is the session's, a request cannot change it\nhint: set it before "
                 "glimpse_open", opt_info_of((opt_id)id)->name);
        const char *v = text + n + 1;
        bool quoted = *v == '"';
        v += quoted;
        size_t len = quoted ? strcspn(v, "\"") : strcspn(v, " \t\n");
        if (quoted && !v[len])
            FAIL(GLIMPSE_E_INVALID, "the request's options: the quote of %s=\" is not closed", opt_info_of((opt_id)id)->name);
        char *value = strndup(v, len);
        if (!value) FAIL(GLIMPSE_E_MEMORY, "no memory for an option");
        glimpse_status st = options_set(o, (opt_id)id, value, OPT_LEVEL_FLAG);
        free(value);
        TRY(st);
        text = v + len + quoted;
    }
    return GLIMPSE_OK;
}

/* `o`: the session's options with the request's over them. */
static glimpse_status finish_api_record(session *s, const options *o, batch_result *batch, glimpse_record **out) {
    glimpse_status st = GLIMPSE_OK;
    buffer line = {0};
    owned_record *rec = record_new(), *whole = NULL;
    if (!rec) FAIL(GLIMPSE_E_MEMORY, "no memory for a record");
    glimpse_record *r = &rec->record;
    *r = *session_facts(s);
    r->kind = "api";
    r->run = s->js.run[0] ? s->js.run : "0";
    TRY_GOTO(eval_record_fill(r, rec->arena, batch, s->t, opt_bool(o, OPT_sample_metrics), s->sp));
    /* Through the journal's form, so that a record is the same thing everywhere and owns all its memory. */
    TRY_GOTO(journal_encode(r, &line));
    TRY_GOTO(journal_decode(line.bytes, line.n - 1, &whole));
    *out = &whole->record;
out:
    record_free(&rec->record);
    buf_free(&line);
    return st;
}

static glimpse_status request_prompt(session *s, const glimpse_request *rq, int32_t max_tokens, prompt_list *out) {
    size_t bytes = rq->text ? rq->text_bytes ? rq->text_bytes : strlen(rq->text) : 0;
    if (!rq->ids && !rq->text) FAIL(GLIMPSE_E_INVALID, "a request needs a text or ids");
    if (rq->ids && rq->n_ids < 1) FAIL(GLIMPSE_E_INVALID, "a request with %d ids", rq->n_ids);
    return prompt_list_one(rq->text, bytes, rq->ids, rq->n_ids, s->m, s->t, max_tokens, out);
}

static glimpse_status session_generate(session *s, const glimpse_request *request, glimpse_record **record) {
    glimpse_status st = GLIMPSE_OK;
    prompt_list prompts = {0};
    batch_request rq = {0};
    batch_result batch = {0};
    arena *a = arena_new();
    options *o = options_copy(s->o);
    if (!a || !o) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a request");
    TRY_GOTO(apply_options(o, request->options));
    TRY_GOTO(session_settings(o, s->m, s->t, a, &rq));
    if (rq.max_tokens < 1) FAIL_GOTO(GLIMPSE_E_INVALID, "max_sample_tokens is %d: nothing to generate", rq.max_tokens);
    TRY_GOTO(request_prompt(s, request, rq.max_tokens, &prompts));
    rq.prompts = prompts.prompts;
    rq.n_prompts = prompts.n;
    rq.users = s->users;
    rq.n_users = s->n_users;
    TRY_GOTO(generator_refresh(s->g));
    TRY_GOTO(generate_batch(s->g, &rq, &batch));
    TRY_GOTO(finish_api_record(s, o, &batch, record));
out:
    batch_result_free(&batch);
    prompt_list_free(&prompts);
    options_free(o);
    arena_free(a);
    return st;
}

static glimpse_status session_score(session *s, const glimpse_request *request, glimpse_record **record) {
    glimpse_status st = GLIMPSE_OK;
    buffer ids = {0};
    batch_result batch = {0};
    options *o = options_copy(s->o);
    if (!o) FAIL(GLIMPSE_E_MEMORY, "no memory for a request");
    TRY_GOTO(apply_options(o, request->options));
    int32_t bos = s->m->d.bos >= 0 ? s->m->d.bos : s->t ? s->t->bos : -1;
    if (bos >= 0) buf_put(&ids, &bos, sizeof bos);
    if (request->ids) {
        if (request->n_ids < 1) FAIL_GOTO(GLIMPSE_E_INVALID, "a request with %d ids", request->n_ids);
        buf_put(&ids, request->ids, (size_t)request->n_ids * sizeof *request->ids);
    } else if (request->text) {
        if (!s->t) FAIL_GOTO(GLIMPSE_E_TOKENIZER, "without a tokenizer a text cannot be scored\nhint: give ids, or a tokenizer");
        TRY_GOTO(tokenizer_encode(s->t, request->text, request->text_bytes ? request->text_bytes : strlen(request->text), &ids));
    } else FAIL_GOTO(GLIMPSE_E_INVALID, "a request needs a text or ids");
    if (buf_failed(&ids)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to score a text");
    int32_t n_top = (int32_t)opt_int(o, OPT_record_top);
    if (n_top > s->m->d.vocab_size) n_top = s->m->d.vocab_size;
    TRY_GOTO(generator_refresh(s->g));
    TRY_GOTO(score_ids(s->g, (const int32_t *)(const void *)ids.bytes, (int32_t)(ids.n / sizeof(int32_t)), n_top, &batch));
    TRY_GOTO(finish_api_record(s, o, &batch, record));
out:
    batch_result_free(&batch);
    options_free(o);
    buf_free(&ids);
    return st;
}

static glimpse_status session_add_sampler(session *s, const glimpse_sampler *given, void *state) {
    size_t n = strlen(given->name);
    const sampler_kind *kind;
    if (n < 1 || n > 31 || strspn(given->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != n)
        FAIL(GLIMPSE_E_INVALID, "a sampler's name is '%.40s', possible are a-z 0-9 _, at most 31", given->name);
    bool taken = sampler_kind_find(given->name, n, &kind) >= 0 || !strcmp(given->name, "guidance") || !strcmp(given->name, "antislop");
    for (int32_t i = 0; i < s->n_users; i++) taken |= strcmp(s->users[i].vt.name, given->name) == 0;
    if (taken) FAIL(GLIMPSE_E_INVALID, "there is a sampler %s already", given->name);
    if (s->n_users >= 32) FAIL(GLIMPSE_E_INVALID, "more than 32 samplers of one's own");
    user_sampler_entry *users = realloc(s->users, ((size_t)s->n_users + 1) * sizeof *users);
    if (users) s->users = users;
    char *name = users ? strdup(given->name) : NULL;
    if (!name) FAIL(GLIMPSE_E_MEMORY, "no memory for a sampler");
    users[s->n_users] = (user_sampler_entry){ *given, state };
    users[s->n_users++].vt.name = name;
    return GLIMPSE_OK;
}

static glimpse_status run_command(session_command which, const options *o, const char *dir, const session_host *host) {
    if (!dir) dir = opt_str(o, OPT_out_dir);
    switch (which) {
    case COMMAND_sample: return session_run(o, host);
    case COMMAND_eval: return session_evaluate(o, host);
    case COMMAND_score: return session_score_file(o, host);
    case COMMAND_follow: return session_follow(o, dir, host);
    case COMMAND_review: return session_review(o, dir, host);
    case COMMAND_report: return session_report(o, dir, host);
    case COMMANDS: break;
    }
    FAIL(GLIMPSE_E_INVALID, "no command %d", (int)which);
}

static bool session_told(const session *s) { return s->told; }
static void session_schedule(const session *s, schedule *out) { *out = s->due; }

__attribute__((visibility("default"))) extern const session_api glimpse_session_v1;
const session_api glimpse_session_v1 = {
    .version = 1, .build_id = GLIMPSE_BUILD_ID, .error = status_text, .read_config = session_read_config,
    .open = session_open, .eval = session_eval, .check = session_check, .generate = session_generate,
    .score = session_score, .close = session_close, .command = run_command, .note = session_note, .add_sampler = session_add_sampler,
    .schedule = session_schedule, .told = session_told, .tokenize = tokenize_text, .free_text = tokenize_free, .files = session_files,
    .load = session_load_model, .unload = session_unload };
