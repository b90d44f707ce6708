"""Blocks to floats, against a reader that goes number by number as the format is written down."""

import random
import struct

import pytest

torch = pytest.importorskip("torch")

from fmnb.engines.weights.gguf_tensors import INT4_FORMATS, SUPPORTED_FORMATS, floats, int4_blocks  # noqa: E402

WIDTH = {"Q4_0": 18, "Q4_1": 20, "Q5_0": 22, "Q5_1": 24, "Q8_0": 34, "Q4_K": 144, "Q5_K": 176, "Q6_K": 210}


def half(b, at):
    return struct.unpack_from("<e", b, at)[0]


def k_scales(b, j):
    s = b[4:16]
    if j < 4:
        return s[j] & 63, s[j + 4] & 63
    return (s[j + 4] & 15) | (s[j - 4] >> 6) << 4, (s[j + 4] >> 4) | (s[j] >> 6) << 4


def number(kind, b, i):
    """Weight `i` of a block."""
    low, high = (i % 16, i // 16) if kind in ("Q4_0", "Q4_1", "Q5_0", "Q5_1") else (0, 0)
    match kind:
        case "Q8_0":
            return half(b, 0) * struct.unpack_from("b", b, 2 + i)[0]
        case "Q4_0":
            return half(b, 0) * ((b[2 + low] >> 4 * high & 15) - 8)
        case "Q4_1":
            return half(b, 0) * (b[4 + low] >> 4 * high & 15) + half(b, 2)
        case "Q5_0":
            fifth = struct.unpack_from("<I", b, 2)[0] >> i & 1
            return half(b, 0) * ((b[6 + low] >> 4 * high & 15 | fifth << 4) - 16)
        case "Q5_1":
            fifth = struct.unpack_from("<I", b, 4)[0] >> i & 1
            return half(b, 0) * (b[8 + low] >> 4 * high & 15 | fifth << 4) + half(b, 2)
        case "Q4_K" | "Q5_K":
            group, at = i // 32, i % 32
            scale, least = k_scales(b, group)
            start = 16 if kind == "Q4_K" else 48
            q = b[start + 32 * (group // 2) + at] >> 4 * (group % 2) & 15
            if kind == "Q5_K":
                q |= (b[16 + at] >> group & 1) << 4
            return half(b, 0) * scale * q - half(b, 2) * least
        case "Q6_K":
            part, rest = i // 128, i % 128
            quarter, at = rest // 32, rest % 32
            low = b[64 * part + 32 * (quarter % 2) + at] >> 4 * (quarter // 2) & 15
            q = (low | (b[128 + 32 * part + at] >> 2 * quarter & 3) << 4) - 32
            return half(b, 208) * struct.unpack_from("b", b, 192 + i // 16)[0] * q
    raise AssertionError(kind)


def blocks(kind, rows, columns):
    """Random bytes of that kind whose 16-bit scales are ordinary numbers."""
    r = random.Random(kind)
    size = 32 if WIDTH[kind] < 100 else 256
    out = []
    for _ in range(rows * columns // size):
        b = bytearray(r.randbytes(WIDTH[kind]))
        for at in {"Q4_0": (0,), "Q5_0": (0,), "Q8_0": (0,), "Q6_K": (208,)}.get(kind, (0, 2)):
            struct.pack_into("<e", b, at, r.uniform(-0.1, 0.1))
        out.append(bytes(b))
    raw = torch.tensor(list(b"".join(out)), dtype=torch.uint8).view(rows, -1)
    return raw, [[number(kind, out[(n * columns + k) // size], k % size) for k in range(columns)] for n in range(rows)]


@pytest.mark.parametrize("kind", WIDTH)
def test_each_weight_of_a_block_is_what_the_format_says(kind):
    raw, expected = blocks(kind, 3, 512)
    assert torch.allclose(floats(raw, kind), torch.tensor(expected), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", INT4_FORMATS)
def test_four_bits_with_scale_and_zero_are_the_same_weights(kind):
    raw, _ = blocks(kind, 3, 512)
    q, scale, zero = int4_blocks(raw, kind)
    weights = (q.view(3, -1, 32).float() - 8) * scale[..., None] + zero[..., None]
    assert q.max() <= 15 and torch.allclose(weights.view(3, -1), floats(raw, kind), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "dtype"), [("F32", torch.float32), ("F16", torch.float16), ("BF16", torch.bfloat16)])
def test_plain_floats_are_read_as_they_are(kind, dtype):
    x = torch.randn(3, 8).to(dtype)
    assert torch.equal(floats(x.view(torch.uint8), kind), x.float())
    assert kind in SUPPORTED_FORMATS
