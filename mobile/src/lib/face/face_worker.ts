// Looks for faces, in a thread of its own: what takes 20 to 60 ms a picture must not hold up the screen.
import { FaceLandmarker } from '@mediapipe/tasks-vision';
import ModuleFactory from '@mediapipe/tasks-vision/vision_wasm_module_internal.js';

import type { Answer, Asked, Seen } from './messages';

interface Scope {
  Module?: object | undefined;
  ModuleFactory?: unknown;
  onmessage: ((event: MessageEvent<Asked>) => void) | null;
  postMessage(answer: Answer, transfer?: Transferable[]): void;
}
const scope = self as unknown as Scope;

/** Two are told from one; more need not be counted. */
const FACES = 2;

let finder: FaceLandmarker | undefined;

scope.onmessage = ({ data }) => {
  if ('bitmap' in data) look(data.bitmap, data.at);
  else open(data.wasm, data.model).then(() => scope.postMessage({ open: true }), failed);
};

const failed = (error: unknown) => scope.postMessage({ failed: String(error) });

async function open(wasm: string, model: string): Promise<void> {
  // The package would load its script by an address; ours has it already, so that no policy has to allow that. It talks a lot.
  scope.ModuleFactory = ModuleFactory;
  scope.Module = { print: () => {}, printErr: () => {} };
  finder = await FaceLandmarker.createFromOptions(
    { wasmLoaderPath: '', wasmBinaryPath: wasm },
    {
      // The processor does it everywhere; graphics drivers differ.
      baseOptions: { modelAssetPath: model, delegate: 'CPU' },
      runningMode: 'VIDEO',
      numFaces: FACES,
    },
  );
}

function look(bitmap: ImageBitmap, at: number): void {
  try {
    if (!finder) throw new Error('not open');
    const { faceLandmarks } = finder.detectForVideo(bitmap, at);
    const seen: Seen = { faces: faceLandmarks.map((points) => Float32Array.from(points.flatMap(({ x, y }) => [x, y]))) };
    scope.postMessage({ seen }, seen.faces.map((points) => points.buffer));
  } catch (error) {
    failed(error);
  } finally {
    bitmap.close();
  }
}
