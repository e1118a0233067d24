import { Updates } from '../lib/device/updates.svelte';

export const updates = new Updates('wallet');
