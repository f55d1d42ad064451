/* args.c -- Glimpse's flags out of somebody else's argv.  Nothing is taken that is not certainly ours, and nothing at
 * all if one flag is wrong: options and argv change together at the end, or not.  Called by glimpse_parse_args and, for
 * GLIMPSE_ARGS, by glimpse_config_new.
 *
 * A word is a flag's value unless it looks like a flag, as in Python's argparse: it begins with '-', and is neither "-"
 * alone, nor a negative number, nor holds a blank; --flag=VALUE takes anything. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "plugin/guest.h"

enum { NAME_BYTES = 80 };

typedef struct flag {
    bool ours;             /* false: the trainer's */
    int id;                /* -1: ours by its prefix or the scope, but unknown */
    bool negated;          /* --no_NAME */
    bool prefixed;         /* --glimpse_NAME */
    char name[NAME_BYTES]; /* without "--" and the prefix, with underscores */
    const char *value;     /* what follows '=', or NULL */
} flag;

/* What one word of argv is.  Words that do not begin with "--" are nobody's flags. */
static flag classify(const char *word, bool all) {
    flag f = {.id = -1};
    if (!word || word[0] != '-' || word[1] != '-' || word[2] == 0) return f;
    const char *name = word + 2, *equals = strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : strlen(name), prefix = strlen("glimpse_");
    f.value = equals ? equals + 1 : NULL;
    if (n >= prefix && memcmp(name, "glimpse", prefix - 1) == 0 && (name[prefix - 1] == '_' || name[prefix - 1] == '-'))
        f.prefixed = true, name += prefix, n -= prefix;
    for (size_t i = 0; i < n && i + 1 < NAME_BYTES; i++) f.name[i] = name[i] == '-' ? '_' : name[i];
    if (n == 0) { /* "--glimpse_", or "--=x" */
        f.ours = f.prefixed || all;
        return f;
    }
    f.id = opt_find(name, n);
    const char *known = f.name;
    if (f.id < 0 && strncmp(f.name, "no_", 3) == 0) {
        int id = opt_find(name + 3, n - 3);
        if (id >= 0 && opt_info_of((opt_id)id)->type == OPT_BOOL) f.id = id, f.negated = true, known += 3;
    }
    f.ours = f.prefixed || all ||
             (f.id >= 0 && opt_info_of((opt_id)f.id)->bare && strcmp(known, opt_info_of((opt_id)f.id)->name) == 0);
    return f;
}

static bool is_truth_word(const char *w) {
    bool on;
    return opt_truth(w, strlen(w), &on);
}

static bool is_negative_number(const char *w) {
    double x;
    return w[0] == '-' && parse_double(w, strlen(w), &x);
}

static bool can_be_value(const char *w) {
    return w && (w[0] != '-' || w[1] == 0 || strchr(w, ' ') || is_negative_number(w));
}

/* A further element of a list: digits and commas alone. */
static bool is_list_word(const char *w) {
    return w && w[0] && strspn(w, "0123456789, ") == strlen(w) && strpbrk(w, "0123456789");
}

static glimpse_status fail_unknown(const char *word, const flag *f) {
    bool negated = strncmp(f->name, "no_", 3) == 0;
    const char *near = opt_nearest(f->name, strlen(f->name));
    if (!near && negated) near = opt_nearest(f->name + 3, strlen(f->name + 3));
    else negated = false;
    int n = (int)strcspn(word, "=");
    if (near) FAIL(GLIMPSE_E_INVALID, "unknown flag %.*s\nhint: did you mean --%s%s%s?", n, word,
                   f->prefixed ? "glimpse_" : "", negated ? "no_" : "", near);
    FAIL(GLIMPSE_E_INVALID, f->prefixed ? "unknown flag %.*s\nhint: --glimpse_help lists the flags" : "unknown flag %.*s\nhint: `glimpse --help` "
         "lists the flags", n, word);
}

