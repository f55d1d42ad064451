/* test_trainer.c -- the training example's parts against independent definitions, and the program itself: repeats, resume,
 * file formats, full disk.  The oracle is GPT-2's loss written once more, in double, one position at a time, and its
 * finite differences. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "examples/train_gpt/adamw.h"
#include "examples/train_gpt/corpus.h"
#include "examples/train_gpt/gpt.h"
#include "examples/train_gpt/rng64.h"
#include "examples/train_gpt/stories.h"
#include "tests/test.h"

enum { B = 3, T = 70, C = 12, V = 11, MAX_FFN = 4 * C }; /* T beyond one block of 64 queries, three sequences on two threads */

static void expect(int ok, const char *what, double got, double wanted) {
    test_check(ok, __FILE__, 0, "%s: got %.9g, wanted %.9g", what, got, wanted);
}

/* --- the oracle --- */

static void norm(double *out, const double *x, const double *w, const double *b) {
    double mean = 0, var = 0;
    for (int c = 0; c < C; c++) mean += x[c] / C;
    for (int c = 0; c < C; c++) var += (x[c] - mean) * (x[c] - mean) / C;
    for (int c = 0; c < C; c++) out[c] = (x[c] - mean) / sqrt(var + 1e-5) * w[c] + b[c];
}

static void linear(double *out, const double *x, const double *w, const double *b, int in, int n) {
    for (int o = 0; o < n; o++) {
        out[o] = b ? b[o] : 0;
        for (int i = 0; i < in; i++) out[o] += x[i] * w[o * in + i];
    }
}

/* The mean loss with the parameters p (n), laid out as gpt.h says. */
static double oracle_loss(const gpt *m, const double *p, const int32_t *ids, const int32_t *targets) {
    const double *t[GPT_TENSORS];
    for (int i = 0; i < GPT_TENSORS; i++) t[i] = p, p += m->sizes[i];
    int L = m->config.n_layers, NH = m->config.n_heads, hs = C / NH;
    double sum = 0;
    static double x[T][C], qkv[T][3 * C];
    for (int b = 0; b < B; b++) {
        for (int s = 0; s < T; s++)
            for (int c = 0; c < C; c++) x[s][c] = t[0][ids[b * T + s] * C + c] + t[1][s * C + c];
        for (int l = 0; l < L; l++) {
            double n[C], y[C], o[C], f[MAX_FFN];
            for (int s = 0; s < T; s++) {
                norm(n, x[s], t[2] + l * C, t[3] + l * C);
                linear(qkv[s], n, t[4] + l * 3 * C * C, t[5] + l * 3 * C, C, 3 * C);
            }
            for (int s = 0; s < T; s++) {
                for (int h = 0; h < NH; h++) {
                    double weight[T], total = 0;
                    for (int k = 0; k <= s; k++) {
                        double dot = 0;
                        for (int i = h * hs; i < (h + 1) * hs; i++) dot += qkv[s][i] * qkv[k][C + i];
                        total += weight[k] = exp(dot / sqrt(hs));
                    }
                    for (int i = h * hs; i < (h + 1) * hs; i++) {
                        y[i] = 0;
                        for (int k = 0; k <= s; k++) y[i] += weight[k] / total * qkv[k][2 * C + i];
                    }
                }
                linear(o, y, t[6] + l * C * C, t[7] + l * C, C, C);
                for (int c = 0; c < C; c++) x[s][c] += o[c];
                norm(n, x[s], t[8] + l * C, t[9] + l * C);
                linear(f, n, t[10] + l * 4 * C * C, t[11] + l * 4 * C, C, 4 * C);
                for (int i = 0; i < 4 * C; i++) f[i] = 0.5 * f[i] * (1 + tanh(sqrt(2 / 3.141592653589793) * (f[i] + 0.044715 * f[i] * f[i] * f[i])));
                linear(o, f, t[12] + l * 4 * C * C, t[13] + l * C, 4 * C, C);
                for (int c = 0; c < C; c++) x[s][c] += o[c];
            }
        }
        for (int s = 0; s < T; s++) {
            double n[C], logits[V], total = 0;
            norm(n, x[s], t[14], t[15]);
            linear(logits, n, t[0], NULL, C, V);
            for (int v = 0; v < V; v++) total += exp(logits[v]);
            sum += log(total) - logits[targets[b * T + s]];
        }
    }
    return sum / (B * T);
}

