#!/bin/sh
# Compares Glimpse with independent implementations from PyPI, in a virtual environment of its own ($VENV, build/venv unless
# set).  Called by `make parity` with B; every tests/ref/parity_*.py is run with $B/bench/bench_NAME if there is one, else $B.
set -e
venv=${VENV:-build/venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import tokenizers, tiktoken, sentencepiece, numpy, torch, transformers' 2>/dev/null ||
    "$venv/bin/pip" install -q tokenizers tiktoken sentencepiece numpy torch transformers
bad=0
for script in tests/ref/parity_*.py; do
    name=$(basename "$script" .py)
    program=$B/bench/bench_${name#parity_}
    [ -x "$program" ] || program=$B
    echo "== $script"
    "$venv/bin/python" "$script" "$program" || bad=1
done
exit $bad
