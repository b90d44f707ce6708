"""Writes the files beside it. Run it with the fmnb whose files are to be kept, not with the one that is tested:

    git worktree add /tmp/before COMMIT
    PYTHONPATH=/tmp/before python tests/stored/write.py

They are the past: a file that was written once stays as it is, and a new version's files go into a folder of their own.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LAPSED = "DELETE FROM leases; DELETE FROM claims;"  # of a kernel that died, as half a minute later


def main(folder: Path) -> None:
    """Everything, into `folder`."""
    from questions import NOTEBOOK, PORT, settings
    from service import Service, png

    home, work = folder / "home", folder / "work"
    for made in (home, work):
        made.mkdir(parents=True)
    os.environ |= {
        "FMNB_HOME": str(home),
        "FMNB_MODELS": str(folder / "models"),
        "FMNB_THREADS": "1",
        "TZ": "UTC",
        "JPY_SESSION_NAME": NOTEBOOK,
    }
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    os.chdir(work)
    (work / "picture.png").write_bytes(png(8, 6))
    with Service(PORT) as service:
        settings(home, service.url)
        from fmnb.keys import set_key

        set_key("far", "not-a-real-key", "127.0.0.1*")
        set_key("draw", "not-a-real-key", "127.0.0.1*")
        from fmnb.session import session

        session.notebook = NOTEBOOK  # JupyterLab says so
        shell = notebook()
        expected: dict[str, Any] = {"calls": calls(), "comparisons": comparisons(), "chat": talk(shell, work)}
        expected |= {"tables": tables(service), "evaluations": evaluations(work), "datasets": datasets(work), "prompts": prompts()}
        expected["tape"] = tape(shell, work)
        killed(home, service)
        expected["jobs"] = service.jobs
        expected["everything"] = read(home)
    text = json.dumps(expected, ensure_ascii=True, default=str)
    (folder / "expected.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def read(home: Path) -> Any:
    """All that is in the log, as another process sees it that opens a copy: what was not filed is filed there."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "home"
        shutil.copytree(home, copied)
        out = Path(folder) / "out.json"
        subprocess.run([sys.executable, __file__, "read", str(out)], env={**os.environ, "FMNB_HOME": str(copied)}, check=True)
        return json.loads(out.read_text("utf-8"))


