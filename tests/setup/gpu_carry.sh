#!/bin/sh
# gpu_carry.sh DIR -- gathers under DIR/usr the headers and libraries that the session is built and run with (not those of the
# tests and of the example trainer), a few MiB, for a machine with a GPU and no network: the Makefile looks into build/carry
# where the system has no cJSON.  Called by `make gpu-carry`, on a Debian or Ubuntu with a network.
set -eu
dir=$1
packages='libcjson-dev libcjson1 zlib1g-dev zlib1g libfreetype-dev libfreetype6 libpcre2-dev libpcre2-8-0 libutf8proc-dev libutf8proc2
libedit-dev libedit2 libbsd0 libmd0 libncurses-dev libtinfo6 libpng16-16 libbrotli1'
rm -rf "$dir"
mkdir -p "$dir/debs"
for p in $packages; do
    (cd "$dir/debs" && apt-get -q download "$p" >/dev/null 2>&1) || echo "gpu_carry: no package $p here"
done
for deb in "$dir"/debs/*.deb; do dpkg -x "$deb" "$dir/all"; done
triplet=$(uname -m)-linux-gnu
mkdir -p "$dir/usr/lib"
cp -a "$dir/all/usr/include" "$dir/usr/"
for from in "$dir/all/lib/$triplet" "$dir/all/usr/lib/$triplet"; do
    [ ! -d "$from" ] || (mkdir -p "$dir/usr/lib/$triplet" && cp -a "$from"/*.so* "$dir/usr/lib/$triplet/")
done
rm -rf "$dir/debs" "$dir/all"
# A link of a -dev package says where the library will be installed: here they lie side by side.
find "$dir/usr/lib/$triplet" -type l | while read -r link; do
    to=$(basename "$(readlink "$link")")
    [ -e "$dir/usr/lib/$triplet/$to" ] && ln -sf "$to" "$link" || rm "$link"
done
# A library of every terminal there is, and those that only other programs want.
(cd "$dir/usr/lib/$triplet" && rm -f libform* libmenu* libpanel* libncurses* libcurses* libpcre2-16* libpcre2-32* libpcre2-posix*)
du -sh "$dir" | cut -f1
