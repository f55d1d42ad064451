/* test_convert.c -- what `glimpse convert` says of the tokenizer, escaped, and which files it leaves where they are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/internal/file.h"
#include "include/internal/session.h"
#include "plugin/guest.h"
#include "sampling/checkpoint/save.h"
#include "tests/test.h"
#include "tests/tiny_gpt.h"

extern const session_api glimpse_session_v1;

static void shell(const char *command) {
    buffer b = {0};
    buf_printf(&b, "cd '%s' && %s", test_tmpdir(), command);
    test_check(system(buf_str(&b)) == 0, __FILE__, __LINE__, "%s", buf_str(&b));
    buf_free(&b);
}

static void heard(void *user, const char *line) {
    buf_puts(user, line);
    buf_putc(user, '\n');
}
static int shown(void *user, const char *text, size_t n) {
    buf_put(user, text, n);
    return 0;
}

/* Everything that is said of converting `in` to `out`. */
static void convert(const char *in, const char *out, buffer *said) {
    const file_command c = {.in = in, .out = out};
    const session_host host = {.user = said, .log = heard, .out = shown};
    buf_clear(said);
    EXPECT_OK(glimpse_session_v1.files(&c, &host));
}

static void expect_said(const buffer *said, const char *what, bool is) {
    test_check(!strstr(buf_str(said), what) == !is, __FILE__, __LINE__, "%s \"%s\" in: %s", is ? "no" : "there is", what, buf_str(said));
}

static void make_model(const char *path) {
    tiny_gpt g;
    model *m = NULL;
    tiny_gpt_make(&g, 1, 1, 16, 60, 32, -1, 5);
    REQUIRE_OK(model_from_description(&g.model, &m));
    save_request rq = {.path = path};
    EXPECT_OK(model_save(m, &rq));
    model_close(m);
    tiny_gpt_free(&g);
}

TEST(convert_says_names_escaped) {
    buffer said = {0};
    make_model(test_path("in"));
    shell("echo nothing >in/$(printf 'a\\033[31mRED\\nline').tiktoken");
    convert(test_path("in"), test_path("out\033[31m\nx"), &said);
    expect_said(&said, "\\x1b[31mRED", true);
    expect_said(&said, "copied unread", true);
    EXPECT(!memchr(said.bytes, '\033', said.n));
    int lines = 0;
    for (size_t i = 0; i < said.n; i++) lines += said.bytes[i] == '\n';
    EXPECT_EQ(lines, 2);
    buf_free(&said);
}

/* What no reader knows stays behind a link that leaves the folder; what one knows is followed, as in a cache. */
TEST(convert_follows_links_to_what_it_can_read) {
    buffer said = {0};
    make_model(test_path("in"));
    shell("mkdir -p blobs && echo secret >blobs/shadow && ln -s ../blobs/shadow in/tokenizer.model");
    convert(test_path("in"), test_path("out1"), &said);
    expect_said(&said, "tokenizer.model is not copied", true);
    shell("test ! -e out1/tokenizer.model");
    shell("rm in/tokenizer.model && echo mine >in/other && ln -s other in/tokenizer.model"); /* a link within */
    convert(test_path("in"), test_path("out2"), &said);
    expect_said(&said, "copied unread", true);
    shell("grep -q mine out2/tokenizer.model");
    shell("rm in/tokenizer.model in/other && ln -s ../blobs/shadow in/tokenizer.model && ln -s ../blobs/shadow in/special_tokens_map.json &&"
          "ln -s ../blobs/shadow in/merges.txt && ln -s ../blobs/shadow in/chat_template.jinja && ln -s ../blobs/shadow in/generation_config.json &&"
          "echo '{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"b\":1},\"unk_token\":\"b\"}}' >blobs/t && ln -s ../blobs/t in/tokenizer.json &&"
          "echo '{}' >blobs/c && ln -s ../blobs/c in/tokenizer_config.json");
    convert(test_path("in"), test_path("out3"), &said);
    expect_said(&said, "generation_config.json is not copied", true);
    expect_said(&said, "tokenizer.json is not copied", false);
    shell("cmp blobs/t out3/tokenizer.json && cmp blobs/c out3/tokenizer_config.json && ! grep -rq secret out3");
    buf_free(&said);
}

TEST(convert_to_llmc_says_where_the_tokenizer_stays) {
    buffer said = {0};
    char want[5000];
    make_model(test_path("in"));
    convert(test_path("in"), test_path("none.bin"), &said);
    expect_said(&said, "tokenizer", false);
    shell("echo '{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"b\":1},\"unk_token\":\"b\"}}' >in/tokenizer.json");
    convert(test_path("in"), test_path("out.bin"), &said);
    snprintf(want, sizeof want, "a .bin holds no tokenizer: %s stays where it is; sampling takes it with --tokenizer %s\n", test_path("in/tokenizer.json"), test_path("in/tokenizer.json"));
    expect_said(&said, want, true);
    shell("echo nothing >in/tokenizer.json");
    convert(test_path("in"), test_path("out2.bin"), &said);
    expect_said(&said, "could not be read", true);
    expect_said(&said, "copied", false);
    buf_free(&said);
}
