/* llmc_bin.c -- llm.c's model .bin (karpathy/llm.c: train_gpt2.py write_model, train_gpt2.cu gpt2_write_to_checkpoint).
 *
 * 256 little-endian int32: [0] magic 20240326, [1] version (3: every tensor f32, 5: every tensor bf16), [2] max_seq_len,
 * [3] V, [4] L, [5] H, [6] C, [7] Vp, the rest 0.  Then, without gaps, 16 tensors, each stacked over the layers:
 *   wte (Vp, C)  wpe (T, C)  ln1w ln1b (L, C)  qkvw (L, 3C, C) qkvb (L, 3C)  attprojw (L, C, C) attprojb (L, C)
 *   ln2w ln2b (L, C)  fcw (L, 4C, C) fcb (L, 4C)  fcprojw (L, C, 4C) fcprojb (L, C)  lnfw lnfb (C)
 * Version 1 came before the padded vocabulary.  The file's size follows from the header and must be exactly that. */
#define _GNU_SOURCE
#include "sampling/checkpoint/readers.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 1024, N_TENSORS = 16, CHUNK_BYTES = 16 << 20 };
enum { DIM_L = -1, DIM_C1 = -2, DIM_C3 = -3, DIM_C4 = -4, DIM_ROWS = -5, DIM_POS = -6 };

static const struct {
    const char *name;
    int dims[3]; /* 0 = none */
} layout[N_TENSORS] = {
    {"transformer.wte.weight", {DIM_ROWS, DIM_C1}},
    {"transformer.wpe.weight", {DIM_POS, DIM_C1}},
    {"transformer.h.*.ln_1.weight", {DIM_L, DIM_C1}},
    {"transformer.h.*.ln_1.bias", {DIM_L, DIM_C1}},
    {"transformer.h.*.attn.c_attn.weight", {DIM_L, DIM_C3, DIM_C1}},
    {"transformer.h.*.attn.c_attn.bias", {DIM_L, DIM_C3}},
    {"transformer.h.*.attn.c_proj.weight", {DIM_L, DIM_C1, DIM_C1}},
    {"transformer.h.*.attn.c_proj.bias", {DIM_L, DIM_C1}},
    {"transformer.h.*.ln_2.weight", {DIM_L, DIM_C1}},
    {"transformer.h.*.ln_2.bias", {DIM_L, DIM_C1}},
    {"transformer.h.*.mlp.c_fc.weight", {DIM_L, DIM_C4, DIM_C1}},
    {"transformer.h.*.mlp.c_fc.bias", {DIM_L, DIM_C4}},
    {"transformer.h.*.mlp.c_proj.weight", {DIM_L, DIM_C1, DIM_C4}},
    {"transformer.h.*.mlp.c_proj.bias", {DIM_L, DIM_C1}},
    {"transformer.ln_f.weight", {DIM_C1}},
    {"transformer.ln_f.bias", {DIM_C1}},
};

typedef struct header {
    int32_t version, T, V, L, H, C, Vp;
} header;

static glimpse_status field(const file *f, const char *name, int index, int64_t value, int64_t low, int64_t high) {
    if (value >= low && value <= high) return GLIMPSE_OK;
    FAIL(GLIMPSE_E_FORMAT, "%s: %s (header int %d) is %lld, expected %lld to %lld", f->path, name, index,
         (long long)value, (long long)low, (long long)high);
}

/* Within these bounds the largest tensor has 2^12 * 2^22 * 2^20 elements: sizes stay far inside 64 bits. */
static glimpse_status read_header(const file *f, header *h) {
    unsigned char raw[HEADER_BYTES];
    if (f->size < HEADER_BYTES)
        FAIL(GLIMPSE_E_FORMAT, "%s: truncated: the header has %d bytes, the file %lld", f->path, (int)HEADER_BYTES,
             (long long)f->size);
    TRY(file_read_at(f, 0, raw, sizeof raw));
    int32_t ints[8];
    for (int i = 0; i < 8; i++) ints[i] = (int32_t)read_u32(raw + 4 * i);
    *h = (header){ints[1], ints[2], ints[3], ints[4], ints[5], ints[6], ints[7]};
    if (h->version == 1)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: an llm.c model of version 1, from before the vocabulary was padded\n"
             "hint: write it anew with a current llm.c: python train_gpt2.py (versions 3 and 5 are read)", f->path);
    if (h->version != 3 && h->version != 5)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: an llm.c model of version %d, expected 3 (f32) or 5 (bf16)", f->path,
             (int)h->version);
    TRY(field(f, "max_seq_len", 2, h->T, 1, 1 << 24));
    TRY(field(f, "vocab_size", 3, h->V, 1, 1 << 24));
    TRY(field(f, "num_layers", 4, h->L, 1, 4096));
    TRY(field(f, "num_heads", 5, h->H, 1, 1 << 20));
    TRY(field(f, "channels", 6, h->C, 1, 1 << 20));
    TRY(field(f, "padded_vocab_size", 7, h->Vp, h->V, 1 << 25));
    if (h->C % h->H)
        FAIL(GLIMPSE_E_FORMAT, "%s: channels (header int 6) is %d, no multiple of num_heads = %d", f->path, (int)h->C,
             (int)h->H);
    for (int i = 32; i < HEADER_BYTES; i++)
        if (raw[i]) FAIL(GLIMPSE_E_FORMAT, "%s: header int %d is not 0: not a layout that is known here", f->path, i / 4);
    return GLIMPSE_OK;
}

