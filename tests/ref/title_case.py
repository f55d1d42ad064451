"""Writes hooks/tasks/title_case.h: the code points whose title case (str.title of one character) is longer than one.
CPython's unicodedata; run with any Python 3.11 or later."""
import sys

rows = []
for cp in range(sys.maxunicode + 1):
    t = chr(cp).title()
    if len(t) > 1:
        rows.append("    { 0x%04X, \"%s\" }," % (cp, "".join("\\x%02x" % b for b in t.encode())))
print("/* title_case.h -- SpecialCasing.txt's title forms of more than one code point.  Written by tests/ref/title_case.py;")
print(" * included by python_text.c. */")
print("\n".join(rows))
