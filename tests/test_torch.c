/* test_torch.c -- PyTorch's .pt: nanoGPT's checkpoint under each key and prefix gives the frozen logits; pickles and zips
 * that lie are refused by name. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/internal/file.h"
#include "sampling/checkpoint/checkpoint.h"
#include "sampling/checkpoint/pickle.h"
#include "tests/hf_files.h"
#include "tests/hostile.h"
#include "tests/test.h"
#include "tests/torch_files.h"

enum { NANOGPT = TORCH_NANOGPT };
typedef torch_recipe recipe;

static const char *make_pt(const char *name, const recipe *r) { return torch_nanogpt(hf_dir("pt"), name, r); }

TEST_LIMIT(torch_every_key_and_prefix_gives_the_frozen_logits, 120) {
    static const recipe recipes[] = {
        {"model", "", true, false, true, NULL, false},
        {"state_dict", "model.", true, false, true, NULL, false},
        {"model_state_dict", "module.", true, true, false, NULL, false},
        {"model", "_orig_mod.", true, false, true, NULL, false},
        {"model", "module._orig_mod.", true, false, false, NULL, false},
    };
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        model *m = NULL;
        if (!EXPECT_OK(checkpoint_open(make_pt("ckpt.pt", &recipes[i]), NULL, NULL, &m))) continue;
        EXPECT_LT(hf_error(m, NANOGPT), 1e-5);
        EXPECT(m->head.data == m->wte.data);
        EXPECT_EQ(m->d.max_seq_len, 64);
        model_close(m);
    }
}

TEST(torch_newest_in_a_directory) {
    char *found = NULL;
    const char *path = make_pt("ckpt.pt", &(recipe){"model", "", true, false, false, NULL, false});
    char want[4096];
    snprintf(want, sizeof want, "%s", path);
    REQUIRE_OK(checkpoint_find_newest(hf_dir("pt"), &found));
    EXPECT_STREQ(found, want);
    free(found);
}

/* A bare state dict says nothing of the heads: a configuration beside it does. */
TEST(torch_bare_state_dict) {
    static const char config[] =
        "{\"n_layer\":4,\"n_head\":4,\"n_embd\":48,\"block_size\":64,\"vocab_size\":61,\"activation\":\"gelu\"}";
    model *m = NULL;
    const char *path = make_pt("bare.pt", &(recipe){NULL, "", false, false, false, NULL, false});
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", path);
    EXPECT_ERR(checkpoint_open(copy, NULL, NULL, &m), GLIMPSE_E_FORMAT, "Model config not found");
    EXPECT(strstr(status_text(), "n_head") != NULL && strstr(status_text(), "hint: config.json, as transformers writes it, belongs beside") != NULL);
    hf_save(hf_dir("pt"), "model_config.json", config, strlen(config));
    REQUIRE_OK(checkpoint_open(copy, NULL, NULL, &m));
    EXPECT_LT(hf_error(m, NANOGPT), 1e-5);
    model_close(m);
}

TEST(torch_missing_key_lists_those_that_are_there) {
    model *m = NULL;
    EXPECT_ERR(checkpoint_open(make_pt("w.pt", &(recipe){"weights", "", true, false, false, NULL, false}), NULL, NULL, &m),
               GLIMPSE_E_FORMAT,
               "no weights under model, state_dict or model_state_dict; keys found: weights, model_args");
    EXPECT(strstr(status_text(), "hint: \"weights\" holds tensors") != NULL);
}

/* A file that CPython's own pickler and zipfile wrote (tests/ref/torch_files.py). */
TEST(torch_file_of_cpython) {
    char path[4096];
    model *m = NULL;
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/pickle/nanogpt.pt", test_source_dir());
    REQUIRE_OK(checkpoint_open(path, NULL, NULL, &m));
    EXPECT_EQ(m->d.n_heads, 2);
    EXPECT_EQ(m->d.vocab_size, 5);
    EXPECT_EQ(m->d.activation, GLIMPSE_GELU_ERF);
    const float *wte = m->wte.data, *fc = m->layers[0].up[0].data, *wpe = m->wpe.data;
    EXPECT_NEAR(wte[19], 19 / 256.0, 0);
    EXPECT_NEAR(wpe[3], 1 + 3 / 256.0, 0);
    EXPECT_NEAR(fc[63], 6 + 63 / 256.0, 0);
    EXPECT(m->head.data == m->wte.data);
    model_close(m);
}

