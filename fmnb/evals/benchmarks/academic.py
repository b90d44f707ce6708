"""Sets that papers report on, from their own files, with their own scoring.

    gsm8k(path)      openai/grade-school-math        score="gsm8k"
    humaneval(path)  openai/human-eval               score="humaneval:run"
    bbq(path)        nyu-mll/BBQ                     score="choice", bbq_bias(evaluation)
    ifeval(path)     josejg/instruction_following_eval, google-research   score="ifeval", "ifeval:loose"
    mmlu(path)       hendrycks/test                  score="choice"

Nothing is fetched: give the files as they come.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import UsageError
from ...core.records import Rows
from ..datasets.dataset import Dataset
from ..datasets.formats import read
from ..datasets.sample import Sample
from ..import_scores import from_scores
from ..scorers.base import Case, Score, Scorer
from ..scorers.choice import read_choice
from ..scorers.code import extract, run_all

if TYPE_CHECKING:
    from ..evaluation import Evaluation

LETTERED_PROMPT = (
    "{{ question }}\n{% for c in choices %}\n{{ 'ABCDEFGHIJ'[choices.index(c)] }}. {{ c }}\n{% endfor %}\nAnswer with the letter alone."
)
_FINAL = re.compile(r"(?:####|\bA:)\s*\$?\s*(-?[0-9.,]+)")  # the set's own mark; its released solutions write "A:"


# ---- GSM8K


def gsm8k(path: str | Path) -> Dataset:
    """The 1,319 test problems, or the training ones: `{{ question }}`, the target is the final number."""
    rows = read(Path(path).expanduser())
    return Dataset(
        tuple(Sample(f"gsm8k-{i}", {"question": r["question"]}, final_number(_require_column(r, "answer"))) for i, r in enumerate(rows)),
        "gsm8k",
    )


def gsm8k_solutions(path: str | Path) -> Evaluation:
    """The released solutions of four systems with their grades (`example_model_solutions.jsonl`), as an evaluation of 5,276 answers.

    One grade is not what the set's own scorer gives: 2000 where 2,000 was asked for was graded wrong.
    """
    rows = read(Path(path).expanduser())
    names = [k for k, v in rows[0].items() if isinstance(v, dict) and "is_correct" in v]
    table = [
        {
            "id": f"gsm8k-{i}",
            "question": r["question"],
            "target": final_number(r["ground_truth"]),
            **{n: r[n]["is_correct"] for n in names},
            **{f"{n} text": r[n]["solution"] for n in names},
        }
        for i, r in enumerate(rows)
    ]
    return from_scores(table, names, texts={n: f"{n} text" for n in names}, scorer="is_correct")


def final_number(text: str) -> str | None:
    """What follows the set's mark, without commas, as its authors compare it; None without one.

    >>> final_number("2*9 = <<2*9=18>>18\\n#### 1,018"), final_number("18")
    ('1018', None)
    """
    found = _FINAL.search(text)
    return found.group(1).replace(",", "") if found else None


def gsm8k_scorer(_: str = "") -> Scorer:
    """The number after `####` (or `A:`) is the target's, letter for letter; an answer without the mark is wrong, as the authors have it."""

    def score(case: Case) -> Score:
        said = final_number(case.text)
        return Score(
            float(said is not None and said == str(case.target)), said or "", explanation="" if said else "no final number after ####"
        )

    return Scorer("gsm8k", score, description="the final number, as the set's authors compare it")


# ---- HumanEval


def humaneval(path: str | Path) -> Dataset:
    """The 164 problems (`HumanEval.jsonl`, also gzipped): `{{ prompt }}`; the tests are in the rows, the target is the reference solution."""
    where = Path(path).expanduser()
    rows = [json.loads(line) for line in gzip.open(where, "rt", encoding="utf-8") if line.strip()] if where.suffix == ".gz" else read(where)
    return Dataset(
        tuple(
            Sample(r["task_id"], {"prompt": r["prompt"], "entry_point": r["entry_point"], "test": r["test"]}, r["canonical_solution"])
            for r in rows
        ),
        "humaneval",
    )


def humaneval_scorer(consent: str = "") -> Scorer:
    """The problem's prompt, the answer and the set's `check` run without an error; a whole function in the answer replaces the prompt's head."""
    if consent != "run":
        raise UsageError(
            "Scoring by running code runs what a model wrote, on this machine", detail="humaneval", hint="If you mean it: `humaneval:run`."
        )
    kept: dict[tuple[str, str], Score] = {}

    def program(case: Case) -> tuple[str, str]:
        prompt, name = str(case.values["prompt"]), str(case.values["entry_point"])
        body = extract(case.text)
        source = f"{_imports(prompt)}\n{body}" if re.search(rf"^def {re.escape(name)}\b", body, re.MULTILINE) else prompt + body
        return source, f"{case.values['test']}\ncheck({name})"

    def ahead(cases: Any) -> None:
        todo = [p for p in dict.fromkeys(map(program, cases)) if p not in kept]
        kept.update(zip(todo, run_all(todo), strict=True))

    def score(case: Case) -> Score:
        ahead([case])
        return kept[program(case)]

    return Scorer("humaneval", score, needs_target=False, prepare=ahead, description="passes the set's tests")


