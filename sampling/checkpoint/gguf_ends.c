/* gguf_ends.c -- see gguf_ends.h. */
#include "sampling/checkpoint/gguf_ends.h"

#include <string.h>

static bool one_of(const char *text, const char *const *names) {
    for (; *names; names++)
        if (!strcmp(text, *names)) return true;
    return false;
}

void gguf_ends_note(gguf_ends *e, int32_t id, const char *text) {
    static const char *const closing[] = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
                                          "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
                                          "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", NULL};
    static const char *const parts[3][6] = {{"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", NULL},
                                            {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", NULL},
                                            {"<|file_sep|>", NULL}};
    for (int k = 0; k < 3; k++)
        if (!e->part_there[k] && one_of(text, parts[k])) e->part_there[k] = true, e->parts[k] = id;
    if (e->n == GGUF_ENDS || !one_of(text, closing)) return;
    e->ids[e->n++] = id;
    if (!strcmp(text, "<|end|>")) e->end = e->n;
    else if (!strcmp(text, "</s>")) e->s = e->n;
    else if (!strcmp(text, "<|return|>")) e->returns = true;
    else if (!strcmp(text, "<|call|>") || !strcmp(text, "<|calls|>")) e->calls = true;
    else if (!strcmp(text, "<|flush|>")) e->flushes = true;
    else if (!strcmp(text, "<|tool_response>")) e->tools = true;
}

int gguf_ends_list(const gguf_ends *e, const int32_t named[6], int32_t *out) {
    int n = 0;
    bool no_end = e->end && e->calls && (e->returns || e->flushes), no_s = e->s && e->tools;
    const int32_t end = no_end ? e->ids[e->end - 1] : -1, s = no_s ? e->ids[e->s - 1] : -1;
    for (int i = 0; i < 3; i++)
        if (named[i] >= 0 && named[i] != end && named[i] != s) out[n++] = named[i];
    for (int i = 0; i < e->n; i++)
        if (e->ids[i] != end && e->ids[i] != s) out[n++] = e->ids[i];
    for (int i = 0; i < 3; i++)
        if (named[3 + i] >= 0) out[n++] = named[3 + i];
        else if (e->part_there[i]) out[n++] = e->parts[i];
    return n;
}