static int32_t ids[B * T], targets[B * T];

/* A model with large, random weights everywhere, biases and norms included, so that no term is near zero by design. */
static void make(gpt *m, int threads) {
    gpt_config c = {.max_seq_len = T + 5, .vocab_size = V, .n_layers = 2, .n_heads = 3, .channels = C, .padded_vocab = 16};
    uint64_t rng = rng64_seed(7, 0);
    EXPECT(gpt_create(m, c) == 0 && gpt_prepare(m, B, T, threads) == 0);
    gpt_init_weights(m, &rng);
    for (size_t i = 0; i < m->n_params; i++) m->params_memory[i] += (float)(0.2 * rng64_normal(&rng));
    for (int i = 0; i < B * T; i++) {
        ids[i] = (int32_t)rng64_below(&rng, V);
        targets[i] = (int32_t)rng64_below(&rng, V);
    }
}

/* Every eleventh parameter, thus some of each tensor, by central differences of the oracle. */
TEST_LIMIT(trainer_gradients, 120) {
    gpt m;
    make(&m, 2);
    double loss = gpt_loss_and_grads(&m, ids, targets, B, T), *p = malloc(m.n_params * sizeof *p), eps = 1e-5;
    for (size_t i = 0; i < m.n_params; i++) p[i] = (double)m.params_memory[i];
    double want = oracle_loss(&m, p, ids, targets);
    expect(fabs(loss - want) <= 1e-5, "loss", loss, want);
    expect(fabs(gpt_loss(&m, ids, targets, B, T) - loss) <= 1e-12, "loss without gradients", gpt_loss(&m, ids, targets, B, T), loss);
    size_t start = 0;
    gpt_loss_and_grads(&m, ids, targets, B, T);
    for (int t = 0; t < GPT_TENSORS; t++) {
        size_t stride = m.sizes[t] > 300 ? 37 : 5;
        for (size_t i = start; i < start + m.sizes[t]; i += stride) {
            double keep = p[i], up, down, grad = (double)m.grads_memory[i];
            p[i] = keep + eps;
            up = oracle_loss(&m, p, ids, targets);
            p[i] = keep - eps;
            down = oracle_loss(&m, p, ids, targets);
            p[i] = keep;
            char what[64];
            snprintf(what, sizeof what, "gradient of tensor %d, element %zu", t, i - start);
            double diff = (up - down) / (2 * eps);
            expect(fabs(grad - diff) <= 2e-6 + 1e-4 * fabs(diff), what, grad, diff);
        }
        start += m.sizes[t];
    }
    free(p);
    gpt_free(&m);
}

/* The same bits again; another number of threads: the same numbers within rounding. */
TEST_LIMIT(trainer_repeats, 120) {
    gpt a, b, c;
    make(&a, 2);
    make(&b, 2);
    make(&c, 1);
    double la = gpt_loss_and_grads(&a, ids, targets, B, T), lb = gpt_loss_and_grads(&b, ids, targets, B, T), lc = gpt_loss_and_grads(&c, ids, targets, B, T);
    expect(la == lb, "loss, second time", lb, la);
    expect(memcmp(a.grads_memory, b.grads_memory, a.n_params * sizeof(float)) == 0, "gradients, second time", 0, 0);
    expect(fabs(la - lc) <= 1e-6, "loss, one thread", lc, la);
    gpt_free(&a);
    gpt_free(&b);
    gpt_free(&c);
}

