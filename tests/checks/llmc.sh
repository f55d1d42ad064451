#!/bin/sh
# The lines for llm.c: added where they belong, refused with a reason where the source has moved, the same in
# examples/llmc.md; and they compile, as C and as C++, as fast-math code too.  LLMC=dir also builds a real checkout.
at=examples/llmc; bad=0
wrong() { echo "$*"; bad=1; }

# --- the document shows the lines that are added
for f in $at/train_gpt2.c.edits $at/train_gpt2.cu.edits $at/train_gpt2_fp32.cu.edits $at/Makefile.edits; do
    grep -v '^[@#]' "$f" | grep . | while read -r line; do
        sed -n 's/^+ *//p' examples/llmc.md | grep -qxF -e "$line" || echo "$f: not in examples/llmc.md: $line"
    done >"$TMP/missing"
    [ ! -s "$TMP/missing" ] || { cat "$TMP/missing"; bad=1; }
done

# --- apply.awk
cat >"$TMP/edits" <<'END'
# a comment, no line
@after int a = 1;
b(a);

@replace if (x  > 0) { // why
if (!g && x > 0) {
@before leave(x);
close(g);
END
printf 'first\n    int  a=1; // one\n\tif (x > 0) {\n\t\tleave(x);\n}' >"$TMP/source"
printf 'first\n    int  a=1; // one\n    b(a);\n\n\tif (!g && x > 0) {\n\t\tclose(g);\n\t\tleave(x);\n}\n' >"$TMP/wanted"
awk -f $at/apply.awk "$TMP/edits" "$TMP/source" >"$TMP/got" || wrong "apply.awk failed"
cmp "$TMP/got" "$TMP/wanted" || { diff "$TMP/got" "$TMP/wanted"; bad=1; }
refused() { # what the message says
    awk -f $at/apply.awk "$TMP/edits" "$TMP/moved" >"$TMP/got" 2>"$TMP/said" && wrong "not refused: $1"
    [ ! -s "$TMP/got" ] || wrong "$1: something was written"
    grep -q "moved: $1" "$TMP/said" || { cat "$TMP/said"; wrong "not said: $1"; }
}
sed 's/leave/left/' "$TMP/source" >"$TMP/moved"; refused 'this line is not there: leave(x);'
sed 's/first/leave(x);/' "$TMP/source" >"$TMP/moved"; refused 'this line is there 2 times: leave(x);'
sed '1!G;h;$!d' "$TMP/source" >"$TMP/moved"; refused 'line [0-9]* stands before line'
: >"$TMP/moved"; awk -f $at/apply.awk "$TMP/edits" "$TMP/moved" >/dev/null 2>&1 && wrong "an empty source was not refused"

# --- build.sh says what it needs
sh $at/build.sh "$B" '' 2>&1 | grep -q 'git clone' || wrong "no word about LLMC="
sh $at/build.sh "$B" "$TMP" 2>&1 | grep -q 'is no checkout of llm.c' || wrong "a folder without llm.c was not refused"

# --- the lines compile: a host with llm.c's names, its flags and its dialects
cat >"$TMP/host.c" <<'END'
#include <glimpse_llmc.h>
typedef struct { int max_seq_len, vocab_size, padded_vocab_size, num_layers, num_heads, channels; } GPT2Config;
typedef struct { GPT2Config config; void *params_memory; float mean_loss, *cpu_losses; } GPT2;
enum { PRECISION_FP32, PRECISION_FP16, PRECISION_BF16 };
#define PRECISION_MODE PRECISION_BF16
int main(void) {
    GPT2 model = {{8, 50, 56, 1, 1, 4}, 0, -1.0f, 0};
    int ids[8] = {0}, targets[8] = {0};
    glimpse_config *cfg = glimpse_llmc_config(64);
    if (glimpse_is_sample_only(cfg)) return glimpse_run(cfg);
    glimpse *g = glimpse_llmc_open(cfg, 0, GLIMPSE_LLMC_CONFIG(model.config), model.params_memory, GLIMPSE_LLMC_DTYPE, NULL);
    glimpse_check_losses(g, ids, targets, 1, 8, model.cpu_losses);
    glimpse_llmc_eval(g, 0, model.mean_loss, 3.0f);
    return glimpse_close(g);
}
END
cp "$TMP/host.c" "$TMP/host.cc"
cp "$TMP/host.c" "$TMP/host.cu"
m=math; strict="-Wall -Wextra -Werror -Iinclude -O3 -ffast-$m -c -o $TMP/host.o" # what llm.c calls -Ofast, a name that clang 19 warns of
for cc in gcc clang; do command -v $cc >/dev/null && { $cc -std=c11 $strict "$TMP/host.c" || wrong "$cc"; }; done
for cc in g++ clang++; do command -v $cc >/dev/null && { $cc -std=c++17 $strict "$TMP/host.cc" || wrong "$cc"; }; done
command -v nvcc >/dev/null || PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin
if command -v nvcc >/dev/null; then
    nvcc -std=c++17 --use_fast_math -Iinclude -c -o "$TMP/host.o" "$TMP/host.cu" || wrong nvcc
fi

# --- a real checkout, if there is one: only read
if [ -n "$LLMC" ] && [ "$MODE" = release ]; then
    find "$LLMC" -type f -exec cksum {} + | sort >"$TMP/before"
    sh $at/build.sh "$B" "$LLMC" >"$TMP/log" 2>&1 || { tail -n 20 "$TMP/log"; wrong "$LLMC was not built"; }
    find "$LLMC" -type f -exec cksum {} + | sort >"$TMP/after"
    cmp "$TMP/before" "$TMP/after" || wrong "$LLMC was changed"
fi
exit $bad
