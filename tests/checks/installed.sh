#!/bin/sh
# make install into a DESTDIR: a program built against it with pkg-config runs; uninstall leaves no file.
[ -f examples/minimal.c ] && [ -f "$B/libglimpse.so" ] || { echo "needs examples/minimal.c and libglimpse.so"; exit 77; }
[ "$MODE" = release ] || { echo "checked in the release build"; exit 77; }
set -e
unset MAKEFLAGS MFLAGS MAKELEVEL T
at=$TMP/root/opt/glimpse
make --no-print-directory -s install MODE="$MODE" CC="$CC" DESTDIR="$TMP/root" PREFIX=/opt/glimpse >"$TMP/log" 2>&1 || { cat "$TMP/log"; exit 1; }
for f in lib/libglimpse.so lib/libglimpse.so.0 lib/libglimpse_session.so.0 lib/libglimpse.a include/glimpse.h bin/glimpse \
    lib/pkgconfig/glimpse.pc lib/cmake/glimpse/glimpseConfig.cmake share/man/man1/glimpse.1 share/man/man3/glimpse.3 \
    share/bash-completion/completions/glimpse; do
    [ -s "$at/$f" ] || { echo "not installed: $f"; exit 1; }
done
flags() { PKG_CONFIG_PATH=$at/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$TMP/root pkg-config "$@" glimpse; }
$CC -std=c17 examples/minimal.c $(flags --cflags --libs) -lm -Wl,-rpath,"$at/lib" -o "$TMP/minimal"
$CC -std=c17 examples/minimal.c $(flags --cflags) "$at/lib/libglimpse.a" -lm -o "$TMP/minimal_static"
cd "$TMP"
for program in minimal minimal_static; do
    LD_LIBRARY_PATH=$at/lib GLIMPSE_WORKER=$at/bin/glimpse "./$program" >out 2>err </dev/null || { echo "$program: exit code $?"; cat out err; exit 1; }
done
"$at/bin/glimpse" --version >/dev/null
if command -v bash >/dev/null; then # TAB behind these; flags by their other names and with their no_, too
    bash -c '. "$1" && s=$(complete -p glimpse) && w=${s#*"-W '\''"} && shift && for t; do compgen -W "${w%%"'\''"*}" -- "$t"; done' - \
        "$at/share/bash-completion/completions/glimpse" rev --temp --promp --no_fi --fil --vers | xargs >"$TMP/words"
    [ "$(cat "$TMP/words")" = "review --temperature --prompt --prompt_format --prompts --no_files --files --version" ] ||
        { echo "TAB gives: $(cat "$TMP/words")"; exit 1; }
fi
for page in 1 3; do # what groff says of a page is a line that does not show
    ! command -v groff >/dev/null || [ -z "$(groff -man -ww -K utf8 -Tutf8 -rLL=130n "$at/share/man/man$page/glimpse.$page" 2>&1 >"$TMP/page")" ] ||
        { echo "groff complains of glimpse.$page"; exit 1; }
done
! [ -s "$TMP/page" ] || grep -q 'glimpse_status glimpse_eval(glimpse' "$TMP/page" || { echo "glimpse(3) does not show glimpse_eval"; exit 1; }
! grep -e '===' -e '^\.SH.*\*/' "$at/share/man/man3/glimpse.3" || { echo "glimpse(3) has a rule of the header in a heading"; exit 1; }
cd - >/dev/null
if command -v cmake >/dev/null; then
    mkdir "$TMP/cm"
    printf 'cmake_minimum_required(VERSION 3.13)\nproject(t C)\nfind_package(glimpse 0.1 REQUIRED)\nadd_executable(t %s)\ntarget_link_libraries(t glimpse::glimpse m)\n' \
        "$PWD/examples/minimal.c" >"$TMP/cm/CMakeLists.txt"
    (cmake -S "$TMP/cm" -B "$TMP/cm/b" -DCMAKE_PREFIX_PATH="$at" && cmake --build "$TMP/cm/b") >"$TMP/log" 2>&1 || { cat "$TMP/log"; exit 1; }
fi
make --no-print-directory -s uninstall MODE="$MODE" CC="$CC" DESTDIR="$TMP/root" PREFIX=/opt/glimpse >/dev/null
left=$(find "$TMP/root" ! -type d)
[ -z "$left" ] || { echo "uninstall left: $left"; exit 1; }
