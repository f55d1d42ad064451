/* sniff.c -- names a file that is no checkpoint of a kind that is read, so that the message helps. */
#define _GNU_SOURCE
#include "sampling/checkpoint/readers.h"

#include <string.h>

#include "include/internal/utf8.h"

#define SUPPORTED "hint: llm.c's model .bin is read (versions 3 f32 and 5 bf16), safetensors with config.json, PyTorch's .pt, GGUF, llama2.c's .bin"

static const struct {
    uint32_t magic;
    const char *what;
} llmc_files[] = {
    {20240327, "llm.c's debug state (gpt2_124M_debug_state.bin)"},
    {20240328, "llm.c's tokenizer: --tokenizer takes it"},
    {20240520, "llm.c's token data: --dataset takes it"},
    {20240801, "llm.c's token data: --dataset takes it"},
    {20240522, "llm.c's evaluation data"},
    {20240527, "the optimizer's state of llm.c; the weights are in the model_<step>.bin beside it"},
};

static const struct {
    const char *bytes;
    size_t n;
    const char *what;
} signatures[] = {
    {"PK\x05\x06", 4, "an empty zip archive"},
    {"ggjt", 4, "an old GGML file (llama.cpp)"},
    {"tjgg", 4, "an old GGML file (llama.cpp)"},
    {"ak42", 4, "a model of llama2.c in big-endian order"},
    {"\x89HDF\r\n\x1a\n", 8, "an HDF5 file, as Keras writes"},
    {"\x93NUMPY", 6, "a NumPy array"},
    {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9", 9, "a PyTorch file from before 1.6: open it once with torch.load and save it again"},
    {"\x80\x02", 2, "a Python pickle"},
    {"\x80\x03", 2, "a Python pickle"},
    {"\x80\x04", 2, "a Python pickle"},
    {"\x80\x05", 2, "a Python pickle"},
    {"\x1f\x8b", 2, "compressed with gzip: unpack it first"},
    {"\x28\xb5\x2f\xfd", 4, "compressed with zstd: unpack it first"},
    {"\x7f" "ELF", 4, "a program"},
    {"\x89PNG", 4, "a picture"},
    {"version https://git-lfs", 23, "a Git LFS pointer, not the file itself: git lfs pull fetches it"},
};

static bool is_text(const unsigned char *head, size_t n) {
    n = utf8_complete_prefix((const char *)head, n);
    if (!n || !utf8_valid((const char *)head, n)) return false;
    for (size_t i = 0; i < n; i++)
        if ((head[i] < 32 && !strchr("\n\r\t\f", head[i])) || head[i] == 127 || !head[i]) return false;
    return true;
}

glimpse_status sniff_refuse(const file *f, const unsigned char *head, size_t n) {
    const char *what = NULL;
    if (!n) FAIL(GLIMPSE_E_FORMAT, "%s is empty\n" SUPPORTED, f->path);
    for (size_t i = 0; n >= 4 && i < sizeof llmc_files / sizeof *llmc_files; i++)
        if (read_u32(head) == llmc_files[i].magic) what = llmc_files[i].what;
    for (size_t i = 0; !what && i < sizeof signatures / sizeof *signatures; i++)
        if (n >= signatures[i].n && !memcmp(head, signatures[i].bytes, signatures[i].n)) what = signatures[i].what;
    if (!what && is_text(head, n)) what = head[0] == '{' || head[0] == '[' ? "JSON" : "text";
    if (what) FAIL(GLIMPSE_E_UNSUPPORTED, "%s is not a model that is read: it looks like %s\n" SUPPORTED, f->path, what);
    char bytes[3 * 8 + 1] = "";
    for (size_t i = 0; i < n && i < 8; i++)
        for (int k = 0; k < 3; k++) bytes[3 * i + (size_t)k] = k == 2 ? ' ' : "0123456789abcdef"[head[i] >> (4 - 4 * k) & 15];
    bytes[3 * (n < 8 ? n : 8) - 1] = 0;
    FAIL(GLIMPSE_E_FORMAT, "%s is not a model that is known: it begins with the bytes %s\n" SUPPORTED, f->path, bytes);
}
