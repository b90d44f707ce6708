"""Handlers for the tutorials that come with fmnb: list them, copy one into the user's folder.

A copy goes through the server's contents manager, which knows the root folder and its limits. It
never overwrites a file.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async

from . import schemas
from .base import Handler, RequestError, endpoint, run_in_thread

_PACKAGE = Path(__file__).parents[2]
_LINK = re.compile(r"\[([^\]\n]+)\]\((\w+\.ipynb)\)")  # to another tutorial
_PAGE = re.compile(r"\]\(\.\./docs/(\w+\.md(?:#[\w-]+)?)\)")  # of the documentation
_copying = asyncio.Lock()  # two copies at once would choose the same name


class TutorialsHandler(Handler):
    """`GET tutorials`; `POST tutorials/NAME` copies one."""

    @endpoint
    async def get(self, name: str = "") -> None:
        """The tutorials, in the order in which they are read."""
        if name:
            raise RequestError(405, "A tutorial is read as a copy")
        self.respond([{n: getattr(t, n) for n in t.__dataclass_fields__} for t in await run_in_thread(tutorials)])

    @endpoint
    async def post(self, name: str = "") -> None:
        """Copy a tutorial, and the files it needs, into `folder` of the server's root."""
        folder = self.json_body(folder=str)["folder"].strip("/")
        if name not in [t.name for t in await run_in_thread(tutorials)]:
            raise RequestError(404, "No such tutorial", repr(name)[:80])
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, "write", "contents")):
            raise RequestError(403, "You may not write files on this server")
        contents: Any = self.contents_manager
        if "\0" in folder or ".." in folder.split("/") or not await ensure_async(contents.dir_exists(folder)):
            raise RequestError(404, "No such folder", repr(folder)[:200])
        async with _copying:
            self.respond(await _copy(contents, name, folder))


def tutorials() -> list[schemas.Tutorial]:
    """The tutorials: name, title and what each is about."""
    return [_describe(path) for path in sorted(tutorials_folder().glob("*.ipynb"))]


def tutorials_folder() -> Path:
    """The folder of the tutorials: in the installed package, or in the checkout of an editable install."""
    installed = _PACKAGE / "tutorials"
    return installed if installed.is_dir() else _PACKAGE.parent / "notebooks"


def _describe(path: Path) -> schemas.Tutorial:
    """Title and first sentence of a notebook's first cell."""
    text = "".join(_read(path)["cells"][0]["source"])
    title, _, rest = text.partition("\n")
    sentence = re.split(r"(?<=[.?!])\s", rest.strip(), maxsplit=1)[0]
    return schemas.Tutorial(path.stem, title.lstrip("# "), re.sub(r"[`*]", "", sentence))


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


async def _copy(contents: Any, name: str, folder: str) -> schemas.TutorialCopy:
    source = tutorials_folder()
    content = await run_in_thread(lambda: _read(source / f"{name}.ipynb"))
    text = json.dumps(content)
    for file in sorted(source.iterdir()):  # tapes and tables that its cells name
        path = _join(folder, file.name)
        if file.is_file() and file.suffix != ".ipynb" and file.name in text and not await ensure_async(contents.file_exists(path)):
            data = base64.b64encode(await run_in_thread(file.read_bytes)).decode()  # as text, line ends would change
            await ensure_async(contents.save({"type": "file", "format": "base64", "content": data}, path))
    for cell in content["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = await _without_dead_links("".join(cell["source"]), contents, folder)
    path = _join(folder, await ensure_async(contents.increment_filename(f"{name}.ipynb", folder, insert="-")))
    await ensure_async(contents.save({"type": "notebook", "format": "json", "content": content}, path))
    return schemas.TutorialCopy(path)


async def _without_dead_links(text: str, contents: Any, folder: str) -> str:
    """Links to tutorials that are not in the folder as text: the launcher opens those.

    Pages of the documentation are on the web.
    """
    if pages := _documentation():
        text = _PAGE.sub(lambda link: f"]({pages}/{link[1]})", text)
    for label, target in set(_LINK.findall(text)):
        if not await ensure_async(contents.file_exists(_join(folder, target))):
            text = text.replace(f"[{label}]({target})", f"{label} (see the launcher)")
    return text


def _documentation() -> str:
    """The address of the documentation, from the package's metadata; "" if it has none."""
    found = [url.partition(", ")[2] for url in metadata("fmnb").get_all("Project-URL") or () if url.startswith("Documentation, ")]
    return found[0].rstrip("/") if found else ""


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
