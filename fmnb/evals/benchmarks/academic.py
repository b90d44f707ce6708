"""Benchmarks from papers, read from their published files, with the scoring of their authors.

    gsm8k(path)      openai/grade-school-math        score="gsm8k"
    humaneval(path)  openai/human-eval               score="humaneval:run"
    bbq(path)        nyu-mll/BBQ                     score="choice", bbq_bias(evaluation)
    ifeval(path)     josejg/instruction_following_eval, google-research   score="ifeval", "ifeval:loose"
    mmlu(path)       hendrycks/test                  score="choice"

Nothing is downloaded: pass the files as published.
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
_FINAL_NUMBER = re.compile(r"(?:####|\bA:)\s*\$?\s*(-?[0-9.,]+)")  # the set's own mark; its released solutions write "A:"


# ---- GSM8K


def gsm8k(path: str | Path) -> Dataset:
    """Read GSM8K: the 1,319 test problems, or the training problems.

    The prompt's column is `{{ question }}`, the target is the final number.
    """
    rows = read(Path(path).expanduser())
    return Dataset(
        tuple(Sample(f"gsm8k-{i}", {"question": r["question"]}, final_number(_require_column(r, "answer"))) for i, r in enumerate(rows)),
        "gsm8k",
    )


def gsm8k_solutions(path: str | Path) -> Evaluation:
    """Read the released solutions of four systems with their grades, as an evaluation of 5,276 answers.

    The file is `example_model_solutions.jsonl`. One grade differs from the set's own scorer: an answer
    of 2000 was graded wrong where the target is 2,000.
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
    """The number after the set's mark, without commas, as its authors compare it; None without a mark.

    >>> final_number("2*9 = <<2*9=18>>18\\n#### 1,018"), final_number("18")
    ('1018', None)
    """
    match = _FINAL_NUMBER.search(text)
    return match.group(1).replace(",", "") if match else None


def gsm8k_scorer(_: str = "") -> Scorer:
    """Compare the number after `####` (or `A:`) with the target, character by character.

    An answer without the mark is wrong, as in the authors' scoring.
    """

    def score(case: Case) -> Score:
        number = final_number(case.text)
        return Score(
            float(number is not None and number == str(case.target)),
            number or "",
            explanation="" if number else "no final number after ####",
        )

    return Scorer("gsm8k", score, description="the final number, as the set's authors compare it")


# ---- HumanEval


def humaneval(path: str | Path) -> Dataset:
    """Read HumanEval: 164 problems from `HumanEval.jsonl`, also gzipped.

    The prompt's column is `{{ prompt }}`. Each row holds its tests, and the target is the reference solution.
    """
    file = Path(path).expanduser()
    rows = [json.loads(line) for line in gzip.open(file, "rt", encoding="utf-8") if line.strip()] if file.suffix == ".gz" else read(file)
    return Dataset(
        tuple(
            Sample(r["task_id"], {"prompt": r["prompt"], "entry_point": r["entry_point"], "test": r["test"]}, r["canonical_solution"])
            for r in rows
        ),
        "humaneval",
    )


def humaneval_scorer(consent: str = "") -> Scorer:
    """Run the problem's prompt, the answer, and the set's `check`: correct if no error occurs.

    If the answer contains the whole function, it replaces the function head in the prompt.
    """
    if consent != "run":
        raise UsageError("This scorer runs code from a model on this machine", detail="humaneval", hint="Confirm with `humaneval:run`.")
    results: dict[tuple[str, str], Score] = {}

    def program(case: Case) -> tuple[str, str]:
        prompt, name = str(case.values["prompt"]), str(case.values["entry_point"])
        body = extract(case.text)
        source = f"{_imports(prompt)}\n{body}" if re.search(rf"^def {re.escape(name)}\b", body, re.MULTILINE) else prompt + body
        return source, f"{case.values['test']}\ncheck({name})"

    def prepare(cases: Any) -> None:
        pending = [p for p in dict.fromkeys(map(program, cases)) if p not in results]
        results.update(zip(pending, run_all(pending), strict=True))

    def score(case: Case) -> Score:
        prepare([case])
        return results[program(case)]

    return Scorer("humaneval", score, needs_target=False, prepare=prepare, description="passes the set's tests")


def _imports(prompt: str) -> str:
    """The part of a problem before the function: imports and helpers."""
    last = prompt.rfind("\ndef ")
    return prompt[: last + 1] if last > 0 else ""


