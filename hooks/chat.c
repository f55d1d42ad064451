/* chat.c -- the turns of a conversation (chat.h).  Called by session_run for --interactive. */
#include "hooks/chat.h"

#include "hooks/prompts.h"
#include "include/internal/status.h"
#include "sampling/pieces_text.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- settings ------------------------------------------------------------------------------------------------------- */

static glimpse_status settings_of(chat *c, const options *o, arena *a, batch_request *rq) {
    session *s = c->s;
    batch_request made = { .users = s->users, .n_users = s->n_users };
    if (opt_level_of(o, OPT_num_samples) > OPT_LEVEL_LIKE && opt_int(o, OPT_num_samples) != 1)
        FAIL(GLIMPSE_E_INVALID, "--num_samples is %d: a conversation has one answer to a text", (int)opt_int(o, OPT_num_samples));
    if (opt_int(o, OPT_num_beams) > 1) FAIL(GLIMPSE_E_INVALID, "--num_beams: a conversation has no beams, its answers are drawn");
    if (opt_count(o, OPT_top_k) > 1)
        FAIL(GLIMPSE_E_INVALID, "--top_k is a list: a conversation has one setting\nhint: `glimpse --prompt TEXT --top_k %d,%d` samples "
             "side by side", (int)opt_int_at(o, OPT_top_k, 0), (int)opt_int_at(o, OPT_top_k, 1));
    if (opt_int(o, OPT_max_sample_tokens) < 1) FAIL(GLIMPSE_E_INVALID, "max_sample_tokens is 0: there would be no answer");
    TRY(session_settings(o, s->m, s->t, a, &made));
    made.num_samples = 1;
    made.cancel = s->host.cancel;
    made.on_token = text_out_token;
    made.user = &c->out;
    chain *chain; /* what a chain refuses is refused now */
    TRY(generator_chain(s->g, &made, 0, &chain));
    if (strcmp(chain_idle(chain), buf_str(&c->idle))) session_log_lines(s, chain_idle(chain));
    buf_clear(&c->idle);
    buf_puts(&c->idle, chain_idle(chain));
    chain_close(chain);
    *rq = made;
    return GLIMPSE_OK;
}

static glimpse_status reopen(chat *c, const batch_request *rq, conversation **out) {
    glimpse_status st = GLIMPSE_OK;
    conversation *fresh = NULL;
    int32_t n;
    TRY(conversation_open(c->s->g, rq, buf_str(&c->key), c->key.n, &fresh));
    const int32_t *ids = conversation_ids(c->c, &n);
    if (n > conversation_room(fresh)) n = conversation_room(fresh); /* the token that filled the context has no place in it */
    TRY_GOTO(conversation_append(fresh, ids, n));
    *out = fresh;
    fresh = NULL;
out:
    conversation_close(fresh);
    return st;
}

glimpse_status chat_use(chat *c, const options *o) {
    glimpse_status st = GLIMPSE_OK;
    batch_request rq;
    conversation *fresh = NULL;
    options *mine = options_copy(o); /* the settings borrow its texts */
    arena *a = arena_new();
    if (!a || !mine) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the settings");
    TRY_GOTO(settings_of(c, mine, a, &rq));
    if (c->c) TRY_GOTO(reopen(c, &rq, &fresh));
    TRY_GOTO(session_use_options(c->s, mine));
    mine = NULL;
    conversation_close(c->c);
    c->c = fresh;
    fresh = NULL;
    arena_free(c->arena);
    c->arena = a;
    c->rq = rq;
    a = NULL;
    text_out_begin(&c->out, &rq, c->out.told);
    c->changed = true;
out:
    conversation_close(fresh);
    arena_free(a);
    options_free(mine);
    return st;
}

/* --- one turn ------------------------------------------------------------------------------------------------------- */

void chat_reset(chat *c) {
    conversation_close(c->c);
    c->c = NULL;
    buf_clear(&c->turns);
    buf_clear(&c->texts);
    buf_clear(&c->key);
}

/* What separates a text from what the context ends with. */
static const char *separator(chat *c) {
    int32_t n = 0;
    const int32_t *ids = c->c ? conversation_ids(c->c, &n) : NULL;
    const chat_turn *last = chat_last(c);
    buffer piece = {0};
    if (!n || (last && last->stop == GLIMPSE_STOP_STRING) || model_ends(&c->s->m->d, ids[n - 1])) return "";
    bool ended = c->s->t && piece_text(c->s->t, ids[n - 1], &piece) >= 0 && piece.n && piece.bytes[piece.n - 1] == '\n';
    buf_free(&piece);
    return ended ? "" : "\n";
}

