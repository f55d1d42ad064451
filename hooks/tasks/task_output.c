/* task_output.c -- see task_output.h. */
#include "hooks/tasks/task_output.h"

#include "include/internal/status.h"
#include <math.h>
#include <string.h>

static bool is_perplexity(int metric) { return metric >= METRIC_PERPLEXITY; }

/* --- a sample ------------------------------------------------------------------------------------------------------- */

/* The document as the harness hashes and logs it. */
static void put_doc(const task_result *r, int32_t i, int indent, buffer *out) {
    const task_sample *x = &r->samples[i];
    if (!r->lines.n) {
        buf_printf(out, indent ? "{\n  \"index\": %d\n}" : "{\"index\": %d}", i);
        return;
    }
    json_dump(r->lines.lines[i].tree.nodes, indent, out);
    if (!r->kind.added || !out->n) return;
    size_t tail = indent ? 2 : 1; /* "\n}" or "}" */
    out->n -= tail;
    r->kind.added(&x->doc, indent, out);
    buf_puts(out, indent ? "\n}" : "}");
}

static text target_of(const task_result *r, const task_sample *x, buffer *room) {
    if (x->doc.target.s) return x->doc.target;
    buf_clear(room);
    buf_i64(room, x->doc.gold);
    (void)r;
    return (text){ buf_str(room), room->n };
}

static void hashes(const task_result *r, int32_t i, buffer *room, char doc[SHA256_HEX], char prompt[SHA256_HEX],
                   char target[SHA256_HEX]) {
    const task_sample *x = &r->samples[i];
    buf_clear(room);
    put_doc(r, i, 2, room);
    sha256_hex(buf_str(room), room->n, doc);
    text first = x->contexts ? x->contexts[0] : (text){ "", 0 };
    sha256_hex(first.s, first.n, prompt);
    text t = target_of(r, x, room);
    sha256_hex(t.s, t.n, target);
}

static void put_answer(const task_sample *x, int32_t c, bool rolling, buffer *out) {
    buf_puts(out, rolling ? "\"" : "[\"");
    py_float(x->answers[c].logprob, out);
    if (!rolling) buf_printf(out, "\", \"%s\"]", x->answers[c].greedy ? "True" : "False");
    else buf_putc(out, '"');
}

static void put_sample(const task_result *r, int32_t i, buffer *room, buffer *out) {
    const task_sample *x = &r->samples[i];
    bool rolling = r->kind.output == TASK_ROLLING;
    char doc[SHA256_HEX], prompt[SHA256_HEX], target[SHA256_HEX];
    hashes(r, i, room, doc, prompt, target);
    buf_printf(out, "{\"doc_id\": %d, \"doc\": ", i);
    put_doc(r, i, 0, out);
    buf_puts(out, ", \"target\": ");
    py_json_string(target_of(r, x, room), out);
    buf_puts(out, ", \"arguments\": {");
    for (int32_t c = 0; x->contexts && c < x->n_requests; c++) {
        buf_printf(out, "%s\"gen_args_%d\": {\"arg_0\": ", c ? ", " : "", c);
        py_json_string(x->contexts[c], out);
        if (!rolling) {
            buf_puts(out, ", \"arg_1\": ");
            py_json_string(x->continuations[c], out);
        }
        buf_putc(out, '}');
    }
    for (int filtered = 0; filtered < 2; filtered++) {
        buf_puts(out, filtered ? "], \"filtered_resps\": [" : "}, \"resps\": [");
        for (int32_t c = 0; c < x->n_requests; c++) {
            buf_puts(out, c ? ", " : "");
            if (!filtered) buf_putc(out, '[');
            put_answer(x, c, rolling, out);
            if (!filtered) buf_putc(out, ']');
        }
    }
    buf_puts(out, "], \"filter\": \"none\", \"metrics\": [");
    static const int order[] = { METRIC_PERPLEXITY, METRIC_ACC, METRIC_ACC_NORM, METRIC_ACC_BYTES, METRIC_WORD_PERPLEXITY,
                                 METRIC_BYTE_PERPLEXITY, METRIC_BITS_PER_BYTE }; /* of process_results */
    bool first = true;
    for (int b = 0; b < METRICS; b++)
        if (r->kind.metrics & order[b]) {
            buf_printf(out, "%s\"%s\"", first ? "" : ", ", task_metric_name(order[b]));
            first = false;
        }
    buf_printf(out, "], \"doc_hash\": \"%s\", \"prompt_hash\": \"%s\", \"target_hash\": \"%s\"", doc, prompt, target);
    for (int b = 0; b < METRICS; b++) {
        if (!(r->kind.metrics & order[b])) continue;
        buf_printf(out, ", \"%s\": ", task_metric_name(order[b]));
        if (rolling) {
            buf_putc(out, '[');
            py_float(x->answers[0].logprob, out);
            buf_printf(out, ", %.0f]", order[b] == METRIC_WORD_PERPLEXITY ? x->words : x->bytes);
        } else if (r->kind.output == TASK_LOGLIKELIHOOD && order[b] == METRIC_ACC) buf_printf(out, "%.0f", x->metric[0]);
        else py_float(x->metric[__builtin_ctz((unsigned)order[b])], out);
    }
    buf_puts(out, "}\n");
}

