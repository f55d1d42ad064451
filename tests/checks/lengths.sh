#!/bin/sh
# No source above 800 lines, and the Makefile stays short.
find include kernels sampling viz hooks plugin tests examples -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' -o -name '*.sh' \
    -o -name '*.py' -o -name '*.def' | xargs wc -l | awk '$2 != "total" && $1 > 800 { print $2 " has " $1 " lines, at most 800"; bad = 1 } END { exit bad }' &&
awk 'END { if (NR > 200) { print "Makefile has " NR " lines, about 150 are enough"; exit 1 } }' Makefile
