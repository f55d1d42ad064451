"""Writes sampling/tokenizer/unicode_classes.c: which code points are \\p{L}, \\p{N}, \\s.

    pip install unicodedata2==16.0.0 && python tests/ref/unicode_tables.py > sampling/tokenizer/unicode_classes.c

unicodedata2 is Python's unicodedata with the Unicode version of its own number, so the tables do not depend on the
Python at hand.  \\s is the property White_Space (PropList.txt), whose 25 members have not changed since Unicode 6.3."""
import unicodedata2 as u

SPACE = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}


def klass(cp):
    if cp in SPACE:
        return 3
    return {"L": 1, "N": 2}.get(u.category(chr(cp))[0], 0)


values = [klass(cp) for cp in range(0x110000)]
last = max(cp for cp in range(0x110000) if values[cp])
blocks, first = [], []
for start in range(0, last + 1, 256):
    v = values[start:start + 256]
    packed = tuple(sum(v[i + k] << 2 * k for k in range(4)) for i in range(0, 256, 4))
    if packed not in blocks:
        blocks.append(packed)
    first.append(blocks.index(packed))
assert len(blocks) <= 256


def rows(numbers, form, per_line):
    return "".join("    " + ", ".join(form % n for n in numbers[i:i + per_line]) + ",\n" for i in range(0, len(numbers), per_line))


print(f"""/* unicode_classes.c -- written by tests/ref/unicode_tables.py from Unicode {u.unidata_version}; not to be edited.
 * Two stages: first[cp / 256] is a block, two bits of it are the class of cp. */
#include "sampling/tokenizer/unicode_classes.h"

static const uint8_t first[{len(first)}] = {{
{rows(first, "%d", 28)}}};

static const uint8_t blocks[{len(blocks)}][64] = {{""")
for b in blocks:
    print("    {" + ",".join("%d" % n for n in b[:32]) + ",\n     " + ",".join("%d" % n for n in b[32:]) + "},")
print("""};

unicode_class unicode_class_of(uint32_t cp) {
    if (cp / 256 >= sizeof first) return UNICODE_OTHER;
    return (unicode_class)(blocks[first[cp / 256]][cp % 256 / 4] >> 2 * (cp % 4) & 3);
}""")
