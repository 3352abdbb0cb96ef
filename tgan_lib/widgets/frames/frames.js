// A window on one tile of a sheet for each state, and the controls that move it. `about`: sides of the sheet in tiles;
// labels, names, choose and start of the axes; captions and curves by picture; along, the axis that plays.
const percent = (i, n) => `${n > 1 ? (100 * i) / (n - 1) : 0}%`;

// Outputs of before had no names in `about`: they are read off the controls that these outputs had.
function ofBefore(box, about) {
  const fields = [...box.querySelectorAll("input, select")];
  about.names = fields.map((field) => field.parentElement.firstChild.textContent.trim());
  about.choose = fields.map((field) => field.tagName === "SELECT");
  about.start = fields.map((field) => (field.tagName === "SELECT" ? field.selectedIndex : +field.value));
  about.along = about.choose.lastIndexOf(false);
  about.curves = {};
}

function frames(box, about) {
  const picture = box.querySelector("[role=img]"), line = box.querySelector("[aria-live]");
  if (!about.names) ofBefore(box, about);
  const { sides, labels, names, choose, along } = about, captions = about.captions, at = [...about.start];
  const [wide, high] = picture.style.aspectRatio.split("/").map(Number);
  const flat = (where) => where.reduce((sum, i, axis) => sum * labels[axis].length + i, 0);
  const words = (where) => captions[flat(where)] || where.map((i, axis) => `${names[axis]} ${labels[axis][i]}`).join(", ");
  const move = (node, where) => {
    const tile = flat(where);
    node.style.backgroundPosition = `${percent(tile % sides[0], sides[0])} ${percent(Math.floor(tile / sides[0]), sides[1])}`;
  };
  let kept = about.kept ? [...about.kept] : null, timer = 0;

  line.className = "tgan-words";
  line.removeAttribute("style");
  const other = picture.cloneNode(), otherWords = make("p", { className: "tgan-words" });
  const letGo = make("button", { type: "button" }, "Let go");
  const pane = make("div", {}, picture, line), keptPane = make("div", { className: "tgan-kept" }, other, otherWords);
  const pair = make("div", { className: "tgan-pair" }, keptPane, pane);
  const curves = Object.entries(about.curves).map(([name, curve]) => plot(name, curve, about));
  const tall = wide / high < 2.2; // wide strips of samples stand one above the other
  const stage = make("div", { className: `tgan-stage${curves.length && tall ? " tgan-beside" : ""}` }, pair);
  if (curves.length) stage.append(make("div", { className: "tgan-curve" }, ...curves.map((curve) => curve.node)));

  const fields = names.map((name, axis) => {
    const shown = make("b"), label = make("span", {}, `${name} `);
    if (choose[axis]) {
      const field = make("select", {}, ...labels[axis].map((text) => make("option", {}, text)));
      field.addEventListener("input", () => { at[axis] = field.selectedIndex; show(); });
      return { node: make("label", { className: "tgan-field" }, label, field), set: () => { field.selectedIndex = at[axis]; } };
    }
    const field = make("input", { type: "range", min: 0, max: labels[axis].length - 1, "aria-label": name });
    field.addEventListener("input", () => { stop(); at[axis] = +field.value; show(); });
    label.append(shown);
    const set = () => {
      field.value = at[axis];
      field.setAttribute("aria-valuetext", labels[axis][at[axis]]);
      shown.textContent = labels[axis][at[axis]];
    };
    return { node: make("label", { className: "tgan-field tgan-long" }, label, field), set };
  });
  const play = make("button", { type: "button", className: "tgan-play" });
  const keep = make("button", { type: "button" });
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    line.ariaLive = "polite";
    play.textContent = "▶ Play";
  };
  play.addEventListener("click", () => {
    if (timer) return stop();
    const n = labels[along].length;
    line.ariaLive = "off"; // nobody wants each picture of a film read out
    play.textContent = "❚❚ Pause";
    const next = () => { if (!box.isConnected) return stop(); at[along] = (at[along] + 1) % n; show(); };
    timer = setInterval(next, Math.min(900, Math.max(250, 5000 / n)));
    next();
  });
  keep.addEventListener("click", () => { kept = [...at]; show(); });
  letGo.addEventListener("click", () => { kept = null; show(); keep.focus(); });
  const controls = make("div", { className: "tgan-fields" });
  if (along >= 0 && labels[along].length > 2) controls.append(play);
  controls.append(...fields.map((field) => field.node), keep, letGo);

  function show() {
    move(picture, at);
    line.textContent = captions.length || kept ? words(at) : "";
    fields.forEach((field) => field.set());
    keptPane.hidden = !kept;
    pair.classList.toggle("tgan-two", kept !== null && tall);
    letGo.hidden = !kept;
    stage.classList.toggle("tgan-wide", kept !== null);
    keep.textContent = kept ? "Keep this instead" : "Keep to compare";
    if (kept) {
      move(other, kept);
      otherWords.textContent = `Kept: ${words(kept)}`;
    }
    curves.forEach((curve) => curve.show(at, kept, (i) => { stop(); at[along] = i; show(); }));
    size();
  }
  // As wide as the column, by a whole number of the screen's pixels for each of the picture's where that loses little.
  let before = "";
  function size() {
    const room = Math.min(pane.clientWidth, (0.72 * innerHeight * wide) / high), dots = devicePixelRatio || 1;
    if (!pane.clientWidth) return;
    const whole = (Math.floor((room * dots) / wide) * wide) / dots, width = `${Math.floor(whole > 0.7 * room ? whole : room)}px`;
    if (width === before) return;
    before = width;
    for (const node of [picture, other]) node.style.width = width;
  }
  box.classList.add("tgan-box");
  box.replaceChildren(stage, controls);
  stop();
  show();
  new ResizeObserver(() => { size(); curves.forEach((curve) => curve.fit()); }).observe(pair);
}

