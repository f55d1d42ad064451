#!/bin/sh
# build.sh BUILD LLMC -- what `make llmc LLMC=dir` runs: copies the sources of the llm.c checkout LLMC to BUILD/llmc, adds
# Glimpse's lines there (*.edits), and builds train_gpt2 and, where nvcc is, train_gpt2cu and train_gpt2fp32cu with llm.c's
# own Makefile.  The checkout is only read.  CC, PRECISION, USE_CUDNN, NO_OMP, NO_MULTI_GPU, ... are passed on.
set -e
build=$1 llmc=$2 here=$(dirname "$0")
fail() {
    echo "make llmc: $1" >&2
    echo "hint: $2" >&2
    exit 1
}
[ -n "$llmc" ] || fail "which llm.c?" "git clone https://github.com/karpathy/llm.c /tmp/llm.c && make llmc LLMC=/tmp/llm.c"
for f in train_gpt2.c train_gpt2.cu train_gpt2_fp32.cu Makefile llmc/tokenizer.h; do
    [ -f "$llmc/$f" ] || fail "$llmc is no checkout of llm.c: it has no $f" "git clone https://github.com/karpathy/llm.c"
done
mkdir -p "$build/llmc"
to=$(cd "$build/llmc" && pwd -P)
[ "$to" != "$(cd "$llmc" && pwd -P)" ] || fail "$llmc is where the copy goes" "name another checkout: this one has the lines already"

rm -rf "$to/llmc"
cp -R "$llmc/llmc" "$to/llmc"
for f in train_gpt2.c train_gpt2.cu train_gpt2_fp32.cu Makefile; do
    rm -f "$to/$f"
    awk -f "$here/apply.awk" "$here/$f.edits" "$llmc/$f" >"$to/$f.new"
    mv "$to/$f.new" "$to/$f"
done

# Not installed: the compiler and the linker are told by their environment, nvcc's included.
CPATH=$(pwd -P)/include${CPATH:+:$CPATH}
LIBRARY_PATH=$(cd "$build" && pwd -P)${LIBRARY_PATH:+:$LIBRARY_PATH}
LD_RUN_PATH=$(cd "$build" && pwd -P)
export CPATH LIBRARY_PATH LD_RUN_PATH
unset MAKEFLAGS MFLAGS MAKELEVEL CFLAGS LDFLAGS
make --no-print-directory -C "$to" train_gpt2

# Two things in llm.c itself stop a build with CUDA; a later llm.c may have mended them, then they are left alone.
mend() {
    awk -f "$here/apply.awk" "$here/$1" "$to/$2" >"$to/mended" 2>/dev/null || return 0
    mv "$to/mended" "$to/$2"
    echo "make llmc: the copy's $2 was mended for this machine (examples/llmc/$1)"
}
command -v nvcc >/dev/null || PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin
if [ "$CUDA" != 0 ] && command -v nvcc >/dev/null; then
    major=$(nvcc --version | sed -n 's/.*release \([0-9]*\)\..*/\1/p')
    [ "${major:-0}" -lt 13 ] || mend cuda13.edits llmc/cuda_utils.cuh
    echo '#include <nvml.h>' | nvcc -E -x cu - >/dev/null 2>&1 || mend nvml.edits Makefile
    make --no-print-directory -C "$to" train_gpt2cu train_gpt2fp32cu
fi
rm -f "$to/mended"

echo
echo "Built: $(cd "$to" && ls train_gpt2 train_gpt2cu train_gpt2fp32cu 2>/dev/null | sed "s,^,$to/," | tr '\n' ' ')"
echo "Run it where llm.c's data is: cd $llmc && GLIMPSE_ARGS=\"--sample_each_eval\" $to/train_gpt2"
