// Questions: the page stops before their moment, hides what comes, and asks.
// A key chooses, the next one shows the answer, one more goes on.
"use strict";

const quiz = {
  question: null, // that is open
  chosen: null,
  revealed: false,
  asked: new Set(),

  // The step to stop at on the way to another one, if a question is due.
  stop(model, from, to) {
    const { events } = model, at = from > 0 ? events[from].at : -Infinity;
    const due = model.questions.find((each) => !this.asked.has(each.text)
      && each.at > at && events[to] && each.at <= events[to].at);
    if (!due) return to;
    this.ask(due);
    return Math.max(from, events.findLastIndex((each) => each.at < due.at));
  },

  ask(question) {
    Object.assign(this, { question, chosen: null, revealed: false });
    this.asked.add(question.text);
    this.show();
    const dialog = document.getElementById("question");
    if (!dialog.open) dialog.showModal();
  },

  show() {
    const { question, chosen, revealed } = this;
    const choices = question.choices.map((text, number) => {
      const right = revealed && number === question.right;
      const wrong = revealed && number === chosen && !right;
      return make("button", { class: ["choice",
        number === chosen ? "chosen" : "", right ? "right" : "",
        wrong ? "wrong" : ""].join(" "),
      onclick: () => this.choose(number) },
      `${number + 1}  ${short(text, 200)}${right ? " ✓" : wrong ? " ✗" : ""}`);
    });
    document.getElementById("question").replaceChildren(
      make("h2", {}, short(question.text, 400)), ...choices,
      make("div", { class: revealed ? "" : "soft" }, revealed
        ? short(question.why, 600) : "a number chooses, Enter shows"));
  },

  choose(number) {
    if (this.revealed || !(number in this.question.choices)) return;
    this.chosen = number;
    this.show();
  },

  // Enter, space, right: first the answer, and then the run goes on.
  go() {
    if (!this.revealed) {
      this.revealed = true;
      this.show();
    } else {
      this.question = null;
      document.getElementById("question").close();
    }
  },

  key(event) {
    if (/^[1-9]$/.test(event.key)) this.choose(Number(event.key) - 1);
    else if (["Enter", " ", "ArrowRight"].includes(event.key)) this.go();
    else if (event.key === "Escape") this.question = null;
    else return;
    if (event.key !== "Escape") event.preventDefault(); // closes the dialog
  },
};
