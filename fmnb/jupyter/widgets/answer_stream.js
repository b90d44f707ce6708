// Answers that stream into a widget. The Python side is answer_stream.py, which explains the messages.

const ENDED = ["finished", "failed", "stopped"];

/** Answers by run. `box(run, label)` returns an element that shows one and follows it; `state(run)` is its state. */
function openAnswers(model, signal, announce, changed = () => {}) {
  const answers = new Map();
  const of = run => {
    if (!answers.has(run)) answers.set(run, { n: 0, done: "", adds: [], tail: "", status: "", state: "", end: "", boxes: new Set(), frame: 0 });
    return answers.get(run);
  };
  const take = m => {
    if (m.do !== "answer") return;
    const a = of(m.run);
    if (m.n <= a.n && m.from) return; // already drawn
    if (m.from && m.from !== a.n) return void model.send({ do: "whole", run: m.run }); // a message was missed
    if (!m.from && m.n < a.n) return;
    a.done = m.from ? a.done + m.add : m.add;
    a.adds.push(m.from ? m.add : null);
    const before = a.state;
    Object.assign(a, { n: m.n, tail: m.tail, status: m.status, state: m.state, end: m.end });
    if (before !== a.state) {
      const quiet = !before && ENDED.includes(a.state); // it had ended before
      a.label && !quiet && a.state !== "waiting" && announce(`${a.label}: ${a.state === "running" ? "started" : a.state}`);
      changed(m.run, a.state);
    }
    a.frame ||= requestAnimationFrame(() => paint(a));
  };
  const paint = a => {
    a.frame = 0;
    for (const box of a.boxes) {
      const { body, done, tail, status, end } = box.parts;
      const stick = body.scrollHeight - body.scrollTop - body.clientHeight < 40;
      if (box.fresh || a.adds.includes(null)) done.innerHTML = a.done;
      else a.adds.forEach(add => add && done.insertAdjacentHTML("beforeend", add));
      box.fresh = false;
      if (tail.fmShown !== a.tail) tail.innerHTML = tail.fmShown = a.tail;
      if (status.fmShown !== a.status) status.innerHTML = status.fmShown = a.status;
      if (end.fmShown !== a.end) end.innerHTML = end.fmShown = a.end;
      box.node.setAttribute("aria-busy", String(!ENDED.includes(a.state)));
      box.node.dataset.state = a.state;
      if (stick && a.state === "running") body.scrollTop = body.scrollHeight;
    }
    a.adds = [];
  };
  model.on("msg:custom", take);
  signal.addEventListener("abort", () => model.off("msg:custom", take));
  const box = (run, label, { tall = false } = {}) => {
    const a = of(run);
    a.label = label;
    const parts = { status: h("div"), done: h("div"), tail: h("div"), end: h("div") };
    parts.body = h(tall ? "div.fm-answer" : "div.fm-answer.fm-short", tall ? {} : { tabindex: "0", role: "region", "aria-label": label }, parts.done, parts.tail);
    const node = h("div.fm-reply", { "aria-busy": "true" }, parts.status, parts.body, parts.end);
    const made = { node, parts, fresh: true };
    a.boxes.add(made);
    for (const other of a.boxes) if (other !== made && !other.node.isConnected) a.boxes.delete(other);
    if (a.n) paint(a);
    else model.send({ do: "whole", run });
    return node;
  };
  return { box, state: run => answers.get(run)?.state ?? "", busy: run => Boolean(run) && !ENDED.includes(answers.get(run)?.state ?? "") };
}

/** Stop a run: through the page, which works while a cell runs, else through the kernel. */
function stopRun(el, model, run) {
  if (!requestPage(el, { do: "stop", runs: [run] })) model.send({ do: "stop", run });
}

/** Insert cells below ours, in this order; if the page cannot, copy them and show them in `place`. */
async function insertCells(el, sources, announce, place) {
  let handled = true;
  for (const source of [...sources].reverse()) {
    handled = requestPage(el, { do: "insert", source }) && handled;
    if (!handled) break;
    sources.length > 1 && (await new Promise(done => setTimeout(done, 100))); // each must be selected before the next one
  }
  if (handled) return announce(sources.length === 1 ? "A cell was inserted below" : `${sources.length} cells were inserted below`);
  const text = sources.join("\n\n");
  const copied = await copyText(text);
  announce(copied ? "Copied" : "The cell is shown below");
  place.hidden = false;
  place.replaceChildren(
    h("p.fm-note", {}, copied ? "Copied: paste this into a cell." : "Paste this into a cell:"),
    h("pre.fm-raw", { tabindex: "0", role: "region", "aria-label": "Cell source" }, text),
    h("button", { onclick: () => (place.hidden = true) }, "Close")
  );
}

/** Debounce `work`. `now()` calls it at once if it is pending. */
function debounce(work, ms) {
  let timer = 0;
  const run = () => {
    clearTimeout(timer);
    timer = 0;
    work();
  };
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(run, ms);
  };
  return Object.assign(wait, { now: () => timer && run(), off: () => (clearTimeout(timer), (timer = 0)) });
}
