"""Many rows at once on `transformers`: each one answers as it does alone."""

import random
import threading

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from fmnb.core.event_loop import iterate_sync  # noqa: E402
from fmnb.core.events import Failed, Finished, build_response  # noqa: E402
from fmnb.core.types import Image, Message, Request, Text, message  # noqa: E402
from fmnb.engines import loaded  # noqa: E402
from fmnb.engines.torch import padded_batch  # noqa: E402
from fmnb.engines.torch.backend import backend  # noqa: E402
from tests.engines import folders  # noqa: E402
from tests.engines.asking import PERSON  # noqa: E402

PLAIN = [name for name, (_, _, path) in folders.CAUSAL.items() if path == "plain"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    loaded.unload()


def asked(count: int, **options) -> list[tuple[int, Request]]:
    r = random.Random(0)
    rows = []
    for i in range(count):
        text = "The other day " + "".join(r.choice("abcdefgh the") for _ in range(r.randrange(40)))
        more = {"max_tokens": 3 + i % 7, "extra": {"ignore_eos": True} if i % 2 else {}, "seed": i, **options}
        rows.append((i * 10, folders.ask(text, **more)))
    return rows


def together(model, requests) -> dict[int, list]:
    found: dict[int, list] = {}
    for n, event in iterate_sync(model.stream_rows(requests)):
        found.setdefault(n, []).append(event)
    return found


def answers(model, requests) -> dict[int, tuple]:
    return {n: _came_to(build_response(events)) for n, events in together(model, requests).items() if n >= 0}


def alone(model, requests) -> dict[int, tuple]:
    return {n: _came_to(build_response(iterate_sync(model.stream(r)))) for n, r in requests}


def _came_to(response) -> tuple:
    return response.text, response.finish_reason, response.usage.input_tokens, response.usage.output_tokens


@pytest.mark.parametrize("family", [*PLAIN, *folders.SEQ2SEQ])
def test_rows_of_each_family_answer_as_they_do_alone(tmp_path, monkeypatch, family):
    monkeypatch.setattr(padded_batch, "MAX_BATCH_SIZE", 4)
    (folders.causal if family in PLAIN else folders.seq2seq)(tmp_path, family)
    model, requests = backend(tmp_path), asked(7)
    assert answers(model, requests) == alone(model, requests)


@pytest.mark.parametrize("options", [{"temperature": 1.0}, {"schema": PERSON, "max_tokens": 60}, {"stop": ("e", "a")}], ids=str)
def test_rows_draw_stop_and_keep_schemas_as_they_do_alone(tmp_path, options):
    folders.causal(tmp_path, "pythia")
    model, requests = backend(tmp_path), asked(6, **options)
    assert answers(model, requests) == alone(model, requests)


def test_what_a_folder_wants_of_generate_does_not_reach_the_rows(tmp_path):
    made = folders.causal(tmp_path, "gpt2")
    made.generation_config.num_beams, made.generation_config.repetition_penalty = 3, 9.0
    made.save_pretrained(tmp_path)
    model, requests = backend(tmp_path), asked(4)
    assert answers(model, requests) == alone(model, requests)


def test_when_memory_runs_out_half_as_many_rows_go_on(tmp_path, monkeypatch):
    folders.causal(tmp_path, "opt")
    model, requests = backend(tmp_path), asked(7, temperature=1.0)
    expected, write, sizes = alone(model, requests), padded_batch._generate_batch, []

    def little(net, batch, stopped):
        sizes.append(len(batch))
        write(net, batch, stopped)
        if len(batch) > 2:  # after it has written: what it drew is forgotten
            raise MemoryError

    monkeypatch.setattr(padded_batch, "_generate_batch", little)
    assert answers(model, requests) == expected and sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1]


def test_a_row_that_memory_does_not_do_for_fails_alone(tmp_path, monkeypatch):
    folders.causal(tmp_path, "opt")
    model, requests, write = backend(tmp_path), asked(4), padded_batch._generate_batch

    def little(net, batch, stopped):
        if any(r.number == 10 for r in batch):
            raise RuntimeError("out of memory")
        write(net, batch, stopped)

    monkeypatch.setattr(padded_batch, "_generate_batch", little)
    found = together(model, requests)
    assert found[10][0].error["kind"] == "CannotFitError"
    assert sum(isinstance(found[n][-1], Finished) for n, _ in requests) == 3


def test_closing_the_stream_stops_within_a_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(padded_batch, "MAX_BATCH_SIZE", 2)
    folders.causal(tmp_path, "opt")
    model = backend(tmp_path)
    requests = [(i, folders.ask("the other day", max_tokens=4 if i < 2 else 200)) for i in range(4)]
    requests[0], requests[1] = (0, folders.ask("the other day " * 3, max_tokens=4)), (1, folders.ask("the other day " * 3, max_tokens=4))
    taken, take, go = [], padded_batch.append_token, threading.Event()

    def held(*a):
        taken.append(1)
        if len(taken) > 40:  # the short rows have ended by then
            go.wait(60)
        return take(*a)

    monkeypatch.setattr(padded_batch, "append_token", held)
    stream = iterate_sync(model.stream_rows(requests))
    next(e for _, e in stream if isinstance(e, Finished))
    stream.close()
    before = len(taken)
    monkeypatch.setattr(padded_batch, "append_token", take)
    go.set()
    assert answers(model, requests[:2]) == alone(model, requests[:2])
    assert len(taken) <= before + 2  # two rows a pass


@pytest.mark.parametrize("family", ["llava"])
def test_a_model_that_sees_answers_its_rows_one_by_one(tmp_path, family):
    PIL = pytest.importorskip("PIL.Image")
    import io

    folders.seeing(tmp_path, family)
    data = io.BytesIO()
    PIL.new("RGB", (28, 28), "red").save(data, "PNG")
    rows = [(0, folders.ask("the other day", max_tokens=4))]
    rows.append(
        (1, Request("m", (Message("user", (Image(data.getvalue()), Text("what is it"))),), **{"max_tokens": 4, "dtype": "float32"}))
    )
    rows.append((2, Request("m", (message("user", "x"),), temperature=-1.0, dtype="float32")))
    model = backend(tmp_path)
    found = together(model, rows)
    assert isinstance(found[2][0], Failed)
    assert {n: _came_to(build_response(found[n])) for n in (0, 1)} == alone(model, rows[:2])
