/** What is heard and felt: a code was seen, somebody passed, or did not. */
export type Event = 'seen' | 'passed' | 'other';

/** Hertz, one tone after the other. */
const TONES: Record<Event, number[]> = { seen: [880], passed: [660, 990], other: [330, 220] };
const TONE_S = 0.12;
const LOUD = 0.15;
/** Milliseconds on, off, on. */
const BUZZ: Record<Event, number[]> = { seen: [40], passed: [80], other: [120, 80, 120] };

let output: AudioContext | undefined;

/** Sounds and shakes. What a browser does not allow it leaves out: all of it is on the screen as well. */
export function told(event: Event): void {
  // A browser lets nobody be shaken who has not touched the page.
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(BUZZ[event]);
  try {
    output ??= new AudioContext();
    void output.resume().catch(() => undefined);
    TONES[event].forEach((hertz, at) => sound(output!, hertz, output!.currentTime + at * TONE_S));
  } catch {
    output = undefined;
  }
}

function sound(into: AudioContext, hertz: number, from: number): void {
  const tone = new OscillatorNode(into, { frequency: hertz });
  const loudness = new GainNode(into, { gain: LOUD });
  // No click at the end.
  loudness.gain.setTargetAtTime(0, from + TONE_S * 0.7, TONE_S / 8);
  tone.connect(loudness).connect(into.destination);
  tone.start(from);
  tone.stop(from + TONE_S);
}
