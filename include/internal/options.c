/* options.c -- see options.h.  A value is kept as the texts it was checked from, one slot for each level, so that taking
 * a level away uncovers the one below.  Numbers are read with '.' in any locale. */
#include "include/internal/options.h"

#include "include/internal/nearest.h"

#include <stdlib.h>
#include <string.h>

#include "include/internal/buffer.h"
#include "include/internal/status.h"

enum { LEVELS = OPT_LEVEL_FLAG + 1, MAX_ITEMS = 4096, NAME_BYTES = 64, SHOWN_BYTES = 60 };

static const opt_info table[OPT_COUNT] = {
#define OPTION(name, aliases, type, train, offline, min, max, choices, bare, missing, group, metavar, help)            \
    [OPT_##name] = {#name, aliases, type, train, offline, min, max, choices, bare, missing, group, metavar, help},
#include "include/internal/options.def"
};

static const struct like_value {
    const char *like;
    opt_id id;
    const char *text;
} like_values[] = {
#define LIKE_VALUE(like, name, text) {#like, OPT_##name, text},
#include "include/internal/options.def"
};

static const struct group_readers {
    const char *group, *commands;
} group_readers[] = {
#define GROUP_READ_BY(group, commands) {group, commands},
#include "include/internal/options.def"
};

static const char *const own_readers[OPT_COUNT] = { /* NULL = as the group */
#define READ_BY(name, commands) [OPT_##name] = commands,
#include "include/internal/options.def"
};

static const char *const needs[OPT_COUNT] = {
#define NEEDS(name, others) [OPT_##name] = others,
#include "include/internal/options.def"
};

typedef struct value { /* n = 0: nothing set at this level */
    char **items;
    int n;
} value;

struct options {
    value values[OPT_COUNT][LEVELS];
    bool offline, all_names;
};

const opt_info *opt_info_of(opt_id id) { return (unsigned)id < OPT_COUNT ? &table[id] : NULL; }

/* --- names ------------------------------------------------------------------------------------------------------- */

/* The next element of a list separated by `sep`; NULL at its end. */
static const char *next_word(const char **list, char sep, size_t *n) {
    const char *word = *list;
    if (!word || !*word) return NULL;
    const char *end = strchr(word, sep);
    *n = end ? (size_t)(end - word) : strlen(word);
    *list = end ? end + 1 : word + *n;
    return word;
}

static bool same_name(const char *known, size_t known_n, const char *name, size_t n) {
    if (n != known_n) return false;
    for (size_t i = 0; i < n; i++)
        if (known[i] != (name[i] == '-' ? '_' : name[i])) return false;
    return true;
}

int opt_find(const char *name, size_t bytes) {
    if (!name || bytes == 0 || bytes > NAME_BYTES) return -1;
    for (int id = 0; id < OPT_COUNT; id++) {
        if (same_name(table[id].name, strlen(table[id].name), name, bytes)) return id;
        const char *list = table[id].aliases, *alias;
        size_t n;
        while ((alias = next_word(&list, ',', &n)))
            if (same_name(alias, n, name, bytes)) return id;
    }
    return -1;
}

void opt_spell(const char *text, bool trainer, buffer *out) {
    if (!trainer) {
        buf_puts(out, text);
        return;
    }
    bool command = false; /* within `glimpse ...`, which is typed as it stands */
    for (const char *at = text; *at;) {
        if (*at == '`') command = !command && !strncmp(at, "`glimpse ", 9);
        size_t n = command || strncmp(at, "--", 2) ? 0 : strspn(at + 2, "abcdefghijklmnopqrstuvwxyz_0123456789");
        int id = n ? opt_find(at + 2, n) : -1;
        if (id < 0 && n > 3 && !strncmp(at + 2, "no_", 3)) id = opt_find(at + 5, n - 3);
        bool bare = id >= 0 && table[id].bare && strlen(table[id].name) == n && !strncmp(at + 2, table[id].name, n);
        if (id >= 0 && !bare) {
            buf_puts(out, "--glimpse_");
            buf_put(out, at + 2, n);
            at += 2 + n;
        } else if (n) {
            buf_put(out, at, 2 + n);
            at += 2 + n;
        } else
            buf_putc(out, *at++);
    }
}

const char *opt_nearest(const char *name, size_t bytes) {
    static _Thread_local char nearest[NAME_BYTES];
    if (!name || bytes < 2 || bytes > NAME_BYTES) return NULL;
    char plain[NAME_BYTES]; /* hyphens are underscores */
    for (size_t i = 0; i < bytes; i++) plain[i] = name[i] == '-' ? '_' : name[i];
    int limit = nearest_limit(bytes), least = limit + 1;
    for (int id = 0; id < OPT_COUNT; id++) {
        const char *known = table[id].name, *aliases = table[id].aliases;
        size_t n = strlen(known);
        do {
            int d = edit_distance(plain, bytes, known, n);
            /* An abbreviation is never taken, but it says clearly enough what was meant. */
            if (bytes >= 3 && bytes < n && same_name(known, bytes, name, bytes) && d > 1) d = 1;
            if (d >= least) continue;
            least = d;
            memcpy(nearest, known, n);
            nearest[n] = 0;
        } while ((known = next_word(&aliases, ',', &n)));
    }
    return least <= limit ? nearest : NULL;
}

const char *opt_nearest_bare(const char *name, size_t bytes) {
    char plain[NAME_BYTES];
    if (!name || bytes > NAME_BYTES) return NULL;
    for (size_t i = 0; i < bytes; i++) plain[i] = name[i] == '-' ? '_' : name[i];
    for (int id = 0; id < OPT_COUNT; id++) {
        size_t n = strlen(table[id].name);
        if (table[id].bare && edit_distance(plain, bytes, table[id].name, n) <= (n > 12 ? 2 : 1)) return table[id].name;
    }
    return NULL;
}

/* --- values ------------------------------------------------------------------------------------------------------ */

static void value_free(value *v) {
    for (int i = 0; i < v->n; i++) free(v->items[i]);
    free(v->items);
    *v = (value){0};
}

static glimpse_status value_add(value *v, const char *text, size_t n) {
    if (v->n >= MAX_ITEMS) FAIL(GLIMPSE_E_INVALID, "a list of more than %d elements", MAX_ITEMS);
    char **items = realloc(v->items, (size_t)(v->n + 1) * sizeof *items);
    if (items) v->items = items;
    char *copy = items ? malloc(n + 1) : NULL;
    if (!copy) FAIL(GLIMPSE_E_MEMORY, "no memory for an option of %zu bytes", n);
    memcpy(copy, text, n);
    copy[n] = 0;
    v->items[v->n++] = copy;
    return GLIMPSE_OK;
}

static glimpse_status value_add_all(value *to, const value *from) {
    for (int i = 0; i < from->n; i++) TRY(value_add(to, from->items[i], strlen(from->items[i])));
    return GLIMPSE_OK;
}

static bool is_choice(const char *choices, const char *text, size_t n) {
    const char *word;
    size_t word_n;
    while ((word = next_word(&choices, '|', &word_n)))
        if (word_n == n && memcmp(word, text, n) == 0) return true;
    return false;
}

static void put_choices(buffer *b, const char *choices) {
    const char *word, *list = choices;
    size_t n;
    for (int i = 0; (word = next_word(&list, '|', &n)); i++) {
        if (i) buf_puts(b, *list ? ", " : " or ");
        buf_put(b, word, n);
    }
}

/* What is expected of an option, for its error message. */
static void put_expected(buffer *b, const opt_info *info) {
    switch (info->type) {
    case OPT_BOOL: buf_puts(b, "true, True, 1, yes, false, False, 0 or no"); break;
    case OPT_ENUM: put_choices(b, info->choices); break;
    case OPT_STRING:
    case OPT_STRINGS:
        buf_puts(b, "a text of ");
        buf_i64(b, (int64_t)info->min);
        buf_puts(b, " to ");
        buf_i64(b, (int64_t)info->max);
        buf_puts(b, " bytes");
        break;
    default:
        if (info->choices) {
            put_choices(b, info->choices);
            buf_puts(b, " or ");
        }
        buf_puts(b, info->type == OPT_INTS    ? "whole numbers from "
                    : info->type == OPT_INT ? "a whole number from "
                                            : "a number from ");
        if (info->type == OPT_FLOAT) buf_g(b, info->min, 6);
        else buf_i64(b, (int64_t)info->min);
        buf_puts(b, " to ");
        if (info->type == OPT_FLOAT) buf_g(b, info->max, 6);
        else if (info->max >= 9.2e18) buf_i64(b, INT64_MAX);
        else buf_i64(b, (int64_t)info->max);
    }
}

static glimpse_status refuse(const opt_info *info, const char *written, const char *text, size_t n) {
    buffer b = {0};
    put_expected(&b, info);
    int shown = n > SHOWN_BYTES ? SHOWN_BYTES : (int)n;
    status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "%s = \"%.*s%s\": expected %s", written ? written : info->name, shown, text,
                n > SHOWN_BYTES ? "..." : "", buf_str(&b));
    buf_free(&b);
    return GLIMPSE_E_INVALID;
}

