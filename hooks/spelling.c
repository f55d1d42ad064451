/* spelling.c -- see spelling.h.  Hunspell's C interface: hunspell/hunspell.h of version 1.7 (LGPL/GPL/MPL). */
#include "hooks/spelling.h"

#include "include/internal/buffer.h"
#include "include/internal/status.h"
#include "include/internal/utf8.h"
#include <dlfcn.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

enum { LONGEST_WORD = 80, FORM_BYTES = 2 * LONGEST_WORD + 1 /* a letter of 2 bytes may have 3 in another case */, MOST_REMEMBERED = 1 << 16 };

typedef struct Hunhandle Hunhandle;
typedef Hunhandle *(*create_fn)(const char *aff, const char *dic);
typedef void (*destroy_fn)(Hunhandle *h);
typedef int (*spell_fn)(Hunhandle *h, const char *word);
typedef char *(*encoding_fn)(Hunhandle *h);

typedef struct remembered {
    char word[LONGEST_WORD + 1];
    char known; /* 'y', 'n'; 0 = free */
} remembered;

struct speller {
    void *library;
    Hunhandle *handle;
    destroy_fn destroy;
    spell_fn spell;
    iconv_t to_own;    /* from UTF-8 to the dictionary's encoding; -1 = it is UTF-8 */
    remembered *table; /* (cap) open addressing; NULL = no memory for one, every word is asked */
    size_t cap, n;
};

static void *open_library(void) {
    static const char *const names[] = {
        "libhunspell-1.7.so.0", "libhunspell-1.8.so.0", "libhunspell-1.6.so.0", "libhunspell.so",
#ifdef GLIMPSE_DEPS_DIR
        GLIMPSE_DEPS_DIR "/lib/x86_64-linux-gnu/libhunspell-1.7.so.0",
        GLIMPSE_DEPS_DIR "/lib/aarch64-linux-gnu/libhunspell-1.7.so.0",
#endif
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (library) return library;
    }
    return NULL;
}

/* Both files of a dictionary; false if one cannot be read. */
static bool find_dictionary(const char *language, buffer *aff, buffer *dic) {
    const char *dirs[] = {
        getenv("DICPATH"),
#ifdef GLIMPSE_DEPS_DIR
        GLIMPSE_DEPS_DIR "/share/hunspell",
#endif
        "/usr/share/hunspell", "/usr/share/myspell/dicts", "/usr/share/myspell", "/usr/local/share/hunspell",
    };
    const char *const names[] = {language ? language : "en_US", language ? NULL : "en_GB"};
    for (size_t k = 0; k < 2 && names[k]; k++)
        for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
            if (!dirs[i] || !*dirs[i]) continue;
            buf_clear(aff);
            buf_clear(dic);
            buf_printf(aff, "%s/%s.aff", dirs[i], names[k]);
            buf_printf(dic, "%s/%s.dic", dirs[i], names[k]);
            if (!buf_failed(aff) && !buf_failed(dic) && !access(buf_str(aff), R_OK) && !access(buf_str(dic), R_OK))
                return true;
        }
    return false;
}

/* What can stand in a file's name and goes into no other folder. */
static bool is_language(const char *s) {
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n && n <= 40 && !s[n];
}

glimpse_status speller_open(const char *language, speller **out) {
    glimpse_status st = GLIMPSE_OK;
    buffer aff = {0}, dic = {0};
    speller *s = calloc(1, sizeof *s);
    if (!s) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for the speller");
    s->to_own = (iconv_t)-1;
    if (language && !is_language(language))
        FAIL_GOTO(GLIMPSE_E_INVALID, "--spelling_language \"%.40s\" is no dictionary's name, such as en_US or de_DE", language);
    s->library = open_library();
    if (!s->library)
        FAIL_GOTO(GLIMPSE_E_LIBRARY, "the spelling library Hunspell is not installed\nhint: apt-get install libhunspell-1.7-0");
    bool found = find_dictionary(language, &aff, &dic);
    if (!found && language)
        FAIL_GOTO(GLIMPSE_E_LIBRARY, "there is no dictionary %s for Hunspell\nhint: apt-cache search ^hunspell- names those "
                                     "there are, or set DICPATH to the folder of %s.aff and %s.dic", language, language, language);
    if (!found)
        FAIL_GOTO(GLIMPSE_E_LIBRARY, "there is no English dictionary for Hunspell\nhint: apt-get install hunspell-en-us, or "
                                     "set DICPATH to the folder of en_US.aff and en_US.dic");
    create_fn create = (create_fn)dlsym(s->library, "Hunspell_create");
    s->destroy = (destroy_fn)dlsym(s->library, "Hunspell_destroy");
    s->spell = (spell_fn)dlsym(s->library, "Hunspell_spell");
    encoding_fn encoding = (encoding_fn)dlsym(s->library, "Hunspell_get_dic_encoding");
    if (!create || !s->destroy || !s->spell || !encoding)
        FAIL_GOTO(GLIMPSE_E_LIBRARY, "the Hunspell found has no Hunspell_create, _spell, _get_dic_encoding and _destroy");
    s->handle = create(buf_str(&aff), buf_str(&dic));
    if (!s->handle) FAIL_GOTO(GLIMPSE_E_LIBRARY, "Hunspell cannot open %s", buf_str(&aff));
    const char *own = encoding(s->handle);
    if (strncmp(own, "microsoft-", 10) == 0) own += 10; /* "microsoft-cp1251" */
    if (strcmp(own, "UTF-8") != 0 && (s->to_own = iconv_open(own, "UTF-8")) == (iconv_t)-1)
        FAIL_GOTO(GLIMPSE_E_LIBRARY, "%s is written in \"%s\", which this system cannot convert\nhint: another dictionary, in UTF-8",
                  buf_str(&dic), own);
    *out = s;
    s = NULL;
out:
    speller_close(s);
    buf_free(&aff);
    buf_free(&dic);
    return st;
}

