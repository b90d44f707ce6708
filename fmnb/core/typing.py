"""What public functions accept, as types: models, tables, schemas, paths, and a schema's data.

Protocols describe objects of other libraries, so that none of them is imported. `Any` is used
only in this file, for two reasons: the parameters of another library's method, or data whose
shape only its user knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, TypeVar


class HasTarget(Protocol):
    """An `fm.Model`: it knows which model it calls."""

    @property
    def target(self) -> object:
        """The model that its name was resolved to."""


class Runnable(Protocol):
    """A LangChain runnable: a chat model, a chain, an agent."""

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        """One answer."""

    def stream(self, *args: Any, **kwargs: Any) -> Any:
        """An answer in pieces."""


class QueryEngine(Protocol):
    """A LlamaIndex query engine."""

    def query(self, *args: Any, **kwargs: Any) -> Any:
        """One answer."""

    def aquery(self, *args: Any, **kwargs: Any) -> Any:
        """One answer, awaited."""


class ChatEngine(Protocol):
    """A LlamaIndex chat engine."""

    def stream_chat(self, *args: Any, **kwargs: Any) -> Any:
        """An answer in pieces."""


class QueryIndex(Protocol):
    """A LlamaIndex index."""

    def as_query_engine(self, *args: Any, **kwargs: Any) -> Any:
        """The query engine over it."""


class DataFrame(Protocol):
    """A table with named columns: of pandas, polars, Arrow or DuckDB."""

    @property
    def columns(self) -> Any:
        """Its columns or their names."""

    def __getitem__(self, key: Any, /) -> Any:
        """A column by its name."""


class Series(Protocol):
    """A column with a name: of pandas or polars."""

    def to_frame(self, *args: Any, **kwargs: Any) -> Any:
        """The table with only this column."""


class ArrowStream(Protocol):
    """Whatever exports a table through Arrow's C stream.

    Source: Arrow PyCapsule interface, https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
    """

    def __arrow_c_stream__(self, *args: Any, **kwargs: Any) -> Any: ...


class HubDataset(Protocol):
    """A data set of Hugging Face's `datasets`."""

    @property
    def column_names(self) -> Any:
        """Names of its columns."""

    def to_list(self) -> Any:
        """Its rows as dicts."""


FrameT = TypeVar("FrameT", bound=DataFrame)

Record: TypeAlias = dict[str, Any]
"""One row of a table, or one JSON object, as a dict of its fields."""

ModelLike: TypeAlias = str | HasTarget | Callable[..., object] | Runnable | QueryEngine | ChatEngine | QueryIndex
"""A model: a name (`"openai:gpt-5-mini"`), an alias, an `fm.Model`, a function from string to string, or an object of LangChain or LlamaIndex."""

TableLike: TypeAlias = (
    str | Path | Sequence[str] | Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]] | DataFrame | Series | ArrowStream
)
"""A table in memory, or its path; a list of texts is a table with the column `text`."""


class SourceOfPassages(Protocol):
    """An `fm.Index`, or anything else that finds passages for a question (see `fmnb.core.sources.Source`)."""

    name: str

    def retrieve(self, question: str, *, limit: int = 8, model: ModelLike | None = None) -> object:
        """The passages for a question."""


SourceLike: TypeAlias = str | SourceOfPassages
"""A source of answers: the name of an index, or an object such as an `fm.Index`."""

SchemaLike: TypeAlias = str | Mapping[str, object] | type
"""Schema text (`"name, age int"`), a JSON schema, or a type: a dataclass, TypedDict, pydantic model, or `list[...]` of one."""

Format: TypeAlias = Literal["markdown", "text", "code", "json", "html", "math", "image"]
"""How an answer is used."""

Api: TypeAlias = Literal["", "chat", "responses", "native"]
"""The interface of a service; "" is the default."""

Quant: TypeAlias = Literal["", "none", "int8", "int4"]
"""The quantization of local weights; "" is the model's default."""

Dtype: TypeAlias = Literal["", "float32", "bfloat16", "float16"]
"""The number type of local weights; "" is the model's default."""
