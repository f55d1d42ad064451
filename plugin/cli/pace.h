/* pace.h -- how fast a worker samples on the CPU: no faster than it must.
 *
 * A nice value is about who gets a processor that two want.  It does nothing for the rest that a neighbour takes: the
 * shared caches, the memory's bandwidth, the other half of a core, the clock of a chip that runs hot, and the moment until
 * a thread that wakes at a barrier has its processor back.  That cost goes with the time that the neighbour runs.  So the
 * eval is spread over half of the time until the next one is expected, on as few threads as do it by then, which compute
 * for a millisecond or more and then rest:
 *
 *   threads = ceil(spent / (interval / 2))
 *   share   = own / (own + rests),  own = spent / threads,  rests = interval / 2 - took,  at least `least`, at most 1
 *
 * spent, took: processor time of all threads, and time without the rests, of the eval before; interval: of the trainer's
 * last two evals.  Before they are known: all threads, a quarter of the time.  Nobody ever waits for a rest: whoever waits
 * (the end of the training, --when_busy wait, an eval that found the worker busy) sends a word, and the worker hurries
 * (worker.c).  Called by worker.c. */
#ifndef GLIMPSE_PLUGIN_CLI_PACE_H
#define GLIMPSE_PLUGIN_CLI_PACE_H

#include <stdbool.h>

typedef struct pace {
    double least;          /* 0 < least <= 1; 1 = never rests, and all threads */
    double share;          /* of its time that a thread computes in this eval */
    int threads;           /* 0 = all */
    double spent_s, took_s; /* of the eval before; 0 = there was none */
    double begun_s, begun_spent_s, rested_s, most_s; /* this eval; most_s: when rests end, 0 = not known */
    double looked_s, own_s; /* when a rest was last thought of, and this thread's processor time then */
    bool working;
} pace;

/* threads and share from what is known of the eval before; interval_s 0 = not known. */
void pace_plan(pace *p, double interval_s);

void pace_begin(pace *p, double interval_s);
/* Seconds to rest now, 0 most of the time.  By the processor time of the calling thread, which takes part in all work. */
double pace_debt(pace *p);
void pace_rested(pace *p, double s);
void pace_hurry(pace *p); /* no more rests in this eval, and all threads */
void pace_end(pace *p);

#endif
