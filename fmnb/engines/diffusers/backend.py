"""Local image generation: Stable Diffusion and other diffusers pipelines, from a folder.

The folder has `model_index.json` and safetensors; code in it is not run. A worker thread runs the
pipeline; each step is an event, and closing the stream stops at the next step. A seed is always
chosen and reported, so that an image can be reproduced; several images have consecutive seeds.

Raw parameters (`-p`): size, steps, guidance, negative, n, and all plain values that the pipeline's
call accepts, by their own names (strength, eta, clip_skip, ...). An image in the prompt is the
starting point, if the pipeline supports that.
"""

from __future__ import annotations

import inspect
import io
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from ...core import image_options, media
from ...core.backend import estimate_tokens
from ...core.errors import BadRequestError, ContentFilterError, InsufficientMemoryError, ModelError, UsageError
from ...core.event_loop import thread_stream
from ...core.events import Event, Finished, Media, Notice, Progress, UsageReported
from ...core.image_options import ImageOptions
from ...core.optional import require
from ...core.types import ModelInfo, Request, TokenCount, Usage
from .. import host
from ..loaded import ModelEntry, model_entry, shutting_down
from . import pipeline as diffusers_pipeline
from .pipeline import Pipeline

_MULTIPLE = 8  # the sides of an image are multiples of this: latents are smaller by this factor
# Arguments of a pipeline that fmnb sets, or that are not plain values.
_RESERVED_ARGUMENTS = frozenset(
    "prompt image negative_prompt width height num_inference_steps guidance_scale num_images_per_prompt generator output_type return_dict "
    "callback callback_steps callback_on_step_end callback_on_step_end_tensor_inputs latents prompt_embeds self".split()
)


def backend(path: str | Path, name: str = "") -> DiffusersBackend:
    """The backend of a pipeline's folder. Only its description is read here.

    `name` is the user's name for the model. Raises ModelError if the folder has no pipeline with
    safetensors.
    """
    folder = Path(path).expanduser().resolve()
    index = diffusers_pipeline.index(folder)
    files = diffusers_pipeline.files(folder)
    if not index or not files:
        raise ModelError(
            "This folder has no image pipeline",
            detail=f"{folder.name}: no {'safetensors' if index else diffusers_pipeline.INDEX}",
            hint="Use a folder with model_index.json and its components as safetensors; other weight formats can run code.",
        )
    if not isinstance(index.get("_class_name"), str):
        raise ModelError(
            "This pipeline needs its own code, which fmnb does not run", detail=folder.name, hint="Use a pipeline class of diffusers."
        )
    info = ModelInfo(
        name=name or f"diffusers:{folder}",
        provider="diffusers",
        host="local",
        local=True,
        inputs=("text", "image"),
        outputs=("image",),
        price_in=0.0,
        price_out=0.0,
        size=sum(f.stat().st_size for f in files),
        memory=diffusers_pipeline.estimate_memory(files, "float32", (512, 512)),
        source=str(folder),
    )
    return DiffusersBackend(folder, info)


