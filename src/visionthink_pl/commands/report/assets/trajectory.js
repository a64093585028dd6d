// One group: its question, its answers as a table, and one of its trajectories turn by turn.

const MARKS = { right: "✓", wrong: "✗", unscored: "?" };
const STOPS = {
  answered: "answered",
  no_answer: "ended without an answer",
  out_of_tokens: "ran out of tokens",
  out_of_turns: "ran out of turns",
  out_of_length: "ran out of length",
};
const USES = {
  trained: "trained on",
  unscored: "not trained on: a part of its reward could not be computed",
  filtered: "not trained on: filtered",
  no_signal: "not trained on: all rewards of its group are equal",
  left: "not trained on: the batch was full, or training ended",
};

const label = (trajectory) =>
  trajectory.origin === null ? `rollout ${trajectory.rollout}`
    : trajectory.rollout ? `${trajectory.origin}, ${trajectory.rollout}` : trajectory.origin;

const heading = (group) => {
  const truths = group.truths.length
    ? group.truths.flatMap((truth, place) => [place ? " or " : "", make("bdi", {}, visible(truth))])
    : ["not known"];
  return [
    make("h3", { class: "question", dir: "auto" }, visible(group.question)),
    make("p", { class: "facts" },
      make("span", {}, "right answer ", make("strong", {}, ...truths)),
      make("span", {}, "kind ", make("bdi", {}, visible(group.kind))),
      make("span", {}, make("bdi", {}, visible(group.part)), group.when ? `, ${group.when}` : ""),
      make("span", { class: "sample" }, "sample ", make("bdi", {}, visible(group.sample)))),
  ];
};

/** The group's trajectories, a row each. */
const answers = (group, matches, selected, select) => {
  const parts = [...new Set(group.trajectories.flatMap((t) => Object.keys(t.parts ?? {})))]
    .filter((name) => name !== "accuracy");
  const trained = group.trajectories.some((t) => t.advantage !== undefined);
  const head = ["", "answer", "looked", "tokens", "accuracy", ...parts, "reward",
    ...(trained ? ["advantage"] : [])];
  const rows = group.trajectories.map((t, index) => {
    const row = make("tr", {
      "aria-selected": String(index === selected),
      class: [index === selected ? "selected" : "", matches.includes(index) ? "" : "other"].join(" "),
    },
    make("th", { scope: "row" }, make("button", { type: "button" }, visible(label(t)))),
    make("td", { class: `answer ${correctness(t)}` },
      make("span", { class: "mark", "aria-label": correctness(t) }, MARKS[correctness(t)]), " ",
      make("bdi", {}, visible(t.answer === undefined ? own(STOPS, t.stop) ?? t.stop : cut(t.answer, 120)))),
    make("td", {}, times(t)),
    ...[
      count(t.generated_tokens),
      number(accuracy(t), 2),
      ...parts.map((name) => number(t.parts?.[name], 2)),
      number(t.reward, 2),
      ...(trained ? [t.advantage === undefined ? NOTHING : signed(t.advantage, 2)] : []),
    ].map((text) => make("td", { class: "number" }, text)));
    row.addEventListener("click", () => select(index));
    return row;
  });
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Answers of this group" },
    make("table", { class: "answers" },
      make("thead", {}, make("tr", {}, ...head.map((title, place) =>
        make("th", { scope: "col", class: place > 2 ? "number" : null },
          visible(title.replaceAll("_", " ")))))),
      make("tbody", {}, ...rows)));
};

/** The turns behind which something was shown, 0 for the prompt. */
const looks = (trajectory) => [...new Set(trajectory.images.map((image) => image.turn))];

const ordinal = (look) => ["first", "second", "third"][look] ?? `${look + 1}th`;

const pictures = (trajectory, images) => {
  const turns = looks(trajectory);
  return make("div", { class: "looks" }, ...trajectory.images.map((image) => {
    const { file, width, height, turn, box, caption } = image;
    const same = trajectory.images.filter((other) => other.turn === turn);
    const look = trajectory.tools_offered.length ? `${ordinal(turns.indexOf(turn))} look` : "only look";
    const words = [
      `${look}${same.length > 1 ? ` ${same.indexOf(image) + 1}` : ""}, ${width} × ${height} pixels`,
      box ? `, of ${box[0]}, ${box[1]} to ${box[2]}, ${box[3]}` : "",
      caption ? `: ${visible(cut(caption, 120))}` : "",
    ].join("");
    const shown = own(images, file)
      ? make("img", { src: own(images, file), alt: words, class: width <= 224 ? "few" : null })
      : make("span", { class: "missing" }, "not in this page");
    return make("figure", {}, shown, make("figcaption", {}, words));
  }));
};

const turn = (each, place, coloured) => {
  const said = make("div", { class: "said", dir: "auto", tabindex: "0", role: "region",
    "aria-label": `Text of turn ${place + 1}` });
  if (coloured) said.append(...each.tokens.map((text, at) => token(text, each.logprobs[at])));
  else said.append(visible(textOf(each)));
  const after = [];
  if (each.call)
    after.push(make("p", { class: "call" }, "called ", make("code", {}, visible(each.call.name)), " with ",
      make("code", {}, visible(cut(JSON.stringify(each.call.arguments), 400)))));
  if (each.call_error)
    after.push(make("p", { class: "call wrong" }, "invalid call: ", make("bdi", {}, visible(each.call_error))));
  if (each.given_tokens)
    after.push(make("p", { class: "call" }, `was given ${counted(each.given_tokens, "token", "tokens")}`));
  return make("div", { class: "turn" },
    make("h4", {}, `Turn ${place + 1} `, make("span", {}, counted(each.tokens.length, "token", "tokens"))),
    said, ...after);
};

const times = (t) => ["once", "twice"][looks(t).length - 1] ?? `${looks(t).length} times`;

const spent = (t) => [
  own(STOPS, t.stop) ?? t.stop,
  `looked ${times(t)}`,
  `${counted(t.visual_tokens, "visual token", "visual tokens")}, a full look takes ${count(t.full_look_tokens)}`,
  t.use === undefined ? null : own(USES, t.use) ?? t.use,
  t.logprob_difference === undefined ? null
    : `log-probabilities ${number(t.logprob_difference, 4)} nats from those in training`,
  t.seconds === undefined ? null : `${number(1000 * t.seconds, 0)} ms`,
].filter((words) => words !== null);

const trajectoryView = (trajectory, images, coloured) =>
  make("article", { class: "trajectory", "aria-label": plain(label(trajectory)) },
    make("h3", {}, visible(label(trajectory))),
    make("p", { class: "facts" }, ...spent(trajectory).map((words) => make("span", {}, visible(words)))),
    pictures(trajectory, images),
    ...trajectory.turns.map((each, place) => turn(each, place, coloured)),
    coloured ? legend() : null);
