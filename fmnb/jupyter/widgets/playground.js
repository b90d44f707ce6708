// A prompt, a model and its parameters to try. The Python side is playground.py.

const TYPING = 300; // milliseconds without typing before the fields are sent to the kernel
const NAMES = { temperature: "Temperature", max_tokens: "Max tokens", seed: "Seed", stop: "Stop sequences (one per line)", format: "Format", schema: "Schema",
  api: "Interface", quant: "Quantization", dtype: "Data type" };

function render({ model, el }) {
  const ctl = new AbortController();
  const { root, announce, disconnected } = openRoot({ model, el }, "Playground", ctl.signal);
  root.dataset.readable = "yes";
  const shown = () => model.get("shown");
  const attempt = run => model.get("attempts").find(a => a.run === run);
  const answers = openAnswers(model, ctl.signal, announce, () => drawBusy());
  let params = {}, version = -1, draft = null, changedSince = false, diff = "";

  // The fields
  const typed = () => {
    changedSince = true;
    back.hidden = true;
    sendDraft();
  };
  const picker = modelPicker({ model, signal: ctl.signal, value: "", changed: () => (typed(), sendDraft.now()) });
  const area = (rows, more) => h("textarea", { rows, dir: "auto", oninput: typed, ...more });
  const system = area(2, { placeholder: "Instructions for the model (optional)" });
  const prompt = area(5, { placeholder: "The prompt; {{ name }} inserts a value from the notebook" });
  const raw = area(2, { placeholder: "top_p=0.9" });
  raw.classList.add("fm-mono");
  const paramBox = h("div.fm-params");
  const paramCount = h("span.fm-note");
  const read = () => ({ model: picker.get(), system: system.value, prompt: prompt.value, raw: raw.value, params });
  const sendDraft = debounce(() => model.send({ do: "draft", form: read() }), TYPING);
  ctl.signal.addEventListener("abort", () => (disconnected() ? sendDraft.off() : sendDraft.now()));
  const label = (text, input) => h("label.fm-field", {}, h("span.fm-label", {}, text), input);

  const drawParams = () => {
    const focus = root.ownerDocument.activeElement?.dataset?.param;
    const fields = model.get("fields").map(f => {
      const set = input => {
        input.value = params[f.name] ?? "";
        input.dataset.param = f.name;
        input.addEventListener(f.kind === "choice" ? "change" : "input", () => ((params = { ...params, [f.name]: input.value }), drawCount(), typed()));
        return input;
      };
      if (f.kind === "choice") {
        const usual = f.name === "format" ? f.choices[0] : "";
        return label(NAMES[f.name] ?? f.name, set(h("select", {}, h("option", { value: "" }, usual || "default"), ...f.choices.filter(c => c && c !== usual).map(c => h("option", { value: c }, c)))));
      }
      if (f.kind === "texts") return label(NAMES[f.name], set(h("textarea", { rows: 1 })));
      const number = f.kind !== "text";
      const input = h("input", { type: "text", inputmode: number ? (f.kind === "whole" ? "numeric" : "decimal") : undefined, dir: "auto",
        placeholder: f.name === "schema" ? "name, score float" : f.minimum !== null && f.maximum !== null ? `${f.minimum} to ${f.maximum}` : "default" });
      return label(NAMES[f.name] ?? f.name, set(input));
    });
    paramBox.replaceChildren(...fields, label("Raw parameters (one per line)", raw));
    focus && paramBox.querySelector(`[data-param="${focus}"]`)?.focus();
    drawCount();
  };
  const drawCount = () => {
    const taken = new Set(model.get("fields").map(f => f.name));
    const set = Object.entries(params).filter(([n, v]) => v !== "" && taken.has(n)).map(([n, v]) => `${(NAMES[n] ?? n).toLowerCase().replace(/ \(.*/, "")} ${v.replaceAll("\n", ", ")}`);
    raw.value.trim() && set.push("raw");
    paramCount.textContent = set.join(", ") || "default";
  };
  const drawForm = () => {
    const form = model.get("form");
    if (form.v === version) return; // it was sent from here
    version = form.v;
    picker.set(form.model);
    [system.value, prompt.value, raw.value] = [form.system, form.prompt, form.raw];
    params = { ...form.params };
    moreSystem.open ||= Boolean(form.system);
    changedSince = false;
    drawParams();
  };

  // Estimate and actions
  const estimate = h("p.fm-note.fm-estimate");
  const bad = h("p.fm-error", { hidden: true, role: "status" });
  const run = h("button.fm-main", { onclick: () => go(), title: "Ctrl+Enter" }, "Run", h("kbd", { "aria-hidden": "true" }, "Ctrl ⏎"));
  const stop = h("button", { hidden: true, onclick: () => (stopRun(el, model, shown().run), announce("Stopping")) }, "■ Stop");
  const place = h("div.fm-place", { hidden: true });
  const back = h("button.fm-quiet", { hidden: true, onclick: () => restoreDraft() }, "Restore my draft");
  const go = () => {
    sendDraft.off();
    diff = "";
    changedSince = false;
    model.send({ do: "run", form: read() });
  };
  const restoreDraft = () => {
    [system.value, prompt.value, raw.value, params] = [draft.system, draft.prompt, draft.raw, draft.params];
    picker.set(draft.model);
    back.hidden = true;
    drawParams();
    model.send({ do: "draft", form: read() });
    changedSince = true;
    prompt.focus();
  };
  const restore = which => {
    if (changedSince && prompt.value.trim()) draft = read();
    const offer = changedSince && Boolean(draft);
    sendDraft.off();
    diff = "";
    model.send({ do: "restore", run: which });
    back.hidden = !offer;
  };
  const moreSystem = h("details", {}, h("summary", {}, h("span.fm-label", {}, "System prompt")), system);
  system.setAttribute("aria-label", "System prompt");
  const form = h("section.fm-form", { "aria-label": "Prompt and parameters" }, picker.node, moreSystem, label("Prompt", prompt), estimate,
    h("details", {}, h("summary", {}, h("span.fm-label", {}, "Parameters "), paramCount), paramBox),
    h("div.fm-row", {}, run, stop,
      h("button.fm-quiet", { title: "Render the prompt and show what would be sent", onclick: () => (sendDraft.off(), model.send({ do: "preview", form: read() })) }, "Preview"),
      h("button.fm-quiet", { title: "Insert the %%fm cell for this request", onclick: () => (sendDraft.off(), model.send({ do: "cell", form: read() })) }, "As a cell")),
    back, bad, place);

  // Attempts
  const list = h("ol.fm-attempts", { "aria-label": "Attempts" });
  const cards = h("div.fm-cols");
  const differ = h("button.fm-quiet", { onclick: () => (diff ? ((diff = ""), drawCards()) : model.send({ do: "diff" })) }, "Differences");
  const tools = h("div.fm-row", { hidden: true }, differ);
  const empty = h("p.fm-note.fm-empty", {}, "Answers appear here. Every attempt is kept; click one to restore it.");
  const out = h("section.fm-attempt-list", { "aria-label": "Attempts and answers" }, list, tools, empty, cards);
  const drawList = () => {
    const focus = root.ownerDocument.activeElement?.dataset?.run;
    const { run: at, pinned } = shown();
    list.replaceChildren(...model.get("attempts").map(a =>
      h("li", {},
        h("button.fm-attempt", { "aria-pressed": String(a.run === at), onclick: () => restore(a.run), "data-run": a.run, title: a.prompt },
          h("strong", {}, a.label), a.params && h("span.fm-note", {}, a.params), h("span.fm-clip", {}, a.prompt), h("span.fm-note.fm-end", {}, a.note)),
        h("button.fm-quiet", { "aria-pressed": String(a.run === pinned), "aria-label": `Pin attempt ${a.label}`, title: "Keep it for comparison", onclick: () => (diff = "", model.send({ do: "pin", run: a.run === pinned ? "" : a.run })) },
          a.run === pinned ? "Pinned" : "Pin"))));
    focus && list.querySelector(`[data-run="${focus}"]`)?.focus();
    list.querySelector('[aria-pressed="true"]')?.scrollIntoView?.({ block: "nearest" });
    empty.hidden = Boolean(at);
  };
  let drawn = "";
  const drawCards = () => {
    const { run: at, pinned } = shown();
    const two = Boolean(pinned && at && pinned !== at);
    tools.hidden = !two;
    differ.setAttribute("aria-pressed", String(Boolean(diff)));
    const now = `${pinned} ${at} ${diff}`;
    if (now === drawn) return;
    drawn = now;
    cards.replaceChildren(...(two ? [pinned, at] : at ? [at] : []).map(r => {
      const name = attempt(r)?.label ?? "";
      const body = diff && r === at ? h("div.fm-reply", { html: diff, tabindex: "0", role: "region", "aria-label": `How ${name} differs` }) : answers.box(r, `Attempt ${name}`);
      return h("section.fm-card", { "aria-label": name }, h("header", {}, h("strong", {}, name), r === pinned && h("span.fm-note", {}, "pinned"),
        h("button.fm-quiet.fm-push", { "aria-label": `As a cell: attempt ${name}`, title: "Insert the cell for this request", onclick: () => model.send({ do: "cell", run: r }) }, "As a cell")), body);
    }));
  };
  const drawBusy = () => {
    stop.hidden = !answers.busy(shown().run);
    run.firstChild.textContent = stop.hidden ? "Run" : "Run again";
  };
  const drawShown = () => (drawList(), drawCards(), drawBusy());

  root.append(h("div.fm-play", {}, form, out));
  root.addEventListener("keydown", e => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) (e.preventDefault(), go());
    if (e.key === "Escape" && !stop.hidden) (e.preventDefault(), stop.click());
  });
  const onMessage = async m => {
    if (m.do === "weight") {
      bad.textContent = m.problem ?? "";
      bad.hidden = !m.problem;
      estimate.textContent = [m.note, m.tokens, m.price, m.waiting && `${m.waiting}: called when you run it`].filter(Boolean).join(" · ");
      estimate.title = m.how ?? "";
    } else if (m.do === "diff" && m.run === shown().run) ((diff = m.html), drawCards());
    else if (m.do === "insert") await insertCells(el, m.sources, announce, place);
    else if (m.do === "preview") {
      place.hidden = false;
      place.replaceChildren(h("p.fm-note", {}, "This would be sent:"), h("div.fm-quote", { dir: "auto", tabindex: "0", role: "region", "aria-label": "What would be sent" }, m.text), h("button", { onclick: () => (place.hidden = true) }, "Close"));
    }
  };
  const onFields = () => drawParams();
  const events = [["msg:custom", onMessage], ["change:form", drawForm], ["change:fields", onFields], ["change:attempts", drawShown], ["change:shown", drawShown]];
  events.forEach(([name, act]) => model.on(name, act));
  drawForm();
  drawShown();
  model.send({ do: "show" });
  return () => {
    events.forEach(([name, act]) => model.off(name, act));
    ctl.abort();
  };
}

export default { render };
