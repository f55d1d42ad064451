/* record.h -- making, rounding, packing glimpse_record (the struct itself is public: glimpse.h).
 *
 * Rounding: every number of a record is rounded when it is recorded to 5 significant decimal digits, so that the value
 * in memory is exactly the one that its decimal text reads back to, and views drawn from a record in memory and from
 * the journal's line are the same bytes.  Losses and metrics keep 7 digits, seconds 4.
 *
 * Memory: an arena owns everything that a record points to. */
#ifndef GLIMPSE_INTERNAL_RECORD_H
#define GLIMPSE_INTERNAL_RECORD_H

#include <glimpse.h>
#include "include/internal/buffer.h"

typedef struct arena arena;
arena *arena_new(void);                                   /* NULL = out of memory */
void arena_free(arena *a);                                /* NULL is fine */
void *arena_alloc(arena *a, size_t bytes);                /* zeroed, 16-byte aligned; NULL = out of memory */
char *arena_text(arena *a, const void *bytes, size_t n);  /* a copy with a NUL after it */

#define RECORD_DIGITS 5
#define RECORD_LOSS_DIGITS 7
#define RECORD_SECONDS_DIGITS 4
double record_round(double x, int digits);                /* the double that its %.{digits}g text reads back to */
float record_roundf(double x);                            /* RECORD_DIGITS; as float: "%.5g" of it gives the same text */

/* A record whose memory is one arena. */
typedef struct owned_record {
    glimpse_record record;  /* first member: glimpse_record_free(&owned->record) frees all */
    arena *arena;
} owned_record;
owned_record *record_new(void);

/* Bytes and back: how a record crosses from the worker to a user's hook, without JSON.  Every length is checked. */
glimpse_status record_pack(const glimpse_record *r, buffer *out);
glimpse_status record_unpack(const void *bytes, size_t n, owned_record **out);

#endif
