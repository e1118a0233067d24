import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { needed } from './service';

export type Film = 'front' | 'back' | 'enrolment' | 'stranger';

/** What the browser's camera sees: one of our films, which may be changed while the camera is closed. */
export class Camera {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ecert-camera-'));
  /** What the browser is told to film. */
  readonly file = join(this.#folder, 'camera.mjpeg');

  constructor() {
    execFileSync(needed('ECERT_FILM', 'the program `ecert-film`'), [this.#folder]);
    for (const side of ['front', 'back'] as const) this.#develop(side, ['-loop', '1', '-t', '0.5', '-i', `${side}.jpg`], CARD);
    this.#develop('enrolment', ['-stream_loop', '3', '-framerate', '2', '-i', 'enrolment-%02d.jpg'], PERSON);
    this.#develop('stranger', ['-stream_loop', '7', '-framerate', '2', '-i', 'stranger-%02d.jpg'], STRANGER);
    this.show('front');
  }

  /** The next time the camera is opened it sees this. */
  show(film: Film): void {
    const next = `${this.file}.next`;
    copyFileSync(join(this.#folder, `${film}.mjpeg`), next);
    renameSync(next, this.file);
  }

  /** A picture of a side, for who chooses a file. */
  picture(side: 'front' | 'back'): string {
    return join(this.#folder, `${side}.jpg`);
  }

  /** The pictures of a film, as a relying party's camera takes them. */
  pictures(film: 'later' | 'stranger'): Uint8Array<ArrayBuffer>[] {
    const names = readdirSync(this.#folder).filter((name) => name.startsWith(`${film}-`));
    return names.sort().map((name) => new Uint8Array(readFileSync(join(this.#folder, name))));
  }

  /** Deletes its films, some 50 MB. */
  forget(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #develop(film: Film, input: string[], filter: string): void {
    const sizes = ['-vf', `${filter},format=yuvj420p`, '-r', '30', '-q:v', '2', '-f', 'mjpeg', `${film}.mjpeg`];
    execFileSync('ffmpeg', ['-y', '-loglevel', 'error', ...input, ...sizes], { cwd: this.#folder });
  }
}

const fit = (width: number, height: number, around: string) =>
  `scale=${width}:${height}:force_original_aspect_ratio=decrease,pad=${width}:${height}:-1:-1:${around}`;
const CARD = fit(1620, 1080, '0x6b5f52');
// With a sensor's noise: no camera shows the same bytes twice, and the service takes such for copies of one picture.
const PERSON = 'scale=720:576,noise=alls=6:allf=t';
const STRANGER = `${fit(720, 576, '0x808080')},noise=alls=6:allf=t`;
