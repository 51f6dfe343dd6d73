// Made-up states of the engine, for pictures and tests of the pages.

const hash = (number) => number.toString(16).padStart(40, "0");
const MB = 1e6;
const GB = 1e9;

/** The file that the play button opens. */
const next = (files) => {
  const file =
    files.find((candidate) => candidate.positionS > 0) ??
    files.find((candidate) => candidate.playable);
  return file
    ? {
        index: file.index,
        name: file.path.split("/").at(-1),
        positionS: file.positionS,
        resumes: file.positionS > 0,
      }
    : null;
};

export function file(index, path, length, share, contentType) {
  const playable = /^(video|audio)/.test(contentType);
  return {
    index,
    path,
    length,
    verified: Math.floor(length * share),
    priority: "normal",
    contentType,
    playable,
    url: `/stream/${hash(index)}?key=k`,
    displaced: false,
    positionS: 0,
    durationS: null,
    watched: false,
    subtitles: [],
  };
}

export function torrent(number, name, state, share, more = {}) {
  const files = more.files ?? [file(0, `${name}.mp4`, 1.4 * GB, share, "video/mp4")];
  const length = files.reduce((sum, one) => sum + one.length, 0);
  const chosen = files.filter((one) => one.priority !== "skip");
  return {
    infoHash: hash(number),
    name,
    version: "v1",
    state,
    message: null,
    length,
    verified: files.reduce((sum, one) => sum + one.verified, 0),
    wanted: chosen.reduce((sum, one) => sum + one.length, 0),
    wantedVerified: chosen.reduce((sum, one) => sum + one.verified, 0),
    checkProgress: state === "checking" ? share : null,
    moveProgress: null,
    root: "downloads",
    liesAt: `films/${name}`,
    path: `/home/user/Downloads/JSTorrent/films/${name}`,
    downloaded: Math.floor(length * share),
    uploaded: 0,
    wasted: 0,
    pieceLength: 1048576,
    pieceCount: Math.ceil(length / 1048576),
    trouble: null,
    etaS: null,
    stalled: false,
    downRateBps: 0,
    upRateBps: 0,
    sharing: { downLimitBps: null, upLimitBps: null, ratioPercent: null, seedS: null },
    giving: "open",
    undecided: false,
    queuePosition: number,
    private: false,
    peers: 0,
    knownPeers: 0,
    trackers: [],
    fileCount: files.length,
    next: next(files),
    choices: {},
    ...more,
    files,
  };
}

const series = [
  file(0, "The Long Night/Season 1/01 – First light.mkv", 731 * MB, 1, "video/x-matroska"),
  file(1, "The Long Night/Season 1/02 – Harbour.mkv", 688 * MB, 0.42, "video/x-matroska"),
  file(
    2,
    "The Long Night/Season 1/03 – A rather long title that goes on and on until nobody reads it " +
      "any more, not even here.mkv",
    702 * MB,
    0,
    "video/x-matroska",
  ),
  file(3, "The Long Night/Extras/Soundtrack.flac", 214 * MB, 0.1, "audio/flac"),
  file(4, "The Long Night/readme.txt", 1843, 1, "text/plain"),
  file(5, "The Long Night/Season 1/02 – Harbour.de.srt", 41_000, 1, "application/x-subrip"),
  file(6, "The Long Night/Season 1/02 – Harbour.en.srt", 39_000, 1, "application/x-subrip"),
];

series[0].watched = true;
Object.assign(series[1], {
  positionS: 1312,
  durationS: 3120,
  subtitles: [
    { index: 5, language: "de", title: "" },
    { index: 6, language: "en", title: "" },
  ],
});
series[0].priority = "high";
series[2].priority = series[3].priority = "skip";

