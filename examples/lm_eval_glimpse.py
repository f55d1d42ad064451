"""Every task of lm-evaluation-harness, with Glimpse as the model: a class over `glimpse score --requests`.

    pip install lm_eval
    python examples/lm_eval_glimpse.py build/release/glimpse out/ckpt.pt --tasks mmlu_anatomy,gsm8k --limit 50

Log-likelihoods and rolling log-likelihoods are batched; generated text is greedy, and settings that ask for anything else
are refused.  Multiple choice tasks that Glimpse knows by itself are faster with `glimpse eval`."""
import argparse
import json
import subprocess
import tempfile

import lm_eval
from lm_eval.api.model import LM
from lm_eval.utils import make_table


class GlimpseLM(LM):
    def __init__(self, program, checkpoint, arguments=()):
        super().__init__()
        self.command = [program, "score", "--checkpoint", checkpoint, "--quiet", *arguments]

    def ask(self, requests):
        if not requests:
            return []
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as f:
            f.writelines(json.dumps(r) + "\n" for r in requests)
            f.flush()
            done = subprocess.run([*self.command, "--requests", f.name], stdout=subprocess.PIPE, check=True)
        return [json.loads(line) for line in done.stdout.decode().split("\n") if line]

    def loglikelihood(self, requests, disable_tqdm=False):
        asked = [{"context": r.args[0], "continuation": r.args[1]} for r in requests]
        return [(a["logprob"], a["greedy"]) for a in self.ask(asked)]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        return [a["logprob"] for a in self.ask([{"text": r.args[0]} for r in requests])]

    def generate_until(self, requests, disable_tqdm=False):
        asked = []
        for r in requests:
            context, kwargs = r.args[0], dict(r.args[1])
            if kwargs.get("do_sample") and kwargs.get("temperature", 1) != 0:
                raise ValueError("only greedy generation is supported: do_sample=false or temperature=0")
            until = kwargs.get("until") or []
            asked.append({"context": context, "until": [until] if isinstance(until, str) else until,
                          **({"max_gen_toks": kwargs["max_gen_toks"]} if "max_gen_toks" in kwargs else {})})
        return [a["text"] for a in self.ask(asked)]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("checkpoint")
    p.add_argument("--tasks", required=True)
    p.add_argument("--num_fewshot", type=int)
    p.add_argument("--limit", type=int)
    a, rest = p.parse_known_args()
    results = lm_eval.simple_evaluate(model=GlimpseLM(a.program, a.checkpoint, rest), tasks=a.tasks.split(","),
                                      num_fewshot=a.num_fewshot, limit=a.limit)
    print(make_table(results))


if __name__ == "__main__":
    main()
