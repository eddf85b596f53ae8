// What is said of a face, from its probabilities: the word or "not sure", what else is plausible, and why to doubt it.

const DOUBTS = {
  small: "The face is small in the picture: it has few pixels.",
  turned: "The head leans or is turned aside.",
  dark: "The face is very dark.",
  flat: "The face has hardly any contrast.",
};

/** An answer by the facts of a model; `least` is the top probability below which it abstains, null where it never does. */
export function judged(face, facts, least) {
  const { probabilities, doubts } = face, { classes, conformal } = facts;
  const top = probabilities.indexOf(Math.max(...probabilities));
  const order = classes.map((_, k) => k).sort((one, other) => probabilities[other] - probabilities[one]);
  const quantile = conformal?.quantile ?? 1;
  const plausible = order.filter((k) => k === top || probabilities[k] >= 1 - quantile).map((k) => classes[k]);
  const unsure = least !== null && (probabilities[top] < least || doubts.length > 0);
  return {
    word: unsure ? null : classes[top],
    top: classes[top],
    probability: probabilities[top],
    plausible,
    said: unsure ? ifUnsure(plausible) : ifSure(plausible),
    why: doubts.map((doubt) => DOUBTS[doubt]).join(" "),
  };
}

const ifSure = ([, ...others]) => (others.length ? `Also plausible: ${listed(others, "and")}.` : "No other word is plausible.");
const ifUnsure = (plausible) =>
  plausible.length > 1 ? `It could be ${listed(plausible, "or")}.` : `If a word is wanted: ${plausible[0]}.`;

/** "a", "a or b", "a, b or c". */
export function listed(words, last) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

/** All faces of a picture in one sentence, for the line of status that is read out. */
export function summary(name, answers) {
  if (!answers.length) return `${name}: no face was found.`;
  const said = answers.map(({ word, probability }) => (word ? `${word} ${percent(probability)}` : "not sure"));
  return `${name}: ${answers.length} ${answers.length === 1 ? "face" : "faces"}: ${said.join("; ")}.`;
}

export const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
