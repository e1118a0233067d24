import { random } from '../wire/bytes';

/** Which passkey opens the store, and what it is asked with. */
export interface Passkey {
  credential: Uint8Array<ArrayBuffer>;
  /** 32 bytes that the secret is made from, inside the phone (WebAuthn Level 3, §10.1.4 `prf`). */
  salt: Uint8Array<ArrayBuffer>;
}

/** This phone or browser has no passkeys that a secret can be had from. */
export class NoPasskey extends Error {}

const TIMEOUT_MS = 120_000;

/** Whether there can be one. A browser that does not say is found out when one is made. */
export async function canLock(): Promise<boolean> {
  const kind = (globalThis as { PublicKeyCredential?: typeof PublicKeyCredential }).PublicKeyCredential;
  if (!kind || !isDomain(location.hostname)) return false;
  if (!(await kind.isUserVerifyingPlatformAuthenticatorAvailable())) return false;
  const able = await kind.getClientCapabilities?.().catch(() => undefined);
  return able?.['extension:prf'] !== false;
}

/** A passkey belongs to a name; an address of numbers is none. */
const isDomain = (host: string) => !/^[0-9.]+$|:/.test(host);

/**
 * Makes a passkey of this phone, and the 32 secret bytes that it gives. Only when the person tapped something.
 *
 * Throws {@link NoPasskey} where it gives none, and what the browser throws when the person did not want it.
 */
export async function makePasskey(): Promise<{ passkey: Passkey; secret: Uint8Array<ArrayBuffer> }> {
  const salt = random(32);
  const made = await navigator.credentials.create({
    publicKey: {
      challenge: random(32),
      rp: { name: 'E-Cert' },
      // No account: one passkey is one wallet.
      user: { id: random(16), name: 'E-Cert', displayName: 'E-Cert' },
      pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: 'public-key', alg })),
      authenticatorSelection: { authenticatorAttachment: 'platform', residentKey: 'preferred', userVerification: 'required' },
      extensions: { prf: { eval: { first: salt } } },
      timeout: TIMEOUT_MS,
    },
  });
  if (!(made instanceof PublicKeyCredential)) throw new NoPasskey();
  const passkey = { credential: new Uint8Array(made.rawId), salt };
  const { prf } = made.getClientExtensionResults();
  if (!prf?.enabled && !prf?.results) throw new NoPasskey();
  // Many phones give the secret only when the passkey is used.
  return { passkey, secret: bytes(prf.results?.first) ?? (await secretOf(passkey)) };
}

/** Asks the person for their face, finger or screen lock, and gives the secret. Throws as {@link makePasskey} does. */
export async function secretOf({ credential, salt }: Passkey): Promise<Uint8Array<ArrayBuffer>> {
  const used = await navigator.credentials.get({
    publicKey: {
      challenge: random(32),
      allowCredentials: [{ type: 'public-key', id: credential, transports: ['internal'] }],
      userVerification: 'required',
      extensions: { prf: { eval: { first: salt } } },
      timeout: TIMEOUT_MS,
    },
  });
  const secret = used instanceof PublicKeyCredential && bytes(used.getClientExtensionResults().prf?.results?.first);
  if (!secret) throw new NoPasskey();
  return secret;
}

function bytes(source: BufferSource | undefined): Uint8Array<ArrayBuffer> | undefined {
  if (!source) return undefined;
  return ArrayBuffer.isView(source) ? new Uint8Array(source.buffer.slice(0) as ArrayBuffer) : new Uint8Array(source);
}
