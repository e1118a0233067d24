import { type Face } from './measure';

/** A person at rest, against whom movements are measured. */
export type Rest = Pick<Face, 'yaw' | 'pitch' | 'eyesOpen' | 'mouthOpen'>;

/** Extents that the service wants (wallet-core/src/face/liveness/actions.rs). */
const WANTED = { turn: 20, nod: 20, mouth: 0.08, blink: 0.2 };
/**
 * How many times that is waited for: its points are not ours, a turn must also show depth, and a larger movement costs nobody anything.
 */
const CLEARLY = { turn: 1.5, nod: 1.25, mouth: 1.6, blink: 1.75 };
/** Degrees beyond which a head is turned away from the camera, and refused. */
const TOO_FAR = 52;

/** The mean of looks at rest. */
export function rest(faces: Face[]): Rest {
  const over = (value: (face: Face) => number) => faces.reduce((sum, face) => sum + value(face), 0) / Math.max(faces.length, 1);
  return {
    yaw: over(({ yaw }) => yaw),
    pitch: over(({ pitch }) => pitch),
    eyesOpen: over(({ eyesOpen }) => eyesOpen),
    mouthOpen: over(({ mouthOpen }) => mouthOpen),
  };
}

/** How far a face shows the action of a step: from 1 on it is surely there. 0 for what is no action, or a head turned away. */
export function extent(step: string, face: Face, at: Rest): number {
  if (Math.abs(face.yaw) > TOO_FAR || Math.abs(face.pitch) > TOO_FAR) return 0;
  const turned = face.yaw - at.yaw;
  switch (step) {
    // The nose of one who turns to their left points to the right of the picture.
    case 'turn-left':
      return turned / (WANTED.turn * CLEARLY.turn);
    case 'turn-right':
      return -turned / (WANTED.turn * CLEARLY.turn);
    case 'nod':
      return (face.pitch - at.pitch) / (WANTED.nod * CLEARLY.nod);
    case 'open-mouth':
      return (face.mouthOpen - at.mouthOpen) / (WANTED.mouth * CLEARLY.mouth);
    case 'blink':
      // Seen from the side, the eyes' openings are no measure.
      if (Math.abs(turned) > WANTED.turn) return 0;
      return (1 - face.eyesOpen / Math.max(at.eyesOpen, 1e-3)) / (WANTED.blink * CLEARLY.blink);
    default:
      return 0;
  }
}
