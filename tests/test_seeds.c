/* test_seeds.c -- the commands that people know from other systems' documents, word for word: tests/seeds/00N.sh runs those of
 * one document over small models made here, and looks at what it promises.
 *
 *   000 nanoGPT's sample.py   001 sampling while training   002 generate.py   003 generate_text.py   004 llm-samplers */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "tests/hf_files.h"
#include "tests/test.h"
#include "tests/torch_files.h"

enum { V = 61 }; /* of hf_files.h's models */
static const char letters[] = "abcdefghijklmnopqrstuvwxyz .,:?!'\nIREOTWHCQAPSMBDFLN0123-";

static char *in_dir(const char *name) {
    char *path = path_join(test_tmpdir(), name);
    if (mkdir_p(path) < 0) abort();
    return path;
}

static void save(const char *dir, const char *name, const buffer *b) {
    char *path = path_join(test_tmpdir(), dir);
    if (mkdir_p(path) < 0) abort();
    hf_save(path, name, b->bytes, b->n);
    free(path);
}

/* Characters; with [UNK], [BOS] and [EOS], which a text begins with as train_tokenizer.py's post-processor has it. */
static void save_tokenizer_json(const char *dir, const char *name) {
    buffer b = {0};
    buf_puts(&b, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
    static const char *const special[] = {"[UNK]", "[BOS]", "[EOS]"};
    for (int i = 0; i < 3; i++)
        buf_printf(&b, "%s{\"id\":%d,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
                   "\"special\":true}", i ? "," : "", i, special[i]);
    buf_puts(&b, "],\"normalizer\":null,\"pre_tokenizer\":null,\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
             "{\"SpecialToken\":{\"id\":\"[BOS]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],"
             "\"special_tokens\":{\"[BOS]\":{\"id\":\"[BOS]\",\"ids\":[1],\"tokens\":[\"[BOS]\"]}}},\"decoder\":{\"type\":\"Fuse\"},"
             "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":null,"
             "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{\"[UNK]\":0,\"[BOS]\":1,\"[EOS]\":2");
    for (int i = 3; i < V; i++) {
        buf_puts(&b, ",");
        buf_json_string(&b, letters + i - 3, 1);
        buf_printf(&b, ":%d", i);
    }
    buf_puts(&b, "},\"merges\":[]}}");
    save(dir, name, &b);
    buf_free(&b);
}

/* data/shakespeare_char/prepare.py's. */
static void save_meta_pkl(const char *dir) {
    buffer b = {0};
    buf_puts(&b, "\x80\x02}(");
    pkl_text(&b, "vocab_size"), pkl_int(&b, V);
    for (int itos = 0; itos < 2; itos++) {
        pkl_text(&b, itos ? "itos" : "stoi");
        buf_puts(&b, "}(");
        for (int i = 0; i < V; i++) {
            char c[2] = {i < (int)strlen(letters) ? letters[i] : "#$%&"[i - (int)strlen(letters)], 0};
            if (itos) pkl_int(&b, i), pkl_text(&b, c);
            else pkl_text(&b, c), pkl_int(&b, i);
        }
        buf_putc(&b, 'u');
    }
    buf_puts(&b, "u.");
    save(dir, "meta.pkl", &b);
    buf_free(&b);
}

/* sh tests/seeds/NAME.sh in this test's own directory; what it prints is the test's output. */
static void run_script(const char *name) {
    char script[4400];
    snprintf(script, sizeof script, "%s/tests/seeds/%s.sh", test_source_dir(), name);
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        unsetenv("GLIMPSE"), unsetenv("GLIMPSE_ARGS"), unsetenv("GLIMPSE_DATA");
        setenv("B", test_build_dir(), 1);
        setenv("S", test_source_dir(), 1);
        if (!chdir(test_tmpdir())) execl("/bin/sh", "sh", script, (char *)NULL);
        _exit(127);
    }
    int status = 1;
    EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid);
    EXPECT_EQ(status, 0);
}

TEST(seed_000_sample_py) {
    char *run = in_dir("out/run");
    torch_nanogpt(run, "ckpt.pt", &(torch_recipe){"model", "_orig_mod.", true, false, true, "toy", false});
    save_meta_pkl("data/toy");
    run_script("000");
    free(run);
}

TEST(seed_001_sampling_while_training) { run_script("001"); }

TEST(seed_002_generate_py) {
    static const char *const keys[] = {"model", "state_dict", "model_state_dict", "weights"};
    char *run = in_dir("out/finetune");
    for (int i = 0; i < 4; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s.pt", keys[i]);
        torch_nanogpt(run, name, &(torch_recipe){keys[i], "", true, false, false, NULL, false});
    }
    torch_nanogpt(run, "ckpt.pt", &(torch_recipe){"model", "", true, false, false, NULL, false});
    save_tokenizer_json("data/tokenizer", "custom_gpt_tokenizer.json");
    run_script("002");
    free(run);
}

TEST(seed_003_generate_text_py) {
    static const char config[] = "{\"n_layer\":4,\"n_head\":4,\"n_embd\":48,\"block_size\":64,\"vocab_size\":61,\"activation\":\"gelu\"}";
    buffer weights = {0};
    hf_safetensors(TORCH_NANOGPT, 0, hf_tensor_count(TORCH_NANOGPT), GLIMPSE_F32, "", &weights);
    save("output/best_checkpoint", "model.safetensors", &weights);
    save_tokenizer_json("output", "tokenizer.json");
    save("output", "model_config.json", &(buffer){(char *)(uintptr_t)config, sizeof config - 1, 0, false});
    run_script("003");
    buf_free(&weights);
}

TEST(seed_004_llm_samplers) {
    char *run = in_dir("out/run");
    torch_nanogpt(run, "ckpt.pt", &(torch_recipe){"model", "", true, false, true, "toy", false});
    save_meta_pkl("data/toy");
    run_script("004");
    free(run);
}
