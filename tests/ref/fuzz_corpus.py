"""Writes the small valid files from which tests/fuzz mutates: llama2.c's, llm.c's, PyTorch's, configurations.

    pip install torch transformers && python tests/ref/fuzz_corpus.py"""
import json
import pathlib
import struct

import torch

from hf_reference import MODELS
from hf_transformers import MORE

ROOT = pathlib.Path(__file__).parents[1] / "fuzz" / "corpus"
C, F, L, H, V, T = 4, 4, 1, 2, 5, 4


def save(folder, name, data):
    (ROOT / folder).mkdir(parents=True, exist_ok=True)
    (ROOT / folder / name).write_bytes(data)


def floats(n):
    return struct.pack(f"<{n}f", *[0.25] * n)


def main():
    matrices = L * (4 * C * C + 3 * F * C)
    save("llama2c", "v0", struct.pack("<7i", C, F, L, H, H, V, T) + floats(V * C + 2 * L * C + matrices + C + T * C // H))
    head = struct.pack("<Ii7iB", 0x616B3432, 1, C, F, L, H, H, V, T, 1)
    save("llama2c", "v1", head.ljust(256, b"\0") + floats(2 * L * C + C + V * C + matrices))
    head = struct.pack("<Ii7iBi", 0x616B3432, 2, C, F, L, H, H, V, T, 1, 4)
    packed = b"".join(bytes(n) + floats(n // 4) for n in [V * C] + [C * C] * 4 + [F * C] * 3)
    save("llama2c", "v2", head.ljust(256, b"\0") + floats(2 * L * C + C) + packed)
    n = 8 * C + T * C + L * (12 * C * C + 13 * C) + 2 * C
    save("llmc", "gpt2", struct.pack("<8i", 20240326, 3, T, V, L, H, C, 8).ljust(1024, b"\0") + floats(n))
    n = 2 * V * C + C + L * (2 * C + 4 * C * C + 3 * F * C)
    ints = struct.pack("<16i", 20240803, 3, T, V, L, H, H, C, 1, 4, 0, 10000, 0, 4, 3, 1)
    save("llmc", "llama_master", ints.ljust(1024, b"\0") + floats(n))
    n += C + L * (4 * C + 3 * C + 2 * F)
    ints = struct.pack("<12i", 20240803, 3, T, V, L, H, H, C, 4, 0, 3, 1).ljust(1024, b"\0")
    save("llmc", "llama_branch", ints + struct.pack("<3f", 1.3, 1e-5, 1e4).ljust(1024, b"\0") + floats(n))
    state = {"transformer.wte.weight": torch.ones(V, C), "transformer.wpe.weight": torch.ones(T, C)}
    args = dict(n_layer=1, n_head=H, n_embd=C, block_size=T, bias=True, vocab_size=V)
    (ROOT / "torch").mkdir(parents=True, exist_ok=True)
    torch.save(dict(model=state, model_args=args, iter_num=3), ROOT / "torch" / "nanogpt.pt")
    for name, config in MODELS + MORE:
        save("config", name, json.dumps(config).encode())


if __name__ == "__main__":
    main()
