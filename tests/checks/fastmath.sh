#!/bin/sh
# No fast-math: linked into a library it flushes the host's denormals at load, compiled it removes NaN checks.
# The names are put together here so that this file does not find itself.
f=fast; o=O
flags="-f$f-math|-${o}$f|-funsafe-math-optimizations|-ffinite-math-only|-fassociative-math|-freciprocal-math|-mdaz-ftz|-ffp-contract=$f"
bad=0
for file in Makefile .ci/run tests/setup/*.sh examples/*.sh; do
    [ -f "$file" ] || continue
    # Recipes, not prose: a comment may say why it is absent.
    sed 's,^#.*,,' "$file" | grep -nE -e "(^|[[:space:]\"'=])($flags)" && { echo "^ $file"; bad=1; }
done
find include kernels sampling viz hooks plugin examples tests -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' |
    xargs grep -nE '#[[:space:]]*pragma.*(GCC optimize|FP_CONTRACT[[:space:]]+ON|float_control|fp (contract|reassociate))|__attribute__.*optimize' &&
    bad=1
for l in "$B"/*.so; do
    [ -f "$l" ] && nm "$l" | grep set_fast_math && { echo "^ $l"; bad=1; }
done
exit $bad
