// A conversation. The Python side is chat.py.

const TYPING = 400; // milliseconds without typing before the next turn is estimated

function render({ model, el }) {
  const ctl = new AbortController();
  const { root, announce } = openRoot({ model, el }, "Conversation", ctl.signal);
  root.dataset.readable = "yes";
  const answers = openAnswers(model, ctl.signal, announce, () => (drawBusy(), drawPending()));
  const turns = () => model.get("turns");
  const pending = () => turns().find(t => t.pending);
  const busy = () => Boolean(pending() && answers.busy(pending().run));
  let editing = -1;

  // Turns
  const rows = new Map(); // run -> its node, kept so that an answer that streams is not drawn anew
  const turnList = h("div.fm-turns", { role: "region", "aria-label": "Messages", tabindex: "0" });
  const empty = h("p.fm-note.fm-empty", {}, "No messages yet.");
  const turnNode = (t, i) => {
    const text = h("div.fm-quote", { dir: "auto" }, t.text);
    const name = `turn ${i + 1}`;
    const tools = h("div.fm-turn-tools");
    const userTurn = h("div.fm-user", {}, h("span.fm-hidden", {}, "You: "), text, t.attach.length > 0 && h("div.fm-chips", {}, ...t.attach.map(a => h("span.fm-chip", {}, a))), tools);
    const node = h("article.fm-turn", { "aria-label": name }, userTurn, answers.box(t.run, `Answer of ${name}`, { tall: true }));
    node.fm = { tools, userTurn, key: "" };
    return node;
  };
  const drawTools = (node, t, i) => {
    const key = JSON.stringify([t.branches, t.branch, t.pending, busy(), i, editing === i]);
    if (node.fm.key === key) return;
    node.fm.key = key;
    const { tools } = node.fm;
    const focused = tools.contains(root.ownerDocument.activeElement) ? root.ownerDocument.activeElement.dataset.what : "";
    const button = (what, text, title, act, more = {}) => h("button.fm-quiet", { "data-what": what, title, disabled: busy(), onclick: act, ...more }, text);
    tools.hidden = editing === i;
    const n = t.branches.length;
    const switcher = n > 1 && h("span.fm-branches", { role: "group", "aria-label": `Branches of turn ${i + 1}` },
      button("back", "‹", "Previous branch", () => model.send({ do: "switch", branch: t.branches[t.branch - 1] }), { "aria-label": "Previous branch", disabled: busy() || t.branch === 0 }),
      h("span.fm-note", {}, `${t.branch + 1} of ${n}`),
      button("on", "›", "Next branch", () => model.send({ do: "switch", branch: t.branches[t.branch + 1] }), { "aria-label": "Next branch", disabled: busy() || t.branch === n - 1 }));
    tools.replaceChildren(...[
      switcher,
      button("edit", "Edit", "Edit this message; debounce turns stay as a branch", () => edit(i), { "aria-label": `Edit turn ${i + 1}` }),
      button("again", "Retry", "Send the same message again; the new answer is a branch", () => model.send({ do: "again", turn: i }), { "aria-label": `Retry turn ${i + 1}` }),
      t.pending && button("dismiss", "Dismiss", "Return to the conversation before this turn", () => model.send({ do: "dismiss" }))
    ].filter(Boolean));
    focused && tools.querySelector(`[data-what="${focused}"]`)?.focus();
  };
  const drawTurns = () => {
    const list = turns();
    if (editing >= list.length) closeEdit();
    const stick = turnList.scrollHeight - turnList.scrollTop - turnList.clientHeight < 60;
    const nodes = list.map((t, i) => {
      const key = `${t.run} ${i}`;
      if (!rows.has(key)) rows.set(key, turnNode(t, i));
      return rows.get(key);
    });
    const same = nodes.length === turnList.children.length && nodes.every((n, i) => n === turnList.children[i]);
    if (!same) {
      for (const [key, node] of rows) nodes.includes(node) || rows.delete(key);
      turnList.replaceChildren(...nodes);
    }
    list.forEach((t, i) => drawTools(nodes[i], t, i));
    empty.hidden = list.length > 0;
    turnList.hidden = !list.length;
    if (stick || !same) turnList.scrollTop = turnList.scrollHeight;
    drawBusy();
  };
  const drawPending = () => turns().forEach((t, i) => turnList.children[i] && drawTools(turnList.children[i], t, i));
  const follow = new ResizeObserver(() => busy() && turnList.scrollHeight - turnList.scrollTop - turnList.clientHeight < 160 && (turnList.scrollTop = turnList.scrollHeight));

  // Writing
  const composer = ({ text = "", attach = [], label, main, act, cancel, turn }) => {
    const area = h("textarea", { rows: 3, dir: "auto", "aria-label": label, placeholder: "{{ name }} inserts a value from the notebook" });
    area.value = text;
    let items = [...attach];
    const estimate = h("span.fm-note"), bad = h("p.fm-error", { hidden: true, role: "status" });
    const chips = h("div.fm-chips", { hidden: true });
    const requestEstimate = debounce(() => model.send({ do: "draft", text: area.value, attach: items, turn }), TYPING);
    const drawChips = () => {
      chips.hidden = !items.length;
      chips.replaceChildren(...items.map(item => h("span.fm-chip", { title: known.get(item) }, item,
        h("button.fm-quiet", { "aria-label": `Remove ${item}`, onclick: () => ((items = items.filter(i => i !== item)), drawChips(), requestEstimate(), area.focus()) }, "×"))));
    };
    const known = new Map();
    const go = () => {
      if (!area.value.trim() || send.disabled) return;
      requestEstimate.off();
      estimate.textContent = "";
      act(area.value, items);
    };
    const send = h("button.fm-main", { onclick: go, title: "Shift+Enter" }, main, h("kbd", { "aria-hidden": "true" }, "⇧ ⏎"));
    const menu = attachMenu({ model, add: item => model.send({ do: "attach", item }) });
    area.addEventListener("input", requestEstimate);
    area.addEventListener("keydown", e => {
      if (e.key === "Enter" && (e.shiftKey || e.ctrlKey || e.metaKey)) (e.preventDefault(), go());
      if (e.key === "Escape" && cancel) (e.preventDefault(), e.stopPropagation(), cancel());
    });
    const node = h("div.fm-compose", {}, area, chips,
      h("div.fm-row", {}, send, cancel && h("button", { onclick: cancel }, "Cancel"), menu.button, h("span.fm-push", {}, estimate)), menu.node, bad);
    const take = m => {
      if (m.do === "attached" && menu.open()) {
        known.set(m.item, m.what);
        items.includes(m.item) || items.push(m.item);
        drawChips();
        menu.close();
        announce(`${m.item} is attached: ${m.what}`);
        requestEstimate();
        area.focus();
      } else if (m.do === "weight" && node.contains(root.ownerDocument.activeElement)) {
        bad.textContent = m.problem ?? "";
        bad.hidden = !m.problem;
        estimate.textContent = [m.tokens && `${m.tokens} including the conversation`, m.price, m.waiting && `${m.waiting}: called when you send`].filter(Boolean).join(" · ");
        estimate.title = m.how ?? "";
      } else if (m.do === "attachables") menu.take(m);
    };
    model.on("msg:custom", take);
    drawChips();
    return { node, area, send, clear: text => area.value === text && ((area.value = ""), (items = []), drawChips(), (bad.hidden = true)), off: () => (requestEstimate.off(), model.off("msg:custom", take)) };
  };
  let editor = null;
  const closeEdit = () => {
    const was = editing;
    editor?.off();
    editor?.node.remove();
    editor = null;
    editing = -1;
    [...turnList.children].forEach(node => node.fm.userTurn.classList.remove("fm-editing"));
    drawPending();
    turnList.children[was]?.querySelector('[data-what="edit"]')?.focus();
  };
  const edit = i => {
    if (editor) closeEdit();
    editing = i;
    const t = turns()[i];
    const node = turnList.children[i];
    editor = composer({ text: t.text, attach: t.attach, label: `New text of turn ${i + 1}`, main: "Send again", turn: i, cancel: closeEdit,
      act: (text, attach) => model.send({ do: "edit", turn: i, text, attach }) });
    node.fm.userTurn.classList.add("fm-editing");
    drawPending();
    node.fm.userTurn.append(editor.node);
    editor.area.focus();
  };
  const write = composer({ label: "Your message", main: "Send", act: (text, attach) => model.send({ do: "send", text, attach }) });
  const stop = h("button", { hidden: true, onclick: () => (stopRun(el, model, pending()?.run), announce("Stopping")) }, "■ Stop");
  write.send.after(stop);
  const drawBusy = () => {
    stop.hidden = !busy();
    write.send.disabled = busy();
    if (editor) editor.send.disabled = busy();
  };

  // Header and export
  const picker = modelPicker({ model, signal: ctl.signal, value: model.get("about").model, changed: name => model.send({ do: "model", name }) });
  const place = h("div.fm-place", { hidden: true });
  const path = h("input.fm-mono", { type: "text", placeholder: "chat.md or chat.json", size: 22, "aria-label": "File for the conversation" });
  const toFile = () => path.value.trim() && model.send({ do: "export", path: path.value });
  path.addEventListener("keydown", e => e.key === "Enter" && toFile());
  const more = h("details", {}, h("summary", {}, h("span.fm-label", {}, "Export")),
    h("div.fm-row", {}, h("button", { onclick: () => model.send({ do: "cells" }), title: "One %%fm --chat cell for each turn" }, "As cells"), path, h("button", { onclick: toFile }, "Save")));
  const title = h("span.fm-label"), system = h("p.fm-note.fm-system", { dir: "auto" });
  const drawAbout = () => {
    const about = model.get("about");
    title.textContent = about.name ? `Conversation ${about.name}` : "Conversation";
    system.textContent = about.system;
    system.hidden = !about.system;
    if (root.ownerDocument.activeElement !== picker.input) picker.set(about.model);
  };
  root.append(h("div.fm-head", {}, title, picker.node), system, empty, turnList, write.node, more, place);
  root.addEventListener("keydown", e => e.key === "Escape" && !stop.hidden && (e.preventDefault(), stop.click()));
  const onMessage = async m => {
    if (m.do === "insert") await insertCells(el, m.sources, announce, place);
    else if (m.do === "taken") (write.clear(m.text), editor?.area.value === m.text && closeEdit()); // until then the text stays
    else if (m.do === "announce") (announce(m.text), (place.hidden = false), place.replaceChildren(h("p.fm-note", {}, m.text)));
  };
  const events = [["msg:custom", onMessage], ["change:turns", drawTurns], ["change:about", drawAbout]];
  events.forEach(([name, act]) => model.on(name, act));
  follow.observe(turnList);
  drawAbout();
  drawTurns();
  return () => {
    events.forEach(([name, act]) => model.off(name, act));
    write.off();
    editor?.off();
    follow.disconnect();
    ctl.abort();
  };
}

