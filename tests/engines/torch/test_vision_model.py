"""Models that read images: the family's own processor, our token loop, transformers' answers."""

import io
from importlib.util import find_spec

import pytest

from fmnb.core.errors import BadRequestError, MissingPackageError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import TextDelta, build_response
from fmnb.core.types import File, Image, Message, Request, Text, message
from fmnb.engines import loaded
from fmnb.engines.torch import vision_model
from fmnb.engines.torch.backend import backend
from fmnb.engines.weights import template_limits

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pictures = pytest.importorskip("PIL.Image")

from tests.engines import folders, tiny  # noqa: E402


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    loaded.unload()


def noise(seed: int):
    data = torch.randint(0, 256, (30 * 40 * 3,), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return pictures.frombytes("RGB", (40, 30), bytes(data.tolist()))


def png(picture) -> Image:
    out = io.BytesIO()
    picture.save(out, "png")
    return Image(out.getvalue())


def see(*parts, **options) -> Request:
    return Request("m", (Message("user", parts),), **{"max_tokens": 12, "dtype": "float32", "extra": {"ignore_eos": True}, **options})


def answered(model, request):
    return build_response(iterate_sync(model.stream(request)))


def generated(made, words, inputs, n=12) -> str:
    """What transformers itself answers."""
    out = made.generate(**inputs, max_new_tokens=n, min_new_tokens=n, do_sample=False, pad_token_id=0, eos_token_id=tiny.END)
    return words.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of PaliGemma's processor
@pytest.mark.parametrize("family", folders.SEEING)
def test_each_family_answers_about_pictures_as_transformers_does(tmp_path, family):
    made = folders.seeing(tmp_path, family)
    processor = transformers.AutoProcessor.from_pretrained(tmp_path)
    model = backend(tmp_path, "tiny")
    assert model.info.inputs == ("text", "image") and model.info.context == 2048
    said = set()
    for shown in ([noise(1)], [noise(2)], [noise(1), noise(2)]):
        if model.info.chat:
            turn = {"role": "user", "content": [*({"type": "image"} for _ in shown), {"type": "text", "text": "the day"}]}
            text = processor.apply_chat_template([turn], add_generation_prompt=True)
        else:
            text = "<image>" * len(shown) + "the day"
        inputs = processor(text=[text], images=[shown], return_tensors="pt")
        inputs.pop("labels", None)
        request = see(*map(png, shown), Text("the day"))
        got = answered(model, request)
        assert got.text.rstrip("\ufffd") == generated(made, processor.tokenizer, inputs).rstrip("\ufffd")
        assert got.usage.input_tokens == inputs["input_ids"].shape[1] == model.count(request).tokens
        said.add(got.text)
    assert len(said) == 3  # it looked


class Still:
    """What Qwen2-VL's processor does with text and pictures; the library's own also wants torchvision, for videos."""

    def __init__(self, path):
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        self.image_processor = transformers.AutoImageProcessor.from_pretrained(path)
        self.chat_template = self.tokenizer.chat_template

    def apply_chat_template(self, turns, chat_template=None, **_):
        shown = [p["image"] for t in turns for p in t["content"] if p["type"] == "image"]
        text = self.tokenizer.apply_chat_template(turns, chat_template=chat_template, add_generation_prompt=True, tokenize=False)
        made = dict(self.image_processor(shown, return_tensors="pt")) if shown else {}
        for grid in made.get("image_grid_thw", ()):
            text = text.replace("<|image_pad|>", "<|held|>" * (int(grid.prod()) // 4), 1)
        words = self.tokenizer(text.replace("<|held|>", "<|image_pad|>"), add_special_tokens=False, return_tensors="pt")
        seen = (words.input_ids == self.tokenizer.convert_tokens_to_ids("<|image_pad|>")).int()
        return made | {"input_ids": words.input_ids, "mm_token_type_ids": seen}


def test_positions_in_two_dimensions_go_on_after_the_picture(tmp_path, monkeypatch):
    made = folders.seeing(tmp_path, "qwen2-vl")
    monkeypatch.setattr(vision_model, "_processor", lambda library, path: Still(path))
    model, still = backend(tmp_path), Still(tmp_path)
    for shown in ([noise(1)], [], [noise(1), noise(2)]):
        turn = {"role": "user", "content": [*({"type": "image", "image": p} for p in shown), {"type": "text", "text": "the day"}]}
        got = answered(model, see(*map(png, shown), Text("the day")))
        assert got.text.rstrip("\ufffd") == generated(made, still.tokenizer, still.apply_chat_template([turn])).rstrip("\ufffd")


def test_a_template_is_rendered_within_our_limits(tmp_path, monkeypatch):
    folders.seeing(tmp_path, "llava")
    model = backend(tmp_path)
    answered(model, see(png(noise(1)), Text("the day")))
    monkeypatch.setattr(template_limits, "MAX_ITEMS", 10)
    with pytest.raises(BadRequestError, match="it makes more than 10 characters"):
        answered(model, see(png(noise(1)), Text("the day")))


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is here")
def test_a_family_whose_processor_needs_torchvision_says_so(tmp_path):
    folders.seeing(tmp_path, "qwen2-vl")
    with pytest.raises(MissingPackageError, match="needs the package torchvision.*pip install torchvision"):
        answered(backend(tmp_path), see(png(noise(1)), Text("the day")))


def test_text_alone_and_earlier_turns_work_too(tmp_path):
    made = folders.seeing(tmp_path, "llava")
    words = transformers.AutoTokenizer.from_pretrained(tmp_path)
    turns = (message("user", "the"), message("assistant", "day"), message("user", "end"))
    text = words.apply_chat_template(
        [{"role": t.role, "content": [{"type": "text", "text": t.text}]} for t in turns],
        chat_template=folders.PICTURES.replace("IMAGE", "<image>"),
        add_generation_prompt=True,
        tokenize=False,
    )
    request = Request("m", turns, max_tokens=12, dtype="float32", extra={"ignore_eos": True})
    expected = generated(made, words, {"input_ids": words(text, return_tensors="pt").input_ids})
    assert answered(backend(tmp_path), request).text.rstrip("\ufffd") == expected.rstrip("\ufffd")


def test_what_is_no_picture_is_refused_and_the_model_stays_usable(tmp_path):
    folders.seeing(tmp_path, "llava")
    model = backend(tmp_path)
    with pytest.raises(BadRequestError, match="image cannot be read"):
        answered(model, see(Image(b"no picture"), Text("the day")))
    with pytest.raises(BadRequestError, match="cannot read files"):
        answered(model, see(File(b"x", "application/pdf"), Text("the day")))
    assert answered(model, see(png(noise(1)), Text("the day"))).usage.output_tokens == 12


@pytest.mark.parametrize("quant", ["int8", "int4"])
def test_packed_weights_see_as_well(tmp_path, quant):
    folders.seeing(tmp_path, "llava")
    got = answered(backend(tmp_path), see(png(noise(1)), Text("the day"), dtype="", quant=quant))
    assert got.usage.output_tokens == 12 and got.extra["quant"] == quant


def test_a_schema_is_kept_and_closing_a_stream_leaves_the_model_usable(tmp_path):
    folders.seeing(tmp_path, "idefics3")
    model = backend(tmp_path)
    stream = iterate_sync(model.stream(see(png(noise(1)), Text("the day"), max_tokens=1500)))
    next(e for e in stream if isinstance(e, TextDelta))
    stream.close()
    got = answered(model, see(png(noise(1)), Text("the day"), schema={"enum": ["yes", "no"]}, extra={}))
    assert got.text in ('"yes"', '"no"')
