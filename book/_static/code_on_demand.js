// One switch in the header opens every folded cell of a page, and the choice is kept for this visit.
// Solutions and discussions stay as they are: nobody asks for those by asking for code.
(() => {
  const KEY = "book-all-code";
  // On paper a card and the origins of numbers stand open; code says that it was folded.
  const onPaper = document.querySelectorAll("details.card-chapter, details.origin");
  const shut = [];
  addEventListener("beforeprint", () => onPaper.forEach((e) => { if (!e.open) { shut.push(e); e.open = true; } }));
  addEventListener("afterprint", () => shut.splice(0).forEach((e) => { e.open = false; }));

  const folds = [...document.querySelectorAll(".cell:not(.tag_solution) > details.hide")];
  const place = document.querySelector(".article-header-buttons");
  if (!folds.length || !place) return;

  const kept = {
    get: () => { try { return sessionStorage.getItem(KEY) === "open"; } catch { return false; } },
    set: (open) => { try { sessionStorage.setItem(KEY, open ? "open" : "folded"); } catch { /* not kept, then */ } },
  };
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-sm all-code";
  button.textContent = "All code";
  button.title = "Open or fold the code of every cell on this page";
  place.prepend(button);

  const show = (open) => {
    button.setAttribute("aria-pressed", String(open));
    folds.forEach((fold) => { fold.open = open; });
  };
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-pressed") !== "true";
    // What the reader looks at stays where it is.
    const anchor = [...document.querySelectorAll("article h2, article h3, article p")]
      .find((e) => e.getBoundingClientRect().top >= 60 && e.checkVisibility?.() !== false);
    const before = anchor?.getBoundingClientRect().top;
    show(open);
    kept.set(open);
    if (anchor) scrollBy({ top: anchor.getBoundingClientRect().top - before, behavior: "instant" });
  });
  show(kept.get());
})();
