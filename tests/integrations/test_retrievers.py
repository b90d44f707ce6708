"""An index as a retriever of other libraries, and their retrievers as sources."""

from __future__ import annotations

from pathlib import Path

import pytest

import fmnb as fm
from fmnb.core.errors import CustomModelError

pytest.importorskip("langchain_core")
pytest.importorskip("llama_index.core")


@pytest.fixture
def kb(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("leave.md").write_text("# Leave\n\nContractors give thirty days' notice.\n")
    with fm.Index("kb", embedder="none") as index:
        index.add("leave.md")
        yield index


def test_an_index_is_a_retriever_of_langchain(kb):
    retriever = kb.as_langchain(3)
    (document,) = retriever.invoke("notice of contractors")
    assert document.page_content == "Contractors give thirty days' notice."
    assert document.metadata["source"] == "leave.md" and document.metadata["location"] == "line 3"
    chain = retriever | (lambda found: found[0].metadata["headings"])
    assert chain.invoke("notice of contractors") == "Leave"


def test_an_index_is_a_retriever_of_llamaindex(kb):
    (node,) = kb.as_llamaindex().retrieve("notice of contractors")
    assert node.get_content().startswith("Contractors give") and node.metadata["source"] == "leave.md" and node.score > 0


def test_a_retriever_of_langchain_is_a_source():
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever

    class Mine(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager=None):
            if "fail" in query:
                raise RuntimeError("no server")
            return [Document(page_content=f"About {query}: 30 days.", metadata={"source": "docs/a.pdf", "page": 4})] * 20

    answer = fm.ask("notice", lambda prompt: "30 days [1].", sources=Mine())
    assert answer.sources[1].title == "a.pdf" and answer.sources[1].location == "page 4" and len(answer.sources) == 8
    with pytest.raises(CustomModelError, match="The retriever Mine failed"):
        fm.ask("fail", "echo:", sources=Mine())


def test_a_retriever_of_llamaindex_is_a_source():
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.schema import NodeWithScore, TextNode

    class Mine(BaseRetriever):
        def _retrieve(self, query_bundle):
            return [NodeWithScore(node=TextNode(text="Thirty days.", metadata={"file_name": "a.pdf", "page_label": "2"}), score=0.5)]

    answer = fm.ask("notice", lambda prompt: "Thirty days [1].", sources=[Mine()])
    assert (answer.sources[1].title, answer.sources[1].location) == ("a.pdf", "page 2")


def test_what_goes_out_as_a_retriever_comes_back_as_a_source(kb):
    for retriever in (kb.as_langchain(), kb.as_llamaindex()):
        answer = fm.ask("notice of contractors", lambda prompt: "Thirty days [1].", sources=retriever)
        assert answer.sources[1].text == "Contractors give thirty days' notice." and answer.sources[1].location == "line 3"
