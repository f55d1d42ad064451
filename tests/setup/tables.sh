#!/bin/sh
# tables.sh faults|hostile MAKE [FLAGS] -- runs the tests that leave a row each and shows the table.  B: the build's folder; FEW=1:
# the short counts of the faults.  Called by the Makefile.
what=$1 make=$2
shift 2
table=$PWD/$B/$what.table
rm -f "$table"
case $what in
faults)
    [ "$FEW" = 1 ] || export GLIMPSE_TEST_FULL=1
    GLIMPSE_FAULTS=$table $make --no-print-directory "$@" run-tests T=faults_
    rc=$?
    sort -k2 "$table"
    exit $rc ;;
hostile)
    for t in safetensors_ torch_ gguf_ llama2c_ llmc_llama_ tokenizer_ hf_configurations checkpoint_; do
        GLIMPSE_HOSTILE=$table $make --no-print-directory -s "$@" run-tests "T=$t" >/dev/null || exit 1
    done
    sort "$table"
    awk '{n += $2} END {print n " files, every one refused within 50 ms and 64 MB"; exit n < 150}' "$table" ;;
esac
