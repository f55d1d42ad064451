/* custom_sampler.c -- a sampler of your own in the chain: it never lets the model say a token within `gap` tokens of the
 * last time it was said.
 *
 *   build/release/custom_sampler --max_sample_tokens 40 --samplers "top_k=40;no_echo;temperature=0.9"
 *
 * The state is one struct for each sequence: Glimpse clones it from the one that is given.  Without "no_echo" in
 * --samplers the sampler stands last.  As a module (`make custom_sampler.so`, compiled with -DAS_MODULE) any trainer's worker
 * and `glimpse` take it, with the gap as its argument:
 *
 *   build/release/glimpse --checkpoint out/demo --module build/release/custom_sampler.so:12
 *
 * Given by glimpse_add_sampler, as in main below, it needs the session in this process: --mode inline. */
#include <glimpse.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { V = 64, MOST = 32 };

typedef struct no_echo {
    int gap, n;
    int32_t last[MOST]; /* the tokens said last, a ring */
} no_echo;

static void accept(void *state, int32_t id, int prompt) {
    no_echo *s = state;
    (void)prompt; /* both count */
    s->last[s->n++ % MOST] = id;
}

static int apply(void *state, glimpse_candidates *c) {
    const no_echo *s = state;
    int dropped = 0;
    for (int i = 0; i < c->n; i++) {
        int32_t id = c->ids ? c->ids[i] : i;
        for (int k = s->n - 1; k >= 0 && k >= s->n - s->gap; k--) {
            if (s->last[k % MOST] != id) continue;
            if (++dropped == c->n) return 0; /* one must stay */
            c->logits[i] = -INFINITY;
            break;
        }
    }
    return 0;
}

static void reset(void *state) { ((no_echo *)state)->n = 0; }

static void *clone(const void *state) {
    no_echo *copy = malloc(sizeof *copy);
    if (copy) memcpy(copy, state, sizeof *copy);
    return copy;
}

static glimpse_sampler the_sampler(void) {
    glimpse_sampler sampler = GLIMPSE_SAMPLER_INIT;
    sampler.name = "no_echo";
    sampler.accept = accept;
    sampler.apply = apply;
    sampler.reset = reset;
    sampler.clone = clone;
    sampler.free = free;
    return sampler;
}

#ifdef AS_MODULE
static int open_module(glimpse_module_host *host, void **state) {
    glimpse_sampler sampler = the_sampler();
    no_echo *first = calloc(1, sizeof *first);
    if (!first) return host->refuse(host->to, "no memory");
    *state = first; /* freed by close_module, which is not called where open refuses */
    first->gap = *host->args ? atoi(host->args) : 8;
    if (first->gap >= 1 && first->gap <= MOST && host->add_sampler(host->to, &sampler, first) >= 0) return 0;
    free(first);
    return host->refuse(host->to, "the gap is from 1 to 32 tokens: --module custom_sampler.so:8");
}
const glimpse_module glimpse_module_v1 = {sizeof(glimpse_module), GLIMPSE_MODULE_VERSION, open_module, free};
#else

/* A model that would say the same token for ever. */
static int logits(void *user, int B, int T, const int *ids, const int *lengths, float *out) {
    (void)user;
    for (int b = 0; b < B; b++)
        for (int v = 0; v < V; v++) out[b * V + v] = v == ids[b * T + lengths[b] - 1] ? 6.0f : (float)(v % 7) * 0.3f;
    return 0;
}

int main(int argc, char **argv) {
    no_echo first = {.gap = 8};
    glimpse_sampler sampler = the_sampler();
    glimpse_config *cfg = glimpse_config_new();
    glimpse_set(cfg, "mode", "inline");
    glimpse_set(cfg, "flag_scope", "all");
    glimpse_parse_args(cfg, &argc, argv);
    glimpse_model model = GLIMPSE_MODEL_INIT;
    model.vocab_size = V;
    model.max_seq_len = 256;
    model.logits = logits;
    glimpse *g = glimpse_open(cfg, &model);
    if (glimpse_add_sampler(g, &sampler, &first) < 0) fprintf(stderr, "custom_sampler: %s\n", glimpse_error());

    int32_t prompt[] = {1};
    glimpse_request request = GLIMPSE_REQUEST_INIT;
    glimpse_record *record = NULL;
    request.ids = prompt;
    request.n_ids = 1;
    if (g && glimpse_generate(g, &request, &record) < 0) fprintf(stderr, "custom_sampler: %s\n", glimpse_error());
    for (int i = 0; record && i < record->n_samples; i++) {
        const glimpse_sample *sample = GLIMPSE_AT(record->samples, i);
        printf("%s:", sample->samplers);
        for (int k = 0; k < sample->n_tokens; k++) printf(" %d", GLIMPSE_AT(sample->tokens, k)->id);
        printf("\n");
    }
    glimpse_record_free(record);
    glimpse_close(g);
    glimpse_config_free(cfg);
    return 0;
}
#endif
