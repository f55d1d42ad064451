/* prompts.c -- the options' prompts as texts and ids (prompts.h). */
#include "hooks/prompts.h"

#include "include/internal/file.h"
#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include "sampling/pieces_text.h"
#include <string.h>
#include <unistd.h>

#define MAX_PROMPT ((size_t)16 << 20)
#define NO_NEWLINE "the vocabulary has no newline: samples begin with "

glimpse_status unescape(const char *s, size_t n, buffer *out) {
    static const char from[] = "ntr\\\"'0", to[] = "\n\t\r\\\"'";
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '\\') {
            buf_putc(out, s[i]);
            continue;
        }
        char c = i + 1 < n ? s[i + 1] : 0;
        const char *at = c ? strchr(from, c) : NULL;
        if (at) buf_putc(out, to[at - from]);
        else if (c == 'x') {
            int v = 0;
            for (int k = 2; k < 4; k++) {
                char h = i + (size_t)k < n ? s[i + (size_t)k] : 0;
                int d = h >= '0' && h <= '9' ? h - '0' : (h | 32) >= 'a' && (h | 32) <= 'f' ? (h | 32) - 'a' + 10 : -1;
                if (d < 0)
                    FAIL(GLIMPSE_E_INVALID, "\\x at byte %zu of \"%.*s\" wants two hexadecimal digits\nhint: --no_escapes "
                         "takes the text literally", i, (int)(n < 60 ? n : 60), s);
                v = v * 16 + d;
            }
            buf_putc(out, (char)v);
            i += 2;
        } else
            FAIL(GLIMPSE_E_INVALID, "\\%c at byte %zu of \"%.*s\" is no escape (\\n \\t \\r \\\\ \\\" \\' \\0 \\xHH are)\n"
                 "hint: --no_escapes takes the text literally", c ? c : ' ', i, (int)(n < 60 ? n : 60), s);
        i++;
    }
    if (buf_failed(out)) FAIL(GLIMPSE_E_MEMORY, "no memory for a text of %zu bytes", n);
    return GLIMPSE_OK;
}

/* --- one prompt --------------------------------------------------------------------------------------------------- */

static int32_t start_id(const model *m, tokenizer *t) {
    if (m->d.bos >= 0) return m->d.bos;
    if (t && t->bos >= 0 && t->bos < m->d.vocab_size) return t->bos;
    if (m->d.eos >= 0) return m->d.eos;
    if (t && t->eos >= 0 && t->eos < m->d.vocab_size) return t->eos;
    return t ? -1 : 0; /* ids alone: any is as good a beginning */
}

/* The first thing that had to be done to a prompt. */
BUF_PRINTF_LIKE(2, 3) static void say(prompt_list *p, const char *fmt, ...) {
    if (p->note) return;
    buffer b = {0};
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&b, fmt, args);
    va_end(args);
    p->note = arena_text(p->arena, buf_str(&b), b.n);
    buf_free(&b);
}

/* Take ids (n) as prompt number i, cut to the context. */
static glimpse_status keep(prompt_list *p, int32_t i, const char *text, size_t bytes, const int32_t *ids, size_t n,
                           const model *m, int32_t max_tokens) {
    int64_t context = m->d.max_seq_len, room = context - max_tokens;
    if (room < context / 2) room = context / 2;
    if (room < 1) room = 1;
    if ((int64_t)n > room && (int64_t)n > context - 1) {
        say(p, "prompt %d has %zu tokens, the context %lld: its last %lld are used", i + 1, n, (long long)context, (long long)room);
        ids += n - (size_t)room;
        n = (size_t)room;
    }
    int32_t *copy = arena_alloc(p->arena, n * sizeof *copy);
    char *t = arena_text(p->arena, text, bytes);
    if (!copy || !t) FAIL(GLIMPSE_E_MEMORY, "no memory for a prompt of %zu tokens", n);
    memcpy(copy, ids, n * sizeof *copy);
    p->prompts[i] = (batch_prompt){ .text = t, .bytes = bytes, .ids = copy, .n_ids = (int32_t)n };
    return GLIMPSE_OK;
}

