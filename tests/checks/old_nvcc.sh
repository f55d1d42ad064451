#!/bin/sh
# Glimpse is built on a machine whose nvcc cannot build the CUDA backend: without it, and told why; asked once for each compiler.
root=$PWD tries=$TMP/tries
cd "$TMP" || exit 1
cat >nvcc <<END
#!/bin/sh
echo >>$tries
[ ! -e $TMP/new ] || exit 0
echo "nvcc warning : something of no interest" >&2
echo "nvcc fatal   : Unsupported gpu architecture 'compute_90'" >&2
exit 1
END
chmod +x nvcc
ask() { NVCC=$TMP/nvcc COMPILE="$TMP/nvcc $1" LINK=true LIBS= CC=${CC:-cc} sh "$root/tests/setup/cuda_works.sh" 2>said; }
wants() { # what, the answer, how often nvcc has run, what is said
    [ "$2 $3" = "$answer $(wc -l <"$tries" | xargs)" ] && { [ -z "$4" ] || grep -qs "$4" said; } || { echo "$1: $answer, $(wc -l <"$tries") runs of nvcc"; cat said; exit 1; }
}
answer=$(ask -a)
wants 'an old nvcc' 0 1 "^without CUDA: .*nvcc cannot build the backend here: nvcc fatal   : Unsupported gpu architecture 'compute_90' (CUDA=1 "
answer=$(ask -a)
wants 'once more' 0 1 ''
[ "$(sed -n 3p build/cuda_works)" = "nvcc fatal   : Unsupported gpu architecture 'compute_90'" ] || { cat build/cuda_works; exit 1; }
touch new
answer=$(ask -b)
wants 'other flags' 1 2 ''
[ ! -s said ] || { cat said; exit 1; }
cd "$root" || exit 1
# The Makefile asks it, unless CUDA= says.
unset CUDA MAKEFLAGS MFLAGS MAKELEVEL
[ "$(make -pn NVCC=/nonexistent/nvcc help 2>/dev/null | sed -n 's/^CUDA := //p')" = 0 ] || { echo 'CUDA without nvcc'; exit 1; }
