// What is said of a guess beside what was found: text, with guess and truth set off.
function compare(guess, about) {
  const bold = (text) => make("b", {}, text), truth = (text) => make("b", { className: "tgan-truth" }, text);
  const { answer, kind } = about;
  if (kind === "order") {
    const n = answer.length, at = answer.map((item) => guess.indexOf(item));
    let right = 0;
    for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) right += at[i] < at[j];
    const pairs = (n * (n - 1)) / 2, stand = at.filter((p, i) => p === i).length;
    if (right === pairs) return [bold("Your order"), " is the one that was found, place for place."];
    return [bold("Your order"), ` has ${stand || "none"} of ${n} in place; of the ${pairs} pairs, ${right || "none"} ${right === 1 ? "is" : "are"} the right way round.`];
  }
  const said = ["You said ", bold(worded(guess, about))];
  if (kind === "choice") {
    if (answer.length === 1 && answer[0] === guess) return [...said, ", and so it is."];
    if (answer.includes(guess)) return [...said, ", and it is among those that come out equal: ", truth(answer.join(", ")), "."];
    return [...said, "; it is ", truth(answer.join(" or ")), "."];
  }
  const found = truth(about.found), gap = answer - guess;
  if (Math.abs(gap) <= about.near) return gap === 0 ? [...said, ", and so it is."] : [...said, "; it is ", found, ". As near as the slider goes."];
  if (about.ratio && guess > 0 && answer > 0) {
    const times = Math.max(answer / guess, guess / answer);
    const much = times.toLocaleString("en-GB", { maximumSignificantDigits: 2 });
    return [...said, "; it is ", found, gap > 0 ? `: ${much} times as much as you thought.` : `: you thought of ${much} times as much.`];
  }
  const off = number(Math.abs(gap), { ...about, digits: about.foundDigits });
  return [...said, "; it is ", found, `: ${off} ${gap > 0 ? "more" : "less"} than you thought.`];
}

function slope(guess, { answer }) {
  const row = 42, mid = (i) => row * i + row / 2;
  const lines = shape("svg", { viewBox: `0 0 72 ${row * answer.length}`, "aria-hidden": "true" });
  answer.forEach((item, i) => {
    const from = guess.indexOf(item);
    lines.append(shape("line", { x1: 8, x2: 64, y1: mid(from), y2: mid(i), class: from === i ? "tgan-right" : "" }));
  });
  const list = (items) => make("ol", {}, ...items.map((item, i) => make("li", {}, `${i + 1}. ${item}`)));
  return make("div", { className: "tgan-slope" }, make("b", {}, "Your order"), make("span"), make("b", {}, "What was found"), list(guess), lines, list(answer));
}

// What follows a result on the site's page and speaks of it: up to the next heading, question or exercise.
function rest(box) {
  const found = [];
  for (let next = box.closest(".cell")?.nextElementSibling; next; next = next.nextElementSibling) {
    if (next.matches("section, h1, h2, h3, h4, .exercise, .tag_exercise, .open-question") || next.querySelector(".tgan-predict, .tgan-reveal")) break;
    found.push(next);
  }
  return found;
}

function tie(box, about) {
  const name = box.dataset.reveal, shown = box.querySelector(".tgan-shown"), say = box.querySelector("[role=status]");
  const svg = about.marks ? shown.querySelector("svg") : null;
  const asked = () => document.querySelector(`[data-predict="${CSS.escape(name)}"]`);
  const first = make("button", { type: "button", className: "tgan-first" }, "Make your guess first");
  const anyway = make("button", { type: "button" }, "Show it anyway");
  first.addEventListener("click", () => { bring(asked()); asked().querySelector("form input, form button:not(:disabled)").focus({ preventScroll: true }); });
  anyway.addEventListener("click", () => { kept.peeked.add(name); tell(name); box.focus({ preventScroll: true }); });
  const behind = make("p", {});
  const cover = make("div", { className: "tgan-cover" }, behind, make("div", { className: "tgan-row" }, first, anyway));
  box.querySelector(".tgan-result").append(cover);
  box.tabIndex = -1;
  const back = make("button", { type: "button", className: "tgan-back" }, "Back to the question");
  back.addEventListener("click", () => { bring(asked()); [...asked().querySelectorAll("button:not(:disabled)")].find((b) => b.offsetParent).focus({ preventScroll: true }); });
  let extra = null, last;
  const redraw = () => {
    if (!svg || !svg.clientWidth) return;
    svg.querySelector(".tgan-guess")?.remove();
    const guess = guessed(name, about), layer = guess !== null && asked() ? shape("g", { class: "tgan-guess", "aria-hidden": "true" }) : null;
    fit(svg, () => {
      if (layer) { layer.replaceChildren(); svg.append(layer); draw(svg, layer, guess, about); }
    });
  };
  box.addEventListener("animationend", () => box.classList.remove("tgan-fresh"));
  const update = () => {
    const guess = asked() ? guessed(name, about) : null, veiled = asked() !== null && guess === null && !kept.peeked.has(name);
    box.classList.toggle("tgan-veiled", veiled);
    box.classList.toggle("tgan-compared", guess !== null);
    shown.inert = veiled;
    const after = rest(box);
    for (const part of after) part.classList.toggle("tgan-later", veiled);
    behind.textContent = after.length ? "The result, and what is said of it, wait behind this veil." : "The result is behind this veil.";
    cover.hidden = !veiled;
    extra?.remove();
    extra = null;
    if (guess !== null && about.kind === "order") say.after((extra = slope(guess, about)));
    const now = JSON.stringify([guess, veiled]);
    if (now === last) return;
    box.classList.toggle("tgan-fresh", last !== undefined);
    last = now;
    say.replaceChildren(...(guess === null ? [] : [...compare(guess, about), ...(far(asked(), box) ? [" ", back] : [])]));
    redraw();
  };
  let width = 0;
  if (svg) new ResizeObserver(() => { if (svg.clientWidth !== width) { width = svg.clientWidth; redraw(); } }).observe(svg);
  hear(name, update);
  update();
  document.addEventListener("DOMContentLoaded", update); // what follows on the page is there then
}

const going = () => { setGoing("predict", ask); setGoing("reveal", tie); };
