#!/bin/sh
# What nvcc made of the kernels, where there is cuobjdump: what the emulation cannot show.  In code for sm_90 on, every kernel waits
# for the one ahead of it, the products have asked for their first weights by then (ptxas may move a load over the wait), and
# no load goes through the path for data that nobody writes; in code for any chip, products and attention keep their registers.
o=$B/cuda/kernels/cuda
[ -f "$o/cuda_matmul.o" ] && [ "$MODE" = release ] || { echo "not built: the CUDA backend"; exit 77; }
tool=$(command -v cuobjdump || ls "${CUDA_HOME:-/usr/local/cuda}/bin/cuobjdump" 2>/dev/null || python3 -c 'import importlib.util as u, os
print(os.path.join(os.path.dirname(u.find_spec("triton").origin), "backends/nvidia/bin/cuobjdump"))' 2>/dev/null)
[ -x "${tool:-/none}" ] || { echo "no cuobjdump here"; exit 77; }
PATH=$PATH:$(dirname "$tool") # nvdisasm is beside it
bad=0
for f in matmul many attend rows decide persist; do
    "$tool" --dump-sass "$o/cuda_$f.o" >"$TMP/$f" 2>"$TMP/said" || { cat "$TMP/said"; exit 1; }
    awk -v file=$f '
        function end() {
            if (name == "" || arch < 90) return
            if (!waits && file != "persist") { print name ": does not wait for the kernel ahead of it"; bad = 1 }
            if (file == "matmul" && early < 8) { print name ": " early + 0 " loads of weights before the wait, not 8"; bad = 1 }
            if (file == "many" && !copies) { print name ": no copy of weights before the wait"; bad = 1 }
            if (constant) { print name ": loads through the read-only path"; bad = 1 }
        }
        /arch = sm_/ { end(); name = ""; arch = $NF; gsub(/[^0-9]/, "", arch); arch += 0 }
        /Function : / { end(); name = $NF; waits = early = copies = constant = 0 }
        /ACQBULK/ { waits = 1 }
        /LDG\.E.*128/ { if (!waits) early++ }
        /LDGSTS/ { if (!waits) copies = 1 }
        /LDG.*CONSTANT/ { constant = 1 }
        END { end(); exit bad }' "$TMP/$f" || bad=1
    "$tool" --dump-resource-usage "$o/cuda_$f.o" 2>/dev/null >"$TMP/use" || continue
    awk -v file=$f '
        /arch = sm_/ { arch = $NF }
        /Function / { name = $2 }
        /REG:/ {
            split($1, r, ":"); split($2, s, ":")
            if (file == "matmul" && r[2] > 128) { print arch " " name " " r[2] " registers: one block a multiprocessor, not two"; bad = 1 }
            if ((file == "matmul" || file == "many" || file == "attend") && s[2] > 64) { print arch " " name " spills: a stack of " s[2]; bad = 1 }
        }
        END { exit bad }' "$TMP/use" || bad=1
done
exit $bad
