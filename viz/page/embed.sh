#!/bin/sh
# embed.sh page.html page.css SCRIPT.js... -- the review page as C arrays, on stdout: page_shell, page_style and page_script
# (the scripts in their order), each with its length, and for the page in one file, whose content policy names what may run,
# page_style_hash and page_script_hash: SHA-256 in base64.  Called by the Makefile.
array() {
    printf 'extern const char %s[];\nextern const unsigned %s_bytes;\nconst char %s[] = {\n' "$1" "$1" "$1"
    cat "$2" | od -An -v -to1 | sed "s/ \([0-7]*\)/'\\\\\\1',/g"
    printf '0};\nconst unsigned %s_bytes = sizeof %s - 1;\n' "$1" "$1"
}
# SHA-256 of a file as a C string in base64; printf knows bytes only in octal.
hash() {
    octal=$(sha256sum "$2" | cut -c1-64 | awk '{ for (i = 1; i < 64; i += 2) { v = (index("0123456789abcdef", substr($0, i, 1)) - 1) * 16 \
        + index("0123456789abcdef", substr($0, i + 1, 1)) - 1; printf "\\%03o", v } }')
    printf 'extern const char %s[];\nconst char %s[] = "%s";\n' "$1" "$1" "$(printf "$octal" | base64)"
}
printf '/* Made by viz/page/embed.sh from viz/page/. */\n'
array page_shell "$1"
array page_style "$2"
hash page_style_hash "$2"
shift 2
cat "$@" > "${TMPDIR:-/tmp}/glimpse_page.$$" || exit 1
array page_script "${TMPDIR:-/tmp}/glimpse_page.$$"
hash page_script_hash "${TMPDIR:-/tmp}/glimpse_page.$$"
rm -f "${TMPDIR:-/tmp}/glimpse_page.$$"
