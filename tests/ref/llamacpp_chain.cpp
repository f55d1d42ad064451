/* llamacpp_chain.cpp -- writes tests/ref/llamacpp_rows.h: what llama.cpp's own sampler chain keeps of a row, and with which
 * probabilities.  Its samplers are linked as they are; what they refer to besides (grammars, graphs) is never called.
 *
 *     pip download --no-deps --no-binary :all: llama-cpp-python && tar xf llama_cpp_python-*.tar.gz && cd llama_cpp_python-*
 *     cd vendor/llama.cpp && g++ -O1 -std=c++17 -Iinclude -Isrc -Iggml/include -DVERSION='"llama-cpp-python 0.3.36"' \
 *         -static -no-pie -Wl,--unresolved-symbols=ignore-all src/llama-sampler.cpp GLIMPSE/tests/ref/llamacpp_chain.cpp && ./a.out > rows.h
 *
 * Rows, prompts, outputs and flags as in preset_reference.py: logit v of row r is ((mix(r << 32 | v) >> 48) - 32768) / 4096,
 * the prompt 3 r .. + 5, the output 7 r .. + 3 and 7 r again, all modulo 40.  The order and the defaults are those of
 * common/sampling.cpp. */
#include "llama-impl.h"
#include "llama-sampler.h"
#include "llama-vocab.h"
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

/* What its samplers refer to elsewhere: a vocabulary, empty here, and a clock that is off. */
struct llama_vocab::impl {};
llama_vocab::llama_vocab() {}
llama_vocab::~llama_vocab() {}
uint32_t llama_vocab::n_tokens() const { return 0; }
void llama_log_internal(ggml_log_level, const char *, ...) {}
time_meas::time_meas(int64_t &t, bool) : t_start_us(0), t_acc(t) {}
time_meas::~time_meas() {}

enum { V = 40, ROWS = 160 };

