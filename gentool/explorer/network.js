"use strict";
// Computes the operations of graph.py on flat arrays: network(graph) is a function from arrays to an array.

function bytes(base64) { return Uint8Array.from(atob(base64), letter => letter.charCodeAt(0)); }

function halves(base64) {
  const raw = bytes(base64), words = new Uint16Array(raw.buffer), table = new Float32Array(65536), made = new Float32Array(words.length);
  for (let h = 0; h < 65536; h++) {
    const exponent = (h >> 10) & 31, mantissa = h & 1023, sign = h & 32768 ? -1 : 1;
    table[h] = exponent === 31 ? (mantissa ? NaN : sign * Infinity)
      : exponent ? sign * 2 ** (exponent - 15) * (1 + mantissa / 1024) : sign * 2 ** -14 * (mantissa / 1024);
  }
  for (let i = 0; i < words.length; i++) made[i] = table[words[i]];
  return made;
}

// Abramowitz and Stegun 7.1.26; its error is below 2e-7.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const y = 1 - ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x);
  return x < 0 ? -y : y;
}

const UNARY = {
  relu: v => v > 0 ? v : 0,
  leaky_relu: (v, slope) => v > 0 ? v : slope * v,
  elu: (v, slope) => v > 0 ? v : slope * Math.expm1(v),
  tanh: Math.tanh,
  sigmoid: v => 1 / (1 + Math.exp(-v)),
  silu: v => v / (1 + Math.exp(-v)),
  gelu: v => 0.5 * v * (1 + erf(v / Math.SQRT2)),
  softplus: v => v > 20 ? v : Math.log1p(Math.exp(v)),
  exp: Math.exp,
  sqrt: Math.sqrt,
  neg: v => -v,
};
const BINARY = {add: (a, b) => a + b, sub: (a, b) => a - b, mul: (a, b) => a * b, div: (a, b) => a / b};

// Adds the product of a (rows, inner) and b (inner, columns) to c (rows, columns), four rows at a time.
function product(a, b, c, rows, inner, columns) {
  let r = 0;
  for (; r + 4 <= rows; r += 4) {
    const c0 = r * columns, c1 = c0 + columns, c2 = c1 + columns, c3 = c2 + columns;
    for (let k = 0; k < inner; k++) {
      const v0 = a[r * inner + k], v1 = a[(r + 1) * inner + k], v2 = a[(r + 2) * inner + k], v3 = a[(r + 3) * inner + k];
      for (let j = 0, p = k * columns; j < columns; j++, p++) {
        const v = b[p];
        c[c0 + j] += v0 * v;
        c[c1 + j] += v1 * v;
        c[c2 + j] += v2 * v;
        c[c3 + j] += v3 * v;
      }
    }
  }
  for (; r < rows; r++)
    for (let k = 0; k < inner; k++) {
      const v = a[r * inner + k];
      if (v !== 0) for (let j = 0, p = k * columns; j < columns; j++, p++) c[r * columns + j] += v * b[p];
    }
}

