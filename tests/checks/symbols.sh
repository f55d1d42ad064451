#!/bin/sh
# What the libraries export: libglimpse exactly the functions of glimpse.h and their table, the session its one table.
[ -f "$B/libglimpse.so" ] || { echo "not built: libglimpse.so"; exit 77; }
[ "$MODE" = release ] || { echo "the exports are checked in the release build"; exit 77; }
bad=0
same() { # name, expected, found
    [ "$2" = "$3" ] && return
    echo "$1: expected and found differ"
    echo "$2" >"$TMP/a"; echo "$3" >"$TMP/b"
    diff "$TMP/a" "$TMP/b"
    bad=1
}
defined() { nm "$@" | awk 'NF == 3 && $2 ~ /[A-Z]/ && $2 != "U" { print $3 }' | LC_ALL=C sort -u; }
declared=$(grep -hv '^#' include/glimpse*.h | tr '\n' ' ' | grep -o 'GLIMPSE_API [^;{(]*(' | sed 's/.*[ *]\(glimpse_[a-z0-9_]*\)(/\1/' |
    LC_ALL=C sort -u)
# ... and the table of all of them, for loops that load the library at run time.
declared=$(printf '%s\nglimpse_api_v1\n' "$declared" | LC_ALL=C sort -u)
[ "$declared" != glimpse_api_v1 ] || { echo "found no declaration in glimpse.h"; exit 1; }
same libglimpse.so "$declared" "$(defined -D --defined-only "$B/libglimpse.so")"
same libglimpse.a "$declared" "$(defined -g --defined-only "$B/libglimpse.a")"
[ ! -f "$B/libglimpse_session.so" ] ||
    same libglimpse_session.so glimpse_session_v1 "$(defined -D --defined-only "$B/libglimpse_session.so")"
exit $bad
