"""Vision models of `transformers`, for images and text (LLaVA, Qwen2-VL, SmolVLM, ...).

The family's processor converts messages and images to tokens and pixels; prefill runs in a single
pass, since images may be anywhere in the prompt. Needs pillow.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import BadRequestError, ModelError
from ...core.optional import require
from ...core.types import Image, Message, Text
from ..chat_format import chat_messages, plain_text, text_content
from .llama import Stopped
from .precision import Precision
from .transformers_model import (
    FolderTokenizer,
    cache_argument,
    end_token_ids,
    interruptible,
    load_pretrained,
    parameter_bytes,
    quiet_loading,
    vocab_size,
)

if TYPE_CHECKING:
    from torch import Tensor

# For the library's processor, which adds pictures to what our sandbox has rendered.
_RENDERED = "{{ messages[0]['content'][-1]['text'] }}"


class VisionModel:
    """A vision model with the KV cache of its last prompt."""

    prefills_at_once = True
    reusable = False

    def __init__(self, path: Path, precision: Precision):
        """Load from a folder.

        Raises ModelError if the library fails, MissingPackageError for a missing package.
        """
        require("PIL", "docs", "to read images")
        self._library = require("transformers", "torch", "to run models from a folder")
        self._processor = _processor(self._library, path)
        self._model, generation = load_pretrained(path, "AutoModelForImageTextToText", precision)
        self.device, self._dtype = precision.device, self._model.dtype
        inner = self._processor.tokenizer
        self.tokenizer = FolderTokenizer(inner, end_token_ids(self._model.config, generation, inner))
        self.tokenizer.template = str(self._processor.chat_template or inner.chat_template or "")
        self.memory = parameter_bytes(self._model)
        self.vocabulary = vocab_size(self._model)
        self._cache_name = cache_argument(self._model)
        self._cache: Any = None

    def prepare(self, messages: Sequence[Message], extra: dict[str, Any]) -> tuple[list[int], dict[str, Any]]:
        """A conversation as token ids, with pixels and other tensors."""
        turns = [_with_images(w, m) for m in messages for w in chat_messages(m, images=True)]
        pictures = [p for t in turns if isinstance(t["content"], list) for p in t["content"] if p["type"] == "image"]
        try:
            if self.tokenizer.template:
                text = self.tokenizer.render(turns, extra)
                inputs = self._processor.apply_chat_template(
                    [{"role": "user", "content": [*pictures, {"type": "text", "text": text}]}],
                    chat_template=_RENDERED,
                    add_generation_prompt=True,
                    tokenize=True,
                    return_dict=True,
                    return_tensors="pt",
                )
            else:
                mark = getattr(self._processor, "image_token", "<image>")
                text = str(mark) * len(pictures) + plain_text([{"content": m.text} for m in messages])
                inputs = self._processor(text=[text], images=[p["image"] for p in pictures] or None, return_tensors="pt")
        except (ValueError, TypeError, IndexError) as e:
            raise BadRequestError(
                "The model's processor rejected the conversation", detail=str(e)[:200], hint="Check the order of messages and images."
            ) from None
        more = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask", "labels")}
        return inputs["input_ids"][0].tolist(), more

    def prefill(self, ids: list[int], more: dict[str, Any], stopped: Callable[[], bool], reuse: bool) -> tuple[Tensor | None, int]:
        """Prefill of a prompt with images; returns its logits (None if stopped); nothing is reused."""
        self._cache = self._library.DynamicCache(config=self._model.config.get_text_config(decoder=True))
        for part in self._model.modules():  # Qwen models store the position offset of the last prompt's images there
            if getattr(part, "rope_deltas", None) is not None:
                part.rope_deltas = None
        tensors = {k: v.to(self.device, self._dtype if v.is_floating_point() else None) for k, v in more.items()}
        try:
            with interruptible(self._model, stopped):
                return self._pass(ids, **tensors), 0
        except Stopped:
            return None, 0

    def forward(self, ids: list[int], at: int) -> Tensor:
        """Process more text tokens; returns the logits of the last one."""
        return self._pass(ids)

    def _pass(self, ids: list[int], **more: Any) -> Tensor:
        import torch

        input_ids = torch.tensor([ids], device=self.device)
        out = self._model(input_ids=input_ids, use_cache=True, logits_to_keep=1, **more, **{self._cache_name: self._cache})
        return out.logits[0, -1].float()


def _processor(library: Any, path: Path) -> Any:
    """The family's processor.

    Without torchvision, it has the slower image processor and no video processor.
    """
    with quiet_loading(path):
        processor = library.AutoProcessor.from_pretrained(path, local_files_only=True)
    if not hasattr(processor, "image_processor"):
        raise ModelError("The folder has no image processor", detail=f"{path.name}: no preprocessor_config.json", hint="Pull it again.")
    return processor


def _with_images(turn: dict[str, Any], m: Message) -> dict[str, Any]:
    """A turn with a list as content, with images in place, as templates of vision models expect."""
    if m.role == "tool":
        return turn
    parts: list[dict[str, Any]] = []
    for p in m.parts:
        if isinstance(p, Image):
            parts.append({"type": "image", "image": _picture(p)})
        elif isinstance(p, Text) and p.text:
            parts.append({"type": "text", "text": text_content(p)})
    return turn | {"content": parts}


def _picture(image: Image) -> Any:
    require("PIL", "docs", "to read images")
    from PIL import Image as Pictures

    try:
        return Pictures.open(io.BytesIO(image.data)).convert("RGB")
    except (OSError, ValueError, Pictures.DecompressionBombError) as e:
        raise BadRequestError(
            "An image cannot be read", detail=f"{image.media_type}: {str(e)[:100]}", hint="Attach it as PNG or JPEG."
        ) from None
