/** Policy of trusted types: the one script that may be started by its address is our own worker. */
const WORKER = '/wallet/sw.js';

interface Factory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

/** A newer app that waits for the person to say so. */
class Updates {
  waiting: ServiceWorker | undefined = $state();

  /** Makes the app work without a network, and watches for a newer one. */
  async watch(): Promise<void> {
    if (!('serviceWorker' in navigator) || import.meta.env.DEV) return;
    const registration = await navigator.serviceWorker.register(trusted(WORKER), { scope: '/wallet/' });
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

function trusted(url: string): string {
  const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
  const createScriptURL = (asked: string) => {
    if (asked !== WORKER) throw new TypeError('no script of ours');
    return asked;
  };
  return factory ? factory.createPolicy('ecert', { createScriptURL }).createScriptURL(url) : url;
}

export const updates = new Updates();
