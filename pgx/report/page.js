"use strict";
// Draws the charts from the rows in this page; switches arms off; nothing is fetched.
{
  const held = JSON.parse(document.getElementById("charts").textContent);
  const off = new Set();
  const drawn = new Map();
  const WIDE = 620; // px: from here on lines have their names beside them

  const expand = ({ columns, rows }) =>
    rows.map((row) => {
      const made = Object.fromEntries(columns.map((name, i) => [name, row[i]]));
      made.label = held.labels[made.arm];
      made.arm = held.arms[made.arm];
      return made;
    });

  const draw = async (place) => {
    const name = place.dataset.chart;
    const wide = place.clientWidth >= WIDE;
    if (drawn.has(place) && drawn.get(place).wide === wide) return;
    drawn.set(place, { wide });
    const { usermeta, ...spec } = held.charts[name];
    const made = {
      ...spec,
      data: { values: expand(held.data[name]) },
      padding: { left: 0, top: 6, bottom: 4, right: 8 },
      autosize: { type: "fit-x", contains: "padding" }, // it leaves room for names
    };
    const { view } = await vegaEmbed(place, made, {
      mode: "vega-lite",
      renderer: "svg",
      actions: false,
      logLevel: 1, // errors
      tooltip: { theme: "page" },
    });
    view.signal("labelled", wide).signal("off", [...off]);
    await view.resize().runAsync();
    drawn.set(place, { wide, view });
    place.querySelector("svg")?.setAttribute("aria-hidden", "true");
  };

  const places = [...document.querySelectorAll("[data-chart]")];
  const all = () => places.forEach(draw);

  const buttons = [...document.querySelectorAll("[data-arm]")];
  const show = () => {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(!off.has(button.dataset.arm)));
    }
    for (const { view } of drawn.values()) view?.signal("off", [...off]).runAsync();
  };
  for (const button of buttons) {
    const arm = button.dataset.arm;
    button.addEventListener("click", () => {
      off.has(arm) ? off.delete(arm) : off.add(arm);
      show();
    });
    const focus = (name) => {
      for (const { view } of drawn.values()) view?.signal("focus", name).runAsync();
    };
    for (const enter of ["pointerenter", "focus"]) {
      button.addEventListener(enter, () => focus(off.has(arm) ? "" : arm));
    }
    for (const leave of ["pointerleave", "blur"]) button.addEventListener(leave, () => focus(""));
    button.addEventListener("dblclick", () => {
      off.clear();
      buttons.forEach((other) => other.dataset.arm !== arm && off.add(other.dataset.arm));
      show();
    });
  }
  document.getElementById("every-arm")?.addEventListener("click", () => {
    off.clear();
    show();
  });

  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(all, 150);
  });
  all();
}
