/* meta_pickle.c -- nanoGPT's meta.pkl (karpathy/nanoGPT, data/shakespeare_char/prepare.py): {'vocab_size': n, 'itos': {id:
 * character}, 'stoi': {character: id}}.  The pickle is data alone (sampling/checkpoint/pickle.h). */
#include <stdlib.h>
#include <string.h>

#include "sampling/checkpoint/pickle.h"
#include "sampling/tokenizer/kinds.h"

glimpse_status meta_pickle_new(const char *path, const unsigned char *file, size_t n, tokenizer **out) {
    glimpse_status st = GLIMPSE_OK;
    pickle p = {0};
    const char **pieces = NULL;
    int32_t *bytes = NULL;
    TRY(pickle_read(path, file, n, &p));
    const pickle_value *itos = pickle_get(&p, pickle_root(&p), "itos"),
                       *size = pickle_get(&p, pickle_root(&p), "vocab_size");
    int64_t V = 0, said;
    if (!itos || itos->kind != PICKLE_DICT || !itos->n)
        FAIL_GOTO(GLIMPSE_E_TOKENIZER, "%s is a pickle without itos: nanoGPT's meta.pkl has {'itos': {id: text}, ...}",
                  path);
    V = itos->n / 2;
    if (size && (!pickle_i64(size, &said) || said != V))
        FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: itos has %lld entries, and vocab_size is another number", path, (long long)V);
    pieces = calloc((size_t)V, sizeof *pieces);
    bytes = calloc((size_t)V, sizeof *bytes);
    if (!pieces || !bytes) FAIL_GOTO(GLIMPSE_E_MEMORY, "no memory for a vocabulary");
    for (uint32_t i = 0; i < itos->n; i += 2) {
        const pickle_value *text = pickle_item(&p, itos, i + 1);
        int64_t id;
        if (!pickle_i64(pickle_item(&p, itos, i), &id) || id < 0 || id >= V || text->kind != PICKLE_TEXT || !text->n ||
            pieces[id])
            FAIL_GOTO(GLIMPSE_E_FORMAT, "%s: entry %u of itos is no text for an id from 0 to %lld of its own", path,
                      (unsigned)(i / 2), (long long)V - 1);
        pieces[id] = text->text, bytes[id] = (int32_t)text->n;
    }
    st = pieces_tokenizer_new(pieces, bytes, (int32_t)V, -1, path, out);
out:
    free(pieces);
    free(bytes);
    pickle_free(&p);
    return st;
}
