import { SIDE } from './read';
import { trustedScript } from '../device/trusted';
import workerUrl from './worker?worker&url';

/** Milliseconds for which one picture may be looked at; a worker that died would else be waited for for ever. */
const PATIENCE_MS = 5000;

/** What the worker answers to the picture of this number. */
export interface Seen {
  picture: number;
  text?: string | undefined;
}

/** Reads QR codes off a video beside the page's own thread, a picture at a time. */
export class CameraReader {
  readonly #worker = new Worker(trustedScript(workerUrl), { type: 'module' });
  readonly #canvas = document.createElement('canvas');
  #pictures = 0;

  constructor() {
    this.#canvas.width = this.#canvas.height = SIDE;
  }

  /** What the middle of the video shows now. */
  async look(video: HTMLVideoElement): Promise<string | undefined> {
    const context = this.#canvas.getContext('2d', { willReadFrequently: true });
    const side = Math.min(video.videoWidth, video.videoHeight);
    if (!context || side === 0) return undefined;
    const [x, y] = [(video.videoWidth - side) / 2, (video.videoHeight - side) / 2];
    context.drawImage(video, x, y, side, side, 0, 0, SIDE, SIDE);
    const { data } = context.getImageData(0, 0, SIDE, SIDE);
    return this.#ask(data);
  }

  #ask(data: Uint8ClampedArray<ArrayBuffer>): Promise<string | undefined> {
    this.#pictures += 1;
    const picture = this.#pictures;
    return new Promise((resolve) => {
      const end = (text?: string) => {
        clearTimeout(timer);
        this.#worker.removeEventListener('message', hear);
        resolve(text);
      };
      const hear = ({ data: seen }: MessageEvent<Seen>) => {
        if (seen.picture === picture) end(seen.text);
      };
      const timer = setTimeout(end, PATIENCE_MS);
      this.#worker.addEventListener('message', hear);
      this.#worker.postMessage({ picture, data, width: SIDE, height: SIDE }, [data.buffer]);
    });
  }

  /** Ends the worker. */
  close(): void {
    this.#worker.terminate();
  }
}