glimpse_status task_write_samples(const task_result *r, buffer *out) {
    buffer room = {0};
    for (int32_t i = 0; i < r->n; i++) put_sample(r, i, &room, out);
    bool failed = room.failed || buf_failed(out);
    buf_free(&room);
    if (failed) FAIL(GLIMPSE_E_MEMORY, "no memory for the samples of %s", r->kind.name);
    return GLIMPSE_OK;
}

/* --- results --------------------------------------------------------------------------------------------------------- */

static void string(const char *s, buffer *out) {
    if (!s) buf_puts(out, "null");
    else py_json_string((text){ s, strlen(s) }, out);
}

static const char *output_type(task_output o) {
    return o == TASK_CHOICE ? "multiple_choice" : o == TASK_LOGLIKELIHOOD ? "loglikelihood" : "loglikelihood_rolling";
}

static void put_results(const task_result *r, int n, buffer *out) {
    buf_puts(out, "{\n  \"results\": {");
    for (int i = 0; i < n; i++) {
        buf_printf(out, "%s\n    \"%s\": {\n      \"name\": \"%s\",\n      \"alias\": \"%s\",\n      \"sample_len\": %d", i ? "," : "",
                   r[i].kind.name, r[i].kind.name, r[i].kind.name, r[i].n);
        for (int m = 0; m < r[i].n_metrics; m++) {
            const task_metric *x = &r[i].metrics[m];
            buf_printf(out, ",\n      \"%s,none\": ", task_metric_name(x->metric));
            py_float(x->value, out);
            buf_printf(out, ",\n      \"%s_stderr,none\": ", task_metric_name(x->metric));
            if (isnan(x->stderr_)) buf_puts(out, "\"N/A\"");
            else py_float(x->stderr_, out);
        }
        buf_puts(out, "\n    }");
    }
    buf_puts(out, "\n  },\n  \"group_subtasks\": {");
    for (int i = 0; i < n; i++) buf_printf(out, "%s\n    \"%s\": []", i ? "," : "", r[i].kind.name);
    buf_puts(out, "\n  },\n  \"configs\": {");
}

static void put_config(const task_result *r, const task_facts *f, buffer *room, buffer *out) {
    const task_kind *k = &r->kind;
    char doc[SHA256_HEX], prompt[SHA256_HEX], target[SHA256_HEX];
    hashes(r, 0, room, doc, prompt, target);
    buf_printf(out, "\n    \"%s\": {\n      \"task\": \"%s\",\n      \"output_type\": \"%s\",\n      \"num_fewshot\": %d,\n"
               "      \"description\": ", k->name, k->name, output_type(k->output), r->num_fewshot);
    py_json_string(k->description, out);
    buf_puts(out, ",\n      \"target_delimiter\": ");
    py_json_string(k->target_delimiter, out);
    buf_puts(out, ",\n      \"fewshot_delimiter\": ");
    py_json_string(k->fewshot_delimiter, out);
    buf_puts(out, ",\n      \"metadata\": {\n        \"version\": ");
    py_float(k->version, out);
    buf_puts(out, ",\n        \"variant\": ");
    string(k->variant, out);
    buf_puts(out, ",\n        \"data_file\": ");
    string(r->file, out);
    buf_printf(out, ",\n        \"data_sha256\": \"%s\",\n        \"first_prompt_sha256\": \"%s\",\n        \"prefix_token_id\": %d,\n"
               "        \"fewshot_seed\": %d\n      }\n    }", r->sha256, prompt, f->prefix_id, r->seed);
}

