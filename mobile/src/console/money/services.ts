/** What is sold, as the price list names it (docs/API.md, "Prices"). */
export const SERVICES = [
  'ecert.redeem',
  'person.verify',
  'face.liveness',
  'face.compare',
  'face.attributes',
  'face.search',
  'sdk.device',
] as const;
