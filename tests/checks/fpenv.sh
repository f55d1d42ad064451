#!/bin/sh
# Loading each library leaves the host's floating-point environment alone; see fpenv.c.
set -e
libs=$(ls "$B"/libglimpse*.so 2>/dev/null) || { echo "no library is built"; exit 77; }
[ "$MODE" = release ] || { echo "checked in the release build"; exit 77; }
$CC -std=c17 -O1 -D_GNU_SOURCE tests/checks/fpenv.c -o "$TMP/fpenv" -lm -ldl
"$TMP/fpenv" $libs
