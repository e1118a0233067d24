// What the service says to admins, by the names that the pages know it by.

import type { components } from '../lib/api/schema';

type Schemas = components['schemas'];

export type Certificate = Schemas['Certificate'];
export type RelyingParty = Schemas['RelyingParty'];
export type ApiKey = Schemas['ApiKey'];
export type Payment = Schemas['Payment'];
export type Refund = Schemas['Refund'];
export type PriceList = Schemas['PriceList'];
export type Price = Schemas['Price'];

/** Who is signed in, and what their roles allow. */
export type Session = Schemas['AdminSession'];
export type Act = Schemas['AdminAct'];
export type Admin = Schemas['Admin'];
export type Role = Admin['roles'][number];
/** Something that takes two people. */
export type Action = Schemas['AdminAction'];
/** The same where it was asked for or decided, with what is told once. */
export type Decided = Schemas['AdminActionAnswer'];
