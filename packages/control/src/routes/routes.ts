import type { Route } from '../http/route.ts';
import { addAccount } from './accounts/add.ts';
import { disableAccount } from './accounts/disable.ts';
import { linkAccount } from './accounts/link.ts';
import { listAccounts } from './accounts/list.ts';
import { listAudit } from './audit.ts';
import { addChannel } from './channels/add.ts';
import { channelBrand } from './channels/brand.ts';
import { listChannels } from './channels/list.ts';
import { removeChannel } from './channels/remove.ts';
import { rotateBucket } from './channels/rotate-bucket.ts';
import { showChannel } from './channels/show.ts';
import { addEnrolment } from './enrolment/add.ts';
import { listEnrolments } from './enrolment/list.ts';
import { removeEnrolment } from './enrolment/remove.ts';
import { renewEnrolment } from './enrolment/renew.ts';
import { health } from './health.ts';
import { loginByLink } from './login/link.ts';
import { logout } from './login/logout.ts';
import { loginByPasskey } from './login/passkey.ts';
import { passkeyChallenge } from './login/passkey-challenge.ts';
import { loginByPassword } from './login/password.ts';
import { newPasskey } from './me/passkey.ts';
import { newPasskeyChallenge } from './me/passkey-challenge.ts';
import { setPassword } from './me/password.ts';
import { showMe } from './me/show.ts';
import { newTotp } from './me/totp.ts';
import { setNetwork } from './network/set.ts';
import { showNetwork } from './network/show.ts';
import { showPublication } from './publication.ts';
import { burnRelay } from './relays/burn.ts';
import { discoverRelay } from './relays/discover.ts';
import { drainRelay } from './relays/drain.ts';
import { enrolRelay } from './relays/enrol.ts';
import { relayEntry } from './relays/entry.ts';
import { hideRelay } from './relays/hide.ts';
import { joinRelay } from './relays/join-channel.ts';
import { leaveRelay } from './relays/leave-channel.ts';
import { listRelays } from './relays/list.ts';
import { ownCredential } from './relays/own-credential.ts';
import { ownKeys } from './relays/own-keys.ts';
import { ownSettings } from './relays/own-settings.ts';
import { reportRelay } from './relays/report.ts';
import { retireRelay } from './relays/retire.ts';
import { rotateSecret } from './relays/rotate-secret.ts';
import { serveRelay } from './relays/serve.ts';
import { showRelay } from './relays/show.ts';
import { noteTest } from './relays/test-result.ts';
import { unburnRelay } from './relays/unburn.ts';
import { addToken } from './tokens/add.ts';
import { listTokens } from './tokens/list.ts';
import { removeToken } from './tokens/remove.ts';

/** All that a control plane answers, `/openapi.json` apart. */
export const ROUTES: readonly Route[] = [
  health,
  loginByLink,
  loginByPassword,
  passkeyChallenge,
  loginByPasskey,
  logout,
  showMe,
  newTotp,
  setPassword,
  newPasskeyChallenge,
  newPasskey,
  listAccounts,
  addAccount,
  linkAccount,
  disableAccount,
  listTokens,
  addToken,
  removeToken,
  listAudit,
  showNetwork,
  setNetwork,
  showPublication,
  listChannels,
  addChannel,
  showChannel,
  removeChannel,
  rotateBucket,
  channelBrand,
  listEnrolments,
  addEnrolment,
  removeEnrolment,
  renewEnrolment,
  enrolRelay,
  reportRelay,
  ownSettings,
  ownCredential,
  ownKeys,
  listRelays,
  showRelay,
  noteTest,
  serveRelay,
  discoverRelay,
  hideRelay,
  drainRelay,
  retireRelay,
  burnRelay,
  unburnRelay,
  joinRelay,
  leaveRelay,
  rotateSecret,
  relayEntry,
];
