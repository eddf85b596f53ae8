// Pixels as Pillow computes them: this page and the Python package (zoo/use) cut out the same faces, to the level.
//
// A picture is {width, height, channels, data}: `data` are bytes, row by row, `channels` of them a pixel. A fourth channel
// is passed over: it says nothing where transparency was put on white.

const GAP = 2; // a picture is first made smaller in blocks, down to this many times the size that is wanted
const BITS = 22, HALF = 2 ** (BITS - 1); // Pillow's weights are whole numbers, in parts of 2 ** 22

/** Round as Python does: halves go to the even neighbour. */
export function rounded(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** The grey levels (ITU-R 601) of a coloured picture. */
export function grey({ width, height, channels, data }) {
  const levels = new Uint8Array(width * height);
  for (let to = 0, from = 0; to < levels.length; to++, from += channels) {
    levels[to] = (data[from] * 19595 + data[from + 1] * 38470 + data[from + 2] * 7471 + 32768) >> 16;
  }
  return { width, height, channels: 1, data: levels };
}

/** A part of a picture, with the outermost pixels repeated beyond it. */
export function part({ width, height, channels, data }, left, top, wide, high) {
  const kept = Math.min(channels, 3), out = new Uint8Array(wide * high * kept);
  for (let y = 0, to = 0; y < high; y++) {
    const row = Math.min(Math.max(top + y, 0), height - 1) * width;
    for (let x = 0; x < wide; x++) {
      const from = (row + Math.min(Math.max(left + x, 0), width - 1)) * channels;
      for (let channel = 0; channel < kept; channel++) out[to++] = data[from + channel];
    }
  }
  return { width: wide, height: high, channels: kept, data: out };
}

/** A coloured picture with a frame of one grey level, `wide` and `high` pixels on either side. */
export function framed({ width, height, channels, data }, wide, high, level) {
  const whole = width + 2 * wide, out = new Uint8Array(whole * (height + 2 * high) * 3).fill(level);
  for (let y = 0, from = 0; y < height; y++) {
    for (let x = 0, to = ((y + high) * whole + wide) * 3; x < width; x++, from += channels, to += 3) {
      out[to] = data[from];
      out[to + 1] = data[from + 1];
      out[to + 2] = data[from + 2];
    }
  }
  return { width: whole, height: height + 2 * high, channels: 3, data: out };
}

/** A picture made smaller by whole factors: means of blocks. */
export function reduced(picture, across, down = across) {
  if (across === 1 && down === 1) return picture;
  const { width, height, channels, data } = picture;
  const wide = Math.ceil(width / across), high = Math.ceil(height / down);
  const kept = Math.min(channels, 3), means = new Uint8Array(wide * high * kept);
  for (let y = 0, to = 0; y < high; y++) {
    const top = y * down, bottom = Math.min(height, top + down);
    for (let x = 0; x < wide; x++) {
      const left = x * across, right = Math.min(width, left + across);
      const count = (right - left) * (bottom - top), share = Math.floor(2 ** 24 / count);
      for (let channel = 0; channel < kept; channel++) {
        let sum = count >> 1;
        for (let row = top; row < bottom; row++) {
          const end = (row * width + right) * channels;
          for (let at = (row * width + left) * channels + channel; at < end; at += channels) sum += data[at];
        }
        means[to++] = Math.floor((sum * share) / 2 ** 24);
      }
    }
  }
  return { width: wide, height: high, channels: kept, data: means };
}

/** A coloured picture at another size, antialiased: bilinear, with a triangle as wide as a pixel of the coarser grid. */
export function resized(picture, width, height) {
  if (picture.width === width && picture.height === height) return picture;
  const across = Math.max(1, Math.trunc(picture.width / width / GAP));
  const down = Math.max(1, Math.trunc(picture.height / height / GAP));
  const small = reduced(picture, across, down);
  const columns = weights(small.width, picture.width / across, width);
  const rows = weights(small.height, picture.height / down, height);
  return inHeight(inWidth(small, columns), rows);
}

/** For each pixel of the new side: the first pixel of the old one that it sees, and the weights of that and the next. */
function weights(length, span, size) {
  const scale = span / size, wide = Math.max(scale, 1);
  return Array.from({ length: size }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - wide + 0.5));
    const end = Math.min(length, Math.trunc(centre + wide + 0.5));
    const heights = Array.from({ length: end - first }, (_, step) =>
      Math.max(0, 1 - Math.abs((first + step - centre + 0.5) / wide)));
    const sum = heights.reduce((total, value) => total + value, 0);
    return { first, shares: Int32Array.from(heights, (value) => Math.trunc(0.5 + (value / sum) * 2 ** BITS)) };
  });
}

// Sums of 255 times the weights fit into 32 bits, as in Pillow.

function inWidth({ width, height, channels, data }, columns) {
  const wide = columns.length, out = new Uint8Array(wide * height * 3);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < wide; x++, to += 3) {
      const { first, shares } = columns[x];
      let red = HALF, green = HALF, blue = HALF, at = (y * width + first) * channels;
      for (let step = 0; step < shares.length; step++, at += channels) {
        const share = shares[step];
        red += data[at] * share;
        green += data[at + 1] * share;
        blue += data[at + 2] * share;
      }
      out[to] = Math.min(255, red >> BITS);
      out[to + 1] = Math.min(255, green >> BITS);
      out[to + 2] = Math.min(255, blue >> BITS);
    }
  }
  return { width: wide, height, channels: 3, data: out };
}

function inHeight({ width, channels, data }, rows) {
  const stride = width * channels, out = new Uint8Array(rows.length * stride), sums = new Int32Array(stride);
  rows.forEach(({ first, shares }, y) => {
    sums.fill(HALF);
    for (let step = 0, from = first * stride; step < shares.length; step++, from += stride) {
      const share = shares[step];
      for (let x = 0; x < stride; x++) sums[x] += data[from + x] * share;
    }
    for (let x = 0, to = y * stride; x < stride; x++, to++) out[to] = Math.min(255, sums[x] >> BITS);
  });
  return { width, height: rows.length, channels, data: out };
}

/** The square whose pixel (x, y) is what lies in a picture at (a x + b y + c, d x + e y + f), between four pixels. */
export function sampled({ width, height, channels, data }, size, [a, b, c, d, e, f]) {
  const out = new Uint8Array(size * size * channels), stride = width * channels;
  for (let row = 0, to = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const x = a * (column + 0.5) + b * (row + 0.5) + c - 0.5, y = d * (column + 0.5) + e * (row + 0.5) + f - 0.5;
      const left = Math.floor(x), top = Math.floor(y), across = x - left, down = y - top;
      const x0 = Math.min(Math.max(left, 0), width - 1) * channels, y0 = Math.min(Math.max(top, 0), height - 1) * stride;
      const x1 = Math.min(Math.max(left + 1, 0), width - 1) * channels, y1 = Math.min(Math.max(top + 1, 0), height - 1) * stride;
      for (let channel = 0; channel < channels; channel++) {
        const upper = data[y0 + x0 + channel] * (1 - across) + data[y0 + x1 + channel] * across;
        const lower = data[y1 + x0 + channel] * (1 - across) + data[y1 + x1 + channel] * across;
        out[to++] = upper * (1 - down) + lower * down; // whole levels: what is behind the point is cut off
      }
    }
  }
  return { width: size, height: size, channels, data: out };
}
