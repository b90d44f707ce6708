// Shared code of our widgets. No framework, plain DOM; text is inserted as text. HTML is inserted only
// if the kernel made it with fmnb.views, which allows nothing active.

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

/** Send a request to the page (JupyterLab or Notebook with our extension); false if nothing handles it. */
function requestPage(el, detail) {
  return !el.dispatchEvent(new CustomEvent("fmnb:do", { bubbles: true, cancelable: true, detail }));
}

/**
 * The root of a widget: it keeps key events, hides the static HTML, and shows when its kernel has ended.
 * `label` is its accessible name. Returns { root, announce, disconnected }: announce("text") is for screen readers.
 */
function openRoot({ model, el }, label, signal) {
  const status = h("div.fm-hidden", { role: "status", "aria-live": "polite" });
  const notice = h("p.fm-kernel-notice", {}, "The kernel of this widget has ended. Its content stays; run its cell again to continue.");
  const errorBox = h("p.fm-error", { role: "alert" });
  const root = h("div.fmnb-w", { role: "group", "aria-label": label, "data-lm-suppress-shortcuts": "true" });
  const box = h("div.fm-box", { "data-lm-suppress-shortcuts": "true" }, notice, root, errorBox, status);
  el.append(box);
  box.addEventListener("keydown", e => e.stopPropagation(), { signal }); // keep keys from the notebook's command mode
  const hide = () => {
    const id = model.get("static_id");
    style.textContent = id && model.get("static_hidden") ? `[data-fmnb-face="${CSS.escape(id)}"]{display:none}` : "";
  };
  const style = h("style");
  box.append(style);
  hide();
  model.on("change:static_id", hide);
  const showError = () => {
    errorBox.textContent = model.get("error");
    errorBox.hidden = !errorBox.textContent;
  };
  showError();
  model.on("change:error", showError);
  const host = el.closest(".jupyter-widgets") ?? el;
  const session = model.widget_manager?.context?.sessionContext; // the only source of kernel changes in JupyterLab and Notebook
  const kernel = session?.session?.kernel?.id;
  let ended = false;
  const disconnected = () => ended || host.classList.contains("jupyter-widgets-disconnected");
  const checkKernel = () => {
    ended ||= session?.session?.kernel?.id !== kernel || ENDINGS.includes(session?.session?.kernel?.status);
    const isDisconnected = disconnected();
    if (isDisconnected === box.classList.contains("fm-disconnected")) return;
    box.classList.toggle("fm-disconnected", isDisconnected);
    root.inert = isDisconnected && !root.dataset.readable;
    isDisconnected && announce(notice.textContent);
  };
  // Block input, since no kernel would get it; reading, scrolling and expanding still work.
  const blockInput = e => box.classList.contains("fm-disconnected") && (e.type !== "click" || e.target.closest("button, [role=option], [role=row]")) && e.stopImmediatePropagation();
  for (const kind of ["click", "pointerdown", "input", "change", "keydown"]) box.addEventListener(kind, blockInput, { capture: true, signal });
  const observer = new MutationObserver(checkKernel);
  observer.observe(host, { attributes: true, attributeFilter: ["class"] });
  session?.kernelChanged?.connect(checkKernel);
  session?.statusChanged?.connect(checkKernel);
  signal.addEventListener("abort", () => {
    observer.disconnect();
    session?.kernelChanged?.disconnect(checkKernel);
    session?.statusChanged?.disconnect(checkKernel);
    model.off("change:static_id", hide);
    model.off("change:error", showError);
  });
  const onFace = m => m.do === "face" && requestPage(el, m);
  model.on("msg:custom", onFace);
  signal.addEventListener("abort", () => model.off("msg:custom", onFace));
  let clear = 0;
  const announce = text => {
    status.textContent = text;
    clearTimeout(clear);
    clear = setTimeout(() => (status.textContent = ""), 5000);
  };
  return { root, announce, disconnected };
}

const ENDINGS = ["restarting", "autorestarting", "terminating", "dead"];

/** Copy text; true if the page has permission. */
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
