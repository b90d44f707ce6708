"""Which name lives where: public names, late methods, engines, scorers. The verbs have their own table, in `magics/line.py`.

Text alone, so that looking a name up imports nothing. Deleting a row and its file deletes
the feature.
"""

from __future__ import annotations

import importlib
from typing import Any

PROTOCOL = 2  # of server, kernel and page; raised with every change that another side would misread

PUBLIC = {
    "ask": "fmnb.model:ask",
    "aask": "fmnb.model:aask",
    "stream": "fmnb.model:stream",
    "embed": "fmnb.embedding:embed",
    "compare": "fmnb.comparison:compare",
    "map": "fmnb.batching.mapping:map",
    "models": "fmnb.listing:models",
    "log": "fmnb.log_query:log",
    "pull": "fmnb.pulling:pull",
    "vote": "fmnb.voting:vote",
    "unvote": "fmnb.voting:unvote",
    "unsay": "fmnb.voting:unsay",
    "signal": "fmnb.voting:signal",
    "accept": "fmnb.voting:accept",
    "leaderboard": "fmnb.ranking:leaderboard",
    "import_signals": "fmnb.evals.from_log:import_signals",
    "evaluate": "fmnb.evals.running:evaluate",
    "Dataset": "fmnb.evals.dataset:Dataset",
    "Evaluation": "fmnb.evals.evaluation:Evaluation",
    "Judge": "fmnb.evals.judge:Judge",
    "Labeller": "fmnb.widgets.labeller:Labeller",
    "Comparison": "fmnb.comparison:Comparison",
    "Model": "fmnb.model:Model",
    "Chat": "fmnb.chat:Chat",
    "Prompt": "fmnb.prompts:Prompt",
    "Response": "fmnb.types:Response",
    "FmnbError": "fmnb.errors:FmnbError",
    "schema": "fmnb.describe:schema",
    "Playground": "fmnb.widgets.playground:Playground",
    "History": "fmnb.widgets.history:History",
    "Interact": "fmnb.widgets.interact:Interact",
}

# Methods of public classes whose code stands on these classes, on a higher floor.
METHODS = {
    "Chat.widget": "fmnb.widgets.talk:Talk",
    "Comparison.widget": "fmnb.widgets.grid:Grid",
    "Evaluation.report": "fmnb.widgets.report:Report",
    "Model.as_langchain": "fmnb.bridges:langchain",
    "Model.as_llamaindex": "fmnb.bridges_llamaindex:llamaindex",
}

# engine name -> "module:function", called as function(path_of_the_weights, full_name) -> Backend
ENGINES = {
    "gguf": "fmnb.engines.llamacpp:backend",
    "torch": "fmnb.engines.torch_engine:backend",
    "vectors": "fmnb.engines.embedding:backend",
    "diffusers": "fmnb.engines.diffusers_engine:backend",
}

# scorer name -> "module:function", called as function(what_follows_the_colon) -> Scorer
SCORERS = {
    "exact": "fmnb.evals.scorers.wording:exact",
    "normalised": "fmnb.evals.scorers.wording:normalised",
    "contains": "fmnb.evals.scorers.wording:contains",
    "starts": "fmnb.evals.scorers.wording:starts",
    "regex": "fmnb.evals.scorers.wording:regex",
    "f1": "fmnb.evals.scorers.wording:f1",
    "numeric": "fmnb.evals.scorers.numbers:numeric",
    "json": "fmnb.evals.scorers.structure:json_scorer",
    "schema": "fmnb.evals.scorers.structure:schema",
    "choice": "fmnb.evals.scorers.choices:choice",
    "rouge": "fmnb.evals.scorers.overlap:rouge",
    "bleu": "fmnb.evals.scorers.overlap:bleu",
    "chrf": "fmnb.evals.scorers.overlap:chrf",
    "similarity": "fmnb.evals.scorers.similarity:similarity",
    "code": "fmnb.evals.scorers.code:code",
    "sql": "fmnb.evals.scorers.sql:sql",
    "judge": "fmnb.evals.judge:judge",
    "gsm8k": "fmnb.evals.academic:gsm8k_scorer",
    "humaneval": "fmnb.evals.academic:humaneval_scorer",
    "ifeval": "fmnb.evals.scorers.ifeval:ifeval",
    "ifeval_instructions": "fmnb.evals.scorers.ifeval:ifeval_instructions",
}


def load(ref: str) -> Any:
    """The object a row points to.

    >>> load("fmnb.types:Usage").__name__
    'Usage'
    """
    module, _, name = ref.partition(":")
    return getattr(importlib.import_module(module), name)