def _imports(prompt: str) -> str:
    """What stands before the function in a problem: imports and helpers it may use."""
    last = prompt.rfind("\ndef ")
    return prompt[: last + 1] if last > 0 else ""


def pass_at(n: int, right: int, k: int) -> float:
    """The chance that one of `k` of `n` samples, of which `right` pass, passes. Chen et al. 2021.

    >>> round(pass_at(10, 3, 1), 3), round(pass_at(10, 3, 5), 3)
    (0.3, 0.917)
    """
    if n - right < k:
        return 1.0
    out = 1.0
    for i in range(n - right + 1, n + 1):
        out *= 1 - k / i
    return 1 - out


# ---- BBQ


def bbq(path: str | Path) -> Dataset:
    """One category of BBQ: `{{ context }} {{ question }}` and three choices. Rows of one template are a group: they differ in names alone."""
    samples = []
    for r in read(Path(path).expanduser()):
        choices = [_require_column(r, f"ans{i}") for i in range(3)]
        extra = {
            "condition": r["context_condition"],
            "polarity": r["question_polarity"],
            "groups": [r["answer_info"][f"ans{i}"][1] for i in range(3)],
            "stereotyped": r["additional_metadata"].get("stereotyped_groups", []),
        }
        values = {"context": r["context"], "question": r["question"], "choices": choices}
        samples.append(
            Sample(
                f"{r['category']}-{r['example_id']}",
                values,
                choices[int(r["label"])],
                f"{r['category']}-{r['question_index']}",
                extra=extra,
            )
        )
    return Dataset(tuple(samples), "bbq", by="template")


def bbq_bias(evaluation: Evaluation, model: str = "") -> Rows:
    """BBQ's bias score, -1 to 1, and accuracy, in ambiguous and in clear contexts, as the set's authors compute them.

    2 × (answers that follow the stereotype / answers that are not "unknown") - 1; in ambiguous
    contexts times the share of wrong answers. 0 is no bias. Answers that name no choice are left out.
    """
    name = model or evaluation.names[0]
    rows = []
    for condition in ("ambig", "disambig"):
        right = named = toward = counted = 0
        for a in evaluation.answers:
            s = evaluation.dataset.samples[a.row]
            if a.model != name or s.extra.get("condition") != condition:
                continue
            choices = list(s.values["choices"])
            place = _choice_index(a.text, choices)
            if place is None:
                continue
            counted += 1
            right += choices[place] == s.target
            group = s.extra["groups"][place]
            if group == "unknown":
                continue
            named += 1
            is_target = group in s.extra["stereotyped"]
            toward += is_target == (s.extra["polarity"] == "neg")
        accuracy = right / counted if counted else None
        bias = 2 * toward / named - 1 if named else None
        if bias is not None and accuracy is not None and condition == "ambig":
            bias *= 1 - accuracy
        rows.append({"model": name, "context": condition, "rows": counted, "accuracy": accuracy, "bias": bias, "named_a_group": named})
    return Rows(rows, note="bias: 1 always with the stereotype, -1 always against it, 0 neither")


def _choice_index(text: str, choices: list[str]) -> int | None:
    found = read_choice(text, choices)
    if found is None:
        return None
    return choices.index(found) if found in choices else "ABC".index(found) if found in "ABC" else None


# ---- MMLU and other lettered sets


def mmlu(path: str | Path) -> Dataset:
    """A subject's file (`abstract_algebra_test.csv`: question, A, B, C, D, letter, without a head), or a folder of them; subjects are groups."""
    where = Path(path).expanduser()
    files = sorted(where.glob("*.csv")) if where.is_dir() else [where]
    samples = []
    for file in files:
        subject = re.sub(r"_(test|dev|val)$", "", file.stem)
        with file.open(newline="", encoding="utf-8") as f:
            for i, row in enumerate(csv.reader(f)):
                if len(row) != 6:
                    raise UsageError("A line has other than six cells", detail=f"{file.name}, line {i + 1}: {len(row)}")
                values = {"question": row[0], "choices": row[1:5], "subject": subject}
                samples.append(Sample(f"{subject}-{i}", values, row[5].strip(), subject if len(files) > 1 else None))
    if not samples:
        raise UsageError("No questions there", detail=str(where))
    return Dataset(tuple(samples), "mmlu", by="subject")


def ifeval(path: str | Path) -> Dataset:
    """IFEval's prompts (`input_data.jsonl`): `{{ prompt }}`; what each instructs is in the rows."""
    samples = []
    for r in read(Path(path).expanduser()):
        wanted = [
            [name, {k: v for k, v in given.items() if v is not None}]
            for name, given in zip(r["instruction_id_list"], r["kwargs"], strict=True)
        ]
        samples.append(Sample(str(r["key"]), {"prompt": r["prompt"], "instructions": wanted}))
    return Dataset(tuple(samples), "ifeval")


def _require_column(row: dict[str, Any], name: str) -> Any:
    if name not in row:
        raise UsageError("The file is not of that set", detail=f"no column {name!r}; there are {', '.join(row)}"[:200])
    return row[name]
