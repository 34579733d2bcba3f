// What a reader would stumble over on the page that is open, as a list of sentences.
() => {
  const found = [];
  const shown = (node) => node.getClientRects().length > 0;

  for (const formula of document.querySelectorAll(".katex-html")) {
    const pane = formula.closest(".display, td, dd, p, li, summary").getBoundingClientRect();
    const letters = document.createTreeWalker(formula, NodeFilter.SHOW_TEXT);
    while (letters.nextNode()) {
      const range = document.createRange();
      range.selectNode(letters.currentNode);
      const { left, right } = range.getBoundingClientRect();
      const excess = Math.round(Math.max(right - pane.right, pane.left - left));
      if (shown(formula) && excess > 1) {
        found.push(`a formula is ${excess} px wider than its pane: ${formula.textContent}`);
        break;
      }
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) {
    found.push(`the page is ${document.documentElement.scrollWidth} px wide, the window ${innerWidth}`);
  }
  for (const image of document.images) {
    if (!image.naturalWidth) found.push(`no image: ${image.getAttribute("src")}`);
  }

  // A glyph is missing where a letter is drawn as one that no font has.
  const context = new OffscreenCanvas(48, 48).getContext("2d", { willReadFrequently: true });
  const drawn = (letter, font) => {
    context.clearRect(0, 0, 48, 48);
    context.font = font;
    context.fillText(letter, 8, 32);
    return context.getImageData(0, 0, 48, 48).data.join();
  };
  // font: what it draws for no letter, and the letters seen so far, at whatever width
  const known = (window.known ??= new Map());
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const parent = texts.currentNode.parentElement;
    if (parent.closest("style, .katex-mathml") || !shown(parent)) continue;
    const style = getComputedStyle(parent);
    const font = `${style.fontStyle} ${style.fontWeight} 24px ${style.fontFamily}`;
    if (!known.has(font)) known.set(font, { none: drawn("\u{10fffd}", font), seen: new Set() });
    const { none, seen } = known.get(font);
    for (const letter of texts.currentNode.data) {
      if (seen.has(letter) || /[\s\u200b]/.test(letter)) continue;
      seen.add(letter);
      if (drawn(letter, font) === none) found.push(`no glyph for ${letter} in ${font}`);
    }
  }
  return found;
}
