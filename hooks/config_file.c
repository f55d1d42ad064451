/* config_file.c -- --config FILE: one JSON object of options by name; cJSON reads it, options.c checks each value. */
#include "hooks/session_state.h"
#include "include/internal/file.h"
#include "include/internal/status.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#define MAX_CONFIG ((size_t)4 << 20)

/* A JSON value as the text that a flag would have. */
static glimpse_status value_text(const cJSON *v, const char *name, buffer *out) {
    if (cJSON_IsString(v)) buf_puts(out, v->valuestring);
    else if (cJSON_IsBool(v)) buf_puts(out, cJSON_IsTrue(v) ? "true" : "false");
    else if (cJSON_IsNumber(v)) {
        double x = v->valuedouble;
        if (fabs(x) >= 9007199254740992.0)
            FAIL(GLIMPSE_E_INVALID, "%s: a number of 2^53 and more is not exact in JSON\nhint: in quotes it is", name);
        if (x == floor(x)) buf_i64(out, (int64_t)x);
        else buf_g(out, x, 17);
    } else FAIL(GLIMPSE_E_INVALID, "\"%s\" wants a text, a number, true or false, or a list of these", name);
    if (buf_failed(out)) FAIL(GLIMPSE_E_MEMORY, "no memory for option \"%s\"", name);
    return GLIMPSE_OK;
}

static glimpse_status set_one(options *o, const cJSON *e) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0};
    const char *name = e->string;
    int id = opt_find(name, strlen(name));
    if (id < 0) {
        const char *near = opt_nearest(name, strlen(name));
        if (near) FAIL(GLIMPSE_E_INVALID, "there is no option \"%s\"\nhint: did you mean %s?", name, near);
        FAIL(GLIMPSE_E_INVALID, "there is no option \"%s\"", name);
    }
    bool repeatable = opt_info_of((opt_id)id)->type == OPT_STRINGS;
    if (cJSON_IsArray(e)) {
        const cJSON *v;
        cJSON_ArrayForEach(v, e) {
            if (repeatable) buf_clear(&text);
            else if (text.n) buf_putc(&text, ',');
            TRY_GOTO(value_text(v, name, &text));
            if (repeatable) TRY_GOTO(options_set(o, (opt_id)id, buf_str(&text), OPT_LEVEL_FILE));
        }
        if (repeatable) goto out;
    } else if (!cJSON_IsNull(e)) TRY_GOTO(value_text(e, name, &text));
    TRY_GOTO(options_set(o, (opt_id)id, cJSON_IsNull(e) ? NULL : buf_str(&text), OPT_LEVEL_FILE));
out:
    buf_free(&text);
    return st;
}

glimpse_status session_read_config(options *o, const char *path) {
    glimpse_status st = GLIMPSE_OK;
    buffer text = {0};
    cJSON *all = NULL;
    const cJSON *e;
    const char *end = NULL;
    TRY_GOTO(status_prefix(file_read_all(path, MAX_CONFIG, &text), "--config"));
    all = cJSON_ParseWithLengthOpts(buf_str(&text), text.n, &end, false);
    if (!all) {
        const char *at = cJSON_GetErrorPtr();
        size_t byte = at && at >= text.bytes && at <= text.bytes + text.n ? (size_t)(at - text.bytes) : 0;
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: no JSON, near byte %zu\nhint: one object: {\"temperature\": 0.7, \"top_k\": [1, 5]}",
                  path, byte);
    }
    size_t after = (size_t)(end - text.bytes);
    after += strspn(end, " \t\r\n");
    if (after < text.n) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: no JSON behind byte %zu, where the first value ends", path, after);
    if (!cJSON_IsObject(all)) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: a JSON object of options was expected", path);
    cJSON_ArrayForEach(e, all) {
        glimpse_status one = set_one(o, e);
        TRY_GOTO(status_prefix(one, path));
    }
out:
    cJSON_Delete(all);
    buf_free(&text);
    return st;
}
