#!/bin/sh
# Every fuzzer over its corpus and mutations of it; see tests/fuzz/replay.c.
set -- "$B"/fuzz/fuzz_*
[ -x "$1" ] || { echo "no fuzzer is built"; exit 77; }
count=200
[ -z "$GLIMPSE_TEST_FULL" ] || count=20000
bad=0
for fuzzer; do
    [ -x "$fuzzer" ] && [ "${fuzzer%.d}" = "$fuzzer" ] || continue
    name=${fuzzer##*/fuzz_}
    TMP=$TMP timeout 150 "$fuzzer" $count "tests/fuzz/corpus/$name" >"$TMP/log" 2>&1 || {
        echo "$fuzzer failed ($?)"
        tail -n 60 "$TMP/log"
        [ ! -f "$TMP/crash" ] || { cp "$TMP/crash" "$B/fuzz/crash_$name"; echo "input kept: $B/fuzz/crash_$name"; }
        bad=1
    }
done
exit $bad
