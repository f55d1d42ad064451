/* unicode_forms.h -- NFC, NFD, NFKC, NFKD (Unicode Standard Annex 15) as Hugging Face tokenizers applies them: with the tables
 * of Unicode 9.0, so that a mark of a later version stays where it stands.  A library of another version would give other
 * ids.  Called by json_pieces.c and bert_normalizer.c. */
#ifndef GLIMPSE_SAMPLING_UNICODE_FORMS_H
#define GLIMPSE_SAMPLING_UNICODE_FORMS_H

#include <stdint.h>

#include "include/internal/buffer.h"

typedef enum unicode_form { FORM_NFC, FORM_NFD, FORM_NFKC, FORM_NFKD } unicode_form;

/* Append the form of n bytes of valid UTF-8 to `out`; time and memory n.  Out of memory shows in `out`. */
void unicode_form_put(unicode_form form, const char *text, size_t n, buffer *out);

/* The tables (unicode_forms_table.c), each rising by its first member. */
typedef struct form_row { /* full decompositions; no compatible one where it is no other: its length is 0 */
    uint32_t cp;
    uint16_t canonical, canonical_n, compatible, compatible_n; /* places in form_texts */
} form_row;
typedef struct form_class { /* canonical combining classes */
    uint32_t low, high;
    uint32_t ccc;
} form_class;
typedef struct form_pair { /* primary composites */
    uint32_t first, second, both;
} form_pair;
extern const uint32_t form_texts[];
extern const form_row form_rows[];
extern const form_class form_classes[];
extern const form_pair form_pairs[];
extern const int n_form_rows, n_form_classes, n_form_pairs;

#endif
