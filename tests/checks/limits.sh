#!/bin/sh
# Where a limit of the process is too small to load or start anything, that limit is the reason that is given.
[ "$MODE" = release ] || exit 77 # a sanitizer needs its stack and its address space
case $B in /*) at=$B ;; *) at=$(pwd)/$B ;; esac
cd "$TMP" || exit 1
bad=0
said() { # ulimit's flag and number, arguments, what is said
    (ulimit "$1" "$2" && GLIMPSE_ARGS="--max_sample_tokens 4 $3" exec "$at/minimal") >said 2>&1
    code=$?
    [ $code != 127 ] || return # too small for the example itself here
    [ $code = 0 ] && grep -qF -e "$4" -e 'glimpse: on:' said || { echo "ulimit $1 $2: status $code, no '$4' in:"; cat said; bad=1; }
}
said -s 48 '' 'limited to 48 kB of stack (ulimit -s), and so is its worker'
said -v 6000 '' 'limited to 6000 kB of memory (ulimit -v)'
said -v 6000 '--glimpse_mode inline' 'limited to 6000 kB of memory (ulimit -v)'
exit $bad
