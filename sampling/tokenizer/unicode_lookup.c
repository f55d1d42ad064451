/* unicode_lookup.c -- looking up the tables of unicode_sets.h. */
#include "sampling/tokenizer/unicode_sets.h"

bool unicode_in(unicode_set_id set, uint32_t cp) {
    const unicode_range *r = unicode_sets[set].ranges;
    for (int low = 0, high = unicode_sets[set].n; low < high;) {
        int mid = (low + high) / 2;
        if (cp < r[mid].low) high = mid;
        else if (cp > r[mid].high) low = mid + 1;
        else return true;
    }
    return false;
}

uint32_t unicode_to_small(uint32_t cp) {
    if (cp < 0x80) return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    if (cp == 0x130) return 'i';
    for (int low = 0, high = n_unicode_small; low < high;) {
        int mid = (low + high) / 2;
        const small_letters *s = &unicode_small[mid];
        if (cp < s->low) high = mid;
        else if (cp > s->high) low = mid + 1;
        else return (cp - s->low) % (uint32_t)s->step ? cp : (uint32_t)((int32_t)cp + s->add);
    }
    return cp;
}

int unicode_script_of(uint32_t cp) {
    if (cp == ' ') return 0;
    if (cp == 0x30fc) return unicode_script_han;
    for (int low = 0, high = n_unicode_scripts; low < high;) {
        int mid = (low + high) / 2;
        const unicode_script *s = &unicode_scripts[mid];
        if (cp < s->low) high = mid;
        else if (cp > s->high) low = mid + 1;
        else
            return s->script == unicode_script_hiragana || s->script == unicode_script_katakana ? unicode_script_han
                                                                                                : s->script;
    }
    return 0;
}
