#!/bin/sh
# The public headers compile alone, as C11, C17 and C++, without a warning, and name no system header but stddef, stdint.
bad=0
for h in include/glimpse*.h; do
    name=${h#include/}
    others=$(grep -n '^[[:space:]]*#[[:space:]]*include' "$h" | grep -v '<stddef.h>\|<stdint.h>\|<glimpse.h>')
    [ "$name" != glimpse.h ] || [ -z "$others" ] || { echo "$h: $others"; bad=1; }
    # The initialisers are expanded too: they are what a user's file compiles.
    printf '#include <%s>\n#include <%s>\nglimpse_model m = GLIMPSE_MODEL_INIT;\nglimpse_tensor t = GLIMPSE_TENSOR_INIT;\nglimpse_request r = GLIMPSE_REQUEST_INIT;\n' \
        "$name" "$name" >"$TMP/h.c"
    cp "$TMP/h.c" "$TMP/h.cc"
    for cc in gcc clang; do
        command -v $cc >/dev/null || continue
        for std in c11 c17; do
            $cc -std=$std -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror -Iinclude -fsyntax-only "$TMP/h.c" || { echo "$h: $cc -std=$std"; bad=1; }
        done
    done
    for cc in g++ clang++; do
        command -v $cc >/dev/null || continue
        $cc -std=c++11 -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only "$TMP/h.cc" || { echo "$h: $cc"; bad=1; }
    done
done
exit $bad