static int64_t dim_of(const header *h, int dim) {
    switch (dim) {
    case DIM_L: return h->L;
    case DIM_C1: return h->C;
    case DIM_C3: return 3 * (int64_t)h->C;
    case DIM_C4: return 4 * (int64_t)h->C;
    case DIM_ROWS: return h->Vp;
    default: return h->T;
    }
}

/* All bytes from `at`, in pieces, so that progress moves and no call is longer than the system allows. */
static glimpse_status read_tensors(const file *f, char *to, int64_t bytes, checkpoint_progress progress, void *user) {
    for (int64_t done = 0; done < bytes;) {
        int64_t n = bytes - done < CHUNK_BYTES ? bytes - done : CHUNK_BYTES;
        TRY(file_read_at(f, HEADER_BYTES + done, to + done, (size_t)n));
        done += n;
        if (progress) progress(user, done, bytes);
    }
    return GLIMPSE_OK;
}

glimpse_status llmc_bin_read(const file *f, checkpoint_progress progress, void *user, model **out) {
    glimpse_status st = GLIMPSE_OK;
    char *memory = NULL;
    header h = {0};
    struct stat before, after;
    glimpse_tensor tensors[N_TENSORS];
    glimpse_model d = GLIMPSE_MODEL_INIT;
    const uint16_t probe = 1;
    TRY(read_header(f, &h));
    if (!*(const unsigned char *)&probe)
        FAIL(GLIMPSE_E_UNSUPPORTED, "%s: its numbers are little-endian, this machine is big-endian", f->path);
    int64_t size = h.version == 3 ? 4 : 2, elements = 0, offset[N_TENSORS];
    for (int i = 0; i < N_TENSORS; i++) {
        glimpse_tensor t = GLIMPSE_TENSOR_INIT;
        int64_t n = 1;
        t.name = layout[i].name;
        t.dtype = h.version == 3 ? GLIMPSE_F32 : GLIMPSE_BF16;
        for (int k = 0; k < 3 && layout[i].dims[k]; k++) n *= t.dims[t.n_dims++] = dim_of(&h, layout[i].dims[k]);
        offset[i] = elements * size;
        elements += n;
        tensors[i] = t;
    }
    int64_t bytes = elements * size, expected = HEADER_BYTES + bytes;
    if (f->size != expected) {
        bool cut = f->size < expected;
        st = status_fail(GLIMPSE_E_FORMAT, __FILE__, __LINE__,
                         "%s: %s: version %d, L %d, H %d, C %d, V %d of Vp %d, T %d need %lld bytes, found %lld", f->path,
                         cut ? "truncated" : "too long", (int)h.version, (int)h.L, (int)h.H, (int)h.C, (int)h.V,
                         (int)h.Vp, (int)h.T, (long long)expected, (long long)f->size);
        if (cut) HINT("is it still being written, or was its copy interrupted?");
        return st;
    }
    if (io.fstat(f->fd, &before)) FAIL(GLIMPSE_E_IO, "%s: its state cannot be read", f->path);
    /* No larger than the file, whose size was just compared. */
    if (!(memory = malloc((size_t)bytes)))
        FAIL(GLIMPSE_E_MEMORY, "no memory for the %lld bytes of %s", (long long)bytes, f->path);
    TRY_GOTO(read_tensors(f, memory, bytes, progress, user));
    if (io.fstat(f->fd, &after)) FAIL_GOTO(GLIMPSE_E_IO, "%s: its state cannot be read", f->path);
    if (!file_unchanged(&before, &after)) FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: it changed while it was read", f->path);
    for (int i = 0; i < N_TENSORS; i++) tensors[i].data = memory + offset[i];
    d.arch = "gpt2";
    d.n_layers = h.L, d.n_heads = h.H, d.channels = h.C, d.ffn_size = 4 * h.C;
    d.vocab_size = h.V, d.max_seq_len = h.T;
    d.trainer_bf16 = h.version == 5;
    d.tensors = tensors, d.n_tensors = N_TENSORS;
    model *m = NULL;
    TRY_GOTO(model_from_description(&d, &m));
    m->storage = memory, m->storage_free = free;
    memory = NULL;
    *out = m;
out:
    free(memory);
    return st;
}
