// Text of at least 12 px whatever the width, and a picture as large as its text and the guess then need. Twice, since a
// larger picture makes a pixel larger.
function fit(svg, put) {
  const own = (svg.dataset.own ??= svg.getAttribute("viewBox")).split(" ").map(Number);
  svg.setAttribute("viewBox", own.join(" "));
  svg.style.maxWidth = `${Math.round(own[2] * 96 / 72 * 1.3)}px`; // as large as other figures get in a wide column
  for (let round = 0; round < 2; round++) {
    const unit = svg.viewBox.baseVal.width / svg.clientWidth;
    for (const text of svg.querySelectorAll("text")) {
      if (text.closest(".tgan-guess")) continue;
      text.dataset.size ??= parseFloat(text.style.fontSize) || 10;
      text.style.fontSize = `${Math.max(text.dataset.size, 12 * unit)}px`;
    }
    put();
    const back = svg.getScreenCTM().inverse(), edges = [own[0], own[1], own[0] + own[2], own[1] + own[3]];
    for (const node of svg.querySelectorAll("text, .tgan-badge")) {
      const seen = node.getBoundingClientRect();
      const [a, b] = [[seen.left, seen.top], [seen.right, seen.bottom]].map(([x, y]) => new DOMPoint(x, y).matrixTransform(back));
      edges.splice(0, 4, Math.min(edges[0], a.x), Math.min(edges[1], a.y), Math.max(edges[2], b.x), Math.max(edges[3], b.y));
    }
    svg.setAttribute("viewBox", [edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1]].map((v) => v.toFixed(2)).join(" "));
  }
  put();
}

// The guess in the figure. `about.marks` has places in the figure's own units, as Python computed them from the axes.
function draw(svg, layer, guess, about) {
  const { marks } = about, unit = svg.viewBox.baseVal.width / svg.clientWidth, size = 13.5 * unit; // unit: a CSS pixel
  const text = (x, y, words, anchor = "middle") => layer.append(shape("text", {
    x, y, "text-anchor": anchor, style: `font-size:${size}px`, "stroke-width": 4 * unit,
  }, words));
  const [x0, y0, x1, y1] = marks.box;
  const rule = (axis, at, words) => {
    const vertical = axis === "x", [low, high] = vertical ? [x0, x1] : [y0, y1];
    const inside = Math.min(Math.max(at, low), high), off = at < low - 1 ? (vertical ? "← " : "↑ ") : at > high + 1 ? (vertical ? "→ " : "↓ ") : "";
    const ends = vertical ? { x1: inside, x2: inside, y1: y0, y2: y1 } : { x1: x0, x2: x1, y1: inside, y2: inside };
    layer.append(shape("line", { ...ends, class: "tgan-line", "stroke-width": 2.5 * unit, "stroke-dasharray": `${6 * unit} ${5 * unit}` }));
    const right = inside > (x0 + x1) / 2;
    if (vertical && marks.titled) text(inside + (right ? -6 : 6) * unit, y0 + size, off + words, right ? "end" : "start");
    else if (vertical) text(Math.min(Math.max(inside, x0 + 4 * size), x1 - 4 * size), y0 - 6 * unit, off + words);
    else text(x1, inside + (inside - y0 < 2 * size ? size * 1.2 : -6 * unit), off + words, "end");
    return inside;
  };
  const around = (spot, words, look) => {
    if (spot.rule !== undefined) return rule(spot.axis, spot.rule, words);
    if (spot.line) {
      const points = spot.line.map((p) => p.join(",")).join(" "), [x, y] = spot.line[spot.line.length - 1];
      layer.append(shape("polyline", { points, class: `tgan-line ${look}`, "stroke-width": 10 * unit, opacity: 0.4 }));
      return text(Math.min(x, x1), y + (y - y0 < 2 * size ? 1.6 * size : -9 * unit), words, "end");
    }
    const [a, b, c, d] = spot.box, room = 2 * unit;
    layer.append(shape("rect", { x: a - room, y: b - room, width: c - a + 2 * room, height: d - b + 2 * room, rx: 4 * unit, class: `tgan-line ${look}`, "stroke-width": 2.5 * unit }));
    if (spot.band === "y") text(c - 6 * unit, (b + d) / 2 + size * 0.36, words, "end");
    else text((a + c) / 2, spot.band === "x" && marks.titled ? b + size * 1.3 : b - 7 * unit, words);
  };
  const badge = (spot, place) => {
    const r = 11 * unit, [a, b, c, d] = spot.box ?? [], beside = spot.band === "y";
    if (!spot.box) return;
    const x = beside ? x1 + 1.5 * r : (a + c) / 2, y = beside ? (b + d) / 2 : spot.band ? y0 - 1.5 * r : b - 1.5 * r;
    layer.append(shape("circle", { cx: x, cy: y, r, class: "tgan-badge" }));
    text(x, y + size * 0.36, place);
  };
  if (about.kind === "slider") {
    const at = marks.at[about.stops.indexOf(guess)], words = `your guess: ${number(guess, about)}`;
    const inside = rule(marks.axis, at, words), truth = marks.answer;
    if (truth !== null && Math.abs(truth - inside) > 2 * unit) {
      const from = Math.min(truth, inside), length = Math.abs(truth - inside);
      const gap = marks.axis === "x" ? { x: from, width: length, y: y0, height: y1 - y0 } : { y: from, height: length, x: x0, width: x1 - x0 };
      layer.prepend(shape("rect", { ...gap, class: "tgan-gap" }));
    }
  } else if (about.kind === "choice") {
    const right = about.answer.includes(guess);
    if (!right) for (const item of about.answer) around(marks.spots[item], "found", "tgan-truth");
    around(marks.spots[guess], right ? "your guess, and found" : "your guess", right ? "tgan-truth" : "");
    const words = [...layer.querySelectorAll("text")], mine = words.pop();
    for (const other of words) {
      const a = mine.getBBox(), b = other.getBBox();
      if (a.x < b.x + b.width && b.x < a.x + a.width && Math.abs(a.y - b.y) < size) mine.setAttribute("y", b.y - 0.3 * size);
    }
  } else {
    guess.forEach((item, i) => { if (marks.spots[item]) badge(marks.spots[item], `${i + 1}`); });
    const first = marks.spots[guess[0]];
    if (first?.band === "y") text(x1 + 27 * unit, y0 - 4 * unit, "your places", "end");
    if (first?.band === "x") text(x0 - 6 * unit, y0 - 12 * unit, "your places", "end");
  }
}
