"""ptx_to_c.py -- PTX, as nvcc emits it, to C: `python3 ptx_to_c.py kernels.ptx > kernels.c` (`make ptx-test`).

A kernel becomes a C function that one fiber of the emulation runs: a register is a local variable of raw bits, an instruction
a statement, a branch a goto.  This file knows how PTX is written; what an instruction does stands in ptx_isa.h, under the
instruction's name with _ for every dot, so one that is not known there ends the compilation by its name.  A statement stands
on the line that it has in the PTX, which is what the compiler and a debugger show.  Only what nvcc emits for this project's
sources is read: anything else is refused.  Where a statement uses memory, ptx_place says from which line of the .cu files it
comes (-lineinfo).  Syntax: NVIDIA, "Parallel Thread Execution ISA", 9.0. """
import bisect
import os
import re
import sys

BITS = {"pred": "uint8_t", "8": "uint8_t", "16": "uint16_t", "32": "uint32_t", "64": "uint64_t"}
SPECIAL = {"%" + ptx + "." + x: "emu_self->" + ours + "." + x for x in "xyz"
           for ptx, ours in (("tid", "thread"), ("ctaid", "block"), ("ntid", "block_size"), ("nctaid", "grid"))}
SPECIAL["%globaltimer"] = "emu_clock_ns()"
SPACES = ("global", "shared", "local", "param")
KINDS = {"ld": ("acquire", "relaxed", "gpu", "L1::no_allocate", "L2::cache_hint", "nc"), "st": (), "atom": ("acquire", "release", "acq_rel", "relaxed", "gpu")}
KINDS["red"] = KINDS["atom"]
USES_MEMORY = ("ld", "st", "atom", "red", "cp", "prefetch")
NO_RESULT = ("bar", "cp", "griddepcontrol", "prefetch")
SHARED_AT, DYNAMIC_AT = 1024, 65536 + 128  # offsets of a block's own arrays, as on sm_90, and of those that a launch asks for

HEAD = re.compile(r"(?:\.visible\s+)?\.(entry|func)\s*(?:\(([^)]*)\)\s*)?([\w$]+)\s*\(([^)]*)\)([^{};]*)\{")
STATEMENT = re.compile(r"\s*(?:([\w$]+):(?!:)|([{}])|([^;{}]*(?:\{[^{}]*\}[^;{}]*)*);)")
VARIABLE = re.compile(r"\.(shared|local|param)\s+(?:\.align\s+(\d+)\s+)?\.[busf](\d+)\s+([\w$]+)(?:\[(\d*)\])?$")
REGISTERS = re.compile(r"\.reg\s+\.(pred|[bsuf](\d+))\s+(.*)$")
INSTRUCTION = re.compile(r"(?:@(!?)(%[\w$]+)\s+)?([\w.:]+)\s*(.*)$", re.S)
LOC = re.compile(r"\s*\.loc\s+(\d+) (\d+)(?:.*inlined_at (\d+) (\d+))?")
CALL = re.compile(r"(?:\(([\w$]+)\),\s*)?([\w$]+)(?:,\s*\(([^)]*)\))?$")


class Unknown(Exception):
    pass


def name(text):
    return text.strip().lstrip("%").replace("$", "_")


def size_of(kind):
    return int(kind[1:]) // 8


def split(text):
    """Operands: commas outside of braces."""
    return re.findall(r"\{[^}]*\}|\[[^\]]*\]|[^,\s]+", text)


def variable(text):
    """(space, align, bytes, name) of a declaration; None = it is none."""
    m = VARIABLE.match(text)
    if not m:
        return None
    size = int(m[3]) // 8
    return m[1], int(m[2] or size), size * int(m[5] or 1), m[4]


def lay_out(declarations, at):
    """Offsets in shared memory of (align, bytes, name), and where they end."""
    offsets = {}
    for align, size, symbol in declarations:
        at = (at + align - 1) // align * align
        offsets[symbol] = at
        at += size
    return offsets, at


