// Makes the playgrounds of a built page move: finds their still twins and, when one comes near the viewport, fetches the
// script and the style. By script and link elements, since fetch and module imports do not work from a file:// address.
(() => {
  const base = new URL(".", document.currentScript.src);
  let loading = null;
  const load = (tag, attributes) => new Promise((done, failed) => {
    const node = Object.assign(document.createElement(tag), attributes, { onload: done });
    node.onerror = () => failed(new Error(`${node.src || node.href} is missing from the site`));
    document.head.append(node);
  });

  async function mount(twin) {
    loading ??= Promise.all([
      load("link", { rel: "stylesheet", href: new URL("playground.css", base).href }),
      load("script", { src: new URL("playground.js", base).href }),
    ]);
    await loading;
    const settings = JSON.parse(twin.dataset.playground);
    twin.replaceChildren();
    globalThis.tganPlayground.render({ model: { get: () => settings }, el: twin });
  }

  const near = new IntersectionObserver((seen) => seen.filter((s) => s.isIntersecting).forEach(({ target }) => {
    near.unobserve(target);
    mount(target).catch((error) => console.warn(`playground: ${error.message}; the page shows its description`));
  }), { rootMargin: "400px" });
  document.querySelectorAll("[data-playground]").forEach((twin) => near.observe(twin));
})();