class DiffusersBackend:
    """A pipeline in a folder; backends with the same folder, device and dtype share the loaded pipeline."""

    def __init__(self, folder: Path, info: ModelInfo):
        self._folder = folder
        self._info = info

    @property
    def info(self) -> ModelInfo:
        """The model's facts from the folder; `memory` is an estimate for a CPU and 512 x 512 pixels."""
        return self._info

    def deterministic(self, request: Request) -> bool:
        """With a seed, the same request gives the same image on the same kind of machine."""
        return request.seed is not None

    def count(self, request: Request) -> TokenCount:
        """An estimate; images are not priced by tokens."""
        return estimate_tokens(request)

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """Generate the images of one request. Raises UsageError for a text question."""

        def work(put: Callable[[Event], None], stop: threading.Event) -> None:
            if request.format != "image":
                raise UsageError(
                    f"{self._info.name} generates images and does not answer questions",
                    hint='Add -f image (format="image"), or use a text model.',
                )
            options = image_options.image_options(request)
            _check_size(options)
            device, dtype = diffusers_pipeline.select_precision(self._folder, request.dtype)
            for name in (*options.ignored, *(("quant",) if request.quant not in ("", "none") else ())):
                put(Notice(kind="not_applied", text=name))
            entry = model_entry(f"diffusers {device} {dtype}", self._folder)
            entry.name = self._info.name
            with entry.acquire(put, stop) as acquired:
                if acquired:
                    self._generate(entry, options, device, dtype, put, lambda: stop.is_set() or shutting_down.is_set())

        return thread_stream(work)

    def _generate(
        self, entry: ModelEntry, options: ImageOptions, device: str, dtype: str, put: Callable[[Event], None], stopped: Callable[[], bool]
    ) -> None:
        count, note = host.threads()
        if note and device == "cpu":
            put(Notice(kind="note", text=note))
        with diffusers_pipeline.inference_threads(count):
            fresh = entry.model is None
            if fresh:
                entry.memory = diffusers_pipeline.check_fits(self._info.name, self._folder, device, dtype, options.size)
                put(Progress(stage="loading the pipeline"))
                entry.model = diffusers_pipeline.load(self._folder, device, dtype)
            if stopped():
                return
            pipeline: Pipeline = entry.model
            try:
                result = _ImageGeneration(pipeline, self._info.name, options, put, stopped).run()
            except (MemoryError, RuntimeError) as e:
                if "memory" not in str(e) and not isinstance(e, MemoryError):
                    raise
                raise InsufficientMemoryError(
                    "Out of memory", detail=str(e)[:200], hint="`%fm unload`, a smaller size, or --dtype bfloat16."
                ) from None
        if result is None:
            return
        about = result | {
            "title": self._folder.name if not _is_revision_hash(self._folder) else "",
            "device": device,
            "dtype": dtype,
            "memory": entry.memory,
        }
        if fresh:
            about["load_seconds"] = round(pipeline.seconds, 3)
        put(UsageReported(usage=Usage(cost=0.0)))
        put(Finished(model=self._info.name, extra=about))


class _Stopped(Exception):
    """Exits the library's loop from its callback."""


