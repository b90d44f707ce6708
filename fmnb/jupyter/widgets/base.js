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

/**
 * A button that opens a menu, in the browser's top layer, so that no output area clips it. `items()` is called with
 * each opening: { label, act, checked, disabled, title, key }, a text as heading, or null for a line. An item with
 * `checked` (true or false) stays open. Where the browser has no popovers, the menu opens in place.
 */
function menuButton(label, name, items) {
  const button = h("button", { "aria-haspopup": "menu", "aria-expanded": "false", title: name }, label, h("span", { "aria-hidden": "true" }, " ▾"));
  const list = h("div.fm-menu", { role: "menu", "aria-label": name, popover: "manual" });
  const layered = "showPopover" in list;
  list.hidden = !layered;
  const entries = () => [...list.querySelectorAll("[role^=menuitem]:not(:disabled)")];
  const isOpen = () => button.getAttribute("aria-expanded") === "true";
  const outside = e => !list.contains(e.target) && !button.contains(e.target) && close(false);
  const follow = e => layered && !list.contains(e.target) && place(); // the page was scrolled
  const close = (focus = true) => {
    if (!isOpen()) return;
    button.setAttribute("aria-expanded", "false");
    layered ? list.hidePopover() : (list.hidden = true);
    document.removeEventListener("pointerdown", outside, true);
    document.removeEventListener("scroll", follow, true);
    focus && button.focus();
  };
  const draw = () => {
    const at = entries().indexOf(document.activeElement);
    list.replaceChildren(...items().filter(item => item !== false).map(item => {
      if (item === null) return h("hr", { role: "separator" });
      if (typeof item === "string") return h("div.fm-label", { role: "presentation" }, item);
      const role = item.checked === undefined ? "menuitem" : "menuitemcheckbox";
      const act = () => (item.checked === undefined ? (close(), item.act()) : (item.act(), draw()));
      return h("button", { role, tabindex: "-1", title: item.title, disabled: item.disabled, "aria-checked": item.checked === undefined ? undefined : String(item.checked), onclick: act },
        item.label, item.key && h("kbd", { "aria-hidden": "true" }, item.key));
    }));
    at >= 0 && (entries()[at] ?? entries()[0])?.focus();
  };
  const place = () => {
    const from = button.getBoundingClientRect(), { offsetWidth: width, offsetHeight: height } = list;
    const below = from.bottom + height < innerHeight || from.top < height;
    Object.assign(list.style, { position: "fixed", margin: "0", inset: "auto", left: `${Math.max(4, Math.min(from.right - width, innerWidth - width - 4))}px`,
      top: `${below ? Math.min(from.bottom + 2, innerHeight - height - 4) : from.top - height - 2}px` });
  };
  const open = () => {
    draw();
    button.setAttribute("aria-expanded", "true");
    layered ? (list.showPopover(), place()) : (list.hidden = false);
    entries()[0]?.focus();
    document.addEventListener("pointerdown", outside, true);
    document.addEventListener("scroll", follow, true);
  };
  button.addEventListener("click", () => (isOpen() ? close() : open()));
  button.addEventListener("keydown", e => e.key === "ArrowDown" && !isOpen() && (e.preventDefault(), open()));
  list.addEventListener("keydown", e => {
    const all = entries(), at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[e.key];
    if (to !== undefined) all[to % all.length]?.focus();
    else if (e.key === "Escape") close();
    else if (e.key === "Tab") close(false);
    else if (e.key.length === 1 && e.key !== " ") all.find(i => i.textContent.trim().toLowerCase().startsWith(e.key.toLowerCase()))?.focus();
    if (e.key !== "Tab" && e.key !== "Enter" && e.key !== " ") e.preventDefault();
    e.stopPropagation();
  });
  return { node: h("span.fm-menu-anchor", {}, button, list), button, close, redraw: () => isOpen() && draw() };
}