def notebook() -> Any:
    """A shell with the extension."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "fmnb")
    return shell


def calls() -> dict[str, Any]:
    """Single calls: cached ones, pictures, thoughts, tools, and errors of every kind."""
    import surface
    from questions import CACHED, TEXTS

    import fmnb as fm

    found = {prompt: surface.answer(fm.ask(fm.Prompt(prompt), **options)) for prompt, options in CACHED.items()}
    found["capital"] = surface.answer(fm.ask("What is the capital of France?", "far:m"))
    found["picture"] = surface.answer(fm.ask("A cat", "draw:m", format="image"))
    found["large"] = surface.answer(fm.ask("A large cat", "draw:m", format="image"))
    found["tool"] = surface.answer(fm.ask("Call it", "echo:tool,think"))
    found["odd"] = surface.answer(fm.ask("Ä \U0001f600 \u202e <script>alert(1)</script> \\frac{1}{2} \ud800", "far:m"))
    for name in "key nokey model rate_limit,times=9 quota server refused tls timeout context memory empty cut junk stream filter".split():
        failed(f"Fail with {name}", f"echo:fail={name}")
    for words in ("please fail", "please lock", "please charge", "please filter", "please cut", "please break"):
        failed(f"Now {words}", "far:m")
    failed("Raise", broken)
    failed("As a number, please never", "far:m", schema="n int")
    found["stumbled"] = surface.answer(fm.ask("As a number, please stumble", "far:m", schema="n int"))
    found["probabilities"] = surface.answer(fm.ask("How likely?", "far:m", logprobs=1))
    pieces = iter(fm.stream("one two three four", "echo:slow=50"))
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    found["vectors"] = [[float(x) for x in row] for row in fm.embed(TEXTS, "far:vec")]
    return found


def broken(text: str) -> str:
    """A model that raises."""
    raise ValueError("it is broken")


def failed(prompt: str, model: Any, **options: Any) -> None:
    """A call that fails, or does not end as it should."""
    import fmnb as fm

    try:
        fm.ask(prompt, model, **options)
    except fm.FmnbError:
        pass


def comparisons() -> dict[str, Any]:
    """With votes, stars, edits and comments; one blind and undecided."""
    import surface

    import fmnb as fm

    c = fm.compare("Say hello", ["far:m", "far:small"])
    fm.vote(c, "right")
    fm.vote(c, "left", comment="shorter")
    fm.vote(c, "tie", user="ada")
    fm.feedback(c[0], "star", 4)
    fm.feedback(c[0], "edit", "Hello, friend.")
    fm.feedback(c[1], "comment", text="too long", user="ada")
    fm.accept(c[0])
    fm.feedback(c[1], "star", 1)
    fm.unsay(c[1], "star")
    fm.feedback(c[0], "copied")
    fm.import_feedback([{"run": c[1].run, "kind": "dwell", "value": 12.5, "user": "eve"}])
    bad = fm.compare("Say goodbye", ["far:m", "far:small", "echo:"])
    fm.vote(bad, "bad", user="bob")
    varied = fm.compare("Say a number", ["far:m"], vary={"temperature": [0.1, 0.9]}, samples=2)
    fm.vote(varied, 1)
    fm.vote(fm.compare("Say it blindly", ["far:m", "far:small"], blind=True), "left")
    hidden = fm.compare("Say it unseen", ["far:m", "far:small"], blind=True)
    half = fm.compare("Say it half, please fail", ["far:m", "echo:"])
    made = {"voted": c, "bad": bad, "varied": varied, "hidden": hidden, "half": half}
    return {name: surface.opened(c) for name, c in made.items()}


def talk(shell: Any, work: Path) -> dict[str, Any]:
    """A conversation in cells, with a branch; exported."""
    import surface

    import fmnb as fm

    shell.run_cell_magic("fm", "-c plan far:m", "Where shall we go?")
    shell.run_cell_magic("fm", "-c plan", "And when, please think?")
    chat = fm.Chat("far:m")
    chat.ask("First")
    chat.ask("Second")
    chat.edit(1, "Second, otherwise")
    chat.export(work / "branches.json")
    shell.run_line_magic("fm", "chat plan export plan.json")
    return {"plan": surface.chat(fm.Chat.load(work / "plan.json")), "branches": surface.chat(fm.Chat.load(work / "branches.json"))}


def tables(service: Any) -> dict[str, Any]:
    """Batches: finished with failed rows, with a schema, of the notebook's own models, interrupted, handed in."""
    from notebook_models import MODELS
    from questions import FINISHED, GREETINGS, HANDED_IN, PEOPLE, SCHEMA, STOPPED, TYPED

    import fmnb as fm

    found: dict[str, Any] = {"finished": fm.map("Tell of {{ place }}", FINISHED, "far:m")}
    found["typed"] = fm.map("Judge: {{ text }}.", TYPED, "far:m", schema=SCHEMA)
    found["several"] = fm.map("Compare {{ text }}.", TYPED, models=["far:m", "short"], samples=2, temperature=0.5)
    found["models"] = {name: fm.map("Hi {{ text }}", GREETINGS, made()) for name, made in MODELS.items()}
    Path("people.csv").write_text(PEOPLE)
    found["file"] = fm.map("Ask {{ name }} of {{ age }}", "people.csv", "far:m", out="parts").df.to_dict("records")
    service.seen = lambda text: os.kill(os.getpid(), signal.SIGINT) if "eel" in text else None
    try:
        fm.map("Picture the {{ animal }}", STOPPED, "far:m", concurrency=1)
        raise AssertionError("it was not interrupted")
    except KeyboardInterrupt:
        service.seen = lambda text: None
    found["handed_in"] = fm.map("Taste {{ fruit }}", HANDED_IN, "far:m", batch_api=True, yes=True)
    return found


def killed(home: Path, service: Any) -> None:
    """A batch whose kernel is killed half-way, as another process: some of its answers are filed, others are only written down.

    Its main thread, which files them, is held up meanwhile.
    """
    child = subprocess.Popen([sys.executable, __file__, "killed"], env=os.environ)
    service.seen = lambda text: child.send_signal(signal.SIGUSR1) if "Use the cog" in text else None
    try:
        for _ in range(600):
            time.sleep(0.1)
            with sqlite3.connect(home / "fmnb.sqlite") as db:
                if any("Use the cog" in text for text in service.asked) and db.execute("SELECT 1 FROM arrived").fetchall():
                    return
        raise AssertionError("nothing was left to be filed")
    finally:
        child.kill()
        child.wait()
        service.seen = lambda text: None


