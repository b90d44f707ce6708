// A comparison: columns that stream, then buttons to vote and to inspect. The Python side is grid.py.

const BLOCK = 25; // rows per message
const TALL = 12; // with more rows, only visible ones are rendered
const ROW = 220; // height of a row in a long list, in pixels

/** Streamed messages are stored with the model, since they may arrive before a view exists. */
function initialize({ model }) {
  if (model.get("about").phase !== "streaming") return;
  const state = { cells: [], views: new Set() };
  streams.set(keyOf(model.get("about")), state);
  const take = (at, news) => {
    const cell = (state.cells[at] ??= { n: 0, done: "" });
    if (news.n <= cell.n || (news.from && news.from !== cell.n)) return; // old, or a message was missed: the full state follows
    const fresh = news.from === 0;
    cell.done = fresh ? news.add : cell.done + news.add;
    Object.assign(cell, { n: news.n, tail: news.tail, status: news.status, state: news.state, end: news.end });
    state.views.forEach(view => view(at, fresh ? null : news.add));
  };
  model.on("msg:custom", m => m.do === "cells" && Object.entries(m.cells).forEach(([at, news]) => take(Number(at), news)));
  const whole = () => model.get("frame").forEach((news, at) => news.n && take(at, news));
  whole();
  model.on("change:frame", whole);
}
const streams = new Map(); // by the first run of a comparison
const keyOf = about => about.cells[0].run;

function render({ model, el }) {
  const ctl = new AbortController();
  const { root, announce } = openRoot({ model, el }, "Comparison of answers", ctl.signal);
  let close = () => {};
  const draw = () => {
    close();
    const about = model.get("about");
    if (!about.cells) return;
    close = about.phase === "streaming" ? drawStream({ model, root, announce, about }) : drawRest({ model, el, root, announce, about });
  };
  draw();
  model.on("change:about", draw);
  return () => {
    close();
    ctl.abort();
    model.off("change:about", draw);
  };
}

// While answers stream

function drawStream({ model, root, announce, about }) {
  const state = streams.get(keyOf(about)) ?? { cells: [], views: new Set() };
  const stop = at => {
    const runs = (at < 0 ? about.cells : [about.cells[at]]).map(c => c.run);
    if (!requestPage(root, { do: "stop", runs })) model.send({ do: "stop", at });
    announce(at < 0 ? "Stopping all" : `Stopping ${about.cells[at].title}`);
  };
  const parts = about.cells.map((cell, at) => {
    const done = h("div"), tail = h("div"), status = h("div.fm-status"), end = h("div");
    const button = h("button.fm-quiet.fm-stop", { "aria-label": `Stop ${cell.title}`, title: "Stop this answer", onclick: () => stop(at) }, "■");
    const dot = h("span.fm-dot", { "aria-hidden": "true" });
    const body = h("div.fm-answer.fm-stream", { tabindex: "0", role: "region", "aria-label": `Answer of ${cell.title}` }, done, tail);
    const box = h("section.fm-card", { "aria-label": cell.title, "aria-busy": "true" }, h("header", {}, dot, h("strong", {}, cell.title), button), status, body, end);
    return { box, done, tail, status, end, dot, button, body, state: "" };
  });
  const rows = about.rows.map((title, row) =>
    h("div", {}, title && h("p.fm-note", {}, title), h("div.fm-cols", {}, ...parts.filter((_, at) => about.cells[at].row === row).map(p => p.box)))
  );
  const all = h("button", { onclick: () => stop(-1) }, "■ Stop all", h("kbd", {}, "Esc"));
  const count = h("span.fm-note");
  const onKey = e => e.key === "Escape" && (e.preventDefault(), stop(-1));
  root.addEventListener("keydown", onKey);
  root.replaceChildren(h("div.fm-row", {}, count, h("span.fm-push", {}, all)), ...rows);

  let frame = 0;
  const pending = new Map();
  const paint = () => {
    frame = 0;
    for (const [at, adds] of pending) {
      const cell = state.cells[at], p = parts[at];
      const stick = p.body.scrollHeight - p.body.scrollTop - p.body.clientHeight < 40;
      if (adds === null) p.done.innerHTML = cell.done;
      else if (adds) p.done.insertAdjacentHTML("beforeend", adds);
      p.tail.innerHTML = cell.tail;
      p.status.innerHTML = cell.status;
      p.end.innerHTML = cell.end;
      if (stick) p.body.scrollTop = p.body.scrollHeight;
      if (cell.state !== p.state) {
        p.state = cell.state;
        p.dot.dataset.state = cell.state;
        const ended = ["finished", "failed", "stopped"].includes(cell.state);
        p.box.setAttribute("aria-busy", String(!ended));
        p.button.hidden = ended;
        cell.state !== "waiting" && announce(`${about.cells[at].title}: ${cell.state === "running" ? "started" : cell.state}`);
      }
    }
    pending.clear();
    const ended = parts.filter(p => ["finished", "failed", "stopped"].includes(p.state)).length;
    count.textContent = `${ended} of ${parts.length} answers finished`;
  };
  const view = (at, add) => {
    const before = pending.get(at);
    pending.set(at, add === null || before === null ? null : (before ?? "") + add);
    frame ||= requestAnimationFrame(paint);
  };
  state.views.add(view);
  state.cells.forEach((cell, at) => cell && view(at, null));
  paint();
  return () => {
    state.views.delete(view);
    cancelAnimationFrame(frame);
    root.removeEventListener("keydown", onKey);
  };
}