bool opt_truth(const char *text, size_t n, bool *out) {
    if (is_choice("true|True|1|yes", text, n)) *out = true;
    else if (is_choice("false|False|0|no", text, n)) *out = false;
    else return false;
    return true;
}

/* NULL, or why this value is not in this version. */
static const char *missing_reason(const opt_info *info, const char *text, size_t n) {
    if (!info->missing) return NULL;
    const char *equals = strchr(info->missing, '=');
    size_t key = equals ? (size_t)(equals - info->missing) : 0;
    return equals && key == n && memcmp(info->missing, text, n) == 0 ? equals + 1 : NULL;
}

static bool int_in_range(const opt_info *info, const char *text, size_t n) {
    int64_t i;
    return parse_i64(text, n, &i) && (double)i >= info->min && (double)i <= info->max;
}

/* Check one text and add it to `v` in its plain form; `written`: as in options_set_as. */
static glimpse_status check_into(const opt_info *info, const char *written, const char *text, value *v) {
    size_t n = strlen(text);
    const char *why;
    bool yes;
    double x;
    switch (info->type) {
    case OPT_BOOL:
        if (!opt_truth(text, n, &yes)) return refuse(info, written, text, n);
        text = yes ? "true" : "false";
        n = strlen(text);
        break;
    case OPT_INT:
        if (!(info->choices && is_choice(info->choices, text, n)) && !int_in_range(info, text, n))
            return refuse(info, written, text, n);
        break;
    case OPT_FLOAT:
        if (!parse_double(text, n, &x) || !(x >= info->min && x <= info->max)) return refuse(info, written, text, n);
        break;
    case OPT_ENUM:
        why = missing_reason(info, text, n);
        if (!why && !is_choice(info->choices, text, n)) return refuse(info, written, text, n);
        break;
    case OPT_STRING:
    case OPT_STRINGS:
        if ((double)n < info->min || (double)n > info->max) return refuse(info, written, text, n);
        break;
    case OPT_INTS:
        for (const char *p = text; *p;) {
            size_t gap = strspn(p, ", \t"), len = strcspn(p + gap, ", \t");
            p += gap;
            if (len == 0) break;
            if (!int_in_range(info, p, len)) return refuse(info, written, text, n);
            TRY(value_add(v, p, len));
            p += len;
        }
        return v->n ? GLIMPSE_OK : refuse(info, written, text, n);
    }
    why = missing_reason(info, text, n);
    if (why) FAIL(GLIMPSE_E_UNSUPPORTED, "--%s%s%s: %s", info->name, info->type == OPT_BOOL ? "" : "=",
                  info->type == OPT_BOOL ? "" : text, why);
    return value_add(v, text, n);
}

