#!/usr/bin/env python3
"""parity_tensorboard.py BUILD_DIR: the event file, read by TensorBoard's own reader.

A journal of a few evals is drawn with `glimpse report`; every number, text and picture that it implies must come out of
EventAccumulator with its step, wall time and value.  Then the file is cut where a killed writer would have left it, at every kind of
place: what was whole before must still be read, and the next run of the writer must leave a file that is whole again.
Called by tests/ref/parity.sh."""
import datetime, glob, json, math, os, shutil, subprocess, sys, tempfile

here = os.path.dirname(os.path.abspath(__file__))
source = open(os.path.join(here, "..", "report", "drive.py"), encoding="utf-8").read().rsplit("sys.exit(main())", 1)[0]
drive = {"__name__": "drive"}
exec(compile(source, "drive.py", "exec"), drive)

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util
except ImportError:
    print("tensorboard is not installed: pip install tensorboard")
    sys.exit(1)

EVALS, bad, checked = 6, 0, 0


def check(ok, what):
    global bad, checked
    checked += 1
    if not ok: bad += 1; print("FAILED:", what)


def read(path):
    a = EventAccumulator(path, size_guidance={"scalars": 0, "tensors": 0, "images": 0})
    a.Reload()
    return a


def near(x, y):
    return abs(x - y) <= 1e-6 * max(1, abs(y))  # float32


def scalars_of(a, tag):
    if tag in a.Tags()["scalars"]: return [(e.step, e.wall_time, e.value) for e in a.Scalars(tag)]
    if tag in a.Tags()["tensors"]: return [(e.step, e.wall_time, float(tensor_util.make_ndarray(e.tensor_proto))) for e in a.Tensors(tag)]
    return []


def whole(folder, lines):
    files = glob.glob(os.path.join(folder, "events.out.tfevents.*"))
    check(len(files) == 1, "one event file: %s" % files)
    a = read(files[0])
    tags = set(a.Tags()["scalars"]) | set(a.Tags()["tensors"]) | set(a.Tags()["images"])
    def series(tag, values):
        got = scalars_of(a, tag)
        check([g[0] for g in got] == [v[0] for v in values] and all(near(g[2], v[2]) for g, v in zip(got, values)), "%s: %s" % (tag, got[:3]))
        check(all(abs(g[1] - v[1]) < 1 for g, v in zip(got, values)), tag + ": times")
    when = lambda r: datetime.datetime.fromisoformat(r["time"].replace("Z", "+00:00")).timestamp()
    series("loss/train", [(r["step"], when(r), r["train_loss"]) for r in lines])
    series("loss/val", [(r["step"], when(r), r["val_loss"]) for r in lines])
    series("lm_eval/hellaswag/acc", [(r["step"], when(r), r["lm_eval"]["hellaswag"]["acc"][0]) for r in lines if r["lm_eval"]])
    series("lm_eval/hellaswag/acc_norm", [(r["step"], when(r), r["lm_eval"]["hellaswag"]["acc_norm"][0]) for r in lines if r["lm_eval"]])
    series("dataset/loss", [(r["step"], when(r), r["dataset"]["loss"]) for r in lines if r["dataset"]])
    names = sorted({n for r in lines for s in r["samples"] for n in s["metrics"]})
    for n in names: check(any(t.startswith("sample_metrics/") and n in t for t in tags), "a series of " + n)
    texts = [t for t in a.Tags()["tensors"] if a.SummaryMetadata(t).plugin_data.plugin_name == "text"]
    shown = {(e.step, t): b"".join(tensor_util.make_ndarray(e.tensor_proto).flatten().tolist()).decode() for t in texts for e in a.Tensors(t)}
    for r in lines:
        plain = [s for s in r["samples"] if (s["prompt"], s["setting"], s["sample"]) != (0, 0, 1)]
        mine = [v for (step, _), v in shown.items() if step == r["step"]]
        check(len(mine) >= len(r["samples"]), "step %d: %d texts of %d samples" % (r["step"], len(mine), len(r["samples"])))
        joined = "\n".join(mine)
        for s in plain[:4]:
            word = " ".join(w for w in s["text"].split("\n")[0].split(" ")[:4] if w.isalpha())
            check(not word or word.split(" ")[0] in joined, "step %d: the text of a sample" % r["step"])
    pictures = [(t, e) for t in a.Tags()["images"] for e in a.Images(t)] + [
        (t, e) for t in a.Tags()["tensors"] if a.SummaryMetadata(t).plugin_data.plugin_name == "images" for e in a.Tensors(t)]
    check(len(pictures) >= sum(len(r["samples"]) for r in lines), "a sheet of each sample: %d" % len(pictures))
    for t, e in pictures[:8]:
        data = e.encoded_image_string if hasattr(e, "encoded_image_string") else tensor_util.make_ndarray(e.tensor_proto).flatten()[-1]
        check(bytes(data).startswith(b"\x89PNG"), t + " is a PNG")
    return files[0]


def main():
    program = sys.argv[1] if os.path.isfile(sys.argv[1]) else os.path.join(sys.argv[1], "glimpse")
    folder = tempfile.mkdtemp()
    try:
        drive["journal"](folder, EVALS, per=(1, 1, 2), n_tokens=24)
        journal = os.path.join(folder, "evals.jsonl")
        lines = [json.loads(line) for line in open(journal, encoding="utf-8")]
        with open(journal, "w", encoding="utf-8") as f:
            for r in lines:
                r["views"]["sheets"] = "true"
                f.write(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n")
        report = lambda d: subprocess.run([program, "report", d], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        report(folder)
        path = whole(folder, lines)
        data, before = open(path, "rb").read(), read(path)
        last = lines[-1]["step"]
        n_whole = len(scalars_of(before, "loss/val"))
        for cut in [1, 4, 5, 11, 12, 13, 40] + [len(data) * k // 23 for k in range(1, 22)]:  # bytes that a kill kept from the disk
            other = tempfile.mkdtemp()
            torn = os.path.join(other, os.path.basename(path))
            with open(torn, "wb") as f: f.write(data[:len(data) - cut])
            got = scalars_of(read(torn), "loss/val")
            check(all(near(g[2], v[2]) and g[0] == v[0] for g, v in zip(got, scalars_of(before, "loss/val"))) and len(got) <= n_whole, "cut by %d: what is whole is read" % cut)
            shutil.copy(journal, other)
            report(other)
            check(len(scalars_of(read(glob.glob(os.path.join(other, "events.out.tfevents.*"))[0]), "loss/val")) == n_whole, "cut by %d: drawn anew" % cut)
            check(open(glob.glob(os.path.join(other, "events.out.tfevents.*"))[0], "rb").read() == data, "cut by %d: the same bytes" % cut)
            shutil.rmtree(other)
        check(last in [g[0] for g in scalars_of(before, "loss/val")], "the newest step")
    finally: shutil.rmtree(folder)
    print("%d checks of the event file, %d failed" % (checked, bad))
    return bad > 0


sys.exit(main())
