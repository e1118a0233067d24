/** Words of a recovery in Chinese; English has exactly these. */
export const zh = {
  title: '恢复您的电子证',
  lead: '输入您的公民身份号码（护照办理的，输入国家代码和护照号码，如 UTO-L898902C3）并刷脸，即可把电子证转移到这部手机。不需要证件，也不需要旧手机。',
  ends: '旧手机上的电子证会立即失效，常用号码也会停用。',
  number: '公民身份号码或护照号码',
  slip: '号码有误，请逐位核对。',
  next: '继续',
  back: '返回',
  face: '请刷脸确认',
  faceLead: '将与您办理时登记的面容比对。',
};

export type Words = typeof zh;

export const en: Words = {
  title: 'Bring your E-cert here',
  lead: 'With your number and your face it moves to this phone. You need neither the document nor the old phone. A passport’s number goes behind the code of its state: UTO-L898902C3.',
  ends: 'On the old phone it ends at once, and so does a standing E-cert number.',
  number: 'Citizen number, or passport',
  slip: 'There is a slip in it: please compare each character.',
  next: 'Continue',
  back: 'Back',
  face: 'Confirm with your face',
  faceLead: 'It is compared with the face that you enrolled with.',
};
