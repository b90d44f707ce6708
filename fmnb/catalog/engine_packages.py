"""The packages that each engine needs, known before its weights are downloaded."""

from __future__ import annotations

from importlib.util import find_spec

from . import weights

# engine -> packages, each with the extra that installs it
PACKAGES = {
    "gguf": (("xllamacpp", "local"),),
    "torch": (("torch", "torch"), ("transformers", "torch")),
    "vectors": (("tokenizers", "embed"), ("safetensors", "embed")),
    "diffusers": (("torch", "torch"), ("diffusers", "images")),
}


def install_engine(engine: str) -> str:
    """The command that installs what an engine lacks, or "".

    >>> PACKAGES["none"] = (("no_such_package", "local"),)
    >>> install_engine("none")
    '%pip install "fmnb[local]"'
    >>> del PACKAGES["none"]
    """
    missing = next((extra for package, extra in PACKAGES[engine] if not find_spec(package)), "")
    return f'%pip install "fmnb[{missing}]"' if missing else ""


def install_for(source: str) -> str:
    """The command that installs what weights will lack once they are here, or "".

    Args:
        source: The source of the weights, or a short name. "" is also returned where only the
            files tell which engine runs them.
    """
    row = weights.known_of(weights.parse(source))
    if row is not None and row.makes:
        return install_engine("vectors" if row.makes == "vector" else "diffusers")
    file = source if row is None else row.file or row.source
    if file.endswith(".gguf"):
        return "" if find_spec("torch") else install_engine("gguf")
    return install_engine("torch") if row is not None else ""
