import { prove } from '../wire/dpop';
import type { Holder, ProblemBody } from './types';

/** The service said no, and why. */
export class Problem extends Error {
  constructor(readonly body: ProblemBody) {
    super(`${body.status} ${body.code}${body.reason ? `/${body.reason}` : ''}`);
    this.name = 'Problem';
  }

  /** Whether it is this one: `code` or `code/reason`. */
  is(...codes: string[]): boolean {
    return codes.includes(this.body.code) || codes.includes(`${this.body.code}/${this.body.reason}`);
  }
}

/** The service could not be reached, or what came was not from it. */
export class Unreachable extends Error {
  constructor() {
    super('the service could not be reached');
    this.name = 'Unreachable';
  }
}

/** Seconds that somebody is let wait for a second try; a service that wants more is told of. */
const PATIENCE_S = 10;

/** What a request is made with. */
export interface Caller {
  key: CryptoKeyPair;
  holder?: Holder | undefined;
}

export interface Sent {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** JSON, the parts of an upload, or a text of the type that `headers` name. */
  body?: unknown;
  caller?: Caller;
  /** Beside those that every request has. */
  headers?: Record<string, string>;
  /** Made before the first try, and the same for every other: what is charged is charged once. */
  idempotencyKey?: string;
  /** How much of an upload has gone out, 0 to 1. */
  progress?: (part: number) => void;
}

/**
 * Asks the service, and gives what it answers. Every request of a holder has a proof of its own, also the second try.
 *
 * Throws a {@link Problem} for a refusal, {@link Unreachable} for anything that is no answer.
 */
export async function call<T>(path: string, sent: Sent = {}): Promise<T> {
  const method = sent.method ?? (sent.body === undefined ? 'GET' : 'POST');
  const headers = { ...sent.headers, ...(sent.caller ? await credentials(method, path, sent.caller) : {}) };
  const upload = sent.body instanceof FormData ? sent.body : undefined;
  if (sent.body !== undefined && !upload) headers['Content-Type'] ??= 'application/json';
  if (sent.idempotencyKey) headers['Idempotency-Key'] = sent.idempotencyKey;
  const isReady = upload !== undefined || typeof sent.body === 'string';
  const body = isReady ? (sent.body as FormData | string) : sent.body === undefined ? null : JSON.stringify(sent.body);
  return answered<T>(await exchange(method, path, headers, body, sent.progress));
}

/** What shows who asks: a proof for this request alone, and the access token if there is one. */
export async function credentials(method: string, path: string, { key, holder }: Caller): Promise<Record<string, string>> {
  const url = location.origin + path.split('?')[0];
  const proof = await prove(key, { method, url, accessToken: holder?.access_token }, Date.now());
  return { DPoP: proof, ...(holder ? { Authorization: `DPoP ${holder.access_token}` } : {}) };
}

/** The same, once more when the way or the service was blocked for a moment. What is sent so must be the same sent twice. */
export async function callTwice<T>(path: string, sent: Sent): Promise<T> {
  try {
    return await call<T>(path, sent);
  } catch (error) {
    const wait = error instanceof Unreachable ? 1 : error instanceof Problem ? error.body.retry_after : undefined;
    if (wait === undefined || wait > PATIENCE_S) throw error;
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    return call<T>(path, sent);
  }
}

interface Answer {
  status: number;
  text: string;
}

/** `fetch` can't tell how far an upload is; this can. */
function exchange(
  method: string,
  path: string,
  headers: Record<string, string>,
  body: FormData | string | null,
  progress?: (part: number) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    Object.entries(headers).forEach(([name, value]) => request.setRequestHeader(name, value));
    request.upload.onprogress = ({ loaded, total }) => progress?.(total > 0 ? loaded / total : 0);
    request.onload = () => resolve({ status: request.status, text: request.responseText });
    request.onerror = request.onabort = request.ontimeout = () => reject(new Unreachable());
    request.timeout = 60_000;
    request.send(body);
  });
}

function answered<T>({ status, text }: Answer): T {
  if (status < 200 || status >= 300) throw refused(text);
  return parsed(text) as T;
}

/** The error that an answer is which is none: a refusal, or words of somebody on the way. */
export function refused(text: string): Problem | Unreachable {
  const json = parsed(text);
  return typeof json === 'object' && json !== null && 'code' in json ? new Problem(json as ProblemBody) : new Unreachable();
}

function parsed(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    throw new Unreachable();
  }
}
