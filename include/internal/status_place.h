/* status_place.h -- each of our libraries has an error text of its own (status.h) until it is given the place where another
 * one keeps its: from then on a failure in the one is read in the other.  Called by who loads a library, cuda_library.c. */
#ifndef GLIMPSE_INTERNAL_STATUS_PLACE_H
#define GLIMPSE_INTERNAL_STATUS_PLACE_H

enum { STATUS_TEXT_BYTES = 2048, STATUS_WHERE_BYTES = 128 };

typedef struct status_place { /* of one thread */
    char text[STATUS_TEXT_BYTES], where[STATUS_WHERE_BYTES];
} status_place;

/* The calling thread's, of whichever library this one shares it with. */
status_place *status_place_here(void);
/* From now on `here` says where; it must stay loaded as long as this library. */
void status_place_use(status_place *(*here)(void));

#endif
