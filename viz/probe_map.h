/* probe_map.h -- probes.png: for each text of --probe a map of token x training step, coloured by the model's probability of
 * the token, with a tick at the step from which on it is the model's first choice.
 *
 * A map remembers what it has seen: the run adds each record as it is written, a report each as it is read, so both draw the
 * same.  A record at or before the newest step leaves those from that step on behind, as a resumed run does.  At most 40
 * texts and 1,200 rows are drawn; all of them are in the review page.  Called by hooks/views.c. */
#ifndef GLIMPSE_VIZ_PROBE_MAP_H
#define GLIMPSE_VIZ_PROBE_MAP_H

#include "include/internal/record.h"

typedef struct probe_map probe_map;

probe_map *probe_map_new(void);      /* NULL = no memory.  Returned: probe_map_free */
void probe_map_free(probe_map *m);   /* NULL is fine */
/* Take in a record's probes; one without is passed over.  GLIMPSE_E_MEMORY: the map is as it was. */
glimpse_status probe_map_add(probe_map *m, const glimpse_record *r);
/* The picture up to `r`, which was added last.  Appends a PNG. */
glimpse_status chart_probe_map(const probe_map *m, const glimpse_record *r, buffer *png);

#endif
