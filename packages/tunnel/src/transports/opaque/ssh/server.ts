import { TunnelError } from '../../../errors.ts';
import { SSH_VERSION } from './client.ts';
import type { DrawBytes } from './draw-bytes.ts';
import {
  type Agreement,
  agreeWithClient,
  deriveKeys,
  exchangeHash,
  type HostKey,
  makeEphemeral,
  makeKexInit,
  SERVER_LISTS,
  sharedSecret,
} from './key-exchange.ts';
import { PacketError, PacketReader, PacketWriter, type ReadPacket } from './packets.ts';
import { type Auth, startAuth } from './userauth.ts';
import { MESSAGE, MessageReader, message, PROTOCOL_ERROR, string, uint32 } from './wire.ts';

/** What a server of SSH does to its connection. */
export interface SshServerActions {
  write(bytes: Buffer): void;
  /** Ends it as sshd's exit does: `hasUnread`: bytes had come that it never read. */
  close(hasUnread: boolean): void;
  /** An IGNORE message has come whose data is the client's; true ends this server's part, with `rest` behind the message. */
  onIgnore(data: Buffer, sessionId: Buffer, rest: Buffer): boolean;
  later(delayMs: number, act: () => void): void;
}

/** Signature algorithms that OpenSSH 9.2 says it takes (RFC 8308 §3.1), and its extension of publickey. */
const SIGNATURES =
  'ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,' +
  'sk-ecdsa-sha2-nistp256@openssh.com,webauthn-sk-ecdsa-sha2-nistp256@openssh.com,ssh-dss,ssh-rsa,rsa-sha2-256,rsa-sha2-512';
const EXT_INFO = message(
  MESSAGE.extInfo,
  uint32(2),
  ...[string('server-sig-algs'), string(SIGNATURES)],
  ...[string('publickey-hostbound@openssh.com'), string('0')],
);

const MAX_VERSION_BYTES = 8192;
const NOT_SSH = 'Invalid SSH identification string.\r\n';
const OTHER_MAJOR = 'Protocol major versions differ.\r\n';
const LEAST_MESSAGE = 1;
const LOCAL_MESSAGES = 192;
const LF = 0x0a;
const CR = 0x0d;

/**
 * A server of SSH that lets nobody in, as a machine. It answers as OpenSSH's `sshd` of Debian 12 with the settings of `SERVER_LISTS` and keys as the
 * only way in.
 */
export class SshServer {
  readonly #actions: SshServerActions;
  readonly #hostKey: HostKey;
  readonly #reader = new PacketReader();
  readonly #writer: PacketWriter;
  readonly #init: Buffer;
  #line: Buffer = Buffer.alloc(0);
  #clientVersion: string | null = null;
  #clientInit: Buffer | null = null;
  #agreed: Agreement | null = null;
  #skips = false;
  #secret: Buffer | null = null;
  #sessionId: Buffer | null = null;
  #auth: Auth | null = null;
  #isOver = false;
  /** An answer takes its time, and nothing is read meanwhile. */
  #isBusy = false;

  constructor(hostKey: HostKey, drawBytes: DrawBytes, actions: SshServerActions) {
    this.#hostKey = hostKey;
    this.#actions = actions;
    this.#writer = new PacketWriter(drawBytes);
    this.#init = makeKexInit(SERVER_LISTS, drawBytes);
    actions.write(Buffer.from(`${SSH_VERSION}\r\n`));
  }

  receive(bytes: Buffer): void {
    if (this.#isOver) return;
    if (this.#clientVersion === null) this.#readVersion(bytes);
    else this.#reader.push(bytes);
    this.#readPackets();
  }

  /** Goes on after its part was over, because what took it did not want it. */
  resume(bytes: Buffer): void {
    this.#isOver = false;
    this.receive(bytes);
  }

  end(): void {
    this.#stop(false);
  }

  #stop(hasUnread: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#actions.close(hasUnread);
  }

  #refuseVersion(text: string, hasUnread: boolean): void {
    this.#actions.write(Buffer.from(text));
    this.#stop(hasUnread);
  }

  /** sshd reads it byte by byte, and what it has not read when it goes makes the kernel reset the connection. */
  #readVersion(bytes: Buffer): void {
    const start = this.#line.length;
    const line = Buffer.concat([this.#line, bytes]);
    this.#line = line;
    for (let at = start; at < line.length; at += 1) {
      const byte = line[at];
      const hasMore = at + 1 < line.length;
      if (byte === LF) {
        this.#judgeVersion(line.subarray(0, at).toString('latin1').replace(/\r$/, ''), hasMore);
        if (!this.#isOver) this.#reader.push(line.subarray(at + 1));
        return;
      }
      if (byte === 0 || (at > 0 && line[at - 1] === CR) || at >= MAX_VERSION_BYTES) {
        this.#refuseVersion(NOT_SSH, hasMore);
        return;
      }
    }
  }

  #judgeVersion(line: string, hasMore: boolean): void {
    const parts = /^SSH-(\d+)\.(\d+)-(.+)/.exec(line);
    const [, major, minor] = parts ?? [];
    if (parts === null) this.#refuseVersion(NOT_SSH, hasMore);
    else if (major === '2' || (major === '1' && minor === '99')) {
      this.#clientVersion = line;
      this.#actions.write(this.#writer.packet(this.#init));
    } else this.#refuseVersion(OTHER_MAJOR, hasMore);
  }

  #readPackets(): void {
    try {
      while (!this.#isOver && !this.#isBusy && this.#clientVersion !== null) {
        const packet = this.#reader.next();
        if (packet === null) return;
        this.#take(packet);
      }
    } catch (error) {
      if (!(error instanceof PacketError) && !(error instanceof TunnelError)) throw error;
      // sshd means to say "Packet corrupt" first, and is gone before it does.
      this.#stop(false);
    }
  }