class Function:
    """One .entry or .func; `shared`: the offsets that its symbols stand for."""

    def __init__(self, shared):
        self.symbols = {s: str(at) for s, at in shared.items()}
        self.arrays = set()
        self.place = 0

    def value(self, text):
        if text in SPECIAL:
            return SPECIAL[text]
        if text.startswith("%"):
            return name(text)
        if re.match(r"0[fF][0-9a-fA-F]{8}$", text) or re.match(r"0[dD][0-9a-fA-F]{16}$", text):
            return "0x" + text[2:] + "u"
        if re.match(r"-?(0[xX][0-9a-fA-F]+|\d+)U?$", text):
            return text.rstrip("U")
        if text in self.arrays:
            return "(uint64_t)(uintptr_t)" + name(text)
        if text in self.symbols:
            return self.symbols[text]
        raise Unknown("operand " + text)

    def address(self, text):
        m = re.match(r"\[([^+\]]+)(?:\+(-?\w+))?\]$", text.replace(" ", ""))
        if not m:
            raise Unknown("address " + text)
        return self.value(m[1]) + (" + (%s)" % m[2] if m[2] else "")

    def operand(self, text):
        if text.startswith("["):
            return self.address(text)
        if text.startswith("{"):
            parts = split(text[1:-1])
            return "(const uint32_t[]){%s}" % ", ".join(map(self.value, parts))
        return self.value(text)

    def memory(self, op, operands):
        """ld, st, atom, red: the address is checked once, then its elements are moved one by one."""
        parts = op.split(".")
        kind, what = parts[0], parts[-1]
        space = next((p for p in parts if p in SPACES), "generic")
        count = next((int(p[1:]) for p in parts if p in ("v2", "v4")), 1)
        action = [p for p in parts[1:-1] if p not in SPACES + KINDS[kind] + ("v2", "v4")]
        if len(action) != (kind in ("atom", "red")):
            raise Unknown("instruction " + op)
        size = size_of(what)
        where = operands[0] if kind in ("st", "red") else operands[1]
        access = [{"ld": "PTX_READ", "st": "PTX_WRITE"}.get(kind, "PTX_ATOMIC")]
        access += ["PTX_STRONG"] if kind == "ld" and ("acquire" in parts or "relaxed" in parts) else []
        access += ["PTX_ACQUIRE"] if "acquire" in parts or "acq_rel" in parts else []
        access += ["PTX_RELEASE"] if "release" in parts or "acq_rel" in parts else []
        access += ["PTX_CONSTANT"] if "nc" in parts else []
        at = "{ unsigned char *at = ptx_at_%s(%s, %d, %s);" % (
            "once" if "L1::no_allocate" in parts else space, self.address(where), size * count, " | ".join(access))
        if kind == "ld":
            yielded = "emu_yield(); " if "PTX_STRONG" in access else ""  # others may have to run first
            to = split(operands[0].strip("{}"))
            return yielded + at + "".join(" %s = ptx_get_%s(at + %d);" % (name(r), what, i * size) for i, r in enumerate(to)) + " }"
        if kind == "st":
            values = split(operands[1].strip("{}"))
            return at + "".join(" ptx_put_%d(at + %d, %s);" % (size * 8, i * size, self.value(v)) for i, v in enumerate(values)) + " }"
        by = self.value(operands[-1])
        if "release" in parts:
            by = "(emu_arrives() ? %s : 0)" % by
        return "%s %s ptx_atom_%s_%s(at, %s); }" % (at, name(operands[0]) + " =" if kind == "atom" else "(void)", action[0], what, by)

    def instruction(self, op, rest):
        family = op.split(".")[0]
        place = "ptx_place = %d; " % self.place if family in USES_MEMORY and not re.search(r"\.(param|local)\.", op) else ""
        return place + self.work(op, rest)

    def work(self, op, rest):
        operands, family = split(rest), op.split(".")[0]
        if op in ("bra", "bra.uni"):
            return "goto %s;" % name(operands[0])
        if op == "ret":
            return "return;"
        if op == "call.uni":
            m = CALL.match(" ".join(rest.split()))
            if not m:
                raise Unknown("call " + rest)
            return "%s(%s);" % (name(m[2]), ", ".join(name(a) for a in ([m[1]] if m[1] else []) + split(m[3] or "")))
        if family in ("ld", "st", "atom", "red"):
            return self.memory(op, operands)
        function = "ptx_" + re.sub(r"\W+", "_", op)
        if family in NO_RESULT:
            return "%s(%s);" % (function, ", ".join(map(self.operand, operands)))
        to = operands[0]
        if family == "mov" and "{" in rest:  # low bits first
            width = size_of(op.split(".")[1]) * 8
            parts = split((to if to[0] == "{" else operands[1]).strip("{}"))
            each = width // len(parts)
            if to[0] == "{":
                return "{ uint64_t whole = %s;%s }" % (self.value(operands[1]), "".join(
                    " %s = whole >> %d;" % (name(p), i * each) for i, p in enumerate(parts)))
            return "%s = %s;" % (name(to), " | ".join("(uint64_t)%s << %d" % (self.value(p), i * each) for i, p in enumerate(parts)))
        if to[0] == "{":
            parts = split(to.strip("{}"))
            return "{ uint32_t to[%d]; %s(%s);%s }" % (len(parts), function, ", ".join(["to"] + [self.operand(x) for x in operands[1:]]),
                                                       "".join(" %s = to[%d];" % (name(p), i) for i, p in enumerate(parts)))
        arguments = [self.operand(x) for x in operands[1:]]
        if "|" in to:
            to, second = to.split("|")
            arguments.append("&" + name(second))
        return "%s = %s(%s);" % (name(to), function, ", ".join(arguments))

    def statement(self, text):
        m = REGISTERS.match(text)
        if m:
            width, declared = BITS[m[2] or m[1]], []
            for r in split(m[3]):
                many = re.match(r"(.*)<(\d+)>$", r)
                declared += [many[1] + str(i) for i in range(int(many[2]))] if many else [r]
            return " ".join("%s %s = (%s)PTX_POISON;" % (width, name(r), width) for r in declared)
        v = variable(text)
        if v and v[0] == "shared":
            return ""
        if v:
            self.arrays.add(v[3])
            return "unsigned char %s[%d] __attribute__((aligned(16))); memset(%s, 0xff, %d);" % (name(v[3]), v[2], name(v[3]), v[2])
        if text.startswith(".pragma"):
            return ""
        m = INSTRUCTION.match(text)
        if not m or text.startswith("."):
            raise Unknown("statement " + text)
        done = self.instruction(m[3], m[4])
        return "if (%s%s) { %s }" % (m[1], name(m[2]), done) if m[2] else done


