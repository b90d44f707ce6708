"""Reads the header of a GGUF file, which describes the model, without loading it.

Independent of engines; used for model cards, memory estimates and both engines. The file is
untrusted: every length is checked against the file size before use, and every tensor must be
inside the file, so a truncated download is always detected.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import os
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import DownloadError, ModelError, NotPulledError

# value type -> struct code; 8 is a string, 9 is an array
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

# ggml type -> name, elements per block, bytes per block
_GGML = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}

# general.file_type -> the usual name of the quantization
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip

_MAX_KEYS = 65_536
_MAX_TENSORS = 1_000_000
_MAX_NAME_BYTES = 65_536
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One row of the tensor table.

    `shape` is in numpy's order (slowest dimension first), `type` is the ggml number and `kind` its
    name, `offset` is from the start of the file, `size` is in bytes.
    """

    name: str
    shape: tuple[int, ...]
    type: int
    kind: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Array:
    """An array of the metadata that is read from the file on demand.

    `code` is the struct code of its elements, "" for strings; the bytes are at `start:end`.
    """

    code: str
    count: int
    start: int
    end: int


@dataclass(frozen=True)
class Gguf:
    """The header of a GGUF file. Keeps no file open; arrays and tensors are read on demand."""

    path: Path
    version: int
    size: int
    metadata: dict[str, Any] = field(repr=False)
    tensors: dict[str, Tensor] = field(repr=False)

    @property
    def architecture(self) -> str:
        """The family, such as "llama" or "qwen2"; "" if missing."""
        return self._text("general.architecture")

    @property
    def name(self) -> str:
        """The model's name in the file; "" if missing."""
        return self._text("general.name")

    @property
    def license(self) -> str:
        """The license in the file; "" if missing."""
        return self._text("general.license")

    @property
    def file_type(self) -> str:
        """The usual name of the quantization, such as "Q4_K_M"; "" if unknown."""
        number = self.metadata.get("general.file_type")
        return _FILE_TYPES.get(number, "") if isinstance(number, int) else ""

    @property
    def context(self) -> int | None:
        """The context window in training; None if missing."""
        return self.hyperparameter("context_length")

    @property
    def chat_template(self) -> str:
        """The Jinja chat template; "" for a base model, which only completes text."""
        return self._text("tokenizer.chat_template")

    @property
    def parameters(self) -> int:
        """The number of parameters."""
        return sum(math.prod(t.shape) for t in self.tensors.values())

    def hyperparameter(self, name: str) -> int | None:
        """An integer from the keys of the architecture, such as "block_count".

        None if missing or not a single number.
        """
        value = self.metadata.get(f"{self.architecture}.{name}")
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

    def _text(self, key: str) -> str:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def array(self, key: str) -> list[Any]:
        """An array of the metadata as a list of numbers, or of strings as bytes; [] if missing."""
        a = self.metadata.get(key)
        if not isinstance(a, Array):
            return []
        with open(self.path, "rb") as f:
            f.seek(a.start)
            raw = f.read(a.end - a.start)
        if len(raw) < a.end - a.start:
            raise _truncated_error(self.path, f"the array {key} ends beyond the file")
        if a.code:
            return list(struct.unpack(f"<{a.count}{a.code}", raw))
        out, at, length = [], 0, struct.Struct("<Q").unpack_from
        for _ in range(a.count):
            n = length(raw, at)[0]
            out.append(raw[at + 8 : at + 8 + n])
            at += 8 + n
        return out

    @property
    def tokens(self) -> list[bytes]:
        """The vocabulary, ordered by token id."""
        return self.array("tokenizer.ggml.tokens")

    @property
    def merges(self) -> list[bytes]:
        """The merges of a byte-pair vocabulary, highest priority first; [] for other kinds."""
        return self.array("tokenizer.ggml.merges")

    def tensor_bytes(self, name: str) -> memoryview:
        """The bytes of a tensor in the file, read-only and memory-mapped: pages are read on access.

        The mapping lives as long as the view. Raises KeyError for an unknown name.
        """
        t = self.tensors[name]
        return map_file(self.path)[t.offset : t.offset + t.size]


def map_file(path: Path) -> memoryview:
    """The whole file, memory-mapped read-only; closed when its last view is freed."""
    with open(path, "rb") as f:
        return memoryview(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ))


_headers: dict[tuple[str, int, int], Gguf] = {}


def read(path: str | os.PathLike[str]) -> Gguf:
    """The header of a GGUF file; cached until the file changes.

    Raises NotPulledError if the file is missing, DownloadError if it is truncated, ModelError if it
    is no GGUF file or its header is invalid.
    """
    file = Path(path)
    try:
        stat = file.stat()
    except OSError:
        raise NotPulledError("The model file does not exist", detail=str(file), hint="Check the path, or `%fm pull` the model.") from None
    key = (str(file), stat.st_size, stat.st_mtime_ns)
    if key not in _headers:
        if len(_headers) > 64:
            _headers.clear()
        _headers[key] = _read(file, stat.st_size)
    return _headers[key]


def _read(path: Path, size: int) -> Gguf:
    if not path.is_file():
        raise ModelError("This is not a model file", detail=str(path), hint="Give the path of a .gguf file.")
    if size < 24:
        raise _truncated_error(path, f"{size} bytes")
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
        return _parse(path, m, size)


