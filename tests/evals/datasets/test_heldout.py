"""The guard of held-out rows: whatever is done to a row's columns, prompt or words it is refused, and other rows are not.

24 messages of BANKING77's customers, each reworded, and 1,000 other rows, 800 of them messages of
the same bank's customers. `test_paraphrases.py` has free paraphrases of other kinds of text.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import fmnb as fm
from fmnb.core.errors import UsageError
from fmnb.evals.datasets import heldout
from fmnb.evals.datasets.dataset import Dataset
from fmnb.evals.datasets.sample import Sample, fingerprint
from fmnb.evals.datasets.text_signatures import Signature, signature

MODELS = Path(__file__).parents[3] / ".models"
DATA = json.loads((Path(__file__).parents[1] / "data" / "banking77_guard.json").read_text())
THINGS = "kettle lamp chair tent bottle scarf radio clock basket mirror".split()
OTHERS = [
    *DATA["others"],
    *(f"A {THINGS[i % 10]} costs {i + 3} dollars. How much do {i % 7 + 2} of them cost?" for i in range(80)),
    *(f"{i} + {i * 7 % 13} = ?" for i in range(40)),
    *(f"{a} {b}" for a in ("Return", "Repair", "Nice", "Late") for b in THINGS),
    *(f"The {b} arrived {w} and the box was {c}" for b in THINGS for w in ("late", "early") for c in ("torn", "fine")),
]


def samples(texts, column="text"):
    return [Sample(str(i), {column: t}) for i, t in enumerate(texts)]


@pytest.fixture(params=["words alone", "with vectors"])
def guard(request, tmp_path, monkeypatch):
    """24 held-out messages in a state folder of their own."""
    monkeypatch.setenv("FMNB_STATE", str(tmp_path / "guard"))
    monkeypatch.setenv("FMNB_MODELS", str(MODELS))
    if request.param == "words alone":
        monkeypatch.setattr(heldout, "DEFAULT", "hf:nobody/no-such-embedder")  # a machine without one
    heldout.remember_rows(samples(DATA["held"]), "tickets")
    if request.param == "with vectors" and not heldout._index().has_vectors:
        pytest.skip("the embedder is not here")
    assert heldout._index().has_vectors is (request.param == "with vectors")
    return request.param


def test_reworded_rows_are_refused_and_other_rows_are_not(guard):
    reworded = heldout.find_matches(samples([t for _, t in DATA["reworded"]], "question"))
    kinds = {
        k: [sum(DATA["reworded"][int(m.row)][0] == k for m in reworded), sum(x == k for x, _ in DATA["reworded"])]
        for k in ("polite", "reorder", "trunc", "typo", "syn")
    }
    assert len(OTHERS) == 1000
    refused = heldout.find_matches(samples(OTHERS))
    print(guard, kinds, len(refused))
    assert len(refused) <= 10, [OTHERS[int(m.row)] for m in refused]
    assert all(kinds[k][0] == kinds[k][1] for k in ("polite", "reorder", "trunc", "typo")), kinds
    assert len(reworded) >= (22 if guard == "with vectors" else 17), kinds
    right = sum(m.heldout_id == m.row for m in reworded)
    assert right == len(reworded), "the refusal names the row that it resembles"


@pytest.mark.parametrize(
    "change",
    [
        lambda t: {"text": t + "."},
        lambda t: {"text": t.upper()},
        lambda t: {"text": "  ".join(t.split()).replace("?", "？")},
        lambda t: {"other": t, "label": "card", "n": 3},
        lambda t: {"language": "en", "message": t, "channel": "mail"},
        lambda t: {"prompt": f"Route this ticket to one of account, money, other.\n\n{t}\n\nAnswer with the word alone."},
        lambda t: {"prompt": f"You are a helpful bank clerk. The customer says: {t} What do you answer?"},
        lambda t: {"json": json.dumps({"ticket": t, "id": 17})},
        lambda t: {"chat": [{"role": "user", "content": t}]},
        lambda t: {"text": t.replace("'", "’").replace(" ", "\u00a0")},
        lambda t: {"text": t.translate(str.maketrans("aeopcxyAEOCTH", "аеорсхуАЕОСТН"))},  # Cyrillic
        lambda t: {"text": t.translate(str.maketrans("aoivAEOTI", "αοινΑΕΟΤΙ"))},  # Greek
        lambda t: {"text": "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in t)},
        lambda t: {"text": t.translate({c: 0x1D5BA + c - 97 for c in range(97, 123)})},  # mathematical letters
        lambda t: {"text": t.translate({c: ord("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘqʀsᴛᴜᴠᴡxʏᴢ"[c - 97]) for c in range(97, 123)})},
        lambda t: {"text": "\u200b".join(t)},
        lambda t: {"text": re.sub(r"(?<=\w)(?=\w)", "\u00ad\u2060\ufeff", t)},
        lambda t: {"text": re.sub(r"(?<=\w)", "\u0336\u20dd\ufe0f", t)},
        lambda t: {"text": t.lower().replace("e", "3")},
        lambda t: {"text": re.sub(r"(?<=\w)", "\u3164", t)},
        lambda t: {"text": re.sub(r"(?<=\w)", "\u2800", t)},
        lambda t: {"text": t.replace(" ", "_")},
        lambda t: {"text": t.title().replace(" ", "")},
        lambda t: {"text": " ".join(t)},
        lambda t: {"chat": [{"role": "user", "content": "Answer this: " + t.translate(str.maketrans("aeo", "аео"))}]},
    ],
)
def test_no_column_template_or_punctuation_hides_a_row(guard, change):
    made = [Sample(f"r{i}", change(t)) for i, t in enumerate(DATA["held"])]
    found = heldout.find_matches(made)
    assert len(found) == len(made), [m for m in made if m.id not in {f.row for f in found}]


def test_lookalike_letters_in_the_held_out_row_hide_nothing(guard):
    heldout.remember_rows(samples(["Wherе dо I sеe thе сommissiоn fоr gold bars?"]), "masked")
    assert heldout.find_matches(samples(["Where do I see the commission for gold bars?"]))


def test_another_template_around_many_rows_hides_none_and_accuses_none(guard):
    template = "Below is a message that a customer of a bank wrote. Decide which team should answer it, and say why in one sentence.\nMessage: {}\nTeam:"
    texts = [*DATA["held"], *DATA["others"][:60]]
    prompts = [template.format(t) for t in texts]
    found = heldout.find_matches(samples(prompts, "prompt"))
    assert {int(m.row) for m in found} >= set(range(len(DATA["held"])))
    bare = heldout.find_matches(samples(texts))
    assert len({m.row for m in found} ^ {m.row for m in bare}) <= 3, "a template changes next to nothing"


def test_the_file_alone_works_and_holds_no_text(guard):
    heldout._read.cache_clear()
    heldout._index_of.cache_clear()
    text = heldout._heldout_file().read_text()
    assert not any(w in text.lower() for w in ("atm", "transfer", "wallet", "passcode") if len(w) > 4)
    assert heldout._heldout_file().stat().st_mode & 0o077 == 0
    assert all(Signature.from_dict(s.to_dict()) == s for s in map(signature, DATA["held"]))
    with pytest.raises(UsageError, match=r"1 of 2 rows are held out or resemble.*a \(the same text: row 0 of tickets\)"):
        heldout.require_not_heldout([Sample("a", {"x": DATA["held"][0]}), Sample("b", {"x": "Where do you sell kettles?"})])
    heldout._append(heldout._heldout_file(), ['{"v": 1, "whole": 3, "wor'])  # a line cut by a full disk
    assert heldout.find_matches(samples(DATA["held"][:1]))


def test_fingerprints_of_older_versions_still_count(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNB_STATE", str(tmp_path))
    (tmp_path / "heldout.txt").write_text(fingerprint("A secret question") + "\n")
    assert [
        m.row for m in heldout.find_matches([Sample("1", {"q": "a  SECRET question", "lang": "en"}), Sample("2", {"q": "another"})])
    ] == ["1"]


def test_rows_of_numbers_and_short_rows_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNB_STATE", str(tmp_path))
    heldout.remember_rows([Sample(str(i), {"q": f"{i}+7", "user": "ann"}, group="ann") for i in range(12)], "sums")
    heldout.remember_rows([Sample(f"t{i}", {"q": f"Ticket number {i} about login"}) for i in range(12)], "tickets")
    other = [
        Sample("x", {"q": "3-7"}),
        Sample("y", {"q": "Ticket number 99 about login"}),
        Sample("z", {"user": "ann"}),
        Sample("n", {"n": 7}),
    ]
    assert heldout.find_matches(other) == []
    assert [
        m.row for m in heldout.find_matches([Sample("x", {"sum": "3 + 7", "n": 1}), Sample("y", {"t": "ticket Number 7, about login!"})])
    ] == ["x", "y"]


def test_other_writing_systems(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNB_STATE", str(tmp_path))
    held = [
        "我的信用卡还没有到，请问什么时候能收到？",
        "Где моя карта, которую я заказал две недели назад?",
        "Où est la carte que j’ai commandée il y a deux semaines ?",
    ]
    heldout.remember_rows(samples(held))
    again = [
        "请问：我的信用卡还没有到，请问什么时候能收到",
        "ГДЕ моя карта, которую я заказал две недели назад",
        "ou est la carte que j'ai commandee il y a deux semaines",
    ]
    assert len(heldout.find_matches(samples(again))) == 3
    assert heldout.find_matches(samples(["你们的营业时间是什么？", "Как изменить пароль?", "Quelle heure est-il ?"])) == []


def test_every_way_to_training_data_asks(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNB_STATE", str(tmp_path / "state"))
    d = Dataset.from_rows([{"ticket": t, "target": "x", "user": f"u{i}"} for i, t in enumerate(DATA["held"])], name="tickets")
    d = d.split(heldout=0.5)
    kept = d["heldout"]
    moved = Dataset.from_rows([{"q": f"Hello, {s.values['ticket']} Thanks!", "lang": "en", "target": "y"} for s in kept])
    for kind in ("sft", "chat"):
        with pytest.raises(UsageError, match=f"{len(kept)} of {len(kept)} rows are held out"):
            moved.export(tmp_path / "x.jsonl", kind, prompt="{{ q }}")
    assert len(moved.without_heldout()) == 0 and not (tmp_path / "x.jsonl").exists()
    assert len(d.without_heldout()) == len(d["train"])


@pytest.mark.parametrize(
    "template",
    [
        "{name} asks for a refund of the {color} {thing}",
        "Customer {name} wrote that the {color} {thing} which was ordered last week has not arrived yet and wants to know whether it can "
        "still be delivered before the weekend or the money be given back",
    ],
)
def test_rows_that_a_template_made_are_told_apart(template, tmp_path, monkeypatch):
    monkeypatch.setenv("FMNB_STATE", str(tmp_path))
    names, colors = "Anna Ben Carla Dan Eva Finn Gina Hugo".split(), "red blue green black".split()
    made = [template.format(name=n, color=c, thing=t) for n in names for c in colors for t in THINGS]
    held, other = made[::7], [m for i, m in enumerate(made) if i % 7]
    heldout.remember_rows(samples(held), "orders")
    assert len(heldout.find_matches(samples(other))) <= len(other) // 100
    assert len(heldout.find_matches(samples([f"Please answer.\n\n{t.upper()}!\n\nThanks." for t in held], "p"))) == len(held)


def test_held_out_text_in_a_target_or_a_system_prompt_is_not_trained_on(tmp_path):
    rows = [{"q": f"Where does the parcel number {n * 37} from the northern harbour wait for me now?", "target": "depot"} for n in range(6)]
    fm.Dataset.from_rows(rows, target="target").split(heldout=0.999)
    other = fm.Dataset.from_rows(
        [{"q": "Write what a customer may say.", "target": rows[0]["q"]}, {"q": "Say hello.", "target": "hello"}], target="target"
    )
    assert [s.target for s in other.without_heldout()] == ["hello"]
    for kind in ("sft", "chat"):
        with pytest.raises(UsageError, match="held out"):
            other.export(tmp_path / "a.jsonl", kind, prompt="{{ q }}")
    with pytest.raises(UsageError, match="held out"):
        other.without_heldout().export(tmp_path / "a.jsonl", "chat", prompt="{{ q }}", system=rows[1]["q"])
