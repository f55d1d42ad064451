/* pattern.c -- see pattern.h.  Some systems spell one pattern in several ways. */
#include "sampling/tokenizer/pattern.h"

#include <string.h>

#include "sampling/tokenizer/pretokenize_gpt2.h"
#include "sampling/tokenizer/pretokenize_llama3.h"
#include "sampling/tokenizer/pretokenize_o200k.h"

#define ENDINGS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define OTHERS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define OTHERS_SLASH "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SKIP "[^\\r\\n\\p{L}\\p{N}]?"
#define UP "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOW "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"

static const struct {
    const char *pattern;
    scan_fn scan;
} patterns[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", pretokenize_gpt2_next},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", pretokenize_gpt2_next},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s", pretokenize_gpt2_next},
    {ENDINGS "|" SKIP "\\p{L}+|\\p{N}{1,3}" OTHERS, pretokenize_llama3_next},
    {ENDINGS "|" SKIP "\\p{L}+|\\p{N}" OTHERS, pretokenize_qwen2_next},
    {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|"
     "\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
     pretokenize_cl100k_next},
    {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++\\z|"
     "\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
     pretokenize_cl100k_next}, /* the same for Oniguruma, where {1,3}+ is a repetition and $ the end of a line */
    {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|"
     "\\s+(?!\\S)|\\s+",
     pretokenize_llama3_next},
    {SKIP UP "*" LOW "+" ENDINGS "?|" SKIP UP "+" LOW "*" ENDINGS "?|\\p{N}{1,3}" OTHERS_SLASH, pretokenize_o200k_next},
    {SKIP UP "*" LOW "+|" SKIP UP "+" LOW "*|\\p{N}" OTHERS_SLASH, pretokenize_tekken_next},
};

static const struct {
    const char *name;
    scan_fn scan;
} names[] = {{"gpt2", pretokenize_gpt2_next},     {"r50k", pretokenize_gpt2_next},     {"p50k", pretokenize_gpt2_next},
             {"cl100k", pretokenize_cl100k_next}, {"o200k", pretokenize_o200k_next},   {"llama3", pretokenize_llama3_next},
             {"qwen2", pretokenize_qwen2_next},   {"tekken", pretokenize_tekken_next}};

scan_fn pattern_scanner(const char *pattern, size_t n) {
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (strlen(patterns[i].pattern) == n && !memcmp(patterns[i].pattern, pattern, n)) return patterns[i].scan;
    return NULL;
}

scan_fn pattern_by_name(const char *name) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i].name, name)) return names[i].scan;
    return NULL;
}

const char *pattern_text(scan_fn scan) {
    const char *found = NULL;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) /* the first, of cl100k the last */
        if (patterns[i].scan == scan && (!found || scan == pretokenize_cl100k_next)) found = patterns[i].pattern;
    return found;
}
