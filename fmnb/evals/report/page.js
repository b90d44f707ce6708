// The table of rows of a report. It draws the rows in sight and a few around them, whatever there are;
// text goes in as text. A source says how many rows there are and gives some of them:
//   { models, scorers, samples, count, find(filter) -> Promise<row numbers>, get(numbers) -> Promise<rows>, events?(run) -> Promise<text> }

const ROW = 30; // pixels; as the style says
const TALL = 420; // pixels of the window, at most
const SPARE = 15; // rows above and below what is in sight

/** A source from the data in the page. */
function fmnbLocal(data) {
  return {
    models: data.models,
    scorers: data.scorers,
    samples: data.samples,
    count: data.rows.length,
    find: async filter => {
      const found = [];
      for (let i = 0; i < data.rows.length; i++) if (fmnbFits(data, data.rows[i], filter)) found.push(i);
      return found;
    },
    get: async numbers => numbers.map(n => data.rows[n]),
  };
}

/** The mean score of a model on a row; null where there is none. */
function fmnbMean(data, row, model, scorer) {
  const at = data.models.indexOf(model), which = Math.max(0, data.scorers.indexOf(scorer));
  let sum = 0;
  for (let k = 0; k < data.samples; k++) {
    const value = row[5][at * data.samples + k][3][which][0];
    sum += value ?? 0;
  }
  return sum / data.samples;
}

/** Whether a row is one of those that a filter is after. */
function fmnbFits(data, row, filter) {
  const { scorer = data.scorers[0], model, below, differ, more, failed, column, value, text } = filter;
  if (model && below !== undefined && !(fmnbMean(data, row, model, scorer) < below)) return false;
  if (differ && fmnbMean(data, row, differ[0], scorer) === fmnbMean(data, row, differ[1], scorer)) return false;
  if (more && !(fmnbMean(data, row, more[0], scorer) > fmnbMean(data, row, more[1], scorer))) return false;
  if (failed) {
    const at = data.models.indexOf(failed) * data.samples;
    if (!row[5].slice(at, at + data.samples).some(a => a[2] || a[3].some(s => s[0] === null))) return false;
  }
  if (column) {
    const own = { target: row[3], group: row[1], split: row[2] };
    const cell = column in own ? own[column] : row[4][column];
    if (String(cell ?? "") !== (typeof value === "string" ? value : JSON.stringify(value)) && String(cell ?? "") !== String(value)) return false;
  }
  if (text) {
    const words = text.toLowerCase();
    const all = [row[0], row[1], row[3] ?? "", ...Object.values(row[4]), ...row[5].map(a => a[0])];
    if (!all.some(t => String(t).toLowerCase().includes(words))) return false;
  }
  return true;
}

/** What a filter is after, in words. */
function fmnbSays(filter) {
  const out = [];
  if (filter.model && filter.below !== undefined) out.push(`${filter.model} scores below ${filter.below}`);
  if (filter.differ) out.push(`${filter.differ[0]} and ${filter.differ[1]} score differently`);
  if (filter.more) out.push(`${filter.more[0]} scores more than ${filter.more[1]}`);
  if (filter.failed) out.push(`an answer of ${filter.failed} failed`);
  if (filter.column) out.push(`${filter.column} is ${filter.value}`);
  if (filter.text) out.push(`holds "${filter.text}"`);
  return out.join(", ") || "all rows";
}

