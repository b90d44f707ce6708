"""What public functions accept, as types: models, tables, schemas, paths, and a schema's data.

Protocols describe objects of other libraries, so that none of them is imported. `Any` stands
in this file alone, and each time for one of two reasons: a method of another library whose
parameters are its own affair, or data that only its user knows the shape of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, TypeVar


class HasTarget(Protocol):
    """An `fm.Model`: it knows which model it stands for."""

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
        """The table with this column alone."""


class ArrowStream(Protocol):
    """Whatever exports a table through Arrow's C stream.

    Source: Arrow PyCapsule interface, https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
    """

    def __arrow_c_stream__(self, *args: Any, **kwargs: Any) -> Any: ...


Record: TypeAlias = dict[str, Any]  # one row, or one object of JSON, by its fields' names
FrameT = TypeVar("FrameT", bound=DataFrame)

# A name (`"openai:gpt-5-mini"`), an alias, an `fm.Model`, a function from text to text, an object of LangChain or LlamaIndex.
ModelLike: TypeAlias = str | HasTarget | Callable[..., object] | Runnable | QueryEngine | ChatEngine | QueryIndex

# A table in memory, or the path of one; a list of texts is a table with the column `text`.
TableLike: TypeAlias = (
    str | Path | Sequence[str] | Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]] | DataFrame | Series | ArrowStream
)

# Schema text (`"name, age int"`), a JSON schema, or a type: a dataclass, TypedDict, pydantic model, or `list[...]` of one.
SchemaLike: TypeAlias = str | Mapping[str, object] | type

Format: TypeAlias = Literal["markdown", "text", "code", "json", "html", "math", "image"]
Api: TypeAlias = Literal["", "chat", "responses", "native"]
Quant: TypeAlias = Literal["", "none", "int8", "int4"]
Dtype: TypeAlias = Literal["", "float32", "bfloat16", "float16"]
