#!/usr/bin/env python3
"""torch_compare.py -- what PyTorch takes for the jobs of gpu_bench.cu, on the same GPU (`make gpu-bench`), as ratios to ours.

Random weights of the same shapes in bf16, attention as transformers chooses it, greedy, prompts of 128 and 256 tokens behind
them, so positions 128 to 383 as gpu_bench's.  Rows: a decode step with a StaticCache of 384, its eager operations captured in one
CUDA graph with the argmax and the token's way back in; the same step compiled (reduce-overhead, fullgraph); transformers'
generate (eager, a growing cache); log_softmax + topk(20) + multinomial over 64 rows of logits.  Steps are timed by events around
256 of them, the median of passes; generate by the clock, prefill included, as ours.  Each row is a process of its own: what fails,
or takes too long, takes no other along.  Without torch and transformers, or without a GPU, it says so and ends well.
Exit status 1 when a row failed: it was not measured, or is below what it must be (which --dry does not ask).

Usage: torch_compare.py [OURS] [--dry] [--row NAME]   (OURS: gpu_bench --ours; --dry: tiny shapes on the CPU, to see that it runs)
"""
import importlib.util
import os
import signal
import subprocess
import sys
import time

# name of ours, what is compared, must, goal, seconds at most
ROWS = {
    "graph": ("step-gpt2-124M-1", "StaticCache eager in one CUDA graph / ours, a step of GPT-2 124M, batch 1", 2.5, 5, 70),
    "compile": ("step-gpt2-124M-1", "torch.compile(reduce-overhead, fullgraph) / ours, the same", 1.5, 2.5, 150),
    "generate1": ("generate-gpt2-124M-1", "transformers generate eager / ours, GPT-2 124M, 256 tokens, batch 1", 25, 50, 80),
    "generate64": ("generate-gpt2-124M-64", "transformers generate eager / ours, the same, batch 64", 10, 18, 80),
    "draw": ("draw-gpt2-124M-64", "log_softmax + topk(20) + multinomial / ours with the record, [64, 50257]", 10, 20, 50),
}
NO_GPU, BELOW = 3, 4  # exit statuses of a row


def median(values):
    return sorted(values)[len(values) // 2]


def clocked(torch, job, rounds, device):
    """Milliseconds by the clock, the median of `rounds` after one to warm up."""
    spent = []
    for i in range(rounds + 1):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        job()
        if device == "cuda":
            torch.cuda.synchronize()
        if i >= 1:
            spent.append((time.perf_counter() - start) * 1e3)
    return median(spent)


def each_of(torch, job, n, rounds, device, before=lambda: None):
    """Milliseconds of one of n jobs that follow each other, by events; `before` each round, the first of which warms up."""
    if device != "cuda":
        def all_of_them():
            before()
            for _ in range(n):
                job()
        return clocked(torch, all_of_them, 1, device) / n
    spent = []
    for i in range(rounds + 1):
        before()
        torch.cuda.synchronize()
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        for _ in range(n):
            job()
        last.record()
        torch.cuda.synchronize()
        if i >= 1:
            spent.append(first.elapsed_time(last) / n)
    return median(spent)


class Sizes:
    def __init__(self, transformers, dry):
        self.device = "cpu" if dry else "cuda"
        self.length, self.new = (16, 8) if dry else (128, 256)
        self.config = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=32, vocab_size=97, n_positions=64, bos_token_id=0,
                                              eos_token_id=0) if dry else transformers.GPT2Config()
        self.passes = 1 if dry else 9


def model_of(torch, transformers, sizes):
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(sizes.config).to(torch.bfloat16).to(sizes.device).eval()
    model.generation_config.eos_token_id = None  # all of the tokens, whatever they are
    return model


class Steps:
    """Greedy steps behind a prompt with a StaticCache, the next token and all positions on the device; `new` times, then rewind."""

    def __init__(self, torch, transformers, sizes):
        self.model = model_of(torch, transformers, sizes)
        self.prompt = torch.randint(0, sizes.config.vocab_size, (1, sizes.length), device=sizes.device)
        self.cache = transformers.StaticCache(config=self.model.config, max_cache_len=sizes.length + sizes.new)
        self.model(self.prompt, past_key_values=self.cache, use_cache=True)
        if not all(isinstance(layer.cumulative_length, torch.Tensor) for layer in self.cache.layers):
            raise RuntimeError("this StaticCache does not count its tokens on the device")
        self.token = self.prompt[:, -1:].clone()

    def rewind(self):
        for layer in self.cache.layers:
            layer.cumulative_length.fill_(self.prompt.shape[1])
        self.token.copy_(self.prompt[:, -1:])

    def next_of(self, token):
        return self.model(token, past_key_values=self.cache, use_cache=True).logits[:, -1].argmax(-1, keepdim=True)

    def step(self):
        self.token.copy_(self.next_of(self.token))

    def check(self, torch):
        """Does a step give what the whole text gives?  (--dry)"""
        logits = self.model(self.token, past_key_values=self.cache, use_cache=True).logits[:, -1]
        whole = self.model(torch.cat([self.prompt, self.prompt[:, -1:]], 1)).logits[:, -1]
        off = (logits - whole).abs().max().item() / whole.abs().max().item()
        if not off < 0.05:  # bf16
            raise RuntimeError(f"a step with a StaticCache is off by {off}")


