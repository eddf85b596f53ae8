// Pixels as Pillow computes them: this page and the Python package (zoo/use) cut out the same faces, to the level.
//
// A picture is {width, height, channels, data}: `data` are bytes, row by row, `channels` of them a pixel.

const GAP = 2; // a picture is first made smaller in blocks, down to this many times the size that is wanted
const UNIT = 2 ** 22; // of Pillow's weights, which are whole numbers

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

/** A square part of a picture, with the outermost pixels repeated beyond it. */
export function part({ width, height, channels, data }, left, top, side) {
  const square = new Uint8Array(side * side * channels);
  for (let y = 0, to = 0; y < side; y++) {
    const row = Math.min(Math.max(top + y, 0), height - 1) * width;
    for (let x = 0; x < side; x++) {
      const from = (row + Math.min(Math.max(left + x, 0), width - 1)) * channels;
      for (let channel = 0; channel < channels; channel++) square[to++] = data[from + channel];
    }
  }
  return { width: side, height: side, channels, data: square };
}

/** A picture made smaller by whole factors: means of blocks. */
export function reduced(picture, across, down = across) {
  if (across === 1 && down === 1) return picture;
  const { width, height, channels, data } = picture;
  const wide = Math.ceil(width / across), high = Math.ceil(height / down);
  const means = new Uint8Array(wide * high * channels);
  for (let y = 0, to = 0; y < high; y++) {
    const top = y * down, bottom = Math.min(height, top + down);
    for (let x = 0; x < wide; x++) {
      const left = x * across, right = Math.min(width, left + across);
      const count = (right - left) * (bottom - top), share = Math.floor(2 ** 24 / count);
      for (let channel = 0; channel < channels; channel++) {
        let sum = count >> 1;
        for (let row = top; row < bottom; row++) {
          const end = (row * width + right) * channels;
          for (let at = (row * width + left) * channels + channel; at < end; at += channels) sum += data[at];
        }
        means[to++] = Math.floor((sum * share) / 2 ** 24);
      }
    }
  }
  return { width: wide, height: high, channels, data: means };
}

/** A picture at another size, antialiased: bilinear, with a triangle as wide as a pixel of the coarser grid. */
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
    return { first, shares: heights.map((value) => Math.trunc(0.5 + (value / sum) * UNIT)) };
  });
}

function inWidth({ width, height, channels, data }, columns) {
  const wide = columns.length, out = new Uint8Array(wide * height * channels);
  for (let y = 0, to = 0; y < height; y++) {
    for (const { first, shares } of columns) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = UNIT / 2;
        for (let step = 0, at = (y * width + first) * channels + channel; step < shares.length; step++, at += channels) {
          sum += data[at] * shares[step];
        }
        out[to++] = Math.min(255, Math.floor(sum / UNIT));
      }
    }
  }
  return { width: wide, height, channels, data: out };
}

function inHeight({ width, channels, data }, rows) {
  const stride = width * channels, out = new Uint8Array(rows.length * stride);
  rows.forEach(({ first, shares }, y) => {
    for (let x = 0; x < stride; x++) {
      let sum = UNIT / 2;
      for (let step = 0, at = first * stride + x; step < shares.length; step++, at += stride) sum += data[at] * shares[step];
      out[y * stride + x] = Math.min(255, Math.floor(sum / UNIT));
    }
  });
  return { width, height: rows.length, channels, data: out };
}

/** The square whose pixel (x, y) is what lies in a picture at (a x + b y + c, d x + e y + f), between four pixels. */
export function sampled({ width, height, channels, data }, size, [a, b, c, d, e, f]) {
  const out = new Uint8Array(size * size * channels);
  for (let row = 0, to = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const x = a * (column + 0.5) + b * (row + 0.5) + c - 0.5, y = d * (column + 0.5) + e * (row + 0.5) + f - 0.5;
      const left = Math.floor(x), top = Math.floor(y), across = x - left, down = y - top;
      const x0 = Math.min(Math.max(left, 0), width - 1), x1 = Math.min(Math.max(left + 1, 0), width - 1);
      const y0 = Math.min(Math.max(top, 0), height - 1), y1 = Math.min(Math.max(top + 1, 0), height - 1);
      for (let channel = 0; channel < channels; channel++) {
        const level = (place) => data[place * channels + channel];
        const upper = level(y0 * width + x0) * (1 - across) + level(y0 * width + x1) * across;
        const lower = level(y1 * width + x0) * (1 - across) + level(y1 * width + x1) * across;
        out[to++] = upper * (1 - down) + lower * down; // whole levels: what is behind the point is cut off
      }
    }
  }
  return { width: size, height: size, channels, data: out };
}