const tracker = (url, state, more = {}) => ({
  url,
  tier: 0,
  state,
  nextAnnounceS: 1200,
  seeders: null,
  leechers: null,
  message: null,
  ...more,
});
const trackers = [
  tracker("https://tracker.example.org/announce", "working", { seeders: 41, leechers: 12 }),
  tracker("udp://tracker.example.net:6969/announce", "failing", {
    message: "timed out",
    says: { code: "tracker_failed", why: { kind: "timeout", text: "timed out" } },
  }),
];
/** The peers of the first torrent. */
const peers = ["Transmission 4.0.5", "qBittorrent 4.6.3", null].map((client, at) => ({
  address: at === 1 ? "[2001:db8::7:1]:51413" : `203.0.113.${7 + at}:6881`,
  client,
  transport: at === 1 ? "utp" : "tcp",
  encrypted: at !== 2,
  incoming: at === 2,
  progress: 1 - at * 0.3,
  downRateBps: at === 2 ? 0 : 3.4 * MB,
  upRateBps: at === 0 ? 0 : 120_000,
  downloaded: 0,
  uploaded: 0,
  weWant: true,
  itGives: true,
  itWants: false,
  weGive: false,
  snubbing: at === 2,
}));

const few = [
  torrent(1, "The Long Night, Season 1", "downloading", 0.42, {
    files: series,
    trackers,
    downRateBps: 8.4 * MB,
    etaS: 48,
    peers: 23,
    knownPeers: 61,
  }),
  torrent(2, "Sintel (2010) 2K", "downloading", 0.07, {
    downRateBps: 940_000,
    etaS: 1380,
    peers: 4,
    knownPeers: 4,
  }),
  torrent(
    3,
    "Night of the Living Dead, restored by the community, with commentary, subtitles in forty " +
      "languages and a second disc",
    "complete",
    1,
    { peers: 2 },
  ),
  torrent(4, "מסע אל הירח – הסרט המלא", "paused", 0.63),
  torrent(5, "Big Buck Bunny", "checking", 0.35),
  torrent(6, "Cosmos Laundromat", "error", 0.18, {
    trouble: "disk_full",
    message: "The disk is full. Free some space; it continues automatically.",
    says: { code: "disk_full" },
  }),
];

const bare = { files: [], pieceCount: 0, pieceLength: 0 };
const magnets = [
  torrent(11, "Sintel (2010) 2K", "metadata", 0, {
    ...bare,
    message: "Getting the description: 3 of 17 parts",
    says: { code: "getting_description", have: 3, all: 17 },
    peers: 4,
    knownPeers: 31,
  }),
  torrent(12, hash(0xbeef), "metadata", 0, {
    ...bare,
    message: "This link names no tracker that can be asked and no peer. Add a peer by hand.",
    says: { code: "no_peers_in_link" },
  }),
  torrent(13, "Tears of Steel", "paused", 0, bare),
  torrent(14, "Elephants Dream", "error", 0, {
    ...bare,
    message: "No peer sent this torrent’s description; it was tried 3 times for 90 s.",
    says: { code: "not_described", tries: 3, seconds: 90 },
  }),
  ...few.slice(1, 2),
];

const portMapping = {
  state: "mapped",
  port: 51413,
  address: "203.0.113.7",
  by: "upnp",
  message: null,
};
const settings = {
  downLimitBps: 2_500_000,
  upLimitBps: null,
  maxConnections: 30,
  encryption: "preferred",
  tcp: true,
  utp: true,
  dht: true,
  trackers: true,
  pex: true,
  webSeeds: false,
  ratioPercent: 150,
  seedS: null,
  maxDownloads: 3,
  maxSeeds: null,
  startAtOnce: false,
  sharingTold: true,
};

/** The part of the state that belongs to no torrent. */
export const world = {
  roots: [
    {
      key: "downloads",
      label: "Downloads",
      path: "/home/user/Downloads/JSTorrent",
      freeBytes: 212 * GB,
      totalBytes: 500 * GB,
    },
    {
      key: "disk",
      label: "Big disk",
      path: "/mnt/big disk",
      freeBytes: 3_100 * GB,
      totalBytes: 4_000 * GB,
    },
  ],
  listenPort: 51413,
  portMapping,
  settings,
  notices: [],
  removed: [],
  folders: true,
};

