"""The better model that is offered below the embedded model's first answer is one click away."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

SERVER = """import http.server, json, os, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(json.dumps({"data": [{"id": "qwen3:8b"}]}).encode())
    def log_message(self, *args): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["OLLAMA_HOST"] = f"127.0.0.1:{server.server_port}"
"""


@pytest.mark.weights
def test_a_click_below_the_first_answer_uses_the_offered_model(notebook):
    nb = notebook(SERVER, "%%fm embedded --max-tokens 5\nHello")
    nb.run(1, 2)
    button = nb.cell(2).get_by_role("button", name="Use qwen3:8b")
    button.click()
    item = nb.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .fmnb-ToolbarItem")
    expect(item).to_contain_text("qwen3:8b")
    note = next(o for o in nb.saved()["cells"][2]["outputs"] if o.get("metadata", {}).get("fmnb", {}).get("kind") == "better-model")
    assert "`%fm use ollama:qwen3:8b`" in "".join(note["data"]["text/plain"]), "without the extension, the note says what to run"