/** Put the table into the report's section for rows; gives { draw, stop }. */
function fmnbRows(root, source) {
  const section = root.querySelector(".fr-rows");
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [k, v] of Object.entries(attributes)) k === "class" ? (node.className = v) : node.setAttribute(k, v);
    node.append(...children);
    return node;
  };
  const search = make("input", { type: "search", placeholder: "find in rows", "aria-label": "Find in rows" });
  const clear = make("button", { type: "button" }, "all rows");
  const status = make("span", { role: "status", "aria-live": "polite" });
  const pane = make("div", { class: "fr-window", tabindex: "0", role: "region", "aria-label": "Rows; scroll for more" });
  const head = make("tr"), body = make("tbody");
  const columns = ["row", "input", "target", ...source.models];
  head.append(...columns.map(c => make("th", { scope: "col", title: c }, c)));
  const table = make("table", { "aria-rowcount": String(source.count + 1), "aria-label": "Rows of the set with each model's score" }, make("thead", {}, head), body);
  const above = make("tr", { class: "fr-gap", "aria-hidden": "true" }, make("td", { colspan: String(columns.length) }));
  const below = above.cloneNode(true);
  pane.append(table);
  const detail = make("div", { class: "fr-detail", "aria-live": "polite" }, "Choose a row to see what was asked, answered and scored.");
  section.append(make("h2", {}, "Rows"), make("div", { class: "fr-bar" }, search, clear, status), pane, detail);

  let filter = {}, found = null, drawn = "", stale = true, chosen = -1, asked = 0;
  const data = { models: source.models, scorers: source.scorers, samples: source.samples };

  const score = (row, model) => {
    const value = fmnbMean(data, row, model, filter.scorer ?? source.scorers[0]);
    const failed = row[5].slice(source.models.indexOf(model) * source.samples)[0][2];
    const cell = make("td", { class: failed || value < 0.5 ? "fr-bad" : "fr-good" });
    cell.textContent = failed ? `✗ ${failed}` : value === 1 ? "✓ 1" : value === 0 ? "✗ 0" : value.toFixed(3);
    return cell;
  };

  const line = (row, n, place) => {
    const open = make("button", { type: "button" }, row[0]);
    open.addEventListener("click", () => choose(n, row));
    const input = Object.values(row[4]).join(" · ");
    const tr = make("tr", { "data-n": String(n), "aria-rowindex": String(place + 2), "aria-selected": String(n === chosen) }, make("td", {}, open));
    tr.append(make("td", { title: input.slice(0, 300) }, input.slice(0, 200)), make("td", {}, row[3] ?? ""), ...source.models.map(m => score(row, m)));
    return tr;
  };

  // Lines that stay in sight stay in the page: a line is made once as it comes, and taken away as it goes.
  let lines = new Map(); // place in the list -> line
  const draw = async () => {
    const total = found ? found.length : source.count;
    const first = Math.max(0, Math.floor(pane.scrollTop / ROW) - SPARE);
    const last = Math.min(total, first + Math.ceil(pane.clientHeight / ROW) + 2 * SPARE);
    const key = `${first}-${last}`;
    if (key === drawn && !stale) return;
    const anew = stale; // other rows than before: until they have come, and not only asked for
    drawn = key;
    const missing = [];
    for (let i = first; i < last; i++) if (anew || !lines.has(i)) missing.push(i);
    const numbers = missing.map(i => (found ? found[i] : i));
    const mine = ++asked;
    const rows = missing.length ? await source.get(numbers) : [];
    if (mine !== asked) return; // scrolled on meanwhile
    stale = false;
    if (anew) lines.forEach(l => l.remove()), lines.clear();
    for (const [i, l] of lines) if (i < first || i >= last) l.remove(), lines.delete(i);
    const before = lines.size ? Math.min(...lines.keys()) : Infinity;
    const start = before < Infinity ? lines.get(before) : below;
    missing.forEach((i, at) => {
      const made = line(rows[at], numbers[at], i);
      lines.set(i, made);
      body.insertBefore(made, i < before ? start : below);
    });
    above.firstChild.style.height = `${first * ROW}px`;
    below.firstChild.style.height = `${(total - last) * ROW}px`;
  };
  body.append(above, below);

  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => ((waiting = false), draw()));
  };
  pane.addEventListener("scroll", soon, { passive: true });

  const look = async next => {
    filter = next;
    const any = Object.keys(next).length > 0;
    found = any ? await source.find(next) : null;
    const total = found ? found.length : source.count;
    status.textContent = `${total.toLocaleString("en")} of ${source.count.toLocaleString("en")} rows: ${fmnbSays(next)}`;
    table.setAttribute("aria-rowcount", String(total + 1));
    pane.scrollTop = 0;
    pane.style.height = `${Math.min(TALL, ROW * (total + 1) + 2)}px`; // no taller than its rows
    stale = true;
    await draw();
  };

  const choose = (n, row) => {
    chosen = n;
    for (const l of lines.values()) l.setAttribute("aria-selected", String(l.dataset.n === String(n)));
    const list = make("dl");
    const add = (name, text) => list.append(make("dt", {}, name), make("dd", {}, text));
    add("row", `${row[0]}${row[1] ? ` · ${row[1]}` : ""}${row[2] ? ` · ${row[2]}` : ""}`);
    for (const [name, text] of Object.entries(row[4])) add(name, text);
    if (row[3] !== null) add("target", row[3]);
    row[5].forEach((a, i) => {
      const model = source.models[Math.floor(i / source.samples)];
      const said = source.scorers.map((s, k) => `${s} ${a[3][k][0] ?? "none"}${a[3][k][1] ? ` (${a[3][k][1]})` : ""}`).join(", ");
      add(model, a[2] ? `✗ ${a[2]}` : a[0]);
      const about = make("dd", { class: "fr-small" }, `${said}${a[1] ? ` · run ${a[1]} ` : ""}`);
      if (source.events && a[1]) {
        const ask = make("button", { type: "button" }, "events");
        ask.addEventListener("click", async () => {
          ask.remove();
          about.append(make("pre", { tabindex: "0" }, await source.events(a[1])));
        });
        about.append(ask);
      }
      list.append(make("dt", {}, ""), about);
    });
    detail.replaceChildren(list);
  };

  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    const { text, ...rest } = filter;
    typing = setTimeout(() => look(search.value ? { ...rest, text: search.value } : rest), 150);
  });
  clear.addEventListener("click", () => ((search.value = ""), look({})));
  root.addEventListener("click", e => {
    const button = e.target.closest?.("[data-fr-filter]");
    if (!button) return;
    look(JSON.parse(button.dataset.frFilter)).then(() => section.scrollIntoView({ block: "nearest" }));
  });
  look({});
  return { draw, look };
}
