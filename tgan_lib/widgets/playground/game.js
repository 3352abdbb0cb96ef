// The playground's game: what the data are, what each player minimises, one round of training, and how well it goes.
// Joined behind nets.js by Python, which also writes STRENGTH, the strength of each penalty.

const LATENTS = 2, HIDDEN = 32; // both nets have two hidden layers of this width
const SHOWN = 400; // samples on show, from latents that stay the same
const MOST_WEIGHT = 1e6; // a weight beyond this never came back; up to it, all that is shown stays a finite number

// Each set is a mixture of equal round Gaussians; a curve is one of many, close together.
const around = (n, place) => Array.from({ length: n }, (_, i) => place(i / n, i));
const turn = (angle, radius) => [radius * Math.cos(2 * Math.PI * angle), radius * Math.sin(2 * Math.PI * angle)];
const DATA = {
  one: { centres: [[0.7, 0.5]], std: 0.15, noun: "mode" },
  two: { centres: [[-0.8, 0], [0.8, 0]], std: 0.1, noun: "modes" },
  ring: { centres: around(8, (t) => turn(t, 1)), std: 0.07, noun: "modes" },
  grid: { centres: around(25, (_, i) => [(i % 5) / 2 - 1, Math.floor(i / 5) / 2 - 1]), std: 0.05, noun: "modes" },
  moons: {
    centres: [
      ...around(20, (t) => [0.8 * Math.cos(Math.PI * t) - 0.4, 0.8 * Math.sin(Math.PI * t) - 0.2]),
      ...around(20, (t) => [0.4 - 0.8 * Math.cos(Math.PI * t), 0.2 - 0.8 * Math.sin(Math.PI * t)]),
    ],
    std: 0.06, noun: "places on the moons",
  },
  spiral: { centres: around(40, (t) => turn(1.5 * t, 0.15 + t)), std: 0.05, noun: "places on the spiral" },
};

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const quantile = (numbers, q) => Float64Array.from(numbers).sort()[Math.round(q * (numbers.length - 1))];
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

// As in tgan_lib.losses, for one real score r and one fake score f; a batch's loss is the mean. d is D's loss, dr and
// df its slopes; g is G's loss, gf its slope in f. `rest` is D's loss where D cannot tell, and `line` its
// score there, for losses whose scores have a place of their own; `chance` marks scores that are logits of D. A
// `paired` loss compares fakes with reals, also in G's part.
const logistic = {
  d: (r, f) => softplus(-r) + softplus(f), dr: (r) => -sigmoid(-r), df: (r, f) => sigmoid(f),
  rest: 2 * Math.log(2), line: 0, chance: true,
};
const byScore = { g: (r, f) => -f, gf: () => -1 };
const LOSSES = {
  minimax: { ...logistic, g: (r, f) => -softplus(f), gf: (r, f) => -sigmoid(f) },
  non_saturating: { ...logistic, g: (r, f) => softplus(-f), gf: (r, f) => -sigmoid(-f) },
  least_squares: {
    d: (r, f) => ((r - 1) ** 2 + f ** 2) / 2, dr: (r) => r - 1, df: (r, f) => f,
    g: (r, f) => (f - 1) ** 2 / 2, gf: (r, f) => f - 1,
    rest: 0.25, line: 0.5,
  },
  wasserstein: { d: (r, f) => f - r, dr: () => -1, df: () => 1, ...byScore, rest: 0 },
  hinge: {
    d: (r, f) => Math.max(0, 1 - r) + Math.max(0, 1 + f), dr: (r) => (r < 1 ? -1 : 0), df: (r, f) => (f > -1 ? 1 : 0),
    ...byScore, rest: 2, line: 0,
  },
  relativistic: {
    d: (r, f) => softplus(f - r), dr: (r, f) => -sigmoid(f - r), df: (r, f) => sigmoid(f - r),
    g: (r, f) => softplus(r - f), gf: (r, f) => -sigmoid(r - f), paired: true, rest: Math.log(2),
  },
};

/** n points (2 numbers each) of a data set. Its Gaussians take turns, so that a batch has its share of each. */
function drawData(data, n, normal, from = 0) {
  const points = new Float64Array(2 * n);
  for (let i = 0; i < n; i++) {
    const centre = data.centres[(from + i) % data.centres.length];
    for (const k of [0, 1]) points[2 * i + k] = centre[k] + data.std * normal();
  }
  return points;
}

/** As tgan_lib.metrics.mixture_modes: modes with a good sample, and the share of samples within 3 deviations of one. */
function countModes(data, points) {
  const hits = data.centres.map(() => 0), n = points.length / 2;
  for (let i = 0; i < n; i++) {
    let nearest = 0, least = Infinity;
    data.centres.forEach(([x, y], c) => {
      const distance = (points[2 * i] - x) ** 2 + (points[2 * i + 1] - y) ** 2;
      if (distance < least) { least = distance; nearest = c; }
    });
    if (least <= (3 * data.std) ** 2) hits[nearest] += 1;
  }
  return { covered: hits.filter(Boolean).length, of: hits.length, good: hits.reduce((a, b) => a + b) / n };
}

