/* zip.h -- the members of a zip archive whose members are stored, not compressed, as PyTorch writes it (PKWARE APPNOTE
 * 6.3.10, 4.3: central directory, ZIP64).  Nothing is unpacked, so nothing can expand: a compressed member is an error.
 * Central directory and local headers must agree, members must not overlap.  Called by torch_pt.c. */
#ifndef GLIMPSE_SAMPLING_ZIP_H
#define GLIMPSE_SAMPLING_ZIP_H

#include "include/internal/file.h"

typedef struct zip_member {
    char *name;        /* never used as a path */
    int64_t at, bytes; /* of its data in the file */
    int64_t header;    /* of its local header */
} zip_member;

typedef struct zip {     /* start from {0} */
    zip_member *members; /* in order of name */
    int32_t n;
} zip;

/* Read the directory of `f`.  GLIMPSE_E_FORMAT, or GLIMPSE_E_UNSUPPORTED for compressed or encrypted members. */
glimpse_status zip_read(const file *f, zip *out);
const zip_member *zip_find(const zip *z, const char *name); /* NULL if there is none */
void zip_free(zip *z);

#endif
