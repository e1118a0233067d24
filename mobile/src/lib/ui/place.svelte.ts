/** Where in an app somebody is: what stands behind the `#` of the address, so that the phone's own way back works. */
class Place {
  #hash = $state(location.hash);

  constructor() {
    addEventListener('hashchange', () => (this.#hash = location.hash));
  }

  /** The parts of `#/a/b`; none at home. */
  get parts(): string[] {
    return this.#hash.replace(/^#\/?/, '').split('/').filter(Boolean);
  }

  /** Goes home, so that the way back does not lead here again. */
  home(): void {
    history.replaceState(null, '', location.pathname);
    this.#hash = '';
  }
}

export const place = new Place();