/** Attachments: values of the notebook as buttons, and a field for a path. */
function attachMenu({ model, add }) {
  const values = h("div.fm-row"), files = h("datalist", { id: `fm-files-${Math.random().toString(36).slice(2, 8)}` });
  const path = h("input.fm-mono", { type: "text", placeholder: "path of a file", "aria-label": "Path of a file to attach", size: 22 });
  path.setAttribute("list", files.id);
  const addPath = () => path.value.trim() && add(path.value.trim());
  path.addEventListener("keydown", e => e.key === "Enter" && (e.preventDefault(), addPath()));
  const node = h("div.fm-attach", { hidden: true, role: "group", "aria-label": "Attach" }, values, h("div.fm-row", {}, path, files, h("button", { onclick: addPath }, "Attach the file")));
  const button = h("button.fm-quiet", { "aria-expanded": "false", onclick: () => toggle(node.hidden) }, "Attach…");
  const toggle = open => {
    node.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    open && model.send({ do: "attachables" });
  };
  node.addEventListener("keydown", e => e.key === "Escape" && (e.preventDefault(), e.stopPropagation(), toggle(false), button.focus()));
  const take = m => {
    if (node.hidden) return;
    values.replaceChildren(...(m.values.length ? m.values.map(v => h("button", { onclick: () => add(v.name) }, h("span.fm-mono", {}, v.name), h("span.fm-note", {}, ` ${v.what}`)))
      : [h("span.fm-note", {}, "No variable holds a table, figure or image.")]));
    files.replaceChildren(...m.files.map(name => h("option", { value: name })));
  };
  return { node, button, take, open: () => !node.hidden, close: () => (toggle(false), (path.value = "")) };
}

export default { render };
