// Expressions and selectors that the scenes of the controls share.

export const VIDEO = "document.querySelector('video')";
export const dark = [{ name: "prefers-color-scheme", value: "dark" }];
export const light = [{ name: "prefers-color-scheme", value: "light" }];
export const control = (name) => `[data-testid=control-${name}]`;
export const focused = (name) => `document.activeElement.dataset.testid === "control-${name}"`;
/** No element is outside of the window, and no button overlaps its neighbours. */
export const FITS = `(() => {
  const stage = document.querySelector("#stage").getBoundingClientRect();
  const boxes = [...document.querySelectorAll(".controls .row button, .controls .row input")].map((one) => one.getBoundingClientRect()).filter(({ width }) => width > 0);
  const inside = boxes.every(({ left, right }) => left >= stage.left - 0.5 && right <= stage.right + 0.5);
  const apart = boxes.every(({ right }, index) => index === 0 || boxes[index - 1].right <= boxes[index].left + 0.5);
  const text = document.querySelector(".controls .time");
  return document.documentElement.scrollWidth <= innerWidth && inside && apart && text.scrollWidth <= text.clientWidth + 1;
})()`;
