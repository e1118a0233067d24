/** What is filmed: a card before the camera at the back, or the person before the one at the front. */
export type Subject = 'card' | 'face';

const WANTED: Record<Subject, MediaTrackConstraints> = {
  // A card's smallest characters want about 1000 pixels along its width.
  card: { facingMode: 'environment', width: { ideal: 1920 }, height: { ideal: 1080 } },
  face: { facingMode: 'user', width: { ideal: 1280 }, height: { ideal: 720 } },
};

/** Width by height of what is seen, and taken. */
export const SHAPE: Record<Subject, number> = { card: 3 / 2, face: 3 / 4 };

const QUALITY = 0.92;

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
  const context = canvas.getContext('2d', { willReadFrequently: width !== undefined });
  if (!context) throw new Error('this browser draws no pictures');
  context.drawImage(video, part.x, part.y, part.width, part.height, 0, 0, canvas.width, canvas.height);
  return context;
}

/** A JPEG of what is seen now, not mirrored. */
export async function grab(video: HTMLVideoElement, shape: number): Promise<Blob> {
  const canvas = document.createElement('canvas');
  draw(video, shape, canvas);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', QUALITY));
  if (!blob) throw new Error('the picture could not be kept');
  return blob;
}

/** What the shutter looks at: a small grey picture. */
export function glance(video: HTMLVideoElement, shape: number, canvas: HTMLCanvasElement): Glance {
  const context = draw(video, shape, canvas, 320);
  const { width, height, data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const grey = new Float32Array(width * height);
  for (let at = 0; at < grey.length; at += 1) {
    const [r = 0, g = 0, b = 0] = data.subarray(at * 4, at * 4 + 3);
    grey[at] = 0.299 * r + 0.587 * g + 0.114 * b;
  }
  return { width, height, grey };
}

export interface Glance {
  width: number;
  height: number;
  /** 0 to 255, row by row. */
  grey: Float32Array;
}
