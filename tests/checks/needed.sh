#!/bin/sh
# What enters a trainer needs libc and libm alone, and carries its soname; nothing asks for an executable stack.
[ -f "$B/libglimpse.so" ] || { echo "not built: libglimpse.so"; exit 77; }
[ "$MODE" = release ] || { echo "a sanitizer brings its own libraries"; exit 77; }
bad=0
extra=$(readelf -d "$B/libglimpse.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vx 'libc\.so\.6\|libm\.so\.6\|ld-linux.*')
[ -z "$extra" ] || { echo "libglimpse.so needs:" $extra; bad=1; }
# libpng is the tests' alone.
extra=$(readelf -d "$B/libglimpse_session.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep png)
[ -z "$extra" ] || { echo "libglimpse_session.so needs:" $extra; bad=1; }
for l in libglimpse libglimpse_session libglimpse_cuda; do
    [ -f "$B/$l.so" ] || continue
    readelf -d "$B/$l.so" | grep -q "(SONAME).*\[$l\.so\.0\]" || { echo "$l.so has no soname $l.so.0"; bad=1; }
    readelf -lW "$B/$l.so" | grep GNU_STACK | grep -q 'RWE' && { echo "$l.so wants an executable stack"; bad=1; }
    readelf -d "$B/$l.so" | grep -q TEXTREL && { echo "$l.so has text relocations"; bad=1; }
done
exit $bad