/* The text as tokens, `before` bytes of it separate it from the text before; one that the context has no room for any more
 * begins the conversation anew. */
static glimpse_status encode(chat *c, const char *spec, size_t *before, prompt_list *out) {
    session *s = c->s;
    const char *between = separator(c);
    *before = opt_is(s->o, OPT_prompt_format, "instruction") ? 0 : strlen(between);
    TRY(prompt_list_turn(s->o, spec, between, c->c != NULL, s->m, s->t, out));
    if (!c->c || out->prompts[0].n_ids <= conversation_room(c->c)) return GLIMPSE_OK;
    session_log(s, "glimpse: %d token%s do%s not fit, the context has room for %d of %d: the conversation begins anew with this text",
                out->prompts[0].n_ids, out->prompts[0].n_ids == 1 ? "" : "s", out->prompts[0].n_ids == 1 ? "es" : "", conversation_room(c->c), s->m->d.max_seq_len);
    prompt_list_free(out);
    chat_reset(c);
    *before = 0;
    return prompt_list_turn(s->o, spec, "", false, s->m, s->t, out);
}

/* Text with its control characters made visible, each line behind `mark`; without one, a line that would read as something else
 * has a backslash before it.  Ends in a newline. */
static void put_lines(chat *c, const char *text, size_t n, const char *mark) {
    static const glimpse_token plain = { .size = sizeof plain, .p_temp = NAN, .p_final = NAN, .logit = NAN, .logprob = NAN };
    view_style style = { .depth = DEPTH_NONE };
    buffer held = {0}, shown = {0};
    view_stream_token(NULL, &plain, text, n, &style, &held, &shown);
    view_stream_token(NULL, &plain, NULL, 0, &style, &held, &shown);
    const char *at = buf_str(&shown), *end = at + shown.n;
    do {
        const char *nl = memchr(at, '\n', (size_t)(end - at));
        size_t line = nl ? (size_t)(nl - at) : (size_t)(end - at);
        if (mark) buf_puts(&c->transcript, mark);
        else if (line && (*at == '>' || *at == '\\' || !strncmp(at, "-----", 5))) buf_putc(&c->transcript, '\\');
        buf_put(&c->transcript, at, line);
        buf_putc(&c->transcript, '\n');
        at += line + (nl != NULL);
        if (!nl) break;
    } while (at <= end);
    c->transcript.failed |= shown.failed;
    buf_free(&held);
    buf_free(&shown);
}

/* The answer as the model has read it: the pieces of its tokens, those of a --stop text too. */
static void put_answer(chat *c, const glimpse_sample *r) {
    buffer text = {0}, piece = {0};
    for (int32_t k = 0; k < r->n_tokens; k++) {
        if (model_ends(&c->s->m->d, r->tokens[k].id) && !opt_bool(c->s->o, OPT_ignore_eos)) continue;
        buf_clear(&piece);
        if (piece_text(c->s->t, r->tokens[k].id, &piece) >= 0) buf_put(&text, piece.bytes, piece.n);
    }
    put_lines(c, buf_str(&text), text.n, NULL);
    c->transcript.failed |= text.failed | piece.failed;
    buf_free(&text);
    buf_free(&piece);
}

/* In the record: which turn of which conversation this is; the steps count the answers of all. */
static glimpse_status put_note(const chat *c, arena *a, glimpse_sample *r) {
    buffer b = {0};
    buf_printf(&b, "conversation %d, turn %d%s%s", c->conversations, (int)(c->turns.n / sizeof(chat_turn)), r->note ? "; " : "", r->note ? r->note : "");
    r->note = buf_failed(&b) ? NULL : arena_text(a, b.bytes, b.n);
    buf_free(&b);
    if (!r->note) FAIL(GLIMPSE_E_MEMORY, "no memory for the record of an answer");
    return GLIMPSE_OK;
}

