import { encode as base64url } from './base64url';
import { sha256, utf8 } from './bytes';
import { sign } from './es256';

/** A frame in which nothing was asked for. */
export const STILL = 'still';
/** More are refused (wallet-core/src/capture.rs). */
export const MAX_FRAMES = 12;

/** A picture of a face, and when and for what it was taken. */
export interface Frame {
  /** JPEG. */
  bytes: Uint8Array<ArrayBuffer>;
  /** The label of the challenge's step, or {@link STILL}. */
  step: string;
  /** Whole milliseconds since the capture began; rising from frame to frame. */
  atMs: number;
}

/** What a capture says of itself, byte for byte as it is signed and sent. */
export async function statement(nonce: string, frames: Frame[]): Promise<Uint8Array<ArrayBuffer>> {
  const stated = frames.map(async ({ bytes, step, atMs }) => ({
    at_ms: atMs,
    step,
    sha256: base64url(await sha256(bytes)),
  }));
  return utf8(JSON.stringify({ nonce, frames: await Promise.all(stated) }));
}

/** The parts of a capture; if it is on a holder's phone, signed by the device key over exactly the bytes of its statement. */
export async function form(nonce: string, frames: Frame[], key?: CryptoKey): Promise<FormData> {
  const stated = await statement(nonce, frames);
  const parts = new FormData();
  parts.append('capture', new Blob([stated], { type: 'application/json' }));
  frames.forEach(({ bytes }) => parts.append('frame', new Blob([bytes], { type: 'image/jpeg' }), 'frame.jpg'));
  if (key) parts.append('signature', base64url(await sign(key, stated)));
  return parts;
}