/* AdamW's first two steps by hand: two parameters of a matrix and a bias, the gradient clipped. */
TEST_LIMIT(trainer_adamw, 120) {
    gpt m;
    adamw opt;
    make(&m, 1);
    REQUIRE(adamw_create(&opt, m.n_params, 0.1f, 0.5f) == 0);
    size_t bias_at = m.sizes[0] + m.sizes[1] + m.sizes[2], at[2] = {3, bias_at + 1};
    double w[2], mo[2] = {0, 0}, ve[2] = {0, 0}, lr = 0.01;
    for (int i = 0; i < 2; i++) w[i] = (double)m.params_memory[at[i]];
    for (int step = 1; step <= 2; step++) {
        gpt_loss_and_grads(&m, ids, targets, B, T);
        double norm2 = 0;
        for (size_t i = 0; i < m.n_params; i++) norm2 += (double)m.grads_memory[i] * (double)m.grads_memory[i];
        double scale = sqrt(norm2) > 0.5 ? 0.5 / sqrt(norm2) : 1.0;
        double g[2] = {(double)m.grads_memory[at[0]] * scale, (double)m.grads_memory[at[1]] * scale};
        double got = adamw_step(&opt, &m, (float)lr, 2);
        expect(fabs(got - sqrt(norm2)) <= 1e-6 * got, "norm", got, sqrt(norm2));
        for (int i = 0; i < 2; i++) {
            mo[i] = 0.9 * mo[i] + 0.1 * g[i];
            ve[i] = 0.99 * ve[i] + 0.01 * g[i] * g[i];
            w[i] -= lr * (mo[i] / (1 - pow(0.9, step))) / (sqrt(ve[i] / (1 - pow(0.99, step))) + 1e-8) + (i == 0 ? lr * 0.1 * w[i] : 0);
            expect(fabs((double)m.params_memory[at[i]] - w[i]) <= 1e-5, i ? "bias" : "matrix", (double)m.params_memory[at[i]], w[i]);
        }
    }
    expect(adamw_learning_rate(1.0f, 0, 10, 0.0) == 0.1f, "warm-up", (double)adamw_learning_rate(1.0f, 0, 10, 0.0), 0.1);
    expect(fabs((double)adamw_learning_rate(1.0f, 50, 10, 1.0)) <= 0.11, "end", (double)adamw_learning_rate(1.0f, 50, 10, 1.0), 0.1);
    adamw_free(&opt);
    gpt_free(&m);
}

/* Ids of a text give the text back, character by character and byte by byte; what is no text is refused with a hint. */
TEST_LIMIT(trainer_corpus, 120) {
    const char *text = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80<|endoftext|>b\na\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\xC3\xA4\xC3\xA4\xC3\xA4<";
    char path[512], error[CORPUS_ERROR];
    snprintf(path, sizeof path, "%s/text", test_tmpdir());
    FILE *f = fopen(path, "wb");
    fputs(text, f);
    fclose(f);
    for (int mode = CORPUS_AUTO; mode <= CORPUS_BYTES; mode++) {
        corpus data;
        char back[256] = "";
        if (corpus_from_file(&data, path, (corpus_tokens)mode, error) < 0) {
            expect(0, error, mode, 0);
            continue;
        }
        expect(data.vocab_size == (mode == CORPUS_BYTES ? 257 : 8), "vocabulary", data.vocab_size, mode);
        for (size_t i = 0; i < data.n_train + data.n_val; i++) strncat(back, data.pieces[data.ids[i]], (size_t)data.piece_bytes[data.ids[i]]);
        expect(strcmp(text, back) == 0, "round trip", (double)strlen(back), (double)strlen(text));
        expect(corpus_check_context(&data, 30, error) < 0 && strstr(error, "--context") != NULL, "a text too short", 0, 0);
        corpus_free(&data);
    }
    f = fopen(path, "wb");
    fputs("ab\xFFzzzzzz", f);
    fclose(f);
    corpus data;
    expect(corpus_from_file(&data, path, CORPUS_CHARS, error) < 0 && strstr(error, "byte 2 ") != NULL, "not UTF-8", 0, 0);
    expect(corpus_from_file(&data, path, CORPUS_AUTO, error) == 0 && data.tokens == CORPUS_BYTES, "bytes instead", 0, 0);
    corpus_free(&data);
}