/* --- the set of options ------------------------------------------------------------------------------------------ */

options *options_new(void) { return calloc(1, sizeof(options)); }

void options_free(options *o) {
    if (!o) return;
    for (int id = 0; id < OPT_COUNT; id++)
        for (int level = 0; level < LEVELS; level++) value_free(&o->values[id][level]);
    free(o);
}

options *options_copy(const options *o) {
    options *copy = o ? options_new() : NULL;
    if (!copy) return NULL;
    copy->offline = o->offline;
    copy->all_names = o->all_names;
    for (int id = 0; id < OPT_COUNT; id++)
        for (int level = 0; level < LEVELS; level++)
            if (value_add_all(&copy->values[id][level], &o->values[id][level]) < 0) {
                options_free(copy);
                return NULL;
            }
    return copy;
}

void options_set_offline(options *o, bool offline) {
    if (o) o->offline = offline;
}
bool options_is_offline(const options *o) { return o && o->offline; }
void options_set_trainer(options *o, bool trainer) {
    if (o) o->all_names = !trainer;
}
bool options_is_trainer(const options *o) { return !o || !o->all_names; }

/* The level in force; OPT_LEVEL_DEFAULT if none is set. */
static int level_in_force(const options *o, opt_id id) {
    int level = OPT_LEVEL_FLAG;
    while (level > OPT_LEVEL_DEFAULT && o->values[id][level].n == 0) level--;
    return level;
}