/* How the answer ended, and what is left. */
static void say_end(const chat *c, const glimpse_sample *r, double seconds) {
    static const char *const ends[] = { "all that --max_sample_tokens allows", "ended by the model", "a --stop text",
                                        "the context is full: the next text begins anew, /undo goes back", "", "", "stopped" };
    session *s = c->s;
    int32_t n;
    conversation_ids(c->c, &n);
    if (n > s->m->d.max_seq_len) n = s->m->d.max_seq_len; /* the last token was drawn and has no room */
    if (r->stop == GLIMPSE_STOP_NONFINITE) {
        session_log(s, "glimpse: %s\nhint: the weights are broken, or a sampler's settings are", r->why ? r->why : "the logits are not finite");
        return;
    }
    if (opt_bool(s->o, OPT_quiet)) return;
    session_log(s, "glimpse: %d token%s, %.1f s, context %d of %d; %s", r->n_tokens, r->n_tokens == 1 ? "" : "s", seconds, n, s->m->d.max_seq_len, ends[r->stop]);
    session_advise(s, r, 1);
}

glimpse_status chat_answer(chat *c, const char *text, size_t bytes) {
    glimpse_status st = GLIMPSE_OK;
    session *s = c->s;
    batch_result batch = {0};
    chat_turn *turn = chat_last(c);
    if (s->host.cancel) atomic_store(s->host.cancel, 0);
    c->out.open = true; /* an answer without a token is a line, too */
    st = conversation_generate(c->c, 0, &batch);
    text_out_end(&c->out);
    TRY_GOTO(st);
    glimpse_sample *r = &batch.samples[0];
    turn->stop = r->stop;
    c->changed = false;
    r->prompt_text = arena_text(batch.arena, text, bytes); /* prompt_ids is the whole context, the text what was said */
    r->prompt_bytes = bytes;
    if (!r->prompt_text) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the record of an answer");
    TRY_GOTO(put_note(c, batch.arena, r));
    put_answer(c, r);
    say_end(c, r, batch.prefill_s + batch.decode_s);
    TRY_GOTO(session_keep(s, ++c->n_answers, &batch));
out:
    batch_result_free(&batch);
    return st;
}

/* One text of the user's and its answer; `spec` in the forms of a prompt (prompts.h). */
static glimpse_status chat_say(chat *c, const char *spec) {
    glimpse_status st = GLIMPSE_OK;
    prompt_list p = {0};
    chat_turn turn = { .transcript = c->transcript.n, .text = c->texts.n };
    size_t before;
    bool begins;
    TRY(encode(c, spec, &before, &p));
    const batch_prompt *said = &p.prompts[0];
    begins = !c->c;
    if (p.note) session_log(c->s, "glimpse: %s", p.note);
    if (begins) {
        buf_put(&c->key, said->text, said->bytes);
        if (buf_failed(&c->key)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a text");
        TRY_GOTO(conversation_open(c->s->g, &c->rq, buf_str(&c->key), c->key.n, &c->c));
        turn.transcript = c->transcript.n;
        turn.text = c->texts.n;
        c->conversations++;
    }
    conversation_ids(c->c, &turn.ids);
    st = conversation_append(c->c, said->ids, said->n_ids);
    if (st >= 0) {
        conversation_ids(c->c, &turn.answer_ids);
        if (begins) buf_printf(&c->transcript, "--------------- conversation %d\n", c->conversations);
        buf_printf(&c->transcript, "--------------- turn %d\n", (int)(c->turns.n / sizeof turn) + 1);
        put_lines(c, said->text + before, said->bytes - before, "> ");
        turn.answer_transcript = c->transcript.n;
        buf_put(&c->texts, said->text, said->bytes);
        buf_put(&c->turns, &turn, sizeof turn);
        st = buf_failed(&c->turns) || buf_failed(&c->texts) ? status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for a turn")
                                   : chat_answer(c, said->text, said->bytes);
    }
    int32_t n;
    conversation_ids(c->c, &n);
    if (st < 0 && n <= turn.answer_ids) { /* there is no answer: as if nothing had been said */
        conversation_rewind(c->c, turn.ids);
        c->transcript.n = turn.transcript;
        c->texts.n = turn.text;
        if (c->turns.n >= sizeof turn) c->turns.n -= sizeof turn;
        if (begins) {
            chat_reset(c);
            c->conversations--;
        }
    }
out:
    prompt_list_free(&p);
    return st;
}

/* --- all of them ---------------------------------------------------------------------------------------------------- */

static void take_line(chat *c, const char *line, size_t n) {
    glimpse_status st = GLIMPSE_OK;
    const char *text = line + strspn(line, " \t");
    if (strlen(line) != n)
        st = status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "the line holds a zero byte\nhint: \\x00 says it as an escape");
    else if (!*text) return;
    else if (!strcmp(text, "exit") || !strcmp(text, "quit")) c->leave = true;
    else if (text[0] == '/' && text[1] != '/') st = chat_command(c, text + 1);
    else st = chat_say(c, text[0] == '/' ? text + 1 : line);
    if (st >= 0) return;
    session_log(c->s, "glimpse: %s", status_text());
    c->n_failed++;
}

