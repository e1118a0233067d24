import type { Challenge } from '../api/types';
import { SHAPE, grab } from '../device/camera';
import { encode } from '../wire/base64url';
import { sha256 } from '../wire/bytes';
import type { Frame } from '../wire/capture';
import { type Plan, type Scene, plan } from './plan';

/** Milliseconds between tries while the camera still shows the frame before. */
const AGAIN_MS = 60;
const TRIES = 10;

const until = (moment: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, Math.max(moment - performance.now(), 0)));

/** Takes the frames that a challenge asks for, and says what the person is to see meanwhile. */
export async function take(
  challenge: Challenge,
  video: HTMLVideoElement,
  show: (scene: Scene, part: number) => void,
): Promise<Frame[]> {
  const { moments, scenes, untilMs }: Plan = plan(challenge);
  const begun = performance.now();
  const playing = scenes.map(async (scene) => {
    await until(begun + scene.atMs);
    show(scene, scene.atMs / untilMs);
  });
  const frames: Frame[] = [];
  const seen = new Set<string>();
  for (const { atMs, step } of moments) {
    await until(begun + atMs);
    const taken = await different(video, seen);
    seen.add(taken.hash);
    // Two frames of one millisecond would be refused.
    const last = frames.at(-1)?.atMs ?? -1;
    frames.push({ bytes: taken.bytes, step, atMs: Math.max(Math.round(taken.at - begun), last + 1) });
  }
  await Promise.all(playing);
  await until(begun + untilMs);
  return frames;
}

/** A frame that was not taken yet: a camera may be slower than we are. */
async function different(video: HTMLVideoElement, seen: Set<string>) {
  for (let tries = 1; ; tries += 1) {
    const at = performance.now();
    const blob = await grab(video, SHAPE.face);
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const hash = encode(await sha256(bytes));
    if (!seen.has(hash) || tries === TRIES) return { at, bytes, hash };
    await until(performance.now() + AGAIN_MS);
  }
}
