(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const every = (selector) => [...document.querySelectorAll(selector)];
  const { made, newest, stale } = document.body.dataset;

  const length = (minutes) => {
    if (minutes < 1.5) return "1 min";
    if (minutes < 120) return `${Math.round(minutes)} min`;
    const hours = minutes / 60;
    if (hours < 48) return `${Math.round(hours)} h`;
    if (hours < 24 * 730) return `${Math.round(hours / 24)} days`;
    return `${Math.round(hours / 24 / 365.25)} years`;
  };
  const since = (time) => Math.max((Date.now() - Date.parse(time)) / 60000, 0);
  const tell = () => {
    const frameIsOld = newest !== "" && since(newest) > Number(stale);
    const pageIsOld = since(made) > Number(stale);
    every(".age").forEach((held) => { held.textContent = `, ${length(since(held.dataset.time))} ago`; });
    every(".since").forEach((held) => {
      held.textContent = `${length(since(held.dataset.time))} ago`;
      held.parentElement.classList.toggle("stale", frameIsOld);
    });
    document.querySelector(".verdict").classList.toggle("stale", frameIsOld || pageIsOld);
    // among the problems that a page was made with is the age of its newest frame
    const untold = frameIsOld && !document.querySelector(".banner[role=alert]");
    const banner = document.getElementById("old");
    banner.hidden = !untold && !pageIsOld;
    const text = pageIsOld
      ? `This page is old: it was made ${length(since(made))} ago. What it shows is past.`
      : `The newest frame is old: the radar saw this ${length(since(newest))} ago.`;
    if (!banner.hidden && banner.textContent.trim() !== text) banner.firstElementChild.textContent = text;
  };
  tell();
  setInterval(tell, 10000);

  // what is chosen goes along with a page that is loaded anew
  const told = new URLSearchParams(location.hash.slice(1));
  const keep = (name, value) => {
    told.set(name, value);
    try { history.replaceState(null, "", `#${told}`); } catch { /* refused by some viewers */ }
  };
  const renew = document.getElementById("renew");
  renew.checked = told.get("renew") === "1";
  renew.addEventListener("change", () => keep("renew", renew.checked ? "1" : "0"));
  setInterval(() => { if (renew.checked && !document.hidden) location.reload(); }, 60000);

  if (!document.getElementById("movie")) return;
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const palettes = read("palettes");
  const plain = Object.keys(palettes)[0];
  let palette = plain;
  const stills = every("#stills img[data-field]");
  const sources = stills.map((image) => image.src);
  const album = read("pictures").map((held) => (typeof held === "number" ? sources[held] : held));
  const { past, future } = read("movie");
  const painted = (uri) => (palette === plain ? uri : painter(uri, palettes[palette]));

  const slider = document.getElementById("step");
  const button = document.getElementById("play");
  const now = document.getElementById("now");
  const figure = document.querySelector("#stage .map");
  const image = figure.querySelector("img");
  const note = figure.querySelector(".note");
  const signed = (minutes) => (minutes > 0 ? `+${minutes}` : `${minutes}`.replace("-", "−"));
  let steps = past;

  // enlarged pixels stay sharp, reduced ones are smoothed
  const fit = () => {
    if (image.naturalWidth) image.classList.toggle("coarse", image.naturalWidth < image.clientWidth * devicePixelRatio);
  };
  image.addEventListener("load", fit);
  addEventListener("resize", fit);

  const show = () => {
    const step = Number(slider.value);
    const { minutes, valid, told: words, filled, picture } = steps[step];
    const kind = step >= past.length ? "forecast" : filled ? "observed" : "no frame";
    now.textContent = `${valid} · ${minutes === 0 ? "newest frame" : `${signed(minutes)} min`} · ${kind}`;
    slider.setAttribute("aria-valuetext", now.textContent);
    image.src = painted(album[picture]);
    image.alt = words;
    note.textContent = minutes === 0 ? kind : `${kind} ${kind === "forecast" ? `${signed(minutes)} min` : ""}`.trim();
    figure.classList.toggle("ahead", kind === "forecast");
  };

  const choose = (name) => {
    const minutes = steps[Number(slider.value)].minutes;
    steps = [...past, ...(future[name] ?? [])];
    slider.max = steps.length - 1;
    const same = steps.findIndex((step) => step.minutes === minutes);
    slider.value = same < 0 ? past.length - 1 : same;
    every("[data-forecaster]").forEach((held) => held.setAttribute("aria-pressed", held.dataset.forecaster === name));
    every(".fallback").forEach((held) => { held.hidden = held.dataset.of !== name; });
    document.getElementById("seen").style.flex = past.length - 1;
    const ahead = document.getElementById("ahead");
    if (ahead) ahead.style.flex = steps.length - past.length;
    show();
  };
  every("[data-forecaster]").forEach((held) =>
    held.addEventListener("click", () => { choose(held.dataset.forecaster); keep("forecaster", held.dataset.forecaster); }));

  let timer = null;
  let rest = 0;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "▶";
    button.setAttribute("aria-label", "Play");
  };
  // the newest frame and the last map stay a little longer
  const advance = () => {
    const step = Number(slider.value);
    const last = steps.length - 1;
    if ((step === last || step === past.length - 1) && rest++ < 2) return;
    rest = 0;
    slider.value = step === last ? 0 : step + 1;
    show();
  };
  const play = () => {
    button.textContent = "❚❚";
    button.setAttribute("aria-label", "Pause");
    timer = setInterval(advance, 350);
    rest = 2;
    advance();
  };
  button.addEventListener("click", () => { if (timer) stop(); else play(); keep("play", timer ? "1" : "0"); });
  slider.addEventListener("input", () => { stop(); show(); });

  every(".palette select").forEach((select) => {
    select.value = plain;
    select.addEventListener("change", () => {
      palette = root.dataset.palette = select.value;
      stills.forEach((still, n) => { still.src = painted(sources[n]); });
      show();
    });
  });

  slider.max = past.length - 1;
  slider.value = past.length - 1;
  const first = every("[data-forecaster]").map((held) => held.dataset.forecaster);
  const pressed = document.querySelector("[data-forecaster][aria-pressed=true]")?.dataset.forecaster;
  choose(first.includes(told.get("forecaster")) ? told.get("forecaster") : pressed);
  if (told.get("play") === "1") play();
})();
