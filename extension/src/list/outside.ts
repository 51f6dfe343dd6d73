// What the list knows of the world around its page: what a person chose elsewhere, and
// notifications.

/** The world around the list. */
export interface Outside {
  /** Calls back with links that were chosen elsewhere. */
  onAddLink(listener: (link: string) => void): void;
  /** Calls back with the torrent whose notification was clicked. */
  onShowTorrent(listener: (infoHash: string) => void): void;
  notifications: Notifications;
  /** The version of the extension, in the extension. */
  version?: string;
}

/** Notifications of torrents that became complete. */
export interface Notifications {
  /** Whether a person wants them. */
  areOn(): Promise<boolean>;
  /** Turns them on, for which the browser asks the person, or off; whether they are on afterwards. To be called while a click is handled. */
  turn(on: boolean): Promise<boolean>;
}
