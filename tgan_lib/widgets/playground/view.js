// The playground's view: controls around a game, a plane to watch it on, and words for those who do not see it. Joined
// behind draw.js by Python, which also writes CHOICES (what each select offers) and PRESETS.
//
// It reads the model once, for its settings, and never writes to it: all of the training happens here.

const FRAME_MS = 26; // a frame's work: training gets what drawing leaves of it, so that slow machines keep moving
const LEAST_MS = 10; // but no less than this
const STILL_MS = 1000; // between pictures where motion is unwelcome
const AT_START = new Set(["data", "batch", "seed"]); // settings that only a new game can take up

let playgrounds = 0; // ids must differ between playgrounds on one page

function render({ model, el }) {
  const id = `tgp${++playgrounds}`, settings = { ...model.get("settings") }, fields = {};
  const reduced = window.matchMedia("(prefers-reduced-motion: reduce)");
  let game, history, running = false, over = false, closed = false, pictured = 0, pending = 0, drawing = 8, range = {};

  // ---- controls
  const field = (key, label, input) => {
    input.id = `${id}-${key}`;
    fields[key] = input;
    return make("div", { class: `tgp-field tgp-${key}` }, make("label", { for: input.id }, label), input);
  };
  const option = ([value, text]) => make("option", { value }, text);
  const select = (key, label, take = (value) => change(key, typeof settings[key] === "number" ? Number(value) : value)) => {
    const choices = CHOICES[key].map(([value, text]) => [String(value), text]);
    if (!choices.some(([value]) => value === String(settings[key]))) choices.push([String(settings[key]), String(settings[key])]);
    return field(key, label, make("select", { onchange: (event) => take(event.target.value) }, ...choices.map(option)));
  };
  const button = (text, onclick) => make("button", { type: "button", onclick }, text);

  const note = make("p", { class: "tgp-note", id: `${id}-note` });
  const watch = field("preset", "What to watch", make("select", { "aria-describedby": note.id, onchange: (event) => choose(event.target.value) },
    ...Object.entries(PRESETS).map(([name, { label }]) => option([name, label])), option(["", "Your own settings"])));
  const canvas = make("canvas", { class: "tgp-plane", role: "img", "aria-label": "The plane" });
  const ends = [make("span"), make("span")], bar = make("span", { class: "tgp-bar" });
  const keys = [["real", "real"], ["fake", "generated"], ["line", ""]].map(([kind, text]) => (
    make("span", {}, make("i", { class: `tgp-key-${kind}` }), make("span", {}, text))));
  const runButton = button("Run", () => (running ? pause() : run()));
  runButton.className = "tgp-run";
  const say = make("p", { class: "tgp-say", role: "status" });
  const counter = (label) => {
    const value = make("span", { class: "tgp-value" });
    return { row: make("div", {}, make("span", { class: "tgp-label" }, label), value), value };
  };
  const counters = ["step", "", "good samples"].map(counter);
  const plot = make("canvas", { class: "tgp-losses", role: "img", "aria-label": "Both losses" });
  const lossWords = [make("span"), make("span")];
  const seed = make("input", { type: "number", min: 0, max: 999999, step: 1, inputmode: "numeric", onchange: reseed });
  const arrows = make("input", { type: "checkbox", id: `${id}-arrows`, onchange: () => { settings.arrows = arrows.checked; draw(); } });

  const root = make("div", { class: "tgp", role: "group", "aria-label": "Playground: a small GAN that trains in this page", onkeydown: steer },
    make("div", { class: "tgp-watch" }, watch, note),
    make("div", { class: "tgp-stage" }, canvas,
      make("div", { class: "tgp-legend" }, ends[0], bar, ends[1]),
      make("div", { class: "tgp-legend tgp-keys" }, ...keys),
      make("div", { class: "tgp-transport" }, runButton,
        make("button", { type: "button", onclick: step, "aria-keyshortcuts": "." }, "Step"), button("Restart", restart),
        select("speed", "Steps a frame", (value) => { settings.speed = Number(value); })),
      say),
    make("div", { class: "tgp-side" },
      make("div", { class: "tgp-counters" }, ...counters.map((c) => c.row)),
      make("div", { class: "tgp-lossbox" }, plot, make("div", { class: "tgp-legend tgp-keys" },
        make("span", {}, make("i", { class: "tgp-dash-real" }), lossWords[0]), make("span", {}, make("i", { class: "tgp-dash-fake" }), lossWords[1]))),
      make("div", { class: "tgp-fields" }, select("data", "Data"), select("loss", "Loss"), select("penalty", "Penalty on D"),
        select("optimiser", "Optimiser"), select("rate_d", "Learning rate of D"), select("rate_g", "Learning rate of G"),
        select("d_steps", "D's steps per G step"), select("head_start", "D's head start"), select("batch", "Batch"), field("seed", "Seed", seed),
        make("div", { class: "tgp-field tgp-check" }, arrows, make("label", { for: arrows.id }, "Arrows: where G's loss pushes")))));
  // JupyterLab takes letters, Enter and arrow keys for its own commands unless the focused element itself says no.
  for (const node of root.querySelectorAll("input, select, button")) node.dataset.lmSuppressShortcuts = "true";
  el.append(root);
  const drawPlane = makePlane(canvas);

  // ---- changing the settings
  function change(key, value) {
    settings[key] = value;
    settings.preset = "";
    if (AT_START.has(key)) restart();
    else { show(); draw(); }
  }
  function choose(name) {
    Object.assign(settings, PRESETS[name]?.settings, { preset: name });
    if (name) restart();
    else show();
  }
  function reseed() {
    const asked = Number(seed.value);
    if (seed.value !== "" && Number.isInteger(asked) && asked >= 0 && asked <= 999999) { settings.seed = asked; restart(); }
    else { seed.value = settings.seed; say.textContent = "A seed is a whole number from 0 to 999999."; }
  }
  function show() {
    for (const [key, input] of Object.entries(fields)) input.value = String(settings[key]);
    arrows.checked = settings.arrows;
    note.textContent = PRESETS[settings.preset]?.note ?? "The seed fixes the data, the latents and the first weights: the same settings give the same run.";
    keys[2].lastChild.textContent = LOSSES[settings.loss].words?.[2] ?? "half-way between both kinds' average scores";
    runButton.textContent = running ? "Pause" : "Run";
  }

  // ---- training
  function restart() {
    running = over = false;
    game = makeGame(settings);
    history = makeHistory();
    show();
    draw();
    tell("Ready");
  }
  function advance() {
    over = !game.step();
    history.add(game.losses);
    return !over;
  }
  function run() {
    if (over) { tell(); return; }
    running = true;
    show();
    say.textContent = "Training.";
    next();
  }
  function pause() {
    running = false;
    show();
    draw();
    tell("Paused");
  }
  function step() {
    if (running) { pause(); return; }
    if (!over) advance();
    draw();
    tellSoon();
  }
  function next() { // one frame is waited for at a time, however fast Pause and Run follow each other
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(frame);
  }
  function frame(now) {
    if (!running || closed) return;
    const began = performance.now();
    for (let i = 0; i < settings.speed && performance.now() - began < Math.max(LEAST_MS, FRAME_MS - drawing); i++) if (!advance()) { pause(); return; }
    const trained = performance.now();
    if (!reduced.matches || now - pictured > STILL_MS) { draw(); pictured = now; }
    const ended = performance.now();
    drawing += 0.1 * (ended - trained - drawing);
    root.dataset.ms = (ended - began).toFixed(1);
    next();
  }
  function steer(event) {
    if (event.key !== "." || event.target === seed || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    step();
  }

  // ---- showing
  const modes = () => {
    const { covered, of, good } = game.count();
    return { modes: `${covered} of ${of}`, good: `${Math.round(100 * good)} %` };
  };
  function draw() {
    const palette = paletteOf(root);
    for (const name of ["real", "fake", "contour"]) root.style.setProperty(`--tgp-${name}`, palette[name]);
    bar.style.background = `linear-gradient(to right, ${palette.scale.join(", ")})`;
    range = drawPlane(game, settings, palette, settings.arrows);
    history.draw(plot, palette, getComputedStyle(root).getPropertyValue("--tgp-soft"), LOSSES[settings.loss].rest);
    count();
  }
  const count = throttled(() => {
    const now = modes(), words = LOSSES[settings.loss].words ?? [`score ${brief(range.low)}`, `score ${brief(range.high)}`];
    counters[1].row.firstChild.textContent = `${game.data.noun} covered`;
    [String(game.steps), now.modes, now.good].forEach((text, i) => { counters[i].value.textContent = text; });
    lossWords.forEach((span, k) => { span.textContent = `${"DG"[k]}'s loss ${game.steps ? brief(game.losses[k]) : ""}`; });
    ends[0].textContent = `generated: ${words[0]}`;
    ends[1].textContent = `real: ${words[1]}`;
  }, 200);
  function tell(how = "") {
    const now = modes(), at = `step ${game.steps}`;
    const losses = game.steps ? `; D's loss is ${brief(game.losses[0])}, G's ${brief(game.losses[1])}` : "";
    say.textContent = over
      ? `Stopped at ${at}: a loss is no longer a number. Smaller learning rates or a penalty on D may keep it finite.`
      : `${how ? `${how} at ${at}` : at.replace("s", "S")}: ${now.modes} ${game.data.noun} covered, ${now.good} of the samples good${losses}.`;
    canvas.setAttribute("aria-label", `The plane with ${SHOWN} real and ${SHOWN} generated points on D's surface, at ${at}: ${now.modes} ${game.data.noun} covered.`);
    plot.setAttribute("aria-label", `Both losses up to ${at}${losses}.`);
  }
  const tellSoon = throttled(tell, 700);

  // ---- what happens around: another theme or size, out of sight
  const redraw = () => { if (!running) draw(); };
  const themes = new MutationObserver(redraw);
  for (const node of [document.documentElement, document.body]) themes.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light", "class"] });
  const sizes = new ResizeObserver(redraw);
  sizes.observe(canvas);
  const away = new IntersectionObserver(([seen]) => { if (running && !seen.isIntersecting) pause(); });
  away.observe(root);
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", redraw);

  restart();
  root.dataset.ready = "true";
  return () => {
    closed = true;
    for (const observer of [themes, sizes, away]) observer.disconnect();
    system.removeEventListener("change", redraw);
    root.remove();
  };
}
