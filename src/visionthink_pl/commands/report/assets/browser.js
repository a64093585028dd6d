// The browser of trajectories: filters, the list of groups, the group that is selected, keys.

const { groups, images, evaluation } = JSON.parse(document.getElementById("trajectories").textContent);
const ROW = 60; // height of a row of the list in pixels, as in the style
const KEYS = [
  ["j, k", "next and previous group; in the list also ↓ and ↑"],
  ["l, h", "next and previous answer of the group; in the group also → and ←"],
  ["/", "search in questions, answers and turns"],
  ["Esc", "leave the search"],
  ["w", "wrong answers first, or in the order of the log"],
  ["t", "colour tokens by log-probability, or plain text"],
  ["?", "these keys"],
];

const state = { found: [], at: 0, answer: 0, wrong: true, coloured: true, chosen: {}, words: "" };

// What stays of the page.
const search = make("input", { type: "search", id: "search", placeholder: "question, answer, text", autocomplete: "off", spellcheck: "false" });
const wrong = make("input", { type: "checkbox", id: "wrong", checked: "" });
const coloured = make("input", { type: "checkbox", id: "coloured", checked: "" });
const total = make("p", { class: "total", role: "status" });
const rows = make("div", { class: "window" });
const list = make("div", { class: "list", role: "listbox", tabindex: "0", "aria-label": "Groups" }, rows);
const detail = make("div", { class: "detail", tabindex: "-1", role: "region", "aria-label": "Selected group" });
const help = make("dialog", { "aria-label": "Keys" },
  make("h3", {}, "Keys"),
  make("dl", {}, ...KEYS.flatMap(([key, words]) => [make("dt", {}, key), make("dd", {}, words)])),
  make("form", { method: "dialog" }, make("button", {}, "close")));

const choice = (name, { titles, of, words }) => {
  const values = new Set(groups.flatMap((group) => group.trajectories.map((t) => of(t, group))));
  values.delete(null);
  const listed = words ? Object.keys(words).filter((value) => values.has(value)) : [...values];
  if (listed.length < 2) return null;
  const select = make("select", { id: `filter-${name}` }, make("option", { value: "" }, "all"),
    ...listed.map((value, place) => make("option", { value: String(place) }, words?.[value] ?? plain(cut(value, 40)))));
  select.addEventListener("change", () => { state.chosen[name] = listed[select.value]; refresh(); });
  return make("label", {}, `${titles[evaluation ? 1 : 0] ?? titles[0]} `, select);
};

/** A small picture of a group: a bar an answer, full where wrong, tall where it looked twice. */
const strip = ({ group, matches }) => {
  const shown = group.trajectories.slice(0, 24);
  const bars = shown.map((t, index) => svg("rect", {
    x: 7 * index + 0.5, y: t.second_look ? 0.5 : 7.5, width: 5, height: t.second_look ? 14 : 7,
    class: `${correctness(t)}${matches.includes(index) ? "" : " other"}`,
  }));
  return svg("svg", { width: 7 * shown.length, height: 15, "aria-hidden": "true" }, ...bars);
};

const right = ({ group }) => {
  const scored = group.trajectories.filter((t) => accuracy(t) !== null);
  return scored.length
    ? `${scored.filter((t) => correctness(t) === "right").length} of ${scored.length} right` : "not scored";
};

const row = (found, index) => {
  const node = make("div", {
    class: "row", role: "option", id: `group-${index}`, "aria-selected": String(index === state.at),
    "aria-posinset": index + 1, "aria-setsize": state.found.length,
  },
  make("p", { class: "question", dir: "auto" }, visible(cut(found.group.question, 140))),
  make("p", { class: "under" },
    make("span", { class: "kind" }, make("bdi", {}, visible(cut(found.group.kind, 40))), ` · ${right(found)}`), strip(found)));
  node.style.top = `${ROW * index}px`;
  node.addEventListener("click", () => { go(index); if (narrow()) detail.scrollIntoView(); });
  return node;
};

const narrow = () => matchMedia("(max-width: 760px)").matches;

/** Only rows near those in view are in the page. */
const paint = () => {
  const first = Math.max(Math.floor(list.scrollTop / ROW) - 5, 0);
  const end = Math.min(first + Math.ceil((list.clientHeight || 600) / ROW) + 10, state.found.length);
  const near = [];
  for (let index = first; index < end; index++) near.push(row(state.found[index], index));
  rows.style.height = `${ROW * state.found.length}px`;
  rows.replaceChildren(...near);
  list.setAttribute("aria-activedescendant", `group-${state.at}`);
};