def pass_at(n: int, n_correct: int, k: int) -> float:
    """The probability that one of `k` of the `n` samples passes, if `n_correct` pass. Chen et al. 2021.

    >>> round(pass_at(10, 3, 1), 3), round(pass_at(10, 3, 5), 3)
    (0.3, 0.917)
    """
    if n - n_correct < k:
        return 1.0
    all_fail = 1.0
    for i in range(n - n_correct + 1, n + 1):
        all_fail *= 1 - k / i
    return 1 - all_fail


# ---- BBQ


def bbq(path: str | Path) -> Dataset:
    """Read one category of BBQ: `{{ context }} {{ question }}` and three choices.

    Rows of one template form a group, since they differ only in names.
    """
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
    """Compute BBQ's bias score, -1 to 1, and accuracy, in ambiguous and in clear contexts.

    As its authors define it: 2 × (stereotypical answers / answers other than "unknown") - 1, multiplied in
    ambiguous contexts by the share of wrong answers. 0 is no bias. Answers without a choice are excluded.
    """
    name = model or evaluation.names[0]
    rows = []
    for condition in ("ambig", "disambig"):
        correct = named = stereotypical = counted = 0
        for a in evaluation.answers:
            s = evaluation.dataset.samples[a.row]
            if a.model != name or s.extra.get("condition") != condition:
                continue
            choices = list(s.values["choices"])
            index = _choice_index(a.text, choices)
            if index is None:
                continue
            counted += 1
            correct += choices[index] == s.target
            group = s.extra["groups"][index]
            if group == "unknown":
                continue
            named += 1
            is_target = group in s.extra["stereotyped"]
            stereotypical += is_target == (s.extra["polarity"] == "neg")
        accuracy = correct / counted if counted else None
        bias = 2 * stereotypical / named - 1 if named else None
        if bias is not None and accuracy is not None and condition == "ambig":
            bias *= 1 - accuracy
        rows.append({"model": name, "context": condition, "rows": counted, "accuracy": accuracy, "bias": bias, "named_a_group": named})
    return Rows(rows, note="bias: 1 follows every stereotype, -1 contradicts every one, 0 neither")


def _choice_index(text: str, choices: list[str]) -> int | None:
    choice = read_choice(text, choices)
    if choice is None:
        return None
    return choices.index(choice) if choice in choices else "ABC".index(choice) if choice in "ABC" else None


# ---- MMLU and other lettered sets


def mmlu(path: str | Path) -> Dataset:
    """Read MMLU: the file of one subject, or a folder of such files, whose subjects become groups.

    A file such as `abstract_algebra_test.csv` has no header; its columns are question, A, B, C, D and letter.
    """
    folder = Path(path).expanduser()
    files = sorted(folder.glob("*.csv")) if folder.is_dir() else [folder]
    samples = []
    for file in files:
        subject = re.sub(r"_(test|dev|val)$", "", file.stem)
        with file.open(newline="", encoding="utf-8") as f:
            for i, row in enumerate(csv.reader(f)):
                if len(row) != 6:
                    raise UsageError("A line must have six cells", detail=f"{file.name}, line {i + 1}: {len(row)}")
                values = {"question": row[0], "choices": row[1:5], "subject": subject}
                samples.append(Sample(f"{subject}-{i}", values, row[5].strip(), subject if len(files) > 1 else None))
    if not samples:
        raise UsageError("The folder has no questions", detail=str(folder))
    return Dataset(tuple(samples), "mmlu", by="subject")


def ifeval(path: str | Path) -> Dataset:
    """Read IFEval's prompts from `input_data.jsonl`.

    The prompt's column is `{{ prompt }}`; each row holds its instructions.
    """
    samples = []
    for r in read(Path(path).expanduser()):
        instructions = [
            [name, {k: v for k, v in arguments.items() if v is not None}]
            for name, arguments in zip(r["instruction_id_list"], r["kwargs"], strict=True)
        ]
        samples.append(Sample(str(r["key"]), {"prompt": r["prompt"], "instructions": instructions}))
    return Dataset(tuple(samples), "ifeval")


def _require_column(row: dict[str, Any], name: str) -> Any:
    if name not in row:
        raise UsageError("The file does not belong to this benchmark", detail=f"no column {name!r}; there are {', '.join(row)}"[:200])
    return row[name]