/* What torch.save itself wrote (tests/ref/torch_real.py, torch 2.15): its zips end with a ZIP64 record, however small. */
TEST(torch_file_of_pytorch) {
    char path[4096];
    model *m = NULL;
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/torch/nanogpt_whole.pt", test_source_dir());
    REQUIRE_OK(checkpoint_open(path, NULL, NULL, &m));
    EXPECT_EQ(m->d.n_heads, 2);
    EXPECT_EQ(m->d.vocab_size, 5);
    const float *wte = m->wte.data, *wpe = m->wpe.data;
    EXPECT_NEAR(wte[19], 19 / 256.0, 0);
    EXPECT_NEAR(wpe[3], 1 + 3 / 256.0, 0);
    const matrix *fc = &m->layers[0].up[0]; /* (16, 4), stored turned */
    EXPECT_NEAR(((const float *)fc->data)[15 * fc->row_stride + 3 * fc->col_stride], 10 + 63 / 256.0, 0);
    EXPECT(m->head.data == m->wte.data);
    model_close(m);
}

/* Hugging Face's older directories: pytorch_model.bin, or its shards, beside config.json. */
TEST(torch_pytorch_model_bin) {
    char dir[4096];
    buffer map = {0};
    model *m = NULL;
    snprintf(dir, sizeof dir, "%s", hf_dir("bins"));
    const recipe bare = {NULL, "", false, false, false, NULL, false};
    hf_save(dir, "config.json", hf_config(NANOGPT), strlen(hf_config(NANOGPT)));
    torch_nanogpt(dir, "pytorch_model.bin", &bare);
    REQUIRE_OK(checkpoint_open(dir, NULL, NULL, &m));
    EXPECT_LT(hf_error(m, NANOGPT), 1e-5);
    model_close(m);
    m = NULL;
    snprintf(dir, sizeof dir, "%s", hf_dir("shards"));
    hf_save(dir, "config.json", hf_config(NANOGPT), strlen(hf_config(NANOGPT)));
    torch_nanogpt(dir, "pytorch_model-00001-of-00001.bin", &bare);
    buf_puts(&map, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    for (int i = 0; i < hf_tensor_count(NANOGPT); i++)
        buf_printf(&map, "%s\"%s\":\"pytorch_model-00001-of-00001.bin\"", i ? "," : "", hf_tensor_name(NANOGPT, i));
    buf_puts(&map, "}}");
    hf_save(dir, "pytorch_model.bin.index.json", map.bytes, map.n);
    if (EXPECT_OK(checkpoint_open(dir, NULL, NULL, &m))) EXPECT_LT(hf_error(m, NANOGPT), 1e-5);
    model_close(m);
    buf_free(&map);
}

/* === Files that lie === */
#define TENSOR_ARGS "((X\7\0\0\0storagectorch\nFloatStorage\n"

TEST(torch_pickles_that_lie) {
    static const struct {
        const char *bytes;
        size_t n;
        int code;
        const char *says;
    } cases[] = {
#define P(s) s, sizeof(s) - 1
        {P(""), GLIMPSE_E_FORMAT, "no pickle"},
        {P("\x80"), GLIMPSE_E_FORMAT, "no pickle"},
        {P("(dp0\n."), GLIMPSE_E_FORMAT, "no pickle"},
        {P("\x80\x01."), GLIMPSE_E_UNSUPPORTED, "protocol 1"},
        {P("\x80\x06."), GLIMPSE_E_UNSUPPORTED, "protocol 6"},
        {P("\x80\x02"), GLIMPSE_E_FORMAT, "cut off at byte 2"},
        {P("\x80\x02."), GLIMPSE_E_FORMAT, "leaves 0 values"},
        {P("\x80\x02}}."), GLIMPSE_E_FORMAT, "leaves 2 values"},
        {P("\x80\x02(."), GLIMPSE_E_FORMAT, "leaves 1 values"},
        {P("\x80\x02}.x"), GLIMPSE_E_FORMAT, "1 bytes follow"},
        {P("\x80\x02"
           "cos\nsystem\n."),
         GLIMPSE_E_UNSUPPORTED, "names os.system"},
        {P("\x80\x02"
           "cbuiltins\neval\n."),
         GLIMPSE_E_UNSUPPORTED, "names builtins.eval"},
        {P("\x80\x02"
           "cnumpy.core.multiarray\nscalar\n."),
         GLIMPSE_E_UNSUPPORTED, "numpy.core.multiarray.scalar"},
        {P("\x80\x02"
           "cargparse\nNamespace\n."),
         GLIMPSE_E_UNSUPPORTED, "argparse.Namespace"},
        {P("\x80\x04\x8c\x02os\x8c\x06system\x93."), GLIMPSE_E_UNSUPPORTED, "names os.system"},
        {P("\x80\x04K\1K\2\x93."), GLIMPSE_E_FORMAT, "a global without a name"},
        {P("\x80\x02"
           "cos"),
         GLIMPSE_E_FORMAT, "cut off within a name"},
        {P("\x80\x02ios\nsystem\n."), GLIMPSE_E_UNSUPPORTED, "opcode 0x69"},
        {P("\x80\x02o."), GLIMPSE_E_UNSUPPORTED, "opcode 0x6f"},
        {P("\x80\x02\x82\x01."), GLIMPSE_E_UNSUPPORTED, "opcode 0x82"},
        {P("\x80\x04\x92."), GLIMPSE_E_UNSUPPORTED, "opcode 0x92"},
        {P("\x80\x05\x98."), GLIMPSE_E_UNSUPPORTED, "opcode 0x98"},
        {P("\x80\x02I1\n."), GLIMPSE_E_UNSUPPORTED, "opcode 0x49"},
        {P("\x80\x02R."), GLIMPSE_E_FORMAT, "takes more from the stack"},
        {P("\x80\x02K\1)R."), GLIMPSE_E_FORMAT, "calls what is no function"},
        {P("\x80\x02"
           "ctorch\nSize\nX\1\0\0\0aR."),
         GLIMPSE_E_FORMAT, "calls what is no function"},
        {P("\x80\x02"
           "ctorch\nFloatStorage\n)R."),
         GLIMPSE_E_FORMAT, "calls a type"},
        {P("\x80\x02"
           "ctorch._utils\n_rebuild_tensor_v2\n)R."),
         GLIMPSE_E_FORMAT, "wrong arguments for _rebuild_tensor_v2"},
        {P("\x80\x02"
           "ctorch._utils\n_rebuild_tensor_v2\n(K\1K\1K\1K\1K\1K\1tR."),
         GLIMPSE_E_FORMAT, "wrong arguments for _rebuild_tensor_v2"},
        {P("\x80\x02"
           "ctorch._utils\n_rebuild_parameter\n(K\1K\1K\1tR."),
         GLIMPSE_E_FORMAT, "wrong arguments for _rebuild_parameter"},
        {P("\x80\x02"
           "ctorch\nSize\n(K\1tR."),
         GLIMPSE_E_FORMAT, "wrong arguments for torch.Size"},
        {P("\x80\x02"
           "ccollections\nOrderedDict\n(](K\1K\2etR."),
         GLIMPSE_E_FORMAT, "wrong arguments for OrderedDict"},
        {P("\x80\x02K\1Q."), GLIMPSE_E_FORMAT, "a persistent id that is no storage"},
        {P("\x80\x02(X\7\0\0\0storagetQ."), GLIMPSE_E_FORMAT, "a persistent id that is no storage"},
        {P("\x80\x02K\1K\2b."), GLIMPSE_E_UNSUPPORTED, "sets the state"},
        {P("\x80\x02K\1K\2a."), GLIMPSE_E_FORMAT, "adds to what is no list"},
        {P("\x80\x02]K\1K\2s."), GLIMPSE_E_FORMAT, "adds to what is no dict"},
        {P("\x80\x02}(K\1u."), GLIMPSE_E_FORMAT, "adds to what is no dict"},
        {P("\x80\x02}u."), GLIMPSE_E_FORMAT, "a mark that is not there"},
        {P("\x80\x02t."), GLIMPSE_E_FORMAT, "a mark that is not there"},
        {P("\x80\x02(K\1\x86."), GLIMPSE_E_FORMAT, "takes more from the stack"},
        {P("\x80\x02(K\1d."), GLIMPSE_E_FORMAT, "a key without value"},
        {P("\x80\x02X\xff\xff\xff\xff."), GLIMPSE_E_FORMAT, "a text of 4294967295 bytes"},
        {P("\x80\x02X\5\0\0\0ab"), GLIMPSE_E_FORMAT, "cut off at byte 9"},
        {P("\x80\x02X\2\0\0\0\xff\xfe."), GLIMPSE_E_FORMAT, "no UTF-8"},
        {P("\x80\x02\x8a\x09\1\1\1\1\1\1\1\1\1."), GLIMPSE_E_FORMAT, "an integer of 9 bytes"},
        {P("\x80\x02h\0."), GLIMPSE_E_FORMAT, "memo entry 0 was never set"},
        {P("\x80\x02j\xff\xff\xff\xff."), GLIMPSE_E_FORMAT, "memo entry 4294967295 was never set"},
        {P("\x80\x02}r\xff\xff\xff\x7f."), GLIMPSE_E_FORMAT, "memo entry 2147483647"},
        {P("\x80\x02}r\x30\x75\0\0."), GLIMPSE_E_FORMAT, "memo entry 30000"},
        {P("\x80\x02q\0."), GLIMPSE_E_FORMAT, "takes more from the stack"},
        {P("\x80\x02]."), GLIMPSE_E_FORMAT, "it holds no dict"},
        {P("\x80\x02}."), GLIMPSE_E_FORMAT, "keys found: none"},
#undef P
    };
    buffer out = {0};
    const char *dir = hf_dir("pt");
    char path[4096], what[64];
    hostile_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        zip_file f = {"a/data.pkl", cases[i].bytes, cases[i].n};
        buf_clear(&out);
        zip_make(&out, &f, 1);
        snprintf(path, sizeof path, "%s", hf_save(dir, "x.pt", out.bytes, out.n));
        snprintf(what, sizeof what, "case %zu", i);
        hostile_checkpoint(what, path, cases[i].code, cases[i].says);
    }
    buf_free(&out);
}

