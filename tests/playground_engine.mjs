// Runs the playground's module in Node, as a browser would: node playground_engine.mjs MODULE QUESTION
// QUESTION is a JSON file {task, ...}; the answer, on standard output, is JSON.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modulePath, questionPath] = process.argv.slice(2);
const { makeGame, makeNormal, makeTape, drawData, countModes, surface, surfaceLines, lossAxis, brief, briefChance, CELLS, DATA } = await import(pathToFileURL(modulePath));
const question = JSON.parse(readFileSync(questionPath, "utf8"));
const nets = (game) => [game.discriminator, game.generator];
const list = (numbers) => Array.from(numbers);

const tasks = {
  // One loss's slopes in both nets' weights, at given weights, reals and latents.
  slopes({ settings, weights, real, z }) {
    const game = makeGame(settings), [D, G] = nets(game);
    D.values.set(weights[0]);
    G.values.set(weights[1]);
    const d = game.discriminatorSlopes(Float64Array.from(real), Float64Array.from(z));
    const dSlopes = list(D.slopes);
    const g = game.generatorSlopes(Float64Array.from(real), Float64Array.from(z));
    return { d, g, dSlopes, gSlopes: list(G.slopes), pushes: list(game.pushes(game.shownFake(), 8)), fake: list(game.shownFake().subarray(0, 16)), real: list(game.shownReal.subarray(0, 16)) };
  },
  // Whole rounds from the start, and the draws they were made with, drawn a second time from the same streams.
  rounds({ settings, rounds }) {
    const game = makeGame(settings), before = nets(game).map((net) => list(net.values)), n = settings.batch;
    const losses = Array.from({ length: rounds }, () => { game.step(); return game.losses; });
    const reals = makeNormal(4 * settings.seed + 1), latents = makeNormal(4 * settings.seed + 2);
    const batches = [];
    for (let i = 0; i < rounds; i++) {
      for (let k = 0; k <= settings.d_steps; k++) {
        const real = k < settings.d_steps ? drawData(game.data, n, reals, (i * settings.d_steps + k) * n) : batches.at(-1).real;
        batches.push({ real: list(real), z: Array.from({ length: 2 * n }, latents) });
      }
    }
    return { before, losses, batches, after: nets(game).map((net) => list(net.values)) };
  },
  // A run, looked at now and then.
  run({ settings, steps, every }) {
    const game = makeGame(settings), seen = [];
    let finite = true;
    while (finite && game.steps < steps) {
      finite = game.step();
      if (!finite) break;
      if (game.steps % every) continue;
      const fake = game.shownFake(), pushes = game.pushes(fake, 80), size = (i) => Math.hypot(pushes[2 * i], pushes[2 * i + 1]);
      const push = Array.from({ length: 80 }, (_, i) => size(i)).sort((a, b) => a - b)[40];
      const scores = list(game.score(game.shownReal)), mean = (k) => fake.filter((_, i) => i % 2 === k).reduce((a, b) => a + b) / 400;
      seen.push({ step: game.steps, ...game.count(), losses: game.losses, push, middle: [mean(0), mean(1)], most: Math.max(...scores.map(Math.abs)) });
    }
    return { finite, seen, last: list(game.generator.values.subarray(0, 8)) };
  },
  // A run to its last sound step: what is left there, and whether one more step is refused and changes nothing.
  runaway({ settings, steps }) {
    const game = makeGame(settings), losses = [], all = () => nets(game).flatMap((net) => list(net.values));
    while (game.steps < steps && game.step()) losses.push(game.losses);
    const before = all(), again = game.step(), map = surface(game, settings.loss, makeTape(game.discriminator, CELLS * CELLS));
    const shown = [...before, ...game.shownFake(), ...game.pushes(game.shownFake(), 80), ...map.scores, map.line, map.half, ...(game.steps ? game.losses : []), game.count().good];
    return { steps: game.steps, again, same: all().every((w, i) => w === before[i]), finite: shown.every(Number.isFinite), losses };
  },
  // G's way from where it stood at step `from`, and then with another loss.
  freed({ settings, from, until, loss, more }) {
    const own = { ...settings }, game = makeGame(own);
    while (game.steps < from) game.step();
    const start = list(game.shownFake());
    while (game.steps < until) game.step();
    const end = list(game.shownFake()), good = game.count().good, pushes = ["minimax", "non_saturating"].map((name) => game.push(name));
    const moved = start.reduce((sum, _, i) => sum + (i % 2 ? 0 : Math.hypot(end[i] - start[i], end[i + 1] - start[i + 1])), 0) / (start.length / 2);
    own.loss = loss;
    while (game.steps < until + more) game.step();
    return { moved, good, pushes, after: game.count().good };
  },
  // D's map: how many of 11 equal parts of the colours' range are used by more than one cell in a hundred.
  map({ settings, steps }) {
    const game = makeGame(settings);
    while (game.steps < steps) game.step();
    const map = surface(game, settings.loss, makeTape(game.discriminator, CELLS * CELLS)), parts = Array(11).fill(0);
    for (const s of map.scores) parts[Math.max(0, Math.min(10, Math.floor(5.5 * (1 + (s - map.line) / map.half))))] += 1;
    return { line: map.line, half: map.half, used: parts.filter((n) => n > 0.01 * map.scores.length).length, lines: surfaceLines(map).map((one) => one.length) };
  },
  axis: ({ series, rest, at }) => { const { share, ...axis } = lossAxis(series, rest); return { ...axis, shares: at.map(share) }; },
  brief: ({ numbers, logits }) => [numbers.map(brief), logits.map(briefChance)],
  count: ({ data, points }) => countModes(DATA[data], Float64Array.from(points)),
  data: () => Object.fromEntries(Object.entries(DATA).map(([name, data]) => [name, {
    ...data, sample: list(drawData(data, 4000, makeNormal(1))),
  }])),
};
process.stdout.write(JSON.stringify(question.map(({ task, ...rest }) => tasks[task](rest))));
