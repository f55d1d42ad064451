#!/bin/sh
# Who may include whom.  Project includes are written from the root, so that the layer shows in the line; the public
# headers as <glimpse.h> and <glimpse_llmc.h>.
find include kernels sampling viz hooks plugin examples -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' | sort |
xargs awk '
BEGIN {
    may["include"] = " include "
    may["kernels"] = " include kernels "
    may["viz"] = " include viz "
    may["sampling"] = " include kernels sampling "
    may["hooks"] = " include kernels sampling viz hooks "
    may["plugin"] = " include kernels sampling viz hooks plugin "
    may["examples"] = " examples "
}
/^[ \t]*#[ \t]*include/ {
    split(FILENAME, at, "/")
    if (match($0, /"[^"]*"/)) {
        name = substr($0, RSTART + 1, RLENGTH - 2)
        if ((name == "build_id.h" || name == "gen/build_id.h") && (at[1] == "plugin" || at[1] == "hooks" || at[1] == "include" || at[2] == "cuda")) next
        split(name, to, "/")
        # An example is copied away as it is: its own files are named beside it.
        if (at[1] == "examples" && !index(name, "/..") && system("test -f \"$(dirname " FILENAME ")/" name "\"") == 0) next
        if (!index(name, "/") || !(to[1] in may)) { bad(name " is not written from the root"); next }
        if (!index(may[at[1]], " " to[1] " ")) bad(at[1] "/ may not include " to[1] "/")
        if (system("test -f \"" name "\"") != 0) bad(name " does not exist")
    } else if (match($0, /<[^>]*>/)) {
        name = substr($0, RSTART + 1, RLENGTH - 2)
        if (name == "glimpse.h" || name == "glimpse_llmc.h") next
        if (system("test -e \"" name "\" -o -e \"include/" name "\"") == 0) bad("<" name "> is ours: \"from/the/root.h\"")
    }
}
function bad(why) { printf "%s:%d: %s\n", FILENAME, FNR, why; n++ }
END { exit n > 0 }' || exit 1
