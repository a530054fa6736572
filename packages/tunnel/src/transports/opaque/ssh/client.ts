import { TunnelError } from '../../../errors.ts';
import type { DrawBytes } from './draw-bytes.ts';
import {
  type Agreement,
  agreeWithClient,
  CLIENT_LISTS,
  deriveKeys,
  type Ephemeral,
  exchangeHash,
  makeEphemeral,
  makeKexInit,
  sharedSecret,
} from './key-exchange.ts';
import { PacketReader, PacketWriter, type ReadPacket } from './packets.ts';
import { MESSAGE, MessageReader, message, string } from './wire.ts';

/** How both of our ends name themselves: the OpenSSH of Debian 12. */
export const SSH_VERSION = 'SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10';

const MAX_VERSION_BYTES = 255;

/** The client's side of the handshake, as far as its last word: its NEWKEYS is still to be sent. */
export interface SshHandshakeDone {
  /** The exchange hash, which nobody else can have. */
  readonly sessionId: Buffer;
  /** NEWKEYS, and a first packet under the new keys. */
  finish(payload: Buffer): Buffer;
  /** Bytes behind the server's last message of the handshake. */
  readonly rest: Buffer;
}

/**
 * A client of SSH up to its keys, as a machine: bytes in, bytes out. It does not check whose the server's key is: the secure channel above
 * does that. Errors are `TunnelError`s or `PacketError`s.
 */
export class SshClient {
  readonly reader = new PacketReader();
  readonly writer: PacketWriter;
  readonly #init: Buffer;
  readonly #agreed: Agreement;
  readonly #ephemeral: Ephemeral = makeEphemeral();
  readonly #write: (bytes: Buffer) => void;
  #version: string | null = null;
  #early: Buffer = Buffer.alloc(0);
  #serverInit: Buffer | null = null;
  #keys: { sessionId: Buffer; secret: Buffer } | null = null;

  constructor(drawBytes: DrawBytes, write: (bytes: Buffer) => void) {
    this.#write = write;
    this.writer = new PacketWriter(drawBytes);
    this.#init = makeKexInit(CLIENT_LISTS, drawBytes);
    const agreed = agreeWithClient(this.#init);
    if (agreed === null) throw new TunnelError('violation', 'a client of SSH that agrees with nobody');
    this.#agreed = agreed;
    write(Buffer.from(`${SSH_VERSION}\r\n`));
  }

  /** Takes the next bytes of the server; what the handshake comes to, once it is over. */
  receive(bytes: Buffer): SshHandshakeDone | null {
    if (this.#version === null) {
      this.#early = Buffer.concat([this.#early, bytes]);
      const end = this.#early.indexOf('\n');
      if (end === -1 && this.#early.length < MAX_VERSION_BYTES) return null;
      this.#version = this.#early.subarray(0, Math.max(0, end)).toString('latin1').replace(/\r$/, '');
      if (!this.#version.startsWith('SSH-2.0-')) throw new TunnelError('failed', 'no server of SSH');
      this.#write(this.writer.packet(this.#init));
      this.reader.push(this.#early.subarray(end + 1));
    } else this.reader.push(bytes);
    for (let packet = this.reader.next(); packet !== null; packet = this.reader.next()) {
      const done = this.#take(packet);
      if (done !== null) return done;
    }
    return null;
  }

  #take({ payload }: ReadPacket): SshHandshakeDone | null {
    switch (payload[0]) {
      case MESSAGE.kexInit:
        this.#serverInit = payload;
        this.#write(this.writer.packet(message(MESSAGE.ecdhInit, string(this.#ephemeral.publicBytes))));
        return null;
      case MESSAGE.ecdhReply:
        this.#exchange(payload);
        return null;
      case MESSAGE.newKeys:
        this.#renewKeys();
        return null;
      case MESSAGE.extInfo:
        return this.#done();
      default:
        throw new TunnelError('failed', 'the server of SSH says something else');
    }
  }

  #exchange(payload: Buffer): void {
    const message = new MessageReader(payload);
    const hostKey = message.string();
    const serverPublic = message.string();
    const secret = sharedSecret(this.#ephemeral, serverPublic);
    if (secret === null || this.#serverInit === null) throw new TunnelError('failed', 'no key was agreed on');
    const sessionId = exchangeHash({
      clientVersion: SSH_VERSION,
      serverVersion: this.#version ?? '',
      clientInit: this.#init,
      serverInit: this.#serverInit,
      hostKey,
      clientPublic: this.#ephemeral.publicBytes,
      serverPublic,
      secret,
    });
    this.#keys = { sessionId, secret };
  }

  #renewKeys(): void {
    if (this.#keys === null) throw new TunnelError('failed', 'no key was agreed on');
    const { server } = deriveKeys(this.#keys.secret, this.#keys.sessionId, this.#agreed);
    this.reader.seal(server, this.#agreed.isStrict);
  }

  #done(): SshHandshakeDone {
    const keys = this.#keys;
    if (keys === null) throw new TunnelError('failed', 'no key was agreed on');
    const { client } = deriveKeys(keys.secret, keys.sessionId, this.#agreed);
    return {
      sessionId: keys.sessionId,
      rest: this.reader.rest,
      finish: (payload) => {
        const newKeys = this.writer.packet(message(MESSAGE.newKeys));
        this.writer.seal(client, this.#agreed.isStrict);
        return Buffer.concat([newKeys, this.writer.packet(payload)]);
      },
    };
  }
}
