/** The policy of Trusted Types that the service's CSP names; a page may make it once. */
const NAME = 'ecert';
/** The only scripts that may be started by their address: the service workers, and the workers among our own files. */
const OURS = /^\/(?:(?:wallet|scanner)\/sw\.js|app\/[\w.-]+\.js)$/;

interface Factory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

let policy: { createScriptURL(url: string): string } | undefined;

/** The address of a script of ours, as the browser wants it; throws a `TypeError` for any other. */
export function trustedScript(url: string): string {
  const createScriptURL = (asked: string) => {
    if (!import.meta.env.DEV && !OURS.test(asked)) throw new TypeError('no script of ours');
    return asked;
  };
  const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
  policy ??= factory?.createPolicy(NAME, { createScriptURL }) ?? { createScriptURL };
  return policy.createScriptURL(url);
}
