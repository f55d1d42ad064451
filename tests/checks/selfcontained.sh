#!/bin/sh
# The repository explains itself: nothing in it points at notes that are not part of it, or at one machine's paths.
# The names are put together here so that this file does not find itself.
s=shared; w=work
git ls-files >"$TMP/files" 2>/dev/null && [ -s "$TMP/files" ] || { echo "no git checkout"; exit 77; }
if tr '\n' '\0' <"$TMP/files" | xargs -0 grep -nIE "(^|[^a-z_/-])$s/|spec/[a-z_]+\.md|(^|[^a-z.])/$w/(main|wt|$s)"; then exit 1; fi
exit 0
