// Runs the explorer's module in Node, as a browser would: node explorer_engine.mjs MODULE PACKED QUESTION
// QUESTION is a JSON file {latents, seed, count, plain}; the answer, on standard output, is JSON {pictures, seeded, arc,
// image, simd}. `plain` asks for the engine without WebAssembly.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modulePath, packedPath, questionPath] = process.argv.slice(2);
const { makeGenerator, makeSimd, seededLatents, slerp } = await import(pathToFileURL(modulePath));
const question = JSON.parse(readFileSync(questionPath, "utf8"));
const generator = makeGenerator(readFileSync(packedPath), question.plain ? null : makeSimd());
const seeded = seededLatents(question.count, generator.latentDim, question.seed);
process.stdout.write(JSON.stringify({
  pictures: question.latents.map((z) => Array.from(generator.run(z))),
  seeded: seeded.map((z) => Array.from(z)),
  arc: Array.from(slerp(seeded[0], seeded[1], 0.3)),
  simd: makeSimd() !== null,
  image: [generator.channels, generator.height, generator.width],
}));
