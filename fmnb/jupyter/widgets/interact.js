// A prompt with controls. The Python side is interact.py.

const PAUSE = 500; // milliseconds without a change before auto mode runs
const PREVIEW_PAUSE = 150; // and before the prompt is rendered again

function render({ model, el }) {
  const ctl = new AbortController();
  const { root, announce } = openRoot({ model, el }, "Prompt with controls", ctl.signal);
  root.dataset.readable = "yes";
  const about = model.get("about");
  const fields = {};
  const answers = openAnswers(model, ctl.signal, announce, () => drawBusy());

  const moved = () => (preview(), auto.checked && autoRun());
  const controls = about.controls.map(c => {
    const { node, input, get } = control(c, model.get("now").values[c.name], moved);
    fields[c.name] = { get, input };
    return node;
  });
  const values = () => Object.fromEntries(Object.entries(fields).map(([name, f]) => [name, f.get()]));
  const ask = () => (autoRun.off(), preview.off(), model.send({ do: "ask", values: values() }));
  const preview = debounce(() => model.send({ do: "draft", values: values() }), PREVIEW_PAUSE);
  const autoRun = debounce(ask, PAUSE);
  ctl.signal.addEventListener("abort", () => (preview.off(), autoRun.off()));

  const button = h("button.fm-main", { onclick: ask }, "Run");
  const stop = h("button", { onclick: () => (stopRun(el, model, model.get("now").run), announce("Stopping")), hidden: true }, "■ Stop");
  const auto = h("input", { type: "checkbox", checked: about.auto, onchange: () => (model.send({ do: "auto", on: auto.checked }), auto.checked && ask()) });
  const estimate = h("span.fm-note");
  const filled = h("div.fm-quote.fm-filled", { dir: "auto" }, about.prompt);
  const bad = h("p.fm-error", { hidden: true, role: "alert" });
  const out = h("div");

  const drawBusy = () => {
    const busy = answers.busy(model.get("now").run);
    stop.hidden = !busy;
    button.textContent = busy ? "Run again" : "Run";
  };
  const drawAnswer = () => {
    const { run } = model.get("now");
    if (out.dataset.run !== run) {
      out.dataset.run = run;
      out.replaceChildren(...(run ? [answers.box(run, "The answer")] : []));
    }
    drawBusy();
  };
  root.append(
    controls.length ? h("div.fm-controls", {}, ...controls) : "",
    filled,
    bad,
    h("div.fm-row", {}, button, stop, h("label.fm-note", { title: "Run automatically when a control changes" }, auto, "auto"), estimate),
    h("div.fm-card.fm-out", {}, out)
  );
  root.addEventListener("keydown", e => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) (e.preventDefault(), ask());
    if (e.key === "Escape" && !stop.hidden) (e.preventDefault(), stop.click());
  });
  const onMessage = m => {
    if (m.do !== "draft") return;
    bad.textContent = m.problem ?? "";
    bad.hidden = !m.problem;
    if (m.text !== undefined) filled.textContent = m.text;
    estimate.textContent = [m.tokens, m.price, m.waiting && `${m.waiting}: called when you run it`].filter(Boolean).join(" · ");
    estimate.title = m.how ?? "";
  };
  model.on("msg:custom", onMessage);
  model.on("change:now", drawAnswer);
  drawAnswer();
  model.send({ do: "show" });
  return () => {
    model.off("msg:custom", onMessage);
    model.off("change:now", drawAnswer);
    ctl.abort();
  };
}

/** One control: its node, its input, and its value. */
function control(c, value, moved) {
  const field = (input, ...more) => h("label.fm-field", {}, h("span.fm-label", {}, c.name, ...more), input);
  if (c.kind === "menu") {
    const input = h("select", { onchange: moved }, ...c.labels.map((label, i) => h("option", { value: String(i) }, label)));
    input.value = String(value);
    return { node: field(input), input, get: () => Number(input.value) };
  }
  if (c.kind === "check") {
    const input = h("input", { type: "checkbox", checked: value, onchange: moved });
    return { node: h("label.fm-tick", {}, input, h("span.fm-label", {}, c.name)), input, get: () => input.checked };
  }
  if (c.kind === "slider") {
    const shown = h("output.fm-value", {}, String(value));
    const input = h("input", { type: "range", min: String(c.minimum), max: String(c.maximum), step: String(c.step), "aria-label": c.name });
    input.value = String(value);
    input.addEventListener("input", () => ((shown.textContent = String(Number(input.value))), moved()));
    return { node: field(input, shown), input, get: () => Number(input.value) };
  }
  const number = c.kind === "number";
  const input = h("input", number ? { type: "number", step: c.whole ? "1" : "any" } : { type: "text", dir: "auto" });
  input.value = String(value);
  input.addEventListener("input", moved);
  let last = value;
  return { node: field(input), input, get: () => (number ? (Number.isNaN(input.valueAsNumber) ? last : (last = input.valueAsNumber)) : input.value) };
}

export default { render };
