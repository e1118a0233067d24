import { files } from 'virtual:face-model';

import { trustedScript } from '../device/trusted';
import type { Answer, Asked, Seen } from './messages';
import WORKER from './face_worker?worker&url';

/** Milliseconds for a picture to be looked at: a phone needs 60. The first ones take longer: the program is still made ready. */
const PATIENCE_MS = { first: 10_000, then: 2000 };
const FIRST = 3;

/** Looks for faces in pictures, one after the other, in a thread of its own. */
export class Watcher {
  readonly #thread: Worker;
  /** Answered before the next is asked. */
  #last: Promise<unknown> = Promise.resolve();
  #looks = 0;

  private constructor() {
    this.#thread = new Worker(trustedScript(WORKER), { type: 'module', name: 'face' });
  }

  /** Loads what is needed, 7 MB. Throws where this browser can't. */
  static async open({ wasm, model }: { wasm: string; model: string }): Promise<Watcher> {
    const watcher = new Watcher();
    try {
      await watcher.#ask({ wasm: new URL(wasm, location.origin).href, model: new URL(model, location.origin).href });
    } catch (error) {
      watcher.close();
      throw error;
    }
    return watcher;
  }

  /** What is seen in a picture, which is used up; `at` in milliseconds, later than the picture before. */
  async look(bitmap: ImageBitmap, at: number): Promise<Seen> {
    this.#looks += 1;
    const patience = this.#looks <= FIRST ? PATIENCE_MS.first : PATIENCE_MS.then;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const slow = new Promise<never>((_, reject) => (timer = setTimeout(reject, patience, new Error('faces are found too slowly here'))));
    const answer = await Promise.race([this.#ask({ bitmap, at }, [bitmap]), slow]).finally(() => clearTimeout(timer));
    if (!('seen' in answer)) throw new Error('the thread answered something else');
    return answer.seen;
  }

  /** Ends the thread, and gives its memory back. */
  close(): void {
    this.#thread.terminate();
  }

  #ask(asked: Asked, transfer: Transferable[] = []): Promise<Answer> {
    const answer = this.#last.then(() => this.#answer(asked, transfer));
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  #answer(asked: Asked, transfer: Transferable[]): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#thread.onmessage = ({ data }: MessageEvent<Answer>) =>
        'failed' in data ? reject(new Error(data.failed)) : resolve(data);
      this.#thread.onerror = (event) => {
        event.preventDefault();
        reject(new Error('the thread that looks for faces has ended'));
      };
      this.#thread.postMessage(asked, transfer);
    });
  }
}

/** Milliseconds for which it is kept when nobody asks any more: it holds some 100 MB, and takes a second to begin anew. */
const KEPT_MS = 60_000;

let opening: Promise<Watcher | undefined> | undefined;
let unused: ReturnType<typeof setTimeout> | undefined;

/**
 * The one of this page, loaded when it is first asked for; nothing where there is none, where it fails, or where data is to be saved.
 * Who is done with it says so by {@link leave}.
 */
export function watcher(): Promise<Watcher | undefined> {
  clearTimeout(unused);
  const { saveData = false } = (navigator as { connection?: { saveData?: boolean } }).connection ?? {};
  opening ??= files && !saveData ? Watcher.open(files).catch(() => undefined) : Promise.resolve(undefined);
  return opening;
}

/** It is not asked any more for now. */
export function leave(): void {
  clearTimeout(unused);
  unused = setTimeout(() => {
    void opening?.then((kept) => kept?.close());
    opening = undefined;
  }, KEPT_MS);
}

/** It failed: nobody asks it again. */
export function giveUp(): void {
  void opening?.then((failed) => failed?.close());
  opening = Promise.resolve(undefined);
}