def _parse(path: Path, m: mmap.mmap, size: int) -> Gguf:
    if m[:4] != b"GGUF":
        raise ModelError("This is not a GGUF file", detail=f"{path.name} begins with {m[:4]!r}", hint="Give a file in GGUF format.")
    version, n_tensors, n_keys = struct.unpack_from("<IQQ", m, 4)
    if version not in (2, 3):
        format_name = "big-endian" if version in (0x02000000, 0x03000000) else f"version {version}"
        raise ModelError("This GGUF version is not supported", detail=f"{path.name}: {format_name}", hint="Convert it to version 3.")
    if n_keys > _MAX_KEYS or n_tensors > _MAX_TENSORS:
        raise _damaged_error(path, f"{n_keys} keys and {n_tensors} tensors")
    cursor = _Cursor(path, m, size)
    metadata: dict[str, Any] = {}
    for _ in range(n_keys):
        key = cursor.text(_MAX_NAME_BYTES)
        metadata[key] = cursor.value(cursor.number("I"))
    rows = [cursor.tensor() for _ in range(n_tensors)]

    align = metadata.get("general.alignment", 32)
    if not isinstance(align, int) or align <= 0 or align > 1 << 20:
        raise _damaged_error(path, f"alignment {align}")
    base = -(-cursor.at // align) * align
    tensors = {}
    for name, shape, kind, offset in rows:
        format_name, per, width = _GGML[kind]
        count = math.prod(shape)
        if shape and shape[-1] % per or not shape and per != 1:
            raise _damaged_error(path, f"tensor {name} has rows of {shape[-1:]}, not whole blocks of {format_name}")
        length = count // per * width
        if base + offset + length > size:
            raise _truncated_error(path, f"tensor {name} ends at byte {base + offset + length:,} of a file of {size:,}")
        if name in tensors:
            raise _damaged_error(path, f"tensor {name} twice")
        tensors[name] = Tensor(name, shape, kind, format_name, base + offset, length)
    return Gguf(path, version, size, metadata, tensors)


class _Cursor:
    """Reads the header, never beyond the end of the file."""

    def __init__(self, path: Path, m: mmap.mmap, size: int):
        self.path, self.m, self.size, self.at = path, m, size, 24

    def skip(self, n: int) -> int:
        """Skip `n` bytes; returns their start."""
        at = self.at
        if n > self.size - at:
            raise _truncated_error(self.path, f"its header needs {n:,} bytes at {at:,} of {self.size:,}")
        self.at = at + n
        return at

    def number(self, code: str) -> Any:
        return struct.unpack_from("<" + code, self.m, self.skip(struct.calcsize("<" + code)))[0]

    def text(self, max_bytes: int | None = None) -> str:
        n = self.number("Q")
        if max_bytes is not None and n > max_bytes:
            raise _damaged_error(self.path, f"a name of {n:,} bytes")
        at = self.skip(n)
        return self.m[at : at + n].decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            return self.array()
        if kind not in _SCALARS:
            raise _damaged_error(self.path, f"a value of unknown type {kind}")
        return self.number(_SCALARS[kind])

    def array(self) -> Array:
        kind, count = self.number("I"), self.number("Q")
        start = self.at
        if kind in _SCALARS:
            code = _SCALARS[kind]
            self.skip(count * struct.calcsize("<" + code))
            return Array(code, count, start, self.at)
        if kind != _STRING:
            raise _damaged_error(self.path, f"an array of type {kind}")
        if count * 8 > self.size - start:
            raise _truncated_error(self.path, f"an array of {count:,} strings at {start:,} of {self.size:,}")
        # A vocabulary has hundreds of thousands of entries: local variables keep the loop fast.
        m, at, last, length = self.m, start, self.size - 8, struct.Struct("<Q").unpack_from
        for _ in range(count):
            if at > last:
                raise _truncated_error(self.path, f"a string at {at:,} of {self.size:,}")
            at += 8 + length(m, at)[0]
        self.skip(at - start)
        return Array("", count, start, at)

    def tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self.text(_MAX_NAME_BYTES)
        n = self.number("I")
        if n > 8:
            raise _damaged_error(self.path, f"tensor {name} with {n} dimensions")
        shape = tuple(self.number("Q") for _ in range(n))[::-1]
        kind, offset = self.number("I"), self.number("Q")
        if kind not in _GGML:
            raise ModelError(
                "This model's number format is not supported",
                detail=f"{self.path.name}: tensor {name}, type {kind}",
                hint="Use another quantization of it, such as Q4_K_M.",
            )
        return name, shape, kind, offset


def shards(path: Path, head: Gguf) -> list[Path]:
    """All shards of a split model, in order; `[path]` for a single file.

    Raises NotPulledError if a shard is missing.
    """
    parts = head.metadata.get("split.count", 1)
    match = _SHARD.search(path.name)
    if not isinstance(parts, int) or parts <= 1 or not match:
        return [path]
    if int(match[2]) != parts:
        raise _damaged_error(path, f"{parts} shards in its header, {int(match[2])} in its name")
    files = [path.with_name(f"{path.name[: match.start()]}-{i:05d}-of-{match[2]}.gguf") for i in range(1, parts + 1)]
    for file in files:
        if not file.is_file():
            raise NotPulledError("A shard of this model is missing", detail=file.name, hint="Pull the model again.")
    return files


def _truncated_error(path: Path, detail: str) -> DownloadError:
    return DownloadError("The model file is truncated", detail=f"{path.name}: {detail}", hint="Remove it and pull the model again.")


def _damaged_error(path: Path, detail: str) -> ModelError:
    return ModelError("The model file is damaged", detail=f"{path.name}: {detail}", hint="Remove it and pull the model again.")
