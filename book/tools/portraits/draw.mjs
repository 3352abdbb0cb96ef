// Draws the portraits that tgan_lib ships: every style in one go, as bytes and as the choices behind each.
//
//     npm ci && node draw.mjs FOLDER        -> FOLDER/STYLE.raw (n x 64 x 64 x 3 bytes), FOLDER/STYLE.choices.json
//     python pack.py FOLDER                 -> tgan_lib/data/styles
//
// A portrait is a function of its style and its number. The generator of DiceBear draws much the same for seeds that
// are neighbours, so the seed is the SHA-256 of "STYLE/NUMBER".
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAvatar } from '@dicebear/core';
import * as collection from '@dicebear/collection';
import { Resvg } from '@resvg/resvg-js';

const SIZE = 64;
const GROUNDS = ['b6e3f4', 'c0aede', 'd1d4f9', 'ffd5dc', 'ffdfbf', 'ffffff'];
const STYLES = {
  peeps: ['openPeeps', 14000],
  micah: ['micah', 3000],
  ink: ['lorelei', 3000],
  toon: ['toonHead', 3000],
  adventurer: ['adventurer', 3000],
  pixel: ['pixelArt', 3000],
};
const OF_THE_GROUND = ['secondaryBackgroundColor', 'backgroundType', 'backgroundRotation']; // one colour: no choice

function portrait(style, number) {
  const seed = createHash('sha256').update(`${style}/${number}`).digest('hex');
  const avatar = createAvatar(collection[style], { seed, size: SIZE, backgroundColor: GROUNDS });
  const chosen = Object.entries(avatar.toJson().extra).filter(([name]) => !OF_THE_GROUND.includes(name));
  const drawn = new Resvg(avatar.toString(), { fitTo: { mode: 'width', value: SIZE } }).render();
  return [onWhite(drawn.pixels), Object.fromEntries(chosen)];
}

// Four bytes a pixel, colours already multiplied by their opacity, to three on white.
function onWhite(rgba) {
  const rgb = Buffer.alloc((rgba.length / 4) * 3);
  for (let pixel = 0; pixel < rgba.length / 4; pixel++) {
    const behind = 255 - rgba[4 * pixel + 3];
    for (let c = 0; c < 3; c++) rgb[3 * pixel + c] = Math.min(255, rgba[4 * pixel + c] + behind);
  }
  return rgb;
}

const folder = process.argv[2];
if (!folder) throw new Error('name the folder to draw into: node draw.mjs FOLDER');
mkdirSync(folder, { recursive: true });
for (const [name, [style, count]] of Object.entries(STYLES)) {
  const drawn = Array.from({ length: count }, (_, number) => portrait(style, number));
  writeFileSync(join(folder, `${name}.raw`), Buffer.concat(drawn.map(([pixels]) => pixels)));
  writeFileSync(join(folder, `${name}.choices.json`), JSON.stringify(drawn.map(([, chosen]) => chosen)));
  console.log(`${count} portraits in the style ${name}`);
}
