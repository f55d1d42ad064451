#!/bin/sh
# What `make gpu-first`, gpu-test and gpu-bench run behind the build (tests/setup/gpu_run.sh), with programs that only pretend: what
# is written, the sum at the end, the status; a machine without nvidia-smi, compute-sanitizer or PyTorch, a program that hangs.
bad=0
mkdir -p "$TMP/bin" "$TMP/none" "$TMP/out"
program() { printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod +x "$1"; }
program "$TMP/bin/nvidia-smi" 'echo "NVIDIA H200, 580.159.04, 143771 MiB, 9.0"'
program "$TMP/fine" 'case "$*" in *--ours*) echo "step-gpt2-124M-1 0.5" >>"$(echo "$*" | sed "s/.*--ours \([^ ]*\).*/\1/")"; echo "PASS a row $3";; *) echo "ok   one of $*";; esac'
program "$TMP/lacks" 'echo "no GPU was found"; exit 2'
program "$TMP/wrong" 'echo "FAIL two"; exit 1'
program "$TMP/hangs" 'echo "ok   three"; exec sleep 100'
program "$TMP/leaves" 'case "$*" in *alone*) setsid sh -c "echo \$\$ >$0.pid; exec sleep 300" & until [ -s "$0.pid" ]; do sleep 0.01; done;; esac; echo "ok   four"'
program "$TMP/later" "case \"\$*\" in *more) exit 1;; esac; exec $TMP/fine \"\$@\""
program "$TMP/python3" 'echo "PASS compared $(cat "$2" | wc -l)"'
tool='while [ "$1" != 10 ]; do shift; done; shift; exec "$@"'

run() { # expected status, expected text in the file, arguments
    want=$1 text=$2
    shift 2
    rm -f "$TMP"/out/*
    env -u EMULATE PATH="$where" LIMIT="${LIMIT:-30}" RESULTS="$TMP/out" NVCC=nvcc CC="${CC:-cc}" ARCHS=90a BUILD_ID=abc CUDA_HOME="$TMP/none" \
        sh tests/setup/gpu_run.sh "$@" >"$TMP/said" 2>&1
    code=$?
    [ "$code" = "$want" ] && cat "$TMP"/out/* "$TMP/said" | grep -q -e "$text" && return
    echo "gpu_run.sh $*: status $code, not $want, or no '$text' in:"
    cat "$TMP"/out/*
    tail -n 3 "$TMP/said"
    bad=1
}
where=$TMP/bin:$PATH
run 0 '^# NVIDIA H200, 580.159.04' gpu-first "$TMP/fine"
run 0 '^0 failed, 2 passed; in .*gpu-first-20' gpu-first "$TMP/fine"
run 1 '^# .* exit 1$' gpu-first "$TMP/wrong"
run 1 '^1 failed, 0 passed' gpu-first "$TMP/lacks"
LIMIT=2 run 1 '^ok   three$' gpu-first "$TMP/hangs"
LIMIT=2 run 1 'left out, the time is used up' gpu-first "$TMP/hangs"
run 0 '^0 failed, 2 passed' gpu-first "$TMP/leaves"
kill "$(cat "$TMP/leaves.pid")" || { echo 'what a step left behind was waited for'; bad=1; }
if ! command -v compute-sanitizer >/dev/null; then
    run 0 'compute-sanitizer is not here' gpu-test "$TMP/fine" "$TMP/fine" "$TMP/fine"
fi
program "$TMP/bin/compute-sanitizer" "$tool"
run 0 '^ok   synccheck: .*fine --tiny$' gpu-test "$TMP/fine" "$TMP/fine" "$TMP/fine"
run 1 '^FAIL memcheck: .*wrong --tiny (exit 1)$' gpu-test "$TMP/fine" "$TMP/wrong" "$TMP/fine"
run 1 '^FAIL .*wrong cuda_ (exit 1)$' gpu-test "$TMP/fine" "$TMP/fine" "$TMP/wrong"
program "$TMP/bin/compute-sanitizer" 'echo "========= Device not supported"; exit 1'
run 0 'compute-sanitizer does not work here' gpu-test "$TMP/fine" "$TMP/fine" "$TMP/fine"
program "$TMP/bin/nvidia-smi" 'exit 9'
cp "$TMP/python3" "$TMP/bin/"
run 0 'nvidia-smi says nothing' gpu-bench "$TMP/fine"
run 0 '^PASS compared 1$' gpu-bench "$TMP/fine"
run 0 '^0 failed, 3 passed' gpu-bench "$TMP/fine"
run 1 '^1 failed, 0 passed' gpu-bench "$TMP/lacks"
run 1 '^FAIL .*later more$' gpu-bench "$TMP/later"
run 1 '^PASS compared 0$' gpu-bench "$TMP/wrong" 2>/dev/null
program "$TMP/bin/python3" 'echo "FAIL compared"; exit 1'
run 1 '^ok   one of more$' gpu-bench "$TMP/fine"
run 1 '^1 failed, 2 passed' gpu-bench "$TMP/fine"
rm "$TMP/bin/python3"
if command -v python3 >/dev/null; then # each row fails where PyTorch does, and all are tried
    mkdir -p "$TMP/broken/transformers" "$TMP/broken/torch"
    echo 'raise RuntimeError("broken")' | tee "$TMP/broken/torch/__init__.py" >"$TMP/broken/transformers/__init__.py"
    PYTHONPATH="$TMP/broken" python3 tests/bench/torch_compare.py >"$TMP/said"
    [ "$?.$(grep -c '^FAIL .*: not measured: RuntimeError: broken$' "$TMP/said")" = 1.5 ] || { echo 'torch_compare.py:'; cat "$TMP/said"; bad=1; }
fi
exit $bad
