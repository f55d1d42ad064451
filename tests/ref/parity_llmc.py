"""`glimpse eval --lm_eval_tasks hellaswag_llmc` against llm.c's own dev/data/hellaswag.py, run as it is on a small random
GPT-2: from the same JSON lines and from the tokens that script writes, the same picks, sums of losses to 1e-4.

    LLMC=checkout-of-llm.c python tests/ref/parity_llmc.py build/release/glimpse [--freeze]

Its tiktoken is stood in for, by the model's tokenizer.  --freeze writes tests/ref/tasks/llmc_*, which tests/test_measures.c
reads: the lines, the tokens, and what llm.c found."""
import contextlib
import importlib.util
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import types

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
import tasks_data
import torch
from tokenizers import Tokenizer


def llmc(root, ckpt, lines, out):
    """Their evaluate() on our model and lines: per document the sum of losses of each ending, and the last line it prints."""
    tok = Tokenizer.from_file(str(ckpt / "tokenizer.json"))
    stand_in = lambda **k: types.SimpleNamespace(**k)
    sys.modules["tiktoken"] = stand_in(get_encoding=lambda name: stand_in(encode=lambda s: tok.encode(s, add_special_tokens=False).ids))
    sys.path.insert(0, str(root / "dev/data"))
    spec = importlib.util.spec_from_file_location("llmc_hellaswag", root / "dev/data/hellaswag.py")
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    theirs.DATA_CACHE_DIR = str(out)
    (out / "hellaswag_val.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    sums, cross_entropy = [], theirs.F.cross_entropy
    rows = []

    def watched(logits, targets, reduction):
        losses = cross_entropy(logits, targets, reduction=reduction)
        rows.append(losses)
        return losses
    theirs.F = stand_in(cross_entropy=watched)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        theirs.evaluate(str(ckpt), "cpu")
    for x, losses in zip(lines, rows, strict=True):
        _, tokens, mask, _ = theirs.render_example(x)
        sums.append((losses.view(4, -1) * mask[:, 1:]).sum(1).tolist())
    return sums, [s for s in said.getvalue().splitlines() if " acc: " in s][-1]


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "build/release/glimpse"
    if not os.environ.get("LLMC"):
        sys.exit("LLMC is not set: LLMC=directory of a checkout of karpathy/llm.c")
    ckpt = HERE / "tasks" / "ckpt"
    tok = Tokenizer.from_file(str(ckpt / "tokenizer.json"))
    n = lambda s: len(tok.encode(s).ids)
    lines = [dict(x, label=int(x["label"])) for x in tasks_data.hellaswag(60, 3)]
    lines = [x for x in lines if all(n(x["ctx"]) + n(" " + e) <= 96 for e in x["endings"])]
    with tempfile.TemporaryDirectory() as d:
        d = pathlib.Path(d)
        cache, tokens = d / "lines", d / "tokens"
        cache.mkdir(), tokens.mkdir()
        sums, last = llmc(pathlib.Path(os.environ["LLMC"]), ckpt, lines, cache)
        shutil.move(cache / "hellaswag_val.bin", tokens / "hellaswag_val.bin")
        for data in (cache, tokens):
            run = subprocess.run([program, "eval", "--checkpoint", str(ckpt), "--lm_eval_tasks", "hellaswag_llmc", "--lm_eval_data", str(data),
                                  "--out_dir", str(d / "out"), "--quiet"], check=True, capture_output=True, text=True)
            got = [json.loads(x) for x in (d / "out" / "lm_eval_samples_hellaswag_llmc.jsonl").read_text().split("\n") if x]
            worst = 0.0
            for g, want in zip(got, sums, strict=True):
                worst = max([worst] + [abs(float(a[0]) + b) for a, b in zip(g["filtered_resps"], want, strict=True)])
            assert worst <= 1e-4, worst
            r = json.loads((d / "out" / "lm_eval_results.json").read_text())["results"]["hellaswag_llmc"]
            ours = f"{len(got)} acc: {r['acc,none']:.4f} acc_norm: {round(r['acc_norm,none'] * len(got))}/{len(got)}={r['acc_norm,none']:.4f}"
            assert ours == last, (ours, last)
            assert "hellaswag_llmc: rules of llm.c" in run.stdout
            print(f"{data.name:8} {last}, worst sum of losses {worst:.1e}: as llm.c")
        if "--freeze" in sys.argv:
            for data in (cache, tokens):
                to = HERE / "tasks" / f"llmc_{data.name}"
                shutil.rmtree(to, ignore_errors=True)
                shutil.copytree(data, to)
            acc, norm = last.split()[2], last.split("=")[1]
            (HERE / "tasks" / "llmc_expected.jsonl").write_text(
                json.dumps({"n": len(lines), "acc": float(acc), "acc_norm": float(norm)}) + "\n" +
                "".join(json.dumps({"sums": [round(x, 5) for x in s]}) + "\n" for s in sums))


if __name__ == "__main__":
    main()
