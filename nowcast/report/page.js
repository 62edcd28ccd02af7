(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const every = (selector, within = document) => [...within.querySelectorAll(selector)];
  const palettes = read("palettes");
  const plain = Object.keys(palettes)[0];
  let palette = plain;

  // a picture that a panel shows already is told by its place among the panels' pictures
  const paneled = every("#panel img[data-field]");
  const sources = paneled.map((image) => image.src);
  const album = read("pictures").map((held) => (typeof held === "number" ? sources[held] : held));
  const movies = read("movies");
  const painted = (uri) => (palette === plain ? uri : painter(uri, palettes[palette]));

  // enlarged pixels stay sharp, reduced ones are smoothed
  const fit = (image) => {
    if (image.naturalWidth) image.classList.toggle("coarse", image.naturalWidth < image.clientWidth * devicePixelRatio);
  };
  const images = every("img[data-field]");
  images.forEach((image) => image.addEventListener("load", () => fit(image)));
  images.forEach(fit);
  const fitAll = () => images.forEach(fit);
  addEventListener("resize", fitAll);

  const slider = document.getElementById("step");
  const button = document.getElementById("play");
  const now = document.getElementById("now");
  const figures = every("#stage .map");
  const cases = every(".case");
  const signed = (minutes) => (minutes > 0 ? `+${minutes}` : `${minutes}`.replace("-", "−"));
  let movie = movies[0];

  const show = () => {
    const step = Number(slider.value);
    const { minutes, valid } = movie.steps[step];
    const past = step < movie.past;
    const when = minutes === 0 ? "issue time" : `${signed(minutes)} min`;
    now.textContent = `${when} · ${valid}${past ? " · observed" : " · forecast"}`;
    slider.setAttribute("aria-valuetext", now.textContent);
    figures.forEach((figure, n) => {
      const waits = past && n > 0;
      const image = figure.querySelector("img");
      const { title, pictures } = movie.maps[waits ? 0 : n];
      image.src = painted(album[pictures[n > 0 && !waits ? step - movie.past : step]]);
      image.alt = waits ? `Not forecast yet: observed at ${valid}` : `${title} at ${valid}`;
      figure.classList.toggle("waiting", waits);
      figure.querySelector(".note").textContent = waits ? "before issue" : when;
    });
  };

  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "▶";
    button.setAttribute("aria-label", "Play");
  };
  let rest = 0;
  const advance = () => {
    const last = movie.steps.length - 1;
    if (Number(slider.value) === last && rest++ < 2) return;
    rest = 0;
    slider.value = Number(slider.value) === last ? 0 : Number(slider.value) + 1;
    show();
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    button.textContent = "❚❚";
    button.setAttribute("aria-label", "Pause");
    timer = setInterval(advance, 450);
    advance();
  });
  slider.addEventListener("input", () => { stop(); show(); });

  // the time ahead stays as it was where the other case has it too
  const choose = (place) => {
    const minutes = movie.steps[Number(slider.value)].minutes;
    movie = movies[place];
    const same = movie.steps.findIndex((step) => step.minutes === minutes);
    slider.max = movie.steps.length - 1;
    slider.value = same < 0 ? Math.min(movie.past, movie.steps.length - 1) : same;
    cases.forEach((held, n) => held.classList.toggle("shown", n === place));
    every("[data-case]").forEach((held) => held.setAttribute("aria-pressed", Number(held.dataset.case) === place));
    fitAll();
    show();
  };
  every("[data-case]").forEach((held) => held.addEventListener("click", () => choose(Number(held.dataset.case))));

  every(".palette select").forEach((select) => {
    select.value = plain;
    select.addEventListener("change", () => {
      palette = root.dataset.palette = select.value;
      every(".palette select").forEach((other) => { other.value = palette; });
      paneled.forEach((image, n) => { image.src = painted(sources[n]); });
      show();
    });
  });

  every(".maps").forEach((maps) => {
    const boxes = every(".box", maps);
    const clear = () => boxes.forEach((box) => box.classList.remove("cross"));
    maps.addEventListener("pointermove", (event) => {
      const over = event.target.closest(".box");
      if (!over) return clear();
      const { left, top, width, height } = over.getBoundingClientRect();
      maps.style.setProperty("--at-x", (event.clientX - left) / width);
      maps.style.setProperty("--at-y", (event.clientY - top) / height);
      boxes.forEach((box) => box.classList.add("cross"));
    });
    maps.addEventListener("pointerleave", clear);
  });

  slider.max = movie.steps.length - 1;
  slider.value = Math.min(movie.past, movie.steps.length - 1);
  show();
})();
