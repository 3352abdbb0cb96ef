// The playground's networks: small MLPs with leaky ReLU on typed arrays, their gradients by hand, and two optimisers.
// No imports and no exports: Python joins the files of this folder into the one script that a browser gets.
//
// A net keeps all its weights in one array, layer by layer, as PyTorch lays them out: weight (out, in), then bias.
// A tape keeps what a batch leaves behind: `values` of each layer, forward, and the loss's `slopes` in them, backward.
// Rows are worked on four at a time, which is faster: every batch is a multiple of four.

const LEAK = 0.2; // the leaky ReLU's slope below 0

/** A net with layers of these sizes. The weights' spread is that of torch.nn.Linear, 1 / sqrt(3 inputs). */
function makeNet(sizes, normal) {
  const layers = [];
  let size = 0;
  for (let l = 1; l < sizes.length; l++) {
    const inputs = sizes[l - 1], outputs = sizes[l];
    layers.push({ inputs, outputs, weight: size, bias: size + inputs * outputs });
    size += (inputs + 1) * outputs;
  }
  const values = new Float64Array(size);
  for (const { inputs, outputs, weight } of layers) {
    const spread = 1 / Math.sqrt(3 * inputs);
    for (let i = 0; i < (inputs + 1) * outputs; i++) values[weight + i] = spread * normal();
  }
  return { sizes, layers, values, slopes: new Float64Array(size) };
}

function makeTape(net, rows) {
  const arrays = () => net.sizes.map((size) => new Float64Array(rows * size));
  return { values: arrays(), slopes: arrays(), tangents: arrays() };
}

/** Runs the first n rows of tape.values[0] through the net; the last layer's values are returned. */
function forward(net, tape, n) {
  const w = net.values, last = net.layers.length - 1;
  net.layers.forEach(({ inputs, outputs, weight, bias }, l) => {
    const x = tape.values[l], y = tape.values[l + 1];
    for (let i = 0; i < n; i += 4) {
      const a = i * inputs, b = a + inputs, c = b + inputs, d = c + inputs;
      for (let j = 0, at = weight; j < outputs; j++) {
        let p = w[bias + j], q = p, r = p, s = p;
        for (let k = 0; k < inputs; k++, at++) {
          const v = w[at];
          p += v * x[a + k];
          q += v * x[b + k];
          r += v * x[c + k];
          s += v * x[d + k];
        }
        const to = i * outputs + j, leak = l < last ? LEAK : 1;
        y[to] = p > 0 ? p : leak * p;
        y[to + outputs] = q > 0 ? q : leak * q;
        y[to + 2 * outputs] = r > 0 ? r : leak * r;
        y[to + 3 * outputs] = s > 0 ? s : leak * s;
      }
    }
  });
  return tape.values[last + 1];
}

/**
 * From the loss's slopes in the outputs, tape.slopes[last], to its slopes in the inputs, tape.slopes[0]; those in the
 * weights are added to net.slopes unless `weights` is false. Between, tape.slopes[l] are slopes before the leaky ReLU.
 */
function backward(net, tape, n, weights = true) {
  const w = net.values, g = net.slopes, last = net.layers.length - 1;
  for (let l = last; l >= 0; l--) {
    const { inputs, outputs, weight, bias } = net.layers[l];
    const x = tape.values[l], y = tape.values[l + 1], dx = tape.slopes[l], dy = tape.slopes[l + 1];
    if (l < last) for (let i = 0; i < n * outputs; i++) if (!(y[i] > 0)) dy[i] *= LEAK;
    for (let i = 0; i < n; i += 4) {
      const a = i * inputs, b = a + inputs, c = b + inputs, d = c + inputs;
      const p = i * outputs, q = p + outputs, r = q + outputs, s = r + outputs;
      for (let k = 0; k < inputs; k++) {
        let sa = 0, sb = 0, sc = 0, sd = 0;
        for (let j = 0, at = weight + k; j < outputs; j++, at += inputs) {
          const v = w[at];
          sa += v * dy[p + j];
          sb += v * dy[q + j];
          sc += v * dy[r + j];
          sd += v * dy[s + j];
        }
        dx[a + k] = sa;
        dx[b + k] = sb;
        dx[c + k] = sc;
        dx[d + k] = sd;
      }
      if (!weights) continue;
      for (let j = 0, at = weight; j < outputs; j++) {
        const da = dy[p + j], db = dy[q + j], dc = dy[r + j], dd = dy[s + j];
        g[bias + j] += da + db + dc + dd;
        for (let k = 0; k < inputs; k++, at++) g[at] += da * x[a + k] + db * x[b + k] + dc * x[c + k] + dd * x[d + k];
      }
    }
  }
}

/**
 * R1 on the tape's first n rows: 1/2 E |v(x)|^2, where v is the slope of the net's one output in its input x, is
 * returned, and `strength` times its slopes in the weights are added to net.slopes.
 *
 * The net is piecewise linear, so v = W1' M1 W2' M2 w3 with masks M (1 or LEAK) that do not move with the weights. The
 * slope of |v|^2 / 2 is that of v.v' with one v held fixed, and v.v' is what the net without biases makes of v with x's
 * masks. So each weight's slope is a product of the slope that came back through the net and the v that went forward.
 */
function penaliseSlopes(net, tape, n, strength) {
  const w = net.values, g = net.slopes, last = net.layers.length - 1;
  tape.slopes[last + 1].fill(1, 0, n);
  backward(net, tape, n, false);
  tape.tangents[0].set(tape.slopes[0].subarray(0, 2 * n));
  net.layers.forEach(({ inputs, outputs, weight }, l) => {
    const t = tape.tangents[l], u = tape.tangents[l + 1], y = tape.values[l + 1], dy = tape.slopes[l + 1];
    for (let i = 0; i < n; i++) {
      for (let j = 0, at = weight; j < outputs; j++, at += inputs) {
        const to = i * outputs + j, d = (strength / n) * dy[to];
        let sum = 0;
        for (let k = 0; k < inputs; k++) {
          const v = t[i * inputs + k];
          sum += w[at + k] * v;
          g[at + k] += d * v;
        }
        u[to] = l < last && !(y[to] > 0) ? LEAK * sum : sum;
      }
    }
  });
  let total = 0;
  for (let i = 0; i < n; i++) total += tape.tangents[last + 1][i]; // |v(x)|^2
  return total / (2 * n);
}

/** Every weight and bias into [-limit, limit]. */
function clipWeights(net, limit) {
  const w = net.values;
  for (let i = 0; i < w.length; i++) w[i] = Math.min(limit, Math.max(-limit, w[i]));
}

/** Moves a net's weights down net.slopes: "sgd", or "adam" with betas 0.5 and 0.9 and PyTorch's epsilon. */
function makeOptimiser(net) {
  const m = new Float64Array(net.values.length), v = new Float64Array(net.values.length);
  let t = 0;
  return (kind, rate) => {
    const w = net.values, g = net.slopes;
    if (kind === "sgd") { for (let i = 0; i < w.length; i++) w[i] -= rate * g[i]; return; }
    t += 1;
    const size = rate / (1 - 0.5 ** t), root = Math.sqrt(1 - 0.9 ** t);
    for (let i = 0; i < w.length; i++) {
      m[i] += 0.5 * (g[i] - m[i]);
      v[i] += 0.1 * (g[i] * g[i] - v[i]);
      w[i] -= (size * m[i]) / (Math.sqrt(v[i]) / root + 1e-8);
    }
  };
}
