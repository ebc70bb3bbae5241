// node node_jobs.mjs PROGRAM NODE_MODULES < jobs: makes files with a Node package, as scripts.py asks and is answered.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";

const [program, modules] = process.argv.slice(2);
const require = createRequire(path.join(modules, "from-here.js"));
let text = "";
for await (const part of process.stdin) text += part;

async function withSharp(job) {
  const sharp = require("sharp");
  let picture = sharp(job.src);
  if (job.rotate) picture = picture.rotate();
  if (job.angle) picture = picture.rotate(job.angle);
  if (job.gamma) picture = picture.gamma(job.gamma);
  if (job.resize) {
    picture = picture.resize(job.width, job.height, {
      fit: "fill",
      kernel: job.kernel,
      fastShrinkOnLoad: job.fast !== false,
    });
  }
  if (job.sharpen) picture = picture.sharpen({ sigma: job.sharpen });
  if (job.keepIcc) picture = picture.keepIccProfile();
  const { quality, mozjpeg, chromaSubsampling, progressive, effort, palette } = job;
  const options = { quality, mozjpeg, chromaSubsampling, progressive, effort, palette };
  for (const name of Object.keys(options)) if (options[name] === undefined) delete options[name];
  await picture.toFormat(job.format ?? "jpeg", options).toFile(job.out);
}

async function withJimp(job) {
  const { Jimp } = require("jimp");
  const picture = await Jimp.read(job.src);
  if (job.resize) picture.resize({ w: job.width, h: job.height, ...(job.mode ? { mode: job.mode } : {}) });
  await picture.write(job.out, job.quality ? { quality: job.quality } : undefined);
}

async function withSkia(job) {
  const { loadImage } = require("@napi-rs/canvas");
  let picture = await loadImage(job.src);
  // A picture that was turned by its EXIF tag as it was loaded has its sides the other way round.
  const turned = !job.resize && picture.width !== job.width;
  const [width, height] = turned ? [job.height, job.width] : [job.width, job.height];
  // This package heeds the quality of smoothing only where a canvas is drawn on a canvas.
  if (job.smoothing) picture = drawn(picture, picture.width, picture.height, {});
  while (job.halves && picture.width > 2 * width) {
    picture = drawn(picture, Math.ceil(picture.width / 2), Math.ceil(picture.height / 2), job);
  }
  await written(drawn(picture, width, height, job), job);
}

function drawn(picture, width, height, job) {
  const { createCanvas } = require("@napi-rs/canvas");
  const canvas = createCanvas(job.turn ? height : width, job.turn ? width : height);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = job.smoothing !== "off";
  if (job.smoothing && job.smoothing !== "off") pen.imageSmoothingQuality = job.smoothing;
  if (job.turn) {
    pen.translate(height, 0);
    pen.rotate(Math.PI / 2);
  }
  pen.drawImage(picture, 0, 0, width, height);
  return canvas;
}

async function written(canvas, job) {
  await writeFile(job.out, await canvas.encode(job.format ?? "jpeg", job.quality));
}

async function withPica(job) {
  const { createCanvas, loadImage } = require("@napi-rs/canvas");
  // pica draws its tiles on a canvas of the browser's, which Node has not.
  globalThis.OffscreenCanvas ??= class {
    constructor(width, height) {
      return createCanvas(width, height);
    }
  };
  const picture = await loadImage(job.src);
  const from = drawn(picture, picture.width, picture.height, {});
  const to = createCanvas(job.width, job.height);
  const { filter, unsharpAmount, unsharpRadius, unsharpThreshold } = job;
  await require("pica")().resize(from, to, { filter, unsharpAmount, unsharpRadius, unsharpThreshold });
  await written(to, job);
}

async function withPhoton(job) {
  const { PhotonImage, SamplingFilter, resize } = require("@silvia-odwyer/photon-node");
  let picture = PhotonImage.new_from_byteslice(new Uint8Array(await readFile(job.src)));
  if (job.resize) {
    const whole = picture;
    picture = resize(whole, job.width, job.height, SamplingFilter[job.filter]);
    whole.free(); // WebAssembly's memory is not collected
  }
  const bytes = {
    png: () => picture.get_bytes(),
    webp: () => picture.get_bytes_webp(),
    jpeg: () => picture.get_bytes_jpeg(job.quality),
  };
  await writeFile(job.out, bytes[job.format ?? "jpeg"]());
  picture.free();
}

const makers = { sharp: withSharp, jimp: withJimp, Skia: withSkia, pica: withPica, photon: withPhoton };
for (const [number, line] of text.split("\n").filter(Boolean).entries()) {
  let error = "";
  try {
    await makers[program](JSON.parse(line));
  } catch (problem) {
    error = String(problem?.message ?? problem).replaceAll(/\s+/g, " ").slice(0, 300) || "failed";
  }
  console.log(`${number}\t${error}`);
}
