/* custom_model.c -- any model that is a function from ids to logits, sampled through the same API: ids in, ids out.
 *
 *   build/release/custom_model --max_sample_tokens 12 --temperature 0.7 --top_k 5
 *
 * The model here is a table of what follows what; yours may be anything that fills `out`: a network in another library, a
 * remote process, an n-gram.  All it must say is its vocabulary, its longest text and the id that ends a text.  It runs in
 * this process (--mode inline). */
#include <glimpse.h>

#include <stdio.h>
#include <stdlib.h>

enum { V = 16, EOS = 0, LONGEST = 64 };

/* The logits that follow the last id of each row: ids (B, T), lengths (B), out (B, V).  0 = done. */
static int logits(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    const float *table = user; /* (V, V) */
    for (int b = 0; b < B; b++) {
        int last = ids[b * T + lengths[b] - 1];
        for (int v = 0; v < V; v++) out[b * V + v] = table[last * V + v] + (v == EOS ? 0.05f * (float)lengths[b] : 0);
    }
    return 0;
}

int main(int argc, char **argv) {
    static float table[V * V];
    for (int i = 0; i < V * V; i++) table[i] = (float)(i * 7 % V == (i / V + 1) % V ? 3 : i * 5 % 7 == 0) - 1;

    glimpse_config *cfg = glimpse_config_new();
    glimpse_set(cfg, "flag_scope", "all");
    glimpse_set(cfg, "mode", "inline");
    glimpse_set(cfg, "out_dir", "out/custom_model");
    glimpse_set(cfg, "max_sample_tokens", "20");
    if (glimpse_parse_args(cfg, &argc, argv) < 0) {
        fprintf(stderr, "%s\n", glimpse_error());
        return 2;
    }
    glimpse_model model = GLIMPSE_MODEL_INIT;
    model.name = "table";
    model.vocab_size = V, model.max_seq_len = LONGEST, model.eos = EOS;
    model.logits = logits, model.logits_user = table;

    glimpse *g = glimpse_open(cfg, &model);
    glimpse_request request = GLIMPSE_REQUEST_INIT;
    const int32_t prompt[] = {3, 4};
    request.ids = prompt, request.n_ids = 2;
    glimpse_record *record = NULL;
    int code = !g || glimpse_generate(g, &request, &record) < 0;
    if (code) fprintf(stderr, "%s\n", glimpse_error());
    for (int i = 0; !code && i < record->n_samples; i++) {
        const glimpse_sample *s = GLIMPSE_AT(record->samples, i);
        for (int k = 0; k < s->n_tokens; k++) printf("%d ", (int)GLIMPSE_AT(s->tokens, k)->id);
        printf("%s\n", s->stop == GLIMPSE_STOP_EOS ? "(the model ended it)" : "");
    }
    glimpse_record_free(record);
    glimpse_close(g);
    glimpse_model_free(&model);
    glimpse_config_free(cfg);
    return code;
}
