/**
 * What can be said of a face from its 478 points (MediaPipe's face mesh), in the measures by which the service judges
 * (wallet-core/src/face/{quality,measures}.rs): five points for the angles, the lids' and lips' outlines for the rest.
 */

import type { Box } from '../device/light';

export interface Face {
  /** Around all points, as parts of the picture's width and height. */
  box: Box;
  /** Degrees, as five points give them: positive when the nose points to the right of the picture. */
  yaw: number;
  /** Degrees, larger than the head's own; positive when the nose points down. */
  pitch: number;
  /** Degrees by which the line of the eyes is turned clockwise. */
  roll: number;
  /** Height over width of the eyes' openings, the mean of both: 0.25 to 0.4 open, under 0.15 shut. */
  eyesOpen: number;
  /** Gap of the lips over the distance of the eyes: under 0.05 closed. */
  mouthOpen: number;
  /** Between the eyes, and how far they are apart, in widths of the picture. */
  eyes: { x: number; y: number; apart: number };
}

type Point = readonly [number, number];

/** Left and right as seen in the picture, which is not mirrored. */
const IRIS = { left: 468, right: 473 };
const NOSE = 1;
const MOUTH = { left: 61, right: 291 };
/** Outer corner, two of the upper lid, inner corner, two of the lower lid. */
const LIDS = [
  [33, 160, 158, 133, 153, 144],
  [362, 385, 387, 263, 373, 380],
] as const;
/** Upper and lower lip's inner edges, above one another. */
const LIPS = [
  [82, 87],
  [13, 14],
  [312, 317],
] as const;
/** How far the tip of the nose stands before eyes and mouth, in distances of the eyes, and where it lies from eyes (0) to mouth (1). */
const NOSE_DEPTH = 0.4;
const NOSE_LEVEL = 0.495;
/** Distance of the eyes over that from eyes to mouth, of a face seen from the front. */
const PROPORTION = 35.2 / 40.6;

const middle = (p: Point, q: Point): Point => [(p[0] + q[0]) / 2, (p[1] + q[1]) / 2];
const between = (p: Point, q: Point) => Math.hypot(p[0] - q[0], p[1] - q[1]);
const degrees = (radians: number) => (radians * 180) / Math.PI;

/** Measures a face; `points` are x and y in turn, as parts of a picture of this width and height. */
export function measure(points: ArrayLike<number>, width: number, height: number): Face {
  const at = (index: number): Point => [(points[index * 2] ?? 0) * width, (points[index * 2 + 1] ?? 0) * height];
  const [left, right] = [at(IRIS.left), at(IRIS.right)];
  const apart = Math.max(between(left, right), 1e-3);
  const eyes = middle(left, right);
  const openings = LIDS.map(([outer, up1, up2, inner, low1, low2]) => {
    const lids = between(at(up1), at(low2)) + between(at(up2), at(low1));
    return lids / (2 * Math.max(between(at(outer), at(inner)), 1e-3));
  });
  const gaps = LIPS.map(([up, low]) => between(at(up), at(low)));
  return {
    box: around(points),
    ...angles(left, right, at(NOSE), middle(at(MOUTH.left), at(MOUTH.right))),
    eyesOpen: mean(openings),
    mouthOpen: mean(gaps) / apart,
    eyes: { x: eyes[0] / width, y: eyes[1] / width, apart: apart / width },
  };
}

function angles(left: Point, right: Point, nose: Point, mouth: Point) {
  const eyes = middle(left, right);
  const roll = Math.atan2(right[1] - left[1], right[0] - left[0]);
  const [sin, cos] = [Math.sin(roll), Math.cos(roll)];
  // In the face's own frame: the line of the eyes is level, the origin between them.
  const level = ([x, y]: Point): Point => {
    const [dx, dy] = [x - eyes[0], y - eyes[1]];
    return [dx * cos + dy * sin, dy * cos - dx * sin];
  };
  const [tip, lips] = [level(nose), level(mouth)];
  const aside = tip[0] - lips[0] * NOSE_LEVEL;
  const yaw = Math.atan(aside / (Math.max(between(left, right), 1e-3) * NOSE_DEPTH));
  const pitch = Math.atan((tip[1] / Math.max(lips[1], 1e-3) - NOSE_LEVEL) / (NOSE_DEPTH * PROPORTION));
  return { yaw: degrees(yaw), pitch: degrees(pitch), roll: degrees(roll) };
}

function around(points: ArrayLike<number>): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at + 1 < points.length; at += 2) {
    const [x, y] = [points[at]!, points[at + 1]!];
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return { x: left, y: top, width: right - left, height: bottom - top };
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** How far a face moved between two looks, in distances of its eyes. */
export function moved(before: Face, now: Face): number {
  return Math.hypot(now.eyes.x - before.eyes.x, now.eyes.y - before.eyes.y) / Math.max(before.eyes.apart, 1e-3);
}
