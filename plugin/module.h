/* module.h -- libraries of the user's own, --module lib.so[:ARGS]: loaded where the session is (the worker, inline mode,
 * offline), asked through one versioned symbol for samplers, hooks, a tokenizer, a model function (glimpse.h).
 *
 *   modules_open --> open() of each --> modules_describe --> session opened --> modules_join --> evals, modules_record
 *                                                            session closed --> modules_close: close() of each, last first
 *
 * Called by cli/worker.c and inline.c.  The functions run in Glimpse's own state (default floating point, locale C). */
#ifndef GLIMPSE_PLUGIN_MODULE_H
#define GLIMPSE_PLUGIN_MODULE_H

#include <glimpse.h>

#include "include/internal/options.h"
#include "include/internal/session.h"

typedef struct modules modules;

/* Load what --module names; no module: *out = NULL, which the others accept.  `model` (borrowed until modules_close) is
 * what they are shown, NULL offline.  GLIMPSE_E_LIBRARY: not found, no module, of another version, or it refused. */
glimpse_status modules_open(const options *o, const glimpse_model *model, modules **out);
/* Put their tokenizer and model function into a description; GLIMPSE_E_INVALID: it has a function already. */
glimpse_status modules_describe(const modules *m, glimpse_model *model);
/* Their tokenizer, NULL = none. */
const glimpse_tokenizer *modules_tokenizer(const modules *m);
/* Give their samplers to a session. */
glimpse_status modules_join(modules *m, const session_api *api, session *s);
void modules_record(const modules *m, const glimpse_record *record);
/* After the session was closed. */
void modules_close(modules *m);

#endif
