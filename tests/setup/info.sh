#!/bin/sh
# info.sh -- what was found on this machine, with the command that brings what was not.  Called by `make info`.
CC=${CC:-gcc}
line() { # found? name, what was found, hint
    if [ "$1" = 0 ]; then printf '  ✓ %-14s %s\n' "$2" "$3"; else printf '  ✗ %-14s %s\n' "$2" "$4"; fi
}
# Does a program that includes $2 link with $3?
lib() {
    t=$(uname -m)-linux-gnu D=build/deps/usr
    flags="-I$D/include -I$D/include/freetype2 -I$D/include/$t/openblas-pthread -I/usr/include/$t
        $(pkg-config --cflags freetype2 2>/dev/null || echo -I/usr/include/freetype2)
        -L$D/lib/$t -L$D/lib/$t/openblas-pthread -Wl,-rpath-link,$D/lib/$t:/usr/lib/$t:/lib/$t"
    echo "#include <stdio.h>
#include <$2>
int main(void) { return 0; }" | $CC $flags -x c - -o /dev/null $3 2>/dev/null
    line $? "$1" "$3" "apt-get install $4"
}
file() {
    for f in $2; do [ -e "$f" ] && { line 0 "$1" "$f"; return; }; done
    line 1 "$1" '' "$3"
}
echo "for MODE=$MODE with $CC on $(uname -m), $(nproc) CPUs"
line "$(command -v "$CC" >/dev/null; echo $?)" compiler "$($CC --version 2>/dev/null | head -n1)" 'apt-get install build-essential'
lib libpng png.h '-lpng' libpng-dev
lib zlib zlib.h '-lz' zlib1g-dev
lib cJSON cjson/cJSON.h '-lcjson' libcjson-dev
lib FreeType ft2build.h '-lfreetype' libfreetype-dev
CC="$CC -DPCRE2_CODE_UNIT_WIDTH=8" lib PCRE2 pcre2.h '-lpcre2-8' libpcre2-dev
lib utf8proc utf8proc.h '-lutf8proc' libutf8proc-dev
lib libedit histedit.h '-ledit' libedit-dev
lib Hunspell hunspell/hunspell.h '-lhunspell-1.7' 'libhunspell-dev hunspell-en-us   (spelling metric; optional)'
lib OpenBLAS cblas.h '-lopenblas' 'libopenblas-dev   (the example trainer)'
lib OpenMP omp.h '-fopenmp' 'libomp-dev (clang); comes with gcc   (the example trainer)'
file DejaVu '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf build/deps/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf' 'apt-get install fonts-dejavu-core   (else built-in letters)'
file Unifont '/usr/share/fonts/opentype/unifont/unifont.otf build/deps/usr/share/fonts/opentype/unifont/unifont.otf' 'apt-get install fonts-unifont   (else boxes with the code)'
nvcc=$(command -v nvcc || ls "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" 2>/dev/null)
line "$([ -n "$nvcc" ]; echo $?)" 'CUDA nvcc' "$nvcc" 'not found (optional): https://developer.nvidia.com/cuda-downloads'
cublas=$(ls "$(dirname "$(dirname "${nvcc:-/x/x}")")"/lib64/libcublas.so /usr/lib/*/libcublas.so 2>/dev/null | head -n1)
line "$([ -n "$cublas" ]; echo $?)" cuBLAS "$cublas" 'not found (optional): comes with the CUDA Toolkit'
module=build/$MODE/libglimpse_cuda.so
if [ -z "$nvcc" ] || [ -z "$cublas" ]; then why='not built: it wants nvcc and cuBLAS (the tests run it in an emulation)'
elif [ "$CUDA$(sed -n 2p build/cuda_works 2>/dev/null)" = 00 ]; then why="not built: $(sed -n 3p build/cuda_works)"
elif [ "$CUDA" = 0 ]; then why='left out, because CUDA=0'
else why='not built yet: make builds it'; fi
line "$([ -f "$module" ]; echo $?)" 'CUDA backend' "$module" "$why"
gpu=$(nvidia-smi --query-gpu=name,memory.total --format=csv,noheader 2>/dev/null | head -n4)
line "$([ -n "$gpu" ]; echo $?)" GPU "$gpu" 'none; everything runs on the CPU'
