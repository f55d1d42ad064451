#!/bin/sh
# Compares Glimpse with independent implementations.  PYTHON is the Python that has them; unset, a virtual environment of its
# own ($VENV, build/venv unless set) gets the packages from PyPI.  Called by `make parity` with B; T=part-of-a-name, N = texts a
# tokenizer (100000), LLMC = a checkout of llm.c.  A script whose packages PYTHON lacks is named with what would install them, and counts as failed.
venv=${VENV:-build/venv}
if [ -z "$PYTHON" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv" ||
        { echo "parity: no virtual environment can be made in $venv; PYTHON=path names a Python that has the packages" >&2; exit 1; }
    PYTHON=$venv/bin/python
    own=1
fi
needs() {
    case $1 in
    tokenizer) echo tokenizers tiktoken sentencepiece numpy ;;
    carry) echo torch transformers tokenizers tiktoken sentencepiece numpy ;;
    models | writers | snapshots) echo torch transformers safetensors numpy ;;
    torch) echo torch transformers numpy ;;
    tasks) echo torch transformers accelerate datasets lm_eval yaml ;;
    llmc) echo torch transformers tokenizers tiktoken requests tqdm ;;
    metrics) echo spylls ;;
    tensorboard) echo tensorboard ;;
    *) echo ;;
    esac
}
pip_name() { echo "$1" | sed 's/yaml/pyyaml/'; }
ran=0 bad=
for script in tests/ref/parity_*.py; do
    name=$(basename "$script" .py)
    name=${name#parity_}
    case $name in *$T*) ;; *) continue ;; esac
    echo "== $script"
    if [ "$name" = llmc ] && [ -z "$LLMC" ]; then
        echo "not compared: LLMC=directory of a checkout of karpathy/llm.c"
        continue
    fi
    ran=$((ran + 1)) lacks=
    for module in $(needs "$name"); do
        "$PYTHON" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$module') is None)" || lacks="$lacks $(pip_name "$module")"
    done
    if [ -n "$lacks" ] && [ -n "$own" ]; then "$PYTHON" -m pip install -q $lacks && lacks=; fi
    if [ -n "$lacks" ]; then
        echo "parity: $PYTHON has not:$lacks
hint: $PYTHON -m pip install$lacks, or PYTHON=path to one that has" >&2
        bad="$bad $name"
        continue
    fi
    case $name in
    tokenizer) set -- "$B/bench/bench_tokenizer" ${N:+"$N"} ;;
    carry) set -- "$B/glimpse" "$B/bench/bench_tokenizer" ${N:+"$N"} ;;
    tasks | llmc | tensorboard | torch) set -- "$B/glimpse" ;;
    *) set -- ;;
    esac
    "$PYTHON" "$script" "$@" || bad="$bad $name"
done
echo "parity: $ran compared, failed:${bad:- none}"
[ "$ran" -gt 0 ] && [ -z "$bad" ]
