// Shows the kind of each name while it is typed, and the commands beside the form; the server recognises and renders.
// The form works without this script.
"use strict";
const form = document.getElementById("order");
const field = document.getElementById("names");
const list = document.getElementById("recognised");
const preview = document.getElementById("preview");
const secrets = document.querySelectorAll("input[type=password]"); // some may be shown later
let timer, latest = 0;

async function recognise(number) {
  const body = new URLSearchParams({ csrf: form.elements.csrf.value, names: field.value });
  let names;
  try {
    const answer = await fetch("/recognise", { method: "POST", body });
    if (!answer.ok) return;
    names = await answer.json();
  } catch {
    return;
  }
  if (number !== latest) return; // a later answer will come
  list.replaceChildren(...names.map((name) => {
    const item = document.createElement("li");
    const kind = document.createElement("span");
    kind.className = "kind";
    kind.textContent = name.error ? "✗" : name.kind;
    item.className = name.error ? "error" : "";
    item.append(kind, " ", name.error || name.value);
    return item;
  }));
  list.hidden = names.length === 0;
}

// The commands are the same for every password, so none leaves the page: a word stands for each.
async function show(number) {
  const body = new FormData(form);
  body.set("fragment", "1");
  for (const each of secrets) body.set(each.name, each.value ? "typed" : "");
  if (body.get("file")?.size > 48000) body.delete("file"); // no request is so large
  let answer;
  try {
    answer = await fetch(preview.dataset.from, { method: "POST", body });
  } catch {
    return;
  }
  if (number !== latest) return;
  if (answer.status === 503) timer = setTimeout(update, 1000);
  if (!answer.ok) return;
  const text = await answer.text();
  if (number !== latest) return;
  preview.innerHTML = text;
  offerCopies(preview); // of page.js
}

function update() {
  latest += 1;
  if (field) recognise(latest);
  show(latest);
}

if (form) {
  document.querySelector("button[formaction]").hidden = true;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(update, 300);
  });
  update();
}
