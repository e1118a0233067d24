// What the service says, by the names that the screens know it by. The types themselves are made of the service's own description: see
// `schema.ts`, which `cargo xtask openapi` writes.

import type { Share } from '../wire/codes';
import type { components } from './schema';

type Schemas = components['schemas'];

/** Words for the person, from the service. */
export type HolderMessage = Schemas['HolderMessage'];

/** A refusal (RFC 9457). */
export type ProblemBody = Schemas['Problem'];

export type Issuer = Schemas['IssuerMetadata'];

/** Who this phone is to the service. */
export type Holder = Pick<Schemas['RenewedToken'], 'access_token' | 'token_expires_at'>;

export type Started = Schemas['EnrolmentStarted'];

/** What was read of the document. */
export type Fields = Schemas['Document'];

/** What is photographed: either side of an identity card, or the page of a passport. */
export type Side = 'front' | 'back' | 'passport';

export type Step = Schemas['ChallengeStep'];

/** `frames` has two numbers: at least and at most so many. */
export type Challenge = Omit<Schemas['Challenge'], 'frames'> & { frames: [number, number] };

export type Disclosure = Schemas['Disclosure'];

export type Enrolled = Schemas['Enrolled'];

export type Issued = Schemas['Issued'];

/** What the holder was told (docs/API.md has every kind). */
export type Told = Schemas['Notice'];

/** `GET /v1/enrolments/{id}` */
export type EnrolmentShown = Schemas['Enrolment'];

/** A use of a code of this holder's, or a request that waits for them. */
export type Use = Omit<Schemas['Use'], 'challenge' | 'state' | 'cancelled'> & {
  challenge?: Challenge;
  state: 'awaiting_holder' | 'challenged' | 'passed' | 'failed' | 'cancelled' | 'expired';
  cancelled?: 'by_relying_party' | 'refused' | 'reported' | 'number_mismatch';
};

/** A request for more than its relying party registered; it was refused. */
export type OverAsking = Schemas['OverAsking'];

/** What came of a face that was shown on this phone. */
export type Judged = Schemas['HolderJudgement'];

/** A phone of the holder's. */
export type Device = Omit<Schemas['Device'], 'state'> & { state: 'active' | 'replaced' | 'revoked' };

/** The standing E-cert number; the number itself is shown once. */
export type Standing = Omit<Schemas['Number'], 'share'> & { share?: Share };

/** To what the holder agreed, who got what, and what was taken back. */
export type Consents = Schemas['Consents'];

/** An enrolment as this phone knows it: where to go on after a reload. */
export interface Enrolment {
  id: string;
  /** Of an E-cert that was on another phone. */
  kind?: 'recovery';
  expires_at: string;
  step: 'document' | 'confirm' | 'face' | 'referred' | 'refused';
  /** It is a passport that is photographed. */
  passport?: boolean;
  /** Pictures that were taken and not read yet. */
  sides?: Partial<Record<Side, Blob>>;
  fields?: Fields;
  /** Why it was refused, or set aside. */
  message?: HolderMessage;
}