def places_of(text):
    """The files that .loc lines name, and (line of PTX, place) of each: what a wrapper of ptx.cuh or of the toolkit does is its
    caller's.  A place: the file's number << 14 | its line."""
    files, lines, places = {}, [], []
    for m in re.finditer(r'^\s*\.file\s+(\d+)\s+"([^"]*)"', text, re.M):
        files[int(m[1])] = os.path.basename(m[2])
    for line, what in enumerate(text.split("\n"), 1):
        m = LOC.match(what)
        if m:
            wrapper = m[3] and (files[int(m[1])] == "ptx.cuh" or not files[int(m[1])].endswith((".cu", ".cuh")))
            file, at = (m[3], m[4]) if wrapper else (m[1], m[2])
            lines.append(line)
            places.append(int(file) << 14 | int(at))
    return files, lines, places


def translate(path):
    text = re.sub(r"//[^\n]*", "", open(path).read())
    files, loc_lines, places = places_of(text)
    text = re.sub(r"^[ \t]*\.loc[ \t][^\n]*", "", text, flags=re.M)
    text = re.sub(r"^[ \t]*\.file\s.*", "", text, flags=re.M | re.S)  # and what follows it: names of functions
    heads, bodies = list(HEAD.finditer(text)), []
    outside, end = "", 0
    for h in heads:
        outside += text[end:h.start()]
        depth, end = 1, h.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        bodies.append(text[h.end():end - 1])
    outside += text[end:]
    target = re.search(r"\.target sm_(\d+)", outside)[1]
    outside = re.sub(r"\.(version|target|address_size)[^\n]*", "", outside)
    ours, dynamic = [], {}
    for s in outside.split(";"):
        s = s.strip()
        v = variable(s[len(".extern"):].strip() if s.startswith(".extern") else s) if s else None
        if s and (not v or v[0] != "shared"):
            raise Unknown("declaration " + s)
        if s.startswith(".extern"):
            dynamic[v[3]] = DYNAMIC_AT
        elif s:
            ours.append(v[1:])

    def inner(body):
        return [v[1:] for s in re.findall(r"\.shared[^;]*", body) for v in [variable(s)] if v]
    of_functions = ours + [v for h, b in zip(heads, bodies) if h[1] == "func" for v in inner(b)]
    print('/* From %s by ptx_to_c.py. */\n#include "tests/emu/ptx/ptx_isa.h"' % path)
    table = []
    signatures = []
    for h in heads:
        taken = [variable(p.strip()) for p in h[4].split(",") if p.strip()]
        given = [variable(p.strip()) for p in (h[2] or "").split(",") if p.strip()]
        if h[1] == "entry":
            signatures.append(("static void ptx_run_%s(unsigned char *const *given)" % name(h[3]), taken))
        else:
            signatures.append(("static void %s(%s)" % (name(h[3]), ", ".join("unsigned char *" + name(p[3]) for p in given + taken) or "void"), given + taken))
            print(signatures[-1][0] + ";")
    for h, body, (signature, taken) in zip(heads, bodies, signatures):
        offsets, shared_end = lay_out(of_functions + (inner(body) if h[1] == "entry" else []), SHARED_AT)
        f = Function({**offsets, **dynamic})
        f.arrays |= {p[3] for p in taken}
        line = text.count("\n", 0, h.end()) + 1
        print('#line %d "%s"\n%s {' % (line, path, signature), end="")
        if h[1] == "entry":
            print("".join(" unsigned char *%s = given[%d]; (void)%s;" % (name(p[3]), i, name(p[3])) for i, p in enumerate(taken)), end="")
            threads = re.search(r"\.maxntid\s+(\d+)", h[5])
            table.append('    {"%s", ptx_run_%s, %d, (const size_t[]){%s}, %d, %s, %d},' % (
                h[3], name(h[3]), len(taken), ", ".join([str(p[2]) for p in taken] + ["0"]), shared_end - SHARED_AT, threads[1] if threads else "1024", "griddepcontrol.wait" in body))
        at = 0
        for m in STATEMENT.finditer(body):
            here = line + body.count("\n", at, m.start(m.lastindex))
            print("\n" * (here - line), end="")
            line, at = here, m.start(m.lastindex)
            loc = bisect.bisect(loc_lines, line)
            f.place = places[loc - 1] if loc else 0
            try:
                done = name(m[1]) + ":;" if m[1] else m[2] or f.statement(m[3].strip())
            except Unknown as e:
                raise Unknown("%s:%d: %s" % (path, line, e))
            print(done, end=" ")
        if STATEMENT.sub("", body).strip():
            raise Unknown("%s: %s" % (path, STATEMENT.sub("", body).strip()[:80]))
        print("}")
    print("static const ptx_kernel kernels[] = {\n%s\n};" % "\n".join(table) if table else "static const ptx_kernel kernels[1];")
    print("static const char *const files[] = {%s};" % ", ".join('"%s"' % files.get(i, "?") for i in range(max(files, default=0) + 1)))
    print("__attribute__((constructor)) static void add(void) { static ptx_module m = {kernels, %d, %s, files, 0, NULL}; ptx_add(&m); }" % (len(table), target))


try:
    translate(sys.argv[1])
except Unknown as e:
    sys.exit("ptx_to_c.py: not known: %s" % e)
