// node redeem.mjs 'TEXT OF A QR, OR 16 DIGITS': asks the holder on their own phone, and waits for what they say.
import { Ecert, Refused } from '@e-cert/client';

const ecert = new Ecert({ base: process.env.ECERT_BASE, key: process.env.ECERT_KEY });
try {
  const opened = await ecert.redeem({ code: process.argv[2], purpose: 'check', capture: 'holder' });
  console.log(`The person enters ${opened.number} on their phone.`);
  const judged = await ecert.finished(opened.id);
  if (!('outcome' in judged)) {
    console.log(`Nothing came of it: ${judged.state}. It is not billed.`);
  } else {
    console.log(judged.outcome, judged.attributes);
    const receipt = await ecert.receipt(judged);
    console.log(receipt ? `Signed by the service: ${judged.receipt}` : 'This receipt is not the service’s!');
  }
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  console.error(`Refused: ${error.code}. ${error.problem.detail ?? ''}`);
  process.exitCode = 1;
}
