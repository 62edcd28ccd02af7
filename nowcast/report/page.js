"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const movie = read("movie");
  const palettes = read("palettes");

  const crcTable = Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n >>> 0;
  });
  const crc = (bytes) =>
    (bytes.reduce((sum, byte) => crcTable[(sum ^ byte) & 255] ^ (sum >>> 8), 0xffffffff) ^ 0xffffffff) >>> 0;

  // the picture's palette is its PLTE chunk: length, name, colours, checksum
  const repaint = (uri, colours) => {
    const [head, body] = uri.split(",");
    const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    let at = 8;
    while (view.getUint32(at + 4) !== 0x504c5445) at += 12 + view.getUint32(at);
    const length = view.getUint32(at);
    colours.forEach((colour, n) => {
      for (let part = 0; part < 3; part++)
        bytes[at + 8 + 3 * (n + 1) + part] = parseInt(colour.slice(1 + 2 * part, 3 + 2 * part), 16);
    });
    view.setUint32(at + 8 + length, crc(bytes.subarray(at + 4, at + 8 + length)));
    let text = "";
    for (let start = 0; start < bytes.length; start += 8192)
      text += String.fromCharCode(...bytes.subarray(start, start + 8192));
    return `${head},${btoa(text)}`;
  };

  // enlarged pixels stay sharp, reduced ones are smoothed
  const fit = (image) => {
    if (image.naturalWidth) image.classList.toggle("coarse", image.naturalWidth < image.clientWidth * devicePixelRatio);
  };
  const images = [...document.querySelectorAll("img[data-field]")];
  images.forEach((image) => image.addEventListener("load", () => fit(image)));
  images.forEach(fit);
  addEventListener("resize", () => images.forEach(fit));

  const slider = document.getElementById("step");
  const button = document.getElementById("play");
  const now = document.getElementById("now");
  const figures = [...document.querySelectorAll("#stage .map")];
  const signed = (minutes) => (minutes > 0 ? `+${minutes}` : `${minutes}`.replace("-", "−"));

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
      image.src = pictures[n > 0 && !waits ? step - movie.past : step];
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
  const last = movie.steps.length - 1;
  let rest = 0;
  const advance = () => {
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

  document.querySelectorAll(".palette select").forEach((select) => {
    select.value = Object.keys(palettes)[0];
    select.addEventListener("change", () => {
      const { value } = select;
      root.dataset.palette = value;
      document.querySelectorAll(".palette select").forEach((other) => { other.value = value; });
      movie.maps.forEach((map) => { map.pictures = map.pictures.map((uri) => repaint(uri, palettes[value])); });
      document.querySelectorAll("#panel img[data-field]").forEach((image) => { image.src = repaint(image.src, palettes[value]); });
      show();
    });
  });

  document.querySelectorAll(".maps").forEach((maps) => {
    const boxes = [...maps.querySelectorAll(".box")];
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

  show();
})();
