// The playground's view: a game, the picture of it, and words for those who do not see it. Joined behind layout.js by Python.
//
// It reads the model once, for its settings, and never writes to it: all of the training happens here.

const FRAME_MS = 26; // a frame's work: training gets what drawing leaves of it, so that slow machines keep moving
const LEAST_MS = 10; // but no less than this
const STILL_MS = 1000; // between pictures where motion is unwelcome
const UNASKED_MS = 3000; // how long it runs by itself when it first comes into view
const IN_VIEW = 0.6; // of the picture: then it has come into view
const AT_START = new Set(["data", "batch", "seed"]); // settings that only a new game can take up
const BOTH = [["minimax", "minimax"], ["non_saturating", "non-saturating"]]; // losses whose pushes are told side by side

function render({ model, el }) {
  const given = model.get("settings"), settings = { seed: 0, ...PRESETS[given.preset || "good"].settings, ...given };
  const reduced = window.matchMedia("(prefers-reduced-motion: reduce)");
  let game, history, running = false, over = false, closed = false, pictured = 0, pending = 0, drawing = 8, seen = {};
  let fresh = true, until = Infinity; // whether it may still run unasked; when it stops by itself

  const at = layOut(settings, { run: toggle, step, restart: () => { touch(); restart(); }, controls, change, choose, reseed, key: steer, arrows: () => { settings.arrows = at.arrows.checked; draw(); } });
  const { root, canvas, plot, say } = at;
  el.append(root);
  const drawPlane = makePlane(canvas);

  // ---- changing the settings
  function touch() {
    fresh = false;
    until = Infinity;
    say.setAttribute("aria-live", "polite");
  }
  function change(key, value) {
    touch();
    settings[key] = value;
    if (key === "speed") return;
    settings.preset = "";
    if (AT_START.has(key)) restart();
    else { show(); draw(); }
  }
  function choose(name) {
    touch();
    Object.assign(settings, PRESETS[name]?.settings, { preset: name });
    if (name) restart();
    else show();
  }
  function reseed() {
    touch();
    const text = at.seed.value, asked = Number(text);
    if (text !== "" && Number.isInteger(asked) && asked >= 0 && asked <= MOST_SEED) { settings.seed = asked; restart(); }
    else { at.seed.value = settings.seed; say.textContent = `A seed is a whole number from 0 to ${MOST_SEED}.`; }
  }
  function controls() {
    touch();
    settings.controls = !settings.controls;
    show();
    const bring = (node, block) => node.scrollIntoView({ block, behavior: reduced.matches ? "instant" : "smooth" });
    if (!settings.controls) bring(at.stage, "nearest"); // it stood pinned, and is back in its place
    else if (at.panel.getBoundingClientRect().bottom > window.innerHeight) bring(at.panel, "start");
  }
  function show() {
    for (const [key, input] of Object.entries(at.fields)) input.value = String(settings[key]);
    at.arrows.checked = settings.arrows;
    at.note.textContent = PRESETS[settings.preset]?.note ?? "The seed fixes the data, the latents and the first weights: the same settings give the same run.";
    at.run.textContent = over ? "Start again" : running ? "Pause" : "Run";
    at.panel.hidden = at.step.hidden = at.restart.hidden = !settings.controls;
    at.controls.setAttribute("aria-expanded", String(Boolean(settings.controls)));
    root.classList.toggle("tgp-open", Boolean(settings.controls));
    at.push.hidden = !(settings.controls || settings.preset === "saturation") || !BOTH.some(([name]) => name === settings.loss);
  }

  // ---- training
  function restart() {
    running = over = false;
    game = makeGame(settings);
    history = makeHistory();
    show();
    draw();
    tell("Ready at step 0");
  }
  function advance() {
    over = !game.step();
    if (!over) history.add(game.losses);
    return !over;
  }
  function toggle() {
    touch();
    if (running) { pause(); return; }
    if (over) restart();
    run();
  }
  function run() {
    running = true;
    say.textContent = "Training.";
    show();
    cancelAnimationFrame(pending); // one frame is waited for at a time, however fast Pause and Run follow each other
    pending = requestAnimationFrame(frame);
  }
  function pause(how = `Paused at step ${game.steps}`) {
    running = false;
    until = Infinity;
    show();
    draw();
    tell(how);
  }
  function step() {
    touch();
    if (running) { pause(); return; }
    if (!over && !advance()) show();
    draw();
    tellSoon();
  }
  function frame(now) {
    if (!running || closed) return;
    const began = performance.now();
    until ??= began + UNASKED_MS;
    if (began > until) { pause("Ran for three seconds; press Run to go on"); return; }
    for (let i = 0; i < settings.speed && performance.now() - began < Math.max(LEAST_MS, FRAME_MS - drawing); i++) if (!advance()) { pause(); return; }
    const trained = performance.now();
    if (!reduced.matches || now - pictured > STILL_MS) { draw(); pictured = now; }
    const ended = performance.now();
    drawing += 0.1 * (ended - trained - drawing);
    root.dataset.ms = (ended - began).toFixed(1);
    pending = requestAnimationFrame(frame);
  }
  function steer(event) {
    if (event.key !== "." || event.target === at.seed || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    step();
  }
  /** Three seconds unasked, once to their end, and not read out: who has not asked for it need not hear of it. */
  function runUnasked() {
    fresh = false;
    say.setAttribute("aria-live", "off");
    until = null; // the first frame sets it: a page may still be busy with itself
    run();
  }

  // ---- showing
  const modes = () => {
    const { covered, of, good } = game.count();
    return { modes: `${covered} of ${of}`, good: `${Math.round(100 * good)}\u00a0%` };
  };
  const away = () => (seen.outside ? `, ${seen.outside} of ${SHOWN} outside the picture` : "");
  function draw() {
    const palette = paletteOf(root);
    for (const name of ["real", "fake", "contour", "band"]) root.style.setProperty(`--tgp-${name}`, palette[name]);
    at.bar.style.background = `linear-gradient(to right, ${palette.scale.join(", ")})`;
    seen = drawPlane(game, settings, palette, settings.arrows);
    at.band.hidden = !history.draw(plot, palette, getComputedStyle(root).getPropertyValue("--tgp-soft"), LOSSES[settings.loss].rest);
    count();
  }
  const count = throttled(() => {
    const now = modes(), loss = LOSSES[settings.loss], { line, half } = seen;
    const score = (v) => (loss.chance ? `D = ${briefChance(v)}` : `score ${brief(v)}`);
    at.counters[1].firstChild.textContent = `${game.data.noun} reached`;
    [String(game.steps), now.modes, now.good].forEach((text, i) => { at.counters[i].lastChild.textContent = text; });
    at.losses.forEach((key, k) => { key.lastChild.textContent = `${"DG"[k]}'s loss ${game.steps ? brief(game.losses[k]) : ""}`; });
    at.ends[0].textContent = score(line - half);
    at.ends[1].textContent = score(line + half);
    at.keys[1].lastChild.textContent = `generated${away()}`;
    const middle = loss.chance ? "D = 1/2" : loss.line === undefined ? "the median score in view" : `score ${brief(line)}`;
    at.keys[2].lastChild.textContent = `${middle}; colours and thin lines are stretched to D's range here`;
    at.push.textContent = `Push on a sample, median: ${BOTH.map(([name, words]) => `${words} ${brief(game.push(name))}`).join(", ")}.`;
  }, 200);
  /** The state in a few words beside the buttons; what the counters and the plot show goes to those who hear it. */
  function tell(how = `Step ${game.steps}`) {
    const now = modes(), step = `step ${game.steps}`;
    const losses = game.steps ? `; D's loss is ${brief(game.losses[0])}, G's ${brief(game.losses[1])}` : "";
    if (over) say.textContent = `Stopped at ${step}, the last with sound numbers: in the next one they run away, so start again, with smaller learning rates or a penalty on D.`;
    else say.replaceChildren(`${how}.`, make("span", { class: "tgp-heard" }, ` ${now.modes} ${game.data.noun} reached, ${now.good} of the samples good${losses}.`));
    canvas.setAttribute("aria-label", `The plane with ${SHOWN} real and ${SHOWN} generated points${away()} on D's surface, at ${step}: ${now.modes} ${game.data.noun} reached.`);
    plot.setAttribute("aria-label", `Both losses up to ${step}${losses}.`);
  }
  const tellSoon = throttled(tell, 700);

  // ---- what happens around: another theme or size, in and out of sight
  const redraw = () => { if (!running) draw(); };
  const themes = new MutationObserver(redraw);
  for (const node of [document.documentElement, document.body]) themes.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light", "class"] });
  const sizes = new ResizeObserver(redraw);
  sizes.observe(canvas);
  const left = new IntersectionObserver(([now]) => { if (running && !now.isIntersecting) pause(); });
  left.observe(root);
  const came = new IntersectionObserver(([now]) => {
    if (now.intersectionRatio < IN_VIEW && until !== Infinity) { pause(); fresh = true; } // it goes on once one is back
    else if (fresh && now.intersectionRatio >= IN_VIEW && !reduced.matches) runUnasked();
  }, { threshold: IN_VIEW });
  came.observe(canvas);
  const top = parseFloat(getComputedStyle(at.stage).top) || 0; // where it is held once it is pinned
  const pinned = new IntersectionObserver(
    ([now]) => at.stage.classList.toggle("tgp-pinned", now.intersectionRatio < 1 && now.boundingClientRect.top <= top + 1),
    { rootMargin: `${-Math.ceil(top) - 1}px 0px 100% 0px`, threshold: 1 },
  );
  pinned.observe(at.stage);
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", redraw);

  restart();
  root.dataset.ready = "true";
  return () => {
    closed = true;
    for (const observer of [themes, sizes, left, came, pinned]) observer.disconnect();
    system.removeEventListener("change", redraw);
    root.remove();
  };
}
