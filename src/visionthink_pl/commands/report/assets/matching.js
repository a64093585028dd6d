// Which trajectories match the filters, and in which order groups are listed.

const accuracy = (trajectory) => trajectory.parts?.accuracy ?? null;
const invalid = (trajectory) => trajectory.turns.some((turn) => turn.call_error);
const textOf = (turn) => turn.text ?? turn.tokens.join("");
const correctness = (trajectory) => {
  const score = accuracy(trajectory);
  return score === null ? "unscored" : score === 1 ? "right" : "wrong";
};

// Title (of a run, and of an evaluation where it differs), value of a trajectory, and words for
// values. A filter with one value is left out.
const FILTERS = {
  part: { titles: ["stage", "benchmark"], of: (t, group) => group.part },
  origin: { titles: ["when", "mode"], of: (t) => t.origin },
  kind: { titles: ["kind"], of: (t, group) => group.kind },
  answer: {
    titles: ["answer"], of: correctness,
    words: { right: "right", wrong: "wrong", unscored: "not scored" },
  },
  looked: {
    titles: ["looked twice"], of: (t) => (t.second_look ? "yes" : "no"), words: { yes: "yes", no: "no" },
  },
  invalid: {
    titles: ["invalid call"], of: (t) => (invalid(t) ? "yes" : "no"), words: { yes: "yes", no: "no" },
  },
};

const searched = new Map(); // trajectory -> its text in lower case, made when it is first needed
const searchable = (trajectory, group) => {
  if (!searched.has(trajectory))
    searched.set(trajectory, [
      group.question, group.sample, ...group.truths, trajectory.answer ?? "",
      ...trajectory.turns.map(textOf),
    ].join("\n").toLowerCase());
  return searched.get(trajectory);
};

/** Groups with a match, as {group, matches}: indices of trajectories. */
const matching = (groups, chosen, words) => {
  const needle = words.trim().toLowerCase();
  const wanted = Object.entries(chosen).filter(([, value]) => value !== undefined);
  const fits = (trajectory, group) =>
    wanted.every(([name, value]) => FILTERS[name].of(trajectory, group) === value)
    && (!needle || searchable(trajectory, group).includes(needle));
  const found = [];
  for (const group of groups) {
    const matches = [];
    group.trajectories.forEach((each, index) => { if (fits(each, group)) matches.push(index); });
    if (matches.length) found.push({ group, matches });
  }
  return found;
};

/** The mean accuracy of what matches; groups without a score come last. */
const standing = ({ group, matches }) => {
  const scores = matches.map((index) => accuracy(group.trajectories[index])).filter((s) => s !== null);
  return scores.length ? scores.reduce((sum, s) => sum + s, 0) / scores.length : Infinity;
};

const wrongFirst = (found) =>
  found.map((each) => [standing(each), each]).sort(([a], [b]) => a - b || 0).map(([, each]) => each);

/** Where to begin in a group: at a wrong answer, if there is one that matches. */
const firstShown = ({ group, matches }) =>
  matches.find((index) => correctness(group.trajectories[index]) === "wrong") ?? matches[0];
