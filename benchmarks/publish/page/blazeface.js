// BlazeFace, full range, and a second look at leaning faces: zoo/use/blazeface.py, detectors.py and second_look.py.

import { patch, roll } from "./crops.js";
import { resized, rounded } from "./pixels.js";

export const SIDE = 192; // of the input
const STRIDE = 4; // of its cells, each of which answers for one face
const LEAST_SCORE = 0.55, LOGIT = Math.log(LEAST_SCORE / (1 - LEAST_SCORE));
const SAME_FACE = 0.3; // share of common area above which two boxes mean one face
const LEANING = 15; // degrees above which a face is looked at again
const WIDE = 3; // the second look in sides of the face's box
const SAME_LEVEL_FACE = 0.5;

/** A picture in the upper left of a black square, as the network takes it, and how many of its pixels make one there. */
export function letterboxed(picture) {
  const scale = Math.max(picture.height, picture.width) / SIDE;
  const width = Math.max(1, rounded(picture.width / scale)), height = Math.max(1, rounded(picture.height / scale));
  const { data, channels } = resized(picture, width, height);
  const input = new Float32Array(SIDE * SIDE * 3).fill(-1);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        input[(y * SIDE + x) * 3 + channel] = data[(y * width + x) * channels + channel] / 127.5 - 1;
      }
    }
  }
  return { input, scale };
}

/** The faces in the network's answer: each is the mean, by scores, of all cells that mean it; the best come first. */
export function decoded(raw, logits, scale) {
  const found = [];
  for (let cell = 0; cell < logits.length; cell++) {
    if (logits[cell] > LOGIT) found.push(inCell(raw, cell, 1 / (1 + Math.exp(-logits[cell]))));
  }
  return groups(found).map((group) => together(group, scale));
}

/** A cell says centre, size, and six points (eyes, nose, mouth, ears), in pixels from its own centre. */
function inCell(raw, cell, score) {
  const cells = SIDE / STRIDE, at = cell * 16;
  const x = (cell % cells) * STRIDE + STRIDE / 2, y = Math.floor(cell / cells) * STRIDE + STRIDE / 2;
  const size = [raw[at + 2], raw[at + 3]], centre = [raw[at] + x, raw[at + 1] + y];
  const points = Array.from({ length: 4 }, (_, point) => [raw[at + 4 + 2 * point] + x, raw[at + 5 + 2 * point] + y]);
  return { score, box: [centre[0] - size[0] / 2, centre[1] - size[1] / 2, ...size], points };
}

/** Faces that mean the same one together, the best first; the best of all come first. */
export function groups(found) {
  let left = [...found].sort((one, other) => other.score - one.score);
  const all = [];
  while (left.length) {
    const best = left[0], alike = (one) => one === best || iou(best.box, one.box) > SAME_FACE;
    all.push(left.filter(alike));
    left = left.filter((one) => !alike(one));
  }
  return all;
}

function together(group, scale) {
  const total = group.reduce((sum, one) => sum + one.score, 0);
  const mean = (of) => (group.reduce((sum, one) => sum + one.score * of(one), 0) / total) * scale;
  return {
    box: [0, 1, 2, 3].map((side) => mean((one) => one.box[side])),
    score: group[0].score,
    points: [0, 1, 2, 3].map((point) => [0, 1].map((axis) => mean((one) => one.points[point][axis]))),
  };
}

/** The common area of two boxes as share of the area of both. */
export function iou([left, top, width, height], [otherLeft, otherTop, otherWidth, otherHeight]) {
  const across = Math.min(left + width, otherLeft + otherWidth) - Math.max(left, otherLeft);
  const down = Math.min(top + height, otherTop + otherHeight) - Math.max(top, otherTop);
  const common = Math.max(0, across) * Math.max(0, down);
  return common / Math.max(width * height + otherWidth * otherHeight - common, 1e-9);
}

/** A face placed better where it leans: it is turned level and looked for once more; the same where that finds none. */
export async function lookAgain(detect, picture, face) {
  const degrees = roll(face);
  if (Math.abs(degrees) <= LEANING) return face;
  const [left, top, width, height] = face.box;
  const centre = [left + width / 2, top + height / 2], side = WIDE * Math.max(width, height);
  const found = await detect(patch(picture, centre, side, degrees, SIDE, false));
  const expected = [SIDE / 2 - SIDE / WIDE / 2, SIDE / 2 - SIDE / WIDE / 2, SIDE / WIDE, SIDE / WIDE];
  const same = found.filter((one) => iou(expected, one.box) > SAME_LEVEL_FACE);
  if (!same.length) return face;
  return turnedBack(same.reduce((best, one) => (one.score > best.score ? one : best)), centre, side / SIDE, degrees);
}

/** A face of the level patch, in the picture; its box stays upright. */
function turnedBack(face, centre, scale, degrees) {
  const angle = (degrees * Math.PI) / 180, sine = Math.sin(angle), cosine = Math.cos(angle);
  const place = ([x, y]) => {
    const across = (x - SIDE / 2) * scale, down = (y - SIDE / 2) * scale;
    return [centre[0] + cosine * across - sine * down, centre[1] + sine * across + cosine * down];
  };
  const [left, top, width, height] = face.box;
  const [x, y] = place([left + width / 2, top + height / 2]);
  const box = [x - (width * scale) / 2, y - (height * scale) / 2, width * scale, height * scale];
  return { ...face, box, points: face.points.map(place) };
}