static void task_hash(const task_result *r, buffer *room, char out[SHA256_HEX]) {
    buffer all = {0};
    char h[3][SHA256_HEX];
    for (int32_t i = 0; i < r->n; i++) {
        hashes(r, i, room, h[0], h[1], h[2]);
        for (int k = 0; k < 3; k++) buf_put(&all, h[k], SHA256_HEX - 1);
    }
    sha256_hex(buf_str(&all), all.n, out);
    room->failed |= all.failed;
    buf_free(&all);
}

static void put_token(text t, int32_t id, buffer *out) {
    buf_puts(out, "[\n    ");
    py_json_string(id >= 0 ? t : TEXT("None"), out);
    if (id >= 0) buf_printf(out, ",\n    \"%d\"\n  ]", id);
    else buf_puts(out, ",\n    \"None\"\n  ]");
}

static void sanitize(const char *name, buffer *out) { /* evaluation_tracker: "/" -> "__" */
    for (const char *s = name ? name : ""; *s; s++) buf_puts(out, *s == '/' ? "__" : (char[]){ *s, 0 });
}

glimpse_status task_write_results(const task_result *r, int n, const task_facts *f, buffer *out) {
    buffer room = {0};
    put_results(r, n, out);
    for (int i = 0; i < n; i++) {
        if (i) buf_putc(out, ',');
        put_config(&r[i], f, &room, out);
    }
    buf_puts(out, "\n  },\n  \"versions\": {");
    for (int i = 0; i < n; i++) {
        buf_printf(out, "%s\n    \"%s\": ", i ? "," : "", r[i].kind.name);
        py_float(r[i].kind.version, out);
    }
    buf_puts(out, "\n  },\n  \"n-shot\": {");
    for (int i = 0; i < n; i++) buf_printf(out, "%s\n    \"%s\": %d", i ? "," : "", r[i].kind.name, r[i].num_fewshot);
    buf_puts(out, "\n  },\n  \"higher_is_better\": {");
    for (int i = 0; i < n; i++) {
        buf_printf(out, "%s\n    \"%s\": {", i ? "," : "", r[i].kind.name);
        for (int m = 0; m < r[i].n_metrics; m++)
            buf_printf(out, "%s\n      \"%s\": %s", m ? "," : "", task_metric_name(r[i].metrics[m].metric),
                       is_perplexity(r[i].metrics[m].metric) ? "false" : "true");
        buf_puts(out, "\n    }");
    }
    buf_puts(out, "\n  },\n  \"n-samples\": {");
    for (int i = 0; i < n; i++)
        buf_printf(out, "%s\n    \"%s\": {\n      \"original\": %d,\n      \"effective\": %d\n    }", i ? "," : "", r[i].kind.name,
                   r[i].n_all, r[i].n);
    buf_puts(out, "\n  },\n  \"config\": {\n    \"model\": \"glimpse\",\n    \"model_args\": ");
    buffer args = {0};
    buf_printf(&args, "checkpoint=%s,tokenizer=%s", f->model ? f->model : "", f->tokenizer ? f->tokenizer : "");
    string(buf_str(&args), out);
    buf_free(&args);
    buf_printf(out, ",\n    \"model_num_parameters\": %lld,\n    \"model_dtype\": ", (long long)f->n_params);
    string(f->dtype, out);
    buf_puts(out, ",\n    \"model_revision\": null,\n    \"model_sha\": null,\n    \"batch_size\": ");
    if (f->batch_size > 0) buf_printf(out, "%d", f->batch_size);
    else buf_puts(out, "\"auto\"");
    buf_puts(out, ",\n    \"batch_sizes\": [],\n    \"device\": ");
    string(f->device, out);
    buf_puts(out, ",\n    \"use_cache\": null,\n    \"limit\": ");
    if (f->limit > 0) buf_printf(out, "%lld.0", (long long)f->limit);
    else buf_puts(out, "null");
    buf_printf(out, ",\n    \"bootstrap_iters\": %d,\n    \"gen_kwargs\": {},\n    \"random_seed\": 0,\n    \"numpy_seed\": 1234,\n"
               "    \"torch_seed\": 1234,\n    \"fewshot_seed\": %d\n  },\n  \"git_hash\": null,\n  \"date\": ", f->bootstrap,
               n ? r[0].seed : 1234);
    py_float(f->started, out);
    buf_puts(out, ",\n  \"pretty_env_info\": ");
    string("glimpse " GLIMPSE_VERSION_STRING, out);
    buf_puts(out, ",\n  \"transformers_version\": null,\n  \"lm_eval_version\": null,\n  \"upper_git_hash\": null,\n"
             "  \"tokenizer_pad_token\": [\n    \"None\",\n    \"None\"\n  ],\n  \"tokenizer_eos_token\": ");
    put_token(f->eos_text, f->eos, out);
    buf_puts(out, ",\n  \"tokenizer_bos_token\": ");
    put_token(f->bos_text, f->bos, out);
    buf_printf(out, ",\n  \"eot_token_id\": %d,\n  \"max_length\": %d,\n  \"task_hashes\": {", f->eos, f->max_length);
    for (int i = 0; i < n; i++) {
        char hash[SHA256_HEX];
        task_hash(&r[i], &room, hash);
        buf_printf(out, "%s\n    \"%s\": \"%s\"", i ? "," : "", r[i].kind.name, hash);
    }
    buf_puts(out, "\n  },\n  \"model_source\": \"glimpse\",\n  \"model_name\": ");
    string(f->model ? f->model : "", out);
    buf_puts(out, ",\n  \"model_name_sanitized\": ");
    buffer clean = {0};
    sanitize(f->model, &clean);
    string(buf_str(&clean), out);
    buf_free(&clean);
    buf_puts(out, ",\n  \"system_instruction\": null,\n  \"system_instruction_sha\": null,\n  \"fewshot_as_multiturn\": false,\n"
             "  \"chat_template\": null,\n  \"chat_template_sha\": null,\n  \"total_evaluation_time_seconds\": \"");
    py_float(f->seconds, out);
    buf_puts(out, "\"\n}\n");
    bool failed = room.failed || buf_failed(out);
    buf_free(&room);
    if (failed) FAIL(GLIMPSE_E_MEMORY, "no memory for the results");
    return GLIMPSE_OK;
}

