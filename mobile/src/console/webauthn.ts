// Passkeys (WebAuthn Level 3) in the JSON that the service speaks: what it asks goes to the browser, what the browser made goes back.

import { decode, encode } from '../lib/wire/base64url';

/** A question of the service's, as `publicKey` options in JSON. */
export interface Asked {
  id: string;
  options: { publicKey: Record<string, unknown> };
}

/** The person did not want it, or has no passkey here. */
export class NoPasskey extends Error {}

/** Makes a passkey. Only when the person tapped something. */
export async function make({ options }: Asked): Promise<unknown> {
  const publicKey = fromJson(options.publicKey) as unknown as PublicKeyCredentialCreationOptions;
  const made = await asked(navigator.credentials.create({ publicKey }));
  const response = made.response as AuthenticatorAttestationResponse;
  return toJson(made, {
    attestationObject: response.attestationObject,
    clientDataJSON: response.clientDataJSON,
  });
}

/** Uses one. */
export async function use({ options }: Asked): Promise<unknown> {
  const publicKey = fromJson(options.publicKey) as unknown as PublicKeyCredentialRequestOptions;
  const used = await asked(navigator.credentials.get({ publicKey }));
  const response = used.response as AuthenticatorAssertionResponse;
  return toJson(used, {
    authenticatorData: response.authenticatorData,
    clientDataJSON: response.clientDataJSON,
    signature: response.signature,
    userHandle: response.userHandle,
  });
}

async function asked(credential: Promise<Credential | null>): Promise<PublicKeyCredential> {
  const given = await credential.catch((error: unknown) => {
    throw error instanceof DOMException ? new NoPasskey(error.name) : error;
  });
  if (given instanceof PublicKeyCredential) return given;
  throw new NoPasskey();
}

/** The members that are bytes (WebAuthn §5.1.8, §5.1.9); browsers of before 2025 can't read JSON themselves. */
const BYTES = new Set(['challenge', 'id']);

/** Base64url to bytes, where bytes belong. An `rp` has a name for its id. */
function fromJson(options: Record<string, unknown>): Record<string, unknown> {
  const read = ([name, value]: [string, unknown]): [string, unknown] => {
    if (name === 'rp') return [name, value];
    if (BYTES.has(name) && typeof value === 'string') return [name, decode(value)];
    if (Array.isArray(value)) return [name, value.map((one) => (isObject(one) ? fromJson(one) : one))];
    return [name, isObject(value) ? fromJson(value) : value];
  };
  return Object.fromEntries(Object.entries(options).map(read));
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

function toJson(credential: PublicKeyCredential, response: Record<string, ArrayBuffer | null>): unknown {
  const written = Object.entries(response).map(([name, bytes]) => [name, bytes && encode(new Uint8Array(bytes))]);
  const rawId = encode(new Uint8Array(credential.rawId));
  return { id: rawId, rawId, type: credential.type, response: Object.fromEntries(written), extensions: {} };
}
