// The log: a long list that renders only visible rows. The Python side is history.py.

const BLOCK = 50; // rows per message
const ROW = 58; // pixels
const TYPING = 250;
const FEEDBACK = { won: "✓ won", lost: "lost", tie: "= tie", bad: "✗ bad", voted: "voted", star: "★", edit: "✎ edited", accept: "accepted", comment: "comment" };
const VOTE_FILTERS = { any: "any feedback", won: "✓ won", lost: "lost", tie: "= tie", bad: "✗ all bad", star: "★ starred", edit: "✎ edited", accept: "accepted" };

function render({ model, el }) {
  const ctl = new AbortController();
  const { root, announce } = openRoot({ model, el }, "History", ctl.signal);
  root.dataset.readable = "yes";
  const about = () => model.get("about");

  // Filters
  const filter = about().filter;
  const sendFilter = () => (searchLater.off(), model.send({ do: "filter", filter: { query: query.value, model: by.value, kind: kind.value, vote: vote.value, cost: cost.value, days: days.value, here: here.checked } }));
  const searchLater = debounce(sendFilter, TYPING);
  const field = (label, input) => h("label.fm-field", {}, h("span.fm-label", {}, label), input);
  const choice = (now, options) => {
    const s = h("select", { onchange: sendFilter }, ...options.map(([value, text]) => h("option", { value }, text)));
    s.value = now ?? "";
    return s;
  };
  const text = (now, more) => {
    const input = h("input", { type: "text", oninput: searchLater, ...more });
    input.value = now ?? "";
    return input;
  };
  const query = text(filter.query, { type: "search", placeholder: "text of prompts and answers", dir: "auto" });
  const by = text(filter.model, { placeholder: "any", spellcheck: false });
  const kind = choice(filter.kind, [["", "any"], ...about().kinds.map(k => [k, k])]);
  const vote = choice(filter.vote, [["", "any"], ...about().votes.map(v => [v, VOTE_FILTERS[v] ?? v])]);
  const cost = text(filter.cost, { inputmode: "decimal", placeholder: "0.01" });
  const days = choice(filter.days ? String(filter.days) : "", [["", "any time"], ["1", "1 day"], ["7", "1 week"], ["30", "1 month"], ...(filter.days && ![1, 7, 30].includes(filter.days) ? [[String(filter.days), `${filter.days} days`]] : [])]);
  const here = h("input", { type: "checkbox", checked: filter.here, onchange: sendFilter });
  const search = h("div.fm-search", { role: "search", "aria-label": "Log filters" }, field("Search", query), field("Model", by), field("Kind", kind), field("Vote", vote),
    field("Minimum cost ($)", cost), field("Within", days), about().here && h("label.fm-tick", {}, here, h("span.fm-label", {}, "this notebook")));

  // The list
  const total = h("span.fm-note", { role: "status" });
  const fresh = h("button.fm-quiet", { hidden: true, onclick: () => ((fresh.hidden = true), sendFilter()) }, "New runs: refresh");
  const space = h("div.fm-space", { role: "rowgroup" });
  const list = h("div.fm-log", { role: "grid", tabindex: "0", "aria-label": "Runs, the newest first", "aria-readonly": "true" }, space);
  const nothing = h("p.fm-note", { hidden: true }, "");
  const ident = `fm-run-${Math.random().toString(36).slice(2, 8)}`;
  let rows = [], asked = new Set(), drawn = new Map(), at = 0, frame = 0, version = -1;
  const want = row => {
    const start = row - (row % BLOCK);
    if (asked.has(start)) return;
    asked.add(start);
    model.send({ do: "rows", start, version });
  };
  const when = t => {
    const d = new Date(t * 1000), today = new Date().toDateString() === d.toDateString();
    return today ? d.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : d.toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" });
  };
  const rowNode = i => {
    const r = rows[i];
    const node = h("div.fm-entry", { role: "row", id: `${ident}-${i}`, "aria-rowindex": String(i + 1), "aria-selected": String(i === at), style: `top:${i * ROW}px;height:${ROW}px`, onclick: () => (select(i), open(i)) });
    if (!r) return h("div.fm-entry", { role: "row", "aria-rowindex": String(i + 1), style: `top:${i * ROW}px;height:${ROW}px` }, h("span.fm-note", { role: "gridcell" }, "…"));
    node.classList.toggle("fm-open", r.run === model.get("opened").run);
    const date = new Date(r.when * 1000);
    node.append(
      h("div.fm-entry-head", {},
        h("time.fm-note", { role: "gridcell", datetime: date.toISOString(), title: date.toLocaleString() }, when(r.when)),
        h("strong", { role: "gridcell" }, r.model || "no model", r.kind !== "call" && h("span.fm-kind", {}, r.kind)),
        r.feedback.length > 0 && h("span.fm-feedback", { role: "gridcell" }, r.feedback.map(s => FEEDBACK[s] ?? s).join(", ")),
        r.state && h("span.fm-bad", { role: "gridcell" }, r.state),
        h("span.fm-note.fm-end", { role: "gridcell" }, r.facts)),
      h("div.fm-clip", { role: "gridcell", dir: "auto" }, r.prompt, r.text && h("span.fm-note", {}, ` → ${r.text}`)));
    return node;
  };
  const renderVisible = () => {
    frame = 0;
    const n = about().total;
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4);
    const last = Math.min(n - 1, Math.ceil((list.scrollTop + (list.clientHeight || 400)) / ROW) + 4);
    for (const [i, node] of drawn) if (i < first || i > last) (node.remove(), drawn.delete(i));
    for (let i = first; i <= last; i++) {
      if (drawn.has(i)) continue;
      want(i);
      const node = rowNode(i);
      const next = [...drawn.keys()].filter(k => k > i).sort((a, b) => a - b)[0];
      space.insertBefore(node, next === undefined ? null : drawn.get(next)); // DOM order is reading order
      drawn.set(i, node);
    }
    rows[at] && list.setAttribute("aria-activedescendant", `${ident}-${at}`);
  };
  const redraw = i => {
    const old = drawn.get(i);
    if (!old) return;
    const node = rowNode(i);
    old.replaceWith(node);
    drawn.set(i, node);
  };
  const select = i => {
    const before = at;
    at = Math.max(0, Math.min(about().total - 1, i));
    redraw(before);
    if (at * ROW < list.scrollTop) list.scrollTop = at * ROW;
    if ((at + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (at + 1) * ROW - list.clientHeight;
    renderVisible();
    redraw(at);
    list.setAttribute("aria-activedescendant", `${ident}-${at}`);
  };
  const open = i => rows[i] && model.send({ do: "open", run: rows[i].run });
  list.addEventListener("scroll", () => (frame ||= requestAnimationFrame(renderVisible)), { passive: true });
  list.addEventListener("keydown", e => {
    const page = Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: about().total - 1 }[e.key];
    if (to !== undefined) (e.preventDefault(), select(to));
    else if (e.key === "Enter" || e.key === " ") (e.preventDefault(), open(at));
    else if (e.key === "Escape" && model.get("opened").run) (e.preventDefault(), model.send({ do: "shut" }));
  });
  const drawList = () => {
    const a = about();
    if (a.version === version) return;
    version = a.version;
    rows = [];
    asked = new Set();
    drawn.forEach(node => node.remove());
    drawn = new Map();
    at = 0;
    fresh.hidden = true;
    space.style.height = `${a.total * ROW}px`;
    list.style.height = `min(${Math.max(1, a.total) * ROW + 2}px, 24em)`;
    list.setAttribute("aria-rowcount", String(a.total));
    list.removeAttribute("aria-activedescendant");
    list.hidden = !a.total;
    list.scrollTop = 0;
    total.textContent = a.total === 1 ? "1 run" : `${a.total.toLocaleString()} runs`;
    nothing.hidden = a.total > 0;
    nothing.textContent = a.on ? "Nothing in the log fits." : "The log is off: %fm log on.";
    a.total && renderVisible();
  };

  // The run that is open
  const place = h("div.fm-place", { hidden: true });
  const body = h("div.fm-opened-body", { tabindex: "0", role: "region", "aria-label": "The run that is open" });
  const cell = h("button.fm-quiet", { title: "The question in a cell below", onclick: () => model.send({ do: "cell", run: model.get("opened").run }) }, "Insert as a cell");
  const name = h("span.fm-note");
  const panel = h("section.fm-card.fm-opened", { hidden: true, "aria-label": "The run that is open" },
    h("header", {}, name, h("span.fm-push", {}, cell, h("button.fm-quiet", { onclick: () => (model.send({ do: "shut" }), list.focus()) }, "Close"))), body);
  let view = null;
  const drawOpened = async () => {
    const o = model.get("opened");
    view?.remove?.();
    view = null;
    panel.hidden = !o.run;
    drawn.forEach((_, i) => redraw(i));
    if (!o.run) return body.replaceChildren();
    name.textContent = `run ${o.run}`;
    cell.hidden = !o.cell;
    body.innerHTML = o.html; // made by fmnb.views
    announce("The run is shown below the list");
    if (!o.grid) return;
    try {
      const child = await model.widget_manager.get_model(o.grid.slice("IPY_MODEL_".length));
      const made = await model.widget_manager.create_view(child);
      if (model.get("opened").run !== o.run) return made.remove();
      view = made;
      body.replaceChildren(made.el);
      made.trigger?.("displayed");
    } catch {
      // the answers are shown as static HTML
    }
  };

  root.append(search, h("div.fm-row", {}, total, fresh), list, nothing, panel, place);
  const onMessage = async m => {
    if (m.do === "rows" && m.version === version) {
      m.rows.forEach((r, i) => (rows[m.start + i] = r));
      for (const i of drawn.keys()) if (i >= m.start && i < m.start + BLOCK) redraw(i);
      rows[at] && list.setAttribute("aria-activedescendant", `${ident}-${at}`);
    } else if (m.do === "feedback") {
      asked = new Set(); // the same rows, with new feedback on one
      for (const i of drawn.keys()) want(i);
    } else if (m.do === "stale") list.scrollTop < ROW && !model.get("opened").run && !list.contains(root.ownerDocument.activeElement) ? searchLater() : (fresh.hidden = false);
    else if (m.do === "insert") await insertCells(el, m.sources, announce, place);
  };
  const events = [["msg:custom", onMessage], ["change:about", drawList], ["change:opened", drawOpened]];
  events.forEach(([event, act]) => model.on(event, act));
  drawList();
  drawOpened();
  return () => {
    events.forEach(([event, act]) => model.off(event, act));
    searchLater.off();
    view?.remove?.();
    ctl.abort();
  };
}

export default { render };
