// A plane with a dot for each method. `about`: names and labels of the axes, the methods' first; measures, each with
// mean, low and high of all states, flat; x and y, the measures seen; start; chosen, two methods; fit, whether that box is ticked; sides and size of tiles.
const say = (value, { digits }) => value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
// Where on an axis is better: arrows for less and for more.
const preference = ({ better }, [less, more]) => (better ? ` (${better === "less" ? `${less} better` : `better ${more}`})` : "");

function comparison(box, about) {
  const { names, labels, measures, sides, size } = about, methods = labels[0], at = [...about.start], chosen = [...about.chosen];
  const axes = { x: about.x, y: about.y }, known = Object.keys(measures), sheet = box.dataset.sheet;
  const flat = (method) => [method, ...at].reduce((sum, i, axis) => sum * labels[axis].length + i, 0);
  const read = (name, method) => {
    const i = flat(method), m = measures[name];
    return m.mean[i] === null ? null : { mean: m.mean[i], low: m.low[i], high: m.high[i] };
  };
  const range = (name, { low, high }) => (low === high ? "" : `${say(low, measures[name])} to ${say(high, measures[name])}`);
  const phrase = (name, method) => {
    const found = read(name, method);
    if (!found) return `${name} not measured`;
    const between = range(name, found);
    return `${name} ${say(found.mean, measures[name])}${between && ` (${between})`}`;
  };
  const sentence = (method) => known.map((name) => phrase(name, method)).join(", ");
  const state = () => at.map((i, axis) => `${names[axis + 1]} ${labels[axis + 1][i]}`).join(", ");

  // Controls.
  const settings = at.map((_, axis) => {
    const group = `tgan-${Math.random().toString(36).slice(2)}`;
    const buttons = labels[axis + 1].map((text, i) => {
      const input = make("input", { type: "radio", name: group, checked: i === at[axis] });
      input.addEventListener("change", () => { at[axis] = i; svg.classList.add("tgan-glides"); show(); });
      return make("label", {}, input, text);
    });
    return make("fieldset", {}, make("legend", {}, names[axis + 1]), make("div", { className: "tgan-buttons" }, ...buttons));
  });
  const options = (list, selected) => list.map((text, i) => make("option", { selected: i === selected }, text));
  const pickers = known.length < 3 ? [] : ["x", "y"].map((axis) => {
    const select = make("select", {}, ...options(known, known.indexOf(axes[axis])));
    select.addEventListener("input", () => { axes[axis] = select.value; show(); });
    return make("label", { className: "tgan-field" }, make("span", {}, axis === "x" ? "across" : "upwards"), select);
  });

  const fit = make("input", { type: "checkbox", checked: about.fit });
  fit.addEventListener("change", () => show());
  pickers.push(make("label", { className: "tgan-tick" }, fit, "axes fit these dots alone"));

  // The plane.
  const svg = shape("svg", { class: "tgan-plane", role: "group", "aria-label": about.alt });
  const frame = shape("g", { "aria-hidden": "true" });
  svg.append(frame);
  const dots = methods.map((name, method) => {
    const across = shape("line", { class: "tgan-spread" }), up = shape("line", { class: "tgan-spread" });
    const label = shape("text", { "aria-hidden": "true" }, name);
    const node = shape("g", { class: "tgan-method", role: "button", tabindex: method ? -1 : 0, "data-lm-suppress-shortcuts": "true" },
      across, up, shape("circle", { r: 22, class: "tgan-hit" }), shape("circle", { r: 12, class: "tgan-ring" }), shape("circle", { r: 7, class: "tgan-point" }), label);
    const tell = () => { told.textContent = `${name}: ${sentence(method)}.`; };
    node.addEventListener("pointerenter", tell);
    node.addEventListener("focus", () => { told.textContent = `${name}: ${sentence(method)}.`; dots.forEach((dot) => dot.node.setAttribute("tabindex", dot.node === node ? 0 : -1)); });
    node.addEventListener("click", () => choose(method));
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); return choose(method); }
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const order = methods.map((_, i) => i).filter((i) => dots[i].x !== null).sort((a, b) => dots[a].x - dots[b].x);
      dots[order[(order.indexOf(method) + step + order.length) % order.length]].node.focus();
    });
    svg.append(node);
    return { node, label, across, up, x: null, y: null };
  });
  const told = make("p", { className: "tgan-told" }, "Point at a dot, or go to it by Tab and the arrow keys: mean, and lowest to highest. Choose two to see their samples.");

  // The two that are chosen.
  const both = [0, 1].map((side) => {
    const select = make("select", { "aria-label": side ? "second" : "first" }, ...options(methods, chosen[side]));
    select.addEventListener("input", () => { chosen[side] = select.selectedIndex; show(); });
    const picture = make("div", { className: "tgan-picture", role: "img" }), list = make("dl");
    if (sheet) Object.assign(picture.style, { backgroundImage: `url(${sheet})`, backgroundSize: `${100 * sides[0]}% ${100 * sides[1]}%`, aspectRatio: `${size[0]} / ${size[1]}` });
    else picture.hidden = true;
    return { select, picture, list, node: make("div", { className: "tgan-side" }, select, picture, list) };
  });
  const note = make("p", { className: "tgan-small" }, "✓ ahead of the other in every run.");
  note.hidden = !known.some((name) => measures[name].better);
  let older = 0;
  function choose(method) {
    if (chosen.includes(method)) return;
    chosen[older] = method;
    older = 1 - older;
    show();
  }

  const table = make("table"), fold = make("details", {}, make("summary", {}, "The same as a table"), make("div", { className: "tgan-scroll", tabIndex: 0, role: "region", "aria-label": "Table" }, table));
  box.replaceChildren(make("div", { className: "tgan-bar" }, ...settings, ...pickers), svg, told, make("div", { className: "tgan-both" }, ...both.map((one) => one.node)), note, fold);

  // What a measure's axis shows is the same for all states, so that a dot that moves has moved; but for `fit`.
  function scaled(name, from, to) {
    const { log } = measures[name], [low, high] = ["low", "high"].map((end) => (fit.checked ? methods.map((_, i) => measures[name][end][flat(i)]) : measures[name][end])), f = (v) => (log ? Math.log10(v) : v);
    const all = [...low, ...high].filter((v) => v !== null).map(f), room = 0.04 * (Math.max(...all) - Math.min(...all) || 1);
    const [a, b] = [Math.min(...all) - room, Math.max(...all) + room];
    const place = (v) => from + ((f(v) - a) / (b - a)) * (to - from);
    let ticks = [];
    if (log) {
      const steps = b - a > 2.5 ? [1] : b - a > 1.2 ? [1, 3] : b - a > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
      for (let e = Math.floor(a); e <= b; e++) ticks.push(...steps.map((m) => m * 10 ** e));
    } else {
      const rough = (b - a) / Math.max(2, Math.abs(to - from) / (to < from ? 55 : 90)), power = 10 ** Math.floor(Math.log10(rough));
      const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
      for (let t = Math.ceil(a / step) * step; t <= b; t += step) ticks.push(+t.toPrecision(10));
    }
    return { place, ticks: ticks.filter((t) => f(t) >= a && f(t) <= b) };
  }

  function plane() {
    const wide = svg.clientWidth;
    if (!wide) return;
    const high = Math.round(Math.min(440, Math.max(300, 0.62 * wide))), [left, right, top, bottom] = [50, 14, 30, 46];
    svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    svg.setAttribute("height", high);
    const x = scaled(axes.x, left, wide - right), y = scaled(axes.y, high - bottom, top);
    const short = (t) => t.toLocaleString("en-GB", { maximumSignificantDigits: 3 });
    const parts = [];
    const text = (a, b, anchor, words, look = "") => parts.push(shape("text", { x: a, y: b, "text-anchor": anchor, class: look }, words));
    for (const t of x.ticks) {
      parts.push(shape("line", { x1: x.place(t), x2: x.place(t), y1: top, y2: high - bottom }));
      text(x.place(t), high - bottom + 18, "middle", short(t));
    }
    for (const t of y.ticks) {
      parts.push(shape("line", { x1: left, x2: wide - right, y1: y.place(t), y2: y.place(t) }));
      text(left - 7, y.place(t) + 4, "end", short(t));
    }
    text(wide - right, high - 6, "end", `${axes.x}${preference(measures[axes.x], ["←", "→"])}`, "tgan-title");
    text(0, 13, "start", `${axes.y}${preference(measures[axes.y], ["↓", "↑"])}`, "tgan-title");
    frame.replaceChildren(...parts);

    dots.forEach((dot, method) => {
      const [a, b] = [read(axes.x, method), read(axes.y, method)];
      dot.node.style.display = a && b ? "" : "none";
      dot.node.classList.toggle("tgan-one", method === chosen[0]);
      dot.node.classList.toggle("tgan-two", method === chosen[1]);
      dot.node.setAttribute("aria-pressed", chosen.includes(method));
      dot.node.setAttribute("aria-label", `${methods[method]}: ${sentence(method)}`);
      if (!a || !b) { dot.x = null; return; }
      [dot.x, dot.y] = [x.place(a.mean), y.place(b.mean)];
      dot.node.style.transform = `translate(${dot.x.toFixed(1)}px, ${dot.y.toFixed(1)}px)`;
      const span = (line, ends) => Object.entries(ends).forEach(([key, value]) => line.setAttribute(key, value.toFixed(1)));
      span(dot.across, { x1: x.place(a.low) - dot.x, x2: x.place(a.high) - dot.x });
      span(dot.up, { y1: y.place(b.low) - dot.y, y2: y.place(b.high) - dot.y });
    });
    name(wide, high, top, bottom);
  }

  // A dot's name stands where it covers no dot and no other name; the chosen ones' always.
  function name(wide, high, top, bottom) {
    const taken = dots.filter((dot) => dot.x !== null).map((dot) => [dot.x - 8, dot.y - 8, dot.x + 8, dot.y + 8]);
    const clear = (r) => r[0] >= 0 && r[2] <= wide && r[1] >= top - 8 && r[3] <= high - bottom + 6 && taken.every((t) => r[2] <= t[0] || t[2] <= r[0] || r[3] <= t[1] || t[3] <= r[1]);
    const order = [...chosen, ...methods.map((_, i) => i).filter((i) => !chosen.includes(i))].filter((i) => dots[i].x !== null);
    for (const method of order) {
      const { label, x, y } = dots[method], long = label.getComputedTextLength?.() || 8 * methods[method].length;
      const places = [["start", 12, 4], ["end", -12, 4], ["middle", 0, -13], ["middle", 0, 23]];
      const area = ([anchor, dx, dy]) => {
        const from = x + dx - (anchor === "end" ? long : anchor === "middle" ? long / 2 : 0);
        return [from, y + dy - 11, from + long, y + dy + 4];
      };
      const free = places.find((place) => clear(area(place)));
      const [anchor, dx, dy] = free ?? (x + 12 + long > wide ? places[1] : places[0]);
      label.setAttribute("text-anchor", anchor);
      label.setAttribute("x", dx);
      label.setAttribute("y", dy);
      label.style.display = free || chosen.includes(method) ? "" : "none";
      if (free) taken.push(area(free));
    }
  }

  function sidesOf() {
    both.forEach(({ select, picture, list }, side) => {
      const method = chosen[side], tile = flat(method), rival = chosen[1 - side];
      select.selectedIndex = method;
      if (sheet) {
        const place = (i, n) => `${n > 1 ? (100 * i) / (n - 1) : 0}%`;
        picture.style.backgroundPosition = `${place(tile % sides[0], sides[0])} ${place(Math.floor(tile / sides[0]), sides[1])}`;
        picture.setAttribute("aria-label", `Samples of ${methods[method]}, ${state()}`);
      }
      list.replaceChildren(...known.map((name) => {
        const mine = read(name, method), other = read(name, rival), { better } = measures[name];
        // ahead only where the ranges do not touch
        const ahead = mine && other && better && (better === "less" ? mine.high < other.low : mine.low > other.high);
        return make("div", {}, make("dt", {}, name), make("dd", { className: ahead ? "tgan-ahead" : "" }, mine ? say(mine.mean, measures[name]) + (ahead ? " ✓" : "") : "not measured"), make("dd", {}, mine ? range(name, mine) : ""));
      }));
    });
  }

  function show() {
    plane();
    sidesOf();
    const cell = (name, method) => { const found = read(name, method); return found ? `${say(found.mean, measures[name])}${range(name, found) && ` (${range(name, found)})`}` : "not measured"; };
    table.replaceChildren(make("caption", {}, `${state()}: mean (lowest to highest)`),
      make("thead", {}, make("tr", {}, ...[names[0], ...known].map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...methods.map((text, method) => make("tr", {}, make("th", { scope: "row" }, text), ...known.map((name) => make("td", {}, cell(name, method)))))));
  }
  show();
  let width = svg.clientWidth;
  new ResizeObserver(() => { if (svg.clientWidth !== width) { width = svg.clientWidth; svg.classList.remove("tgan-glides"); plane(); } }).observe(svg);
}

const going = () => setGoing("compare", comparison);