const connected = { kind: "connected", baseUrl: "http://127.0.0.1:1", version: "0.1.0" };
const state = (link, torrents, streams = [], notices = [], removed = []) => ({
  link,
  peers,
  snapshot: {
    torrents,
    streams,
    ...world,
    notices,
    removed,
  },
});

const many = Array.from({ length: 500 }, (_, index) =>
  torrent(
    index + 1,
    `Torrent number ${index + 1}`,
    index % 3 ? "downloading" : "complete",
    index % 3 ? (index % 97) / 97 : 1,
    {
      peers: index % 40,
      downRateBps: (index % 7) * 100_000,
    },
  ),
);
const heap = torrent(1, "Two thousand recordings", "downloading", 0.5, {
  files: Array.from({ length: 2000 }, (_, index) =>
    file(
      index,
      `Recordings/${1900 + (index % 90)}/Take ${index}.ogg`,
      9 * MB,
      (index % 11) / 10,
      "audio/ogg",
    ),
  ),
  peers: 9,
});

// Another file already had the name of one episode.
const taken = series.map((one, at) => ({
  ...one,
  displaced: at === 1,
  path: at === 1 ? one.path.replace(".mkv", " (2).mkv") : one.path,
}));
const unsaved = [
  {
    kind: "not_saved",
    message:
      "The list of torrents and the settings can’t be saved: no space left on device. Changes " +
      "are kept in memory and saved as soon as that works. They are lost if the program " +
      "ends first.",
    says: { code: "not_saved", detail: "no space left on device" },
  },
];

// Rare states: no file chosen, queued, seeded up to its limits, an old film, an archive.
const rare = [
  torrent(21, "Nothing of this", "complete", 0, {
    files: series.map((one) => ({ ...one, priority: "skip" })),
  }),
  torrent(22, "A film that waits for its turn", "queued", 0.2, {
    message: "Waiting for its turn",
    says: { code: "queued" },
    giving: "queued",
  }),
  torrent(23, "A film that has been seeded enough", "complete", 1, {
    giving: "sated",
    uploaded: 2.8 * GB,
  }),
  torrent(24, "An old film", "downloading", 0.2, {
    files: [file(0, "An old film.avi", 700 * MB, 0.2, "video/x-msvideo")],
    peers: 2,
  }),
  torrent(25, "Packed", "complete", 1, {
    files: [file(0, "film.rar", 700 * MB, 1, "application/vnd.rar")],
    peers: 1,
    upRateBps: 90_000,
  }),
  torrent(26, "Nobody has it", "downloading", 0, {
    message: "Looking for peers",
    says: { code: "looking_for_peers" },
  }),
];
// A torrent that was just added. The user has not decided yet, so only the beginning is downloaded.
const fresh = series.map((one) => ({
  ...one,
  priority: "normal",
  verified: one.index === 0 ? 2 * MB : 0,
}));
const added = torrent(1, "The Long Night, Season 1", "downloading", 0, {
  files: fresh,
  undecided: true,
  peers: 12,
});
const adding = (free) => {
  const asked = state(connected, [added, ...few.slice(1, 3)]);
  asked.snapshot.roots = [{ ...world.roots[0], freeBytes: free }, world.roots[1]];
  return asked;
};
const firstUse = state(connected, few.slice(1, 3));
firstUse.snapshot.settings = { ...settings, sharingTold: false };
const space = [
  {
    kind: "space",
    message:
      "The downloads into “Downloads” need 40 GB more, and 12 GB are free. " +
      "Free some space, or choose fewer files.",
    says: {
      code: "needs_space",
      folder: "Downloads",
      neededBytes: 40 * GB,
      freeBytes: 12 * GB,
    },
    space: { root: "downloads", neededBytes: 40 * GB, freeBytes: 12 * GB },
  },
];