/* The defaults of the system that `like` names, as a whole: another --like takes all those of the one before away. */
static glimpse_status like_apply(options *o) {
    glimpse_status st = GLIMPSE_OK;
    value fresh[OPT_COUNT];
    memset(fresh, 0, sizeof fresh);
    const char *like = opt_str(o, OPT_like);
    for (size_t i = 0; like && i < sizeof like_values / sizeof *like_values; i++)
        if (strcmp(like_values[i].like, like) == 0)
            TRY_GOTO(check_into(&table[like_values[i].id], NULL, like_values[i].text, &fresh[like_values[i].id]));
    for (int id = 0; id < OPT_COUNT; id++) {
        value old = o->values[id][OPT_LEVEL_LIKE];
        o->values[id][OPT_LEVEL_LIKE] = fresh[id];
        fresh[id] = old;
    }
out:
    for (int id = 0; id < OPT_COUNT; id++) value_free(&fresh[id]);
    return st;
}

glimpse_status options_set(options *o, opt_id id, const char *text, opt_level level) { return options_set_as(o, id, NULL, text, level); }

glimpse_status options_set_as(options *o, opt_id id, const char *written, const char *text, opt_level level) {
    glimpse_status st = GLIMPSE_OK;
    if (!o) FAIL(GLIMPSE_E_MEMORY, "no configuration: out of memory");
    if ((unsigned)id >= OPT_COUNT || level <= OPT_LEVEL_DEFAULT || level > OPT_LEVEL_FLAG)
        FAIL(GLIMPSE_E_INVALID, "no option %d at level %d", (int)id, (int)level);
    value fresh = {0}, *slot = &o->values[id][level], old;
    if (text) {
        if (table[id].type == OPT_STRINGS) TRY_GOTO(value_add_all(&fresh, slot));
        TRY_GOTO(check_into(&table[id], written, text, &fresh));
    }
    old = *slot, *slot = fresh, fresh = old;
    if (id == OPT_like && (st = like_apply(o)) < 0) old = *slot, *slot = fresh, fresh = old;
out:
    value_free(&fresh);
    return st;
}

bool opt_is_set(const options *o, opt_id id) {
    return o && (unsigned)id < OPT_COUNT && level_in_force(o, id) != OPT_LEVEL_DEFAULT;
}

opt_level opt_level_of(const options *o, opt_id id) {
    return o && (unsigned)id < OPT_COUNT ? (opt_level)level_in_force(o, id) : OPT_LEVEL_DEFAULT;
}

