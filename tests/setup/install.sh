#!/bin/sh
# install.sh install|uninstall BUILD_DIR DESTDIR PREFIX VERSION SO -- called by `make install` and `make uninstall`.
# Installs by hand-written list, so that uninstall removes exactly what install wrote.
set -eu
what=$1 B=$2 DESTDIR=$3 PREFIX=$4 VERSION=$5 SO=$6
at=$DESTDIR$PREFIX
cmake=lib/cmake/glimpse

if [ "$what" = uninstall ]; then
    for f in bin/glimpse include/glimpse.h include/glimpse_llmc.h lib/libglimpse.a lib/pkgconfig/glimpse.pc \
        $cmake/glimpseConfig.cmake $cmake/glimpseConfigVersion.cmake share/man/man1/glimpse.1 share/man/man3/glimpse.3 \
        share/bash-completion/completions/glimpse; do rm -f "$at/$f"; done
    for l in libglimpse libglimpse_session libglimpse_cuda; do rm -f "$at/lib/$l.so" "$at/lib/$l.so.$SO"; done
    rmdir "$at/$cmake" 2>/dev/null || true
    echo "removed Glimpse from $at"
    exit 0
fi

put() { # mode, file, folder under the prefix
    mkdir -p "$at/$3"
    install -m "$1" "$2" "$at/$3/"
}
for l in libglimpse libglimpse_session libglimpse_cuda; do
    [ -f "$B/$l.so.$SO" ] || continue
    put 755 "$B/$l.so.$SO" lib
    ln -sf "$l.so.$SO" "$at/lib/$l.so"
done
put 644 "$B/libglimpse.a" lib
put 644 include/glimpse.h include
[ ! -f include/glimpse_llmc.h ] || put 644 include/glimpse_llmc.h include
[ ! -f "$B/glimpse" ] || put 755 "$B/glimpse" bin
if [ -f "$B/glimpse" ] && "$B/glimpse" --man >"$B/glimpse.1" 2>/dev/null && [ -s "$B/glimpse.1" ]; then
    put 644 "$B/glimpse.1" share/man/man1
    mkdir -p "$at/share/bash-completion/completions" # the commands and flags that the help tells of; files for the rest
    words=$("$B/glimpse" --help | sed -n -e 's/^ \{7\}glimpse \([a-z]*\).*/\1/p' -e 's/^  \(--[a-z][a-z_0-9]*\).*/\1/p' \
        -e 's/^  --\[no_\]\([a-z_0-9]*\).*/--\1 --no_\1/p'
        "$B/glimpse" --help | tr -s '\n ' ' ' | grep -o 'Also --[^.]*' | grep -o -e '--[a-z_0-9]*') # other names: --prompt
    echo "complete -o bashdefault -o default -W '$(echo $words sample --version --man | tr ' ' '\n' | LC_ALL=C sort -u | xargs)' glimpse" \
        >"$at/share/bash-completion/completions/glimpse"
fi
{ # the header is the manual of the C interface: its sections with a heading, its words as they stand
    printf '.TH GLIMPSE 3 "" "Glimpse %s" "Library Functions Manual"\n.SH NAME\nglimpse \\- the C interface of Glimpse\n' "$VERSION"
    printf '.SH SYNOPSIS\n.nf\n#include <glimpse.h>\n\ncc train.c $(pkg-config \\-\\-cflags \\-\\-libs glimpse)\n.fi\n.SH DESCRIPTION\n.nf\n'
    sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\&&/" -e 's|^/\* === \(.*[^ =]\) *=*\*/$|.fi\n.SH \1\n.nf|' \
        -e 's|^/\* === \(.*[^ =]\) *=*$|.fi\n.SH \1\n.nf\n/*|' -e 's/^ \*\($\| \)/\1/' include/glimpse.h
    echo .fi
} >"$B/glimpse.3"
put 644 "$B/glimpse.3" share/man/man3

mkdir -p "$at/lib/pkgconfig" "$at/$cmake"
cat >"$at/lib/pkgconfig/glimpse.pc" <<END
prefix=$PREFIX
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: glimpse
Description: See what a language model says while it is being trained
Version: $VERSION
Libs: -L\${libdir} -lglimpse
Libs.private: -lm -lpthread -ldl
Cflags: -I\${includedir}
END
cat >"$at/$cmake/glimpseConfig.cmake" <<'END'
# find_package(glimpse) gives the imported target glimpse::glimpse.
get_filename_component(_glimpse_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET glimpse::glimpse)
  add_library(glimpse::glimpse SHARED IMPORTED)
  set_target_properties(glimpse::glimpse PROPERTIES
    IMPORTED_LOCATION "${_glimpse_prefix}/lib/libglimpse.so"
    INTERFACE_INCLUDE_DIRECTORIES "${_glimpse_prefix}/include")
endif()
unset(_glimpse_prefix)
END
cat >"$at/$cmake/glimpseConfigVersion.cmake" <<END
set(PACKAGE_VERSION "$VERSION")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
END
echo "installed Glimpse $VERSION in $at"
