/* session_device.c -- which backend computes: what --device asks for, or with auto the GPU on which a trainer's weights lie and,
 * offline, the first one.  Called by session_open.c. */
#include "hooks/session_state.h"

#include "hooks/cuda_library.h"
#include "include/internal/status.h"
#include <string.h>

const char *session_dtype_name(glimpse_dtype dtype) {
    return dtype == GLIMPSE_BF16 ? "bf16" : dtype == GLIMPSE_F16 ? "f16" : "f32";
}

/* Why the CPU computes although --device auto would have liked the GPU. */
static void say_cpu(void *user, const char *why) {
    session_log(user, "glimpse: sampling on the processor: %.*s", (int)strcspn(why, "\n"), why);
}

static void say_gpu(void *user, const char *line) { session_log(user, "glimpse: %s", line); }

static void use_cuda(session *s, const backend_ops *ops, int32_t device, generator_config *cfg) {
    cfg->ops = ops;
    cfg->device = device;
    cfg->decode = opt_is(s->o, OPT_cuda_decode, "graph") ? DECODE_GRAPH : opt_is(s->o, OPT_cuda_decode, "persistent") ? DECODE_PERSISTENT : DECODE_AUTO;
    cfg->note = say_gpu;
    cfg->say_user = s;
    if (s->m->dtype == GLIMPSE_BF16) cfg->cache = GLIMPSE_BF16; /* keys and values as the trainer has them: else f32 */
}

/* auto: the GPU on which a trainer's weights lie; offline, where there is no trainer to disturb, the first one. */
static void choose_device(session *s, generator_config *cfg) {
    const weights_source *w = s->host.weights;
    const backend_ops *ops;
    int32_t device = w ? w->device : 0;
    if (w ? w->device < 0 : !options_is_offline(s->o) || !cuda_library_gpu_is_there()) {
        if (w) say_cpu(s, w->why_not ? w->why_not : "the weights' GPU may not be used");
        return;
    }
    if (cuda_library_load(&ops) < 0 || cuda_library_probe(device) < 0) {
        say_cpu(s, status_text());
        return;
    }
    use_cuda(s, ops, device, cfg);
    cfg->may_fall_back = true;
    cfg->say = say_cpu;
    if (!w) return;
    cfg->memory_percent = w->memory_percent;
    cfg->held_bytes = w->held_bytes;
}

glimpse_status session_find_device(session *s, generator_config *cfg) {
    const backend_ops *ops;
    int32_t device;
    if (s->m->is_function) return GLIMPSE_OK;
    cfg->source = s->host.weights;
    if (opt_is(s->o, OPT_device, "auto")) choose_device(s, cfg);
    if (!cuda_device_of(opt_str(s->o, OPT_device), &device)) return GLIMPSE_OK;
    TRY(cuda_library_load(&ops));
    TRY(cuda_library_probe(device));
    use_cuda(s, ops, device, cfg);
    return GLIMPSE_OK;
}

const glimpse_record *session_facts(session *s) {
    s->facts.check = s->check_failed ? "failed" : s->checked ? "ok" : "none";
    s->facts.device = generator_device(s->g);
    s->facts.cache_dtype = session_dtype_name(generator_cache(s->g));
    return &s->facts;
}
