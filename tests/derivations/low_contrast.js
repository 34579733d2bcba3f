// Return every visible text whose contrast with its background is below the 4.5 of WCAG.
() => {
  const luminance = (colour) => {
    const parts = colour.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const node of document.querySelectorAll("main, main *")) {
    const text = [...node.childNodes].find((each) => each.nodeType === 3 && each.data.trim());
    if (!text || node.closest("style") || !node.getClientRects().length) continue;
    const [ink, paper] = [getComputedStyle(node).color, behind(node)].map(luminance);
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (contrast < 4.5) found.push(`${text.data.trim()} has a contrast of ${contrast.toFixed(1)}`);
  }
  return found;
}
