// Reads pictures one after the other, beside the page.
import wasm from 'zxing-wasm/reader/zxing_reader.wasm?url';

import type { Seen } from './camera_reader';
import { type Pixels, prepare, read } from './read';

const ready = prepare({ url: wasm });

addEventListener('message', ({ data: { picture, ...pixels } }: MessageEvent<Pixels & { picture: number }>) => {
  const answer = (text?: string) => postMessage({ picture, text } satisfies Seen);
  // A picture that can't be read is one on which nothing is seen; the next may be.
  ready.then(() => read(pixels)).then(answer, () => answer());
});
