// All computing: pixels of a picture to faces with probabilities. The page shows what comes back.
//
// In:  {id, blob} a picture, or {id, bitmap, video, seconds} a frame of a video, which has a number.
// Out: {facts} of the model, {loaded} of all bytes, {ready: true}, {failed: reason}; {id, width, height, faces}, {id, error}.

import { InferenceSession, Tensor, env } from "./onnxruntime/ort.wasm.bundle.min.js";
import { SIDE, decoded, letterboxed, lookAgain } from "./blazeface.js";
import { cut, doubts, isCrop, rgb, roll } from "./crops.js";
import { search } from "./search.js";
import { Tracker } from "./tracks.js";

const MEGAPIXELS = 24; // of the largest picture
const AS_STORED = { imageOrientation: "from-image", colorSpaceConversion: "none" };
const trackers = new Map();
const loading = load();
loading.then(() => postMessage({ ready: true }), (error) => postMessage({ failed: error.message }));

let turn = Promise.resolve(); // one request at a time: a session runs one only

self.onmessage = ({ data: { id, ...request } }) => {
  turn = turn.then(async () => {
    try {
      postMessage({ id, ...(await answer(await loading, request)) });
    } catch (error) {
      postMessage({ id, error: error.message });
    }
  });
};

async function load() {
  const facts = await (await found("model.json")).json();
  postMessage({ facts });
  let loaded = 0;
  const files = [facts.model, facts.detector, facts.runtime];
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  const count = (bytes) => postMessage({ loaded: (loaded += bytes) / total });
  const [model, detector, runtime] = await Promise.all(files.map((file) => content(file.file, count)));
  // One thread: more would need headers that hardly any host of static files sends.
  Object.assign(env.wasm, { numThreads: 1, wasmBinary: runtime });
  env.logLevel = "error";
  const open = (bytes) => InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const sessions = { facts, model: await open(model), detector: await open(detector) };
  await located(sessions, { width: 1, height: 192, channels: 3, data: new Uint8Array(576) }, false); // the first run is slow
  return sessions;
}

async function found(file) {
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`${file} is missing on this site (${response.status})`);
  return response;
}

async function content(file, count) {
  const reader = (await found(file)).body.getReader(), chunks = [];
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    chunks.push(read.value);
    count(read.value.length);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

async function answer(sessions, { blob, bitmap, video, seconds }) {
  const picture = pixels(bitmap ?? (await createImageBitmap(blob, AS_STORED).catch(() => {
    throw new Error("This browser cannot read it: it is damaged, or no picture of a kind that browsers know.");
  })));
  const { width, height } = picture;
  const faces = await classified(sessions, await located(sessions, picture, isCrop(picture)));
  return { width, height, faces: video === undefined ? faces : follow(video, seconds, faces) };
}

/** RGBA bytes of a decoded picture; transparency is put on white. */
function pixels(bitmap) {
  const { width, height } = bitmap;
  if (width * height > MEGAPIXELS * 1e6) throw new Error(`It is too large: more than ${MEGAPIXELS} megapixels.`);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, channels: 4, data: context.getImageData(0, 0, width, height).data };
}

/** The faces of a picture, cut out, left to right. */
async function located({ facts, detector }, picture, cropped) {
  if (cropped) {
    const box = [0, 0, picture.width, picture.height], pixels = Math.min(picture.width, picture.height);
    const crop = rgb(picture);
    return [{ box, crop, pixels, doubts: doubts(crop, pixels) }];
  }
  const detect = async (seen) => {
    const { input, scale } = letterboxed(seen);
    const out = await detector.run({ image: new Tensor("float32", input, [1, SIDE, SIDE, 3]) });
    return decoded(out.output0.data, out.output1.data, scale);
  };
  const faces = [];
  for (const face of await search(detect, picture)) faces.push(await lookAgain(detect, picture, face));
  faces.sort((one, other) => one.box[0] + one.box[2] / 2 - (other.box[0] + other.box[2] / 2));
  return faces.map((face) => {
    const crop = cut(picture, face, facts.crop), pixels = Math.max(face.box[2], face.box[3]);
    return { ...face, crop, pixels, roll: roll(face), doubts: doubts(crop, pixels, face) };
  });
}

/** Faces with the probabilities of each class; crops of one picture are of one size, so they go through together. */
async function classified({ facts, model }, faces) {
  if (!faces.length) return [];
  const { width, height, data } = faces[0].crop;
  const crops = new Uint8Array(faces.length * data.length);
  faces.forEach(({ crop }, place) => crops.set(crop.data, place * data.length));
  const { probabilities } = await model.run({ crops: new Tensor("uint8", crops, [faces.length, height, width, 3]) });
  const count = facts.classes.length;
  return faces.map(({ crop, ...face }, place) => ({
    ...face, probabilities: [...probabilities.data.slice(place * count, (place + 1) * count)],
  }));
}

function follow(video, seconds, faces) {
  if (!trackers.has(video)) {
    trackers.clear(); // one video plays at a time
    trackers.set(video, new Tracker());
  }
  return trackers.get(video).follow(seconds, faces);
}
