import { trustedScript } from './trusted';

/** A newer app that waits for the person to say so. */
export class Updates {
  waiting: ServiceWorker | undefined = $state();

  /** Of the app in this folder. */
  constructor(readonly app: 'wallet' | 'scanner') {}

  /** Makes the app work without a network, and watches for a newer one. */
  async watch(): Promise<void> {
    if (!('serviceWorker' in navigator) || import.meta.env.DEV) return;
    const script = trustedScript(`/${this.app}/sw.js`);
    const registration = await navigator.serviceWorker.register(script, { scope: `/${this.app}/` });
    const look = () => {
      // Without a controller it is the first visit, and nothing is replaced.
      if (registration.waiting && navigator.serviceWorker.controller) this.waiting = registration.waiting;
    };
    look();
    registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', look));
  }

  apply(): void {
    navigator.serviceWorker.addEventListener('controllerchange', () => location.reload());
    this.waiting?.postMessage('activate');
  }
}
