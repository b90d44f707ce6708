"""Names to modules: public names, methods of higher rooms, engines, scorers.

Verbs are in `jupyter/magics/line.py`. The tables hold strings only, so that looking up a name imports nothing.
Deleting a row and its file removes the feature.
"""

from __future__ import annotations

import importlib
from typing import Any

PROTOCOL = 4  # between server, kernel and page; raised with every incompatible change

PUBLIC = {
    "ask": "fmnb.calls.model:ask",
    "aask": "fmnb.calls.model:aask",
    "stream": "fmnb.calls.model:stream",
    "embed": "fmnb.calls.embed:embed",
    "compare": "fmnb.comparison.compare:compare",
    "map": "fmnb.batch.map:map",
    "models": "fmnb.catalog.models:models",
    "log": "fmnb.store.log_query:log",
    "pull": "fmnb.calls.download:pull",
    "vote": "fmnb.comparison.feedback:vote",
    "feedback": "fmnb.comparison.feedback:feedback",
    "retract": "fmnb.comparison.feedback:retract",
    "accept": "fmnb.comparison.feedback:accept",
    "leaderboard": "fmnb.comparison.leaderboard:leaderboard",
    "import_feedback": "fmnb.evals.datasets.from_log:import_feedback",
    "evaluate": "fmnb.evals.evaluate:evaluate",
    "Dataset": "fmnb.evals.datasets.dataset:Dataset",
    "Evaluation": "fmnb.evals.evaluation:Evaluation",
    "check_numbers": "fmnb.data.numbers.check:check_numbers",
    "Judge": "fmnb.evals.scorers.judge:Judge",
    "Labeler": "fmnb.jupyter.widgets.labeler:Labeler",
    "Comparison": "fmnb.comparison.comparison:Comparison",
    "Model": "fmnb.calls.model:Model",
    "Index": "fmnb.data.index.index:Index",
    "Chat": "fmnb.chat.chat:Chat",
    "Prompt": "fmnb.prompts.prompt:Prompt",
    "Response": "fmnb.core.response:Response",
    "FmnbError": "fmnb.core.errors:FmnbError",
    "errors": "fmnb.core.errors",
    "schema": "fmnb.prompts.describe:schema",
    "Tables": "fmnb.data.sql.tables:Tables",
    "sql": "fmnb.data.sql.tables:sql",
    "source": "fmnb.data.sources.source:source",
    "web_source": "fmnb.data.sources.web:web_source",
    "Playground": "fmnb.jupyter.widgets.playground:Playground",
    "History": "fmnb.jupyter.widgets.history:History",
    "Interact": "fmnb.jupyter.widgets.interact:Interact",
}

# Methods of public classes that are implemented on a higher floor.
METHODS = {
    "Chat.widget": "fmnb.jupyter.widgets.chat:ChatWidget",
    "Comparison.widget": "fmnb.jupyter.widgets.grid:Grid",
    "Evaluation.report": "fmnb.jupyter.widgets.report:Report",
    "Index.as_langchain": "fmnb.integrations.retrievers:langchain_retriever",
    "Index.as_llamaindex": "fmnb.integrations.retrievers:llamaindex_retriever",
    "Model.as_langchain": "fmnb.integrations.langchain:langchain",
    "Model.as_llamaindex": "fmnb.integrations.llamaindex:llamaindex",
}

# engine name -> "module:function", called as function(path, full_name) -> Backend
ENGINES = {
    "gguf": "fmnb.engines.llamacpp.backend:backend",
    "torch": "fmnb.engines.torch.backend:backend",
    "vectors": "fmnb.engines.embedding.backend:backend",
    "diffusers": "fmnb.engines.diffusers.backend:backend",
}

# scorer name -> "module:function", called as function(text_after_the_colon) -> Scorer
SCORERS = {
    "exact": "fmnb.evals.scorers.text_match:exact",
    "normalized": "fmnb.evals.scorers.text_match:normalized",
    "contains": "fmnb.evals.scorers.text_match:contains",
    "starts": "fmnb.evals.scorers.text_match:starts",
    "regex": "fmnb.evals.scorers.text_match:regex",
    "f1": "fmnb.evals.scorers.text_match:f1",
    "numeric": "fmnb.evals.scorers.numeric:numeric",
    "json": "fmnb.evals.scorers.structured:json_scorer",
    "schema": "fmnb.evals.scorers.structured:schema",
    "choice": "fmnb.evals.scorers.choice:choice",
    "rouge": "fmnb.evals.scorers.overlap:rouge",
    "bleu": "fmnb.evals.scorers.overlap:bleu",
    "chrf": "fmnb.evals.scorers.overlap:chrf",
    "similarity": "fmnb.evals.scorers.similarity:similarity",
    "code": "fmnb.evals.scorers.code:code",
    "sql": "fmnb.evals.scorers.sql:sql",
    "judge": "fmnb.evals.scorers.judge:judge",
    "gsm8k": "fmnb.evals.benchmarks.academic:gsm8k_scorer",
    "humaneval": "fmnb.evals.benchmarks.academic:humaneval_scorer",
    "ifeval": "fmnb.evals.scorers.ifeval:ifeval",
    "ifeval_instructions": "fmnb.evals.scorers.ifeval:ifeval_instructions",
}


# what a higher room does for a call: "sources" opens what `--with` names, called as
# function(names_or_objects, notebook_variables) -> list of sources
OPENERS = {"sources": "fmnb.data.open_sources:open_sources"}


# checks of an answer against its sources: called as function(text, tables, passages)
CHECKERS = {"numbers": "fmnb.data.numbers.check:check_numbers"}


def load(ref: str) -> Any:
    """Import the object that a row names, or the module if it names no object.

    >>> load("fmnb.core.types:Usage").__name__
    'Usage'
    """
    module, _, name = ref.partition(":")
    found = importlib.import_module(module)
    return getattr(found, name) if name else found
