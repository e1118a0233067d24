/** Where in an app somebody is: what stands behind the `#` of the address, so that the phone's own way back works. */
class Place {
  #hash = $state(location.hash);

  constructor() {
    addEventListener('hashchange', () => (this.#hash = location.hash));
  }

  /** The parts of `#/a/b`; none at home. */
  get parts(): string[] {
    return this.#path.split('/').filter(Boolean).map(decodeURIComponent);
  }

  /** What is chosen there: `#/a?b=c`. */
  get query(): URLSearchParams {
    return new URLSearchParams(this.#hash.split('?')[1]);
  }

  /** Chooses something else there; the way back does not lead through every choice. */
  choose(chosen: Record<string, string>): void {
    const query = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value !== '')).toString();
    this.#hash = `#/${this.#path}${query && `?${query}`}`;
    history.replaceState(null, '', this.#hash);
  }

  get #path(): string {
    return this.#hash.replace(/^#\/?/, '').split('?')[0] ?? '';
  }

  /** Goes home, so that the way back does not lead here again. */
  home(): void {
    history.replaceState(null, '', location.pathname);
    this.#hash = '';
  }
}

export const place = new Place();
