#!/usr/bin/env python3
"""torch_compare.py -- what PyTorch takes for the jobs of gpu_bench.cu, on the same GPU (`make gpu-bench`), as ratios to ours.

Random weights of the same shapes in bf16.  Rows: transformers' generate (eager) of 256 tokens; a decode step with a
StaticCache, its eager operations captured in one CUDA graph, and the same compiled (reduce-overhead, fullgraph);
log_softmax + topk(20) + multinomial over 64 rows of logits.  Without torch and transformers, or without a GPU, it says so and
ends well: the table of Glimpse stands without it.

Usage: torch_compare.py [OURS] [--dry]     (OURS: gpu_bench --ours; --dry: tiny shapes on the CPU, to see that it runs)
"""
import sys
import time

# name of ours, what is compared, must, goal
ROWS = {
    "graph": ("step-gpt2-124M-1", "StaticCache eager in one CUDA graph / ours, a step of GPT-2 124M, batch 1", 2.5, 5),
    "compile": ("step-gpt2-124M-1", "torch.compile(reduce-overhead, fullgraph) / ours, the same", 1.5, 2.5),
    "generate1": ("generate-gpt2-124M-1", "transformers generate eager / ours, GPT-2 124M, 256 tokens, batch 1", 25, 50),
    "generate64": ("generate-gpt2-124M-64", "transformers generate eager / ours, the same, batch 64", 10, 18),
    "draw": ("draw-gpt2-124M-64", "log_softmax + topk(20) + multinomial / ours with the record, [64, 50257]", 10, 20),
}


def median(values):
    return sorted(values)[len(values) // 2]


def timed(torch, job, rounds, device):
    """Milliseconds, the median of `rounds` after two to warm up."""
    spent = []
    for i in range(rounds + 2):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        job()
        if device == "cuda":
            torch.cuda.synchronize()
        if i >= 2:
            spent.append((time.perf_counter() - start) * 1e3)
    return median(spent)


def row(ours, key, ms):
    name, what, must, goal = ROWS[key]
    if name not in ours or not ours[name] > 0:
        print(f"     {what}: {ms:.3f} ms; ours was not measured", flush=True)
        return
    ratio = ms / ours[name]
    print(f"{'PASS' if ratio >= must else 'FAIL':4s} {what:86s} {ratio:8.4g}  must >= {must}, goal {goal}"
          f"{' (reached)' if ratio >= goal else ''}  ({ms:.3f} ms / {ours[name]:.3f} ms)", flush=True)


def attempt(ours, key, job):
    """One row; a version of PyTorch that cannot do it must not end the table."""
    try:
        row(ours, key, job())
    except Exception as error:  # noqa: BLE001
        print(f"     {ROWS[key][1]}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", flush=True)


STEPS = 120  # a StaticCache counts its own steps: one too many would be an address outside of it


def static_step(torch, model, prompt):
    """A decode step behind `prompt` with a StaticCache, as a function without arguments; STEPS times at most."""
    from transformers import StaticCache
    length = prompt.shape[1]
    cache = StaticCache(config=model.config, max_cache_len=length + STEPS)
    model(prompt, past_key_values=cache, use_cache=True)
    token = prompt[:, -1:].clone()
    position = torch.tensor([length], device=prompt.device)  # older versions ask for it

    def step(run=model):
        return run(token, past_key_values=cache, cache_position=position, use_cache=True).logits
    return step


def check_static_step(torch, model, prompt):
    """Does a step give what the whole text gives?  (--dry)"""
    step = static_step(torch, model, prompt)
    for k in range(STEPS):
        logits = step()[:, -1]
        if k == 0:
            whole = model(torch.cat([prompt, prompt[:, -1:]], 1)).logits[:, -1]
            off = (logits - whole).abs().max().item() / whole.abs().max().item()
            if not off < 0.05:  # bf16
                sys.exit(f"a step with a StaticCache is off by {off}")


def compiled_step(torch, model, prompt, device):
    step = static_step(torch, model, prompt)
    dry = device == "cpu"  # that it is one graph is seen without a compiler
    run = torch.compile(model, fullgraph=True, **(dict(backend="eager") if dry else dict(mode="reduce-overhead")))

    def once():
        torch.compiler.cudagraph_mark_step_begin()
        return step(run)
    for _ in range(5):
        once()
    return timed(torch, once, 100 if not dry else 1, device)


def graph_step(torch, model, prompt, device):
    step = static_step(torch, model, prompt)
    if device == "cpu":
        return timed(torch, step, 1, device)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return timed(torch, graph.replay, 100, device)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--dry"]
    dry = "--dry" in sys.argv[1:]
    if len(arguments) > 1 or any(a.startswith("-") for a in arguments):
        sys.exit(__doc__)
    try:
        import torch
        import transformers
        from transformers import GPT2Config
    except ImportError as missing:
        print(f"PyTorch: not compared ({missing})")
        return
    if not dry and not torch.cuda.is_available():
        print("PyTorch: not compared (it sees no GPU)")
        return
    ours = {}
    if arguments:
        with open(arguments[0], encoding="ascii") as lines:
            ours = {line.split()[0]: float(line.split()[1]) for line in lines if len(line.split()) == 2}
    device = "cpu" if dry else "cuda"
    config = GPT2Config(n_layer=2, n_head=2, n_embd=32, vocab_size=97, n_positions=160, bos_token_id=0, eos_token_id=0) if dry else GPT2Config()
    length, new = (4, 8) if dry else (128, 256)
    print(f"# torch {torch.__version__}, transformers {transformers.__version__}")
    torch.manual_seed(0)
    with torch.no_grad():
        logits = torch.randn(64, config.vocab_size, device=device)

        def draw():
            log_p = torch.log_softmax(logits, -1)
            return torch.topk(log_p, 20), torch.multinomial(torch.exp(log_p), 1)
        attempt(ours, "draw", lambda: timed(torch, draw, 3 if dry else 100, device))
        model = transformers.AutoModelForCausalLM.from_config(config).to(torch.bfloat16).to(device).eval()
        asked = dict(max_new_tokens=new, min_new_tokens=new, do_sample=True, top_k=5 if dry else 200, temperature=0.8, pad_token_id=0)
        for batch in (1, 64):
            prompt = torch.randint(0, config.vocab_size, (batch, length), device=device)
            asked["attention_mask"] = torch.ones_like(prompt)
            attempt(ours, f"generate{batch}", lambda p=prompt: timed(torch, lambda: model.generate(p, **asked), 1 if dry else 3, device))
        # about position 256 in the middle, as gpu_bench's steps; what may end the process comes last
        behind = torch.randint(0, config.vocab_size, (1, 16 if dry else 256 - STEPS // 2), device=device)
        if dry:
            check_static_step(torch, model, behind)
        attempt(ours, "compile", lambda: compiled_step(torch, model, behind, device))
        attempt(ours, "graph", lambda: graph_step(torch, model, behind, device))


if __name__ == "__main__":
    main()
