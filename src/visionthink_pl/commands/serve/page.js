"use strict";
const element = (id) => document.getElementById(id);
const drop = element("drop"), file = element("file");

for (const name of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files.length) file.files = event.dataTransfer.files;
  });
}

const read = (blob) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(blob);
});

// What the model wrote is text: it never becomes markup.
function add(parent, kind, text) {
  const child = document.createElement(kind);
  child.textContent = text;
  element(parent).append(child);
  return child;
}

function clear() {
  for (const id of ["error", "answer", "tokens", "looks", "turns"]) element(id).textContent = "";
}

function show(reply) {
  element("answer").textContent = reply.answer;
  element("tokens").textContent = `Visual tokens: ${reply.tokens}. Second look: ${reply.second_look}`;
  reply.looks.forEach((look, index) => {
    const figure = add("looks", "figure", "");
    const image = document.createElement("img");
    image.src = look.url;
    image.alt = `look ${index + 1}`;
    const caption = document.createElement("figcaption");
    caption.textContent = `${look.width} x ${look.height}`;
    figure.append(image, caption);
  });
  for (const turn of reply.turns) add("turns", "pre", turn);
}

element("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  clear();
  element("ask").disabled = true;
  try {
    if (!file.files.length) throw new Error("choose an image first");
    const body = JSON.stringify({ question: element("question").value, image: await read(file.files[0]) });
    const headers = { "Content-Type": "application/json" };
    const response = await fetch("/page/ask", { method: "POST", headers, body });
    const reply = await response.json();
    if (!response.ok) throw new Error(reply.error.message);
    show(reply);
  } catch (error) {
    element("error").textContent = error.message;
  } finally {
    element("ask").disabled = false;
  }
});
