/* chat_commands.c -- what a line of a conversation that begins with '/' does: /set and its like.  Called by chat.c. */
#include "hooks/chat.h"

#include "include/internal/file.h"
#include "include/internal/nearest.h"
#include "include/internal/status.h"
#include <stdlib.h>
#include <string.h>

static const char *skip(const char *s) { return s + strspn(s, " \t"); }
static size_t trimmed(const char *s) {
    size_t n = strlen(s);
    while (n && strchr(" \t\r\n", s[n - 1])) n--;
    return n;
}

/* --- /set ----------------------------------------------------------------------------------------------------------- */

static bool may_change(opt_id id) {
    const char *group = opt_info_of(id)->group;
    if (id == OPT_seed_each_step || id == OPT_quiet || id == OPT_num_samples) return false;
    return !strcmp(group, "Length") || !strcmp(group, "Samplers") || !strcmp(group, "Display") || id == OPT_escapes
           || id == OPT_prompt_format || id == OPT_input_text || id == OPT_record_top;
}

/* Texts in quotes, with their control characters as JSON has them; numbers and choices, which are checked, bare. */
static void put_value(const options *o, opt_id id, buffer *b) {
    bool text = opt_info_of(id)->type == OPT_STRING || opt_info_of(id)->type == OPT_STRINGS;
    buf_printf(b, "%s =", opt_info_of(id)->name);
    for (int i = 0; i < opt_count(o, id) || (!i && opt_has(o, id)); i++) {
        const char *v = opt_count(o, id) ? opt_str_at(o, id, i) : opt_str(o, id);
        buf_putc(b, ' ');
        if (text) buf_json_string(b, v ? v : "", v ? strlen(v) : 0);
        else buf_puts(b, v ? v : "");
    }
    if (!opt_has(o, id)) buf_puts(b, " unset");
}