/** A game from its start. `settings` may change between rounds, but for data, batch and seed. */
function makeGame(settings) {
  const { batch, seed } = settings, data = DATA[settings.data];
  const [weights, reals, latents, shown] = [0, 1, 2, 3].map((k) => makeNormal(4 * seed + k));
  const G = makeNet([LATENTS, HIDDEN, HIDDEN, 2], weights), D = makeNet([2, HIDDEN, HIDDEN, 1], weights);
  const gTape = makeTape(G, batch), dTape = makeTape(D, 2 * batch), gShow = makeTape(G, SHOWN), dShow = makeTape(D, SHOWN);
  const moveG = makeOptimiser(G), moveD = makeOptimiser(D);
  const drawLatents = (n, normal) => Float64Array.from({ length: LATENTS * n }, normal);
  const shownReal = drawData(data, SHOWN, shown), shownLatents = drawLatents(SHOWN, shown);
  const kept = [G, D].map((net) => net.values.slice()); // from before the round that is being played
  let drawn = 0;

  function generate(tape, z) {
    tape.values[0].set(z);
    return forward(G, tape, z.length / LATENTS).subarray(0, (2 * z.length) / LATENTS);
  }
  /** Scores of one batch, then of another. */
  function judge(first, second) {
    dTape.values[0].set(first);
    dTape.values[0].set(second, first.length);
    return forward(D, dTape, (first.length + second.length) / 2);
  }
  /** Fills D.slopes with those of D's loss, penalty included; returns the loss without it. */
  function discriminatorSlopes(real, z) {
    const n = real.length / 2, scores = judge(real, generate(gTape, z)), into = dTape.slopes.at(-1);
    const loss = LOSSES[settings.loss];
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const r = scores[i], f = scores[n + i];
      sum += loss.d(r, f);
      into[i] = loss.dr(r, f) / n;
      into[n + i] = loss.df(r, f) / n;
    }
    D.slopes.fill(0);
    backward(D, dTape, 2 * n);
    if (settings.penalty === "r1") penaliseSlopes(D, dTape, n, STRENGTH.r1);
    return sum / n;
  }
  /** Fills G.slopes with those of G's loss, and returns that. */
  function generatorSlopes(real, z) {
    const n = real.length / 2, loss = LOSSES[settings.loss], into = dTape.slopes.at(-1);
    const scores = judge(generate(gTape, z), loss.paired ? real : []);
    let sum = 0;
    for (let i = 0; i < n; i++) {
      sum += loss.g(scores[n + i], scores[i]);
      into[i] = loss.gf(scores[n + i], scores[i]) / n;
    }
    backward(D, dTape, n, false);
    gTape.slopes.at(-1).set(dTape.slopes[0].subarray(0, 2 * n));
    G.slopes.fill(0);
    backward(G, gTape, n);
    return sum / n;
  }
  const game = {
    data, generator: G, discriminator: D, discriminatorSlopes, generatorSlopes, shownReal,
    steps: 0, losses: [NaN, NaN],
    /**
     * One round: D's updates, then G's one, if D's head start is over. When a loss is no number after it, or a weight
     * has run away, the game goes back to where it was before, the last sound state, and false is returned.
     */
    step() {
      let real, d;
      [G, D].forEach((net, k) => kept[k].set(net.values));
      for (let i = 0; i < settings.d_steps; i++) {
        real = drawData(data, batch, reals, drawn);
        drawn += batch;
        d = discriminatorSlopes(real, drawLatents(batch, latents));
        moveD(settings.optimiser, settings.rate_d);
        if (settings.penalty === "clip") clipWeights(D, STRENGTH.clip);
      }
      const g = generatorSlopes(real, drawLatents(batch, latents));
      if (game.steps >= settings.head_start) moveG(settings.optimiser, settings.rate_g);
      const sound = Number.isFinite(d) && Number.isFinite(g) && [G, D].every((net) => net.values.every((w) => Math.abs(w) <= MOST_WEIGHT));
      if (sound) {
        game.steps += 1;
        game.losses = [d, g];
      } else [G, D].forEach((net, k) => net.values.set(kept[k]));
      return sound;
    },
    /** The fakes on show now, valid until the next call. */
    shownFake: () => generate(gShow, shownLatents),
    /** D's scores of points (two numbers each), on a tape made for as many. */
    score(points, tape = dShow) {
      tape.values[0].set(points);
      return forward(D, tape, points.length / 2).subarray(0, points.length / 2);
    },
    /** Where G's loss, or the one named, would have the first n shown fakes go: minus each sample's own slope. */
    pushes(fake, n, name = settings.loss) {
      const r = Float64Array.from(game.score(shownReal.subarray(0, 2 * n))), into = dShow.slopes.at(-1);
      const scores = game.score(fake.subarray(0, 2 * n));
      for (let i = 0; i < n; i++) into[i] = -LOSSES[name].gf(r[i], scores[i]);
      backward(D, dShow, n, false);
      return dShow.slopes[0].subarray(0, 2 * n);
    },
    /** The median length of 80 pushes. */
    push(name) {
      const pushes = game.pushes(game.shownFake(), 80, name), size = (i) => Math.hypot(pushes[2 * i], pushes[2 * i + 1]);
      return quantile(Array.from({ length: 80 }, (_, i) => size(i)), 0.5);
    },
    count: () => countModes(data, game.shownFake()),
  };
  return game;
}
