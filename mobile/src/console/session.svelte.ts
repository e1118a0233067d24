import { type Sent, Problem, call } from '../lib/api/client';
import type { Act, Decided, Session as Signed } from './types';
import { type Asked, make, use } from './webauthn';

/** Who is signed in, and every request that they make. */
export class Session {
  signed: Signed | undefined = $state.raw();
  /** Signed in before, and not any more: so that it can be said. */
  ended = $state(false);

  /** Whether somebody is signed in already; the cookie is nothing that a page can see. */
  async load(): Promise<void> {
    this.signed = await call<Signed>('/v1/admin/session').catch((error: unknown) => {
      if (error instanceof Problem && error.body.status === 401) return undefined;
      throw error;
    });
  }

  async signIn(): Promise<void> {
    const asked = await call<Asked>('/v1/admin/sign-ins', { method: 'POST' });
    this.#begin(await call(`/v1/admin/sign-ins/${asked.id}`, { body: { credential: await use(asked) } }));
  }

  /** The first passkey of somebody who was invited. */
  async register(invitation: string): Promise<void> {
    const asked = await call<Asked>('/v1/admin/registrations', { body: { invitation } });
    this.#begin(await call(`/v1/admin/registrations/${asked.id}`, { body: { credential: await make(asked) } }));
  }

  #begin(signed: Signed): void {
    this.signed = signed;
    this.ended = false;
  }

  async signOut(): Promise<void> {
    await this.send('DELETE', '/v1/admin/session');
    this.signed = undefined;
  }

  /** What its roles allow, as the service says; it asks again at every act. */
  may(act: Act): boolean {
    return this.signed?.may.includes(act) ?? false;
  }

  get<T>(path: string): Promise<T> {
    return this.#ask(path, {});
  }

  /** Does something. Where the service wants the passkey once more, it is asked for, and the same is sent again. */
  async send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const sent = (): Sent => ({ method, body, headers: { ...headers, 'X-CSRF-Token': this.signed?.csrf_token ?? '' } });
    try {
      return await this.#ask(path, sent());
    } catch (error) {
      if (!(error instanceof Problem && error.is('step-up-needed'))) throw error;
      await this.#stepUp();
      return this.#ask(path, sent());
    }
  }

  async #stepUp(): Promise<void> {
    const headers = { 'X-CSRF-Token': this.signed?.csrf_token ?? '' };
    const asked = await this.#ask<Asked>('/v1/admin/session/step-ups', { method: 'POST', headers });
    const body = { credential: await use(asked) };
    // A passkey that is not taken is a 401 here too, and ends no session.
    this.signed = await call<Signed>(`/v1/admin/session/step-ups/${asked.id}`, { body, headers });
  }

  async #ask<T>(path: string, sent: Sent): Promise<T> {
    try {
      return await call<T>(path, sent);
    } catch (error) {
      if (error instanceof Problem && error.body.status === 401) {
        this.ended = this.signed !== undefined;
        this.signed = undefined;
      }
      throw error;
    }
  }
}

/** Whether what was asked for waits for a second person. */
export function waits(answer: unknown): boolean {
  return typeof answer === 'object' && answer !== null && 'action' in answer && (answer as Decided).action.state === 'requested';
}
