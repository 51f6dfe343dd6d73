// The subtitle files of a torrent that belong to one of its films.

import type { Host } from "../host/host";
import type { FilmView } from "../model/generated/FilmView";
import { streamUrl } from "../model/locations";
import { splitPath } from "../text/format";
import type { BesideFile } from "./subtitles/tracks";

/** The film's subtitle files with their addresses. Empty while the torrent's files are unknown. */
export function besideFiles(host: Host, infoHash: string, view: FilmView): BesideFile[] {
  const files = host.topic(`torrent/${infoHash}`)?.files ?? [];
  return (view.file?.subtitles ?? []).flatMap(({ index, language, title }) => {
    const file = files.find((candidate) => candidate.index === index);
    const url = file && streamUrl(host.link, file);
    return url
      ? [{ url, name: splitPath(file.path).name, language: language ?? undefined, title }]
      : [];
  });
}