/* The demo's probes are texts of its own letters. */
TEST(trainer_probes_are_written_in_the_stories_letters) {
    corpus data;
    char path[512], error[CORPUS_ERROR];
    snprintf(path, sizeof path, "%s/examples/probes.txt", test_source_dir());
    REQUIRE(corpus_from_stories(&data, 1 << 16, 1337, CORPUS_AUTO, error) == 0);
    FILE *f = fopen(path, "rb");
    REQUIRE(f != NULL);
    int letters = 0;
    for (int c; (c = fgetc(f)) != EOF;) {
        bool known = c == '\t' || c == '\n'; /* of the format */
        for (int i = 0; i < data.vocab_size && !known; i++) known = data.piece_bytes[i] == 1 && data.pieces[i][0] == (char)c;
        test_check(known, __FILE__, __LINE__, "'%c' is a letter of the stories", c);
        letters++;
    }
    EXPECT(letters > 100);
    fclose(f);
    corpus_free(&data);
}

/* Stories: no brace, dollar or newline left over, all within bounds. Every word is in Hunspell's
 * American dictionary, where that program is. */
TEST_LIMIT(trainer_stories, 120) {
    char story[STORY_MAX];
    uint64_t rng = rng64_seed(3, 2);
    char path[512];
    snprintf(path, sizeof path, "%s/stories", test_tmpdir());
    FILE *words = fopen(path, "wb");
    for (int i = 0; i < 5000; i++) {
        size_t n = story_write(story, &rng);
        expect(n == strlen(story) && n > 90 && n < 286, "length, so that a story fits the default context", (double)n, 286);
        expect(strpbrk(story, "{|}$\n_") == NULL, story, 0, 0);
        if (words && i < 1000) fprintf(words, "%s\n", story);
    }
    if (words) fclose(words);
    char command[1024];
    snprintf(command, sizeof command, "command -v hunspell >/dev/null && hunspell -d en_US -l %s | grep -q . && exit 1; exit 0", path);
    EXPECT_EQ(system(command), 0);
}

/* --- the program --- */

/* Run the trainer in a directory of this test's own; its exit status, -1 if it was killed. */
static int run_trainer(const char *flags) {
    char command[2048];
    snprintf(command, sizeof command,
             "cd '%s' && '%s/train_gpt' --no_glimpse --threads 2 --layers 1 --channels 16 --heads 2 --context 32 --batch_size 3 "
             "--eval_batches 2 %s >stdout 2>stderr", test_tmpdir(), test_build_dir(), flags);
    int status = system(command);
    return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A file of the test's directory, whole; *n its size.  Returned: free.  NULL if it cannot be read. */
static char *slurp(const char *name, size_t *n) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", test_tmpdir(), name);
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *data = calloc(1, 1 << 20);
    *n = data ? fread(data, 1, (1 << 20) - 1, f) : 0;
    fclose(f);
    return data;
}

static void expect_same_file(const char *a, const char *b) {
    size_t na = 0, nb = 0;
    char *da = slurp(a, &na), *db = slurp(b, &nb);
    test_check(da && db && na > 0 && na == nb && memcmp(da, db, na) == 0, __FILE__, __LINE__, "%s and %s differ", a, b);
    free(da);
    free(db);
}

static double field(const char *log, int line, int column) {
    for (; line > 0 && log; line--) log = (log = strchr(log, '\n')) ? log + 1 : NULL;
    for (; column > 0 && log; column--) log = (log = strchr(log, ' ')) ? log + 1 : NULL;
    return log && *log ? strtod(log, NULL) : NAN;
}