static void one_tensor(const char *what, const char *type, int held, int offset, int n_dims, const int *dims,
                       const int *strides, size_t bytes, const char *says) {
    buffer pkl = {0}, out = {0};
    static const char zeros[64];
    buf_puts(&pkl, "\x80\x02}(");
    pkl_text(&pkl, "transformer.wte.weight");
    pkl_tensor(&pkl, type, "0", held, offset, n_dims, dims, strides);
    buf_puts(&pkl, "u.");
    zip_file f[] = {{"a/data.pkl", pkl.bytes, pkl.n}, {"a/data/0", zeros, bytes}};
    zip_make(&out, f, 2);
    char path[4096];
    snprintf(path, sizeof path, "%s", hf_save(hf_dir("pt2"), "x.pt", out.bytes, out.n));
    hostile_checkpoint(what, path, GLIMPSE_E_FORMAT, says);
    buf_free(&pkl);
    buf_free(&out);
}

TEST(torch_views_that_lie) {
    hostile_begin();
    one_tensor("numel", "Float", 15, 0, 1, (int[]){4}, (int[]){1}, 64,
               "should hold 15 elements of 4 bytes, and has 64");
    one_tensor("type", "Half", 16, 0, 1, (int[]){4}, (int[]){1}, 64, "should hold 16 elements of 2 bytes");
    one_tensor("many", "Float", INT32_MAX, 0, 1, (int[]){4}, (int[]){1}, 64, "should hold 2147483647 elements");
    one_tensor("past", "Float", 16, 13, 1, (int[]){4}, (int[]){1}, 64, "reaches beyond the 16 elements");
    one_tensor("stride", "Float", 16, 0, 2, (int[]){4, 4}, (int[]){5, 1}, 64, "reaches beyond the 16 elements");
    one_tensor("long strides", "Float", 16, 0, 2, (int[]){INT32_MAX, INT32_MAX}, (int[]){INT32_MAX, INT32_MAX}, 64,
               "its sizes overflow");
    one_tensor("wide", "Float", 16, 0, 2, (int[]){2, 2}, (int[]){INT32_MAX, INT32_MAX}, 64, "reaches beyond");
    one_tensor("negative stride", "Float", 16, 8, 1, (int[]){4}, (int[]){-1}, 64, "a stride of -1");
    one_tensor("negative size", "Float", 16, 0, 1, (int[]){-4}, (int[]){1}, 64, "its sizes overflow");
    one_tensor("negative offset", "Float", 16, -1, 1, (int[]){4}, (int[]){1}, 64, "its sizes overflow");
}