/* --- the table --------------------------------------------------------------------------------------------------------- */

glimpse_status task_write_table(const task_result *r, int n, buffer *out) {
    buf_puts(out, "|     Tasks      |Version|Filter|n-shot|     Metric    |   |  Value  |   |Stderr|  documents  |chance|  z  |\n"
                  "|----------------|------:|------|-----:|---------------|---|--------:|---|------|------------:|-----:|----:|\n");
    for (int i = 0; i < n; i++)
        for (int m = 0; m < r[i].n_metrics; m++) {
            const task_metric *x = &r[i].metrics[m];
            char se[24] = "   N/A", chance[24] = "   -", z[24] = "  -", of[40];
            if (isfinite(x->stderr_)) c_snprintf(se, sizeof se, "%6.4f", x->stderr_);
            if (isfinite(x->chance)) c_snprintf(chance, sizeof chance, "%.4f", x->chance);
            if (isfinite(x->chance) && x->stderr_ > 0) c_snprintf(z, sizeof z, "%+.1f", (x->value - x->chance) / x->stderr_);
            if (r[i].n < r[i].n_all) c_snprintf(of, sizeof of, "first %d/%d", r[i].n, r[i].n_all);
            else c_snprintf(of, sizeof of, "%d", r[i].n);
            buf_printf(out, "|%-16s|%7.4g|none  |%6d|%-15s|%s|%9.4f|\xC2\xB1  |%s|%13s|%6s|%5s|\n", m ? "" : r[i].kind.name,
                       r[i].kind.version, r[i].num_fewshot, task_metric_name(x->metric),
                       is_perplexity(x->metric) ? "\xE2\x86\x93  " : "\xE2\x86\x91  ", x->value, se, of, chance, z);
        }
    for (int i = 0; i < n; i++) buf_printf(out, "%s: rules of %s, %s\n", r[i].kind.name, r[i].kind.variant, r[i].file);
    if (buf_failed(out)) FAIL(GLIMPSE_E_MEMORY, "no memory for a table");
    return GLIMPSE_OK;
}