void speller_close(speller *s) {
    if (!s) return;
    if (s->to_own != (iconv_t)-1) iconv_close(s->to_own);
    if (s->handle) s->destroy(s->handle);
    if (s->library) dlclose(s->library);
    free(s->table);
    free(s);
}

static uint64_t hash_of(const char *word, size_t n) {
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)word[i]) * 1099511628211u;
    return h;
}

/* The entry of a word, or the free one where it belongs. */
static remembered *entry_of(remembered *table, size_t cap, const char *word, size_t n) {
    for (size_t i = hash_of(word, n) & (cap - 1);; i = (i + 1) & (cap - 1))
        if (!table[i].known || !strcmp(table[i].word, word)) return &table[i];
}

/* Room for one more; the memory is emptied when a text of ever new words fills it. */
static void make_room(speller *s) {
    if (s->cap && s->n < s->cap / 2) return;
    if (s->cap >= MOST_REMEMBERED) {
        memset(s->table, 0, s->cap * sizeof *s->table);
        s->n = 0;
        return;
    }
    size_t cap = s->cap ? 2 * s->cap : 1024;
    remembered *table = calloc(cap, sizeof *table);
    if (!table) { /* keep the old one unless it is full */
        if (s->n + 1 < s->cap || !s->cap) return;
        memset(s->table, 0, s->cap * sizeof *s->table);
        s->n = 0;
        return;
    }
    for (size_t i = 0; i < s->cap; i++)
        if (s->table[i].known)
            *entry_of(table, cap, s->table[i].word, strlen(s->table[i].word)) = s->table[i];
    free(s->table);
    s->table = table;
    s->cap = cap;
}

/* A form of the word, in the dictionary's encoding; one that it cannot write it does not have. */
static bool spells(speller *s, char *form, size_t n) {
    char own[FORM_BYTES], *to = own;
    size_t room = sizeof own - 1;
    if (s->to_own != (iconv_t)-1) {
        iconv(s->to_own, NULL, NULL, NULL, NULL);
        if (iconv(s->to_own, &form, &n, &to, &room) != 0) return false;
        *to = 0;
        form = own;
    }
    return s->spell(s->handle, form) != 0;
}

/* As written, in lower case, with a capital first letter and the rest in lower case. */
static bool ask(speller *s, const char *word, size_t n) {
    char as_is[FORM_BYTES], low[FORM_BYTES], title[FORM_BYTES];
    size_t n_low = 0, n_title = 0;
    memcpy(as_is, word, n + 1);
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        int len = utf8_decode(word + i, n - i, &cp);
        if (len <= 0) return false;
        uint32_t lower = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
        n_title += (size_t)utf8_encode(i ? lower : (uint32_t)utf8proc_totitle((utf8proc_int32_t)lower), title + n_title);
        n_low += (size_t)utf8_encode(lower, low + n_low);
        i += (size_t)len;
    }
    low[n_low] = title[n_title] = 0;
    return spells(s, as_is, n) || spells(s, low, n_low) || spells(s, title, n_title);
}

bool speller_knows(speller *s, const char *word, size_t n) {
    char w[LONGEST_WORD + 1];
    if (!n || n > LONGEST_WORD) return false;
    memcpy(w, word, n);
    w[n] = 0;
    make_room(s);
    if (!s->table) return ask(s, w, n);
    remembered *e = entry_of(s->table, s->cap, w, n);
    if (!e->known) {
        bool known = ask(s, w, n);
        memcpy(e->word, w, n + 1);
        e->known = known ? 'y' : 'n';
        s->n++;
    }
    return e->known == 'y';
}
