// The explorer's view: sliders, walk, interpolation and grid over a latent. Joined behind engine.js and parts.js by Python.
//
// It touches its model only through get, set, on, off, save_changes and send, so that the same `render` serves a
// notebook (the model is anywidget's) and the site (a stand-in whose weights come from a file; see loader.js).
// Where the model says that the kernel draws, pictures are asked of Python instead of the engine.

const REACH = 4; // how far a direction's slider goes to either side, in standard deviations of N(0, 1)
const LEG_MS = 3000; // one leg of a walk, from a latent to the next
const signed = (x) => (x < 0 ? "\u2212" : x > 0 ? "+" : "") + Math.abs(x).toFixed(1);
const percent = (x) => `${Math.round(100 * x)} %`;

let views = 0; // ids must differ between explorers on one page

function render({ model, el }) {
  const id = `tgx${++views}`, names = Object.keys(model.get("directions"));
  const directions = names.map((name) => Float32Array.from(model.get("directions")[name]));
  const [, height, width] = model.get("image"), latentDim = model.get("latent_dim");
  const rows = model.get("rows"), columns = model.get("columns"), firstSeed = model.get("seed");
  const reduced = window.matchMedia("(prefers-reduced-motion: reduce)");
  const courier = makeCourier(model);
  let painter = null, closed = false;

  // What is shown: truncation * (start + sum of amount * direction), and where `start` came from, in words.
  const now = { start: null, origin: "", amounts: names.map(() => 0), truncation: 1, between: 0 };
  let samples = [], seed = firstSeed, picked = -1, ends = [];
  const point = () => now.start.map((x, i) => x + directions.reduce((s, d, k) => s + now.amounts[k] * d[i], 0));
  const latent = () => point().map((x) => now.truncation * x);
  const words = () => [
    now.origin,
    ...names.flatMap((name, k) => (now.amounts[k] ? [`${name} ${signed(now.amounts[k])}`] : [])),
    ...(now.truncation < 1 ? [`truncation ${now.truncation.toFixed(2)}`] : []),
  ].join(", ");

  // ---- controls
  const thumb = () => make("canvas", { width, height, "aria-hidden": "true" });
  const button = (text, action, more = {}) => make("button", { type: "button", onclick: action, ...more }, text);
  const slider = (key, label, from, to, step, oninput) => {
    const input = make("input", { type: "range", id: `${id}-${key}`, class: from < 0 ? "tgx-signed" : "", min: from, max: to, step });
    const value = make("span", { class: "tgx-value", "aria-hidden": "true" });
    input.addEventListener("input", () => oninput(Number(input.value)));
    const show = (x, text) => { input.value = x; value.textContent = text; input.setAttribute("aria-valuetext", text); };
    const row = make("div", { class: "tgx-slider" }, make("label", { for: input.id }, label), value, input);
    return { row, input, show };
  };
  const canvas = make("canvas", { class: "tgx-picture", width, height, role: "img", "aria-label": "Generated picture" });
  const say = make("p", { class: "tgx-say", role: "status" }, "Waiting for the model.");
  const walkButton = button("", () => (reduced.matches ? step() : walk(walking === "random" ? "" : "random")));
  const endsButton = button("", () => (reduced.matches ? stepBetween() : walk(walking === "ends" ? "" : "ends")));
  const sliders = names.map((name, k) => slider(`d${k}`, name, -REACH, REACH, 0.1, (x) => {
    now.amounts[k] = x;
    changed(`${name} ${signed(x)}`);
  }));
  const truncation = slider("truncation", "truncation", 0, 1, 0.05, (x) => {
    now.truncation = x;
    changed(`truncation ${x.toFixed(2)}`);
    paintSamples();
  });
  const between = slider("between", "A to B", 0, 1, 0.01, (t) => {
    walk("");
    goBetween(t);
  });
  const endThumbs = [thumb(), thumb()];
  const endButtons = ["A", "B"].map((letter, e) => make(
    "button",
    { type: "button", class: "tgx-end", "aria-label": `Set ${letter} to the current picture`, onclick: () => {
      ends[e] = point();
      paintEnds();
      tell(`${letter} is now the current picture`);
    } },
    endThumbs[e], `Set ${letter}`,
  ));
  const seedInput = make("input", { type: "number", id: `${id}-seed`, min: 0, max: 4294967295, step: 1, inputmode: "numeric" });
  seedInput.addEventListener("change", () => {
    const asked = Number(seedInput.value);
    if (seedInput.value !== "" && Number.isInteger(asked) && asked >= 0 && asked <= 4294967295) reseed(asked);
    else { seedInput.value = seed; tell("a seed is a whole number from 0 to 4294967295"); }
  });
  const cells = Array.from({ length: rows * columns }, (_, i) => make(
    "div",
    { role: "option", class: "tgx-cell", tabindex: -1, "aria-label": `Sample ${i + 1}`, onclick: () => pick(i) },
    thumb(),
  ));
  const grid = make("div", { role: "listbox", class: "tgx-grid", "aria-label": "Samples of this seed", onkeydown: steer }, ...cells);
  grid.style.setProperty("--tgx-columns", columns);
  const code = make("textarea", { class: "tgx-code", readonly: "", rows: 6, hidden: "", "aria-label": "The latent as Python" });

  const root = make("div", { class: "tgx", role: "group", "aria-label": "Latent explorer" },
    make("div", { class: "tgx-main" }, canvas, say,
      make("div", { class: "tgx-buttons" }, walkButton, button("Reset", reset), button("Copy as Python", copy))),
    make("div", { class: "tgx-sliders" }, ...sliders.map((s) => s.row), truncation.row,
      make("div", { class: "tgx-between" }, endButtons[0], between.row, endButtons[1], endsButton)),
    make("div", { class: "tgx-samples" }, grid,
      make("div", { class: "tgx-seed" }, make("label", { for: seedInput.id }, "seed"), seedInput,
        button("New samples", () => reseed((seed + 1) % 4294967296)))),
    code);
  // JupyterLab takes arrow keys, Enter and letters for its own commands unless the focused element itself says no.
  for (const node of root.querySelectorAll("input, button, textarea, .tgx-cell")) node.dataset.lmSuppressShortcuts = "true";
  el.append(root);

  // ---- telling: in words, seldom enough for a screen reader to finish
  let news = "";
  const announce = throttled(() => {
    say.textContent = news.charAt(0).toUpperCase() + news.slice(1) + ".";
    canvas.setAttribute("aria-label", `Generated picture: ${words()}`);
  }, 700);
  function tell(text) { news = text; announce(); }

  // ---- moving
  function moveTo(start, origin, text = origin) {
    now.start = start;
    now.origin = origin;
    now.amounts.fill(0);
    mark(-1);
    changed(text);
  }
  function changed(text) {
    sliders.forEach((s, k) => s.show(now.amounts[k], signed(now.amounts[k])));
    truncation.show(now.truncation, now.truncation.toFixed(2));
    between.show(now.between, percent(now.between));
    tell(text);
    paint();
    share();
  }
  function goBetween(t) {
    now.between = t;
    moveTo(slerp(ends[0], ends[1], t), `${percent(t)} of the way from A to B`);
  }
  function mark(i) {
    picked = i;
    cells.forEach((cell, c) => cell.setAttribute("aria-selected", c === i));
  }
  function pick(i) {
    walk("");
    moveTo(samples[i], `sample ${i + 1} of seed ${seed}`);
    mark(i);
    focusable(i);
  }
  function focusable(i) { cells.forEach((cell, c) => cell.setAttribute("tabindex", c === i ? 0 : -1)); }
  function steer(event) {
    const at = cells.indexOf(event.target);
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(at); return; }
    const column = at % columns, to = {
      ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns,
      Home: at - column, End: at - column + columns - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 0 && to < cells.length) { focusable(to); cells[to].focus(); }
  }
  function reseed(to) {
    seed = to;
    samples = seededLatents(rows * columns, latentDim, seed);
    seedInput.value = seed;
    model.set("seed", seed);
    model.save_changes();
    mark(-1);
    focusable(0);
    tell(`${samples.length} samples of seed ${seed}`);
    paintSamples();
  }
  function reset() {
    walk("");
    Object.assign(now, { truncation: 1, between: 0 });
    reseed(firstSeed);
    ends = [samples[0], samples[1 % samples.length]];
    paintEnds();
    pick(0);
  }

  // ---- walks: arcs between latents drawn from N(0, I), or from A to B and back; one still step at a time where
  // motion is unwelcome
  let walking = "", leg = null; // "", "random" or "ends"
  const chance = makeNormal(Math.floor(Math.random() * 4294967296));
  const anywhere = () => Float32Array.from({ length: latentDim }, chance);
  function nameWalks() {
    walkButton.textContent = reduced.matches ? "Step at random" : walking === "random" ? "Pause" : "Random walk";
    endsButton.textContent = reduced.matches ? "Step from A to B" : walking === "ends" ? "Pause between A and B" : "Walk from A to B";
  }
  function walk(to) {
    if (to === walking) return;
    const before = walking;
    if (before === "ends") now.origin = `${percent(now.between)} of the way from A to B`;
    walking = to;
    nameWalks();
    if (!to) { tell(words()); return; }
    leg = null;
    if (to === "ends") goBetween(now.between === 1 ? 0 : now.between);
    mark(-1);
    now.origin = to === "ends" ? "on the way from A to B" : "a point on a random walk";
    tell(to === "ends" ? "walking from A to B" : "walking at random");
    if (!before) requestAnimationFrame(stride);
  }
  function stride(time) {
    if (!walking || closed) return;
    if (walking === "ends") strideBetween(time);
    else {
      if (leg === null || time - leg.began >= LEG_MS) leg = { began: time, from: now.start, to: anywhere() };
      now.start = slerp(leg.from, leg.to, Math.min(1, (time - leg.began) / LEG_MS));
    }
    paint();
    share();
    requestAnimationFrame(stride);
  }
  function strideBetween(time) {
    leg ??= { began: time - now.between * LEG_MS };
    const legs = ((time - leg.began) / LEG_MS) % 2; // there in the first, back in the second
    now.between = legs < 1 ? legs : 2 - legs;
    now.start = slerp(ends[0], ends[1], now.between);
    between.show(now.between, percent(now.between));
  }
  function stepBetween() { goBetween(now.between === 1 ? 0 : Math.min(1, Math.round(10 * now.between + 1) / 10)); }
  function step() { moveTo(anywhere(), "a latent drawn at random"); }
  const motion = () => { walk(""); nameWalks(); };
  reduced.addEventListener("change", motion);
  const away = new IntersectionObserver(([seen]) => { if (!seen.isIntersecting) walk(""); });
  away.observe(canvas);

  // ---- painting
  let wanted = false, painting = false, gridTurn = 0;
  function trouble(error) { if (!closed) tell(error.message); }
  async function paint() {
    wanted = true;
    if (painting || !painter) return;
    painting = true;
    try {
      while (wanted && !closed) {
        wanted = false;
        const began = performance.now();
        put(canvas, (await painter.draw([latent()]))[0]);
        root.dataset.ms = (performance.now() - began).toFixed(1);
        await nextFrame();
      }
    } catch (error) { trouble(error); } finally { painting = false; }
  }
  const paintSamples = throttled(async () => {
    const turn = ++gridTurn;
    try {
      for (let i = 0; painter && i < cells.length; i += painter.batch) {
        const part = samples.slice(i, i + painter.batch).map((z) => z.map((x) => now.truncation * x));
        const pictures = await painter.draw(part);
        if (turn !== gridTurn || closed) return;
        pictures.forEach((pixels, k) => put(cells[i + k].firstChild, pixels));
        await nextFrame();
      }
    } catch (error) { trouble(error); }
  }, 120);
  function paintEnds() {
    if (painter) painter.draw(ends).then((two) => two.forEach((pixels, e) => put(endThumbs[e], pixels)), trouble);
  }

  // ---- sharing the latent with Python
  let writing = false;
  const share = throttled(() => {
    if (closed) return;
    writing = true;
    model.set("z", Array.from(latent(), (x) => Number(x.toFixed(6))));
    writing = false;
    model.save_changes();
  }, 200);
  const fromPython = () => {
    if (writing) return;
    const z = Float32Array.from(model.get("z"));
    if (z.every((x, i) => Math.abs(x - latent()[i]) < 1e-5)) return; // our own, come back
    walk("");
    now.truncation = 1;
    moveTo(z, "a latent set in Python");
    paintSamples();
  };
  model.on("change:z", fromPython);

  async function copy() {
    const text = asPython(latent(), words());
    try {
      await navigator.clipboard.writeText(text);
      code.hidden = true;
      tell("the latent is on the clipboard, as Python");
    } catch { // no clipboard here, or no leave to write to it
      code.value = text;
      code.hidden = false;
      code.focus();
      code.select();
      tell("the latent is below, as Python, ready to be copied by hand");
    }
  }

  // ---- the start: the latent that the model holds, which is the first sample unless somebody moved it
  nameWalks();
  const held = Float32Array.from(model.get("z"));
  reset();
  if (held.some((x, i) => Math.abs(x - samples[0][i]) > 1e-4)) moveTo(held, "the latent this was left at");
  tell("waiting for the model");
  makePainter(model, courier).then((made) => {
    if (closed) return;
    painter = made;
    tell(words());
    paint();
    paintEnds();
    paintSamples();
    root.dataset.ready = "true";
  }).catch(trouble);

  return () => {
    closed = true;
    reduced.removeEventListener("change", motion);
    away.disconnect();
    model.off("change:z", fromPython);
    courier.close();
    root.remove();
  };
}
