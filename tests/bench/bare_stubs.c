/* bare_stubs.c -- what the samplers ask of a tokenizer, in runner_bare (`make gpu-test`), which is linked without one: nothing
 * of its tests does. */
#include "include/internal/status.h"
#include "sampling/tokenizer/tokenizer.h"

glimpse_status tokenizer_encode(tokenizer *t, const char *text, size_t bytes, buffer *ids) {
    (void)t, (void)text, (void)bytes, (void)ids;
    FAIL(GLIMPSE_E_UNSUPPORTED, "there is no tokenizer here");
}
glimpse_status tokenizer_decode(tokenizer *t, int32_t id, buffer *out) {
    (void)t, (void)id, (void)out;
    FAIL(GLIMPSE_E_UNSUPPORTED, "there is no tokenizer here");
}
