/* unicode_classes.h -- letter, number, white space or other: what GPT-2's pre-tokenizer asks of a character.  Unicode
 * 16.0, as Hugging Face's tokenizers since 0.21.2.  Called by pretokenize_gpt2.c. */
#ifndef GLIMPSE_SAMPLING_UNICODE_CLASSES_H
#define GLIMPSE_SAMPLING_UNICODE_CLASSES_H

#include <stdint.h>

typedef enum unicode_class {
    UNICODE_OTHER = 0,
    UNICODE_LETTER = 1, /* \p{L} */
    UNICODE_NUMBER = 2, /* \p{N} */
    UNICODE_SPACE = 3   /* \s: the property White_Space */
} unicode_class;

unicode_class unicode_class_of(uint32_t cp); /* OTHER beyond U+10FFFF */

#endif
