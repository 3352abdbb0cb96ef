// Guesses stay in the browser: in localStorage by page and name, and where that is refused until the page is left.
const kept = (globalThis.tganGuesses ??= { held: new Map(), peeked: new Set(), news: new EventTarget() });
const place = (name) => `tgan guess ${location.pathname} ${name}`;
const recall = (name) => {
  if (kept.held.has(name)) return kept.held.get(name);
  try { return JSON.parse(localStorage.getItem(place(name))); } catch { return null; }
};
const tell = (name) => kept.news.dispatchEvent(new CustomEvent("guess", { detail: name }));
const keep = (name, guess) => {
  kept.held.set(name, guess);
  try {
    if (guess === null) localStorage.removeItem(place(name)); else localStorage.setItem(place(name), JSON.stringify(guess));
  } catch { /* refused: it is held until the page is left */ }
  tell(name);
};
const hear = (name, then) => kept.news.addEventListener("guess", ({ detail }) => { if (detail === name) then(); });
// A guess of another version of the question is none.
const guessed = (name, { kind, stops, options }) => {
  const guess = recall(name);
  if (kind === "slider") return stops.includes(guess) ? guess : null;
  if (kind === "choice") return options.includes(guess) ? guess : null;
  return Array.isArray(guess) && guess.length === options.length && options.every((o) => guess.includes(o)) ? guess : null;
};
const number = (value, { digits, unit }) => {
  const text = value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return (unit === "%" ? `${text} %` : unit ? `${text} ${unit}` : text).replace("-", "−");
};
const worded = (guess, about) => (about.kind === "slider" ? number(guess, about) : guess);

// The three kinds of answer: each returns its controls, `value()` (null while nothing is chosen), and `set(guess)`.
const kinds = {
  slider(about, question) {
    const { stops } = about, last = stops.length - 1;
    const input = make("input", { type: "range", min: 0, max: last, step: 1, "aria-label": question });
    const output = make("output", { "aria-hidden": "true" });
    const show = () => {
      const text = number(stops[+input.value], about);
      output.textContent = text;
      output.style.setProperty("--at", input.value / last);
      input.setAttribute("aria-valuetext", text);
    };
    input.addEventListener("input", show);
    const few = stops.length <= 11, ticks = make("div", { className: few ? "tgan-ticks" : "tgan-ticks tgan-ends", "aria-hidden": "true" });
    for (const i of few ? stops.keys() : [0, last]) {
      const tick = make("span", {}, few ? number(stops[i], { ...about, unit: "" }) : number(stops[i], about));
      tick.style.setProperty("--at", i / last);
      ticks.append(tick);
    }
    const set = (guess) => { input.value = guess === null ? Math.floor(last / 2) : stops.indexOf(guess); show(); };
    return { nodes: [make("div", { className: "tgan-slide" }, output, input, ticks)], value: () => stops[+input.value], set };
  },
  choice({ options }) {
    const group = `tgan-${Math.random().toString(36).slice(2)}`;
    const radios = options.map((value) => make("input", { type: "radio", name: group, value }));
    const cards = radios.map((radio) => make("label", {}, radio, make("span", {}, radio.value)));
    const set = (guess) => radios.forEach((radio) => { radio.checked = radio.value === guess; });
    return {
      nodes: [make("div", { className: "tgan-cards" }, ...cards)], set, missing: "Choose one of these first.",
      value: () => radios.find((radio) => radio.checked)?.value ?? null,
    };
  },
  order({ options, ends }, question, say) {
    const list = make("ol", { className: "tgan-order" });
    const items = () => [...list.children];
    const tidy = () => items().forEach((item, i, all) => {
      const [up, down] = item.querySelectorAll("button");
      up.disabled = i === 0;
      down.disabled = i === all.length - 1;
    });
    const move = (item, by, button) => {
      const all = items(), to = all.indexOf(item) + by;
      if (to < 0 || to >= all.length) return;
      by < 0 ? all[to].before(item) : all[to].after(item);
      tidy();
      (button.disabled ? [...item.querySelectorAll("button")].find((b) => !b.disabled) : button).focus();
      say(`${item.dataset.value}: place ${to + 1} of ${all.length}`);
    };
    const row = (value) => {
      const grip = make("span", { className: "tgan-grip", "aria-hidden": "true" });
      const buttons = [["↑", -1, "up"], ["↓", 1, "down"]].map(([sign, by, word]) => {
        const button = make("button", { type: "button", "aria-label": `Move ${value} ${word}` }, sign);
        button.addEventListener("click", () => move(item, by, button));
        return button;
      });
      const item = make("li", {}, grip, make("span", { className: "tgan-item" }, value), ...buttons);
      item.dataset.value = value;
      item.addEventListener("keydown", (event) => {
        const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        if (by) { event.preventDefault(); move(item, by, event.target); }
      });
      item.addEventListener("pointerdown", (event) => {
        const touch = event.pointerType !== "mouse";
        if (event.button || event.target.closest("button") || (touch && !event.target.closest(".tgan-grip"))) return;
        event.preventDefault();
        item.setPointerCapture(event.pointerId);
        item.classList.add("tgan-held");
        let from = event.clientY;
        const drag = ({ clientY }) => {
          const next = item.nextElementSibling, before = item.previousElementSibling, step = item.offsetHeight / 2;
          const height = (node) => node.offsetHeight + 6;
          if (next && clientY - from > step) { from += height(next); next.after(item); }
          else if (before && from - clientY > step) { from -= height(before); before.before(item); }
          item.style.transform = `translateY(${clientY - from}px)`;
        };
        const drop = () => {
          item.removeEventListener("pointermove", drag);
          item.classList.remove("tgan-held");
          item.style.transform = "";
          tidy();
          say(`${value}: place ${items().indexOf(item) + 1} of ${options.length}`);
        };
        item.addEventListener("pointermove", drag);
        for (const end of ["pointerup", "pointercancel"]) item.addEventListener(end, drop, { once: true });
      });
      return item;
    };
    const rows = new Map(options.map((value) => [value, row(value)]));
    const set = (guess) => { list.replaceChildren(...(guess ?? options).map((value) => rows.get(value))); tidy(); };
    const pole = (text) => make("p", { className: "tgan-small tgan-pole" }, text);
    return { nodes: [pole(ends[0]), list, pole(ends[1])], value: () => items().map((item) => item.dataset.value), set };
  },
};

