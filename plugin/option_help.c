/* option_help.c -- see option_help.h. */
#define _GNU_SOURCE
#include "plugin/option_help.h"

#include <string.h>

#include "include/internal/status.h"

enum { WIDTH = 79, TEXT_COLUMN = 26 };

/* The choice or, for a switch, the value "true" that this version refuses; *n = 0: none. */
static const char *refused_of(const opt_info *info, size_t *n) {
    *n = info->missing ? strcspn(info->missing, "=") : 0;
    return info->missing;
}

bool help_is_listed(const opt_info *info) { return !(info->missing && info->type == OPT_BOOL); }

/* " Choices: a | b." without the refused one; nothing where there is no choice. */
static void put_choices(buffer *b, const opt_info *info) {
    size_t refused_n, shown = 0;
    const char *refused = refused_of(info, &refused_n);
    buffer list = {0};
    for (const char *p = info->choices; p && *p;) {
        size_t n = strcspn(p, "|");
        if (n != refused_n || memcmp(p, refused, n) != 0) {
            if (shown++) buf_puts(&list, " | ");
            buf_put(&list, p, n);
        }
        p += n + (p[n] == '|');
    }
    if (shown > 1) buf_printf(b, " Choices: %s.", buf_str(&list));
    buf_free(&list);
}

void help_label(buffer *b, const opt_info *info, bool trainer) {
    buf_puts(b, trainer && !info->bare ? "--glimpse_" : "--");
    if (info->type == OPT_BOOL && strcmp(info->def_offline, "true") == 0) buf_puts(b, "[no_]");
    buf_puts(b, info->name);
    if (info->metavar) {
        buf_putc(b, ' ');
        buf_puts(b, info->metavar);
    } else if (info->type == OPT_ENUM) {
        buf_puts(b, " WORD");
    }
}

static void put_default(buffer *b, const opt_info *info, const char *def) {
    bool text = info->type == OPT_STRINGS || (info->type == OPT_STRING && strcmp(info->metavar, "TEXT") == 0);
    if (!def) buf_puts(b, "unset");
    else if (info->type == OPT_BOOL) buf_puts(b, strcmp(def, "true") == 0 ? "on" : "off");
    else buf_printf(b, text ? "\"%s\"" : "%s", def);
}

void help_text(buffer *b, const opt_info *info, bool trainer) {
    buffer text = {0};
    buf_puts(&text, info->help);
    if (info->type == OPT_ENUM) put_choices(&text, info);
    bool same = info->def_train == info->def_offline ||
                (info->def_train && info->def_offline && strcmp(info->def_train, info->def_offline) == 0);
    if (!same || (info->def_train && !(info->type == OPT_BOOL && strcmp(info->def_train, "false") == 0))) {
        buf_puts(&text, " [");
        put_default(&text, info, trainer ? info->def_train : info->def_offline);
        if (!same) {
            buf_puts(&text, trainer ? "; offline " : "; in training ");
            put_default(&text, info, trainer ? info->def_offline : info->def_train);
        }
        buf_putc(&text, ']');
    }
    opt_spell(buf_str(&text), trainer, b);
    b->failed |= text.failed;
    buf_free(&text);
    if (*info->aliases) {
        buf_puts(b, " Also ");
        for (const char *p = info->aliases; *p;) { /* in a trainer an other name is never taken bare */
            size_t n = strcspn(p, ",");
            buf_puts(b, p == info->aliases ? "--" : ", --");
            if (trainer) buf_puts(b, "glimpse_");
            buf_put(b, p, n);
            p += n + (p[n] == ',');
        }
        buf_putc(b, '.');
    }
}

void help_paragraph(buffer *b, const char *text, size_t column, size_t at) {
    if (column + 1 >= at && column > 0) {
        buf_putc(b, '\n');
        column = 0;
    }
    buf_fill(b, ' ', at - column);
    column = at;
    for (bool first = true; *text; first = false) {
        size_t n = strcspn(text, " ");
        if (!first && column + 1 + n > WIDTH) {
            buf_putc(b, '\n');
            buf_fill(b, ' ', at);
            column = at;
        } else if (!first) {
            buf_putc(b, ' ');
            column++;
        }
        buf_put(b, text, n);
        column += n;
        text += n + (text[n] == ' ');
    }
    buf_putc(b, '\n');
}