// A number over the places of the axis that plays: that of the state that is seen, the others faint, the place marked.
function plot(name, { values, log, digits }, { labels, along }) {
  const n = labels[along].length, height = 150, [left, right, top, bottom] = [8, 8, 12, 22];
  const stride = labels.slice(along + 1).reduce((product, axis) => product * axis.length, 1);
  const finite = values.filter((v) => v !== null), scale = (v) => (log ? Math.log10(v) : v);
  const low = Math.min(...finite), high = Math.max(...finite);
  const text = (v) => v.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const value = make("b"), svg = shape("svg", { "aria-hidden": "true", height });
  const node = make("div", {}, make("p", {}, `${name}, from ${text(low)} to ${text(high)}`, value), svg);
  let last = null;
  function draw(at, kept, go) {
    last = [at, kept, go];
    const wide = svg.clientWidth;
    if (!wide) return;
    svg.setAttribute("viewBox", `0 0 ${wide} ${height}`);
    const x = (i) => left + ((wide - left - right) * i) / Math.max(1, n - 1);
    const y = (v) => top + (height - top - bottom) * (high > low ? 1 - (scale(v) - scale(low)) / (scale(high) - scale(low)) : 0.5);
    const start = (where) => {
      const moved = where.map((place, axis) => (axis === along ? 0 : place));
      return moved.reduce((sum, place, axis) => sum * labels[axis].length + place, 0);
    };
    const points = (from) => Array.from({ length: n }, (_, i) => [x(i), values[from + i * stride]]).filter(([, v]) => v !== null).map(([a, v]) => [a, y(v)]);
    const path = (from, look) => shape("path", { d: points(from).map(([a, b], i) => `${i ? "L" : "M"}${a.toFixed(1)} ${b.toFixed(1)}`).join(""), class: look });
    const mine = start(at), here = values[mine + at[along] * stride];
    const parts = [shape("line", { x1: left, x2: wide - right, y1: height - bottom, y2: height - bottom })];
    for (let from = 0; from < values.length; from++) if (Math.floor(from / stride) % n === 0 && from !== mine) parts.push(path(from, "tgan-other"));
    parts.push(shape("line", { x1: x(at[along]), x2: x(at[along]), y1: top - 8, y2: height - bottom, class: "tgan-here" }), path(mine, ""));
    parts.push(...points(mine).map(([a, b]) => shape("circle", { cx: a, cy: b, class: "tgan-dot" })));
    const mark = (where, look) => {
      const found = values[start(where) + where[along] * stride];
      if (found !== null) parts.push(shape("circle", { cx: x(where[along]), cy: y(found), r: 6, class: look }));
    };
    if (kept) mark(kept, "tgan-then");
    mark(at, "");
    const word = (a, b, anchor, words) => parts.push(shape("text", { x: a, y: b, "text-anchor": anchor }, words));
        word(left, height - 5, "start", labels[along][0]);
    word(wide - right, height - 5, "end", labels[along][n - 1]);
    svg.replaceChildren(...parts);
    value.textContent = here === null ? "not measured here" : text(here);
    svg.onclick = (event) => go(Math.min(n - 1, Math.max(0, Math.round(((event.offsetX - left) / (wide - left - right)) * (n - 1)))));
  }
  return { node, show: draw, fit: () => { if (last) draw(...last); } };
}

const going = () => setGoing("frames", frames);
