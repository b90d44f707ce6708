// Rows to label one by one, by keyboard. The Python side is labeler.py.

function render({ model, el }) {
  const ctl = new AbortController();
  const { root, announce } = openRoot({ model, el }, "Labeling", ctl.signal);
  const about = () => model.get("about");
  const row = () => model.get("row");
  let editing = false;

  const progress = h("progress.fm-progress", { "aria-label": "Rows labeled" });
  const count = h("span.fm-note");
  const undo = h("button.fm-quiet", { onclick: () => act("undo") }, "Undo", h("kbd", {}, "u"));
  const list = h("dl");
  const flags = h("p.fm-note");
  const field = h("textarea", { "aria-label": "Correct answer", rows: 4 });
  const box = h("div", { hidden: true }, field, h("div.fm-row", {},
    h("button.fm-main", { onclick: () => save() }, "Save", h("kbd", {}, "Ctrl ⏎")), h("button", { onclick: () => edit(false) }, "Cancel", h("kbd", {}, "Esc"))));
  const card = h("section.fm-card.fm-label-row", { tabindex: "0", "aria-label": "Row" }, list, flags, box);
  const buttons = h("div.fm-row", { role: "group", "aria-label": "Labels" });
  const agreement = h("p.fm-note");
  root.append(h("div.fm-row", {}, progress, count, undo), card, buttons, agreement);

  const act = (what, more = {}) => model.send({ do: what, ...more });
  const label = name => (act("label", { label: name }), announce(name));
  const edit = on => {
    editing = on && !!row().id;
    box.hidden = !editing;
    if (editing) {
      field.value = row().target;
      field.focus();
    } else card.focus();
  };
  const save = () => {
    act("edit", { text: field.value });
    edit(false);
  };

  const drawButtons = () => {
    const { choices } = about();
    const labels = choices.length ? choices.map((c, i) => [c, i < 9 ? String(i + 1) : ""]) : [["accept", "a"], ["reject", "r"]];
    buttons.replaceChildren(
      ...labels.map(([name, key]) => h("button", { onclick: () => label(name), disabled: !row().id, "aria-pressed": String(row().mine === name) }, name, key && h("kbd", {}, key))),
      h("button", { onclick: () => edit(true), disabled: !row().id }, "edit", h("kbd", {}, "e")),
      h("button", { onclick: () => act("skip"), disabled: !row().id }, "skip", h("kbd", {}, "s")));
  };

  const draw = () => {
    const a = about(), r = row();
    progress.max = a.count;
    progress.value = a.done;
    count.textContent = `${a.done.toLocaleString("en")} of ${a.count.toLocaleString("en")} by ${a.annotator}${a.file ? `, saved in ${a.file}` : ", not saved to a file"}`;
    undo.disabled = !a.undo;
    agreement.textContent = a.agreement;
    if (!r.id) {
      list.replaceChildren(h("dt", {}, ""), h("dd", {}, "All rows are done."));
      flags.textContent = "";
    } else {
      const lines = [...r.values, ...(r.quote ? [["quote", r.quote]] : [])].flatMap(([k, v]) => [h("dt", {}, k), h("dd", { dir: "auto" }, v)]);
      const target = r.target ? [h("dt", {}, r.known ? "target" : "answer"), h("dd.fm-target", { dir: "auto" }, r.target)] : [];
      list.replaceChildren(...lines, ...target);
      flags.textContent = [r.made === "machine" && "proposed by a model", r.weak && "from behavior only", r.group && `group ${r.group}`].filter(Boolean).join(" · ");
    }
    drawButtons();
  };

  root.addEventListener("keydown", e => {
    if (e.isComposing || e.altKey) return;
    if (editing) {
      if (e.key === "Escape") edit(false);
      else if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) save();
      else return;
      e.preventDefault();
      return;
    }
    if (e.ctrlKey || e.metaKey || e.target.closest("textarea, input")) return;
    const { choices } = about();
    const key = e.key.toLowerCase();
    if (key === "u" && about().undo) act("undo");
    else if (!row().id) return;
    else if (choices.length && /^[1-9]$/.test(key) && choices[key - 1]) label(choices[key - 1]);
    else if (!choices.length && (key === "a" || key === "r")) label(key === "a" ? "accept" : "reject");
    else if (key === "e") edit(true);
    else if (key === "s") act("skip");
    else return;
    e.preventDefault();
  }, { signal: ctl.signal });

  model.on("change:row", draw);
  model.on("change:about", draw);
  draw();
  return () => {
    model.off("change:row", draw);
    model.off("change:about", draw);
    ctl.abort();
  };
}

export default { render };
