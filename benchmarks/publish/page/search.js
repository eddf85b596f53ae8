// Where in a picture faces are looked for: zoo/use/search.py. In all of it; if there is none, in a grey frame, since faces
// that fill a picture are often missed; and in a row of tiles where it is long, since all that is in it is small then.

import { groups } from "./blazeface.js";
import { framed, part, rounded } from "./pixels.js";

const ELONGATED = 2; // longer by shorter side, above which a row of tiles is looked at
const MOST = 12; // tiles along the longer side
const OVERLAP = 0.25; // of a tile, with its neighbour
const FRAME = 0.5, GREY = 128; // how wide a frame is, in sides of the picture, and its level

/** The faces of a picture, each once. */
export async function search(detect, picture) {
  const { width, height } = picture;
  const found = await detect(picture);
  if (!found.length) found.push(...(await inAFrame(detect, picture)));
  if (Math.max(width, height) <= ELONGATED * Math.min(width, height)) return found;
  const shorter = Math.min(width, height);
  const [rows, columns] = [height, width].map((side) => spans(side, Math.min(MOST, rounded(side / shorter))));
  for (const [top, bottom] of rows) {
    for (const [left, right] of columns) {
      const faces = await detect(part(picture, left, top, right - left, bottom - top));
      // A face at the edge of a tile is whole in its neighbour.
      found.push(...faces.map((face) => moved(face, left, top)).filter(({ box: [x, y, wide, high] }) =>
        isWithin(x, wide, left, right, width) && isWithin(y, high, top, bottom, height)));
    }
  }
  return groups(found).map(([best]) => best);
}

async function inAFrame(detect, picture) {
  const high = rounded(FRAME * picture.height), wide = rounded(FRAME * picture.width);
  const faces = await detect(framed(picture, wide, high, GREY));
  return faces.map((face) => moved(face, -wide, -high));
}

/** Begins and ends of overlapping parts of a side. */
function spans(length, count) {
  const side = length / (count - OVERLAP * (count - 1));
  return Array.from({ length: count }, (_, number) => {
    const start = number * side * (1 - OVERLAP);
    return [rounded(start), Math.min(length, rounded(start + side))];
  });
}

const isWithin = (begin, size, start, stop, whole) =>
  (begin >= start + 1 || start === 0) && (begin + size <= stop - 1 || stop === whole);

function moved(face, x, y) {
  const [left, top, ...size] = face.box;
  return { ...face, box: [left + x, top + y, ...size], points: face.points.map(([across, down]) => [across + x, down + y]) };
}
