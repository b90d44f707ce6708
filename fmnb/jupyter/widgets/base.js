// What all our widgets share. No framework: plain DOM; text goes in as text. HTML goes in only where
// the kernel made it with fmnb.views, which lets nothing in that could act.

/** An element: h("button.fm-quiet", { onclick, "aria-label": "…" }, "text", child, …). */
function h(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const node = document.createElement(tag || "div");
  node.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "html") node.innerHTML = value; // made by fmnb.views
    else if (name in node && !name.includes("-") && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(c => c !== undefined && c !== null && c !== false));
  return node;
}

/** Ask the page around us (JupyterLab or Notebook with our extension) to do something; false where nobody hears. */
function askPage(el, detail) {
  return !el.dispatchEvent(new CustomEvent("fmnb:do", { bubbles: true, cancelable: true, detail }));
}

/**
 * The root of a widget: keys stay in it, faces hide while it lives, and it says when its kernel is gone.
 * `label` is its name for who cannot see it. Gives { root, say, gone }: say("text") is read aloud, gone() tells.
 */
function openRoot({ model, el }, label, signal) {
  const status = h("div.fm-hidden", { role: "status", "aria-live": "polite" });
  const lost = h("p.fm-lost", {}, "The kernel of this widget is gone. What it shows stays; run its cell again to go on.");
  const wrong = h("p.fm-trouble", { role: "alert" });
  const root = h("div.fmnb-w", { role: "group", "aria-label": label, "data-lm-suppress-shortcuts": "true" });
  const box = h("div.fm-box", { "data-lm-suppress-shortcuts": "true" }, lost, root, wrong, status);
  el.append(box);
  box.addEventListener("keydown", e => e.stopPropagation(), { signal }); // never the notebook's command mode
  const hide = () => {
    const id = model.get("face_id");
    style.textContent = id && model.get("face_hidden") ? `[data-fmnb-face="${CSS.escape(id)}"]{display:none}` : "";
  };
  const style = h("style");
  box.append(style);
  hide();
  model.on("change:face_id", hide);
  const trouble = () => {
    wrong.textContent = model.get("trouble");
    wrong.hidden = !wrong.textContent;
  };
  trouble();
  model.on("change:trouble", trouble);
  const host = el.closest(".jupyter-widgets") ?? el;
  const session = model.widget_manager?.context?.sessionContext; // of JupyterLab and Notebook, which tell us of their kernel nowhere else
  const kernel = session?.session?.kernel?.id;
  let ended = false;
  const gone = () => ended || host.classList.contains("jupyter-widgets-disconnected");
  const look = () => {
    ended ||= session?.session?.kernel?.id !== kernel || ENDINGS.includes(session?.session?.kernel?.status);
    const is = gone();
    if (is === box.classList.contains("fm-gone")) return;
    box.classList.toggle("fm-gone", is);
    root.inert = is && !root.dataset.readable;
    is && say(lost.textContent);
  };
  // What would be sent has nobody to hear it; reading, scrolling and unfolding go on.
  const idle = e => box.classList.contains("fm-gone") && (e.type !== "click" || e.target.closest("button, [role=option], [role=row]")) && e.stopImmediatePropagation();
  for (const kind of ["click", "pointerdown", "input", "change", "keydown"]) box.addEventListener(kind, idle, { capture: true, signal });
  const watch = new MutationObserver(look);
  watch.observe(host, { attributes: true, attributeFilter: ["class"] });
  session?.kernelChanged?.connect(look);
  session?.statusChanged?.connect(look);
  signal.addEventListener("abort", () => {
    watch.disconnect();
    session?.kernelChanged?.disconnect(look);
    session?.statusChanged?.disconnect(look);
    model.off("change:face_id", hide);
    model.off("change:trouble", trouble);
  });
  const onFace = m => m.do === "face" && askPage(el, m);
  model.on("msg:custom", onFace);
  signal.addEventListener("abort", () => model.off("msg:custom", onFace));
  let clear = 0;
  const say = text => {
    status.textContent = text;
    clearTimeout(clear);
    clear = setTimeout(() => (status.textContent = ""), 5000);
  };
  return { root, say, gone };
}

const ENDINGS = ["restarting", "autorestarting", "terminating", "dead"];

/** Copy text; true where the page may. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { style: "position:fixed;opacity:0" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