static glimpse_status ids_of(const char *list, buffer *ids) {
    for (const char *s = list; *s;) {
        size_t n = strcspn(s, ", ");
        int64_t id;
        if (n) {
            if (!parse_i64(s, n, &id) || id < 0 || id > INT32_MAX)
                FAIL(GLIMPSE_E_INVALID, "\"%.*s\" in IDS:%s is no token id", (int)n, s, list);
            int32_t v = (int32_t)id;
            buf_put(ids, &v, sizeof v);
        }
        s += n;
        s += *s != 0;
    }
    if (!ids->n) FAIL(GLIMPSE_E_INVALID, "IDS: names no token\nhint: IDS:464,290");
    return GLIMPSE_OK;
}

static glimpse_status from_ids(prompt_list *p, int32_t i, const int32_t *ids, size_t n, const model *m, tokenizer *t,
                               int32_t max_tokens) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0};
    for (size_t k = 0; k < n; k++) {
        if (ids[k] < 0 || ids[k] >= m->d.vocab_size)
            FAIL_GOTO(GLIMPSE_E_INVALID, "prompt %d: id %d is outside the vocabulary, 0 .. %d", i + 1, ids[k],
                      m->d.vocab_size - 1);
        TRY_GOTO(piece_text(t, ids[k], &text));
    }
    if (buf_failed(&text)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the text of a prompt");
    TRY_GOTO(keep(p, i, text.bytes, text.n, ids, n, m, max_tokens));
out:
    buf_free(&text);
    return st;
}

/* How a text becomes a prompt. */
typedef struct manner {
    bool with_bos;      /* behind the model's BOS */
    bool exact;         /* one that cannot be encoded is an error; otherwise it becomes BOS or EOS, and `note` says so */
    bool unasked;       /* it is the default, a newline, which a character model of names lacks: then id 0 will do, too */
    bool goes_on;       /* it stands behind other tokens, and the tokenizer puts nothing before it */
    const char *before; /* of a turn of a conversation: what separates it from the text that it goes on with; NULL = it is none */
    const char *advice; /* what a person does about one that cannot be encoded; may be NULL */
    bool named;         /* who asks names the option in front of an error, which a file's is not to do */
} manner;

