/** What the thread that looks for faces is asked: first to open, then picture by picture. */
export type Asked = { wasm: string; model: string } | { bitmap: ImageBitmap; at: number };

/** What it answers, one for each question. */
export type Answer = { open: true } | { seen: Seen } | { failed: string };

export interface Seen {
  /** Of each face its 478 points, x and y in turn, as parts of the picture's width and height; not mirrored. */
  faces: Float32Array<ArrayBuffer>[];
}