/* Element i of the value in force and their number; a default is one element (a test of the table holds it to that). */
static const char *item(const options *o, opt_id id, int i, int *n) {
    *n = 0;
    if (!o || (unsigned)id >= OPT_COUNT) return NULL;
    int level = level_in_force(o, id);
    if (level == OPT_LEVEL_DEFAULT) {
        const char *def = o->offline ? table[id].def_offline : table[id].def_train;
        *n = def != NULL;
        return i == 0 ? def : NULL;
    }
    *n = o->values[id][level].n;
    return i >= 0 && i < *n ? o->values[id][level].items[i] : NULL;
}

int opt_count(const options *o, opt_id id) {
    int n;
    item(o, id, 0, &n);
    return n;
}

const char *opt_str_at(const options *o, opt_id id, int i) {
    int n;
    return item(o, id, i, &n);
}

int64_t opt_int_at(const options *o, opt_id id, int i) {
    const char *text = opt_str_at(o, id, i);
    if (!text) return 0;
    if (table[id].type == OPT_ENUM) {
        const char *list = table[id].choices, *word;
        size_t n;
        for (int64_t k = 0; (word = next_word(&list, '|', &n)); k++)
            if (strlen(text) == n && memcmp(word, text, n) == 0) return k;
        return 0;
    }
    int64_t x;
    return parse_i64(text, strlen(text), &x) ? x : 0; /* a word beside numbers ("auto") reads as 0 */
}

bool opt_has(const options *o, opt_id id) { return opt_count(o, id) > 0; }
const char *opt_str(const options *o, opt_id id) { return opt_str_at(o, id, 0); }
int64_t opt_int(const options *o, opt_id id) { return opt_int_at(o, id, 0); }

bool opt_bool(const options *o, opt_id id) {
    const char *text = opt_str_at(o, id, 0);
    return text && strcmp(text, "true") == 0;
}

double opt_float(const options *o, opt_id id) {
    const char *text = opt_str_at(o, id, 0);
    double x;
    return text && parse_double(text, strlen(text), &x) ? x : 0;
}

bool opt_is(const options *o, opt_id id, const char *choice) {
    const char *text = opt_str_at(o, id, 0);
    return text && choice && strcmp(text, choice) == 0;
}

/* --- what does nothing ------------------------------------------------------------------------------------------- */

const char *opt_readers(opt_id id) {
    if ((unsigned)id >= OPT_COUNT) return "";
    if (own_readers[id]) return own_readers[id];
    for (size_t i = 0; i < sizeof group_readers / sizeof *group_readers; i++)
        if (strcmp(group_readers[i].group, table[id].group) == 0) return group_readers[i].commands;
    return "";
}

bool opt_is_read_by(opt_id id, const char *command) {
    const char *list = opt_readers(id), *word;
    size_t n;
    while ((word = next_word(&list, ' ', &n)))
        if (strlen(command) == n && memcmp(word, command, n) == 0) return true;
    return false;
}

const char *opt_needs(opt_id id) { return (unsigned)id < OPT_COUNT ? needs[id] : NULL; }

/* "NAME" or "NAME=WORD" of NEEDS is on. */
static bool is_on(const options *o, const char *need, size_t n) {
    const char *equals = memchr(need, '=', n);
    int id = opt_find(need, equals ? (size_t)(equals - need) : n);
    const opt_info *info = opt_info_of((opt_id)id);
    if (!info) return false;
    const char *v = opt_str(o, (opt_id)id), *def = o->offline ? info->def_offline : info->def_train;
    if (equals) return v && strlen(v) == n - (size_t)(equals + 1 - need) && memcmp(v, equals + 1, strlen(v)) == 0;
    switch (info->type) {
    case OPT_BOOL: return opt_bool(o, (opt_id)id);
    case OPT_INT:
    case OPT_FLOAT: {
        double x = 0, y = 0;
        if (v) parse_double(v, strlen(v), &x);
        if (def) parse_double(def, strlen(def), &y);
        return x != y;
    }
    default: return v && (!def || strcmp(v, def) != 0);
    }
}

