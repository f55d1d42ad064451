/* unicode_categories.h -- general categories of Unicode 16.0, as the regex engine of Hugging Face tokenizers since 0.21.2 has
 * them.  Called by the scanners of the known patterns. */
#ifndef GLIMPSE_SAMPLING_UNICODE_CATEGORIES_H
#define GLIMPSE_SAMPLING_UNICODE_CATEGORIES_H

#include <stdint.h>

typedef enum unicode_category {
    CATEGORY_CN, CATEGORY_LU, CATEGORY_LL, CATEGORY_LT, CATEGORY_LM, CATEGORY_LO, CATEGORY_MN, CATEGORY_MC, CATEGORY_ME,
    CATEGORY_ND, CATEGORY_NL, CATEGORY_NO, CATEGORY_PC, CATEGORY_PD, CATEGORY_PS, CATEGORY_PE, CATEGORY_PI, CATEGORY_PF,
    CATEGORY_PO, CATEGORY_SM, CATEGORY_SC, CATEGORY_SK, CATEGORY_SO, CATEGORY_ZS, CATEGORY_ZL, CATEGORY_ZP, CATEGORY_CC,
    CATEGORY_CF, CATEGORY_CS, CATEGORY_CO
} unicode_category;

unicode_category unicode_category_of(uint32_t cp);

#endif
