"use strict";
const painter = (() => {
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
  return repaint;
})();