// After the last answer

const VIEWS = [["rendered", "Rendered"], ["raw", "Raw"], ["data", "Data"], ["diff", "Differences"]];

function drawRest({ model, el, root, announce, about }) {
  const viewState = (root.fmViewState ??= { view: about.panel, base: 0, at: 0, together: true });
  const send = (what, more = {}) => model.send({ do: what, ...more });
  const names = about.cells.map(c => c.title);
  const option = (name, at) => h("option", { value: String(at) }, name);

  // Voting
  const row = h("select", { "aria-label": "Vote on which row", onchange: () => ((viewState.row = Number(row.value)), drawVoting()) }, ...about.rows.map(option));
  viewState.row ??= 0;
  row.value = String(viewState.row);
  const voters = () => about.cells.map((c, at) => [c, at]).filter(([c]) => !about.by_row || c.row === viewState.row);
  const pressed = choice => {
    const { won = {}, votes = {} } = model.get("feedback");
    return typeof choice === "number" ? won[viewState.row] === choice : votes[viewState.row] === choice;
  };
  /** The same button again retracts the vote. */
  const vote = choice => (pressed(choice) ? send("undo", { row: viewState.row }) : send("vote", { choice, row: viewState.row }));
  const hint = key => model.get("single_keys") && h("kbd", { "aria-hidden": "true" }, key);
  const buttons = [];
  const voting = h("div.fm-row", { role: "group", "aria-label": "Which answer is best?" }, h("span.fm-label", {}, "Which is best?"));
  const drawVoting = () => {
    const voted = model.get("feedback").votes?.[viewState.row];
    const some = voters();
    const answered = some.filter(([c]) => !c.failed);
    buttons.length = 0;
    about.by_row && buttons.push(row);
    if (some.length <= 9) {
      some.forEach(([c, at], i) =>
        buttons.push(h("button", { "aria-pressed": String(pressed(at)), disabled: c.failed, title: c.failed ? "This answer failed" : undefined, onclick: () => vote(at) }, about.by_row ? c.column_title : c.title, hint(String(i + 1))))
      );
    } else {
      const which = h("select", { "aria-label": "Best answer" }, ...answered.map(([c, at]) => option(c.title, at)));
      buttons.push(which, h("button", { disabled: !answered.length, onclick: () => vote(Number(which.value)) }, "Vote"));
    }
    buttons.push(
      h("button", { "aria-pressed": String(voted === "tie"), disabled: answered.length < 2, onclick: () => vote("tie") }, "Tie", hint("0")),
      h("button", { "aria-pressed": String(voted === "bad"), disabled: !answered.length, onclick: () => vote("bad") }, some.length === 2 ? "Both bad" : "All bad", hint("b"))
    );
    voted && buttons.push(h("button.fm-quiet", { onclick: () => send("undo", { row: viewState.row }) }, "Retract the vote"));
    const focused = [...voting.children].indexOf(document.activeElement);
    voting.replaceChildren(voting.firstChild, ...buttons);
    focused > 0 && (voting.children[focused] ?? root).focus(); // keep the keyboard focus
    voting.hidden = !about.logged;
  };

  // Everything else is in one menu
  const editor = h("div.fm-edit", { hidden: true });
  const starred = at => Boolean(model.get("feedback").stars?.includes(at));
  const star = () => send("star", { at: viewState.at, on: !starred(viewState.at) });
  const edit = () => send("text", { at: viewState.at, why: "edit" });
  const nextSteps = [
    ["use", "Use this model", "Cells without a model name use it from now on"],
    ["chat", "Continue as a chat", "Start a conversation with this answer"],
    ["cell", "Prompt as a cell", "Insert this prompt with this model in a cell below"]
  ];
  const actions = () => {
    const at = viewState.at, keyed = key => (model.get("single_keys") ? key : undefined);
    return [
      ...(names.length > 9 ? [`Answer: ${names[at]}`] : ["Answer", ...names.map((name, i) => ({ label: name, checked: i === at, act: () => choose(i) }))]),
      null,
      about.logged && { label: starred(at) ? "Starred" : "Star", checked: starred(at), act: star, key: keyed("s") },
      about.logged && { label: model.get("feedback").edits?.[at] ? "Edit again" : "Edit", title: "Your text is stored as the reference for this answer", act: edit, key: keyed("e") },
      { label: "Copy", act: () => send("text", { at, why: "copy" }) },
      { label: "Insert as a cell", title: "Insert the answer in a cell below", act: () => send("answer", { at }) },
      ...nextSteps.map(([what, label, title]) => ({ label, title: about.hidden ? "Vote first: the name is hidden" : title, disabled: about.hidden, act: () => send(what, { at }) })),
      null,
      "Show answers",
      ...VIEWS.filter(([view]) => view !== "data" || about.data).map(([view, label]) => ({ label, checked: viewState.view === view, act: () => showView(viewState.view === view ? "" : view), key: view === "diff" ? keyed("d") : undefined })),
      { label: "Scroll together", checked: viewState.together, act: () => (viewState.together = !viewState.together) },
      null,
      about.logged && { label: model.get("feedback").comment ? "Edit the comment" : "Comment", act: showComment },
      { label: "Keyboard shortcuts", checked: model.get("single_keys"), title: "1 to 9, 0, b: vote; s: star; e: edit; d: differences; Esc: close. Only while this widget has the focus.",
        act: () => (model.set("single_keys", !model.get("single_keys")), send("keys", { on: model.get("single_keys") })) },
      about.line && { label: "Close", title: "Replace with a one-line summary", act: () => send("close") }
    ];
  };
  const menu = menuButton("More", "More for these answers", actions);
  const which = h("select", { "aria-label": "Selected answer", hidden: names.length <= 9, onchange: () => choose(Number(which.value)) }, ...names.map(option));
  const choose = at => {
    viewState.at = at;
    which.value = String(at);
    menu.redraw();
  };
  choose(Math.min(viewState.at, names.length - 1));
  const showField = (field, label, save) => {
    const end = keep => {
      keep && save(field.value);
      editor.hidden = true;
      menu.button.focus();
    };
    field.addEventListener("keydown", e => {
      if (e.key === "Escape") end(false);
      if (e.key === "Enter" && (field.tagName === "INPUT" || e.ctrlKey || e.metaKey)) end(true);
    });
    editor.replaceChildren(field, h("div.fm-row", {}, h("button.fm-main", { onclick: () => end(true) }, label), h("button", { onclick: () => end(false) }, "Cancel")));
    editor.hidden = false;
    field.focus();
  };
  const showEditor = text => {
    const at = viewState.at;
    const area = h("textarea", { rows: 6, "aria-label": `Edited answer of ${names[at]}`, dir: "auto" });
    area.value = text;
    showField(area, "Save the edit", value => send("edit", { at, text: value }));
  };
  const showComment = () => {
    const comment = h("input", { type: "text", size: 40, "aria-label": "Comment on the comparison", dir: "auto" });
    comment.value = model.get("feedback").comment ?? "";
    showField(comment, "Save the comment", value => (send("comment", { text: value }), announce("Comment saved")));
  };
  const notes = h("p.fm-note", {});
  const drawNotes = () => {
    const { stars = [], edits = {}, comment = "" } = model.get("feedback");
    const list = about.logged ? [...stars.map(at => `★ ${names[at]}`), ...Object.keys(edits).map(at => `✎ ${names[at]}`), comment && `“${comment}”`] : [];
    notes.textContent = list.filter(Boolean).join(" · ");
    notes.hidden = !notes.textContent;
    menu.redraw();
  };

  // Views
  const panel = openPanel({ model, about, names, viewState });
  const base = h("select", { "aria-label": "Compare with", onchange: () => ((viewState.base = Number(base.value)), showView("diff")) }, ...names.map(option));
  base.value = String(Math.min(viewState.base, names.length - 1));
  const from = h("label.fm-note", {}, "differences from ", base);
  const showView = view => {
    viewState.view = view;
    from.hidden = view !== "diff";
    menu.redraw();
    panel.show(view);
  };

  root.replaceChildren(h("div.fm-row.fm-actions", {}, voting, which, h("span.fm-push", {}, menu.node)), notes, editor, from, panel.node);
  root.tabIndex = 0;
  const drawFeedback = () => (drawVoting(), drawNotes());
  drawFeedback();
  showView(viewState.view);

  const onKey = e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches("textarea, select, input:not([type=checkbox])")) return;
    if (!model.get("single_keys") && e.key !== "Escape") return;
    const key = e.key.toLowerCase();
    const answered = voters().filter(([c]) => !c.failed).length;
    const acts = { 0: () => answered > 1 && vote("tie"), b: () => answered && vote("bad"), s: star, e: edit, d: () => showView(viewState.view === "diff" ? "" : "diff"),
      escape: () => (viewState.view && about.panel !== viewState.view ? showView(about.panel) : about.line && send("close")) };
    const nth = /^[1-9]$/.test(key) ? voters()[Number(key) - 1] : undefined;
    const act = nth ? () => nth[0].failed || vote(nth[1]) : acts[key];
    if (!act || (!about.logged && ["0", "b", "s", "e"].includes(key))) return;
    e.preventDefault();
    act();
  };
  root.addEventListener("keydown", onKey);
  const insert = async ({ source, cell }) => {
    if (requestPage(el, { do: "insert", source, cell })) return announce("A cell was inserted below");
    const copied = await copyText(source);
    editor.hidden = false;
    editor.replaceChildren(h("p.fm-note", {}, copied ? "Copied: paste this into a cell." : "Paste this into a cell:"), h("pre.fm-raw", { tabindex: "0" }, source));
  };
  const onMessage = async m => {
    if (m.do === "text" && m.why === "edit") showEditor(m.text);
    else if (m.do === "text") announce((await copyText(m.text)) ? "Copied" : "Copying is not permitted; select the text instead");
    else if (m.do === "rows") panel.take(m);
    else if (m.do === "announce") announce(m.text);
    else if (m.do === "insert") await insert(m);
    else if (m.do === "use") (requestPage(el, { do: "use", model: m.model }), announce(`${m.model} is the current model`));
    else if (m.do === "line") requestPage(el, m);
  };
  model.on("msg:custom", onMessage);
  model.on("change:feedback", drawFeedback);
  model.on("change:single_keys", drawFeedback);
  const unlink = linkAnswers(el, viewState);
  return () => {
    root.removeEventListener("keydown", onKey);
    model.off("msg:custom", onMessage);
    model.off("change:feedback", drawFeedback);
    model.off("change:single_keys", drawFeedback);
    unlink();
    menu.close(false);
  };
}

