// A combobox for a model: type to search, arrows to move, Enter to choose. The Python side is model_picker.py.
// The list is in the page flow: the notebook's output would clip a floating one.

let pickers = 0;

function modelPicker({ model, signal, value, label = "Model", changed }) {
  const id = `fm-picker-${++pickers}-${Math.random().toString(36).slice(2, 8)}`;
  const list = h("ul.fm-options", { role: "listbox", id, "aria-label": "Matching models", hidden: true });
  const input = h("input.fm-mono", { type: "text", role: "combobox", "aria-expanded": "false", "aria-controls": id, "aria-autocomplete": "list",
    autocomplete: "off", spellcheck: false, placeholder: "current model", title: "provider:name, an alias, or a variable of the notebook" });
  input.value = value;
  let rows = [], at = -1, committed = value;
  const isOpen = () => !list.hidden;
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    at = -1;
  };
  const choose = name => {
    input.value = name;
    close();
    commit();
  };
  const commit = () => input.value.trim() !== committed && ((committed = input.value.trim()), changed(committed));
  const query = () => (input.value.trim() === committed ? "" : input.value.trim()); // the current value is not a search
  const ask = debounce(() => model.send({ do: "models", query: query() }), 200);
  const move = to => {
    at = (to + rows.length) % rows.length;
    [...list.children].forEach((li, i) => li.setAttribute("aria-selected", String(i === at)));
    input.setAttribute("aria-activedescendant", `${id}-${at}`);
    list.children[at].scrollIntoView({ block: "nearest" });
  };
  const draw = m => {
    if (m.do !== "models" || m.query !== query() || input.getRootNode().activeElement !== input) return;
    rows = m.rows;
    list.replaceChildren(
      ...rows.map((row, i) =>
        h("li", { role: "option", id: `${id}-${i}`, "aria-selected": "false", onpointerdown: e => (e.preventDefault(), choose(row.model)) },
          h("span.fm-mono", {}, row.model), h("span.fm-note", {}, row.note)))
    );
    list.hidden = !rows.length;
    input.setAttribute("aria-expanded", String(isOpen()));
    at = -1;
  };
  input.addEventListener("input", ask);
  input.addEventListener("click", () => isOpen() || ask());
  input.addEventListener("blur", () => (ask.off(), close(), commit()));
  input.addEventListener("keydown", e => {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      if (isOpen()) move(at + (e.key === "ArrowDown" ? 1 : at < 0 ? 0 : -1));
      else model.send({ do: "models", query: query() });
    } else if (e.key === "Enter" && !e.ctrlKey && !e.metaKey) {
      e.preventDefault();
      isOpen() && at >= 0 ? choose(rows[at].model) : (close(), commit());
    } else if (e.key === "Escape" && isOpen()) {
      e.preventDefault();
      e.stopPropagation();
      close();
    }
  });
  model.on("msg:custom", draw);
  signal.addEventListener("abort", () => (model.off("msg:custom", draw), ask.off()));
  const node = h("div.fm-field.fm-picker", {}, h("label.fm-label", { for: `${id}-input` }, label), input, list);
  input.id = `${id}-input`;
  return { node, input, get: () => input.value.trim(), set: name => (input.value = committed = name) };
}
