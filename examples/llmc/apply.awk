# apply.awk -- writes a source with lines added: awk -f apply.awk EDITS SOURCE.  Called by build.sh.
#
# EDITS: "# ..." before the first edit is a comment; "@after LINE", "@before LINE" or "@replace LINE" names a line of the
# source, and the lines below it up to the next @ are added there, indented as that line is.  Lines are compared without
# their spaces and // comments.  Each must be in the source exactly once and in this order: otherwise the source has
# moved, nothing is written, and what was looked for is said (exit 1).
function plain(s) {
    sub(/[ \t]*\/\/.*$/, "", s)
    gsub(/[ \t\r]+/, "", s)
    return s
}
function indent(s) {
    match(s, /^[ \t]*/)
    return substr(s, 1, RLENGTH)
}
function add(e,   i, n, lines) {
    n = split(text[e], lines, "\n")
    for (i = 1; i < n; i++) out = out (lines[i] == "" ? "" : indent($0) lines[i]) "\n"
}
function complain(what) {
    print "apply.awk: " source ": " what > "/dev/stderr"
    bad = 1
}
FNR == 1 { file++ }
file == 1 && /^@/ {
    how[++edits] = substr($1, 2)
    anchor[edits] = substr($0, index($0, " ") + 1)
    key[edits] = plain(anchor[edits])
    next
}
file == 1 {
    if (edits) text[edits] = text[edits] $0 "\n"
    next
}
{
    source = FILENAME
    line = plain($0)
    here = 0
    for (e = 1; e <= edits; e++) {
        if (line != key[e]) continue
        if (!found[e]++) at[e] = FNR
        here = e
    }
    if (here && how[here] == "before") add(here)
    if (here && how[here] == "replace") add(here)
    else out = out $0 "\n"
    if (here && how[here] == "after") add(here)
}
END {
    if (source == "") complain((ARGC > 2 ? ARGV[2] : "no source") " is empty")
    for (e = 1; e <= edits; e++) {
        if (found[e] != 1)
            complain((found[e] ? "this line is there " found[e] " times" : "this line is not there") ": " anchor[e])
        else if (at[e] < last) complain("line " at[e] " stands before line " last ": " anchor[e])
        else last = at[e]
    }
    if (bad) {
        print "hint: llm.c has changed here; the lines to add by hand are in examples/llmc.md" > "/dev/stderr"
        exit 1
    }
    printf "%s", out
}
