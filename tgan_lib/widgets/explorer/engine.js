// The explorer's engine: runs a packed generator (see export.py) on typed arrays, one picture at a time.
// No imports and no exports: Python joins this file and view.js into the one module that a browser gets.
//
// Every layer with weights is one product per input pixel: out[j] += x[c] * weight[c][j], with j running over all
// output channels and kernel taps side by side in memory. A convolution then adds each tap to the pixel it falls on.
// WebAssembly does both where it has SIMD (engine.c; Python puts its bytes before this file as SIMD_CODE). Elsewhere
// plain code does, which skips the channels that a ReLU has set to 0 (about half).

/** Packed bytes (ArrayBuffer or a view of one) -> {latentDim, channels, height, width, run}. `simd` null: plain code. */
function makeGenerator(bytes, simd = makeSimd()) {
  const raw = ArrayBuffer.isView(bytes)
    ? bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) : bytes;
  const text = new TextDecoder();
  if (text.decode(raw.slice(0, 4)) !== "TGX1") throw new Error("these bytes are not a packed generator");
  const start = 8 + new DataView(raw).getUint32(4, true);
  const header = JSON.parse(text.decode(raw.slice(8, start)));
  const steps = header.layers.map((layer) => makeStep(layer, raw, start, simd));
  const [channels, height, width] = header.image, first = simd?.take(header.latent_dim);
  const enter = (z) => {
    if (!simd) return Float32Array.from(z);
    const x = simd.view(first, header.latent_dim);
    x.set(z);
    return x;
  };
  return {
    latentDim: header.latent_dim, channels, height, width,
    /** z (latentDim numbers) -> Float32Array of channels * height * width in [-1, 1], valid until the next run. */
    run: (z) => steps.reduce((x, step) => step(x), enter(z)),
  };
}

/** The loops of engine.c and a memory to lay numbers out in; null where a browser has no SIMD, or a page forbids it. */
function makeSimd() {
  try {
    const code = Uint8Array.from(atob(SIMD_CODE), (letter) => letter.charCodeAt(0));
    const { memory, product, spread, __heap_base } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports;
    let used = __heap_base.value;
    const take = (n) => { // the address of n numbers of four bytes
      const at = (used + 15) & ~15, more = (used = at + 4 * n) - memory.buffer.byteLength;
      if (more > 0) memory.grow(Math.ceil(more / 65536)); // which ends all views made before
      return at;
    };
    return { product, spread, take, view: (at, n, Kind = Float32Array) => new Kind(memory.buffer, at, n) };
  } catch {
    return null;
  }
}

function makeStep(layer, raw, start, simd) {
  if (layer.op === "leaky") {
    const slope = layer.slope;
    return (x) => { for (let i = 0; i < x.length; i++) if (x[i] < 0) x[i] *= slope; return x; };
  }
  if (layer.op === "tanh") {
    return (x) => { for (let i = 0; i < x.length; i++) x[i] = Math.tanh(x[i]); return x; };
  }
  const inputs = layer.in[0], outputs = layer.out[0];
  const taps = layer.kernel ? layer.kernel[0] * layer.kernel[1] : 1;
  const weight = readWeight(layer, raw, start, inputs, outputs, taps);
  const bias = new Float32Array(raw, start + layer.bias, outputs);
  if (simd) return makeSimdStep(layer, simd, weight, bias, inputs, outputs, taps);
  const out = new Float32Array(layer.out.reduce((a, b) => a * b));
  if (layer.op === "linear") {
    const product = makeProduct(inputs, outputs, weight);
    return (x) => { out.set(bias); product(x, 0, 1, out); return out; };
  }
  const product = makeProduct(inputs, outputs * taps, weight);
  return makeConvolution(layer, product, bias, out, outputs, taps);
}

/** Float32Array (inputs, outputs, taps); whole numbers are multiplied by their output channel's scale here, once. */
function readWeight(layer, raw, start, inputs, outputs, taps) {
  const count = inputs * outputs * taps;
  if (layer.weight !== undefined) return new Float32Array(raw, start + layer.weight, count);
  const whole = new Int8Array(raw, start + layer.int8, count);
  const scale = new Float32Array(raw, start + layer.scale, outputs);
  const weight = Float32Array.from(whole);
  if (layer.sixteenths !== undefined) {
    const half = new Uint8Array(raw, start + layer.sixteenths, (count + 1) >> 1);
    for (let i = 0; i < count; i++) weight[i] += (((half[i >> 1] >> (4 * (i & 1))) & 15) - 7.5) / 16;
  }
  for (let i = 0; i < inputs * outputs; i++) {
    const s = scale[i % outputs];
    for (let t = i * taps; t < (i + 1) * taps; t++) weight[t] *= s;
  }
  return weight;
}

