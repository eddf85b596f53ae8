// The page: pictures, videos and the camera to the worker, its answers to the reader.

import { PictureView, element } from "./view.js";
import { summary } from "./words.js";

const FRAMES_READ_OUT = 4000; // milliseconds between two sentences on a moving picture
const find = (id) => document.getElementById(id);
const status = find("status"), progress = find("progress"), answers = find("answers");
const views = new Set();
let facts = null, moving = null, numberOfVideo = 0;

function say(text, failed = false) {
  status.classList.toggle("failed", failed);
  if (status.textContent !== text) status.textContent = text;
}

// The worker

/** Start a script as a worker that this page's policy binds, too: one that is loaded by its address has a policy of its own. */
export function boundWorker(script) {
  const text = `import ${JSON.stringify(new URL(script, import.meta.url).href)};`;
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return new Worker(address, { type: "module" });
}

const worker = boundWorker("worker.js");
const waiting = new Map();
let count = 0;

/** The worker's answer to a picture or frame; rejects with its reason. */
function ask(request, transfer = []) {
  const id = ++count;
  worker.postMessage({ id, ...request }, transfer);
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

worker.onmessage = ({ data }) => {
  if (data.facts) begin(data.facts);
  else if (data.loaded !== undefined) progress.value = data.loaded;
  else if (data.ready) ready();
  else if (data.failed) failed(data.failed);
  else {
    const { resolve, reject } = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) reject(new Error(data.error));
    else resolve(data);
  }
};
worker.onerror = (event) => failed(event.message || "a script is missing, or this browser is too old");

function begin(found) {
  facts = found;
  listen();
}

function ready() {
  progress.hidden = true;
  document.documentElement.dataset.state = "ready";
  if (!views.size) say("Ready.");
}

function failed(reason) {
  progress.hidden = true;
  document.documentElement.dataset.state = "failed";
  say(`The model could not be loaded: ${reason}.`, true);
}

// Pictures

/** The top probability below which the model is to abstain; null where it is always to answer. */
const least = () => facts.thresholds[find("sure").value] ?? null;

function add(view) {
  views.add(view);
  answers.prepend(view.root);
}

function remove(view, then = () => {}) {
  views.delete(view);
  view.root.remove();
  then();
  find("files").focus();
}

async function addPicture(file) {
  const image = element("img");
  image.src = URL.createObjectURL(file);
  image.alt = file.name;
  const view = new PictureView(file.name, image, () => remove(view, () => URL.revokeObjectURL(image.src)));
  add(view);
  say(document.documentElement.dataset.state === "ready" ? `Looking at ${file.name} ...` : "Loading the model ...");
  try {
    const said = view.show(await ask({ blob: file }), facts, least());
    say(summary(file.name, said));
  } catch (error) {
    view.fail(error.message);
    say(`${file.name}: ${error.message}`, true);
  }
}

async function addFiles(files) {
  for (const file of files) {
    if (file.type.startsWith("video/")) await addVideo(file);
    else await addPicture(file);
  }
}

// Videos and the camera

async function addVideo(file) {
  const video = element("video");
  Object.assign(video, { src: URL.createObjectURL(file), muted: true, controls: true, loop: false, playsInline: true });
  await play(file.name, video, false, () => URL.revokeObjectURL(video.src));
}

async function addCamera() {
  let stream;
  try {
    if (!navigator.mediaDevices) throw new Error("a camera needs https, or this machine's own address");
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 640 } } });
  } catch (error) {
    say(`The camera cannot be used: ${error.message}.`, true);
    return;
  }
  const video = element("video");
  Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
  await play("Camera", video, true, () => stream.getTracks().forEach((track) => track.stop()));
}

/** Play a video, and answer its frames while it is on the page; another one takes its place. */
async function play(name, video, mirrored, release) {
  moving?.();
  const number = ++numberOfVideo;
  let on = true;
  const stop = () => { on = false; moving = null; video.pause(); release(); };
  const view = new PictureView(name, video, () => remove(view, stop), mirrored);
  moving = () => { stop(); views.delete(view); view.root.remove(); };
  add(view);
  try {
    await video.play();
  } catch {
    view.fail("This browser cannot play it.");
    say(`${name}: this browser cannot play it.`, true);
    return;
  }
  follow(view, video, number, () => on);
}

async function follow(view, video, number, isOn) {
  let readOut = 0;
  while (await nextFrame(video) && isOn()) {
    const started = performance.now();
    const bitmap = await createImageBitmap(video);
    const answer = await ask({ bitmap, video: number, seconds: video.currentTime }, [bitmap]).catch(() => null);
    if (!answer || !isOn()) continue;
    const said = view.show(answer, facts, least());
    view.root.dataset.milliseconds = Math.round(performance.now() - started);
    if (performance.now() - readOut > FRAMES_READ_OUT) {
      readOut = performance.now();
      say(summary(view.name, said));
    }
  }
}

/** Wait for a new frame of a video; false where it has left the page. */
function nextFrame(video) {
  return new Promise((resolve) => {
    const wait = () => {
      if (!video.isConnected) resolve(false);
      else if (video.requestVideoFrameCallback) {
        const late = setTimeout(() => { video.cancelVideoFrameCallback(handle); wait(); }, 500); // paused, or taken away
        const handle = video.requestVideoFrameCallback(() => { clearTimeout(late); resolve(true); });
      } else setTimeout(() => (video.paused ? wait() : resolve(true)), 40);
    };
    wait();
  });
}

// What the reader does

function listen() {
  const drop = find("drop"), files = find("files");
  files.addEventListener("change", () => { addFiles([...files.files]); files.value = ""; });
  find("camera").addEventListener("click", addCamera);
  find("sure").addEventListener("change", () => views.forEach((view) => view.again(facts, least())));
  document.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    addFiles([...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => addFiles([...event.clipboardData.files]));
  for (const button of document.querySelectorAll("[data-opens]")) {
    button.addEventListener("click", () => find(button.dataset.opens).showModal());
  }
  for (const button of document.querySelectorAll("[data-closes]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
}

say("Loading the model ...");
progress.hidden = false;
