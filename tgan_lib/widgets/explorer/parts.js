// What the explorer's view is made of: elements, a throttle, questions to the model, and the two ways to a picture.
// Joined between engine.js and view.js by Python.

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const nextFrame = () => new Promise((done) => requestAnimationFrame(done));

/** Calls `run` at once, then at most once every `pause` ms, the last call never lost. */
function throttled(run, pause) {
  let timer = null, again = false;
  return function call() {
    if (timer !== null) { again = true; return; }
    run();
    timer = setTimeout(() => { timer = null; if (again) { again = false; call(); } }, pause);
  };
}

/** Questions to the other side of the model, each answered by one custom message with the same id. */
function makeCourier(model) {
  const waiting = new Map(), name = Math.random().toString(36).slice(2);
  const hear = (message, buffers) => {
    const question = waiting.get(message.id);
    if (!question) return; // another view's answer
    waiting.delete(message.id);
    if (message.kind === "error") question.failed(new Error(message.text));
    else question.done(buffers[0]);
  };
  model.on("msg:custom", hear);
  return {
    ask: (content, buffers = []) => new Promise((done, failed) => {
      const id = `${name}-${waiting.size}-${Date.now()}-${Math.random()}`;
      waiting.set(id, { done, failed });
      model.send({ ...content, id }, undefined, buffers);
    }),
    close: () => model.off("msg:custom", hear),
  };
}

/** -> {batch, draw(latents) -> promise of one Uint8Array (channels * height * width) each}. One request at a time. */
async function makePainter(model, courier) {
  const [channels, height, width] = model.get("image"), size = channels * height * width;
  if (model.get("drawn_by") === "browser") {
    const generator = makeGenerator(await courier.ask({ kind: "weights" }));
    const byte = (x) => Math.min(255, Math.max(0, Math.round((x + 1) * 127.5)));
    return { batch: 4, draw: async (latents) => latents.map((z) => Uint8Array.from(generator.run(z), byte)) };
  }
  let last = Promise.resolve();
  const request = async (latents) => {
    const z = new Float32Array(latents.flatMap((latent) => Array.from(latent)));
    const answer = await courier.ask({ kind: "render", n: latents.length }, [z.buffer]);
    const bytes = new Uint8Array(answer.buffer ?? answer, answer.byteOffset ?? 0, answer.byteLength);
    return latents.map((_, i) => bytes.slice(i * size, (i + 1) * size));
  };
  return { batch: 64, draw: (latents) => (last = last.catch(() => {}).then(() => request(latents))) };
}

/** Uint8 pixels, channel by channel, onto a canvas of their size. */
function put(canvas, pixels) {
  const { width, height } = canvas, area = width * height, colours = pixels.length / area;
  const image = new ImageData(width, height);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[i + (colours === 3 ? c * area : 0)];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Runnable Python for a latent. */
function asPython(z, words) {
  const numbers = Array.from(z, (x) => x.toFixed(5)), lines = [];
  for (let i = 0; i < numbers.length; i += 8) lines.push("    " + numbers.slice(i, i + 8).join(", ") + ",");
  return `import torch\n\n# ${words}; gan.sample(z=z) draws it\nz = torch.tensor([[\n${lines.join("\n")}\n]])\n`;
}
