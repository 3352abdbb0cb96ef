// The two loops in which the explorer's engine spends its time, for WebAssembly's SIMD. engine.js allocates, and does
// the same without where there is no SIMD. Built into engine.wasm, which is committed beside, by
//
//   clang --target=wasm32 -O3 -msimd128 -ffreestanding -nostdlib -Wl,--no-entry -Wl,--strip-all \
//     -Wl,--export=__heap_base -Wl,-z,stack-size=4096 -Wl,--initial-memory=65536 -o engine.wasm engine.c

#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define ADD(sum, v, a) sum = wasm_f32x4_add(sum, wasm_f32x4_mul(v, a))

/* out[p][j] = sum over c of x[c][p] * weight[c][j], for `pixels` p and `columns` j, a multiple of 8. The weights lie in
 * panels of 8 columns, [j / 8][c][8]; `tiles` has room for x in tiles of 4 pixels, [p / 4][c][4], filled up with
 * zeros, and `out` for as many pixels. Four pixels by eight columns at a time stay in registers. */
EXPORT("product")
void product(const float *x, int inputs, int pixels, const float *weight, int columns, float *tiles, float *out) {
  int filled = (pixels + 3) & ~3;
  for (int c = 0; c < inputs; c++)
    for (int p = 0; p < filled; p++)
      tiles[((p >> 2) * inputs + c) * 4 + (p & 3)] = p < pixels ? x[c * pixels + p] : 0.0f;
  for (int j = 0; j < columns; j += 8, weight += 8 * inputs)
    for (int p = 0; p < filled; p += 4) {
      const float *t = tiles + p * inputs, *w = weight;
      v128_t zero = wasm_f32x4_splat(0.0f);
      v128_t a0 = zero, b0 = zero, a1 = zero, b1 = zero, a2 = zero, b2 = zero, a3 = zero, b3 = zero;
      for (int c = 0; c < inputs; c++, t += 4, w += 8) {
        v128_t a = wasm_v128_load(w), b = wasm_v128_load(w + 4);
        v128_t v = wasm_v128_load32_splat(t);
        ADD(a0, v, a), ADD(b0, v, b);
        v = wasm_v128_load32_splat(t + 1);
        ADD(a1, v, a), ADD(b1, v, b);
        v = wasm_v128_load32_splat(t + 2);
        ADD(a2, v, a), ADD(b2, v, b);
        v = wasm_v128_load32_splat(t + 3);
        ADD(a3, v, a), ADD(b3, v, b);
      }
      float *to = out + p * columns + j;
      wasm_v128_store(to, a0), wasm_v128_store(to + 4, b0), to += columns;
      wasm_v128_store(to, a1), wasm_v128_store(to + 4, b1), to += columns;
      wasm_v128_store(to, a2), wasm_v128_store(to + 4, b2), to += columns;
      wasm_v128_store(to, a3), wasm_v128_store(to + 4, b3);
    }
}

/* Adds what `product` gave for each input pixel and kernel tap to the output pixel it falls on. row[iy][ky] is the
 * first number of that row within a channel of `area` pixels, column[ix][kx] the place in it; -1 falls outside. */
EXPORT("spread")
void spread(const float *from, int columns, float *out, int outputs, int area, const int *row, const int *column,
            int inHeight, int inWidth, int kernelHeight, int kernelWidth) {
  for (int iy = 0; iy < inHeight; iy++)
    for (int ix = 0; ix < inWidth; ix++, from += columns) {
      const float *value = from;
      for (int o = 0; o < outputs; o++)
        for (int ky = 0; ky < kernelHeight; ky++, value += kernelWidth) {
          const int *place = column + ix * kernelWidth, first = row[iy * kernelHeight + ky];
          if (first < 0) continue;
          float *line = out + o * area + first;
          for (int kx = 0; kx < kernelWidth; kx++)
            if (place[kx] >= 0) line[place[kx]] += value[kx];
        }
    }
}
