// The playground's elements: a picture with its buttons and its state, which stays on screen while the controls are open,
// and at its side what is read and what is set. Joined behind losses.js by Python, which also writes CHOICES (what each select
// offers) and PRESETS.

const MOST_SEED = 999999;

let playgrounds = 0; // ids must differ between playgrounds on one page

/** All elements by name; `on` holds what to call when they are used, `settings` what is chosen to begin with. */
function layOut(settings, on) {
  const id = `tgp${++playgrounds}`, fields = {};
  const field = (key, label, input) => {
    input.id = `${id}-${key}`;
    fields[key] = input;
    return make("div", { class: `tgp-field tgp-${key}` }, make("label", { for: input.id }, label), input);
  };
  const option = ([value, text]) => make("option", { value }, text);
  const select = (key, label) => {
    const choices = CHOICES[key].map(([value, text]) => [String(value), text]);
    if (!choices.some(([value]) => value === String(settings[key]))) choices.push([String(settings[key]), String(settings[key])]);
    const take = (event) => on.change(key, typeof settings[key] === "number" ? Number(event.target.value) : event.target.value);
    return field(key, label, make("select", { onchange: take }, ...choices.map(option)));
  };
  const button = (text, onclick, attributes = {}) => make("button", { type: "button", onclick, ...attributes }, text);
  const key = (kind, text = "") => make("span", {}, make("i", { class: `tgp-${kind}` }), make("span", {}, text));
  const counter = (label) => make("div", {}, make("span", { class: "tgp-label" }, label), make("span", { class: "tgp-value" }));

  const parts = {
    fields,
    canvas: make("canvas", { class: "tgp-plane", role: "img", "aria-label": "The plane" }),
    run: button("Run", on.run, { class: "tgp-run" }),
    step: button("Step", on.step, { "aria-keyshortcuts": "." }),
    restart: button("Restart", on.restart),
    ends: [make("span"), make("span")],
    bar: make("span", { class: "tgp-bar" }),
    keys: [key("key-real", "real"), key("key-fake", "generated"), key("key-line")],
    counters: ["step", "", "good samples"].map(counter),
    plot: make("canvas", { class: "tgp-losses", role: "img", "aria-label": "Both losses" }),
    losses: [key("dash-real"), key("dash-fake")],
    band: make("span", { class: "tgp-band" }, make("i", { class: "tgp-key-band" }), make("span", {}, "powers of ten")),
    push: make("p", { class: "tgp-push" }),
    say: make("p", { class: "tgp-say", role: "status" }),
    stage: make("div", { class: "tgp-stage" }),
    note: make("p", { class: "tgp-note", id: `${id}-note` }),
    seed: make("input", { type: "number", min: 0, max: MOST_SEED, step: 1, inputmode: "numeric", onchange: on.reseed }),
    arrows: make("input", { type: "checkbox", id: `${id}-arrows`, onchange: on.arrows }),
  };
  const presets = [...Object.entries(PRESETS).map(([name, { label }]) => [name, label]), ["", "Your own settings"]];
  const watch = make("select", { "aria-describedby": parts.note.id, onchange: (event) => on.choose(event.target.value) }, ...presets.map(option));
  parts.panel = make("div", { class: "tgp-fields", id: `${id}-panel`, role: "group", "aria-label": "Controls" },
    field("preset", "What to watch", watch),
    select("data", "Data"), select("loss", "Loss"), select("penalty", "Penalty on D"), select("optimiser", "Optimiser"),
    select("rate_d", "Learning rate of D"), select("rate_g", "Learning rate of G"), select("d_steps", "D's steps per G step"),
    select("head_start", "D's head start"), select("batch", "Batch"), field("seed", "Seed", parts.seed), select("speed", "Steps a frame"),
    make("div", { class: "tgp-field tgp-check" }, parts.arrows, make("label", { for: parts.arrows.id }, "Arrows: where G's loss pushes")));
  parts.controls = button("Controls", on.controls, { class: "tgp-more", "aria-controls": parts.panel.id });

  parts.stage.append(parts.canvas, make("div", { class: "tgp-transport" }, parts.run, parts.step, parts.restart, parts.controls), parts.say);
  parts.counters[1].title = "A mode counts as reached with one good sample: one within three standard deviations of its middle.";
  parts.root = make("div", { class: "tgp", role: "group", "aria-label": "Playground: a small GAN that trains in this page", onkeydown: on.key },
    make("div", { class: "tgp-body" },
      parts.stage,
      make("div", { class: "tgp-side" },
        make("div", {},
          make("div", { class: "tgp-legend" }, parts.ends[0], parts.bar, parts.ends[1]),
          make("div", { class: "tgp-legend tgp-keys" }, ...parts.keys)),
        make("div", { class: "tgp-counters" }, ...parts.counters),
        make("div", {}, parts.plot, make("div", { class: "tgp-legend tgp-keys" }, ...parts.losses, parts.band), parts.push),
        parts.note, parts.panel)));
  // JupyterLab takes letters, Enter and arrow keys for its own commands unless the focused element itself says no.
  for (const node of parts.root.querySelectorAll("input, select, button")) node.dataset.lmSuppressShortcuts = "true";
  return parts;
}
