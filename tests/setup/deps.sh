#!/bin/sh
# deps.sh -- installs the Debian packages that Glimpse is built from, where one is missing.  Called by make deps, test
# and demo; does nothing, quickly, when everything is there.
#   as root, or with a sudo that asks no password:  apt-get install
#   otherwise (or with DEPS_MODE=local):            apt-get download and dpkg -x into build/deps, found there by the Makefile
set -u
needed='build-essential pkg-config libpng-dev zlib1g-dev libcjson-dev libfreetype-dev libpcre2-dev libutf8proc-dev
libedit-dev libopenblas-dev'
# Without these Glimpse works: labels in built-in letters, no spelling metric.
wished='libhunspell-dev hunspell-en-us fonts-dejavu-core fonts-unifont'

say() { echo "deps: $*" >&2; }
cd "$(dirname "$0")/../.." || exit 1
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "this is no Debian or Ubuntu: install the equivalents of: $(echo $needed $wished)"
    exit 0
fi

stamp=build/deps/unpacked
# Of the packages named, those neither installed nor unpacked.  DEPS_STATUS: another dpkg database, for the tests.
missing() {
    have=$(dpkg-query ${DEPS_STATUS:+--admindir="$DEPS_STATUS"} -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
        sed -n 's/ installed$//p')
    for p; do
        echo "$have" | grep -qx "$p" || { [ -f $stamp ] && grep -qx "$p" $stamp; } || echo "$p"
    done
}
lack=$(missing $needed $wished)
[ -z "$lack" ] && exit 0
say "missing:" $lack

if [ "${DEPS_MODE:-}" != local ]; then
    if [ "$(id -u)" = 0 ]; then as_root=
    elif sudo -n true 2>/dev/null; then as_root='sudo -n'
    else DEPS_MODE=local; fi
fi

if [ "${DEPS_MODE:-}" != local ]; then
    install() {
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 \
            install --no-install-recommends $lack >&2
    }
    install || { say "trying again with a new package list" && $as_root apt-get -q update >&2 && install; }
else
    # Everything that apt writes goes below build/deps: its own lists, its cache, no lock of the system's.
    D=$PWD/build/deps
    mkdir -p "$D/apt/lists/partial" "$D/apt/cache/archives/partial" || exit 1
    apt() {
        apt-get -q -o Dir::State::Lists="$D/apt/lists" -o Dir::Cache="$D/apt/cache" -o Debug::NoLocking=1 \
            -o APT::Sandbox::User="$(id -un)" ${DEPS_STATUS:+-o Dir::State::Status="$DEPS_STATUS/status"} "$@"
    }
    say "no root: unpacking into build/deps"
    if apt update >&2; then
        # What an installation would add, dependencies included; one by one if they do not all exist.
        plan() { apt install -s --no-install-recommends "$@" 2>/dev/null | sed -n 's/^Inst \([^ ]*\) .*/\1/p'; }
        all=$(plan $lack)
        [ -n "$all" ] || all=$(for p in $lack; do plan "$p"; done | sort -u)
        # A compiler that is unpacked looks for the C library below build/deps too.
        case " $(echo $all) " in *" gcc-"*) all="$all libc6 libgcc-s1" ;; esac
        (cd "$D/apt/cache/archives" && rm -f ./*.deb && apt download $all >&2)
        for deb in "$D"/apt/cache/archives/*.deb; do
            [ -f "$deb" ] && dpkg -x "$deb" "$D" && dpkg-deb -f "$deb" Package >>$stamp
        done
        rm -f "$D"/apt/cache/archives/*.deb
        triplet=$(uname -m)-linux-gnu
        # Debian 12 still has libraries in /lib; and a link of a -dev package may point at one that the system has.
        if [ -d "$D/lib" ]; then cp -a "$D/lib/." "$D/usr/lib/" && rm -rf "$D/lib"; fi
        if [ -d "$D/lib64" ] && [ ! -L "$D/lib64" ]; then
            mkdir -p "$D/usr/lib64" && cp -a "$D/lib64/." "$D/usr/lib64/" && rm -rf "$D/lib64"
        fi
        [ ! -d "$D/usr/lib" ] || ln -sfn usr/lib "$D/lib" && ln -sfn usr/lib64 "$D/lib64"
        [ ! -d "$D/usr/lib" ] || find "$D/usr/lib" -type l | while read -r link; do
            [ -e "$link" ] && continue
            target=$(readlink "$link")
            for dir in "$(dirname "$link")" "$D/usr/lib/$triplet" "/usr/lib/$triplet" "/lib/$triplet"; do
                if [ -f "$dir/${target##*/}" ]; then ln -sf "$dir/${target##*/}" "$link"; break; fi
            done
        done
        # What the system has too (libc, if a compiler was unpacked) must be the system's at run time.
        for lib in "$D/usr/lib/$triplet"/*.so.*; do
            [ ! -f "/lib/$triplet/${lib##*/}" ] || ln -sf "/lib/$triplet/${lib##*/}" "$lib"
        done
        # The compiler and its tools run from where they are; the Makefile looks in build/deps/tools first.
        mkdir -p "$D/tools"
        for tool in gcc g++ ld ar nm objcopy readelf pkg-config; do
            [ -x "$D/usr/bin/$tool" ] || continue
            sysroot=
            case $tool in g*) sysroot=--sysroot=$D ;; esac
            printf '#!/bin/sh\nPATH=%s/usr/bin:$PATH LD_LIBRARY_PATH=%s/usr/lib/%s exec %s/usr/bin/%s %s "$@"\n' \
                "$D" "$D" "$triplet" "$D" "$tool" "$sysroot" >"$D/tools/$tool"
            chmod +x "$D/tools/$tool"
        done
    fi
fi

lack=$(missing $needed)
if [ -n "$lack" ]; then
    say "could not get:" $lack
    say "hint: is the network up?  By hand: sudo apt-get install" $lack
    exit 1
fi
lack=$(missing $wished)
[ -z "$lack" ] || say "could not get" $lack "(Glimpse works without: plainer labels, no spelling metric)"
exit 0
