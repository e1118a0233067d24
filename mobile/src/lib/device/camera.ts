/** What is filmed: a card before the camera at the back, the person before the one at the front, or another before the one at the back. */
export type Subject = 'card' | 'face' | 'visitor';

const WANTED: Record<Subject, MediaTrackConstraints> = {
  // A card's smallest characters want about 1000 pixels along its width.
  card: { facingMode: 'environment', width: { ideal: 1920 }, height: { ideal: 1080 } },
  face: { facingMode: 'user', width: { ideal: 1280 }, height: { ideal: 720 } },
  visitor: { facingMode: 'environment', width: { ideal: 1280 }, height: { ideal: 720 } },
};

/** Width by height of what is seen, and taken. */
export const SHAPE: Record<Subject, number> = { card: 3 / 2, face: 3 / 4, visitor: 3 / 4 };

const QUALITY = 0.92;
/** Width of a small picture, of which the light and the focus are measured. */
const GLANCE = 320;

/** Opens the camera; throws when there is none, or the person does not want it. */
export async function openCamera(subject: Subject): Promise<MediaStream> {
  return navigator.mediaDevices.getUserMedia({ video: WANTED[subject], audio: false });
}

export function closeCamera(stream: MediaStream | undefined): void {
  stream?.getTracks().forEach((track) => track.stop());
}

/** The part of the picture that is seen where it fills a frame of another shape: nothing is sent that was not in sight. */
export function visible(video: HTMLVideoElement, shape: number) {
  const { videoWidth, videoHeight } = video;
  const width = Math.min(videoWidth, Math.round(videoHeight * shape));
  const height = Math.min(videoHeight, Math.round(videoWidth / shape));
  return { x: Math.round((videoWidth - width) / 2), y: Math.round((videoHeight - height) / 2), width, height };
}

/** Draws what is seen into a canvas of this width. */
function draw(video: HTMLVideoElement, shape: number, canvas: HTMLCanvasElement, width?: number): CanvasRenderingContext2D {
  const part = visible(video, shape);
  canvas.width = width ?? part.width;
  canvas.height = Math.round((part.height * canvas.width) / part.width);
  const context = drawing(canvas, width !== undefined);
  context.drawImage(video, part.x, part.y, part.width, part.height, 0, 0, canvas.width, canvas.height);
  return context;
}

/** A JPEG of what is seen now, not mirrored. */
export async function grab(video: HTMLVideoElement, shape: number): Promise<Blob> {
  const canvas = document.createElement('canvas');
  draw(video, shape, canvas);
  return jpeg(canvas);
}

async function jpeg(canvas: HTMLCanvasElement): Promise<Blob> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', QUALITY));
  if (!blob) throw new Error('the picture could not be kept');
  return blob;
}

function drawing(canvas: HTMLCanvasElement, isRead: boolean): CanvasRenderingContext2D {
  const context = canvas.getContext('2d', { willReadFrequently: isRead });
  if (!context) throw new Error('this browser draws no pictures');
  return context;
}

/** What the shutter looks at: a small grey picture. */
export function glance(video: HTMLVideoElement, shape: number, canvas: HTMLCanvasElement): Glance {
  return grey(draw(video, shape, canvas, GLANCE));
}

/** The same of a frame. */
export function glanceAt(frame: ImageBitmap, canvas: HTMLCanvasElement): Glance {
  return grey(drawFrame(frame, canvas, GLANCE / 2));
}

/** A frame as it is seen now, not mirrored. */
export async function frame(video: HTMLVideoElement, shape: number): Promise<ImageBitmap> {
  const { x, y, width, height } = visible(video, shape);
  return createImageBitmap(video, x, y, width, height);
}

/** A JPEG of a frame. */
export async function encoded(taken: ImageBitmap): Promise<Blob> {
  const canvas = document.createElement('canvas');
  drawFrame(taken, canvas, taken.width);
  return jpeg(canvas);
}

function drawFrame(taken: ImageBitmap, canvas: HTMLCanvasElement, width: number): CanvasRenderingContext2D {
  canvas.width = width;
  canvas.height = Math.round((taken.height * width) / taken.width);
  const context = drawing(canvas, width !== taken.width);
  context.drawImage(taken, 0, 0, canvas.width, canvas.height);
  return context;
}

function grey(context: CanvasRenderingContext2D): Glance {
  const { width, height, data } = context.getImageData(0, 0, context.canvas.width, context.canvas.height);
  const grey = new Float32Array(width * height);
  for (let at = 0; at < grey.length; at += 1) {
    grey[at] = 0.299 * data[at * 4]! + 0.587 * data[at * 4 + 1]! + 0.114 * data[at * 4 + 2]!;
  }
  return { width, height, grey };
}

export interface Glance {
  width: number;
  height: number;
  /** 0 to 255, row by row. */
  grey: Float32Array;
}