/* What is in force: the chain, and what else was set. */
static glimpse_status show_settings(const chat *c) {
    glimpse_status st = GLIMPSE_OK;
    const options *o = c->s->o;
    buffer b = {0};
    chain *chain = NULL;
    TRY(generator_chain(c->s->g, &c->rq, 0, &chain));
    buf_printf(&b, "  samplers   %s", chain_string(chain));
    offline_note_top_k(&b, chain_string(chain), c->s->m->d.vocab_size);
    buf_printf(&b, "\n  length     %d tokens, seed %llu", c->rq.max_tokens, (unsigned long long)c->rq.seed);
    chain_close(chain);
    for (int id = 0; id < OPT_COUNT; id++)
        if (may_change((opt_id)id) && opt_level_of(o, (opt_id)id) > OPT_LEVEL_LIKE) {
            buf_puts(&b, "\n  ");
            put_value(o, (opt_id)id, &b);
        }
    if (buf_failed(&b)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the settings");
    session_log(c->s, "%s", buf_str(&b));
out:
    buf_free(&b);
    return st;
}

static glimpse_status find_option(const char *name, size_t n, opt_id *out) {
    n -= n > 2 && !strncmp(name, "--", 2) ? 2 : 0;
    int id = opt_find(name, n);
    if (id < 0) {
        const char *near = opt_nearest(name, n);
        if (near) FAIL(GLIMPSE_E_INVALID, "there is no option \"%.*s\"\nhint: did you mean %s?", (int)(n < 60 ? n : 60), name, near);
        FAIL(GLIMPSE_E_INVALID, "there is no option \"%.*s\"\nhint: `glimpse --help` lists them", (int)(n < 60 ? n : 60), name);
    }
    if (!may_change((opt_id)id))
        FAIL(GLIMPSE_E_INVALID, "%s is settled when a conversation begins\nhint: `glimpse chat --%s ...`", opt_info_of((opt_id)id)->name,
             opt_info_of((opt_id)id)->name);
    *out = (opt_id)id;
    return GLIMPSE_OK;
}

/* "NAME VALUE", "NAME=VALUE", "NAME" to look at it; `unset`: "NAME". */
static glimpse_status set(chat *c, const char *rest, bool unset) {
    glimpse_status st = GLIMPSE_OK;
    buffer b = {0};
    opt_id id;
    char *value = NULL;
    options *o = NULL;
    if (!strncmp(rest, "--", 2)) rest += 2;
    size_t n = strcspn(rest, "= \t"), all = trimmed(rest);
    if (n > all) n = all;
    if (!n && !unset) return show_settings(c);
    if (!n) FAIL(GLIMPSE_E_INVALID, "/unset NAME: which option?");
    TRY(find_option(rest, n, &id));
    const char *v = skip(rest + n);
    if (*v == '=') v = skip(v + 1);
    size_t bytes = v < rest + all ? (size_t)(rest + all - v) : 0;
    if (unset && bytes) FAIL(GLIMPSE_E_INVALID, "/unset takes a name alone");
    bool quoted = bytes >= 2 && v[0] == '"' && v[bytes - 1] == '"';
    if (bytes || unset) {
        value = unset ? NULL : strndup(v + quoted, bytes - 2 * quoted);
        o = options_copy(c->s->o);
        if (!o || (!unset && !value)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for an option");
        for (int level = OPT_LEVEL_FILE; unset && level <= OPT_LEVEL_FLAG; level++) TRY_GOTO(options_set(o, id, NULL, (opt_level)level));
        if (!unset) TRY_GOTO(options_set(o, id, value, OPT_LEVEL_FLAG));
        TRY_GOTO(chat_use(c, o));
    }
    put_value(c->s->o, id, &b);
    if (!buf_failed(&b)) session_log(c->s, "glimpse: %s", buf_str(&b));
out:
    buf_free(&b);
    options_free(o);
    free(value);
    return st;
}

/* --- back ----------------------------------------------------------------------------------------------------------- */

static glimpse_status undo(chat *c) {
    const chat_turn *last = chat_last(c);
    if (!last) FAIL(GLIMPSE_E_STATE, "nothing was said that could be taken back");
    chat_turn turn = *last;
    TRY(conversation_rewind(c->c, turn.ids));
    c->transcript.n = turn.transcript;
    c->texts.n = turn.text;
    c->turns.n -= sizeof turn;
    if (!turn.ids) {
        chat_reset(c);
        c->conversations--;
    }
    int left = (int)(c->turns.n / sizeof turn);
    session_log(c->s, "glimpse: the last text and its answer are taken back; %d turn%s left", left, left == 1 ? " is" : "s are");
    return GLIMPSE_OK;
}

/* Another answer to the same: under the settings that were changed, else with the next seed (the same seed gives the same). */
static glimpse_status again(chat *c) {
    glimpse_status st = GLIMPSE_OK;
    const chat_turn *last = chat_last(c);
    if (!last) FAIL(GLIMPSE_E_STATE, "nothing was said that could be answered again");
    if (!c->changed) {
        char seed[32];
        options *o = options_copy(c->s->o);
        if (!o) FAIL(GLIMPSE_E_MEMORY, "no memory for the options");
        c_snprintf(seed, sizeof seed, "%lld", (long long)(opt_int(o, OPT_seed) < INT64_MAX ? opt_int(o, OPT_seed) + 1 : 0));
        st = options_set(o, OPT_seed, seed, OPT_LEVEL_FLAG);
        if (st >= 0) st = chat_use(c, o);
        options_free(o);
        TRY(st);
    }
    session_log(c->s, "glimpse: seed = %lld", (long long)opt_int(c->s->o, OPT_seed));
    st = conversation_rewind(c->c, last->answer_ids);
    c->transcript.n = last->answer_transcript;
    return st < 0 ? st : chat_answer(c, buf_str(&c->texts) + last->text, c->texts.n - last->text);
}

/* --- the rest ------------------------------------------------------------------------------------------------------- */

static glimpse_status save(const chat *c, const char *name) {
    char *path = strndup(name, trimmed(name));
    if (!path) FAIL(GLIMPSE_E_MEMORY, "no memory for a file name");
    glimpse_status st = GLIMPSE_OK;
    if (!*path) FAIL_GOTO(GLIMPSE_E_INVALID, "/save FILE: where to?");
    if (path_exists(path)) FAIL_GOTO(GLIMPSE_E_IO, "%s is there already\nhint: another name; nothing is written over", path);
    if (buf_failed(&c->transcript)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for what was said");
    if (!c->transcript.n) FAIL_GOTO(GLIMPSE_E_STATE, "nothing was said that could be saved");
    TRY_GOTO(file_write_atomic(path, buf_str(&c->transcript), c->transcript.n, false));
    session_log(c->s, "glimpse: %zu byte%s in %s", c->transcript.n, c->transcript.n == 1 ? "" : "s", path);
out:
    free(path);
    return st;
}

static const char help[] =
    "  TEXT               the model goes on behind it; \\n \\t \\xHH are escapes,\n"
    "                     FILE:path is the text of that file, //x is /x\n"
    "  /set NAME VALUE    an option of sampling, stopping or showing, as the flags\n"
    "                     have them: /set temperature 0.5; /set alone shows them\n"
    "  /unset NAME        its default again\n"
    "  /again             another answer to the last text\n"
    "  /undo              takes the last text and its answer back\n"
    "  /reset             begins anew\n"
    "  /save FILE         what was said, as text that reads back\n"
    "                     (`glimpse help chat`)\n"
    "  /quit, exit, quit  leave; Ctrl-D too; Ctrl-C stops an answer\n"
    "A text that --stop names ends an answer and stays: your text goes on behind it.\n"
    "Where a text does not fit the context any more, the conversation begins anew\n"
    "with it.";

glimpse_status chat_command(chat *c, const char *line) {
    size_t n = strcspn(line, " \t\r\n");
    const char *rest = skip(line + n);
    static const char *const words[] = { "help", "set", "unset", "again", "undo", "reset", "save", "quit", "exit", "?" };
    int at = -1;
    for (int i = 0; i < (int)(sizeof words / sizeof *words); i++)
        if (strlen(words[i]) == n && !strncmp(line, words[i], n)) at = i;
    bool alone = at == 0 || (at >= 3 && at != 6);
    if (alone && *rest) FAIL(GLIMPSE_E_INVALID, "/%s takes nothing behind it", words[at]);
    switch (at) {
    case 0:
    case 9: session_log(c->s, "%s", help); return GLIMPSE_OK;
    case 1: return set(c, rest, false);
    case 2: return set(c, rest, true);
    case 3: return again(c);
    case 4: return undo(c);
    case 5:
        chat_reset(c);
        session_log(c->s, "glimpse: begun anew");
        return GLIMPSE_OK;
    case 6: return save(c, rest);
    case 7:
    case 8: c->leave = true; return GLIMPSE_OK;
    default: break;
    }
    int least = nearest_limit(n) + 1;
    const char *near = NULL;
    for (int i = 0; i < 9 && n > 1; i++) {
        int far = edit_distance(line, n, words[i], strlen(words[i]));
        if (far < least) least = far, near = words[i];
    }
    int shown = (int)(n < 40 ? n : 40);
    if (near) FAIL(GLIMPSE_E_INVALID, "there is no /%.*s\nhint: did you mean /%s? /help lists what there is; //%.*s is a text that begins with a slash",
                   shown, line, near, shown, line);
    FAIL(GLIMPSE_E_INVALID, "there is no /%.*s\nhint: /help lists what there is; //%.*s is a text that begins with a slash",
         shown, line, shown, line);
}
