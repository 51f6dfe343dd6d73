// What the list page needs from the program around it: links, notifications, the version.

/** The program around the list: the extension or the server's page. */
export interface Outside {
  /** Calls back with links chosen outside of the page, such as in a context menu. */
  onAddLink(listener: (link: string) => void): void;
  /** Calls back with the info hash of a torrent whose notification was clicked. */
  onShowTorrent(listener: (infoHash: string) => void): void;
  notifications: Notifications;
  /** The extension's version. Missing on the server's page. */
  version?: string;
}

/** Notifications about completed torrents. */
export interface Notifications {
  /** Whether the user has turned notifications on. */
  areOn(): Promise<boolean>;
  /**
   * Turns notifications on or off, and returns whether they are on afterwards. Must be called in a
   * click handler, because the browser may ask for permission.
   */
  turn(on: boolean): Promise<boolean>;
}