/* "read by sample, chat and in training" */
static void put_readers(buffer *b, const char *list) {
    const char *word;
    size_t n;
    if (strcmp(list, "train") == 0) {
        buf_puts(b, "read in training alone");
        return;
    }
    buf_puts(b, "read by ");
    for (int i = 0; (word = next_word(&list, ' ', &n)); i++) {
        if (i) buf_puts(b, *list ? ", " : " and ");
        if (n == 5 && memcmp(word, "train", n) == 0) buf_puts(b, "in training");
        else buf_put(b, word, n);
    }
}

static void put_needs(buffer *b, const char *list) {
    const char *word;
    size_t n;
    for (int i = 0; (word = next_word(&list, ' ', &n)); i++) {
        const char *equals = memchr(word, '=', n);
        buf_puts(b, i ? " or --" : "--");
        buf_put(b, word, equals ? (size_t)(equals - word) : n);
        if (!equals) continue;
        buf_putc(b, ' ');
        buf_put(b, equals + 1, n - (size_t)(equals + 1 - word));
    }
}

void opt_put_use(opt_id id, buffer *out) {
    buf_puts(out, "It is ");
    put_readers(out, opt_readers(id));
    buf_putc(out, '.');
    if (!opt_needs(id)) return;
    buf_puts(out, " It does nothing without ");
    put_needs(out, opt_needs(id));
    buf_putc(out, '.');
}

/* Asks for files where none are written. */
static bool asks_for_files(const options *o, opt_id id, const char *command) {
    if (id == OPT_files || id == OPT_record_top || strcmp(table[id].group, table[OPT_files].group)) return false;
    return opt_is_read_by(OPT_files, command) && !opt_bool(o, OPT_files) && is_on(o, table[id].name, strlen(table[id].name));
}

void options_idle(const options *o, const char *command, buffer *out) {
    bool train = strcmp(command, "train") == 0;
    for (int id = 0; id < OPT_COUNT; id++) {
        const char *list = needs[id], *word;
        size_t n;
        bool met = !list;
        if (opt_level_of(o, (opt_id)id) != OPT_LEVEL_FLAG) continue;
        bool no = table[id].type == OPT_BOOL && !opt_bool(o, (opt_id)id); /* as it was written */
        if (!opt_is_read_by((opt_id)id, command)) {
            buf_puts(out, no ? "--no_" : "--");
            buf_puts(out, table[id].name);
            buf_printf(out, train ? " does nothing in %s: it is " : " does nothing in `glimpse %s`: it is ", train ? "training" : command);
            put_readers(out, opt_readers((opt_id)id));
            buf_putc(out, '\n');
            continue;
        }
        if (asks_for_files(o, (opt_id)id, command)) {
            buf_printf(out, "--%s does nothing with --no_files\n", table[id].name);
            continue;
        }
        while (!met && (word = next_word(&list, ' ', &n))) met = is_on(o, word, n);
        if (met || train) continue; /* a trainer may set what its user's flags then switch on */
        buf_printf(out, "--%s does nothing without ", table[id].name);
        put_needs(out, needs[id]);
        buf_putc(out, '\n');
    }
}

void options_forget_unread(options *o, const char *command) {
    for (int id = 0; id < OPT_COUNT; id++)
        for (int level = OPT_LEVEL_LIKE + 1; level < LEVELS && !opt_is_read_by((opt_id)id, command); level++)
            value_free(&o->values[id][level]);
}

/* --- bytes and back ---------------------------------------------------------------------------------------------- */

/* "GLO1", offline (1 byte), number of entries (u32), then: name length (u8), name, level (u8), number of items (u32),
 * then for each: length (u32), bytes.  Little-endian as both processes are the same machine. */
static const char pack_magic[4] = {'G', 'L', 'O', '1'};

static void put_u32(buffer *b, size_t n) {
    uint32_t x = (uint32_t)n;
    buf_put(b, &x, sizeof x);
}