const removed = [
  {
    infoHash: hash(21),
    name: "The Long Night, Season 1",
    undoS: 8,
    deleteData: true,
    message: null,
  },
  {
    infoHash: hash(22),
    name: "A film with a rather long name that does not fit into one line of a narrow window",
    undoS: 3,
    deleteData: false,
    message: null,
  },
  {
    infoHash: hash(23),
    name: "Recordings",
    undoS: 0,
    deleteData: true,
    message: "“Recordings/a.mkv” was not deleted: it is not the file that was downloaded.",
    says: { code: "spared", name: "Recordings/a.mkv", others: 0 },
  },
];

/** Scenes of the list page. `open` expands the first torrent. */
export const appScenes = {
  list: { state: state(connected, few) },
  season: { state: state(connected, few), open: true },
  open: { state: state(connected, few), open: true, details: true },
  selected: { state: state(connected, few), select: 2 },
  rare: { state: state(connected, rare) },
  displaced: {
    state: state(connected, [
      torrent(1, "The Long Night, Season 1", "downloading", 0.42, { files: taken }),
      ...few.slice(1),
    ]),
    open: true,
    details: true,
  },
  unsaved: { state: state(connected, few.slice(0, 3), [], unsaved) },
  empty: { state: state(connected, []) },
  nohost: { state: state({ kind: "down", cause: "no_host", message: "" }, []) },
  gone: {
    state: state(
      { kind: "down", cause: "unreachable", message: "The daemon does not answer." },
      few,
    ),
  },
  superseded: { state: state({ kind: "superseded" }, few.slice(0, 2)) },
  many: { state: state(connected, many) },
  heap: { state: state(connected, [heap]), open: true },
  notes: { state: state(connected, few.slice(1, 3)), notes: true },
  remove: { state: state(connected, few), remove: true },
  settings: { state: state(connected, few), settings: {} },
  settingsbelow: { state: state(connected, few), settings: {}, below: true },
  settingsfolder: { state: state(connected, few), settings: { folder: "/mnt/films" } },
  settingsleaving: { state: state(connected, few), settings: {}, typed: "5", leave: true },
  removed: { state: state(connected, few, [], [], removed) },
  settingswrong: { state: state(connected, few), settings: { download: "fast" } },
  adding: { state: adding(240 * GB), decide: true },
  addingshort: { state: adding(1.9 * GB), decide: true },
  firstuse: { state: firstUse },
  space: { state: state(connected, few.slice(0, 2), [], space) },
  report: { state: state(connected, few.slice(1, 3)), report: true },
  drop: { state: state(connected, few), drop: true },
  magnets: { state: state(connected, magnets) },
  magnetopen: { state: state(connected, magnets), open: true },
  linkfield: { state: state(connected, few.slice(1, 3)), link: "" },
  linkwrong: { state: state(connected, few.slice(1, 3)), link: "ftp://example.org/film.torrent" },
  linkrefused: {
    state: state(connected, few.slice(1, 3)),
    paste: "https://example.org/films/A%20film.torrent",
  },
};

const wait = { reason: "downloading", havePieces: 1, needPieces: 4, etaMs: 2100, sources: 3 };
const stream = (waiting) => [
  { infoHash: hash(1), fileIndex: 1, start: 0, end: 1, position: 0, waiting },
];

/** Scenes of the player page. `film` tells whether a real film is shown. */
export const playerScenes = {
  playing: { film: true, state: state(connected, few, stream(null)) },
  subtitles: { film: true, state: state(connected, few, stream(null)), choose: "English" },
  menu: { film: true, state: state(connected, few, stream(null)), choose: "English", menu: true },
  nextcard: { film: true, state: state(connected, few, stream(null)), ends: true },
  waiting: { film: false, state: state(connected, few, stream(wait)) },
  nopeers: { film: false, state: state(connected, few, stream({ ...wait, reason: "no_peers" })) },
  gone: { film: true, state: state({ kind: "connecting" }, few) },
  missing: { film: false, state: state(connected, []) },
};
