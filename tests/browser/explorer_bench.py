"""How long a picture of a shipped model takes in a headless Chromium here: with WebAssembly's SIMD, and without.

    python tests/browser/explorer_bench.py [peeps-64] [--rounds 100]

Times are of the engine and of putting the picture on a canvas, in milliseconds. On a busy machine the least of them
says more than the median.
"""

from __future__ import annotations

import argparse
import base64
import os

from playwright.sync_api import sync_playwright
from visits import FLAGS, HOW_TO_GET_ONE, find_chromium

from tgan_lib import zoo
from tgan_lib.widgets.explorer import assets, pack

FRAMES = """([data, plain, rounds]) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer;
    const { makeGenerator, makeSimd, seededLatents } = tganExplorer;
    const generator = makeGenerator(bytes, plain ? null : makeSimd());
    const { width, height, channels } = generator, times = [];
    const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
    for (const z of seededLatents(rounds, generator.latentDim, 1)) {
        const began = performance.now(), pixels = generator.run(z), image = new ImageData(width, height);
        for (let i = 0; i < width * height; i++) {
            for (let c = 0; c < 3; c++) {
                image.data[4 * i + c] = (pixels[i + (channels === 3 ? c * width * height : 0)] + 1) * 127.5;
            }
            image.data[4 * i + 3] = 255;
        }
        context.putImageData(image, 0, 0);
        times.push(performance.now() - began);
    }
    return times.sort((a, b) => a - b);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the explorer's engine in Chromium.")
    parser.add_argument("name", nargs="?", default="peeps-64", choices=zoo.names())
    parser.add_argument("--rounds", type=int, default=100)
    asked = parser.parse_args()
    path = find_chromium()
    if path is None:
        raise SystemExit(HOW_TO_GET_ONE)
    packed = pack(zoo.load(asked.name, device="cpu").ema)
    print(f"{asked.name}: {len(packed)} bytes; load of this machine {os.getloadavg()[0]:.1f}", flush=True)
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=path, args=FLAGS).new_page()
        page.add_script_tag(content=assets.script())
        for words, plain in (("SIMD", False), ("plain", True)):
            data = base64.b64encode(packed).decode()
            times = page.evaluate(FRAMES, [data, plain, asked.rounds])
            print(f"{words}: least {times[0]:.1f} ms, median {times[len(times) // 2]:.1f} ms", flush=True)


if __name__ == "__main__":
    main()
