// What a model or a data set has written is put into the page as text, never as markup.

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

const svg = (tag, attributes, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

// Control and format characters, lone surrogates, line separators; not new lines, nor the two
// joiners that words and emoji are spelt with.
const HIDDEN = /(?![\n\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

const code = (character) =>
  "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

/** The value of a name that data may have given, of an object's own. */
const own = (of, name) => (Object.hasOwn(of, name) ? of[name] : undefined);

/** A text, in which what could not be seen is shown by its code. */
const visible = (text) => {
  const out = document.createDocumentFragment();
  let from = 0;
  for (const found of text.matchAll(HIDDEN)) {
    out.append(text.slice(from, found.index));
    out.append(make("span", { class: "code" }, found[0] === "\t" ? "⇥" : code(found[0])));
    from = found.index + found[0].length;
  }
  out.append(text.slice(from));
  return out;
};

/** The same, for attributes. */
const plain = (text) => text.replace(HIDDEN, (character) => `[${code(character)}]`);

const cut = (text, most) => (text.length > most ? `${text.slice(0, most)}…` : text);

const MINUS = "−";
const NOTHING = "–";
const number = (value, digits) =>
  value === null || value === undefined ? NOTHING : value.toFixed(digits).replace("-", MINUS);
const signed = (value, digits) =>
  (value > 0 ? "+" : "") + number(value, digits);
const count = (value) => value.toLocaleString("en-US");
const counted = (value, one, many) => `${count(value)} ${value === 1 ? one : many}`;

// Log-probabilities in nats, from which on a token is coloured more strongly.
const LEVELS = [-0.1, -0.5, -1, -2, -4];
const level = (logprob) => LEVELS.filter((bound) => logprob < bound).length;

const token = (text, logprob) => {
  const known = typeof logprob === "number";
  const said = known
    ? `log-probability ${number(logprob, 2)} nats, probability ${(100 * Math.exp(logprob)).toFixed(1)}%`
    : "no log-probability";
  const classes = known ? `token p${level(logprob)}` : "token unknown";
  const node = make("span", { class: classes, title: `${cut(plain(text), 40)} · ${said}` });
  text.split("\n").forEach((line, place) => {
    if (place) node.append(make("span", { class: "end" }, "⏎"), "\n");
    node.append(visible(line));
  });
  return node;
};

const legend = () =>
  make("p", { class: "legend", "aria-hidden": "true" }, "probability ",
    ...["above 90%", "to 61%", "to 37%", "to 14%", "to 2%", "below"].flatMap((words, place) =>
      [make("span", { class: `token p${place}` }, words), " "]));
