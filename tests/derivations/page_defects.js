// Return the defects of the open page, as a list of sentences.
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

  for (const formula of document.querySelectorAll(".display")) {
    const { scrollHeight, clientHeight } = formula;
    const hides = getComputedStyle(formula).overflowY !== "visible";
    if (hides && scrollHeight > clientHeight + 1) {
      found.push(`a formula is cut at ${clientHeight} of ${scrollHeight} px: ${formula.textContent}`);
    }
  }

  // Dots must be large enough, and their colours different.
  const looks = new Map();
  for (const dot of document.querySelectorAll(".dot")) {
    const { width, height } = dot.getBoundingClientRect();
    if (shown(dot) && Math.min(width, height) < 6) found.push(`a dot is ${width} by ${height} px`);
    const { backgroundColor, boxShadow } = getComputedStyle(dot);
    looks.set(dot.classList[1], backgroundColor);
    const clear = backgroundColor === "rgba(0, 0, 0, 0)";
    const hollow = dot.classList.contains("none");
    if (clear !== hollow || (hollow && boxShadow === "none")) {
      found.push(`the dot ${dot.classList[1]} is ${backgroundColor}`);
    }
  }
  if (new Set(looks.values()).size < looks.size) found.push(`two colours look alike`);

  // WCAG requires a contrast of 4.5 between text and page.
  const luminance = (colour) => {
    const parts = colour.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = getComputedStyle(document.body).backgroundColor;
  const paper = behind === "rgba(0, 0, 0, 0)" ? 1 : luminance(behind); // in print there is none
  for (const node of [document.body, ...document.querySelectorAll("main a, nav a, footer")]) {
    const ink = luminance(getComputedStyle(node).color);
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (contrast < 4.5) {
      found.push(`${node.tagName} has a contrast of ${contrast.toFixed(1)}: ${node.textContent.slice(0, 40)}`);
      break;
    }
  }

  // A glyph is missing if a letter is drawn like one that no font has.
  const context = new OffscreenCanvas(48, 48).getContext("2d", { willReadFrequently: true });
  const drawn = (letter, font) => {
    context.clearRect(0, 0, 48, 48);
    context.font = font;
    context.fillText(letter, 8, 32);
    return context.getImageData(0, 0, 48, 48).data.join();
  };
  // font: the image of a missing glyph, and the letters checked so far, at any width
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
