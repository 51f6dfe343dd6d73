// What an inspection found, in a sentence for a person, and how to get what it takes to play the film.

import type { Container, Film, Path, Reason, TroubleKind, Verdict } from "../../media/protocol";

const ELSEWHERE = "VLC or mpv will play it: copy the stream address below.";

const CONTAINERS: Record<Container, string> = {
  matroska: "Matroska",
  webm: "WebM",
  mp4: "MP4",
  mpegts: "MPEG-TS",
  avi: "AVI",
  flv: "FLV",
  asf: "WMV",
  mpegps: "MPEG",
  ogg: "Ogg",
  flac: "FLAC",
  wav: "WAV",
  mp3: "MP3",
  aac: "AAC",
  other: "this container",
};

/** Who does what is missing. */
const NEEDS: Partial<Record<Path, string>> = { ffmpeg: "needs ffmpeg", none: "can’t be played" };

/** One sentence about a film: why it is played as it is, or what it takes to play it. */
export function verdictWords({ path, reason }: Verdict, film: Pick<Film, "container" | "video" | "audio">): string {
  const outcome = NEEDS[path] ?? "plays here";
  const picture = film.video[0]?.name;
  const sound = (film.audio.find(({ isDefault }) => isDefault) ?? film.audio[0])?.name;
  const decoded = film.audio.filter((track) => track.sound === "transcoded");
  const words: Record<Reason, string> = {
    plays_as_is: "Plays as it is.",
    sound_transcoded: `${(decoded.find(({ isDefault }) => isDefault) ?? decoded[0])?.name ?? "Its"} sound: decoded here.`,
    tracks_to_choose: `${film.audio.length} sound tracks: plays here.`,
    subtitles_inside: "Subtitles inside: plays here.",
    container: `${inContainer(film.container, picture, sound)}: ${outcome}.`,
    video_codec: `${picture ?? "Its"} video: ${outcome}.`,
    audio_codec: `${sound ?? "Its"} sound: ${outcome}.`,
    encrypted: "Encrypted: can’t be played.",
    no_streams: "Neither picture nor sound in it: can’t be played.",
    empty: "Empty: can’t be played.",
    broken: "Damaged: can’t be played.",
    not_media: "Not a film: can’t be played.",
  };
  return words[reason];
}

function inContainer(container: Container, picture: string | undefined, sound: string | undefined): string {
  if (picture !== undefined) return `${picture} video in ${CONTAINERS[container]}`;
  if (sound !== undefined) return `${sound} sound in ${CONTAINERS[container]}`;
  return container === "other" ? "A container that Chrome doesn’t know" : CONTAINERS[container];
}

/** The command that gets ffmpeg on a platform, as `navigator.userAgentData.platform` or `navigator.platform` names it. */
export function installCommand(platform: string): string {
  if (/^mac|^darwin/i.test(platform)) return "brew install ffmpeg";
  if (/^win/i.test(platform)) return "winget install ffmpeg";
  return "sudo apt install ffmpeg";
}

/** What went wrong while a film was looked into or played; `detail` is the worker's own word for it. */
export function troubleWords(kind: TroubleKind, detail: string): string {
  const words: Record<TroubleKind, string> = {
    // These sentences are the daemon's, and made for people.
    converter: detail,
    busy: detail,
    gone: "The file is no longer where it was.",
    unreachable: "The daemon does not answer.",
    broken: `This file is damaged. ${ELSEWHERE}`,
    unplayable: `Chrome can’t play this file. ${ELSEWHERE}`,
    sound: `The sound of this film can’t be decoded. ${ELSEWHERE}`,
  };
  return words[kind];
}

/** Whether trying again would end the same way. */
export function isFinal(kind: TroubleKind): boolean {
  return kind !== "unreachable" && kind !== "busy";
}
