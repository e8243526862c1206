// Draws samples of generator.onnx. Each is a point on the way from one latent to another; the slider says how far along.
// Input: N x latent, standard normal, and where it looks at labels N whole numbers. Output: N x C x H x W, -1 dark to 1
// bright, C is 1 (grey) or 3 (colour).
"use strict";

const columns = 4, count = columns * columns, gap = 2;
const element = (id) => document.getElementById(id);

// A number of the standard normal distribution (Box & Muller).
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

// The way between two latents along the sphere that they lie on, as long as they are: a mean would be too short.
function between(a, b, t) {
  const angle = t * Math.PI / 2;
  return a.map((value, i) => Math.cos(angle) * value + Math.sin(angle) * b[i]);
}

function paint(canvas, pictures, [, channels, height, width]) {
  canvas.width = columns * (width + gap) + gap;
  canvas.height = columns * (height + gap) + gap;
  const context = canvas.getContext("2d"), size = height * width;
  for (let n = 0; n < count; n++) {
    const image = context.createImageData(width, height);
    for (let i = 0; i < size; i++) {
      for (let c = 0; c < 3; c++) {
        const value = pictures[(n * channels + Math.min(c, channels - 1)) * size + i];
        image.data[4 * i + c] = (value + 1) * 127.5; // clamped by its type
      }
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, gap + n % columns * (width + gap), gap + Math.floor(n / columns) * (height + gap));
  }
}

async function start() {
  if (!window.ort) throw new Error("onnxruntime-web is not here: npm install onnxruntime-web in this folder");
  ort.env.wasm.numThreads = 1; // more need a server that isolates origins
  const session = await ort.InferenceSession.create("generator.onnx");
  const latent = session.inputMetadata[session.inputNames.indexOf("input")].shape[1];
  const labelled = session.inputNames.includes("labels");
  let from, to, busy = false, again = false;

  function others() {
    from = Array.from({ length: count * latent }, normal);
    to = Array.from({ length: count * latent }, normal);
  }

  // What the network is given: latents at the slider's place, and the class of all samples.
  function inputs() {
    const z = Float32Array.from(between(from, to, Number(element("walk").value)));
    const feeds = { input: new ort.Tensor("float32", z, [count, latent]) };
    if (labelled) {
      const label = BigInt(Math.round(Number(element("label").value)));
      feeds.labels = new ort.Tensor("int64", new BigInt64Array(count).fill(label), [count]);
    }
    return feeds;
  }

  // One run at a time: what the slider says meanwhile is drawn after it.
  async function draw() {
    if (busy) { again = true; return; }
    busy = true;
    do {
      again = false;
      const began = performance.now();
      try {
        const { output } = await session.run(inputs(), { logSeverityLevel: 4 }); // the page tells
        element("took").value = `${(performance.now() - began).toFixed(1)} ms for ${count} samples`;
        paint(element("samples"), output.data, output.dims);
        element("error").textContent = "";
      } catch (problem) { // a class that there is not
        element("error").textContent = problem.message;
      }
    } while (again);
    busy = false;
    document.body.dataset.drawn = Number(document.body.dataset.drawn || 0) + 1;
  }

  element("class").hidden = !labelled;
  element("label").addEventListener("input", draw);
  element("walk").addEventListener("input", draw);
  element("anew").addEventListener("click", () => { others(); draw(); });
  element("walk").disabled = element("anew").disabled = false;
  others();
  await draw();
}

start().catch((problem) => { element("error").textContent = problem.message; });
