import { type ReaderOptions, prepareZXingModule, readBarcodes } from 'zxing-wasm/reader';

/** Pixels as a canvas has them: RGBA, row by row. An `ImageData` is one. */
export interface Pixels {
  data: Uint8ClampedArray;
  width: number;
  height: number;
}

/** Side of what a camera's picture is cut to, in pixels: a code that fills a third of it still has 3 pixels a module. */
export const SIDE = 480;

const COMMON: ReaderOptions = {
  formats: ['QRCode'],
  maxNumberOfSymbols: 1,
  textMode: 'Plain',
  tryHarder: true,
  // A finder looks the same from everywhere: what is turned by a quarter is found without.
  tryRotate: false,
};

/** Tried in this order until one reads: each finds what the one before does not, and costs more. */
const TRIES: ReaderOptions[] = [
  { ...COMMON, binarizer: 'LocalAverage', tryInvert: false, tryDownscale: false },
  // Shadows trouble a global threshold, blur and little contrast a local one; screens in the dark show codes white on black.
  { ...COMMON, binarizer: 'GlobalHistogram', tryInvert: true, tryDownscale: false },
  { ...COMMON, binarizer: 'LocalAverage', tryInvert: true, tryDownscale: true, downscaleThreshold: 200, downscaleFactor: 2, tryDenoise: true },
];

/** Where the reader's WebAssembly is: an address of ours in a browser, the bytes themselves elsewhere. */
export type Engine = { url: string } | { bytes: ArrayBuffer };

/** Makes the reader ready; to be called once, before {@link read}. Throws when the engine can't be had. */
export async function prepare(engine: Engine): Promise<void> {
  // By itself it would be fetched from a stranger's address.
  const overrides = 'url' in engine ? { locateFile: () => engine.url } : { wasmBinary: engine.bytes };
  await prepareZXingModule({ overrides, fireImmediately: true });
}

/** The text of the QR in the picture, or nothing where none is read. */
export async function read(pixels: Pixels): Promise<string | undefined> {
  for (const options of TRIES) {
    const [found] = await readBarcodes(pixels as ImageData, options);
    if (found?.isValid) return found.text;
  }
  return undefined;
}