static uint64_t mix(uint64_t z) {
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

typedef std::map<std::string, double> settings;
static double of(const settings &s, const char *name, double otherwise) {
    auto at = s.find(name);
    return at == s.end() ? otherwise : at->second;
}

static llama_sampler *chain_of(const settings &s) {
    llama_sampler_chain_params p;
    p.no_perf = true;
    llama_sampler *c = llama_sampler_chain_init(p);
    auto add = [&](llama_sampler *x) { llama_sampler_chain_add(c, x); };
    auto heat = [&] {
        add(llama_sampler_init_temp_ext((float)of(s, "temperature", 0.8), (float)of(s, "dynatemp_range", 0),
                                        (float)of(s, "dynatemp_exponent", 1)));
    };
    llama_logit_bias bias[2] = {{3, (float)of(s, "bias", 0)}, {8, -(float)of(s, "bias", 0)}};
    if (s.count("bias")) add(llama_sampler_init_logit_bias(V, 2, bias));
    int mirostat = (int)of(s, "mirostat", 0);
    if (mirostat) {
        heat();
        float tau = (float)of(s, "mirostat_tau", 5);
        add(mirostat == 1 ? llama_sampler_init_mirostat(V, 1, tau, 0.1f, 100) : llama_sampler_init_mirostat_v2(1, tau, 0.1f));
        return c;
    }
    add(llama_sampler_init_penalties(V, 64, (float)of(s, "repetition_penalty", 1), (float)of(s, "frequency_penalty", 0),
                                     (float)of(s, "presence_penalty", 0)));
    if (s.count("dry_multiplier"))
        add(llama_sampler_init_dry_testing((float)s.at("dry_multiplier"), 1.75f, (int)of(s, "dry_allowed_length", 2), 64, {}));
    add(llama_sampler_init_top_n_sigma((float)of(s, "top_n_sigma", -1)));
    add(llama_sampler_init_top_k((int)of(s, "top_k", 40)));
    add(llama_sampler_init_typical((float)of(s, "typical_p", 1), 0));
    add(llama_sampler_init_top_p((float)of(s, "top_p", 0.95), 0));
    add(llama_sampler_init_min_p((float)of(s, "min_p", 0.05), 0));
    add(llama_sampler_init_xtc((float)of(s, "xtc_probability", 0), (float)of(s, "xtc_threshold", 0.1), 0, 1));
    heat();
    if (s.count("adaptive_p")) add(llama_sampler_init_adaptive_p((float)s.at("adaptive_p"), 0.9f, 1));
    else add(llama_sampler_init_dist(1));
    return c;
}

static void put(const settings &s, uint64_t r) {
    llama_token_data data[V];
    for (uint64_t v = 0; v < V; v++)
        data[v] = {(llama_token)v, (float)((double)((int64_t)(mix(r << 32 | v) >> 48) - 32768) / 4096), 0};
    llama_token_data_array row = {data, V, -1, false};
    llama_sampler *c = chain_of(s);
    for (uint64_t k = 0; k < 6; k++) llama_sampler_accept(c, (llama_token)((3 * r + k) % V));
    for (uint64_t k = 0; k < 5; k++) llama_sampler_accept(c, (llama_token)((7 * r + k % 4) % V));
    llama_sampler_apply(c, &row);
    double p[V] = {0}, max = -INFINITY, sum = 0;
    unsigned long long kept = 0;
    for (size_t i = 0; i < row.size; i++) max = row.data[i].logit > max ? row.data[i].logit : max;
    for (size_t i = 0; i < row.size; i++) {
        if (!(row.data[i].logit > -INFINITY)) continue;
        kept |= 1ull << row.data[i].id;
        sum += p[row.data[i].id] = exp((double)row.data[i].logit - max);
    }
    std::string flags;
    for (const auto &f : s) {
        char text[64];
        if (f.first == "bias") snprintf(text, sizeof text, "logit_bias=3:%g logit_bias=8:%g", f.second, -f.second);
        else snprintf(text, sizeof text, "%s=%g", f.first.c_str(), f.second);
        flags += flags.empty() ? text : std::string(" ") + text;
    }
    printf("    {\"llamacpp\", \"%s\", %d, 0x%llxull,\n     {", flags.c_str(), (int)r, kept);
    int n = 0;
    for (int v = 0; v < V; v++)
        if (kept >> v & 1) printf("%s%.9g", n == 0 ? "" : n % 10 ? ", " : ",\n      ", p[v] / sum), n++;
    printf("}},\n");
    llama_sampler_free(c);
}

int main(void) {
    struct { const char *name; double least, most; bool whole; } draws[] = {
        {"temperature", 0.4, 2, false}, {"top_k", 2, 30, true}, {"top_p", 0.3, 0.99, false}, {"min_p", 0.01, 0.4, false},
        {"typical_p", 0.3, 0.95, false}, {"top_n_sigma", 0.5, 2.5, false}, {"repetition_penalty", 1.05, 2, false},
        {"frequency_penalty", -1, 1.5, false}, {"presence_penalty", -1, 1.5, false}, {"xtc_threshold", 0.03, 0.3, false},
        {"dry_multiplier", 0.3, 3, false}, {"dynatemp_range", 0.1, 0.7, false}, {"adaptive_p", 0.05, 0.6, false},
        {"bias", -2, 2, false}, {"mirostat_tau", 0.3, 4, false}};
    enum { N = sizeof draws / sizeof *draws };
    std::mt19937 rng(5);
    auto u = [&] { return rng() / 4294967296.0; };
    printf("/* llamacpp_rows.h -- written by tests/ref/llamacpp_chain.cpp with %s; not to be edited.  As preset_rows.h. */\n"
           "static const ref_preset_row ref_llamacpp_rows[] = {\n", VERSION);
    for (int r = 0; r < ROWS; r++) {
        settings s;
        for (int k = 0; k < r % 7; k++) {
            auto &d = draws[rng() % N];
            double v = d.least + u() * (d.most - d.least);
            s[d.name] = d.whole ? std::floor(v) : std::round(v * 1000) / 1000;
        }
        if (s.count("mirostat_tau") && s.size() > 3) s.erase("mirostat_tau");
        if (s.count("mirostat_tau")) { /* no other filter runs beside it, and asking for one is refused */
            settings m = {{"mirostat", 1.0 + r % 2}, {"mirostat_tau", s["mirostat_tau"]}};
            if (s.count("temperature")) m["temperature"] = s["temperature"];
            if (s.count("bias")) m["bias"] = s["bias"];
            s = m;
        }
        if (s.count("typical_p")) s.erase("top_n_sigma"); /* its typical takes 0 ln 0 of what was masked, NaN, for the entropy */
        if (s.count("xtc_threshold")) s["xtc_probability"] = 1;
        if (s.count("dry_multiplier")) s["dry_allowed_length"] = 1; /* the output ends with what it began with */
        put(s, (uint64_t)r);
    }
    printf("};\n");
    return 0;
}