/* Set the flag at argv[*i] and move *i to the last word that belongs to it. */
static glimpse_status take_flag(options *o, const flag *f, opt_level level, int argc, char **argv, int *i) {
    opt_id id = (opt_id)f->id;
    const opt_info *info = opt_info_of(id);
    const char *prefix = f->prefixed ? "glimpse_" : "", *next = *i + 1 < argc ? argv[*i + 1] : NULL;
    char written[NAME_BYTES + 16];
    c_snprintf(written, sizeof written, "--%s%s", prefix, f->name);
    if (f->negated) {
        if (f->value) FAIL(GLIMPSE_E_INVALID, "--%s%s takes no value", prefix, f->name);
        return options_set(o, id, "false", level);
    }
    if (f->value) return options_set_as(o, id, written, f->value, level);
    if (id == OPT_help) { /* a flag's name behind it, or one that was meant so, is its topic */
        size_t n = can_be_value(next) ? strlen(next) : 0;
        bool topic = n && (opt_find(next, n) >= 0 || opt_nearest(next, n) || is_truth_word(next));
        return options_set(o, id, topic ? argv[++*i] : "true", level);
    }
    if (info->type == OPT_BOOL) {
        if (!next || !is_truth_word(next)) return options_set(o, id, "true", level);
        ++*i;
        return options_set_as(o, id, written, next, level);
    }
    if (!can_be_value(next)) {
        if (!next) FAIL(GLIMPSE_E_INVALID, "--%s%s needs a value, and nothing follows it", prefix, f->name);
        FAIL(GLIMPSE_E_INVALID, "--%s%s needs a value, and %.60s looks like a flag\nhint: --%s%s=VALUE takes any value", prefix,
             f->name, next, prefix, f->name);
    }
    ++*i;
    if (info->type != OPT_INTS) return options_set_as(o, id, written, next, level);
    buffer list = {0};
    buf_puts(&list, next);
    while (*i + 1 < argc && is_list_word(argv[*i + 1])) {
        buf_putc(&list, ' ');
        buf_puts(&list, argv[++*i]);
    }
    glimpse_status st = buf_failed(&list) ? status_fail(GLIMPSE_E_MEMORY, __FILE__, __LINE__, "no memory for --%s%s", prefix, f->name)
                                          : options_set_as(o, id, written, buf_str(&list), level);
    buf_free(&list);
    return st;
}

glimpse_status args_parse(options **o, bool all, opt_level level, int *argc, char **argv) {
    glimpse_status st = GLIMPSE_OK;
    int n_rest = 0;
    options *fresh = NULL;
    char **rest = NULL;
    if (!argc || *argc < 0 || (*argc > 0 && !argv)) FAIL(GLIMPSE_E_INVALID, "no arguments: argc or argv is NULL");
    fresh = options_copy(*o);
    rest = malloc(((size_t)*argc + 1) * sizeof *rest);
    if (!fresh || !rest) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the flags");
    for (int i = 0; i < *argc; i++) {
        if (i > 0 && argv[i] && strcmp(argv[i], "--") == 0) {
            while (i < *argc) rest[n_rest++] = argv[i++];
            break;
        }
        flag f = classify(argv[i], all);
        if (i == 0 || !f.ours) rest[n_rest++] = argv[i];
        else if (f.id < 0) TRY_GOTO(fail_unknown(argv[i], &f));
        else TRY_GOTO(take_flag(fresh, &f, level, *argc, argv, &i));
    }
    if (n_rest < *argc) { /* argv[*argc] of an untouched argv is not ours to write */
        memcpy(argv, rest, (size_t)n_rest * sizeof *rest);
        argv[n_rest] = NULL;
        *argc = n_rest;
    }
    options_free(*o);
    *o = fresh;
    fresh = NULL;
out:
    options_free(fresh);
    free(rest);
    return st;
}

/* A flag of ours as it is written elsewhere, of a name that few trainers have: two words, and none of the names that many do. */
static bool is_ours_elsewhere(const flag *f) {
    static const opt_id common[] = {OPT_out_dir, OPT_batch_size, OPT_run_name, OPT_early_stopping};
    if (f->ours || f->id < 0 || strcmp(f->name, opt_info_of((opt_id)f->id)->name) || !strchr(f->name, '_')) return false;
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (f->id == (int)common[i]) return false;
    return true;
}

