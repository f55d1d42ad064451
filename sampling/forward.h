/* forward.h -- turns a model description into a plan (kernels/plan.h), once.  No arithmetic on activations here. */
#ifndef GLIMPSE_SAMPLING_FORWARD_H
#define GLIMPSE_SAMPLING_FORWARD_H

#include "kernels/plan.h"
#include "sampling/model/model.h"

/* `m` is borrowed until plan_close.  GLIMPSE_E_UNSUPPORTED names what the plan cannot express. */
glimpse_status plan_build(const model *m, plan **out);
void plan_close(plan *p);

#endif
