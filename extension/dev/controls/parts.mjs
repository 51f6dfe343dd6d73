// Expressions and selectors that the scenes of the controls share.

export const VIDEO = "document.querySelector('video')";
/** The first element that matches a selector, as an expression. */
export const one = (selector) => `document.querySelector(${JSON.stringify(selector)})`;
export const dark = [{ name: "prefers-color-scheme", value: "dark" }];
export const light = [{ name: "prefers-color-scheme", value: "light" }];
export const control = (name) => `[data-testid=control-${name}]`;
export const focused = (name) => `document.activeElement.dataset.testid === "control-${name}"`;
/** Whether all controls are inside the window and no button overlaps its neighbours. */
export const FITS = `(() => {
  const stage = document.querySelector("#stage").getBoundingClientRect();
  const controls = document.querySelectorAll(".controls .row button, .controls .row input");
  const boxes = [...controls]
    .map((one) => one.getBoundingClientRect())
    .filter(({ width }) => width > 0);
  const isInside = ({ left, right }) => left >= stage.left - 0.5 && right <= stage.right + 0.5;
  const isApart = ({ left }, index) => index === 0 || boxes[index - 1].right <= left + 0.5;
  const text = document.querySelector(".controls .time");
  return (
    document.documentElement.scrollWidth <= innerWidth &&
    boxes.every(isInside) &&
    boxes.every(isApart) &&
    text.scrollWidth <= text.clientWidth + 1
  );
})()`;
