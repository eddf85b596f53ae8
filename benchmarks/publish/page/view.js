// One picture or video on the page: it, a box for each face, and the answers beside. Answers are updated in place.

import { judged, percent } from "./words.js";

const TINY = 96; // pixels: below this a picture is shown larger than it is

/** Make an element with a class, text and children. */
export function element(tag, className = "", text = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };

export class PictureView {
  #stage = element("figure", "stage");
  #faces = element("ol", "faces");
  #note = element("p", "none", "Looking for faces ...");
  #boxes = [];
  #cards = [];
  #answer = null;

  /** `medium` is the img or video; `close` is called when the reader takes the picture away. */
  constructor(name, medium, close, mirrored = false) {
    this.name = name;
    this.mirrored = mirrored;
    this.heading = element("h2", "", name);
    this.heading.tabIndex = -1;
    const button = element("button", "quiet", medium.tagName === "VIDEO" ? "Stop" : "Remove");
    button.type = "button";
    button.setAttribute("aria-label", `${button.textContent} ${name}`);
    button.addEventListener("click", close);
    this.#stage.classList.toggle("mirrored", mirrored);
    this.#stage.append(medium);
    medium.addEventListener("load", () => medium.classList.toggle("tiny", medium.naturalWidth <= TINY));
    this.root = element("article", "picture", "", element("header", "", "", this.heading, button), this.#stage,
      element("div", "", "", this.#note, this.#faces));
    this.root.setAttribute("aria-busy", "true");
  }

  /** Say why there is no answer. */
  fail(reason) {
    this.root.setAttribute("aria-busy", "false");
    this.#note.className = "failed-picture";
    write(this.#note, reason);
    this.#note.hidden = false;
    this.#stage.hidden = true;
  }

  /** Show an answer of the worker; returns what is said of each face. */
  show(answer, facts, least) {
    this.root.setAttribute("aria-busy", "false");
    this.#answer = answer;
    const said = answer.faces.map((face) => judged(face, facts, least));
    this.#note.hidden = said.length > 0;
    write(this.#note, "No face was found. It looks for faces that are at least a sixteenth of the picture's longer side.");
    said.forEach((words, place) => this.#show(place, answer, words, facts));
    for (const card of this.#cards.splice(said.length)) card.root.remove();
    for (const box of this.#boxes.splice(said.length)) box.remove();
    return said;
  }

  /** Say the same faces by another threshold. */
  again(facts, least) {
    if (this.#answer) this.show(this.#answer, facts, least);
  }

  #show(place, { width, height, faces }, words, facts) {
    const face = faces[place], number = String(face.track ?? place + 1);
    if (!this.#cards[place]) {
      this.#cards[place] = new FaceCard(facts.classes);
      this.#faces.append(this.#cards[place].root);
      this.#boxes[place] = element("span", "box", "", element("b"));
      this.#boxes[place].setAttribute("aria-hidden", "true");
      this.#stage.append(this.#boxes[place]);
    }
    this.#cards[place].show(face, words, number);
    const [left, top, wide, high] = face.box, box = this.#boxes[place];
    const edges = { left: (this.mirrored ? width - left - wide : left) / width, top: top / height, width: wide / width, height: high / height };
    for (const [edge, share] of Object.entries(edges)) box.style[edge] = `${100 * share}%`;
    write(box.firstChild, number);
    box.dataset.box = face.box.join(" ");
  }
}

/** The answer on one face: the word, the sentences, and a bar for each class. */
class FaceCard {
  #which = element("span", "which");
  #word = element("span");
  #number = element("span", "number");
  #said = element("p");
  #why = element("p", "why");

  constructor(classes) {
    this.bars = classes.map((name) => {
      const fill = element("i"), number = element("span", "number");
      const track = element("span", "track", "", fill);
      track.setAttribute("aria-hidden", "true");
      return { name, fill, number, root: element("li", "", "", element("span", "", name), track, number) };
    });
    const bars = element("ul", "bars", "", ...this.bars.map((bar) => bar.root));
    bars.setAttribute("aria-label", "All words");
    this.root = element("li", "face", "", element("h3", "", "", this.#which, this.#word, this.#number), this.#said, this.#why, bars);
  }

  show({ probabilities }, words, number) {
    write(this.#which, `Face ${number}`);
    write(this.#word, words.word ?? "not sure");
    write(this.#number, words.word ? percent(words.probability) : "");
    write(this.#said, words.said);
    write(this.#why, words.why);
    this.bars.forEach(({ name, fill, number: shown, root }, k) => {
      root.className = words.plausible.includes(name) ? "plausible" : "";
      root.dataset.probability = probabilities[k];
      fill.style.width = `${100 * probabilities[k]}%`;
      write(shown, percent(probabilities[k]));
    });
  }
}
