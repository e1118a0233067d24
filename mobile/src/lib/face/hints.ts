import type { Light } from '../device/light';
import { type Face, moved } from './measure';

/** What one look at the camera's picture found. */
export interface Look {
  /** Milliseconds; any beginning. */
  at: number;
  /** How many faces; two stand for more. */
  faces: number;
  /** The largest. */
  face?: Face;
  /** On the face, or on the whole picture where there is none. */
  light: Light;
}

/** One thing that the person can do about the picture. */
export type Hint =
  | 'moreLight'
  | 'tooBright'
  | 'noFace'
  | 'severalFaces'
  | 'closer'
  | 'further'
  | 'toTheMiddle'
  | 'lookStraight'
  | 'holdStill';

/** What the service refuses is refused here with some room to spare (wallet-core/src/face/quality.rs, `Limits::DEFAULT`). */
const LIMITS = {
  // Of the whole picture, where no face is found: a lamp in the dark is brighter.
  darkPicture: 40,
  dark: 50,
  bright: 225,
  white: 0.35,
  // Height of the face in heights of the picture: smaller has too few pixels, larger is cut off.
  small: 0.3,
  large: 0.88,
  // Of its middle from the picture's.
  aside: 0.2,
  // Degrees as five points give them: of one who smiles they say that the head is lowered by 35.
  turned: 20,
  raised: 42,
  tilted: 20,
  // Distances of the eyes a second.
  fast: 0.9,
};

/** The first thing that is amiss, in the order in which a person can mend it; nothing where the picture is good. */
export function hint(look: Look, before?: Look): Hint | undefined {
  const { face, faces, light } = look;
  if (!face) return light.mean < LIMITS.darkPicture ? 'moreLight' : 'noFace';
  if (faces > 1) return 'severalFaces';
  return lighting(light) ?? placing(face) ?? pose(face) ?? motion(look, before);
}

/** The same while the person is asked to move: where they look, and how fast, is no matter. */
export function hintWhileMoving({ face, faces, light }: Look): Hint | undefined {
  // A head that is turned far is not always found.
  if (!face) return light.mean < LIMITS.darkPicture ? 'moreLight' : undefined;
  return faces > 1 ? 'severalFaces' : lighting(light);
}

function lighting({ mean, white }: Light): Hint | undefined {
  if (mean < LIMITS.dark) return 'moreLight';
  return mean > LIMITS.bright || white > LIMITS.white ? 'tooBright' : undefined;
}

function placing({ box }: Face): Hint | undefined {
  if (box.height < LIMITS.small) return 'closer';
  if (box.height > LIMITS.large || box.width > 1) return 'further';
  const [x, y] = [box.x + box.width / 2 - 0.5, box.y + box.height / 2 - 0.5];
  return Math.abs(x) > LIMITS.aside || Math.abs(y) > LIMITS.aside ? 'toTheMiddle' : undefined;
}

function pose({ yaw, pitch, roll }: Face): Hint | undefined {
  const isStraight = Math.abs(yaw) <= LIMITS.turned && Math.abs(pitch) <= LIMITS.raised && Math.abs(roll) <= LIMITS.tilted;
  return isStraight ? undefined : 'lookStraight';
}

function motion(now: Look, before: Look | undefined): Hint | undefined {
  if (!before?.face || !now.face || now.at <= before.at) return undefined;
  const speed = (moved(before.face, now.face) * 1000) / (now.at - before.at);
  return speed > LIMITS.fast ? 'holdStill' : undefined;
}