class _ImageGeneration:
    """The generation of one request's images."""

    def __init__(self, pipeline: Pipeline, name: str, options: ImageOptions, put: Callable[[Event], None], stopped: Callable[[], bool]):
        self._pipe = pipeline.pipe
        self._name, self._options, self._put, self._stopped = name, options, put, stopped
        self._steps = 0
        self._stage = "generating the image"

    def run(self) -> dict[str, Any] | None:
        """Generate the images; returns facts about them, or None if stopped."""
        options = self._options
        arguments = self._arguments()
        self._warn_if_truncated()
        first = options.seed if options.seed is not None else secrets.randbelow(2**32)
        count = options.n or 1
        seeds: list[int] = []
        withheld = 0
        last = b""
        for number in range(count):
            self._stage = f"generating image {number + 1} of {count}" if count > 1 else "generating the image"
            data = self._generate_one(arguments, first + number)
            if data is None:
                return None
            if not data:
                withheld += 1
                continue
            seeds.append(first + number)
            last = data
            self._put(
                Media(data=data, media_type="image/png", alt=media.alt_text(self._name, options.prompt), name=f"seed-{first + number}.png")
            )
        if not seeds:
            raise ContentFilterError(
                "The pipeline's safety checker filtered the image",
                detail=f"seed {first}",
                hint="Rephrase the prompt or try another seed; the checker has false positives.",
                billed=False,
            )
        if withheld:
            self._put(Notice(kind="warning", text=f"{withheld} of {count} images filtered by the pipeline's safety checker"))
        return image_options.provenance(data=last, seed=seeds[0], seeds=seeds if len(seeds) > 1 else None, steps=self._steps or None)

    def _generate_one(self, arguments: dict[str, Any], seed: int) -> bytes | None:
        """One image as PNG; b"" if it was filtered, None if stopped."""
        import torch

        if self._stopped():
            return None
        # on the CPU, so that the same seed gives the same image on every device
        generator = torch.Generator("cpu").manual_seed(seed % 2**63)
        try:
            out = self._pipe(generator=generator, **arguments)
        except _Stopped:
            return None
        except (ValueError, TypeError) as e:
            if self._steps:
                raise
            raise BadRequestError(
                "The pipeline rejected an argument", detail=str(e)[:300], hint="Change or remove what it names."
            ) from None
        pictures = getattr(out, "images", None)
        if not isinstance(pictures, list) or not hasattr(pictures[0], "save"):
            raise ModelError(
                "This pipeline does not generate images", detail=type(self._pipe).__name__, hint="Use one that generates images."
            )
        flagged = getattr(out, "nsfw_content_detected", None)
        if isinstance(flagged, list) and any(flagged):
            return b""
        into = io.BytesIO()
        pictures[0].save(into, format="PNG")
        return into.getvalue()

    def _arguments(self) -> dict[str, Any]:
        """Arguments of the pipeline's call; reports unsupported options."""
        options, arguments = self._options, {}
        pipe = self._pipe
        if options.images:
            pipe = self._pipe = _image_to_image(pipe)
            arguments["image"] = _input_image(options)
        takes = inspect.signature(pipe.__call__).parameters
        names = {"steps": "num_inference_steps", "guidance": "guidance_scale", "negative": "negative_prompt"}
        for ours, value in options.non_default().items():
            if ours in ("seed", "n") or (ours == "size" and "width" not in takes and options.images):
                continue
            if ours == "size" and {"width", "height"} <= set(takes):
                arguments["width"], arguments["height"] = value
            elif names.get(ours) in takes:
                arguments[names[ours]] = value
            else:
                self._put(Notice(kind="not_applied", text=ours))
        for name, value in options.raw.items():
            if name in takes and name not in _RESERVED_ARGUMENTS and isinstance(value, (str, int, float, bool)):
                arguments[name] = value
            else:
                self._put(Notice(kind="not_applied", text=name))
        if "callback_on_step_end" in takes:
            arguments["callback_on_step_end"] = self._on_step
        self._put(Progress(stage=self._stage, done=0, total=options.steps, unit="steps"))
        return arguments | {"prompt": options.prompt, "output_type": "pil"}

    def _on_step(self, pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """The library calls this after each step."""
        if self._stopped():
            raise _Stopped
        total = getattr(pipe, "num_timesteps", None) or self._options.steps
        self._steps = int(total or step + 1)
        self._put(Progress(stage=self._stage, done=step + 1, total=total, unit="steps"))
        return {}

    def _warn_if_truncated(self) -> None:
        """Warn if the end of the prompt is ignored; the library only logs it."""
        tokenizers = [t for n in ("tokenizer", "tokenizer_2", "tokenizer_3") if (t := getattr(self._pipe, n, None)) is not None]
        limits = [(int(t.model_max_length), t) for t in tokenizers if 0 < getattr(t, "model_max_length", 0) < 1_000_000]
        if limits and len(limits) == len(tokenizers):
            max_length, tokenizer = max(limits, key=lambda pair: pair[0])
            length = len(tokenizer(self._options.prompt, truncation=False, verbose=False).input_ids)
            if length > max_length:
                self._put(Notice(kind="warning", text=f"the prompt has {length} tokens and only the first {max_length} are used"))


def _image_to_image(pipe: Any) -> Any:
    """The image-to-image pipeline, from the same loaded components."""
    if "image" in inspect.signature(pipe.__call__).parameters:
        return pipe
    library = require("diffusers", "images", "to generate images locally")
    try:
        other = library.AutoPipelineForImage2Image.from_pipe(pipe)
    except ValueError:
        raise BadRequestError(
            "This pipeline accepts only text",
            detail=type(pipe).__name__,
            hint="Remove the attached image, or use another pipeline.",
        ) from None
    other.set_progress_bar_config(disable=True)
    return other


def _input_image(options: ImageOptions) -> Any:
    """The attached image, resized to the output size."""
    pil = require("PIL.Image", "images", "to open an image")
    if len(options.images) > 1:
        raise BadRequestError("Only one input image is supported", detail=f"{len(options.images)} attached", hint="Attach one.")
    try:
        picture = pil.open(io.BytesIO(options.images[0].data)).convert("RGB")
    except OSError as e:
        raise BadRequestError("The attached image cannot be opened", detail=str(e)[:200]) from None
    size = options.size or tuple(max(_MULTIPLE, side // _MULTIPLE * _MULTIPLE) for side in picture.size)
    return picture if picture.size == size else picture.resize(size)


def _check_size(options: ImageOptions) -> None:
    if options.size and any(side % _MULTIPLE for side in options.size):
        near = "x".join(str(max(_MULTIPLE, round(side / _MULTIPLE) * _MULTIPLE)) for side in options.size)
        raise BadRequestError(
            f"Image sides must be multiples of {_MULTIPLE}",
            detail=f"{options.size[0]}x{options.size[1]}",
            hint=f"`-p size={near}`.",
        )


def _is_revision_hash(folder: Path) -> bool:
    """Whether a folder's name is a revision hash of the hub's cache, which is no useful name."""
    return len(folder.name) == 40 and all(c in "0123456789abcdef" for c in folder.name)
