#!/bin/sh
# A file name is unique in the tree; the top level is what the README's tour says.
twice=$(find include kernels sampling viz hooks plugin tests examples -type f ! -path '*/corpus/*' ! -path '*/ref/*' ! -name README.md \
    ! -name '*.pyc' | sed 's,.*/,,' | LC_ALL=C sort | uniq -d)
for name in $twice; do find include kernels sampling viz hooks plugin tests examples -name "$name"; done
[ -z "$twice" ] || exit 1
bad=0
for f in $(git ls-files 2>/dev/null | cut -d/ -f1 | sort -u); do
    case $f in
    Makefile | plugin | hooks | sampling | viz | kernels | include | tests | examples | README.md | LICENSE | .*) ;;
    *) echo "$f does not belong at the top"; bad=1 ;;
    esac
done
exit $bad