/* A stride of 0: strides that are all 0 mean a dense tensor to the model, which would read what lies behind the one number. */
TEST(torch_expanded_tensors_are_refused) {
    const torch_recipe r = {.key = "model", .prefix = "", .model_args = true, .expanded = true};
    char path[4096];
    snprintf(path, sizeof path, "%s", torch_nanogpt(hf_dir("expanded"), "x.pt", &r));
    hostile_begin();
    hostile_checkpoint("expanded", path, GLIMPSE_E_UNSUPPORTED, "has type Float, expanded");
}

TEST(torch_pickle_bombs) {
    buffer pkl = {0}, out = {0};
    char path[4096];
    const char *dir = hf_dir("bomb");
    for (int k = 0; k < 3; k++) {
        buf_clear(&pkl), buf_clear(&out);
        buf_puts(&pkl, "\x80\x02");
        if (k == 0) buf_fill(&pkl, '(', 100000);
        if (k == 1) buf_fill(&pkl, 'N', 200000);
        if (k == 2) { /* lists of lists of lists: 2^24 items if somebody walked them */
            for (int i = 0; i < 24; i++)
                buf_puts(&pkl, "]q"), buf_putc(&pkl, (char)i), i ? buf_puts(&pkl, "(h"), buf_putc(&pkl, (char)(i - 1)),
                    buf_puts(&pkl, "h"), buf_putc(&pkl, (char)(i - 1)), buf_puts(&pkl, "e") : (void)0;
            buf_puts(&pkl, "\x85.");
        }
        zip_file f = {"a/data.pkl", pkl.bytes, pkl.n};
        zip_make(&out, &f, 1);
        snprintf(path, sizeof path, "%s", hf_save(dir, "x.pt", out.bytes, out.n));
        hostile_begin();
        hostile_checkpoint("bomb", path, GLIMPSE_E_FORMAT,
                           k == 0   ? "nested more than 64"
                           : k == 1 ? "a stack of more than 100000"
                                    : "leaves 24 values");
    }
    buf_free(&pkl);
    buf_free(&out);
}

