"""The metrics of hooks/metrics.h, worked out anew in Python (metrics_reference.py), against the frozen ones that
tests/test_metrics.c compares Glimpse with.

    pip install spylls && python tests/ref/parity_metrics.py [PROGRAM]     (DICTIONARY=DIR/en_US: other than the system's)"""
import contextlib
import io
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
import metrics_reference

dictionary = os.environ.get("DICTIONARY", "/usr/share/hunspell/en_US")
if not os.path.exists(dictionary + ".dic"):
    sys.exit(f"there is no {dictionary}.dic: apt-get install hunspell-en-us, or DICTIONARY=DIR/en_US")
sys.argv = ["metrics_reference.py", dictionary]
out = io.StringIO()
with contextlib.redirect_stdout(out):
    metrics_reference.main()
for was, now in zip((HERE / "metrics_frozen.h").read_text().splitlines(), out.getvalue().splitlines(), strict=True):
    assert was == now, f"frozen: {was}\nnow:    {now}"
texts = len(metrics_reference.TEXTS)
print(f"{texts} texts, {texts * 19} metrics as frozen")