static glimpse_status encode_into(prompt_list *p, int32_t i, const char *text, size_t bytes, manner how, const model *m,
                                  tokenizer *t, int32_t max_tokens) {
    glimpse_status st = GLIMPSE_OK;
    buffer ids = {0};
    int32_t start = start_id(m, t);
    if (how.with_bos && start >= 0 && (m->d.bos >= 0 || (t && t->bos >= 0))) buf_put(&ids, &start, sizeof start);
    size_t before = ids.n;
    if (bytes && t) {
        glimpse_status encoded = how.goes_on ? tokenizer_encode(t, text, bytes, &ids) : tokenizer_encode_prompt(t, text, bytes, &ids);
        if (encoded < 0) {
            if (encoded == GLIMPSE_E_TOKENIZER && how.unasked && start < 0) {
                const int32_t any = 0;
                say(p, NO_NEWLINE "id 0 (--sample_start_tokens TEXT)");
                TRY_GOTO(from_ids(p, i, &any, 1, m, t, max_tokens));
                goto out;
            }
            if (encoded == GLIMPSE_E_TOKENIZER && how.advice) HINT("%s", how.advice);
            if (encoded != GLIMPSE_E_TOKENIZER || start < 0 || how.exact) {
                st = encoded;
                goto out;
            }
            const char *begin = start == m->d.bos ? "the BOS token" : "the EOS token";
            if (how.unasked) say(p, NO_NEWLINE "%s", begin);
            else say(p, "prompt %d cannot be encoded and becomes %s: %s", i + 1, begin, status_text());
            ids.n = before;
            bytes = 0; /* the record shows what the model was given */
        }
    } else if (bytes && how.exact)
        FAIL_GOTO(GLIMPSE_E_TOKENIZER, "no tokenizer was found, so the prompt cannot be encoded\nhint: --tokenizer FILE, or the "
                  "prompt as IDS:1,2,3");
    else if (bytes) {
        say(p, "without a tokenizer a text cannot be encoded: samples begin with id %d\nhint: --tokenizer FILE, or the prompt as "
            "IDS:1,2,3", start);
        bytes = 0;
    }
    if (buf_failed(&ids)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory to encode a prompt of %zu bytes", bytes);
    if (!ids.n) {
        if (start < 0)
            FAIL_GOTO(GLIMPSE_E_TOKENIZER, "prompt %d is empty or cannot be encoded, and the model names neither BOS nor EOS"
                      "\nhint: give --sample_start_tokens a text that the tokenizer knows, or IDS:1,2,3", i + 1);
        buf_put(&ids, &start, sizeof start);
    }
    TRY_GOTO(keep(p, i, text, bytes, (const int32_t *)(const void *)ids.bytes, ids.n / sizeof(int32_t), m, max_tokens));
out:
    buf_free(&ids);
    return st;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static glimpse_status start_list(prompt_list *p, int64_t n) {
    p->arena = arena_new();
    p->prompts = p->arena ? arena_alloc(p->arena, (size_t)n * sizeof *p->prompts) : NULL;
    if (!p->prompts) FAIL(GLIMPSE_E_MEMORY, "no memory for %lld prompts", (long long)n);
    p->n = (int32_t)n;
    return GLIMPSE_OK;
}

static glimpse_status one_option(const options *o, prompt_list *p, int32_t i, const char *spec, manner how, const model *m,
                                 tokenizer *t, int32_t max_tokens) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0}, ids = {0}, form = {0};
    if (!strncmp(spec, "IDS:", 4)) {
        TRY_GOTO(ids_of(spec + 4, &ids));
        TRY_GOTO(from_ids(p, i, (const int32_t *)(const void *)ids.bytes, ids.n / sizeof(int32_t), m, t, max_tokens));
        goto out;
    }
    bool instruction = opt_is(o, OPT_prompt_format, "instruction");
    if (how.before && !instruction) buf_puts(&text, how.before);
    const char *flag = options_is_offline(o) ? "--prompt" : "--sample_start_tokens"; /* bare in a trainer, too */
    if (!strncmp(spec, "FILE:", 5)) {
        st = file_read_all(spec + 5, MAX_PROMPT, &text);
        TRY_GOTO(how.named ? st : status_prefix(st, flag));
    } else if (!strcmp(spec, "-") && !how.before) {
        if (!options_is_offline(o))
            FAIL_GOTO(GLIMPSE_E_INVALID, "the prompt - (standard input) belongs to the trainer here\nhint: use FILE:path");
        TRY_GOTO(file_read_fd(STDIN_FILENO, "standard input", MAX_PROMPT, &text));
    } else if (opt_bool(o, OPT_escapes)) TRY_GOTO(unescape(spec, strlen(spec), &text));
    else buf_puts(&text, spec);
    if (instruction) {
        how.with_bos = true, how.goes_on = how.unasked = false;
        how.advice = "--prompt_format instruction writes \"Instruction:\" and \"Response:\" around the text, --prompt_format plain nothing";
        buf_puts(&form, "Instruction: ");
        buf_put(&form, text.bytes, text.n);
        const char *input = opt_str(o, OPT_input_text);
        if (input && *input) {
            buf_puts(&form, " Input: ");
            buf_puts(&form, input);
        }
        buf_puts(&form, " Response:");
    }
    if (buf_failed(&text) || buf_failed(&form)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a prompt");
    const buffer *whole = instruction ? &form : &text;
    TRY_GOTO(encode_into(p, i, buf_str(whole), whole->n, how, m, t, max_tokens));
out:
    buf_free(&text);
    buf_free(&ids);
    buf_free(&form);
    return st;
}

/* The lines of --prompts FILE, each a spec of its own; NUL-terminated in place. */
static glimpse_status split_lines(buffer *lines, buffer *starts) {
    const char *line;
    for (size_t at = 0, n; utf8_line(buf_str(lines), lines->n, &at, &line, &n);) {
        if (memchr(line, 0, n)) FAIL(GLIMPSE_E_FORMAT, "--prompts: a line holds a zero byte\nhint: UTF-8 is read; \\0 is a zero byte in a prompt");
        lines->bytes[line + n - lines->bytes] = 0;
        buf_put(starts, &line, sizeof line);
    }
    if (buf_failed(starts)) FAIL(GLIMPSE_E_MEMORY, "no memory for the prompts");
    return GLIMPSE_OK;
}

glimpse_status prompt_list_make(const options *o, const model *m, tokenizer *t, int32_t max_tokens, prompt_list *out) {
    glimpse_status st = GLIMPSE_OK;
    prompt_list p = {0};
    buffer lines = {0}, specs = {0};
    const char *path = opt_str(o, OPT_prompts);
    if (!path || opt_is_set(o, OPT_sample_start_tokens))
        for (int i = 0; i < opt_count(o, OPT_sample_start_tokens); i++) {
            const char *s = opt_str_at(o, OPT_sample_start_tokens, i);
            buf_put(&specs, &s, sizeof s);
        }
    if (path) {
        TRY_GOTO(status_prefix(file_read_all(path, MAX_PROMPT, &lines), "--prompts"));
        TRY_GOTO(split_lines(&lines, &specs));
    }
    size_t n = specs.n / sizeof(char *);
    if (buf_failed(&specs) || n > 100000) FAIL_GOTO(GLIMPSE_E_INVALID, "more prompts than can be sampled: %zu", n);
    if (!n) FAIL_GOTO(GLIMPSE_E_INVALID, "%s holds no prompt", path ? path : "--sample_start_tokens");
    TRY_GOTO(start_list(&p, (int64_t)n));
    const char *const *spec = (const char *const *)(const void *)specs.bytes;
    const bool asked = path || opt_is_set(o, OPT_sample_start_tokens), offline = options_is_offline(o);
    const manner how = {
        .exact = offline && asked,
        .unasked = !asked,
        .advice = path ? "it is a line of --prompts FILE, which may also be ids: IDS:464,290" :
                  offline ? "--prompt gives another beginning, or ids: --prompt IDS:464,290" :
                  "--sample_start_tokens gives another beginning, or ids: --sample_start_tokens IDS:464,290",
    };
    for (size_t i = 0; i < n; i++) TRY_GOTO(one_option(o, &p, (int32_t)i, spec[i], how, m, t, max_tokens));
    *out = p;
    p.arena = NULL;
out:
    prompt_list_free(&p);
    buf_free(&lines);
    buf_free(&specs);
    return st;
}

glimpse_status prompt_list_one(const char *text, size_t bytes, const int32_t *ids, int32_t n_ids, const model *m,
                               tokenizer *t, int32_t max_tokens, prompt_list *out) {
    glimpse_status st = GLIMPSE_OK;
    prompt_list p = {0};
    TRY_GOTO(start_list(&p, 1));
    if (ids && n_ids > 0) TRY_GOTO(from_ids(&p, 0, ids, (size_t)n_ids, m, t, max_tokens));
    else TRY_GOTO(encode_into(&p, 0, text ? text : "", text ? bytes : 0, (manner){.exact = true}, m, t, max_tokens));
    *out = p;
    p.arena = NULL;
out:
    prompt_list_free(&p);
    return st;
}

glimpse_status prompt_list_turn(const options *o, const char *spec, const char *before, bool goes_on, const model *m, tokenizer *t,
                                prompt_list *out) {
    glimpse_status st = GLIMPSE_OK;
    prompt_list p = {0};
    TRY(start_list(&p, 1));
    TRY_GOTO(one_option(o, &p, 0, spec, (manner){.exact = true, .goes_on = goes_on, .before = before}, m, t, 1));
    *out = p;
    p.arena = NULL;
out:
    prompt_list_free(&p);
    return st;
}

glimpse_status prompt_list_negative(const options *o, const char *spec, const model *m, tokenizer *t, prompt_list *out) {
    glimpse_status st = GLIMPSE_OK;
    prompt_list p = {0};
    TRY_GOTO(start_list(&p, 1));
    const manner how = {.exact = true, .named = true};
    TRY_GOTO(status_prefix(one_option(o, &p, 0, spec, how, m, t, (int32_t)opt_int(o, OPT_max_sample_tokens)), "--negative_prompt"));
    *out = p;
    p.arena = NULL;
out:
    prompt_list_free(&p);
    return st;
}

void prompt_list_free(prompt_list *p) {
    arena_free(p->arena);
    *p = (prompt_list){0};
}
