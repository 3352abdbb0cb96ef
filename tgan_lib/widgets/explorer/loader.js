// Makes the explorers of a built page move: finds their still twins and, when one comes into view, fetches
// the module, the style and the model's weights and hands `render` a stand-in for the notebook's model.
// Everything comes by script and link elements, since fetch and module imports do not work from a file:// address.
(() => {
  const base = new URL(".", document.currentScript.src), loading = new Map();
  const load = (name) => {
    if (!loading.has(name)) {
      loading.set(name, new Promise((done, failed) => {
        const node = document.createElement(name.endsWith(".css") ? "link" : "script");
        if (node.tagName === "LINK") { node.rel = "stylesheet"; node.href = new URL(name, base).href; }
        else node.src = new URL(name, base).href;
        node.onload = done;
        node.onerror = () => failed(new Error(`${name} is missing from the site`));
        document.head.append(node);
      }));
    }
    return loading.get(name);
  };
  const decode = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;

  async function mount(twin) {
    const state = JSON.parse(twin.dataset.explorer);
    await Promise.all([load("explorer.css"), load("explorer.js").then(() => load(`${state.name}.js`))]);
    const { render, weights } = globalThis.tganExplorer, shipped = weights[state.name];
    if (shipped.sha256 !== state.sha256) throw new Error(`the page shows another version of ${state.name}`);
    const ears = [];
    const model = {
      get: (key) => state[key],
      set: (key, value) => { state[key] = value; },
      save_changes: () => {},
      on: (event, ear) => { if (event === "msg:custom") ears.push(ear); },
      off: () => {},
      send: ({ id }) => setTimeout(() => ears.forEach((ear) => ear({ id, kind: "weights" }, [decode(shipped.data)]))),
    };
    twin.replaceChildren();
    twin.removeAttribute("style");
    render({ model, el: twin });
  }

  const near = new IntersectionObserver((seen) => seen.filter((s) => s.isIntersecting).forEach(({ target }) => {
    near.unobserve(target);
    mount(target).catch((error) => console.warn(`explorer: ${error.message}; the picture stays still`));
  }));
  document.querySelectorAll("[data-explorer]").forEach((twin) => near.observe(twin));
})();