def evaluations(work: Path) -> dict[str, Any]:
    """Saved as a file and kept in the log: several scorers, groups, prompts, and a judge."""
    import surface
    from questions import ROWS

    import fmnb as fm

    def short(answer: str, target: str) -> float:
        """Whether it is short."""
        return float(len(answer) < 6)

    first = fm.evaluate("{{ q }}", ROWS, ["far:m", "far:small"], ["exact", "contains", "f1", short], group="who")
    first.save(work / "evaluation.json")
    judged = fm.evaluate("{{ q }}", ROWS, ["far:m", "far:small"], [fm.Judge("far:m", rubric="Prefer the longer one."), "exact"], samples=2)
    judged.save(work / "judged.json")
    ways = {"plain": "{{ q }}", "polite": "Kindly: {{ q }}"}
    asked = fm.evaluate("", ROWS, ["far:small"], "exact", prompts=ways, missing="failure")
    asked.save(work / "prompts.json")
    failing = fm.evaluate("{{ q }}", [{**r, "q": r["q"] + " please fail" * (n < 2)} for n, r in enumerate(ROWS)], ["far:m"], "exact")
    made = {"evaluation": first, "judged": judged, "prompts": asked}
    return {name: surface.evaluation(e) for name, e in made.items()} | {"failing": failing.run}


def datasets(work: Path) -> dict[str, Any]:
    """A data set with labels of two raters and held-out rows, and what is made of it."""
    import surface
    from questions import ROWS

    import fmnb as fm

    d = fm.Dataset.from_rows([{**r, "q": f"{r['q']} of the set {n}"} for n, r in enumerate(ROWS)], group="who", name="words")
    d = d.split(heldout=0.25, dev=0.25, stratify=None, seed=1)
    for n, s in enumerate([s for s in d if s.split != "heldout"]):
        d = d.with_label(s.id, "ada", "accept").with_label(s.id, "bob", "reject" if n == 1 else "accept")
    d.save(work / "words.jsonl")
    votes = fm.Dataset.from_votes(notebook="all", name="votes")
    labeller = fm.Labeler(votes, annotator="ada", path=work / "votes.jsonl")
    labeller.on_label("accept")
    labeller.on_edit("Hello, all.")
    votes = labeller.dataset
    for kind, of in (("sft", d.where(lambda s: s.split != "heldout")), ("dpo", votes), ("chat", votes)):
        of.export(work / f"{kind}.jsonl", kind, prompt="{{ q }}" if kind == "sft" else None)
    return {"words": surface.dataset(d), "votes": surface.dataset(votes)}


def prompts() -> dict[str, Any]:
    """Saved prompts, with an older version, beside the notebook and in the user's folder."""
    import fmnb as fm

    fm.Prompt("Sum up {{ text }}", name="sum up").save(user=True)
    fm.Prompt("Sum up briefly: {{ text }}", name="sum up", system="You are terse.").save(user=True)
    fm.Prompt("---\nPolitely, {{ text }}", name="polite").save()
    return {name: [p.text, p.system, p.version] for name in ("sum up", "polite") for p in [fm.Prompt.load(name)]}


def tape(shell: Any, work: Path) -> dict[str, Any]:
    """Answers of cells on a tape: text, a schema, a conversation, a picture, a table, a comparison."""
    from replayed import CELLS, shown

    shell.run_line_magic("fm", "tape answers.tape.jsonl")
    found = {name: shown(shell, cell) for name, cell in CELLS.items()}
    shell.run_line_magic("fm", "tape off")
    return found


def clean(folder: Path) -> None:
    """Take this machine's traces out: process ids, and the lease of the kernel that was killed, which a day later nobody renews."""
    path = folder / "home" / "fmnb.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("UPDATE runs SET kernel = '1'")
        db.executescript(LAPSED)
    db.close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("VACUUM")
    db.close()
    for file in (path, *(folder / "home" / "media").iterdir()):
        Path(f"{file}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
        file.unlink()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["read"]:
        import surface

        shown = notebook()
        with sqlite3.connect(Path(os.environ["FMNB_HOME"], "fmnb.sqlite")) as opened:
            opened.executescript(LAPSED)
        Path(sys.argv[2]).write_text(json.dumps(surface.everything(shown), default=str), "utf-8")
    elif sys.argv[1:] == ["killed"]:
        from questions import KILLED

        import fmnb

        signal.signal(signal.SIGUSR1, lambda *_: time.sleep(600))
        fmnb.map("Use the {{ tool }}", KILLED, "far:m", concurrency=1)
    else:
        with tempfile.TemporaryDirectory() as made:
            try:
                main(Path(made))
            finally:
                os.chdir(HERE)
            from fmnb.store import db

            db.close_all()
            clean(Path(made))
            for name in ("home", "work"):
                shutil.rmtree(HERE / name, ignore_errors=True)
            shutil.copytree(made, HERE, dirs_exist_ok=True)
