"""Runs the benchmarks and writes bench/RESULTS.md: ratios of one run, with the machine named.

    make bench            all of it (about 30 minutes on 2 cores; nothing else should run)
    python bench/run.py start calls gguf torch     only these (families and others: see SECTIONS)

Peers live in an environment of their own under .work, made on first use.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
PEERS = ROOT / ".work/peers"
PEER_PACKAGES = ["ipython", "openai[aiohttp]", "chatlas", "llm", "langchain-openai"]
ENV = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # as installed: with bytecode
ENV.setdefault("FMNB_MODELS", str(ROOT / ".models"))


def peers() -> str:
    """The peers' interpreter."""
    python = PEERS / "bin/python"
    if not python.exists():
        venv.create(PEERS, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEER_PACKAGES], check=True)
    return str(python)


def run(python: str, script: str, *args: str, env: dict[str, str] | None = None) -> str:
    """Standard output of a bench script."""
    done = subprocess.run([python, str(HERE / script), *args], capture_output=True, text=True, env={**ENV, **(env or {})}, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{script} {' '.join(args)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def start() -> str:
    """Load and first cell, each in fresh processes, interleaved with bare IPython."""
    kinds = [("bare", sys.executable), ("fmnb", sys.executable), ("cell", sys.executable), ("catalogue", sys.executable)]
    kinds += [(name, peers()) for name in ("openai", "llm", "chatlas", "langchain")]
    times: dict[str, list[float]] = {name: [] for name, _ in kinds}
    for n in range(21):
        for name, python in kinds:
            if n % 3 and python != sys.executable:
                continue  # peers: 7 of 21
            took = float(run(python, "one_start.py", name))
            if n:
                times[name].append(took)
    over = {
        name: statistics.median(t) - (0 if name in ("cell", "catalogue") else statistics.median(times["bare"])) for name, t in times.items()
    }
    spread = sorted(a - b for a, b in zip(times["fmnb"], times["bare"], strict=True))
    lines = ["| first thing a user runs | CPU ms | target |", "|---|---|---|"]
    lines.append(
        f"| `%load_ext fmnb`, over bare IPython (quartiles {spread[5]:.1f} to {spread[15]:.1f}) | {over['fmnb']:.1f} | at most 10 |"
    )
    lines.append(f"| first `%%fm echo:` after it | {over['cell']:.1f} | at most 50 |")
    lines.append(f"| first `fm.models()` after it, nothing asked: prices of every known model | {over['catalogue']:.0f} | |")
    lines += [
        f"| {label}, over bare IPython | {over[name]:.0f} | |"
        for name, label in (
            ("openai", "`import openai`"),
            ("llm", "`import llm`"),
            ("chatlas", "`import chatlas`"),
            ("langchain", "`from langchain_openai import ChatOpenAI`"),
        )
    ]
    return "\n".join(["## Start", "", "Medians over 20 fresh processes (peers 6), interleaved; `python bench/run.py start`.", "", *lines])


def calls() -> str:
    """One warm prompt, beside the raw client in the same process."""
    server = subprocess.Popen([sys.executable, str(HERE / "instant_server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin and server.stdout
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
    rows = []
    try:
        with tempfile.TemporaryDirectory() as home:
            for name, python in (
                ("raw", sys.executable),
                ("fmnb", sys.executable),
                ("llm", peers()),
                ("chatlas", peers()),
                ("langchain", peers()),
            ):
                found = json.loads(run(python, "one_call.py", name, url, "60", env={"FMNB_HOME": home}))
                rows.append((name, found))
            rows.insert(2, ("fmnb, in a kernel", _in_kernel(url, home)))
    finally:
        server.stdin.close()
        server.wait(5)
    names = {
        "raw": "raw client twice (noise)",
        "fmnb": "**`%%fm`**, whole cell with log, terminal",
        "fmnb, in a kernel": "**`%%fm`**, whole cell with log, kernel",
    }
    lines = [
        "| tool | short answer, ratio to the raw client | its ms | raw ms | 200 chunks, ratio to raw iteration | its ms | raw ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, f in rows:
        s, g = f["short"], f["long"]
        lines.append(
            f"| {names.get(name, name)} | {s['ratio']:.2f} | {s['tool_ms']:.2f} | {s['raw_ms']:.2f} | {g['ratio']:.2f} | {g['tool_ms']:.1f} | {g['raw_ms']:.1f} |"
        )
    return "\n".join(
        [
            "## One call",
            "",
            "CPU time, medians of 60 interleaved pairs in one process against an instant loopback server; `python bench/run.py calls`. "
            "Targets: `%%fm` at most 1.5 times the raw client and below every peer; the stream no more than the raw client's own iteration.",
            "",
            *lines,
        ]
    )


def _in_kernel(url: str, home: str) -> dict[str, dict[str, float]]:
    from jupyter_client.manager import KernelManager

    manager = KernelManager()
    manager.start_kernel(env={**ENV, "FMNB_HOME": home})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        out = Path(home) / "kernel.json"
        code = f"import sys, json; sys.path.insert(0, {str(HERE)!r}); import one_call\nopen({str(out)!r}, 'w').write(json.dumps(one_call.main('fmnb', {url!r}, 60)))"
        client.execute_interactive(code, timeout=300, output_hook=lambda _: None)
        return json.loads(out.read_text())
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def engine(script: str, title: str) -> str:
    """An engine's own bench, its JSON lines as a table."""
    lines = []
    for line in run(sys.executable, script).splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            first = next(iter(row))
            name = row.pop(first)
            lines.append(
                f"| {name} | "
                + ", ".join(
                    f"{k.replace('_', ' ')} {v:.3g}" if isinstance(v, float) else f"{k.replace('_', ' ')} {v}" for k, v in row.items()
                )
                + " |"
            )
    return "\n".join([f"## {title}", "", f"`python bench/{script}`", "", "| what | found |", "|---|---|", *lines])


def batch() -> str:
    """fm.map beside what people use for rows, on one loopback server, turn by turn; medians of three, of one where a run is long."""
    lines = [
        "## A prompt over a table",
        "",
        "`python bench/run.py batch`; times without imports, fmnb's with its log writes. Ideal: what the server alone would take.",
    ]
    labels = {
        "aiohttp": "raw aiohttp",
        "openai_aiohttp": "loop on `openai`, aiohttp transport",
        "openai": "loop on `openai`",
        "langchain": "LangChain `batch`",
    }
    labels |= {"chatlas": "chatlas `parallel_chat`", "raydata": "Ray Data by hand"}
    for latency, rows, times in ((0.02, 2_000, 3), (0.2, 2_000, 1), (0.02, 20_000, 1), (0.2, 20_000, 1)):
        found = _batches(["fmnb", *labels], latency, 0, rows, 32, times)
        ideal = rows * latency / 32
        lines += [
            "",
            f"{rows:,} rows, {latency * 1000:.0f} ms, 32 at once (ideal {ideal:.1f} s)",
            "",
            "| tool | seconds | CPU ms a row | most at once |",
            "|---|---|---|---|",
        ]
        lines += [f"| {labels.get(t, '`fm.map`')} | {r['seconds']:.2f} | {r['cpu_ms']:.2f} | {r['peak']} |" for t, r in found.items()]
        lines.append(f"| `fm.map` again: all found answered (target 2 s for 20,000) | {found['fmnb']['again']:.2f} | | |")
    for rows in (2_000, 20_000):
        ideal = rows * 0.02 / 64
        lines += [
            "",
            f"A hidden ceiling of 64 at once, more are refused; {rows:,} rows, 20 ms (ideal {ideal:.1f} s); fmnb is told nothing",
            "",
            "| tool | seconds | most at once | refused |",
            "|---|---|---|---|",
        ]
        found = _batches(["fmnb"], 0.02, 64, rows, 0, 1) | _batches([t for t in labels if t != "raydata"], 0.02, 64, rows, 32, 1)
        lines += [
            f"| {labels.get(t, '`fm.map`')}{'' if t == 'fmnb' else ', 32 at once'} | {r['seconds']:.1f} | {r['peak']} | {r['refused']} |"
            for t, r in found.items()
        ]
    return "\n".join(lines)


def _batches(tools: list[str], latency: float, ceiling: int, rows: int, at_once: int, times: int) -> dict[str, dict[str, float]]:
    """The run of median time of each tool."""
    env = {**ENV, "LATENCY": str(latency), "CEILING": str(ceiling)}
    server = subprocess.Popen([sys.executable, HERE / "batch_server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    assert server.stdout is not None and server.stdin is not None
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
    try:
        runs: dict[str, list[dict[str, float]]] = {t: [] for t in tools}
        for _ in range(times):
            for tool in tools:
                python = sys.executable if tool in ("fmnb", "raydata") else peers()
                runs[tool].append(json.loads(run(python, "batch.py", tool, url, str(rows), str(at_once)).splitlines()[-1]))
    finally:
        server.stdin.close()
        server.wait(10)
    return {t: sorted(r, key=lambda x: x["seconds"])[len(r) // 2] for t, r in runs.items()}


SECTIONS: dict[str, Callable[[], str]] = {
    "start": start,
    "calls": calls,
    "gguf": lambda: engine("engine_gguf.py", "The embedded model on llama.cpp"),
    "torch": lambda: engine("engine_torch.py", "The torch engine"),
    "rows": lambda: engine("engine_rows.py", "Many rows at once on the embedded model"),
    "families": lambda: engine("engine_families.py", "Families of models on the torch engine"),
    "compare": lambda: engine("side_by_side.py", "Comparing eight models at once (target 1.1 times the slowest alone)"),
    "grid": lambda: engine("grid_frames.py", "The comparison grid in Chromium"),
    "typing": lambda: engine("typing_prompts.py", "Typing in a prompt cell (target 1.1 times a Markdown cell)"),
    "batch": batch,
    "fair": lambda: engine("fair.py", "Services that publish their limits"),
    "evals": lambda: engine("evals.py", "An evaluation scored again, and its report"),
    "sql": lambda: engine("text_to_sql.py", "Questions over tables, answered by SQL (60 over three real schemas)"),
    "vectors": lambda: engine("vectors.py", "Vectors of texts, against sentence-transformers on the same weights (target 1.5 times)"),
    "numbers": lambda: engine("number_tracing.py", "Figures traced to tables and passages"),
}


def machine() -> str:
    """The machine, in words."""
    cpu, flags = platform.processor(), ""
    try:
        text = Path("/proc/cpuinfo").read_text()
        cpu = next(x.split(":")[1].strip() for x in text.splitlines() if x.startswith("model name"))
        have = next(x for x in text.splitlines() if x.startswith("flags")).split()
        flags = ", ".join(f for f in ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if f in have)
    except (OSError, StopIteration):
        pass
    load = ", ".join(f"{x:.2f}" for x in os.getloadavg())
    return f"{cpu} ({flags}), {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}; load averages at the start {load}."


def main(wanted: list[str]) -> None:
    path = HERE / "RESULTS.md"
    parts = _kept(path)
    for name in wanted or SECTIONS:
        stamp = f"*Measured {datetime.date.today()} on {machine()}*"
        parts[name] = f"{SECTIONS[name]()}\n\n{stamp}"
        print(parts[name], "\n", flush=True)
        _write(path, parts)  # a section that fails loses no other


def _write(path: Path, parts: dict[str, str]) -> None:
    head = "# Results\n\nRatios are of one run on one machine; times of another machine differ. `make bench` writes this page."
    path.write_text("\n\n".join([head, *(f"<!-- {n} -->\n{parts[n]}" for n in SECTIONS if n in parts)]) + "\n")


def _kept(path: Path) -> dict[str, str]:
    """The sections of an earlier run, by name."""
    if not path.exists():
        return {}
    pieces = path.read_text().split("<!-- ")[1:]
    return {p.split(" -->", 1)[0]: p.split(" -->", 1)[1].strip() for p in pieces}


if __name__ == "__main__":
    main(sys.argv[1:])
