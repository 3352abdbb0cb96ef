// Each page once among the results, the best first, with excerpts of its prose. Results come worst first, as Sphinx's list
// pops them. This listener is registered before Sphinx's own, so the first query passes through here too.
document.addEventListener("DOMContentLoaded", () => {
  const { pages, words } = searchWeights, stemmer = new Stemmer();

  /** -> how many of a query's words each page has in its prose, and how much it has to say of them; rare ones count more. */
  function rank(query) {
    const ranks = new Map(pages.map((page) => [page, [0, 0]]));
    const asked = splitQuery(query.toLowerCase()).filter((word) => !stopwords.includes(word)).map((word) => stemmer.stemWord(word));
    for (const word of new Set(asked)) {
      const found = Object.hasOwn(words, word) ? words[word] : [], rare = Math.log(1 + pages.length / (1 + found.length / 2));
      for (let i = 0; i < found.length; i += 2) {
        const rank = ranks.get(pages[found[i]]);
        rank[0] += 1;
        rank[1] += rare * found[i + 1];
      }
    }
    return ranks;
  }

  const all = Search._performSearch;
  Search._performSearch = (query, ...rest) => {
    const best = new Map(), ranks = rank(query);
    all(query, ...rest).forEach((found) => best.set(found[0], found));
    const exact = (found) => (found[4] > Scorer.title ? found[4] : 0); // a name or a title that is just what was asked for
    const keys = (found) => [exact(found), ...(ranks.get(found[0]) ?? [0, 0]), found[4]];
    return [...best.values()].map((found) => [keys(found), found])
      .sort(([a], [b]) => a.map((key, i) => key - b[i]).find((gap) => gap) ?? 0).map(([, found]) => found);
  };

  const NO_PROSE = "script, style, .headerlink, .tex, div.math, pre, .cell, summary, h1, .chapter-number";
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(NO_PROSE).forEach((node) => node.remove());
    page.querySelectorAll("p, li, dt, td, th, h2, h3, h4").forEach((node) => node.append(" "));
    const node = (anchor && page.getElementById(anchor.slice(1))) || page.querySelector("article");
    return node ? node.textContent.replace(/\s+/g, " ").trim() : "";
  };
});