glimpse_status options_pack(const options *o, buffer *out) {
    if (!o || !out) FAIL(GLIMPSE_E_INVALID, "no options to pack");
    buffer b = {0};
    size_t entries = 0;
    for (int id = 0; id < OPT_COUNT; id++)
        for (int level = 0; level < LEVELS; level++) entries += o->values[id][level].n > 0;
    buf_put(&b, pack_magic, sizeof pack_magic);
    buf_putc(&b, (o->offline ? 1 : 0) | (o->all_names ? 2 : 0));
    put_u32(&b, entries);
    for (int id = 0; id < OPT_COUNT; id++)
        for (int level = 0; level < LEVELS; level++) {
            const value *v = &o->values[id][level];
            if (v->n == 0) continue;
            buf_putc(&b, (char)strlen(table[id].name));
            buf_puts(&b, table[id].name);
            buf_putc(&b, (char)level);
            put_u32(&b, (size_t)v->n);
            for (int i = 0; i < v->n; i++) {
                put_u32(&b, strlen(v->items[i]));
                buf_puts(&b, v->items[i]);
            }
        }
    bool failed = buf_failed(&b);
    if (!failed) {
        buf_put(out, b.bytes, b.n);
        failed = buf_failed(out);
    }
    buf_free(&b);
    if (failed) FAIL(GLIMPSE_E_MEMORY, "no memory for the packed options");
    return GLIMPSE_OK;
}

typedef struct reader {
    const char *p;
    size_t left;
} reader;

static const char *take(reader *r, size_t n) {
    if (n > r->left) return NULL;
    const char *p = r->p;
    r->p += n;
    r->left -= n;
    return p;
}

static bool take_u8(reader *r, unsigned *x) {
    const char *p = take(r, 1);
    if (p) *x = (unsigned char)*p;
    return p != NULL;
}

static bool take_u32(reader *r, uint32_t *x) {
    const char *p = take(r, sizeof *x);
    if (p) memcpy(x, p, sizeof *x);
    return p != NULL;
}

#define MALFORMED(r, n) FAIL_GOTO(GLIMPSE_E_FORMAT, "packed options: malformed at byte %zu", (n) - (r).left)

glimpse_status options_unpack(const void *bytes, size_t n, options **out) {
    glimpse_status st = GLIMPSE_OK;
    reader r = {bytes, n};
    buffer text = {0};
    unsigned bits, name_n, level;
    uint32_t entries, items, len;
    options *o = options_new();
    if (!o) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for options");
    const char *magic = take(&r, sizeof pack_magic);
    if (!magic || memcmp(magic, pack_magic, sizeof pack_magic) != 0 || !take_u8(&r, &bits) || bits > 3 ||
        !take_u32(&r, &entries))
        MALFORMED(r, n);
    o->offline = bits & 1;
    o->all_names = bits >> 1;
    while (entries--) {
        const char *name = take_u8(&r, &name_n) ? take(&r, name_n) : NULL;
        int id = name ? opt_find(name, name_n) : -1;
        if (id < 0 || !take_u8(&r, &level) || level <= OPT_LEVEL_DEFAULT || level > OPT_LEVEL_FLAG ||
            !take_u32(&r, &items) || items == 0 || items > MAX_ITEMS || o->values[id][level].n)
            MALFORMED(r, n);
        if (items > 1 && table[id].type != OPT_INTS && table[id].type != OPT_STRINGS) MALFORMED(r, n);
        while (items--) {
            const char *p = take_u32(&r, &len) ? take(&r, len) : NULL;
            if (!p || memchr(p, 0, len)) MALFORMED(r, n);
            buf_clear(&text);
            buf_put(&text, p, len);
            if (buf_failed(&text)) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for options");
            TRY_GOTO(check_into(&table[id], NULL, buf_str(&text), &o->values[id][level]));
        }
    }
    if (r.left) MALFORMED(r, n);
    *out = o;
    o = NULL;
out:
    options_free(o);
    buf_free(&text);
    return st;
}
