// Each page once among the results, by its best find. Results come worst first, as Sphinx's list pops them.
// This listener is registered before Sphinx's own, so the first query passes through here too.
document.addEventListener("DOMContentLoaded", () => {
  const all = Search._performSearch;
  Search._performSearch = (...query) => {
    const best = new Map();
    all(...query).forEach((found) => { best.delete(found[0]); best.set(found[0], found); });
    return [...best.values()];
  };
});
