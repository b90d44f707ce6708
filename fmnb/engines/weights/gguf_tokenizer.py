"""The tokenizer and chat template of a GGUF file, built from its metadata.

Uses the `tokenizers` package without converting or downloading files, so it takes a fraction of a
second, where a generic conversion takes many seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import ModelError
from ...core.optional import require
from ..chat_format import plain_text
from . import gguf
from .chat_template import render

_NORMAL, _UNKNOWN, _CONTROL, _USER, _UNUSED, _BYTE = range(1, 7)  # tokenizer.ggml.token_type

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_MODERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

# tokenizer.ggml.pre -> the expressions that split text before byte pairs are merged, in order
_PRETOKENIZERS: dict[str, tuple[str, ...]] = {
    "": (_GPT2,),
    "default": (_GPT2,),
    "gpt-2": (_GPT2,),
    "olmo": (_GPT2,),
    "smollm": (r"\p{N}", _GPT2),
    "starcoder": (r"\p{N}", _GPT2),
    "refact": (r"\p{N}", _GPT2),
    "command-r": (r"\p{N}", _GPT2),
    "llama-bpe": (_MODERN % "{1,3}",),
    "llama3": (_MODERN % "{1,3}",),
    "qwen2": (_MODERN % "",),
    "deepseek-r1-qwen": (_MODERN % "",),
    "stablelm2": (_MODERN % "",),
}
_IGNORE_MERGES = ("llama-bpe", "llama3")  # a piece that is a token is not merged
_NFC = ("qwen2", "deepseek-r1-qwen")  # trained on text in Unicode's composed form

# Control tokens that end an answer, of all families; a file names only one or two of them.
_END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>", "<|end_of_text|>", "</s>", "<EOT>")


class Tokenizer:
    """Converts between text and token ids.

    `core` is the `tokenizers` object, `ends` are the ids that end an answer, `begin` is the id before
    plain text (None if the model uses none).
    """

    def __init__(self, core: Any, ends: Sequence[int], begin: int | None, template: str, names: dict[str, str]):
        self.core = core
        self.ends = frozenset(ends)
        self.bos_id = begin
        self.template = template
        self._names = names  # bos_token and eos_token, the names in templates

    def encode(self, text: str) -> list[int]:
        """Token ids; names of control tokens in the text become those tokens."""
        return list(self.core.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Text without control tokens; an incomplete character at the end becomes U+FFFD."""
        return str(self.core.decode(ids, skip_special_tokens=True))

    def token(self, id: int) -> str:
        """The text of one token, control tokens included."""
        return str(self.core.decode([id], skip_special_tokens=False))

    def prompt(self, messages: list[dict[str, Any]], extra: dict[str, Any]) -> list[int]:
        """Token ids of a conversation with a generation prompt; plain text without a template.

        `extra` are additional variables of the template.
        """
        if self.template:
            ids = self.encode(render(self.template, messages, self._names | extra))
            return ids[1:] if self.bos_id is not None and ids[:2] == [self.bos_id, self.bos_id] else ids
        return ([] if self.bos_id is None else [self.bos_id]) + self.encode(plain_text(messages))

    def grammar_tokenizer(self, vocabulary: int) -> Any:
        """The tokenizer for llguidance, with `vocabulary` logits."""
        library = require("llguidance", "torch", "for structured output")
        return library.LLTokenizer(self.core.to_str(), n_vocab=vocabulary, eos_token=sorted(self.ends))