/** The answers in one of the views; a long list renders only visible rows. */
function openPanel({ model, about, names, viewState }) {
  const node = h("div.fm-panel", { hidden: true });
  const many = about.rows.length > TALL;
  let html = {}, asked = new Set(), parts = {}, drawn = "";
  const ask = row => {
    const start = row - (row % BLOCK);
    if (asked.has(start)) return;
    asked.add(start);
    model.send({ do: "rows", view: viewState.view, start, base_at: viewState.base });
  };
  const fill = at => {
    const part = parts[at];
    if (part && html[at] !== undefined) {
      part.innerHTML = html[at];
      part.removeAttribute("aria-busy");
    }
  };
  const cell = at => {
    const body = h("div.fm-answer.fm-view", { tabindex: "0", role: "region", "aria-label": `Answer of ${names[at]}`, "aria-busy": "true" }, h("span.fm-note", {}, "…"));
    parts[at] = body;
    body.addEventListener("scroll", () => scrollAll(Object.values(parts).filter(p => p.closest(".fm-cols") === body.closest(".fm-cols")), body, viewState));
    fill(at);
    return h("section.fm-card", many ? { role: "cell" } : { "aria-label": names[at] }, h("header", {}, h("strong", {}, names[at])), body);
  };
  const byRow = about.rows.map((_, row) => about.cells.map((c, at) => [c, at]).filter(([c]) => c.row === row).map(([, at]) => at));
  const rowOf = row => {
    ask(row);
    const title = about.rows[row];
    const cols = h("div.fm-cols", { role: many ? "presentation" : undefined }, ...byRow[row].map(cell));
    return many
      ? h("div.fm-line", { role: "row", "aria-rowindex": String(row + 1), style: `top:${row * ROW}px;height:${ROW}px` }, title && h("p.fm-note", { role: "rowheader" }, title), cols)
      : h("div", {}, title && h("p.fm-note", {}, title), cols);
  };
  const renderAll = () => node.replaceChildren(...about.rows.map((_, row) => rowOf(row)));
  const renderWindow = () => {
    const list = h("div.fm-window", { role: "table", tabindex: "0", "aria-label": "Answers", "aria-rowcount": String(about.rows.length) });
    const space = h("div", { role: "rowgroup", style: `position:relative;height:${about.rows.length * ROW}px` });
    list.append(space);
    const rows = new Map();
    let frame = 0;
    const renderVisible = () => {
      frame = 0;
      const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 2);
      const last = Math.min(about.rows.length - 1, Math.ceil((list.scrollTop + (list.clientHeight || 600)) / ROW) + 2);
      for (const [row, line] of rows) {
        if (row < first || row > last) {
          byRow[row].forEach(at => delete parts[at]);
          line.remove();
          rows.delete(row);
        }
      }
      for (let row = first; row <= last; row++) {
        if (rows.has(row)) continue;
        const line = rowOf(row);
        rows.set(row, line);
        const next = [...rows.keys()].filter(r => r > row).sort((a, b) => a - b)[0];
        space.insertBefore(line, next === undefined ? null : rows.get(next)); // DOM order is reading order
      }
    };
    list.addEventListener("scroll", () => (frame ||= requestAnimationFrame(renderVisible)), { passive: true });
    node.replaceChildren(list);
    renderVisible();
  };
  const show = view => {
    node.hidden = !view;
    const now = `${view} ${viewState.base}`;
    if (!view || now === drawn) return;
    drawn = now;
    html = {};
    asked = new Set();
    parts = {};
    many ? renderWindow() : renderAll();
  };
  const take = m => {
    if (m.view !== viewState.view || m.base_at !== viewState.base) return;
    for (const [at, text] of Object.entries(m.cells)) {
      html[at] = text;
      fill(at);
    }
  };
  return { node, show, take };
}

/** Bodies of one row scroll together, each to the same fraction of its height. */
function scrollAll(bodies, from, viewState) {
  if (!viewState.together || from.fmScrolling) return void (from.fmScrolling = false);
  const share = from.scrollTop / Math.max(1, from.scrollHeight - from.clientHeight);
  for (const body of bodies) {
    const to = share * (body.scrollHeight - body.clientHeight);
    if (body !== from && Math.abs(body.scrollTop - to) > 1) {
      body.fmScrolling = true;
      body.scrollTop = to;
    }
  }
}

/** The answers above, which are static HTML, also scroll together. */
function linkAnswers(el, viewState) {
  const area = el.closest(".jp-OutputArea, .output_area, .cell-output") ?? document;
  const listener = e => {
    const body = e.target;
    if (!(body instanceof HTMLElement) || !body.matches("[data-fmnb-grid] [tabindex]")) return;
    scrollAll([...body.closest("section").parentElement.querySelectorAll(":scope > section > [tabindex]")], body, viewState);
  };
  area.addEventListener("scroll", listener, { capture: true, passive: true });
  return () => area.removeEventListener("scroll", listener, { capture: true });
}

export default { initialize, render };
