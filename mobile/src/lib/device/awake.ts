/** Keeps the screen on while a code is shown; gives what ends that. Where the browser can't, or may not, nothing happens. */
export function stayAwake(): () => void {
  let ended = false;
  let lock: WakeLockSentinel | undefined;
  const end = () => void lock?.release().catch(() => undefined);
  navigator.wakeLock
    ?.request('screen')
    .then((given) => {
      lock = given;
      if (ended) end();
    })
    .catch(() => undefined);
  return () => {
    ended = true;
    end();
  };
}
