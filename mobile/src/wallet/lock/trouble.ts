import { NoPasskey } from '../../lib/device/passkey';
import { words } from '../trouble';
import { w } from './say';

/** What the person is told when a passkey did not do. */
export function passkeyWords(error: unknown): string {
  if (error instanceof NoPasskey) return w().unable;
  if (!(error instanceof DOMException)) return words(error);
  // The seal did not open: another secret.
  return error.name === 'OperationError' ? w().wrong : error.name === 'NotSupportedError' ? w().unable : w().notDone;
}
