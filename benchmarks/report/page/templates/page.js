"use strict";
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const table = $("#table"), body = table.tBodies[0], heads = $$("thead th", table);
  const rows = [...body.rows];
  const places = new Map(heads.map((head, place) => [head.dataset.key, place]));

  // Storage may be forbidden, as for some browsers in files opened from disk: then nothing is remembered.
  const COLUMNS = "columns";
  const stored = () => { try { return JSON.parse(localStorage.getItem(COLUMNS)); } catch { return null; } };
  const store = (value) => {
    try { value ? localStorage.setItem(COLUMNS, JSON.stringify(value)) : localStorage.removeItem(COLUMNS); } catch { /* not remembered */ }
  };

  // --- sorting: rows without a value stay last whichever way
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  function valueOf(row, head) {
    const cell = row.cells[places.get(head.dataset.key)];
    if ("number" in head.dataset) return "value" in cell.dataset ? Number(cell.dataset.value) : null;
    return (head.dataset.key === "title" ? $(".open", cell) : cell).textContent.trim() || null;
  }

  function sortBy(head, ascending) {
    const keyed = rows.map((row, place) => ({ row, place, value: valueOf(row, head) }));
    const compare = "number" in head.dataset ? (a, b) => a - b : collator.compare;
    keyed.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.place - b.place;
      return (ascending ? compare(a.value, b.value) : compare(b.value, a.value)) || a.place - b.place;
    });
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    body.append(...keyed.map((one) => one.row));
  }

  // The first click sorts the way that puts the better first: small ranks, p values and costs, large scores.
  const LARGE_FIRST = new Set(["accuracy", "interval", "cross_fit_accuracy", "seen_accuracy", "macro_f1", "images_per_second", "year"]);
  for (const head of heads) {
    $("button", head).addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      sortBy(head, now ? now === "descending" : !LARGE_FIRST.has(head.dataset.key));
    });
  }

  // --- filters
  const search = $("#search"), status = $("#status"), chips = $$(".chip"), ranges = $$("[data-range]");
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

  function bounds() {
    return ranges.map((range) => {
      const [low, high] = ["low", "high"].map((side) => $(`[data-bound=${side}]`, range).value);
      return {
        place: places.get(range.dataset.range), scale: Number(range.dataset.scale), set: low !== "" || high !== "",
        low: low === "" ? -Infinity : Number(low), high: high === "" ? Infinity : Number(high),
      };
    }).filter((range) => range.set);
  }

  function within(row, range) {
    const { value } = row.cells[range.place].dataset;
    if (value === undefined) return false;
    const scaled = Number(value) * range.scale;
    return range.low <= scaled && scaled <= range.high;
  }

  function filter() {
    const pressed = new Set(chips.filter((chip) => chip.ariaPressed === "true").map((chip) => chip.dataset.group));
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const limits = bounds();
    let shown = 0;
    for (const row of rows) {
      const text = texts.get(row);
      row.hidden = !(pressed.has(row.dataset.group) && words.every((word) => text.includes(word)) && limits.every((range) => within(row, range)));
      shown += !row.hidden;
    }
    status.textContent = shown ? `${shown} of ${rows.length} rows` : "No row fits: press another group above or clear the search.";
    for (const menu of $$(".menu")) menu.classList.toggle("active", menu.contains(ranges[0] ?? null) && limits.length > 0);
    fit();
  }

  for (const chip of chips) {
    chip.addEventListener("click", () => { chip.ariaPressed = String(chip.ariaPressed !== "true"); filter(); });
  }
  for (const input of [search, ...ranges]) input.addEventListener("input", filter);

  // --- columns
  const boxes = $$("#columns input"), narrow = matchMedia("(max-width: 640px)");

  function showColumns() {
    const chosen = stored();
    for (const box of boxes) {
      box.checked = Array.isArray(chosen) ? chosen.includes(box.value) : (narrow.matches ? "narrow" : "wide") in box.dataset;
      const place = places.get(box.value);
      heads[place].hidden = !box.checked;
      for (const row of rows) row.cells[place].hidden = !box.checked;
    }
    fit();
  }

  $("#columns").addEventListener("change", () => { store(boxes.filter((box) => box.checked).map((box) => box.value)); showColumns(); });
  $("#usual-columns").addEventListener("click", () => { store(null); showColumns(); });
  narrow.addEventListener("change", showColumns);

  // A table that fits keeps its head in sight while the page scrolls; one that does not scrolls sideways in its frame.
  const frame = $("#frame");
  function fit() {
    frame.classList.remove("overflowing");
    const overflowing = table.scrollWidth > frame.clientWidth;
    frame.classList.toggle("overflowing", overflowing);
    if (overflowing) { frame.tabIndex = 0; frame.setAttribute("role", "region"); frame.setAttribute("aria-label", "Ranking"); }
    else for (const name of ["tabindex", "role", "aria-label"]) frame.removeAttribute(name);
  }
  addEventListener("resize", fit);

  for (const menu of $$(".menu")) {
    document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
    menu.addEventListener("keydown", (event) => { if (event.key === "Escape") { menu.open = false; $("summary", menu).focus(); } });
  }

  // --- dialogs
  function closing(dialog) {
    $("[data-close]", dialog).addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }
  function stepping(dialog, step) {
    for (const button of $$("[data-step]", dialog)) button.addEventListener("click", () => step(Number(button.dataset.step)));
    dialog.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (way && !event.target.closest(".scroll")) { event.preventDefault(); step(way); }
    });
  }
  const address = (hash) => { try { history.replaceState(null, "", hash || location.pathname + location.search); } catch { /* as it was */ } };

  const drawer = $("#detail");
  let opened = null;
  function open(row) {
    opened = row;
    const content = $(".drawer-body", drawer);
    content.replaceChildren(document.getElementById(`of-${row.id}`).content.cloneNode(true));
    content.scrollTop = 0;
    if (!drawer.open) drawer.showModal();
    $("#detail-title").focus({ preventScroll: true });
    address(`#${row.id}`);
  }
  function step(way) {
    const shown = [...body.rows].filter((row) => !row.hidden);
    const next = shown[shown.indexOf(opened) + way];
    if (next) open(next);
  }
  closing(drawer);
  stepping(drawer, step);
  drawer.addEventListener("close", () => { address(""); if (opened) $(".open", opened).focus(); });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (event.target.closest("a") || (getSelection()?.toString() && !event.target.closest(".open"))) return;
    if (row) open(row);
  });

  const lightbox = $("#enlarged"), pictures = $$(".enlarge");
  let picture = 0;
  function enlarge(place) {
    picture = (place + pictures.length) % pictures.length;
    const source = $("img", pictures[picture]), image = $("img", lightbox);
    image.src = source.src;
    image.alt = source.alt;
    $(".caption", lightbox).textContent = $("figcaption", pictures[picture].parentElement).textContent;
    if (!lightbox.open) lightbox.showModal();
  }
  for (const [place, button] of pictures.entries()) button.addEventListener("click", () => enlarge(place));
  closing(lightbox);
  stepping(lightbox, (way) => enlarge(picture + way));
  for (const button of $$("[data-step]", lightbox)) button.hidden = pictures.length < 2;

  // --- copying a command
  for (const button of navigator.clipboard ? $$(".copy") : []) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText($("code", button.parentElement).textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  $("#tools").hidden = false;
  filter();
  showColumns();
  const linked = location.hash && rows.find((row) => `#${row.id}` === location.hash);
  if (linked) open(linked);
})();
