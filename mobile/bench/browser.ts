import { type Browser, chromium } from 'playwright-core';

import { FLAGS } from '../browser/phone';

/** Chromium as the stories have it, without a camera; with a port where another tool is to speak to it. */
export async function browser(port?: number): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['ECERT_CHROMIUM'] ?? '/usr/bin/chromium',
    args: [...FLAGS, ...(port ? [`--remote-debugging-port=${port}`] : [])],
  });
}
