// The two losses over the steps so far, on an axis that a run which blows up does not flatten. Joined behind draw.js by
// Python.

const BAND = 0.24; // of the plot's height, for each side on which some losses lie far off
const AXIS = 50; // CSS pixels at the left, for the numbers
const TEXT = 12; // their size

/**
 * The axis for two series of losses: `share(v)` says how high a loss stands, 0 to 1. The middle, which holds `rest` and
 * eight in ten of each series, is straight. What lies further off than the middle is wide gets a band of its own, above
 * or below, that counts powers of ten: `low` and `high` are where the bands begin, and `ticks` the numbers to be shown,
 * the most wanted first.
 */
function lossAxis(series, rest) {
  const known = series.filter((one) => one.length), all = [rest, ...known.flat()];
  let low = Math.min(rest, ...known.map((one) => quantile(one, 0.1))), high = Math.max(rest, ...known.map((one) => quantile(one, 0.9)));
  const least = Math.min(...all), most = Math.max(...all), width = Math.max(high - low, 0.05);
  const above = most - high > width, below = low - least > width;
  if (!above) high = Math.max(most, low + 0.02);
  if (!below) low = Math.min(least, high - 0.02);
  const space = 0.06 * (high - low), from = below ? BAND : 0, to = above ? 1 - BAND : 1;
  const bottom = low - space, top = high + space;
  const far = (v, limit, extreme) => Math.log1p((v - limit) / width) / Math.log1p((extreme - limit) / width);
  const share = (v) => {
    if (above && v > top) return to + 0.9 * BAND * far(v, top, most);
    if (below && v < bottom) return from - 0.9 * BAND * far(-v, -bottom, -least);
    return from + ((to - from) * (v - bottom)) / (top - bottom);
  };
  const ticks = [rest];
  if (above) ticks.push(...powers(top, most));
  if (below) ticks.push(...powers(-bottom, -least).map((v) => -v));
  const step = [1, 2, 5, 10].map((k) => k * 10 ** Math.floor(Math.log10((high - low) / 4))).find((k) => k >= (high - low) / 4);
  for (let k = Math.ceil(low / step); k * step <= high; k++) ticks.push(k * step);
  return { share, low: below ? from : null, high: above ? to : null, ticks };
}

/** The largest power of ten up to `most` that is over `limit`; `most` itself where there is none. */
function powers(limit, most) {
  const largest = 10 ** Math.floor(Math.log10(most));
  return [largest > limit ? largest : most];
}

/** The losses so far. Once there are too many for the plot, neighbours become their mean. */
function makeHistory() {
  const most = 240;
  let every = 1, sums = [0, 0], count = 0, series = [[], []];
  const shown = () => series.map((one, k) => (count ? [...one, sums[k] / count] : one)); // the newest, however few they are
  return {
    add(losses) {
      sums = sums.map((sum, k) => sum + losses[k]);
      if (++count < every) return;
      series.forEach((one, k) => one.push(sums[k] / count));
      [sums, count] = [[0, 0], 0];
      if (series[0].length < most) return;
      series = series.map((one) => Array.from({ length: most / 2 }, (_, i) => (one[2 * i] + one[2 * i + 1]) / 2));
      every *= 2;
    },
    /** -> whether some of it lies in a band of powers of ten. */
    draw(canvas, palette, ink, rest) {
      const { pen, width, height } = prepare(canvas), now = shown(), axis = lossAxis(now, rest);
      const y = (v) => 2 + (height - 4) * (1 - axis.share(v)), x = (i) => AXIS + ((width - AXIS - 2) * i) / Math.max(40, now[0].length - 1);
      const stroke = (points, colour, dash, weight) => {
        pen.beginPath();
        points.forEach(([u, v], i) => (i ? pen.lineTo(u, v) : pen.moveTo(u, v)));
        pen.setLineDash(dash);
        pen.lineWidth = weight;
        pen.strokeStyle = colour;
        pen.stroke();
        pen.setLineDash([]);
      };
      pen.fillStyle = palette.band;
      if (axis.high !== null) pen.fillRect(AXIS, 0, width - AXIS, 2 + (height - 4) * (1 - axis.high));
      if (axis.low !== null) pen.fillRect(AXIS, 2 + (height - 4) * (1 - axis.low), width - AXIS, height);
      stroke([[AXIS, y(rest)], [width, y(rest)]], ink, [1, 3], 1);
      pen.fillStyle = ink;
      pen.font = `${TEXT}px sans-serif`;
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      const taken = [], told = new Set();
      for (const v of axis.ticks) {
        const at = Math.min(height - TEXT / 2, Math.max(TEXT / 2, y(v)));
        if (told.has(brief(v)) || taken.some((other) => Math.abs(other - at) < TEXT + 2)) continue;
        taken.push(at);
        told.add(brief(v)); // two that read alike say nothing of the axis
        pen.fillText(brief(v), AXIS - 7, at);
        stroke([[AXIS - 4, y(v)], [AXIS, y(v)]], ink, [], 1);
      }
      now.forEach((one, k) => stroke(one.map((v, i) => [x(i), y(v)]), k ? palette.fake : palette.real, k ? [5, 3] : [], 1.6));
      return axis.high !== null || axis.low !== null;
    },
  };
}

/** A number in few characters. */
function brief(v) {
  const size = Math.abs(v);
  let text = size.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
  if (size >= 1e4 || (size > 0 && size < 0.01)) text = size.toExponential(0).replace("e+", "e").replace("-", "\u2212");
  return (v < 0 && text !== "0.00" ? "\u2212" : "") + text;
}

/** A logit's D in few characters, however near it is to 0 or 1. */
function briefChance(logit) {
  return logit > 4.6 ? `1 \u2212 ${brief(sigmoid(-logit))}` : brief(sigmoid(logit));
}
