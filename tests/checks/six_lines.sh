#!/bin/sh
# The lines that README shows compile as they stand there, without a warning, as C, as C++ and, where nvcc is, in a .cu file;
# so do those of the header's opening, and a hook in C++ that walks a record with GLIMPSE_AT.
[ "$MODE" = release ] || { echo "checked in the release build"; exit 77; }
bad=0
lines() { # of README's first block of C, without the include
    sed -n '/^```c$/,/^```$/p' README.md | sed '1d;/^```$/,$d;/#include/d'
}
opening() { # of the header
    sed -n '/^#define GLIMPSE_H/q;s/^ \*   //p' include/glimpse.h | sed -n '/glimpse_config \*cfg/,/glimpse_close/p'
}
{
    cat <<'C'
#include <stdio.h>
#include <glimpse.h>
static void train_step(void) {}
static int readme(int argc, char **argv, const float *wte, const float *ln1w, int L, int NH, int C, int V, int Vp, int T, int eos,
                  int eval_interval, int last_step, double train_loss, double val_loss) {
    int step;
C
    lines
    cat <<'C'
    return 0;
}
static int opening(int argc, char **argv, const float *wte, int L, int NH, int C, int V, int Vp, int T, int eval_interval, int last_step,
                   double train_loss, double val_loss) {
    int step;
C
    opening
    cat <<'C'
    return 0;
}
static int ids(const glimpse_record *record) { /* const structs, const fields */
    int sum = 0;
    for (int i = 0; i < record->n_samples; i++) {
        const glimpse_sample *const s = GLIMPSE_AT(record->samples, i);
        for (int k = 0; k < s->n_tokens; k++) sum += GLIMPSE_AT(s->tokens, k)->id;
    }
    return sum;
}
/* The other ways to name a shape: an array, a constant one, a pointer. */
static void shapes(glimpse_model *model, const float *w) {
    int64_t room[4] = {3, 4, 0, 0};
    static const int64_t fixed[2] = {3, 4};
    const int64_t *first = fixed;
    glimpse_bind(model, "a", w, GLIMPSE_F32, 2, room);
    glimpse_bind(model, "b", w, GLIMPSE_F32, 2, fixed);
    glimpse_bind(model, "c", w, GLIMPSE_F32, 2, first);
    glimpse_bind(model, "d", w, GLIMPSE_F32, 2, (int64_t[]){3, 4});
#ifdef __cplusplus
    glimpse_bind(model, "e", w, GLIMPSE_F32, 2, {3, 4});
#endif
}
int main(int argc, char **argv) {
    float w[64] = {0};
    glimpse_record r;
    glimpse_model model = GLIMPSE_MODEL_INIT;
    (void)ids;
    (void)r;
    shapes(&model, w);
    for (int i = 0; i < model.n_tensors; i++)
        printf("%s %d %d %d\n", model.tensors[i].name, (int)model.tensors[i].n_dims, (int)model.tensors[i].dims[0], (int)model.tensors[i].dims[1]);
    glimpse_model_free(&model);
    return argc > 1000 ? readme(argc, argv, w, w, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0) + opening(argc, argv, w, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0) : 0;
}
C
} >"$TMP/six.c"
[ "$(lines | grep -c glimpse_)" -ge 9 ] && [ "$(opening | grep -c glimpse_)" -ge 8 ] || { echo "the lines were not found"; exit 1; }
cp "$TMP/six.c" "$TMP/six.cc"
cp "$TMP/six.c" "$TMP/six.cu"
try() { # NAME COMMAND...: compiles, and binds what the C program binds
    what=$1
    shift
    "$@" -Iinclude -o "$TMP/six" -L"$B" -lglimpse >"$TMP/log" 2>&1 || { echo "$what:"; cat "$TMP/log"; bad=1; return; }
    LD_LIBRARY_PATH=$B "$TMP/six" >"$TMP/out" || { echo "$what: does not run"; bad=1; }
    sed '/^e /d' "$TMP/out" | cmp -s - "$TMP/wanted" || { echo "$what:"; cat "$TMP/out"; bad=1; }
}
printf 'a 2 3 4\nb 2 3 4\nc 2 3 4\nd 2 3 4\n' >"$TMP/wanted"
for cc in gcc clang; do
    command -v $cc >/dev/null && try "$cc" $cc -std=c17 -Wall -Wextra -Wpedantic -Werror "$TMP/six.c"
done
for cxx in g++ clang++; do
    command -v $cxx >/dev/null || continue
    for std in c++11 c++14 c++17 c++20; do
        try "$cxx $std" $cxx -std=$std -Wall -Wextra -Werror "$TMP/six.cc"
    done
done
nvcc=$(command -v nvcc || ls "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" 2>/dev/null)
[ -z "$nvcc" ] || for std in c++14 c++17; do
    try "nvcc $std" "$nvcc" -std=$std -Xcompiler -Wall,-Wextra,-Werror -Werror all-warnings -Xlinker "-rpath=$B" "$TMP/six.cu"
done
exit $bad
