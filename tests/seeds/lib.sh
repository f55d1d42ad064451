# lib.sh -- what the scripts beside it share.  B is build/MODE, S the repository; the working directory is the test's own.
#   run COMMAND...      it ends with 0; its stdout is in out.txt, its stderr in err.txt
#   refuse COMMAND...   it ends with 1 or 2, and says a hint
#   wrong COMMAND...    it ends with 2
#   out TEXT, err TEXT  this text is in the last stdout, stderr
#   is WHAT COMMAND...  a test of the shell's that must hold
# A document's own line is written as it stands there: `python SCRIPT` is the program with that system's defaults (--like).
set -u
failed=0
python() {
    script=$1; shift
    case $script in
        sample.py) set -- --like nanogpt "$@" ;;
        generate.py) set -- --like generate "$@" ;;
        generate_text.py) set -- --like generate_text "$@" ;;
    esac
    "$B/glimpse" "$@"
}
bad() {
    failed=1
    echo "FAILED: $1"
    sed 's/^/    /' err.txt | head -n 12
}
run() {
    last="$*"
    "$@" > out.txt 2> err.txt < /dev/null || bad "exit code $?: $last"
}
refuse() {
    last="$*"
    "$@" > out.txt 2> err.txt < /dev/null
    code=$?
    [ $code -eq 1 ] || [ $code -eq 2 ] || bad "exit code $code, expected 1 or 2: $last"
    grep -q 'hint:' err.txt || bad "no hint: $last"
}
wrong() { # a word of the command line's that is refused: 2, and the text says what is expected
    last="$*"
    "$@" > out.txt 2> err.txt < /dev/null
    code=$?
    [ $code -eq 2 ] || bad "exit code $code, expected 2: $last"
}
out() { grep -qF -- "$1" out.txt || bad "stdout has no \"$1\": $last"; }
err() { grep -qF -- "$1" err.txt || bad "stderr has no \"$1\": $last"; }
is() { what=$1; shift; "$@" > /dev/null 2>&1 || bad "$what: $last"; }
done_() { exit $failed; }