function network(graph) {
  const weights = halves(graph.weights), values = new Map();
  graph.numbers.forEach((number, i) => values.set(number, new Float32Array(graph.sizes[i])));
  const part = place => weights.subarray(place.at, place.at + place.size);
  const compiled = {
    unary({name, slope, in: [x], out}) {
      const from = values.get(x), to = values.get(out), compute = UNARY[name];
      return () => { for (let i = 0; i < to.length; i++) to[i] = compute(from[i], slope); };
    },
    binary({name, operands, out}) {
      const to = values.get(out), compute = BINARY[name];
      const [a, b] = operands.map(one => "value" in one ? values.get(one.value) : "weights" in one ? part(one.weights) : Float32Array.of(one.number));
      const stepA = a.length > 1 ? 1 : 0, stepB = b.length > 1 ? 1 : 0;
      return () => { for (let i = 0; i < to.length; i++) to[i] = compute(a[i * stepA], b[i * stepB]); };
    },
    strided({shape, strides, offset, in: [x], out}) {
      const from = values.get(x), to = values.get(out), last = shape.length - 1;
      return () => {
        let next = 0;
        (function copy(dim, at) {
          if (dim > last) { to[next++] = from[at]; return; }
          if (dim === last) { for (let i = 0, p = at; i < shape[dim]; i++, p += strides[dim]) to[next++] = from[p]; return; }
          for (let i = 0; i < shape[dim]; i++) copy(dim + 1, at + i * strides[dim]);
        })(0, offset);
      };
    },
    gather({table, padding, in: [x], out}) {
      const from = values.get(x), to = values.get(out), positions = new Int32Array(bytes(table).buffer);
      return () => { for (let i = 0; i < to.length; i++) to[i] = positions[i] < 0 ? padding : from[positions[i]]; };
    },
    affine({each, scale, shift, in: [x], out}) {
      const from = values.get(x), to = values.get(out), a = part(scale), b = part(shift);
      return () => { for (let i = 0; i < to.length; i++) { const c = Math.floor(i / each) % a.length; to[i] = from[i] * a[c] + b[c]; } };
    },
    linear({from, to: columns, weight, bias, in: [x], out}) {
      const input = values.get(x), to = values.get(out), matrix = part(weight), added = bias ? part(bias) : null;
      return () => {
        for (let row = 0; row < to.length; row += columns) added ? to.set(added, row) : to.fill(0, row, row + columns);
        product(input, matrix, to, to.length / columns, from, columns);
      };
    },
    convolution({weight, bias, kernel: [channels, before, high, wide], size: [, H, W], to: [, h, w], stride, padding, dilation, transposed, in: [x], out}) {
      const input = values.get(x), to = values.get(out), kernel = part(weight), added = bias ? part(bias) : null;
      const each = high * wide, [inner, outer] = transposed ? [[H, W], [h, w]] : [[h, w], [H, W]], count = inner[0] * inner[1];
      // For each place in the kernel and each place of the smaller map: where it lies in the larger map, or -1 outside.
      const places = new Int32Array(each * count);
      for (let ky = 0, i = 0; ky < high; ky++)
        for (let kx = 0; kx < wide; kx++)
          for (let y = 0; y < inner[0]; y++)
            for (let x = 0; x < inner[1]; x++, i++) {
              const row = y * stride[0] + ky * dilation[0] - padding[0], column = x * stride[1] + kx * dilation[1] - padding[1];
              places[i] = row >= 0 && row < outer[0] && column >= 0 && column < outer[1] ? row * outer[1] + column : -1;
            }
      const fill = () => { for (let c = 0; c < channels; c++) to.fill(added ? added[c] : 0, c * h * w, (c + 1) * h * w); };
      if (!transposed) {
        const patches = new Float32Array(before * each * count);
        return () => {
          for (let b = 0, next = 0; b < before; b++)
            for (let i = 0; i < places.length; i++) patches[next++] = places[i] < 0 ? 0 : input[b * H * W + places[i]];
          fill();
          product(kernel, patches, to, channels, before * each, count);
        };
      }
      const turned = new Float32Array(kernel.length), patches = new Float32Array(channels * each * count);
      for (let c = 0; c < channels; c++)
        for (let b = 0; b < before; b++)
          for (let k = 0; k < each; k++) turned[(c * each + k) * before + b] = kernel[(c * before + b) * each + k];
      return () => {
        patches.fill(0);
        product(turned, input, patches, channels * each, before, count);
        fill();
        for (let c = 0, next = 0; c < channels; c++)
          for (let i = 0; i < places.length; i++, next++) if (places[i] >= 0) to[c * h * w + places[i]] += patches[next];
      };
    },
    softmax({count, inner, in: [x], out}) {
      const from = values.get(x), to = values.get(out);
      return () => {
        for (let start = 0; start < from.length; start += count * inner)
          for (let i = start; i < start + inner; i++) {
            let most = -Infinity, total = 0;
            for (let k = 0; k < count; k++) most = Math.max(most, from[i + k * inner]);
            for (let k = 0; k < count; k++) total += to[i + k * inner] = Math.exp(from[i + k * inner] - most);
            for (let k = 0; k < count; k++) to[i + k * inner] /= total;
          }
      };
    },
    sum({count, inner, in: [x], out}) {
      const from = values.get(x), to = values.get(out);
      return () => {
        for (let block = 0; block < to.length / inner; block++)
          for (let i = 0; i < inner; i++) {
            let total = 0;
            for (let k = 0; k < count; k++) total += from[(block * count + k) * inner + i];
            to[block * inner + i] = total;
          }
      };
    },
    concatenate({counts, times, in: inputs, out}) {
      const parts = inputs.map(number => values.get(number)), to = values.get(out);
      return () => {
        let next = 0;
        for (let t = 0; t < times; t++)
          parts.forEach((one, i) => { to.set(one.subarray(t * counts[i], (t + 1) * counts[i]), next); next += counts[i]; });
      };
    },
  };
  const steps = graph.operations.map(operation => compiled[operation.kind](operation));
  return (...inputs) => {
    inputs.forEach((input, i) => values.get(graph.inputs[i]).set(input));
    for (const step of steps) step();
    return values.get(graph.output);
  };
}