  #send(payload: Buffer): void {
    this.#actions.write(this.#writer.packet(payload));
  }

  #disconnect(text: string): void {
    this.#send(message(MESSAGE.disconnect, uint32(PROTOCOL_ERROR), string(text), string('')));
    this.#stop(false);
  }

  #take({ payload, sequence }: ReadPacket): void {
    const type = payload[0] ?? 0;
    if (this.#skips) {
      this.#skips = false;
      return;
    }
    if (type < LEAST_MESSAGE || type >= LOCAL_MESSAGES) {
      if (this.#auth === null) this.#stop(false);
      else this.#disconnect(`Invalid ssh2 packet type: ${type}`);
    } else if (type === MESSAGE.disconnect) this.#stop(false);
    else if (type === MESSAGE.ignore && this.#sessionId !== null && this.#auth !== null) this.#ignore(payload);
    else if (type === MESSAGE.ignore || type === MESSAGE.debug || type === MESSAGE.unimplemented) this.#pass();
    else if (!this.#takeKex(type, payload)) this.#takeOther(type, payload, sequence);
  }

  /** Under "strict KEX" nothing may come between the messages of the first exchange. */
  #pass(): void {
    if (this.#auth === null && this.#agreed?.isStrict === true) this.#stop(false);
  }

  #ignore(payload: Buffer): void {
    const data = new MessageReader(payload).string();
    if (this.#sessionId === null) return;
    this.#isOver = this.#actions.onIgnore(data, this.#sessionId, this.#reader.rest);
    if (this.#isOver) this.#reader.clear();
  }

  #takeOther(type: number, payload: Buffer, sequence: number): void {
    if (this.#auth === null) {
      if (this.#agreed?.isStrict === true) this.#stop(false);
      else this.#send(message(MESSAGE.unimplemented, uint32(sequence)));
    } else if (!this.#auth.take(type, payload)) this.#send(message(MESSAGE.unimplemented, uint32(sequence)));
  }

  #takeKex(type: number, payload: Buffer): boolean {
    if (this.#auth !== null) return false;
    if (type === MESSAGE.kexInit && this.#clientInit === null) {
      this.#clientInit = payload;
      this.#agreed = agreeWithClient(payload);
      this.#skips = this.#agreed?.skipsGuess ?? false;
      if (this.#agreed === null) this.#stop(false);
      return true;
    }
    if (type === MESSAGE.ecdhInit && this.#agreed !== null && this.#secret === null) {
      this.#exchange(new MessageReader(payload).string(), this.#agreed);
      return true;
    }
    if (type === MESSAGE.newKeys && this.#secret !== null && this.#sessionId !== null && this.#agreed !== null) {
      this.#reader.seal(deriveKeys(this.#secret, this.#sessionId, this.#agreed).client, this.#agreed.isStrict);
      this.#auth = startAuth({
        send: (answer) => this.#send(answer),
        disconnect: (text) => this.#disconnect(text),
        later: (delayMs, act) => this.#later(delayMs, act),
      });
      return true;
    }
    return false;
  }

  #later(delayMs: number, act: () => void): void {
    this.#isBusy = true;
    this.#actions.later(delayMs, () => {
      this.#isBusy = false;
      act();
      this.#readPackets();
    });
  }

  #exchange(clientPublic: Buffer, agreed: Agreement): void {
    const ephemeral = makeEphemeral();
    const secret = sharedSecret(ephemeral, clientPublic);
    if (secret === null) {
      this.#stop(false);
      return;
    }
    const sessionId = exchangeHash({
      clientVersion: this.#clientVersion ?? '',
      serverVersion: SSH_VERSION,
      clientInit: this.#clientInit ?? Buffer.alloc(0),
      serverInit: this.#init,
      hostKey: this.#hostKey.blob,
      clientPublic,
      serverPublic: ephemeral.publicBytes,
      secret,
    });
    this.#secret = secret;
    this.#sessionId = sessionId;
    const reply = message(
      MESSAGE.ecdhReply,
      string(this.#hostKey.blob),
      string(ephemeral.publicBytes),
      string(this.#hostKey.sign(sessionId)),
    );
    const packets = [this.#writer.packet(reply), this.#writer.packet(message(MESSAGE.newKeys))];
    this.#writer.seal(deriveKeys(secret, sessionId, agreed).server, agreed.isStrict);
    if (agreed.wantsExtInfo) packets.push(this.#writer.packet(EXT_INFO));
    this.#actions.write(Buffer.concat(packets));
  }
}
