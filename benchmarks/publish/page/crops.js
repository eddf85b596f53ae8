// How a face is cut out of a picture, and what makes it doubtful: zoo/use/crops.py, line by line.
//
// A face is {box: [left, top, width, height], score, points: [[x, y] of left eye, right eye, nose, mouth]}, in pixels.

import { grey, part, reduced, rounded, sampled } from "./pixels.js";

const SMALL = 32; // pixels
const TURNED = 30; // degrees
const ASIDE = 0.25; // of the nose from the middle of the eyes, in distances of the eyes
const SAMPLES = 4; // at least so many of a large face, a side of a pixel of its crop
const DARK = 30, FLAT = 8; // mean and deviation of grey levels
const CROP_SIDE = 96, GREY_CROP_SIDE = 128; // up to these sides a picture is taken for a crop: any, a square grey one

const radians = (degrees) => (degrees * Math.PI) / 180;

/** By how many degrees the line of the eyes falls to the right. */
export function roll({ points: [[x, y], [otherX, otherY]] }) {
  return (Math.atan2(otherY - y, otherX - x) * 180) / Math.PI;
}

/** The face cut out by the rule of a model: RGB, of `rule.size` pixels a side. */
export function cut(picture, face, rule) {
  const [left, top, width, height] = face.box;
  const side = Math.max(width, height) / rule.box_to_side;
  const aslant = roll(face);
  const degrees = Math.abs(aslant) > rule.level_above_degrees ? aslant : 0;
  // "Up" is up in the face, which the picture may show turned.
  const x = left + width / 2 + Math.sin(radians(degrees)) * rule.up * side;
  const y = top + height / 2 - Math.cos(radians(degrees)) * rule.up * side;
  return patch(picture, [x, y], side, degrees, rule.size, rule.colour === "grey");
}

/** The square around a place of a picture, turned by degrees: RGB, of `size` pixels a side. Levels are means over areas. */
export function patch(picture, [x, y], side, degrees, size, isGrey) {
  const sine = Math.sin(radians(degrees)), cosine = Math.cos(radians(degrees));
  const reach = (side / 2) * (Math.abs(sine) + Math.abs(cosine)) + 2;
  const left = Math.floor(x - reach), top = Math.floor(y - reach);
  const reached = Math.ceil(2 * reach) + 2, around = part(picture, left, top, reached, reached);
  const coarse = Math.max(1, Math.trunc(side / size / SAMPLES));
  const blocks = reduced(isGrey ? grey(around) : around, coarse);
  const span = side / coarse, fine = Math.max(1, rounded(span / size));
  const step = span / (size * fine), corner = -span / 2;
  const samples = sampled(blocks, size * fine, [
    cosine * step, -sine * step, (x - left) / coarse + (cosine - sine) * corner,
    sine * step, cosine * step, (y - top) / coarse + (sine + cosine) * corner,
  ]);
  return rgb(reduced(samples, fine));
}

/** Three channels of one, three or four. */
export function rgb({ width, height, channels, data }) {
  const out = new Uint8Array(width * height * 3);
  for (let to = 0, from = 0; to < out.length; to += 3, from += channels) {
    out[to] = data[from];
    out[to + 1] = data[channels === 1 ? from : from + 1];
    out[to + 2] = data[channels === 1 ? from : from + 2];
  }
  return { width, height, channels: 3, data: out };
}

/** Whether a picture is a face that is cut out already: it is small, or square, grey and not large. */
export function isCrop({ width, height, channels, data }) {
  if (Math.max(width, height) <= CROP_SIDE) return true;
  if (width !== height || width > GREY_CROP_SIDE) return false;
  for (let at = 0; at < data.length; at += channels) {
    if (data[at] !== data[at + 1] || data[at] !== data[at + 2]) return false;
  }
  return true;
}

/** Why an answer on a crop is doubtful; `pixels` is the side of the face in the picture, `face` none of a crop. */
export function doubts(crop, pixels, face = null) {
  const { mean, deviation } = moments(grey(crop).data);
  return [
    pixels < SMALL && "small",
    face !== null && isTurned(face) && "turned",
    mean < DARK && "dark",
    deviation < FLAT && "flat",
  ].filter(Boolean);
}

function moments(levels) {
  const mean = levels.reduce((sum, level) => sum + level, 0) / levels.length;
  const spread = levels.reduce((sum, level) => sum + (level - mean) ** 2, 0) / levels.length;
  return { mean, deviation: Math.sqrt(spread) };
}

function isTurned(face) {
  const [[leftX, leftY], [rightX, rightY], [noseX, noseY]] = face.points;
  const acrossX = rightX - leftX, acrossY = rightY - leftY, apart = Math.hypot(acrossX, acrossY);
  if (apart < 1e-6 || Math.abs(roll(face)) > TURNED) return true;
  const aside = (noseX - (leftX + rightX) / 2) * acrossX + (noseY - (leftY + rightY) / 2) * acrossY;
  return Math.abs(aside / apart ** 2) > ASIDE;
}
