/** Words of the app lock in Chinese; English has exactly these. */
export const zh = {
  title: '应用锁',
  lead: '打开卡包时，用面容、指纹或屏幕密码确认。证件信息、访问凭证和出示码所需的数据会加密保存，密钥只由这部手机的通行密钥给出。',
  on: '应用锁已开启。离开一分钟后自动上锁。',
  off: '应用锁未开启。',
  turnOn: '开启应用锁',
  turnOff: '关闭应用锁',
  lost: '如果删除了通行密钥，这部手机上的电子证将无法打开，但可以刷脸恢复。',
  unable: '这部手机或浏览器的通行密钥不能给出加密所需的密钥（WebAuthn PRF），因此无法开启应用锁。请设置手机的屏幕锁，或换用最新的浏览器。',
  notDone: '未能确认，请再试一次。',
  locked: '卡包已上锁',
  lockedLead: '请确认是您本人。',
  unlock: '解锁',
  wrong: '这不是开启此应用锁的通行密钥。',
  forget: '无法解锁？',
  forgetText: '将删除这部手机上的电子证及其密钥。之后可刷脸恢复，或凭证件重新办理。',
};

export type Words = typeof zh;

export const en: Words = {
  title: 'App lock',
  lead: 'Your face, finger or screen lock opens the wallet. Your card, your access and what codes are made with are kept encrypted, under a key that only a passkey of this phone gives.',
  on: 'The lock is on. It closes after a minute out of sight.',
  off: 'The lock is off.',
  turnOn: 'Turn on',
  turnOff: 'Turn off',
  lost: 'If the passkey is deleted, the E-cert on this phone can’t be opened any more. You can recover it with your face.',
  unable:
    'The passkeys of this phone or browser give no key to encrypt with (WebAuthn PRF), so there can be no lock. Set a screen lock, or use a current browser.',
  notDone: 'That was not confirmed. Try again.',
  locked: 'The wallet is locked',
  lockedLead: 'Show that it is you.',
  unlock: 'Unlock',
  wrong: 'This is not the passkey that the lock was made with.',
  forget: 'I can’t unlock it',
  forgetText: 'The E-cert on this phone and its keys are deleted. You can recover it with your face, or enrol anew with your card.',
};
