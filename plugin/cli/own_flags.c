/* own_flags.c -- see own_flags.h. */
#include "plugin/cli/own_flags.h"

#include <string.h>

#include "include/internal/nearest.h"
#include "include/internal/options.h"
#include "include/internal/status.h"

static bool same(const char *word, size_t n, const char *name) {
    if (strlen(name) != n) return false;
    for (size_t i = 0; i < n; i++)
        if (word[i] != name[i] && !(word[i] == '-' && name[i] == '_')) return false;
    return true;
}

static glimpse_status unknown(const char *command, const own_flag *flags, int n, const char *word, size_t bytes) {
    int best = nearest_limit(bytes) + 1;
    const char *near = NULL;
    for (int k = 0; k < n && bytes < 60; k++) {
        int far = edit_distance(word, bytes, flags[k].name, strlen(flags[k].name));
        if (far < best) best = far, near = flags[k].name;
    }
    if (near) FAIL(GLIMPSE_E_INVALID, "%s: unknown flag --%.60s\nhint: did you mean --%s?", command, word, near);
    FAIL(GLIMPSE_E_INVALID, "%s: unknown flag --%.60s\nhint: `glimpse help %s` lists its flags; -- before a word that begins with a "
         "hyphen", command, word, command);
}

static glimpse_status take(const char *command, const own_flag *flags, int n, int argc, char **argv, int *i) {
    const char *word = argv[*i] + 2, *equals = strchr(word, '=');
    size_t bytes = equals ? (size_t)(equals - word) : strlen(word);
    bool no = bytes > 3 && (!strncmp(word, "no_", 3) || !strncmp(word, "no-", 3));
    for (int k = 0; k < n; k++) {
        const own_flag *f = &flags[k];
        if (same(word, bytes, f->name)) {
            if (f->on) {
                bool on = true;
                if (equals && !opt_truth(equals + 1, strlen(equals + 1), &on))
                    FAIL(GLIMPSE_E_INVALID, "--%s = \"%.60s\": expected true or false", f->name, equals + 1);
                *f->on = on;
            } else if (equals) *f->value = equals + 1;
            else if (*i + 1 < argc) *f->value = argv[++*i];
            else FAIL(GLIMPSE_E_INVALID, "--%s needs a value, and nothing follows it", f->name);
            return GLIMPSE_OK;
        }
        if (no && !equals && f->on && same(word + 3, bytes - 3, f->name)) {
            *f->on = false;
            return GLIMPSE_OK;
        }
    }
    return unknown(command, flags, n, word, bytes);
}

int own_flag_take(const char *command, const own_flag *flags, int n, int argc, char **argv, int *i) {
    const char *word = argv[*i];
    if (word[0] != '-' || !word[1]) return 0;
    if (word[1] == '-') return take(command, flags, n, argc, argv, i) < 0 ? -1 : 1;
    status_fail(GLIMPSE_E_INVALID, __FILE__, __LINE__, "%s: unknown flag %.60s\nhint: flags begin with two hyphens; `glimpse help %s` lists "
                "them; -- before a word that begins with a hyphen", command, word, command);
    return -1;
}
