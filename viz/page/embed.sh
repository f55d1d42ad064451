#!/bin/sh
# embed.sh page.html page.css SCRIPT.js... -- the review page as C arrays, on stdout: page_shell, page_style and page_script
# (the scripts in their order), each with its length.  Called by the Makefile.
array() {
    printf 'extern const char %s[];\nextern const unsigned %s_bytes;\nconst char %s[] = {\n' "$1" "$1" "$1"
    cat "$2" | od -An -v -to1 | sed "s/ \([0-7]*\)/'\\\\\\1',/g"
    printf '0};\nconst unsigned %s_bytes = sizeof %s - 1;\n' "$1" "$1"
}
printf '/* Made by viz/page/embed.sh from viz/page/. */\n'
array page_shell "$1"
array page_style "$2"
shift 2
cat "$@" > "${TMPDIR:-/tmp}/glimpse_page.$$" || exit 1
array page_script "${TMPDIR:-/tmp}/glimpse_page.$$"
rm -f "${TMPDIR:-/tmp}/glimpse_page.$$"
