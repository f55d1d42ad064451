#!/bin/sh
# gpu_run.sh gpu-first PROGRAM | gpu-test FIRST BENCH RUNNER | gpu-bench PROGRAM [WORKER] -- what `make gpu-first` and its like run
# behind the build.  Everything goes to RESULTS/NAME-DATE.txt too, line by line, what is worth most first: a run that is cut
# off leaves what it had.  All of it within LIMIT seconds (450), each step within its own; status 0 when all went well.
# EMULATE=1: the programs are over the emulation.
name=$1
shift
LIMIT=${LIMIT:-450} began=$(date +%s) tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$RESULTS" || exit 1
file=$RESULTS/$name-$(date -u +%Y%m%d-%H%M%S).txt
tiny=${EMULATE:+--tiny}
[ -z "${EMULATE:-}" ] || export LD_LIBRARY_PATH="$B/tests/driver" # CUDA's driver for tests
[ -z "${CUBLAS:-}" ] || export LD_LIBRARY_PATH="$CUBLAS${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

smi() { timeout 20 nvidia-smi --query-gpu="$1" --format=csv,noheader 2>/dev/null || echo 'nvidia-smi says nothing'; }
say() {
    echo "# $name $(date -u '+%Y-%m-%d %H:%M') UTC, $(uname -sr), $(nproc) CPUs, build $BUILD_ID${EMULATE:+, EMULATED: no number means anything}"
    echo "# $(smi name,driver_version,memory.total,compute_cap,mig.mode.current,compute_mode | head -n4)"
    echo "# $("$NVCC" --version 2>/dev/null | sed -n 's/^Cuda compilation tools, //p'), code for $ARCHS, $($CC --version 2>/dev/null | head -n1)"
}
clocks() { echo "# $1: $(smi clocks.sm,clocks.mem,temperature.gpu,power.draw,utilization.gpu,memory.used | head -n1)"; }

# within SECONDS COMMAND...: its exit status; 124 and 137: it took too long.
within() {
    most=$1 left=$((LIMIT - ($(date +%s) - began)))
    shift
    [ "$left" -gt 0 ] || { echo "left out, the time is used up: $*"; return 124; }
    [ "$most" -lt "$left" ] || most=$left
    timeout -k 5 "$most" "$@"
}
step() { # the same, said when it fails; $code
    code=0
    within "$@" || { code=$?; shift; echo "FAIL $* (exit $code)"; bad=1; }
}

run_first() {
    step 60 "$1" $tiny --alone
    [ $code != 2 ] || return
    step 390 "$1" $tiny --beside
}

run_test() {
    first=$1 bench=$2 runner=$3
    step 40 "$first" --tiny --alone
    [ $code != 2 ] || return # there is no GPU
    echo "# $runner"
    V=1 J=4 step 240 "$runner" cuda_ # few at once: each has a context of its own, and they take the GPU in turns
    tool=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}"/bin/compute-sanitizer /opt/nvidia/*/compute-sanitizer 2>/dev/null | head -n1)
    [ -n "$tool" ] || { echo 'compute-sanitizer is not here: nothing was looked for with it'; return; }
    for what in memcheck racecheck initcheck synccheck; do
        for program in "$first --tiny --alone" "$bench --tiny"; do
            # An API's error is no finding: cuBLAS and the runtime try calls that a driver lacks, and every other is checked.
            GLIMPSE_WORKER='' within 60 "$tool" --tool $what --report-api-errors no --error-exitcode 9 --print-limit 10 $program >"$tmp/said" 2>&1
            code=$?
            if [ $code = 0 ]; then echo "ok   $what: $program"
            elif grep -q 'not supported' "$tmp/said"; then
                echo "compute-sanitizer does not work here: $(grep -m1 'not supported' "$tmp/said")"
                return
            elif [ $code = 124 ] || [ $code = 137 ]; then echo "     $what: $program: not done in its time"
            else
                echo "FAIL $what: $program (exit $code)"
                tail -n 40 "$tmp/said"
                bad=1
            fi
        done
    done
}

run_bench() {
    : >"$tmp/ours"
    export GLIMPSE_WORKER="${2:-}"
    clocks before
    if [ -n "$tiny" ]; then step 100 "$1" --tiny --ours "$tmp/ours"
    else
        step 300 "$1" --ours "$tmp/ours" table
        [ $code != 2 ] || return
    fi
    clocks after
    python=$(command -v python3 || command -v python)
    if [ -z "$python" ]; then echo 'PyTorch: not compared (no python3)'
    else
        within 300 "$python" tests/bench/torch_compare.py "$tmp/ours" ${EMULATE:+--dry}
        code=$?
        [ $code = 0 ] || bad=1
        [ $code -le 1 ] || echo "FAIL $python tests/bench/torch_compare.py (exit $code)" # 1: its rows say what
    fi
    [ -n "$tiny" ] || within 150 "$1" more || case $? in
    124|137) echo "# not all of what stands beside the table was measured" ;;
    *) echo "FAIL $1 more"; bad=1 ;;
    esac
}

# What is printed ends with the last step: a process that a step left behind, stuck or in a group of its own, holds a pipe open.
bad=0
mkfifo "$tmp/out" || exit 1
tee "$file" <"$tmp/out" &
tee=$!
{
    say
    case $name in
    gpu-first) run_first "$@" ;;
    gpu-test) run_test "$@" ;;
    gpu-bench) run_bench "$@" ;;
    *) echo "$name?"; bad=2 ;;
    esac
    echo "# $(($(date +%s) - began)) s, exit $bad"
} >"$tmp/out" 2>&1
i=0
until tail -n1 "$file" 2>/dev/null | grep -q ', exit [0-9]*$' || [ $((i += 1)) -gt 100 ]; do sleep 0.1; done
kill $tee 2>/dev/null
wait $tee 2>/dev/null
rows=$(grep -c '^FAIL' "$file")
[ "$rows" -lt 2 ] || { echo 'all that failed:'; grep '^FAIL' "$file" | head -n 40; }
echo "$rows failed, $(grep -cE '^(PASS|pass|ok) ' "$file") passed; in $file"
[ $bad = 0 ]
