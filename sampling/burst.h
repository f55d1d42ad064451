/* burst.h -- up to 16 steps of a batch at a time where the backend can draw by itself (backend_ops.burst).
 *
 * End of text, length and what is not finite are seen on the device; stop strings here, afterwards: what the device drew
 * beyond one is thrown away.  Called by generate.c in place of a step. */
#ifndef GLIMPSE_SAMPLING_BURST_H
#define GLIMPSE_SAMPLING_BURST_H

#include "sampling/sequence.h"

/* *ran false: this batch needs an ordinary step (the backend has no bursts, or a chain, guidance, phrases to go back from or
 * a user's sampler must ask the host at each token; or a row is not finite, which the step then says). */
glimpse_status burst_run(batch *b, bool *ran);

#endif
