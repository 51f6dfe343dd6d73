// How a film is named: a torrent and the index of a file in it.

/** A file of a torrent. */
export interface FilmName {
  infoHash: string;
  index: number;
}

/** The topic of a film. */
export function topicOf({ infoHash, index }: FilmName): `film/${string}/${number}` {
  return `film/${infoHash}/${index}`;
}
