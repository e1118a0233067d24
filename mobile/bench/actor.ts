/** How long somebody takes from hearing what to do to doing it, and for how long they do it. */
export interface Manner {
  reactMs: number;
  holdMs: number;
}

/** Words on the screen, and which picture shows somebody who does as they say (wallet-core/src/face/challenge.rs). */
export const POSES: Record<string, string> = {
  'Turn your head to your left': 'moves-01',
  'Turn your head to your right': 'moves-04',
  'Open your mouth': 'moves-07',
  'Lower your head': 'moves-10',
  'Close your eyes for a moment': 'moves-10',
};
export const REST = 'moves-00';

/** What an actor is made of. Pictures are JPEG in Base64. */
export interface Role {
  pictures: Record<string, string>;
  poses: Record<string, string>;
  rest: string;
  manner: Manner;
}

/**
 * Runs in the page, before its own scripts: its camera shows somebody who reads what the screen asks for, and does it in their own
 * time. Nothing of this function's surroundings is there.
 */
export function act({ pictures, poses, rest, manner }: Role): void {
  const canvas = Object.assign(document.createElement('canvas'), { width: 720, height: 576 });
  const context = canvas.getContext('2d')!;
  const people = new Map<string, ImageBitmap>();
  for (const [name, base64] of Object.entries(pictures)) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    void createImageBitmap(new Blob([bytes], { type: 'image/jpeg' })).then((picture) => people.set(name, picture));
  }
  let [shown, heard] = [rest, ''];
  const hear = () => {
    const words = [...document.querySelectorAll('[role=status] p')].map((line) => line.textContent ?? '');
    const asked = words.find((line) => line in poses) ?? '';
    if (asked === heard) return;
    heard = asked;
    const pose = poses[asked];
    if (!pose) return;
    setTimeout(() => (shown = pose), manner.reactMs);
    setTimeout(() => (shown = rest), manner.reactMs + manner.holdMs);
  };
  const draw = () => {
    const picture = people.get(shown);
    // A hand is never quite still.
    if (picture) context.drawImage(picture, Math.random() * 3 - 6, Math.random() * 3 - 6, 732, 588);
  };
  setInterval(() => (hear(), draw()), 33);
  navigator.mediaDevices.getUserMedia = () => Promise.resolve(canvas.captureStream(30));
}
