/* help.c -- `glimpse --help`, `glimpse help FLAG` and the man page, all from the table of options, so that none can
 * tell of a flag that is not there.  The commands' own words are in help_commands.c.  Called by commands.c. */
#define _GNU_SOURCE
#include <string.h>

#include "include/internal/session.h"
#include "plugin/cli/cli.h"

enum { WIDTH = 79, TEXT_COLUMN = 26 };

/* The choice or, for a switch, the value "true" that this version refuses; *n = 0: none. */
static const char *refused_value(const opt_info *info, size_t *n) {
    *n = info->missing ? strcspn(info->missing, "=") : 0;
    return info->missing;
}

/* A switch that cannot be switched on is kept out of the lists; `help FLAG` explains it. */
static bool is_listed(const opt_info *info) { return !(info->missing && info->type == OPT_BOOL); }

/* " Choices: a | b." without the refused one; nothing where there is no choice. */
static void put_choices(buffer *b, const opt_info *info) {
    size_t refused_n, shown = 0;
    const char *refused = refused_value(info, &refused_n);
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

static void put_label(buffer *b, const opt_info *info) {
    buf_puts(b, "--");
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

/* The help text with choices, default and other names. */
static void put_text(buffer *b, const opt_info *info) {
    buf_puts(b, info->help);
    if (info->type == OPT_ENUM) put_choices(b, info);
    bool same = info->def_train == info->def_offline ||
                (info->def_train && info->def_offline && strcmp(info->def_train, info->def_offline) == 0);
    if (!same || (info->def_train && !(info->type == OPT_BOOL && strcmp(info->def_train, "false") == 0))) {
        buf_puts(b, " [");
        put_default(b, info, info->def_offline);
        if (!same) {
            buf_puts(b, "; in training ");
            put_default(b, info, info->def_train);
        }
        buf_putc(b, ']');
    }
    if (*info->aliases) {
        buf_puts(b, " Also ");
        for (const char *p = info->aliases; *p;) {
            size_t n = strcspn(p, ",");
            buf_puts(b, p == info->aliases ? "--" : ", --");
            buf_put(b, p, n);
            p += n + (p[n] == ',');
        }
        buf_putc(b, '.');
    }
}

/* Words of `text` from column `at` (the cursor is at `column`), wrapped at WIDTH; ends the line. */
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

enum { NOTES = 4 };
static void put_note(buffer *b, int i) {
    static const char *const fixed[NOTES] = {
        "Flags are written --flag VALUE or --flag=VALUE, switches --flag, --no_flag or --flag=false; hyphens do for "
        "underscores; lists are separated by commas or blanks. In brackets: the default.",
        NULL,
        "Environment: GLIMPSE_ARGS holds flags (beneath those of the command line), GLIMPSE=off switches Glimpse off.",
        "Exit status: 0 done, 1 failed, 2 bad flags.",
    };
    if (fixed[i]) {
        buf_puts(b, fixed[i]);
        return;
    }
    buf_puts(b, "In a trainer only these are taken as they are:");
    bool first = true;
    for (int id = 0; id < OPT_COUNT; id++) {
        if (!opt_info_of((opt_id)id)->bare) continue;
        buf_printf(b, "%s --%s", first ? "" : ",", opt_info_of((opt_id)id)->name);
        first = false;
    }
    buf_puts(b, ". Every other flag is written --glimpse_NAME there.");
}

void help_options(buffer *b, const char *command) {
    const char *group = "";
    for (int id = 0; id < OPT_COUNT; id++) {
        const opt_info *info = opt_info_of((opt_id)id);
        if (!is_listed(info) || (command && !opt_is_read_by((opt_id)id, command))) continue;
        if (strcmp(group, info->group) != 0) buf_printf(b, "\n%s\n", group = info->group);
        buffer text = {0};
        size_t before = b->n;
        buf_puts(b, "  ");
        put_label(b, info);
        put_text(&text, info);
        help_paragraph(b, buf_str(&text), b->n - before, TEXT_COLUMN);
        buf_free(&text);
    }
}


void help_all(buffer *b) {
    buf_puts(b, "glimpse " GLIMPSE_VERSION_STRING ": see what a language model says while it is being trained\n\n");
    help_usage(b);
    buf_puts(b, "\n  glimpse --checkpoint gpt2_124M.bin --prompt \"Once upon a time\" --top_k 50\n");
    help_options(b, NULL);
    for (int i = 0; i < NOTES; i++) {
        buffer note = {0};
        put_note(&note, i);
        buf_putc(b, '\n');
        help_paragraph(b, buf_str(&note), 0, 0);
        buf_free(&note);
    }
}

void help_option(buffer *b, opt_id id) {
    const opt_info *info = opt_info_of(id);
    buffer text = {0};
    put_label(b, info);
    buf_putc(b, '\n');
    put_text(&text, info);
    help_paragraph(b, buf_str(&text), 0, 2);
    buf_clear(&text);
    if (info->missing) {
        size_t n;
        const char *value = refused_value(info, &n);
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
    buf_printf(&text, info->bare ? "In a trainer: --%s." : "In a trainer: --glimpse_%s.", info->name);
    help_paragraph(b, buf_str(&text), 0, 2);
    buf_free(&text);
}

/* --- roff -------------------------------------------------------------------------------------------------------- */

/* Text for roff: backslashes and hyphens escaped, no line begins with a control character. */
void help_roff(buffer *b, const char *text) {
    if (*text == '.' || *text == '\'') buf_puts(b, "\\&");
    for (; *text; text++) {
        if (*text == '\\') buf_puts(b, "\\e");
        else if (*text == '-') buf_puts(b, "\\-");
        else buf_putc(b, *text);
    }
}

void help_man(buffer *b) {
    buf_puts(b, ".TH GLIMPSE 1 \"\" \"Glimpse " GLIMPSE_VERSION_STRING "\" \"User Commands\"\n"
                ".SH NAME\nglimpse \\- see what a language model says while it is being trained\n"
                ".SH SYNOPSIS\n.nf\n"
                "\\fBglimpse\\fR [\\fICOMMAND\\fR] [\\fIFLAGS\\fR] [\\fIWORDS\\fR]\n"
                "\\fBglimpse help\\fR \\fICOMMAND\\fR | \\fIFLAG\\fR\n\\fBglimpse\\fR \\-\\-help | \\-\\-version | \\-\\-man\n.fi\n"
                ".SH DESCRIPTION\n"
                "\\fBglimpse\\fR samples from a checkpoint and shows what the model said and how sure it was of every token.\n"
                "The generated text goes to standard output, all else to standard error and into \\fB\\-\\-out_dir\\fR.\n"
                ".SH COMMANDS\n");
    help_commands_man(b);
    buf_puts(b, ".SH OPTIONS\n");
    const char *group = "";
    for (int id = 0; id < OPT_COUNT; id++) {
        const opt_info *info = opt_info_of((opt_id)id);
        if (!is_listed(info)) continue;
        if (strcmp(group, info->group) != 0) buf_printf(b, ".SS %s\n", group = info->group);
        buffer text = {0};
        buf_puts(b, ".TP\n\\fB");
        put_label(&text, info);
        help_roff(b, buf_str(&text));
        buf_puts(b, "\\fR\n");
        buf_clear(&text);
        put_text(&text, info);
        help_roff(b, buf_str(&text));
        buf_putc(b, '\n');
        buf_free(&text);
    }
    buf_puts(b, ".SH NOTES\n");
    for (int i = 0; i < NOTES; i++) {
        buffer note = {0};
        put_note(&note, i);
        if (i) buf_puts(b, ".PP\n");
        help_roff(b, buf_str(&note));
        buf_putc(b, '\n');
        buf_free(&note);
    }
}
