/* record.h -- making, rounding, packing glimpse_record (the struct itself is public: glimpse.h).
 *
 * Rounding: every number of a record is rounded when it is recorded to 5 significant decimal digits, so that the value
 * in memory is exactly the one that its decimal text reads back to, and views drawn from a record in memory and from
 * the journal's line are the same bytes.  Losses and metrics keep 7 digits, seconds 4.
 *
 * Memory: an arena owns everything that a record points to.  record.c holds the arena, the rounding and the record's
 * life; record_pack.c the bytes that cross a socket. */
#ifndef GLIMPSE_INTERNAL_RECORD_H
#define GLIMPSE_INTERNAL_RECORD_H

#include <glimpse.h>
#include "include/internal/buffer.h"

typedef struct arena arena;
arena *arena_new(void);                                   /* NULL = out of memory */
void arena_free(arena *a);                                /* NULL is fine */
void *arena_alloc(arena *a, size_t bytes);                /* zeroed, 16-byte aligned; NULL = out of memory */
char *arena_text(arena *a, const void *bytes, size_t n);  /* a copy with a NUL after it; bytes may be NULL if n is 0 */
bool arena_on_free(arena *a, void (*release)(void *), void *what); /* called by arena_free; false = out of memory, not called */

#define RECORD_DIGITS 5
#define RECORD_LOSS_DIGITS 7
#define RECORD_SECONDS_DIGITS 4

/* The double that x's "%.{digits}g" text reads back to; digits 1..17.  Exact for every x (never a double rounding),
 * the same in any locale.  NaN, infinities and what rounds to one give NaN: what is not finite is null in the journal. */
double record_round(double x, int digits);

/* RECORD_DIGITS, as a float: "%.5g" of it gives the same text as that of the rounded double.  Below the smallest normal
 * float (1.2e-38), where a float no longer holds five digits, 0. */
float record_roundf(double x);

/* A record whose memory is one arena. */
typedef struct owned_record {
    glimpse_record record;  /* first member: record_free(&owned->record) frees all */
    arena *arena;
} owned_record;

/* A record with its sizes set, no samples, losses not known, texts "" (`why` NULL), check "none", status "ok". */
void record_clear(glimpse_record *r);
/* Such a one.  Returned: record_free.  NULL = out of memory. */
owned_record *record_new(void);

/* A name for a run that begins: six random hexadecimal digits. */
void record_name_run(char run[16]);

/* Free a record made by record_new or record_unpack, and all it points to.  NULL is fine.  What glimpse_record_free and
 * glimpse_record_piece of the public API do. */
void record_free(glimpse_record *record);
/* The bytes of id, NULL if it does not occur (binary search: pieces stand by rising id). */
const glimpse_piece *record_piece(const glimpse_record *record, int32_t id);

/* Bytes and back: how a record crosses from the worker to a user's hook, without JSON.  Both ends run on one machine
 * from one build, so numbers travel as they lie in memory; every length, count and enum is checked all the same.
 * record_pack appends to `out` (GLIMPSE_E_MEMORY: no room; GLIMPSE_E_INVALID: a count below 0 or an array missing).
 * record_unpack: all n bytes are one record.  GLIMPSE_E_FORMAT: they are not; *out untouched.  Returned: record_free
 * (&(*out)->record). */
glimpse_status record_pack(const glimpse_record *r, buffer *out);
glimpse_status record_unpack(const void *bytes, size_t n, owned_record **out);

#endif
