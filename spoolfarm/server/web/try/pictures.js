// Where pictures come from: dropped, pasted, chosen, taken by the webcam, or a sample of the farm's own.

import { address } from "../ask.js";
import { byId } from "../dom.js";
import { dropped } from "../dropped.js";
import { complain } from "../messages.js";
import { text } from "../text.js";

/** A picture to work on, or a document. */
export class Picture {
  constructor(blob, name) {
    this.blob = blob;
    this.name = name;
    this.url = URL.createObjectURL(blob);
    this.state = "";
    this.record = null;
  }

  /** The size in pixels, upright, or null for what the browser cannot show. */
  get size() {
    this.measured ??= new Promise(resolve => {
      const image = new Image();
      image.addEventListener("load", () => resolve({ width: image.naturalWidth, height: image.naturalHeight }));
      image.addEventListener("error", () => resolve(null));
      image.src = this.url;
    });
    return this.measured;
  }

  forget() {
    URL.revokeObjectURL(this.url);
  }
}

/** Have `take` called with every list of pictures that arrives; with true when it is a sample, to be run at once. */
export function arrivals(take) {
  const files = byId("files");
  const given = list => {
    const pictures = [...list].map(file => new Picture(file, file.name || "pasted.png"));
    if (pictures.length) take(pictures, false);
  };
  files.addEventListener("change", () => {
    given(files.files);
    files.value = "";
  });
  for (const button of document.querySelectorAll("[data-choose]")) button.addEventListener("click", () => files.click());
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", () => sample(button.dataset.sample).then(each => take([each], true)).catch(complain));
  }
  document.addEventListener("paste", event => {
    if (event.clipboardData.files.length) given(event.clipboardData.files);
  });
  drops(given);
  webcam(take);
}

/** A sample picture, which the farm serves. */
export async function sample(name) {
  const response = await fetch(address(`web/try/${name}`));
  const picture = new Picture(await response.blob(), name);
  picture.from = address(`web/try/${name}`);
  return picture;
}

function drops(given) {
  let depth = 0;
  const over = change => {
    depth = Math.max(0, depth + change);
    byId("stage").classList.toggle("over", depth > 0);
  };
  const listen = (name, then) => document.addEventListener(name, event => {
    if (!event.dataTransfer?.types.includes("Files")) return; // text may be dropped into fields
    event.preventDefault();
    then(event);
  });
  listen("dragenter", () => over(1));
  listen("dragleave", () => over(-1));
  listen("dragover", () => {});
  listen("drop", event => {
    over(-depth);
    dropped(event.dataTransfer).then(found => given(found.map(({ file }) => file).filter(({ name }) => !name.startsWith(".")))).catch(complain);
  });
}

function webcam(take) {
  const [dialog, video] = [byId("camera"), byId("video")];
  const buttons = document.querySelectorAll("[data-webcam]");
  for (const button of buttons) {
    button.hidden = !navigator.mediaDevices; // which browsers have for https and for this machine only
    button.addEventListener("click", async () => {
      try {
        video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 } } });
        byId("take").disabled = true;
        dialog.showModal();
        await video.play();
        byId("take").disabled = false;
      } catch (error) {
        complain(error.name === "NotAllowedError" || error.name === "NotFoundError" ? text("no_webcam") : error);
      }
    });
  }
  dialog.addEventListener("close", () => {
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
  });
  byId("take").addEventListener("click", () => {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d").drawImage(video, 0, 0);
    dialog.close();
    canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 })
      .then(blob => take([new Picture(blob, "webcam.jpg")], false)).catch(complain);
  });
}
