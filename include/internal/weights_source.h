/* weights_source.h -- where the weights of an eval lie, for whoever reads them: in host memory, at the addresses that the
 * model was described with, or on a GPU.  Filled by the side that holds them (plugin/cli/worker.c, plugin/inline.c), asked by
 * sampling/generator.c, looked up by the CUDA backend.  Without one the weights are where the model says, always.
 *
 * One eval's weights have one number (epoch) and are read once:
 *
 *   epoch n:  nobody has asked --on_host-->   copied to the model's addresses; stay there --taken-\
 *                     |       --on_device--> there: parts[].address may be read --------------taken--> there they may change
 *                     \--nobody asks; the holder lets go of them after the eval
 *
 * The callbacks leave the text of an error in `why` of at most `cap` bytes: the two sides have status texts of their own. */
#ifndef GLIMPSE_INTERNAL_WEIGHTS_SOURCE_H
#define GLIMPSE_INTERNAL_WEIGHTS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glimpse.h>

typedef struct weights_part {
    const char *at;        /* the model's addresses at .. at + bytes */
    size_t bytes;
    uint64_t address;      /* lie there, on the device */
} weights_part;

typedef struct weights_source {
    void *user;
    int32_t device;        /* the GPU that the weights are on, as CUDA counts here; -1 = one that may not be used: why_not */
    const char *why_not;   /* borrowed */
    double memory_percent; /* of that GPU's memory is what all of ours together may take, */
    uint64_t held_bytes;   /* so much of it is taken already */
    bool stays;            /* the addresses are the same in all epochs, and are the trainer's live weights */
    bool keep_host;        /* somebody reads them on the host, too */
    uint64_t epoch;        /* rises with every new filling; 0 = none yet */
    bool there;            /* between on_device and taken */
    weights_part *parts;   /* (n_parts) */
    int32_t n_parts;
    /* The weights of this epoch at the model's addresses; does nothing where they are. */
    glimpse_status (*on_host)(void *user, char *why, size_t cap);
    /* The same on the GPU: GLIMPSE_OK and `there`; GLIMPSE_SKIPPED = they are in host memory alone, at the model's
     * addresses.  The copy that filled them is complete. */
    glimpse_status (*on_device)(void *user, char *why, size_t cap);
    void (*taken)(void *user);
} weights_source;

/* Where on the device the weights at p lie; 0 = they are read at p itself. */
static inline uint64_t weights_on_device(const weights_source *s, const void *p) {
    if (!s || !s->there) return 0;
    for (int32_t i = 0; i < s->n_parts; i++) {
        const weights_part *x = &s->parts[i];
        uintptr_t at = (uintptr_t)x->at;
        if ((uintptr_t)p >= at && (uintptr_t)p - at < x->bytes) return x->address + ((uintptr_t)p - at);
    }
    return 0;
}

#endif
