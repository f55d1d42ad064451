"""Compares `glimpse eval` with lm-evaluation-harness, document by document, on a small random GPT-2 and the documents of
tests/ref/tasks_data.py: log-likelihoods to 1e-4, the same picks, metrics and standard errors to six digits, the same hashes.

    pip install torch transformers datasets lm_eval && python tests/ref/parity_tasks.py build/release/glimpse [--freeze]

--freeze writes tests/ref/tasks/: checkpoint's tokenizer, data, and the harness's samples, which tests/test_tasks.c reads."""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
import tasks_data


def checkpoint(out):
    """A GPT-2 of 2 layers and 16 channels with a byte-level BPE of its own, f32, context 96."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(tasks_data.corpus(), trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, eos_token="<|endoftext|>", bos_token="<|endoftext|>")
    torch.manual_seed(5)
    cfg = GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=96, n_ctx=96, vocab_size=len(fast), bos_token_id=0, eos_token_id=0,
                     initializer_range=0.3)
    model = GPT2LMHeadModel(cfg).eval()
    model.save_pretrained(out, safe_serialization=True)
    fast.save_pretrained(out)


def task_yaml(name, data, out):
    """The harness's own task with its data set replaced by our lines."""
    import lm_eval.tasks
    import yaml
    root = pathlib.Path(lm_eval.tasks.__file__).parent
    if name in tasks_data.OWN:
        cfg = {"task": name, "output_type": "multiple_choice", "doc_to_text": "{{query}}", "doc_to_target": "{{gold}}",
               "doc_to_choice": "choices", "validation_split": "validation",
               "metric_list": [{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in ("acc", "acc_norm", "acc_bytes")],
               "description": tasks_data.OWN[name]["description"], "metadata": {"version": 1.0}}
        text = yaml.safe_dump(cfg)
    else:
        path = {"arc_easy": "arc/arc_easy", "arc_challenge": "arc/arc_easy", "winogrande": "winogrande/default", "boolq": "super_glue/boolq/default",
                "copa": "super_glue/copa/default", "lambada_openai": "lambada/lambada_openai", "lambada_standard": "lambada/lambada_standard"
                }.get(name, f"{name}/{name}")
        text = (root / (path + ".yaml")).read_text()
        base = (root / path).parent
        text = text.replace("!function ", f"!function {base}/")
        text = "\n".join(line for line in text.splitlines() if not line.startswith(("dataset_path", "dataset_name", "task:")))
        text += f"\ntask: {name}"
    splits = {s: str(data / name / f"{s}.jsonl") for s in tasks_data.splits(name)}
    text += f"\ndataset_path: json\ndataset_name: null\ndataset_kwargs:\n  data_files: {json.dumps(splits)}\n"
    for key, split in (("training_split", "train"), ("validation_split", "validation")):
        if split not in splits:
            text = text.replace(f"{key}: {split}", f"{key}: null")
    (out / f"{name}_parity.yaml").write_text(text)


def functions_beside(out):
    """!function wants a module beside the yaml."""
    import lm_eval.tasks
    import shutil
    root = pathlib.Path(lm_eval.tasks.__file__).parent
    for path in ("hellaswag/utils", "winogrande/preprocess_winogrande", "super_glue/copa/utils", "wikitext/preprocess_wikitext"):
        to = path.replace("/", "_")
        shutil.copy(root / (path + ".py"), out / (to + ".py"))
        for y in out.glob("*_parity.yaml"):
            y.write_text(y.read_text().replace(f"!function {root}/{path}.", f"!function {to}."))


GENERATE = """task: says
output_type: generate_until
doc_to_text: "{{query}}"
doc_to_target: "{{choices[0]}}"
validation_split: validation
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
generation_kwargs: {until: ["e", "\\n\\n"], max_gen_toks: 12, do_sample: false}
dataset_path: json
dataset_kwargs: {data_files: {validation: %s}}
"""


def harness(ckpt, yamls, names, shots, limit, lm=None):
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from lm_eval.utils import handle_non_serializable, sanitize_list
    lm = lm or HFLM(pretrained=str(ckpt), dtype="float32", batch_size=4, device="cpu")
    res = lm_eval.simple_evaluate(model=lm, tasks=names, num_fewshot=shots, limit=limit, bootstrap_iters=1000 * 100,
                                  task_manager=TaskManager(include_path=str(yamls), include_defaults=False), log_samples=True)
    out = {}
    for t in names:
        lines = []
        for s in res["samples"][t]:
            s = dict(s)
            s["arguments"] = {f"gen_args_{i}": {f"arg_{j}": v for j, v in enumerate(a)} for i, a in enumerate(s["arguments"])}
            s["resps"], s["filtered_resps"], s["target"] = sanitize_list(s["resps"]), sanitize_list(s["filtered_resps"]), str(s["target"])
            lines.append(json.loads(json.dumps(s, default=handle_non_serializable, ensure_ascii=False)))
        out[t] = {"samples": lines, "results": json.loads(json.dumps(res["results"][t], default=handle_non_serializable)),
                  "version": res["versions"][t]}
    return out


def compare_model_class(program, ckpt, data, yamls):
    """examples/lm_eval_glimpse.py as the harness's model, against the harness's own."""
    sys.path.insert(0, str(HERE.parents[1] / "examples"))
    from lm_eval_glimpse import GlimpseLM
    (yamls / "says.yaml").write_text(GENERATE % (data / "piqa_says.jsonl"))
    rows = [dict(r, query=r["query"] or "empty") for r in tasks_data.own(10, 2)]
    (data / "piqa_says.jsonl").write_text("".join(json.dumps(dict(query=r["query"], choices=r["choices"])) + "\n" for r in rows))
    names = ["hellaswag", "lambada_openai", "wikitext", "winogrande", "says"]
    want = harness(ckpt, yamls, names, 0, None)
    got = harness(ckpt, yamls, names, 0, None, GlimpseLM(program, str(ckpt)))
    for n in names:
        for w, g in zip(want[n]["samples"], got[n]["samples"]):
            for a, b in zip(flat(w["resps"]), flat(g["resps"])):
                same = a == b if n == "says" or a in ("True", "False") else abs(float(a) - float(b)) <= 1e-4
                assert same, f"{n} document {w['doc_id']} through the model class: {a!r}, not {b!r}"
        print(f"{n:18} through examples/lm_eval_glimpse.py")


def flat(x):
    return [y for i in x for y in flat(i)] if isinstance(x, list) else [x]


def compare(name, want, got, results):
    worst = 0.0
    assert len(want["samples"]) == len(got), (name, len(want["samples"]), len(got))
    for w, g in zip(want["samples"], got):
        where = f"{name} document {w['doc_id']}"
        for key in ("doc_id", "target", "arguments", "filter", "metrics", "prompt_hash", "target_hash", "doc_hash"):
            assert w[key] == g[key], f"{where}: {key}: {w[key]!r} is not {g[key]!r}"
        assert list(w) == list(g), f"{where}: the fields {list(w)} are not {list(g)}"
        assert w["doc"] == g["doc"], where
        for a, b in zip(flat(w["resps"]), flat(g["resps"])):
            if a in ("True", "False"):
                assert a == b, f"{where}: greedy {a}, not {b}"
            else:
                worst = max(worst, abs(float(a) - float(b)))
        for m in w["metrics"]:
            a, b = w[m], g[m]
            if isinstance(a, list):
                assert a[1] == b[1], f"{where}: {m} counts {a[1]}, not {b[1]}"
            elif m != "perplexity":
                assert a == b, f"{where}: {m} {a}, not {b}"
    assert worst <= 1e-4, f"{name}: a log-likelihood is off by {worst}"
    for key, a in want["results"].items():
        b = results[name][key]
        if isinstance(a, float):
            assert abs(a - b) <= 2e-5 * max(1, abs(a)), f"{name}: {key} {a}, not {b}"
        else:
            assert a == b, f"{name}: {key} {a!r}, not {b!r}"
    return worst


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "build/release/glimpse"
    with tempfile.TemporaryDirectory() as d:
        d = pathlib.Path(d)
        ckpt, data, yamls = d / "ckpt", d / "data", d / "yaml"
        yamls.mkdir()
        checkpoint(ckpt)
        tasks_data.write(data)
        for name in tasks_data.TASKS:
            task_yaml(name, data, yamls)
        functions_beside(yamls)
        frozen = {}
        for shots, limit in ((0, None), (2, 7), (6, 3)):
            names = [n for n in tasks_data.TASKS if not shots or n not in ("wikitext",)]
            want = harness(ckpt, yamls, names, shots, limit)
            out = d / f"out{shots}"
            subprocess.run([program, "eval", "--checkpoint", str(ckpt), "--lm_eval_tasks", ",".join(names), "--lm_eval_data", str(data),
                            "--num_fewshot", str(shots), "--lm_eval_limit", str(limit or 0), "--out_dir", str(out), "--quiet"],
                           check=True)
            results = json.loads((out / "lm_eval_results.json").read_text())
            for n in names:
                got = [json.loads(line) for line in (out / f"lm_eval_samples_{n}.jsonl").read_text().split("\n") if line]
                worst = compare(n, want[n], got, results["results"])
                assert results["versions"][n] == want[n]["version"], n
                print(f"{n:18} {shots} shots  {len(got):3} documents  worst log-likelihood {worst:.1e}")
            frozen[shots] = want
        compare_model_class(program, ckpt, data, yamls)
        if "--freeze" in sys.argv:
            tasks_data.freeze(HERE / "tasks", ckpt, data, frozen)
    print("as lm-evaluation-harness")


if __name__ == "__main__":
    main()
