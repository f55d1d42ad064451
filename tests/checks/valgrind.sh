#!/bin/sh
# Every reader of files, tokenizers among them, over its corpus under valgrind: what a sanitizer's checked calls hide (a read
# of uninitialised bytes, a system call that writes beyond its buffer) shows here.
command -v valgrind >/dev/null 2>&1 || { echo "valgrind is not installed"; exit 77; }
[ "$MODE" = release ] || [ "$MODE" = debug ] || { echo "a sanitizer and valgrind exclude each other"; exit 77; }
bad=0
count=0
[ -z "$GLIMPSE_TEST_FULL" ] || count=200
for name in safetensors gguf pickle torch llama2c llmc config tokenizer tokenizer_json lines chain args api worker; do
    [ -x "$B/fuzz/fuzz_$name" ] || continue
    NO_JIT=1 TMP=$TMP valgrind --quiet --error-exitcode=9 --leak-check=full "$B/fuzz/fuzz_$name" "$count" \
        "tests/fuzz/corpus/$name" >"$TMP/log" 2>&1 || {
        echo "fuzz_$name under valgrind failed ($?)"
        tail -n 40 "$TMP/log"
        bad=1
    }
done
exit $bad