def graph_row(torch, transformers, sizes):
    steps = Steps(torch, transformers, sizes)
    if sizes.device == "cpu":
        steps.check(torch)
        steps.rewind()
        return each_of(torch, steps.step, sizes.new, 1, "cpu", steps.rewind)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            steps.step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        steps.step()
    return each_of(torch, graph.replay, sizes.new, sizes.passes, "cuda", steps.rewind)


def compile_row(torch, transformers, sizes):
    steps = Steps(torch, transformers, sizes)
    dry = sizes.device == "cpu"  # that it is one graph is seen without a compiler
    run = torch.compile(steps.next_of, fullgraph=True, **(dict(backend="eager") if dry else dict(mode="reduce-overhead")))

    def step():
        torch.compiler.cudagraph_mark_step_begin()
        steps.token.copy_(run(steps.token))
    for _ in range(5):
        step()
    return each_of(torch, step, sizes.new, sizes.passes, sizes.device, steps.rewind)


def generate_row(torch, transformers, sizes, batch):
    model = model_of(torch, transformers, sizes)
    prompt = torch.randint(0, sizes.config.vocab_size, (batch, sizes.length), device=sizes.device)
    asked = dict(max_new_tokens=sizes.new, do_sample=False, pad_token_id=0, attention_mask=torch.ones_like(prompt))

    def job():
        out = model.generate(prompt, **asked)
        if out.shape[1] != sizes.length + sizes.new:
            raise RuntimeError(f"{out.shape[1] - sizes.length} tokens, not {sizes.new}")
    return clocked(torch, job, min(sizes.passes, 3), sizes.device)


def draw_row(torch, _transformers, sizes):
    logits = torch.randn(64, sizes.config.vocab_size, device=sizes.device)

    def draw():
        log_p = torch.log_softmax(logits, -1)
        return torch.topk(log_p, 20), torch.multinomial(torch.exp(log_p), 1)
    return each_of(torch, draw, 3 if sizes.device == "cpu" else 50, sizes.passes, sizes.device)


JOBS = {"graph": graph_row, "compile": compile_row, "generate1": lambda *a: generate_row(*a, 1),
        "generate64": lambda *a: generate_row(*a, 64), "draw": draw_row}


def say_row(ours, key, ms):
    """False: it is below what it must be."""
    name, what, must, goal, _ = ROWS[key]
    if name not in ours or not ours[name] > 0:
        print(f"     {what}: {ms:.3f} ms; ours was not measured", flush=True)
        return True
    ratio = ms / ours[name]
    print(f"{'PASS' if ratio >= must else 'FAIL':4s} {what:86s} {ratio:8.4g}  must >= {must}, goal {goal}"
          f"{' (reached)' if ratio >= goal else ''}  ({ms:.3f} ms / {ours[name]:.3f} ms)", flush=True)
    return ratio >= must


def one_row(key, path, dry):
    import torch
    import transformers
    if not dry and not torch.cuda.is_available():
        return NO_GPU
    ours = {}
    if path:
        with open(path, encoding="ascii") as lines:
            ours = {line.split()[0]: float(line.split()[1]) for line in lines if len(line.split()) == 2}
    if key == next(iter(ROWS)):
        print(f"# torch {torch.__version__}, transformers {transformers.__version__}", flush=True)
    with torch.no_grad():
        good = say_row(ours, key, JOBS[key](torch, transformers, Sizes(transformers, dry)))
    return 0 if good or dry else BELOW


def main():
    arguments, dry, key = sys.argv[1:], False, None
    if "--dry" in arguments:
        arguments.remove("--dry")
        dry = True
    if "--row" in arguments:
        at = arguments.index("--row")
        key = arguments[at + 1] if at + 1 < len(arguments) else ""
        del arguments[at:at + 2]
    if len(arguments) > 1 or any(a.startswith("-") for a in arguments) or key not in (None, *ROWS):
        sys.exit(__doc__)
    path = arguments[0] if arguments else None
    if key:
        sys.exit(one_row(key, path, dry))
    for needed in ("torch", "transformers"):
        if importlib.util.find_spec(needed) is None:
            print(f"PyTorch: not compared (no {needed})")
            return
    running, failed = [], False

    def give_up(*_):  # whoever ends us: the row is in a group of its own
        for child in running:
            os.killpg(child.pid, signal.SIGKILL)
        sys.exit(124)
    signal.signal(signal.SIGTERM, give_up)
    for key, (_, what, _, _, seconds) in ROWS.items():
        command = [sys.executable, os.path.abspath(__file__), *([path] if path else []), *(["--dry"] if dry else []), "--row", key]
        with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True, text=True, errors="replace") as child:
            running.append(child)
            try:
                said = child.communicate(timeout=seconds)[1]
                why = said.strip().splitlines()[-1] if said.strip() else f"exit {child.returncode}"
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                why = f"not done in {seconds} s"
            running.clear()
        if child.returncode == NO_GPU:
            print("PyTorch: not compared (it sees no GPU)")
            return
        if child.returncode not in (0, BELOW):
            print(f"FAIL {what}: not measured: {why}", flush=True)
        failed = failed or child.returncode != 0
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