static void say_first(const session *s, const char *text) {
    buffer b = {0};
    buf_json_string(&b, text, strlen(text)); /* no control character reaches the terminal */
    if (!buf_failed(&b)) session_log(s, "> %s", buf_str(&b));
    buf_free(&b);
}

static glimpse_status converse(chat *c) {
    const session_host *h = &c->s->host;
    for (int i = 0; opt_is_set(c->s->o, OPT_sample_start_tokens) && i < opt_count(c->s->o, OPT_sample_start_tokens); i++) {
        const char *first = opt_str_at(c->s->o, OPT_sample_start_tokens, i);
        if (!strcmp(first, "-")) FAIL(GLIMPSE_E_INVALID, "the prompt - is standard input, where the conversation comes from");
        if (h->in_terminal) say_first(c->s, first);
        TRY(chat_say(c, first));
    }
    while (!c->leave && !c->out.error) {
        const char *line;
        size_t n;
        int got = h->read_line(h->user, "> ", &line, &n);
        if (!got) break;
        if (got > 0) take_line(c, line, n);
        else if (got == -EFBIG) {
            session_log(c->s, "glimpse: a line of more than 16 MiB: it is passed over\nhint: FILE:path says a text of a file");
            c->n_failed++;
        } else if (got == -EINTR) session_log(c->s, "glimpse: Ctrl-D or /quit leaves");
        else {
            char room[64];
            FAIL(GLIMPSE_E_IO, "standard input cannot be read: %s", strerror_r(-got, room, sizeof room));
        }
    }
    if (c->out.error && c->out.error != EPIPE) {
        char room[64];
        FAIL(GLIMPSE_E_IO, "the answers cannot be written: %s\nhint: what was said is in %s", strerror_r(c->out.error, room, sizeof room),
             c->s->out_dir);
    }
    if (c->n_failed && !h->in_terminal) FAIL(GLIMPSE_E_STATE, "%lld line%s could not be answered", (long long)c->n_failed, c->n_failed == 1 ? "" : "s");
    return GLIMPSE_OK;
}

static glimpse_status introduce(chat *c, const char *checkpoint) {
    prompt_list none = {0};
    if (opt_bool(c->s->o, OPT_quiet)) return GLIMPSE_OK;
    TRY(offline_banner(c->s, checkpoint, &c->rq, &none));
    text_out_begin(&c->out, &c->rq, true);
    if (c->s->host.in_terminal)
        session_log(c->s, "Type a text: the model goes on with it. /help; Ctrl-C stops an answer, Ctrl-D leaves.");
    return GLIMPSE_OK;
}

glimpse_status session_chat(const options *given, const session_host *host) {
    glimpse_status st = GLIMPSE_OK;
    char *checkpoint = NULL;
    session *s = NULL;
    chat c = {0};
    if (!host->read_line || !host->out) FAIL(GLIMPSE_E_UNSUPPORTED, "--interactive: there is nobody to talk with here\nhint: `glimpse chat`");
    if (opt_bool(given, OPT_files)) TRY_GOTO(session_may_write(given));
    TRY_GOTO(offline_open(given, host, &checkpoint, &s));
    c.s = c.out.s = s;
    s->text = &c.out;
    TRY_GOTO(chat_use(&c, s->o));
    TRY_GOTO(generator_refresh(s->g));
    TRY_GOTO(introduce(&c, checkpoint));
    TRY_GOTO(converse(&c));
    if (c.n_answers) TRY_GOTO(offline_say_where(s));
out:
    conversation_close(c.c);
    arena_free(c.arena);
    text_out_free(&c.out);
    buf_free(&c.turns);
    buf_free(&c.texts);
    buf_free(&c.idle);
    buf_free(&c.key);
    buf_free(&c.transcript);
    if (s) s->text = NULL;
    if (s) session_close(s);
    free(checkpoint);
    return st;
}