const step = (words, by) => {
  const button = make("button", { type: "button" }, words);
  button.addEventListener("click", () => go(state.at + by));
  button.disabled = !state.found[state.at + by];
  return button;
};

const show = () => {
  const found = state.found[state.at];
  if (!found) {
    detail.replaceChildren(make("p", { class: "note" }, "No answer matches. Loosen the filters, or empty the search."));
    return;
  }
  const focused = [...detail.querySelectorAll("button")].indexOf(document.activeElement);
  const back = make("button", { type: "button", class: "back" }, "list");
  back.addEventListener("click", () => list.scrollIntoView());
  detail.replaceChildren(
    make("nav", { "aria-label": "Groups" }, back, step("previous", -1),
      make("span", {}, `${count(state.at + 1)} of ${count(state.found.length)}`), step("next", 1)),
    ...heading(found.group),
    answers(found.group, found.matches, state.answer, (index) => { state.answer = index; show(); }),
    trajectoryView(found.group.trajectories[state.answer], images, state.coloured));
  detail.querySelectorAll("button")[focused]?.focus();
};

const go = (index) => {
  if (!state.found[index]) return;
  Object.assign(state, { at: index, answer: firstShown(state.found[index]) });
  const top = ROW * index;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  detail.scrollTop = 0;
  paint();
  show();
};

const refresh = () => {
  const found = matching(groups, state.chosen, state.words);
  state.found = state.wrong ? wrongFirst(found) : found;
  const matches = found.reduce((sum, each) => sum + each.matches.length, 0);
  total.textContent = `${counted(found.length, "group", "groups")}, ${counted(matches, "answer", "answers")}`;
  list.scrollTop = 0;
  state.at = 0;
  if (found.length) go(0);
  else { paint(); show(); }
};

const answerBy = (by) => {
  const found = state.found[state.at];
  if (!found || !found.group.trajectories[state.answer + by]) return;
  state.answer += by;
  show();
};

const toggle = (box) => { box.checked = !box.checked; box.dispatchEvent(new Event("change")); };

const pressed = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const { key, target } = event;
  if (target === search) {
    if (key !== "Escape" && key !== "Enter") return;
    event.preventDefault(); // Escape would empty it
    search.blur();
    return;
  }
  if (target.matches?.("select, input[type=text]")) return;
  const inList = list.contains(target), inDetail = detail.contains(target);
  const does = {
    j: () => go(state.at + 1),
    k: () => go(state.at - 1),
    l: () => answerBy(1),
    h: () => answerBy(-1),
    "/": () => search.select(),
    w: () => toggle(wrong),
    t: () => toggle(coloured),
    "?": () => help.showModal(),
    ...(inList ? { ArrowDown: () => go(state.at + 1), ArrowUp: () => go(state.at - 1),
      Home: () => go(0), End: () => go(state.found.length - 1), Enter: () => detail.focus() } : {}),
    ...(inList || inDetail ? { ArrowRight: () => answerBy(1), ArrowLeft: () => answerBy(-1) } : {}),
  }[key];
  if (!does) return;
  event.preventDefault();
  if ("jkhlwt/".includes(key)) document.getElementById("browser").scrollIntoView({ block: "nearest" });
  does();
};

let waiting;
search.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => { state.words = search.value; refresh(); }, 150);
});
wrong.addEventListener("change", () => { state.wrong = wrong.checked; refresh(); });
coloured.addEventListener("change", () => { state.coloured = coloured.checked; show(); });
list.addEventListener("scroll", paint, { passive: true });
addEventListener("resize", paint);
document.addEventListener("keydown", pressed);

const opener = make("button", { type: "button", class: "keys" }, "keys ?");
opener.addEventListener("click", () => help.showModal());
document.getElementById("browser").replaceChildren(
  make("form", { class: "filters", role: "search", "aria-label": "Filters" },
    make("label", { class: "words" }, "search ", search),
    ...Object.entries(FILTERS).map(([name, filter]) => choice(name, filter)).filter((each) => each),
    make("label", { class: "check" }, wrong, " wrong answers first"),
    make("label", { class: "check" }, coloured, " colour tokens"), opener),
  total,
  make("div", { class: "panes" }, list, detail), help);
document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
refresh();
performance.mark("ready");