/** (x, first, stride, out): out[j] += sum over c of x[first + c * stride] * weight[c * columns + j]. */
function makeProduct(inputs, columns, weight) {
  const row = new Int32Array(inputs), value = new Float32Array(inputs);
  return (x, first, stride, out) => {
    let n = 0;
    for (let c = 0; c < inputs; c++) {
      const v = x[first + c * stride];
      if (v !== 0) { row[n] = c * columns; value[n++] = v; }
    }
    let k = 0;
    for (; k + 3 < n; k += 4) { // four rows at a time: one load and store of out for four multiply-adds
      const a = row[k], b = row[k + 1], c = row[k + 2], d = row[k + 3];
      const va = value[k], vb = value[k + 1], vc = value[k + 2], vd = value[k + 3];
      for (let j = 0; j < columns; j++) {
        out[j] += va * weight[a + j] + vb * weight[b + j] + vc * weight[c + j] + vd * weight[d + j];
      }
    }
    for (; k < n; k++) {
      const a = row[k], va = value[k];
      for (let j = 0; j < columns; j++) out[j] += va * weight[a + j];
    }
  };
}

/** Where tap k of input pixel i lands: the output pixel, or -1. */
const placeTransposed = (i, k, stride, padding) => i * stride - padding + k;
const placeConv = (i, k, stride, padding) => ((i + padding - k) % stride ? -1 : (i + padding - k) / stride);

/** A linear layer is a convolution of one pixel. x must lie in the memory of `simd`, as what is returned does. */
function makeSimdStep(layer, simd, weight, bias, inputs, outputs, taps) {
  const [, inHeight = 1, inWidth = 1] = layer.in, [, height = 1, width = 1] = layer.out;
  const [kernelHeight, kernelWidth] = layer.kernel ?? [1, 1], [down, across] = layer.stride ?? [1, 1];
  const [top, left] = layer.padding ?? [0, 0], place = layer.op === "conv" ? placeConv : placeTransposed;
  const pixels = inHeight * inWidth, area = height * width, wide = outputs * taps;
  const columns = (wide + 7) & ~7, filled = (pixels + 3) & ~3; // as engine.c wants them
  const panels = simd.take(inputs * columns), tiles = simd.take(inputs * filled);
  const products = simd.take(filled * columns), out = simd.take(outputs * area);
  const rows = simd.take(inHeight * kernelHeight), places = simd.take(inWidth * kernelWidth);
  const panel = simd.view(panels, inputs * columns);
  for (let c = 0; c < inputs; c++) {
    for (let j = 0; j < wide; j++) panel[((j >> 3) * inputs + c) * 8 + (j & 7)] = weight[c * wide + j];
  }
  const fall = (to, inside, kernel, stride, padding, most, step) => simd.view(to, inside * kernel, Int32Array).set(
    Array.from({ length: inside * kernel }, (_, i) => {
      const at = place(Math.floor(i / kernel), i % kernel, stride, padding);
      return at < 0 || at >= most ? -1 : at * step;
    }),
  );
  fall(rows, inHeight, kernelHeight, down, top, height, width);
  fall(places, inWidth, kernelWidth, across, left, width, 1);
  return (x) => {
    const y = simd.view(out, outputs * area);
    if (area === 1) y.set(bias);
    else for (let o = 0; o < outputs; o++) y.fill(bias[o], o * area, (o + 1) * area);
    simd.product(x.byteOffset, inputs, pixels, panels, columns, tiles, products);
    simd.spread(products, columns, out, outputs, area, rows, places, inHeight, inWidth, kernelHeight, kernelWidth);
    return y;
  };
}

function makeConvolution(layer, product, bias, out, outputs, taps) {
  const [, inHeight, inWidth] = layer.in, [, height, width] = layer.out;
  const [kernelHeight, kernelWidth] = layer.kernel;
  const columns = new Float32Array(outputs * taps), area = height * width;
  const place = layer.op === "conv" ? placeConv : placeTransposed;
  return (x) => {
    for (let o = 0; o < outputs; o++) out.fill(bias[o], o * area, (o + 1) * area);
    for (let iy = 0; iy < inHeight; iy++) {
      for (let ix = 0; ix < inWidth; ix++) {
        columns.fill(0);
        product(x, iy * inWidth + ix, inHeight * inWidth, columns);
        for (let ky = 0; ky < kernelHeight; ky++) {
          const oy = place(iy, ky, layer.stride[0], layer.padding[0]);
          if (oy < 0 || oy >= height) continue;
          for (let kx = 0; kx < kernelWidth; kx++) {
            const ox = place(ix, kx, layer.stride[1], layer.padding[1]);
            if (ox < 0 || ox >= width) continue;
            let to = oy * width + ox, from = ky * kernelWidth + kx;
            for (let o = 0; o < outputs; o++, to += area, from += taps) out[to] += columns[from];
          }
        }
      }
    }
    return out;
  };
}

/** A reproducible source of N(0, 1) numbers: mulberry32 (T. Ettinger) and Box and Muller (1958). As in twin.py. */
function makeNormal(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
  return () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  };
}

/** n latents of a seed. */
function seededLatents(n, latentDim, seed) {
  const normal = makeNormal(seed);
  return Array.from({ length: n }, () => Float32Array.from({ length: latentDim }, normal));
}

/** The arc from a to b at t in [0, 1], as in latent.py; the straight line where no arc is defined. */
function slerp(a, b, t) {
  const dot = (u, v) => u.reduce((sum, x, i) => sum + x * v[i], 0);
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  const angle = Math.acos(Math.min(1, Math.max(-1, dot(a, b) / lengths)));
  const sine = Math.sin(angle);
  const [p, q] = lengths < 1e-12 || sine < 1e-4 ? [1 - t, t] : [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine];
  return a.map((x, i) => p * x + q * b[i]);
}
