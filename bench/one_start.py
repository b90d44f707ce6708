"""CPU time of a start, in a process of its own.

    python bench/one_start.py bare|fmnb|cell|catalogue|chatlas|llm|langchain|openai

`bare` makes an IPython shell; the others also do what a user of that tool does first. `cell`
counts the first `%%fm echo:` alone, in a shell that has loaded fmnb and what a kernel has
loaded anyway. Prints milliseconds.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import time

start = time.process_time()
from IPython.core.interactiveshell import InteractiveShell  # noqa: E402

shell = InteractiveShell.instance()
what = sys.argv[1]
os.environ["FMNB_HOME"] = tempfile.mkdtemp()
if what == "cell":
    import asyncio  # noqa: F401  a kernel, and a terminal's prompt, have these
    import concurrent.futures  # noqa: F401
    import sqlite3  # noqa: F401
    import ssl  # noqa: F401
    import subprocess  # noqa: F401

    shell.run_line_magic("load_ext", "fmnb")
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        shell.run_cell("%%fm echo:\nhello")
elif what == "catalogue":
    shell.run_line_magic("load_ext", "fmnb")
    import fmnb

    start = time.process_time()
    fmnb.models(ask=False)
elif what == "fmnb":
    shell.run_line_magic("load_ext", "fmnb")
elif what == "chatlas":
    import chatlas  # noqa: F401
elif what == "llm":
    import llm  # noqa: F401
elif what == "openai":
    import openai  # noqa: F401
elif what == "langchain":
    from langchain_openai import ChatOpenAI  # noqa: F401
print((time.process_time() - start) * 1000)
