// What each page is better with: buttons that copy, and buttons that show a password. It works without this script.
"use strict";

const said = document.createElement("p");
said.setAttribute("role", "status");
said.className = "said";

function offerCopies(part) {
  for (const text of navigator.clipboard ? part.querySelectorAll("[data-copy]") : []) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy: ${text.dataset.copy}`);
    button.addEventListener("click", async () => {
      let answer = "Copied";
      try {
        await navigator.clipboard.writeText(text.textContent.trim() + (text.tagName === "PRE" ? "\n" : ""));
      } catch {
        answer = "Not copied";
      }
      button.textContent = answer;
      said.textContent = `${answer}: ${text.dataset.copy}`;
      setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2000);
    });
    text.after(button);
  }
}

offerCopies(document);
document.getElementById("main").append(said);

// A button shows what is typed into a field for a password, and hides it again.
for (const field of document.querySelectorAll("input[type=password]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "show";
  const label = document.querySelector(`label[for="${field.id}"]`).textContent;
  const paint = () => {
    button.textContent = field.type === "password" ? "Show" : "Hide";
    button.setAttribute("aria-label", `${button.textContent}: ${label}`);
  };
  button.addEventListener("click", () => {
    field.type = field.type === "password" ? "text" : "password";
    paint();
  });
  field.form.addEventListener("submit", () => { field.type = "password"; });
  paint();
  const both = document.createElement("div");
  both.className = "secret";
  field.replaceWith(both);
  both.append(field, button);
}
