/* help.c -- `glimpse --help`, `glimpse help FLAG` and the man page, all from the table of options (plugin/option_help.h), so that
 * none can tell of a flag that is not there.  The commands' own words are in help_commands.c.  Called by commands.c. */
#define _GNU_SOURCE
#include <string.h>

#include "include/internal/session.h"
#include "plugin/cli/cli.h"
#include "plugin/option_help.h"

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
    help_bare(b);
    buf_puts(b, ". Every other flag is written --glimpse_NAME there.");
}

void help_all(buffer *b) {
    buf_puts(b, "glimpse " GLIMPSE_VERSION_STRING ": see what a language model says while it is being trained\n\n");
    help_usage(b);
    buf_puts(b, "\n  glimpse --checkpoint gpt2_124M.bin --prompt \"Once upon a time\" --top_k 50\n");
    help_options(b, NULL, false);
    for (int i = 0; i < NOTES; i++) {
        buffer note = {0};
        put_note(&note, i);
        buf_putc(b, '\n');
        help_paragraph(b, buf_str(&note), 0, 0);
        buf_free(&note);
    }
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
        if (!help_is_listed(info)) continue;
        if (strcmp(group, info->group) != 0) buf_printf(b, ".SS %s\n", group = info->group);
        buffer text = {0};
        buf_puts(b, ".TP\n\\fB");
        help_label(&text, info, false);
        help_roff(b, buf_str(&text));
        buf_puts(b, "\\fR\n");
        buf_clear(&text);
        help_text(&text, info, false);
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