/* Twice the same run, then the same run in two pieces: every byte of the losses, the weights and the moments is the same. */
TEST_LIMIT(trainer_resumes_bit_by_bit, 120) {
    size_t n = 0;
    REQUIRE(run_trainer("--out a --steps 40 --eval_interval 10 --warmup 5 --loss_log a.log") == 0);
    REQUIRE(run_trainer("--out b --steps 40 --eval_interval 10 --warmup 5 --loss_log b.log --checkpoint_interval 25") == 0);
    expect_same_file("a.log", "b.log");
    expect_same_file("a/model_00000040.bin", "b/model_00000040.bin");
    char remove_last[1024];
    snprintf(remove_last, sizeof remove_last, "cd '%s' && rm b/*40.bin && head -3 b.log >c.log", test_tmpdir());
    REQUIRE(system(remove_last) == 0);
    REQUIRE(run_trainer("--out b --steps 40 --eval_interval 10 --warmup 5 --loss_log c.log --resume") == 0);
    expect_same_file("a.log", "c.log");
    expect_same_file("a/model_00000040.bin", "b/model_00000040.bin");
    expect_same_file("a/state_00000040.bin", "b/state_00000040.bin");
    char *log = slurp("a.log", &n);
    EXPECT_LT(field(log, 4, 2), field(log, 0, 2) - 0.3); /* it learns */
    free(log);
}

/* A run that is killed goes on from its last eval, and leaves one checkpoint whatever its length. */
TEST_LIMIT(trainer_saves_at_each_eval, 120) {
    char command[2048];
    size_t n = 0;
    REQUIRE(run_trainer("--out a --steps 40 --eval_interval 10 --warmup 5") == 0);
    char *out = slurp("stdout", &n);
    EXPECT(out && strstr(out, "training to step 40, an eval every 10; Ctrl-C ends it with a checkpoint\n") != NULL);
    free(out);
    snprintf(command, sizeof command, "cd '%s' && test \"$(cd a && echo *_*.bin)\" = 'model_00000040.bin state_00000040.bin'", test_tmpdir());
    EXPECT_EQ(system(command), 0);
    /* a much longer run, ended without a word once it has evaluated */
    snprintf(command, sizeof command,
             "cd '%s' && { '%s/train_gpt' --no_glimpse --threads 2 --layers 1 --channels 16 --heads 2 --context 32 --batch_size 3 --eval_batches 2 --steps 40000000 "
             "--eval_interval 10 --warmup 5 --out k >k.out 2>&1 & } && P=$! && for i in $(seq 600); do ls k/model_*.bin >/dev/null 2>&1 && break; sleep .05; done; kill -9 $P; "
             "wait $P; test $(ls k/model_*.bin | wc -l) -ge 1", test_tmpdir(), test_build_dir());
    EXPECT_EQ(system(command), 0);
    REQUIRE(run_trainer("--out k --steps 40000000 --minutes 0.001 --min_steps 5 --eval_interval 10 --warmup 5 --resume") == 0);
    out = slurp("stdout", &n);
    EXPECT(out && strstr(out, "resumed from k/model_") != NULL);
    EXPECT(out && strstr(out, "training to step 40000000 or for 0.001 minutes (5 steps at least), whichever ends first") != NULL);
    free(out);
}

/* The bytes that other readers of llm.c's files look at. */
TEST(trainer_writes_llmc_files) {
    size_t n = 0;
    REQUIRE(run_trainer("--out a --steps 1 --tokens bytes") == 0);
    char *model = slurp("a/model_00000001.bin", &n);
    REQUIRE(model != NULL);
    int32_t h[256], want[8] = {20240326, 3, 32, 257, 1, 2, 16, 272};
    memcpy(h, model, sizeof h);
    for (int i = 0; i < 256; i++) EXPECT_EQ(h[i], i < 8 ? want[i] : 0);
    EXPECT_EQ(n, 1024 + 4 * (272 * 16 + 32 * 16 + 12 * 16 * 16 + 13 * 16 + 2 * 16));
    free(model);
    char *tokenizer = slurp("a/tokenizer.bin", &n);
    REQUIRE(tokenizer != NULL);
    uint32_t t[4];
    memcpy(t, tokenizer, sizeof t);
    EXPECT_EQ(t[0], 20240328);
    EXPECT_EQ(t[1], 2);
    EXPECT_EQ(t[2], 257);
    EXPECT_EQ(t[3], 256);
    EXPECT_EQ(n, 1024 + 256 * 2 + 1 + 13);
    EXPECT(tokenizer[1024] == 1 && tokenizer[1025] == 0 && tokenizer[1024 + 2 * 65] == 1 && tokenizer[1025 + 2 * 65] == 'A');
    EXPECT(memcmp(tokenizer + n - 14, "\x0d<|endoftext|>", 14) == 0);
    free(tokenizer);
}

