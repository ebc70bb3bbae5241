// node node_jobs.mjs PROGRAM NODE_MODULES < jobs.json: makes files with sharp or jimp, says how each went, a line each.
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

const make = program === "sharp" ? withSharp : withJimp;
for (const job of JSON.parse(text)) {
  let error = "";
  try {
    await make(job);
  } catch (problem) {
    error = String(problem?.message ?? problem).slice(0, 300);
  }
  console.log(JSON.stringify({ out: job.out, error }));
}
