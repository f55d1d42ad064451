"""Writes small checkpoints, byte by byte from their formats' descriptions: seeds of the fuzzers.

    python tests/ref/checkpoint_files.py tests/fuzz/corpus

safetensors: huggingface/safetensors README; GGUF: ggml-org/ggml docs/gguf.md."""
import json
import struct
import sys

out = sys.argv[1]


def safetensors(path, tensors, metadata=None):
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, dtype, shape, raw in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(f"{out}/safetensors/{path}", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


safetensors("smallest", [("a", "F32", [2], struct.pack("<2f", 1, 2))])
safetensors("types", [("x.weight", "BF16", [2, 3], bytes(12)), ("scalar", "I64", [], bytes(8)), ("none", "F16", [0, 4], b""), ("b", "U8", [3], b"abc"),
                      ("\u00e9\"\\", "BOOL", [1, 1, 1, 1, 1], b"\1")], {"format": "pt", "\u4e2d": "\U0001f600"})


def string(s):
    return struct.pack("<Q", len(s.encode())) + s.encode()


def gguf(path, arch, tensors, extra=b"", n_extra=0):
    def key(name, kind, raw):
        return string(name) + struct.pack("<I", kind) + raw
    u32 = lambda name, v: key(f"{arch}.{name}", 4, struct.pack("<I", v))
    keys = [key("general.architecture", 8, string(arch)), u32("context_length", 16), u32("embedding_length", 32), u32("block_count", 1),
            u32("feed_forward_length", 32), u32("attention.head_count", 2), u32("attention.head_count_kv", 1),
            key(f"{arch}.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-5)), key(f"{arch}.rope.freq_base", 6, struct.pack("<f", 1e4)),
            key("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 3) + string("a") + string("") + string("\u4e2d")),
            key("tokenizer.ggml.scores", 9, struct.pack("<IQ3f", 6, 3, 0, 1, 2)), key("tokenizer.ggml.eos_token_id", 4, struct.pack("<I", 2))]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys)
    data = b""
    for name, dims, kind, raw in tensors:
        data += bytes(-len(data) % 32)
        head += string(name) + struct.pack("<I", len(dims)) + b"".join(struct.pack("<Q", d) for d in dims) + struct.pack("<IQ", kind, len(data))
        data += raw
    head += bytes(-len(head) % 32)
    with open(f"{out}/gguf/{path}", "wb") as f:
        f.write(head + data)


def q8(rows, cols):  # scale 2^-7, element (r, c) = (r + c) % 256 - 128
    raw = b""
    for r in range(rows):
        for b in range(cols // 32):
            raw += struct.pack("<e", 1 / 128) + bytes(((r + b * 32 + i) % 256 - 128) & 255 for i in range(32))
    return raw


f32 = lambda n: struct.pack(f"<{n}f", *[1 + i / 64 for i in range(n)])
f16 = lambda n: struct.pack(f"<{n}e", *[i / 64 for i in range(n)])
bf16 = lambda n: b"".join(struct.pack("<f", i / 64)[2:] for i in range(n))
gguf("llama_q8_0", "llama", [("token_embd.weight", [32, 7], 8, q8(7, 32)), ("output_norm.weight", [32], 0, f32(32)),
                             ("blk.0.attn_norm.weight", [32], 0, f32(32)), ("blk.0.attn_q.weight", [32, 32], 8, q8(32, 32)),
                             ("blk.0.attn_k.weight", [32, 16], 1, f16(512)), ("blk.0.attn_v.weight", [32, 16], 30, bf16(512)),
                             ("blk.0.attn_output.weight", [32, 32], 8, q8(32, 32)), ("blk.0.ffn_norm.weight", [32], 0, f32(32)),
                             ("blk.0.ffn_gate.weight", [32, 32], 8, q8(32, 32)), ("blk.0.ffn_up.weight", [32, 32], 8, q8(32, 32)),
                             ("blk.0.ffn_down.weight", [32, 32], 8, q8(32, 32))])