/* No room for a checkpoint is no reason to stop: /dev/full takes no byte, a file in place of the directory no entry. */
TEST(trainer_survives_a_bad_directory) {
    size_t n = 0;
    char command[1024];
    snprintf(command, sizeof command, "cd '%s' && touch file && mkdir full && ln -s /dev/full full/state_00000002.bin.tmp", test_tmpdir());
    REQUIRE(system(command) == 0);
    const char *const flags[2] = {"--out file --steps 2", "--out full --steps 2"}, *const why[2] = {"Not a directory", "No space left"};
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(run_trainer(flags[i]), 0);
        char *err = slurp("stderr", &n);
        EXPECT(err && strstr(err, why[i]) != NULL && strstr(err, "training goes on") != NULL);
        free(err);
    }
    EXPECT_EQ(run_trainer("--out empty --resume"), 1);
}

/* What --resume goes on from is said; its shape is the model's, and a flag that contradicts it an error.  Of two runs' checkpoints
 * in a directory the later run's is taken, though the other went further. */
TEST(trainer_resumes_what_it_says) {
    size_t n = 0;
    REQUIRE(run_trainer("--out a --steps 6") == 0);
    REQUIRE(run_trainer("--out a --steps 3") == 0);
    EXPECT_EQ(run_trainer("--out a --steps 4 --resume"), 0);
    char *out = slurp("stdout", &n);
    EXPECT(out && strstr(out, "resumed from a/model_00000003.bin\n") != NULL);
    free(out);
    EXPECT_EQ(run_trainer("--out a --steps 8 --resume --layers 2"), 1);
    char *err = slurp("stderr", &n);
    EXPECT(err && strstr(err, "--layers is 2, and a/model_00000004.bin, from which --resume goes on, has 1; hint: without --layers") != NULL);
    free(err);
    char command[1024];
    snprintf(command, sizeof command, "cd '%s' && '%s/train_gpt' --no_glimpse --out a --resume --steps 4 >stdout", test_tmpdir(), test_build_dir());
    EXPECT_EQ(system(command), 0); /* without a word of its shape */
    out = slurp("stdout", &n);
    EXPECT(out && strstr(out, "model 1 layers, 2 heads, 16 channels, context 32") != NULL);
    free(out);
}

TEST(trainer_names_the_nearest_flag) {
    size_t n = 0;
    EXPECT_EQ(run_trainer("--weight-decai 0.1"), 2);
    char *err = slurp("stderr", &n);
    EXPECT(err && strstr(err, "did you mean --weight_decay?") != NULL);
    free(err);
    static const char *const others[][2] = {{"--temperature 0.5", "unknown flag --temperature; Glimpse's is written --glimpse_temperature"},
                                            {"--top-k=3", "Glimpse's is written --glimpse_top_k"},
                                            {"--xyzzy 3", "unknown flag --xyzzy (--help lists the trainer's, --glimpse_help Glimpse's)"},
                                            {"--layer 3", "did you mean --layers?"}};
    for (int i = 0; i < 4; i++) {
        char command[1024];
        snprintf(command, sizeof command, "cd '%s' && '%s/train_gpt' %s 2>stderr", test_tmpdir(), test_build_dir(), others[i][0]);
        EXPECT(system(command) != 0);
        err = slurp("stderr", &n);
        test_check(err && strstr(err, others[i][1]) != NULL, __FILE__, __LINE__, "\"%s\" is in: %s", others[i][1], err ? err : "");
        free(err);
    }
    EXPECT_EQ(run_trainer("--temperature 0.5"), 2); /* without Glimpse it is nobody's */
    EXPECT_EQ(run_trainer("--lr nan"), 2);
    EXPECT_EQ(run_trainer("--layers 1.5"), 2);
    EXPECT_EQ(run_trainer("--steps"), 2);
    EXPECT_EQ(run_trainer("--help"), 0);
}
