/* probe_map.h -- probes.png: for each text of --probe a map of token x training step, coloured by the model's probability of
 * the token, with a tick at the step from which on it is the model's first choice.
 *
 * A map remembers what it is given, record by record, in the order of the journal.  A record at or before the newest step leaves
 * those from that step on behind, as a resumed run does.  At most 40 texts and 1,200 rows are drawn; all of them are in the review
 * page.  Called by hooks/review.c. */
#ifndef GLIMPSE_VIZ_PROBE_MAP_H
#define GLIMPSE_VIZ_PROBE_MAP_H

#include "include/internal/record.h"
#include <stdbool.h>

typedef struct probe_map probe_map;

probe_map *probe_map_new(void);      /* NULL = no memory.  Returned: probe_map_free */
void probe_map_free(probe_map *m);   /* NULL is fine */
/* Take in a record's probes; one without is passed over.  GLIMPSE_E_MEMORY: the map is as it was. */
glimpse_status probe_map_add(probe_map *m, const glimpse_record *r);
bool probe_map_is_empty(const probe_map *m);
/* The picture of all that was added.  GLIMPSE_E_INVALID: nothing was.  Appends a PNG. */
glimpse_status chart_probe_map(const probe_map *m, buffer *png);
/* That of one record alone: a column, for a viewer that has a slider over the steps. */
glimpse_status chart_probes(const glimpse_record *r, buffer *png);

#endif
