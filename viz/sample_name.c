/* sample_name.c -- the name that a sample has in every view: file names, TensorBoard's tags, the review page. */
#include "viz/view.h"

void view_sample_name(const glimpse_sample *s, buffer *out) {
    buf_printf(out, "p%d_", s->prompt);
    for (const char *c = s->label; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '.' || *c == '-';
        buf_putc(out, plain ? *c : '_');
    }
    buf_printf(out, "_s%d", s->sample);
}
