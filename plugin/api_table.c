/* api_table.c -- the one symbol for loops that load libglimpse.so at run time (glimpse.h: glimpse_api). */
#include <glimpse.h>

const glimpse_api glimpse_api_v1 = {
    .size = sizeof(glimpse_api), .version = 1,
    .status_text = glimpse_status_text, .error = glimpse_error, .version_text = glimpse_version,
    .config_new = glimpse_config_new, .config_free = glimpse_config_free, .set = glimpse_set, .get = glimpse_get,
    .parse_args = glimpse_parse_args, .is_sample_only = glimpse_is_sample_only, .run = glimpse_run,
    .set_log = glimpse_set_log, .bind = glimpse_bind, .bind_tensor = glimpse_bind_tensor, .model_free = glimpse_model_free,
    .open = glimpse_open, .eval = glimpse_eval, .check = glimpse_check, .check_losses = glimpse_check_losses,
    .drain = glimpse_drain, .close = glimpse_close, .record_piece = glimpse_record_piece, .record_free = glimpse_record_free,
    .add_hook = glimpse_add_hook, .generate = glimpse_generate, .score = glimpse_score,
    .add_sampler = glimpse_add_sampler,
    .model_load = glimpse_model_load };