void args_odd(int argc, char **argv, buffer *lines) {
    for (int i = 1; i < argc && argv[i] && strcmp(argv[i], "--") != 0; i++) {
        flag f = classify(argv[i], false);
        if (is_ours_elsewhere(&f)) buf_printf(lines, "--%s is left to the trainer; Glimpse's is --glimpse_%s here\n", f.name, f.name);
        bool plain = strspn(f.name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == strlen(f.name);
        const char *near = f.ours || f.id >= 0 || !plain ? NULL : opt_nearest_bare(f.name, strlen(f.name));
        if (near) buf_printf(lines, "is %.*s meant for Glimpse, which takes --%s? It was left to the trainer\n",
                             (int)strcspn(argv[i], "="), argv[i], near);
    }
}

bool args_ask_sample_only(bool all, int argc, char **argv) {
    bool asked = false;
    for (int i = 1; i < argc && argv[i] && strcmp(argv[i], "--") != 0; i++) {
        flag f = classify(argv[i], all);
        if (!f.ours || (f.id != OPT_sample_only && f.id != OPT_interactive)) continue;
        const char *value = f.value ? f.value : i + 1 < argc && argv[i + 1] ? argv[i + 1] : "";
        bool on = true;
        opt_truth(value, strlen(value), &on);
        asked = !f.negated && on;
    }
    return asked;
}

/* --- GLIMPSE_ARGS ------------------------------------------------------------------------------------------------ */

/* Split as POSIX sh does (2.2 Quoting) without expansions: blanks separate; '...' is literal; in "..." a backslash
 * escapes $ ` " \ and newline; elsewhere it escapes any character.  The words are written one after the other, each
 * with its NUL, into `out`, which has room for strlen(text) + 2 bytes; returns their number or -1 for an open quote. */
static int split_words(const char *text, char *out) {
    int n = 0;
    const char *p = text;
    for (;;) {
        p += strspn(p, " \t\r\n");
        if (!*p) return n;
        char quote = 0;
        for (; *p && (quote || !strchr(" \t\r\n", *p)); p++) {
            if (quote == '\'') {
                if (*p == '\'') quote = 0;
                else *out++ = *p;
            } else if (*p == '\\' && p[1] && (!quote || strchr("$`\"\\\n", p[1]))) {
                if (*++p != '\n') *out++ = *p; /* an escaped line break joins the lines */
            } else if (quote == '"') {
                if (*p == '"') quote = 0;
                else *out++ = *p;
            } else if (*p == '"' || *p == '\'') {
                quote = *p;
            } else {
                *out++ = *p;
            }
        }
        if (quote) return -1;
        *out++ = 0;
        n++;
    }
}

glimpse_status args_parse_text(options **o, opt_level level, const char *text) {
    glimpse_status st = GLIMPSE_OK;
    char **argv = NULL, name[] = "GLIMPSE_ARGS";
    options *fresh = options_copy(*o);
    char *bytes = malloc(strlen(text) + 2);
    if (!fresh || !bytes) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for GLIMPSE_ARGS");
    int n = split_words(text, bytes);
    if (n < 0) FAIL_GOTO(GLIMPSE_E_INVALID, "a quote is not closed");
    argv = malloc(((size_t)n + 2) * sizeof *argv);
    if (!argv) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for GLIMPSE_ARGS");
    int argc = 0;
    argv[argc++] = name;
    for (char *p = bytes; argc <= n; p += strlen(p) + 1) argv[argc++] = p;
    argv[argc] = NULL;
    TRY_GOTO(args_parse(&fresh, true, level, &argc, argv));
    if (argc > 1) FAIL_GOTO(GLIMPSE_E_INVALID, "\"%.60s\" is not a flag", argv[1]);
    options_free(*o);
    *o = fresh;
    fresh = NULL;
out:
    options_free(fresh);
    free(bytes);
    free(argv);
    return st;
}