def tokenizer(head: gguf.Gguf) -> Tokenizer:
    """The tokenizer of a GGUF file. Raises ModelError for an unsupported kind."""
    require("tokenizers", "torch", "to tokenize text")
    kind = head.metadata.get("tokenizer.ggml.model")
    tokens = [t.decode("utf-8", "replace") for t in head.tokens]
    types = head.array("tokenizer.ggml.token_type") or [_NORMAL] * len(tokens)
    pretokenizer = str(head.metadata.get("tokenizer.ggml.pre", ""))
    if kind == "gpt2" and pretokenizer in _PRETOKENIZERS:
        core = _bpe(tokens, head.merges, pretokenizer)
    elif kind == "llama":
        core = _sentencepiece(tokens, head.array("tokenizer.ggml.scores"), types, _flag(head, "add_space_prefix", True))
    else:
        raise ModelError(
            "The torch engine does not support this model's tokenizer",
            detail=f"{head.path.name}: {kind} {pretokenizer}".rstrip(),
            hint="Run it on llama.cpp: put gguf: before its name.",
        )
    from tokenizers import AddedToken

    core.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, n in zip(tokens, types, strict=True) if n == _CONTROL])
    core.add_tokens([AddedToken(t, normalized=False) for t, n in zip(tokens, types, strict=True) if n == _USER])

    def special(name: str) -> int | None:
        number = head.metadata.get(f"tokenizer.ggml.{name}_token_id")
        return number if isinstance(number, int) and 0 <= number < len(tokens) else None

    begin, end = special("bos"), special("eos")
    control_ids = {t: i for i, t in enumerate(tokens) if types[i] == _CONTROL}
    ends = {i for i in (end, special("eot"), special("eom")) if i is not None} | {control_ids[t] for t in _END_TOKENS if t in control_ids}
    names = {"bos_token": "" if begin is None else tokens[begin], "eos_token": "" if end is None else tokens[end]}
    wants_begin = _flag(head, "add_bos_token", kind == "llama" or pretokenizer in _IGNORE_MERGES)
    return Tokenizer(core, sorted(ends), begin if wants_begin else None, head.chat_template, names)


def is_supported(head: gguf.Gguf) -> bool:
    """Whether `tokenizer` supports this file."""
    kind = head.metadata.get("tokenizer.ggml.model")
    return kind == "llama" or (kind == "gpt2" and str(head.metadata.get("tokenizer.ggml.pre", "")) in _PRETOKENIZERS)


def _flag(head: gguf.Gguf, name: str, default: bool) -> bool:
    value = head.metadata.get(f"tokenizer.ggml.{name}")
    return value if isinstance(value, bool) else default


def _bpe(tokens: list[str], merges: list[bytes], pretokenizer: str) -> Any:
    from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers
    from tokenizers import Tokenizer as Core

    pairs = [(a, b) for a, _, b in (m.decode("utf-8", "replace").partition(" ") for m in merges)]
    core = Core(models.BPE(dict(zip(tokens, range(len(tokens)), strict=True)), pairs, ignore_merges=pretokenizer in _IGNORE_MERGES))
    if pretokenizer in _NFC:
        core.normalizer = normalizers.NFC()
    splits = [pre_tokenizers.Split(Regex(p), "isolated") for p in _PRETOKENIZERS[pretokenizer]]
    core.pre_tokenizer = pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    core.decoder = decoders.ByteLevel()
    return core


def _sentencepiece(tokens: list[str], scores: list[float], types: list[int], space_first: bool) -> Any:
    """A SentencePiece model with merges derived from the scores of pieces: the highest score first."""
    from tokenizers import Tokenizer as Core
    from tokenizers import decoders, models, normalizers

    ids = dict(zip(tokens, range(len(tokens)), strict=True))
    merges = []
    for piece, score, kind in zip(tokens, scores, types, strict=True):
        if kind in (_NORMAL, _USER, _UNUSED):
            merges += [
                (-score, ids[piece[:i]], ids[piece[i:]], piece[:i], piece[i:])
                for i in range(1, len(piece))
                if piece[:i] in ids and piece[i:] in ids
            ]
    unknown = next((t for t, n in zip(tokens, types, strict=True) if n == _UNKNOWN), None)
    pairs = [(a, b) for _, _, _, a, b in sorted(merges)]
    core = Core(models.BPE(ids, pairs, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    first = [normalizers.Prepend("▁")] if space_first else []
    core.normalizer = normalizers.Sequence([*first, normalizers.Replace(" ", "▁")])
    strip = [decoders.Strip(" ", 1, 0)] if space_first else []
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip])
    return core
