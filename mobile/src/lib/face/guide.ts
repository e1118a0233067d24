import type { Challenge } from '../api/types';
import { SHAPE, type Subject, encoded, frame, glanceAt } from '../device/camera';
import { light } from '../device/light';
import { Settled } from '../device/settled';
import { encode } from '../wire/base64url';
import { sha256 } from '../wire/bytes';
import type { Frame } from '../wire/capture';
import { type Hint, type Look, hint, hintWhileMoving } from './hints';
import { measure } from './measure';
import { type Scene, plan } from './plan';
import { Session } from './session';
import { type Watcher, giveUp, leave, watcher } from './watcher';

/** Milliseconds from look to look, at least: fifteen a second show a blink, and leave the battery alone. */
const EVERY_MS = 66;
/** Width in which faces are looked for. */
const WIDTH = 480;

/** A capture that is being taken. */
interface Capture {
  session: Session<Uint8Array<ArrayBuffer>>;
  begun: number;
  show: (scene: Scene) => void;
  /** Whether scenes follow from what is seen, and not from the clock. */
  isPaced: boolean;
  hashes: Set<string>;
  resolve: (frames: Frame[]) => void;
  reject: (error: unknown) => void;
}

export interface Listener {
  /** What could be better now, after each look. */
  told: (hint: Hint | undefined) => void;
  /** It failed, and looks no more. */
  ended: () => void;
}

/** Looks at what the camera sees, says what is amiss, and takes a capture when what is asked for is seen. */
export class Guide {
  readonly #canvas = document.createElement('canvas');
  #settled = new Settled<Hint>();
  #asked: string | undefined;
  #before: Look | undefined;
  #capture: Capture | undefined;
  #stopped = false;

  private constructor(
    private readonly video: HTMLVideoElement,
    private readonly shape: number,
    private readonly eye: Watcher,
    private readonly listener: Listener,
  ) {}

  /** Begins to look, as soon as what it needs is loaded; nothing where there is no guidance. */
  static async of(video: HTMLVideoElement, subject: Subject, listener: Listener): Promise<Guide | undefined> {
    const eye = await watcher();
    if (!eye) return undefined;
    const guide = new Guide(video, SHAPE[subject], eye, listener);
    void guide.#run();
    return guide;
  }

  stop(): void {
    this.#stopped = true;
    this.#capture?.reject(new Error('the camera was closed'));
    leave();
  }

  /** Whether a challenge can be taken by what is seen. */
  takes({ mode }: Challenge): boolean {
    return mode !== 'flash' && !this.#stopped;
  }

  /** Takes the frames of a challenge. Throws when it can't be gone on with; at fixed times it can be tried then. */
  take(challenge: Challenge, show: (scene: Scene) => void): Promise<Frame[]> {
    const begun = performance.now();
    const isPaced = challenge.mode !== 'digits';
    const timers = (isPaced ? [{ atMs: 0 }] : plan(challenge).scenes).map((scene) => setTimeout(() => show(scene), scene.atMs));
    const frames = new Promise<Frame[]>((resolve, reject) => {
      this.#capture = { session: new Session(challenge), begun, show, isPaced, hashes: new Set(), resolve, reject };
    });
    return frames.finally(() => {
      timers.forEach(clearTimeout);
      this.#capture = undefined;
    });
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopped) {
        const begun = performance.now();
        await this.#glance(begun);
        await new Promise((resolve) => setTimeout(resolve, Math.max(begun + EVERY_MS - performance.now(), 0)));
      }
    } catch (error) {
      // Of a camera that was closed meanwhile nothing can be seen.
      if (this.#stopped) return;
      // Without it everything goes on as where there is none.
      this.#stopped = true;
      giveUp();
      this.listener.ended();
      this.#capture?.reject(error);
    }
  }

  async #glance(at: number): Promise<void> {
    const taken = await frame(this.video, this.shape);
    try {
      const look = await this.#see(taken, at);
      const asked = this.#capture?.session.step?.step;
      const amiss = asked ? hintWhileMoving(look) : hint(look, this.#before);
      // What was amiss before does not stay beside what is asked for now.
      if (asked !== this.#asked) [this.#settled, this.#asked] = [new Settled(), asked];
      this.#before = look;
      this.listener.told(this.#settled.take(amiss, at));
      const capture = this.#capture;
      // A capture that can't be gone on with is no reason to look no more.
      if (capture) await this.#offer(capture, taken, look).catch(capture.reject);
    } finally {
      taken.close();
    }
  }

  async #see(taken: ImageBitmap, at: number): Promise<Look> {
    const [width, height] = [WIDTH, Math.round((taken.height * WIDTH) / taken.width)];
    const small = await createImageBitmap(taken, { resizeWidth: width, resizeHeight: height, resizeQuality: 'medium' });
    const glance = glanceAt(taken, this.#canvas);
    const { faces } = await this.eye.look(small, at);
    const found = faces.map((points) => measure(points, width, height)).sort((a, b) => b.box.height - a.box.height);
    return { at, faces: found.length, light: light(glance, found[0]?.box), ...(found[0] ? { face: found[0] } : {}) };
  }

  /** Of the very picture that was judged a frame is made: a blink would be over in the next one. */
  async #offer(capture: Capture, taken: ImageBitmap, look: Look): Promise<void> {
    const { session, begun, hashes } = capture;
    const atMs = Math.round(look.at - begun);
    const worth = session.worth(look, atMs);
    if (worth !== undefined) {
      const bytes = new Uint8Array(await (await encoded(taken)).arrayBuffer());
      const hash = encode(await sha256(bytes));
      // The camera may still have shown the frame before, which would be refused as a copy.
      if (!hashes.has(hash)) session.offer(bytes, look, worth, atMs);
      hashes.add(hash);
    }
    session.pass(Math.round(performance.now() - begun));
    if (capture.isPaced) capture.show({ atMs, seen: session.seen, ...(session.step ? { step: session.step } : {}) });
    if (session.isOver) capture.resolve(session.frames.map(({ picture, ...rest }) => ({ bytes: picture, ...rest })));
  }
}
