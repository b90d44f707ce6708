"""A source of fmnb as a retriever of LangChain or LlamaIndex.

The classes are made when they are asked for, since their bases belong to libraries that fmnb does
not bring.
"""

from __future__ import annotations

from typing import Any

from ..core.optional import require
from ..core.sources import Passage, Source


def langchain_retriever(source: Source, limit: int) -> Any:
    """A LangChain `BaseRetriever` over a source. Needs langchain-core."""
    require("langchain_core", "", "to be a LangChain retriever", package="langchain-core")
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever

    class FmnbRetriever(BaseRetriever):  # type: ignore[misc]
        """A source of fmnb."""

        def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Any]:
            found = source.retrieve(query, limit=limit).passages
            return [Document(page_content=p.text, metadata=_metadata(p)) for p in found]

    return FmnbRetriever()


def llamaindex_retriever(source: Source, limit: int) -> Any:
    """A LlamaIndex `BaseRetriever` over a source. Needs llama-index-core."""
    require("llama_index.core", "", "to be a LlamaIndex retriever", package="llama-index-core")
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.schema import NodeWithScore, TextNode

    class FmnbRetriever(BaseRetriever):  # type: ignore[misc]
        """A source of fmnb."""

        def _retrieve(self, query_bundle: Any) -> list[Any]:
            found = source.retrieve(query_bundle.query_str, limit=limit).passages
            return [NodeWithScore(node=TextNode(text=p.text, metadata=_metadata(p)), score=p.score) for p in found]

    return FmnbRetriever()


def _metadata(passage: Passage) -> dict[str, Any]:
    """Where a passage comes from, under the names that these libraries use, and its columns."""
    facts = {
        "source": passage.path or passage.source,
        "title": passage.title,
        "location": passage.location,
        "headings": " > ".join(passage.headings),
        "time": passage.time,
    }
    return {**passage.details.get("columns", {}), **{n: v for n, v in facts.items() if v not in (None, "")}}
