// What the service says (docs/API.md), as far as a wallet reads it. There is no `/openapi.json` yet to make this from.

/** Words for the person, from the service. */
export interface HolderMessage {
  zh: string;
  en: string;
}

/** A refusal (RFC 9457). */
export interface ProblemBody {
  title: string;
  status: number;
  detail?: string;
  code: string;
  reason?: string;
  field?: string;
  retry_after?: number;
  holder_message?: HolderMessage;
}

export interface Issuer {
  issuer: string;
  consent: { version: string; purposes: { id: string; text: HolderMessage }[]; verifiers: string[] };
}

/** Who this phone is to the service. */
export interface Holder {
  access_token: string;
  token_expires_at: string;
}

export interface Started extends Holder {
  id: string;
  enrolment_expires_at: string;
  consent_receipt: string;
}

/** What was read of the card. */
export interface Fields {
  name: string;
  sex: 'male' | 'female';
  ethnicity: string;
  birth: string;
  address: string;
  number: string;
  issuer: string;
  valid_from: string;
  valid_until: { until: string } | 'long-term';
}

/** An enrolment as this phone knows it: where to go on after a reload. */
export interface Enrolment {
  id: string;
  expires_at: string;
  step: 'document' | 'confirm' | 'face' | 'referred' | 'refused';
  /** Pictures that were taken and not read yet. */
  sides?: { front?: Blob; back?: Blob };
  fields?: Fields;
  /** Why it was refused, or set aside. */
  message?: HolderMessage;
}

export interface Step {
  step: string;
  say: HolderMessage;
  colour?: string;
  digit?: number;
  from_ms?: number;
  until_ms?: number;
}

export interface Challenge {
  nonce: string;
  mode: 'silent' | 'actions' | 'flash' | 'digits';
  frames: [number, number];
  steps?: Step[];
  deadline: string;
}

export interface Disclosure {
  name: string;
  value: string;
  salt: string;
}

export interface Issued {
  state: 'approved';
  certificate_id: string;
  certificate: string;
  disclosures: Disclosure[];
  revocation_code: string;
  revocation_sheet: string;
  assurance_level: string;
  expires_at: string;
}

/** What the holder was told (docs/API.md has every kind). */
export interface Told {
  kind: string;
  at: string;
}

export type Enrolled = Issued | { state: 'referred'; reason: string };

/** `GET /v1/enrolments/{id}` */
export interface EnrolmentShown {
  id: string;
  state: 'started' | 'document_read' | 'face_checked' | 'approved' | 'referred' | 'refused' | 'expired';
  reason?: string;
  enrolment_expires_at: string;
  issued?: Issued;
}
