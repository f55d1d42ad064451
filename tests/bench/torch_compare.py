#!/usr/bin/env python3
"""torch_compare.py -- what PyTorch takes for the jobs of gpu_bench.cu, on the same GPU (`make gpu-bench`).

Random weights of the same shapes; rows: transformers' generate (eager), the same with a StaticCache and torch.compile, one
captured CUDA graph of a cached step, and log_softmax + topk(20) + multinomial over a row of logits.  Without torch and
transformers, or without a GPU, it says so and ends well: the table of Glimpse stands without it.

Usage: torch_compare.py [--dry]     (--dry: tiny shapes on the CPU, to see that it runs)
"""
import sys
import time


def median(values):
    return sorted(values)[len(values) // 2]


def timed(torch, job, rounds, device):
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


def models(dry):
    from transformers import GPT2Config, LlamaConfig
    if dry:
        return [("tiny gpt2", GPT2Config(n_layer=2, n_head=2, n_embd=32, vocab_size=97, n_positions=64), 4, 8)]
    return [
        ("gpt2-124M bf16", GPT2Config(), 128, 128),
        ("gpt2-1.5B bf16", GPT2Config(n_layer=48, n_head=25, n_embd=1600), 128, 64),
        ("llama-8B bf16", LlamaConfig(hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
                                      num_key_value_heads=8, vocab_size=128256, rope_theta=500000.0), 128, 64),
    ]


def graph_step(torch, model, prompt):
    """One step with a StaticCache, captured: what replaying it takes, in ms."""
    from transformers import StaticCache
    batch, length = prompt.shape
    cache = StaticCache(config=model.config, max_cache_len=length + 64)
    model(prompt, past_key_values=cache, use_cache=True)
    token = prompt[:, -1:].clone()
    position = torch.tensor([length], device=prompt.device)

    def step():
        return model(token, past_key_values=cache, cache_position=position, use_cache=True).logits
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return timed(torch, graph.replay, 100, "cuda")


def main():
    dry = sys.argv[1:] == ["--dry"]
    if sys.argv[1:] and not dry:
        sys.exit(__doc__)
    try:
        import torch
        import transformers
    except ImportError as missing:
        print(f"PyTorch: not compared ({missing})")
        return
    if not dry and not torch.cuda.is_available():
        print("PyTorch: not compared (it sees no GPU)")
        return
    device = "cpu" if dry else "cuda"
    print(f"# torch {torch.__version__}, transformers {transformers.__version__}")
    torch.manual_seed(0)
    with torch.no_grad():
        for name, config, length, new in models(dry):
            model = transformers.AutoModelForCausalLM.from_config(config).to(torch.bfloat16).to(device).eval()
            for batch in (1, 16, 64):
                prompt = torch.randint(0, config.vocab_size, (batch, length), device=device)
                asked = dict(max_new_tokens=new, min_new_tokens=new, do_sample=True, top_k=200 if not dry else 5, temperature=0.8,
                             pad_token_id=0)
                rounds = 1 if dry else 5
                print(f"{name:16s} B={batch:<3d} generate {timed(torch, lambda: model.generate(prompt, **asked), rounds, device) / new:9.3f} ms/token",
                      flush=True)
                if dry:
                    continue
                for what, job in (("StaticCache + compile", lambda: model.generate(prompt, cache_implementation="static", **asked)),):
                    try:
                        print(f"{name:16s} B={batch:<3d} {what} {timed(torch, job, 3, device) / new:9.3f} ms/token", flush=True)
                    except Exception as error:  # a version without it must not end the table
                        print(f"{name:16s} B={batch:<3d} {what}: {type(error).__name__}", flush=True)
                try:
                    print(f"{name:16s} B={batch:<3d} a captured step {graph_step(torch, model, prompt):9.3f} ms", flush=True)
                except Exception as error:
                    print(f"{name:16s} B={batch:<3d} a captured step: {type(error).__name__}: {error}", flush=True)
            del model
        for batch in (1, 64):
            logits = torch.randn(batch, 97 if dry else 50257, device=device)

            def draw():
                log_p = torch.log_softmax(logits, -1)
                return torch.topk(log_p, 20), torch.multinomial(torch.exp(log_p), 1)
            print(f"log_softmax + topk(20) + multinomial  B={batch:<3d} {timed(torch, draw, 3 if dry else 100, device) * 1e3:9.1f} us")


if __name__ == "__main__":
    main()
