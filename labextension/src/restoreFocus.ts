/** Give the focus to `target` when the focused element in `node` goes away, as a button does whose work is done. Returns a function that stops it. */
export function restoreFocus(node: HTMLElement, target: () => HTMLElement | undefined): () => void {
  let last: Element | null = null;
  const remember = (e: FocusEvent) => (last = e.target as Element);
  const forget = (e: FocusEvent) => (e.relatedTarget ? (last = null) : undefined); // it went elsewhere
  const observer = new MutationObserver(() => {
    if (last && !last.isConnected && document.activeElement === document.body) {
      last = null;
      target()?.focus({ preventScroll: true });
    }
  });
  node.addEventListener('focusin', remember);
  node.addEventListener('focusout', forget);
  observer.observe(node, { childList: true, subtree: true });
  return () => {
    observer.disconnect();
    node.removeEventListener('focusin', remember);
    node.removeEventListener('focusout', forget);
  };
}
