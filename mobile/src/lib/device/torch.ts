// A camera's light is no part of TypeScript's DOM yet (W3C MediaStream Image Capture, §4).
type Lit = { torch?: boolean };

/** The track of a camera that has a light; most at the back of phones do, and no other. */
export function litTrack(video: HTMLVideoElement): MediaStreamTrack | undefined {
  const stream = video.srcObject as MediaStream | null;
  return stream?.getVideoTracks().find((track) => (track.getCapabilities?.() as Lit | undefined)?.torch === true);
}

/** Switches the light; it goes out with the camera. Says whether it is on now: a camera may have given it to somebody else. */
export async function light(track: MediaStreamTrack, on: boolean): Promise<boolean> {
  const applied = track.applyConstraints({ advanced: [{ torch: on } as MediaTrackConstraintSet] });
  return applied.then(() => on, () => !on);
}
