"""Retrievers of LangChain and LlamaIndex as sources: `--with my_retriever`.

They are recognized by the module of their class, so neither library is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import CustomModelError
from ..core.sources import Passage, Retrieved, Source

_LIBRARIES = {"langchain_core": "BaseRetriever", "llama_index": "BaseRetriever"}


def retriever_source(value: Any, name: str) -> Source | None:
    """A retriever of another library as a source; None for anything else.

    >>> retriever_source("text", "x") is None
    True
    """
    for base in type(value).__mro__:
        library = base.__module__.partition(".")[0]
        if _LIBRARIES.get(library) == base.__name__:
            return _Retriever(value, name or type(value).__name__, library)
    return None


@dataclass
class _Retriever:
    """What it finds has the metadata of its library; `source`, `file_name` and `page` are read."""

    value: Any
    name: str
    library: str

    def retrieve(self, question: str, *, limit: int = 8, model: Any = None) -> Retrieved:
        """The passages for a question."""
        try:
            if self.library == "llama_index":
                found = [(n.get_content(), n.metadata, n.score) for n in self.value.retrieve(question)]
            else:
                found = [(d.page_content, d.metadata, None) for d in self.value.invoke(question)]
        except Exception as e:  # whatever the user's object raises
            raise CustomModelError(f"The retriever {self.name} failed", detail=f"{type(e).__name__}: {e}"[:300]) from e
        return Retrieved(tuple(self._passage(str(text), metadata, score) for text, metadata, score in found[:limit]))

    def _passage(self, text: str, metadata: Any, score: Any) -> Passage:
        facts: Mapping[str, Any] = metadata if isinstance(metadata, Mapping) else {}
        path = _first(facts, "source", "file_path", "file_name", "path")
        page = _first(facts, "page_label", "page", "page_number")
        return Passage(
            text=text,
            source=self.name,
            title=_first(facts, "title", "file_name") or path.replace("\\", "/").rpartition("/")[2],
            location=_first(facts, "location") or (f"page {page}" if page else ""),
            path=path,
            score=float(score) if isinstance(score, (int, float)) else None,
        )


def _first(facts: Mapping[str, Any], *names: str) -> str:
    return next((str(facts[n]) for n in names if facts.get(n) not in (None, "")), "")