function ask(box, about) {
  const name = box.dataset.predict, question = box.querySelector(".tgan-question").textContent;
  const eyebrow = () => make("span", { className: "tgan-eyebrow" }, "Your prediction");
  const status = make("p", { role: "status", className: "tgan-small" });
  const complaint = make("p", { role: "alert", className: "tgan-complaint" });
  const answer = kinds[about.kind](about, question, (text) => { status.textContent = text; });
  const button = (text, then, first) => {
    const made = make("button", { type: "button", className: first ? "tgan-first" : "" }, text);
    made.addEventListener("click", then);
    return made;
  };
  const commit = make("button", { type: "submit", className: "tgan-first" }, "This is my guess");
  const form = make("form", {}, make("fieldset", {}, make("legend", {}, eyebrow(), " ", question), ...answer.nodes), complaint,
    make("div", { className: "tgan-row" }, commit, make("span", { className: "tgan-small" }, "Your browser alone keeps it.")));
  const mine = make("div", { className: "tgan-mine" });
  const see = button("See the result", () => {
    const result = document.querySelector(`[data-reveal="${CSS.escape(name)}"]`);
    if (result) { bring(result); result.focus({ preventScroll: true }); } else status.textContent = "The result is further down.";
  }, true);
  const change = button("Change", () => { form.hidden = false; done.hidden = true; form.querySelector("input, button:not(:disabled)").focus(); });
  const forget = button("Forget", () => { kept.peeked.delete(name); keep(name, null); form.querySelector("input, button:not(:disabled)").focus(); });
  const done = make("div", {}, eyebrow(), make("p", { className: "tgan-question" }, question), mine,
    make("div", { className: "tgan-row" }, see, change, forget));
  const show = () => {
    const guess = guessed(name, about);
    form.hidden = guess !== null;
    done.hidden = guess === null;
    const result = document.querySelector(`[data-reveal="${CSS.escape(name)}"]`);
    see.textContent = result && far(box, result) ? "See the result, further on in this chapter" : "See the result";
    answer.set(guess);
    complaint.textContent = "";
    mine.replaceChildren(about.kind === "order" && guess ? make("ol", {}, ...guess.map((item) => make("li", {}, item))) : guess === null ? "" : worded(guess, about));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const value = answer.value();
    complaint.textContent = value === null ? answer.missing : "";
    if (value === null) return form.querySelector("input").focus();
    keep(name, value);
    status.textContent = "";
    see.focus();
  });
  box.replaceChildren(form, done, status);
  hear(name, show);
  show();
  tell(name); // a result that was there first learns that it has a question
}
