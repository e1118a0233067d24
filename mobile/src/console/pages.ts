import type { Component } from 'svelte';

import type { Session } from './session.svelte';
import type { Act } from './types';
import type { Words } from './words/zh';

/** What every page is given: who looks, and which one of its things the address names. */
export interface PageProps {
  session: Session;
  id?: string | undefined;
}

export interface Page {
  /** In the address, and in the words. */
  name: keyof Words['pages'];
  /** The act without which there is nothing to see here. */
  needs: Act;
  load: () => Promise<{ default: Component<PageProps> }>;
}

/** In the order of the navigation. */
export const PAGES: Page[] = [
  { name: 'certificates', needs: 'show_certificate', load: () => import('./certificates/Certificates.svelte') },
  { name: 'relying-parties', needs: 'list_relying_parties', load: () => import('./relying_parties/RelyingParties.svelte') },
  { name: 'payments', needs: 'list_payments', load: () => import('./money/Payments.svelte') },
  { name: 'prices', needs: 'list_prices', load: () => import('./money/Prices.svelte') },
  { name: 'actions', needs: 'read_actions', load: () => import('./staff/Actions.svelte') },
  { name: 'admins', needs: 'list_admins', load: () => import('./staff/Admins.svelte') },
];

/** The page of this name, or the first. */
export function pageOf(name: string | undefined): Page {
  return PAGES.find((page) => page.name === name) ?? (PAGES[0] as Page);
}