void help_options(buffer *b, const char *command, bool trainer) {
    const char *group = "";
    for (int id = 0; id < OPT_COUNT; id++) {
        const opt_info *info = opt_info_of((opt_id)id);
        if (!help_is_listed(info) || (command && !opt_is_read_by((opt_id)id, command))) continue;
        if (strcmp(group, info->group) != 0) buf_printf(b, "\n%s\n", group = info->group);
        buffer text = {0};
        size_t before = b->n;
        buf_puts(b, "  ");
        help_label(b, info, trainer);
        help_text(&text, info, trainer);
        help_paragraph(b, buf_str(&text), b->n - before, TEXT_COLUMN);
        buf_free(&text);
    }
}

void help_bare(buffer *b) {
    bool first = true;
    for (int id = 0; id < OPT_COUNT; id++) {
        if (!opt_info_of((opt_id)id)->bare) continue;
        buf_printf(b, "%s --%s", first ? "" : ",", opt_info_of((opt_id)id)->name);
        first = false;
    }
}

void help_option(buffer *b, opt_id id, bool trainer) {
    const opt_info *info = opt_info_of(id);
    buffer text = {0};
    help_label(b, info, trainer);
    buf_putc(b, '\n');
    help_text(&text, info, trainer);
    help_paragraph(b, buf_str(&text), 0, 2);
    buf_clear(&text);
    if (info->missing) {
        size_t n;
        const char *value = refused_of(info, &n);
        buf_printf(&text, "Not in this version: %.*s (%s).", (int)n, value, value + n + 1);
        help_paragraph(b, buf_str(&text), 0, 2);
        buf_clear(&text);
    }
    if (info->type == OPT_INT || info->type == OPT_INTS || info->type == OPT_FLOAT) {
        buf_puts(&text, "From ");
        buf_g(&text, info->min, 10);
        if (info->max < 9e18) {
            buf_puts(&text, " to ");
            buf_g(&text, info->max, 10);
        } else {
            buf_puts(&text, " up");
        }
        buf_putc(&text, '.');
        help_paragraph(b, buf_str(&text), 0, 2);
        buf_clear(&text);
    }
    opt_put_use(id, &text);
    help_paragraph(b, buf_str(&text), 0, 2);
    buf_clear(&text);
    buf_printf(&text, trainer ? "Offline: --%s." : info->bare ? "In a trainer: --%s." : "In a trainer: --glimpse_%s.", info->name);
    help_paragraph(b, buf_str(&text), 0, 2);
    buf_free(&text);
}

bool help_is_asked(const options *o) {
    const char *topic = opt_str(o, OPT_help);
    bool on;
    return topic && (!opt_truth(topic, strlen(topic), &on) || on);
}

static glimpse_status topic_of(buffer *b, const char *topic, bool all) {
    const char *name = topic + strspn(topic, "-");
    if (!strncmp(name, "glimpse_", 8) || !strncmp(name, "glimpse-", 8)) name += 8;
    size_t n = strlen(name);
    int id = opt_find(name, n);
    if (id < 0 && (!strncmp(name, "no_", 3) || !strncmp(name, "no-", 3))) id = opt_find(name + 3, n - 3);
    const char *near = id < 0 ? opt_nearest(name, n) : NULL;
    const char *prefix = all ? "" : "glimpse_";
    if (near) FAIL(GLIMPSE_E_INVALID, "no flag --%s%.60s\nhint: did you mean --%shelp=%s?", prefix, name, prefix, near);
    if (id < 0) FAIL(GLIMPSE_E_INVALID, "no flag --%s%.60s\nhint: --%shelp lists the flags", prefix, name, prefix);
    help_option(b, (opt_id)id, !all);
    return GLIMPSE_OK;
}

glimpse_status help_trainer(buffer *b, const options *o, bool all) {
    const char *topic = opt_str(o, OPT_help);
    bool on;
    if (topic && !opt_truth(topic, strlen(topic), &on)) return topic_of(b, topic, all);

    buffer note = {0};
    buf_puts(&note, "Glimpse's flags in this program, beside its own. ");
    if (!all) {
        buf_puts(&note, "Taken as they are:");
        help_bare(&note);
        buf_puts(&note, ". Every other one is written --glimpse_NAME, because names such as --seed are the trainer's. ");
    }
    buf_puts(&note, "GLIMPSE_ARGS=\"--max_sample_tokens 64 --seed 7\" in the environment takes them all without a prefix, GLIMPSE=off "
                    "switches Glimpse off. In brackets: the default.");
    help_paragraph(b, buf_str(&note), 0, 0);
    b->failed |= note.failed;
    buf_free(&note);
    help_options(b, "train", !all);
    return GLIMPSE_OK;
}