/* Every byte of the structures around the data changed, and the file cut there: refused or read, never worse. */
TEST(torch_zips_that_lie) {
    buffer out = {0};
    const char *dir = hf_dir("zips");
    zip_file f[] = {{"a/data.pkl", "\x80\x02}.", 4}, {"a/data/0", "12345678", 8}};
    zip_make(&out, f, 2);
    char *whole = malloc(out.n);
    REQUIRE(whole);
    memcpy(whole, out.bytes, out.n);
    size_t end = out.n - 22, end64 = end - 20 - 56, entry = end64 - (46 + 10) - (46 + 8);
    const struct {
        size_t at;
        uint8_t value;
        int code;
        const char *says;
    } cases[] = {
        {end + 10, 3, GLIMPSE_E_FORMAT, "differ"},
        {end + 4, 1, GLIMPSE_E_UNSUPPORTED, "several disks"},
        {end + 12, 1, GLIMPSE_E_FORMAT, "end record and its ZIP64 record differ"},
        {end + 17, 255, GLIMPSE_E_FORMAT, "end record and its ZIP64 record differ"},
        {end64, 'X', GLIMPSE_E_FORMAT, "ZIP64 record is missing"},
        {end64 + 32, 3, GLIMPSE_E_FORMAT, "ZIP64 record differ"},
        {end64 + 40, 1, GLIMPSE_E_FORMAT, "ZIP64 record differ"},
        {end64 + 55, 255, GLIMPSE_E_FORMAT, "ZIP64 record differ"},
        {end - 20, 'X', GLIMPSE_E_FORMAT, "does not end where its end record begins"}, /* no locator, so no ZIP64 record */
        {end - 20 + 8, 255, GLIMPSE_E_FORMAT, "ZIP64 record is missing"},
        {end - 20 + 15, 255, GLIMPSE_E_FORMAT, "ZIP64 record is missing"},
        {entry, 'X', GLIMPSE_E_FORMAT, "directory is damaged"},
        {entry + 8, 9, GLIMPSE_E_UNSUPPORTED, "is encrypted"},
        {entry + 10, 8, GLIMPSE_E_UNSUPPORTED, "is compressed (method 8)"},
        {entry + 16, 1, GLIMPSE_E_FORMAT, "keys found"}, /* the local header has no checksum to disagree with */
        {entry + 20, 9, GLIMPSE_E_FORMAT, "4 bytes and 9 stored"},
        {entry + 27, 1, GLIMPSE_E_FORMAT, "16777220 bytes and 4 stored"},
        {entry + 28, 200, GLIMPSE_E_FORMAT, "directory is damaged"},
        {entry + 42, 1, GLIMPSE_E_FORMAT, "does not fit its local header"},
        {entry + 45, 1, GLIMPSE_E_FORMAT, "beyond the archive"},
        {entry + 46, 'b', GLIMPSE_E_FORMAT, "disagree"},
        {30, 'b', GLIMPSE_E_FORMAT, "disagree"},
        {8, 8, GLIMPSE_E_FORMAT, "disagree"},
        {26, 11, GLIMPSE_E_FORMAT, "does not fit its local header"},
        {29, 255, GLIMPSE_E_FORMAT, "does not fit its local header"},
    };
    hostile_begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char what[32], path[4096];
        memcpy(out.bytes, whole, out.n);
        out.bytes[cases[i].at] = (char)cases[i].value;
        snprintf(path, sizeof path, "%s", hf_save(dir, "x.pt", out.bytes, out.n));
        snprintf(what, sizeof what, "byte %zu", cases[i].at);
        hostile_checkpoint(what, path, cases[i].code, cases[i].says);
    }
    for (size_t n = 4; n < out.n; n++) {
        char path[4096];
        snprintf(path, sizeof path, "%s", hf_save(dir, "x.pt", whole, n));
        hostile_checkpoint("cut", path, GLIMPSE_E_FORMAT, "truncated");
    }
    free(whole);
    buf_free(&out);
    zip_file code[] = {{"a/code/x.py", "", 0}, {"a/data.pkl", "\x80\x02}.", 4}};
    zip_make(&out, code, 2);
    hostile_checkpoint("script", hf_save(dir, "x.pt", out.bytes, out.n), GLIMPSE_E_UNSUPPORTED, "TorchScript");
    char *first = memmem(out.bytes, out.n, "PK\1\2", 4);
    REQUIRE(first);
    first[10] = 8; /* as torch.jit.save writes it: deflated */
    hostile_checkpoint("deflated script", hf_save(dir, "x.pt", out.bytes, out.n), GLIMPSE_E_UNSUPPORTED, "TorchScript");
    buf_clear(&out);
    zip_make(&out, (zip_file[]){{"arr_0.npy", "", 0}}, 1);
    hostile_checkpoint("npz", hf_save(dir, "x.pt", out.bytes, out.n), GLIMPSE_E_UNSUPPORTED, "without data.pkl");
    buf_free(&out);
}
