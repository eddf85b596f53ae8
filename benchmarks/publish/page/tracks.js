// Which face of a frame is which of the frames before, and how answers along a face are smoothed: zoo/use/tracks.py.

import { iou } from "./blazeface.js";

const LEAST_OVERLAP = 0.3; // of the boxes of one face in two frames that follow
const PATIENCE = 1; // seconds for which a face may be out of sight
const SMOOTH = 0.5; // seconds after which an answer counts for a third

/** Follows the faces of one video. */
export class Tracker {
  #tracks = [];
  #count = 0;

  /** Give each face of a frame {box, probabilities} the number of its track, and its smoothed probabilities. */
  follow(seconds, faces) {
    this.#tracks = this.#tracks.filter((track) => seconds - track.seconds <= PATIENCE && seconds >= track.seconds);
    const matched = this.#matched(faces);
    return faces.map((face, number) => {
      const logs = face.probabilities.map((value) => Math.log(Math.max(value, 1e-9)));
      let track = matched.get(number);
      if (track) {
        const kept = Math.exp((track.seconds - seconds) / SMOOTH);
        track.logs = track.logs.map((value, k) => kept * value + (1 - kept) * logs[k]);
      } else {
        this.#tracks.push((track = { number: ++this.#count, logs }));
      }
      Object.assign(track, { box: face.box, seconds });
      const means = track.logs.map(Math.exp), sum = means.reduce((total, value) => total + value, 0);
      return { ...face, track: track.number, probabilities: means.map((value) => value / sum) };
    });
  }

  /** The track of each face that has one, the best overlaps first, each track once. */
  #matched(faces) {
    const pairs = this.#tracks.flatMap((track) =>
      faces.map((face, number) => ({ track, number, overlap: iou(track.box, face.box) })));
    const matched = new Map(), taken = new Set();
    for (const { track, number, overlap } of pairs.sort((one, other) => other.overlap - one.overlap)) {
      if (overlap < LEAST_OVERLAP || matched.has(number) || taken.has(track)) continue;
      matched.set(number, track);
      taken.add(track);
    }
    return matched;
  }
}
