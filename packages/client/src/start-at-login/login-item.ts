/** How a client is started at login. */
export interface LoginStart {
  /** Each client has an item of its own. */
  readonly name: string;
  readonly command: readonly string[];
}

/** Something that the system starts when its user logs in. */
export interface LoginItem {
  isOn(): Promise<boolean>;
  /** Has the system start `command`, in place of what it had from us before. Rejects where something of somebody else's has its place. */
  on(command: readonly string[]): Promise<void>;
  off(): Promise<void>;
}
