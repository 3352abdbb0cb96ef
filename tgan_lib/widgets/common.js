// What the components in outputs share. It is put before each of them, inside one function.
const make = (tag, about = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) name.includes("-") || name === "role" ? node.setAttribute(name, value) : (node[name] = value);
  node.append(...children);
  // JupyterLab takes arrow keys and letters for itself unless the element with the focus asks it not to.
  if (["input", "select", "button"].includes(tag)) node.dataset.lmSuppressShortcuts = "true";
  return node;
};
const shape = (tag, about = {}, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(about)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const motionless = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const bring = (node) => node.scrollIntoView({ block: node.offsetHeight > 0.8 * innerHeight ? "start" : "center", behavior: motionless() ? "auto" : "smooth" });
const far = (a, b) => Math.abs(a.getBoundingClientRect().top - b.getBoundingClientRect().bottom) > 1.5 * innerHeight;
// Outputs of a notebook may be put in after the page was loaded, and one may be shown twice: so each script looks for
// the boxes of its kind that nobody has set going.
const setGoing = (kind, go) => {
  for (const box of document.querySelectorAll(`.tgan-${kind}:not([data-going])`)) {
    box.dataset.going = "";
    go(box, JSON.parse(box.dataset.about));
  }
};
