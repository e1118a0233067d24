import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { needed } from './service';

export type Film = 'front' | 'back' | 'passport' | 'enrolment' | 'stranger' | 'moves' | 'nobody' | 'dark' | 'later' | 'screen';

/** What the browser's camera sees: one of our films, which may be changed while the camera is closed. */
export class Camera {
  readonly #folder: string;
  /** What the browser is told to film. */
  readonly file: string;

  /** With `beside` another camera, of another browser, for the same films. */
  constructor(beside?: Camera) {
    this.#folder = beside ? beside.#folder : mkdtempSync(join(tmpdir(), 'ecert-camera-'));
    this.file = join(this.#folder, beside ? 'other.mjpeg' : 'camera.mjpeg');
    if (beside) return;
    execFileSync(needed('ECERT_FILM', 'the program `ecert-film`'), [this.#folder]);
    for (const side of ['front', 'back'] as const) this.#develop(side, ['-loop', '1', '-t', '0.5', '-i', `${side}.jpg`], CARD);
    this.#develop('enrolment', ['-stream_loop', '3', '-framerate', '2', '-i', 'enrolment-%02d.jpg'], PERSON);
    this.#develop('stranger', ['-stream_loop', '7', '-framerate', '2', '-i', 'stranger-%02d.jpg'], STRANGER);
    this.show('front');
  }

  /** Somebody who goes through all that can be asked for, again and again; a wall; and somebody in the dark. */
  filmMore(): void {
    this.#develop('moves', ['-stream_loop', '1', '-framerate', '3', '-i', 'moves-%02d.jpg'], PERSON);
    this.filmNobody();
    this.#develop('dark', ['-framerate', '2', '-i', 'enrolment-%02d.jpg'], `${PERSON},lutyuv=y=val*0.1:u=128:v=128`);
  }

  /** A wall. */
  filmNobody(): void {
    this.#develop('nobody', ['-f', 'lavfi', '-t', '1', '-i', 'color=0x9a958c:s=720x576'], 'noise=alls=6:allf=t');
  }

  /** The page of their passport, on a desk. */
  filmPassport(): void {
    this.#develop('passport', ['-loop', '1', '-t', '0.5', '-i', 'passport.jpg'], CARD);
  }

  /** The person at a later visit, as a till's camera sees them. */
  filmLater(): void {
    this.#develop('later', ['-stream_loop', '3', '-framerate', '2', '-i', 'later-%02d.jpg'], PERSON);
  }

  /** The very pixels of a screen, held before the camera. */
  filmScreen(png: Uint8Array): void {
    writeFileSync(join(this.#folder, 'screen.png'), png);
    this.#develop('screen', ['-loop', '1', '-t', '0.5', '-i', 'screen.png'], SCREEN);
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
// A phone that is held a little askew, and not quite sharp.
const SCREEN = 'scale=560:560,pad=1280:720:-1:-1:0x595f5c,rotate=0.06:c=0x595f5c,gblur=sigma=0.6,noise=alls=6:allf=t';
const CARD = fit(1620, 1080, '0x6b5f52');
// With a sensor's noise: no camera shows the same bytes twice, and the service takes such for copies of one picture.
const PERSON = 'scale=720:576,noise=alls=6:allf=t';
const STRANGER = `${fit(720, 576, '0x808080')},noise=alls=6:allf=t`;
