// Shows the kind of each name while it is typed; the server recognises it. The form works without this script.
"use strict";
const field = document.getElementById("names");
const list = document.getElementById("recognised");
const csrf = document.querySelector("form[novalidate] input[name=csrf]");
let timer, latest = 0;

async function recognise() {
  const number = ++latest;
  const body = new URLSearchParams({ csrf: csrf.value, names: field.value });
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

field.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(recognise, 300);
});
if (field.value.trim()) recognise();
