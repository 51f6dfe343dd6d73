// Valid views of a torrent, for tests to vary.

import type { FileView } from "../src/model/generated/FileView";
import type { PeerView } from "../src/model/generated/PeerView";
import type { Settings } from "../src/model/generated/Settings";
import type { StreamView } from "../src/model/generated/StreamView";
import type { TorrentView } from "../src/model/generated/TorrentView";
import type { WaitView } from "../src/model/generated/WaitView";

export const HASH = "0123456789abcdef0123456789abcdef01234567";

export function file(more: Partial<FileView> = {}): FileView {
  return {
    index: 0,
    path: "film.mp4",
    length: 1000,
    verified: 10,
    priority: "normal",
    contentType: "video/mp4",
    playable: true,
    url: "/stream/f?key=k",
    displaced: false,
    positionS: 0,
    durationS: null,
    watched: false,
    subtitles: [],
    ...more,
  };
}

export function torrent(more: Partial<TorrentView> = {}): TorrentView {
  return {
    infoHash: HASH,
    name: "A film",
    version: "v1",
    state: "downloading",
    undecided: false,
    queuePosition: 1,
    private: false,
    message: null,
    trouble: null,
    length: 1000,
    verified: 10,
    wanted: 1000,
    wantedVerified: 10,
    checkProgress: null,
    moveProgress: null,
    root: "downloads",
    liesAt: "A film",
    path: "/downloads/A film",
    downloaded: 12,
    uploaded: 0,
    wasted: 0,
    pieceLength: 100,
    pieceCount: 10,
    downRateBps: 0,
    upRateBps: 0,
    etaS: null,
    stalled: false,
    sharing: { downLimitBps: null, upLimitBps: null, ratioPercent: null, seedS: null },
    giving: "open",
    peers: 0,
    knownPeers: 0,
    trackers: [],
    fileCount: 1,
    next: { index: 0, name: "film.mp4", positionS: 0, resumes: false },
    choices: {},
    files: [file()],
    ...more,
  };
}

export function wait(more: Partial<WaitView> = {}): WaitView {
  return { reason: "downloading", havePieces: 1, needPieces: 4, etaMs: 2000, sources: 1, ...more };
}

export function stream(more: Partial<StreamView> = {}): StreamView {
  return { infoHash: HASH, fileIndex: 0, start: 0, end: 999, position: 0, waiting: null, ...more };
}

export function settings(more: Partial<Settings> = {}): Settings {
  return {
    downLimitBps: null,
    upLimitBps: null,
    maxConnections: 30,
    encryption: "allowed",
    tcp: true,
    utp: true,
    dht: true,
    trackers: true,
    pex: true,
    webSeeds: true,
    ratioPercent: null,
    seedS: null,
    maxDownloads: null,
    maxSeeds: null,
    startAtOnce: false,
    sharingTold: true,
    ...more,
  };
}

export function peer(more: Partial<PeerView> = {}): PeerView {
  return {
    address: "192.0.2.7:6881",
    client: "Transmission 4.0.5",
    transport: "tcp",
    encrypted: false,
    incoming: false,
    progress: 0.5,
    downRateBps: 0,
    upRateBps: 0,
    downloaded: 0,
    uploaded: 0,
    weWant: true,
    itGives: false,
    itWants: false,
    weGive: false,
    snubbing: false,
    ...more,
  };
}
