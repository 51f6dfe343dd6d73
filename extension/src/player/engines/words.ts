// The result of an inspection in words, and how to get what is needed to play the film.

import type { Container, Film, Path, Reason, TroubleKind, Verdict } from "../../media/protocol";
import { number, t } from "../../text/messages";

const CONTAINERS: Record<Exclude<Container, "other">, string> = {
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
};

/** What plays the film, or what is missing. */
const OUTCOMES: Partial<Record<Path, "ffmpeg" | "none">> = { ffmpeg: "ffmpeg", none: "none" };

/** One sentence about a film: why it is played this way, or what it needs. */
export function verdictWords(
  { path, reason }: Verdict,
  film: Pick<Film, "container" | "video" | "audio">,
): string {
  return t(
    `playerVerdict_${reason}`,
    subject(reason, film),
    t(`playerOutcome_${OUTCOMES[path] ?? "here"}`),
  );
}

/** What the sentence is about. */
function subject(
  reason: Reason,
  { container, video, audio }: Pick<Film, "container" | "video" | "audio">,
): string {
  const picture = video[0]?.name;
  const sound = nameOf(audio);
  switch (reason) {
    case "sound_transcoded":
      return (
        nameOf(audio.filter((track) => track.sound === "transcoded")) ?? t("playerUnknownCodec")
      );
    case "tracks_to_choose":
      return number(audio.length);
    case "video_codec":
      return picture ?? t("playerUnknownCodec");
    case "audio_codec":
      return sound ?? t("playerUnknownCodec");
    case "container":
      return inContainer(container, picture, sound);
    default:
      return "";
  }
}

/** The codec of the first sound track, or of the default one. */
function nameOf(audio: Film["audio"]): string | undefined {
  return (audio.find(({ isDefault }) => isDefault) ?? audio[0])?.name;
}

function inContainer(
  container: Container,
  picture: string | undefined,
  sound: string | undefined,
): string {
  const known = container === "other" ? undefined : CONTAINERS[container];
  if (picture !== undefined) return t("playerVideoIn", picture, known ?? t("playerThisContainer"));
  if (sound !== undefined) return t("playerSoundIn", sound, known ?? t("playerThisContainer"));
  return known ?? t("playerUnknownContainer");
}

/**
 * The command that installs ffmpeg. `platform` is `navigator.userAgentData.platform` or
 * `navigator.platform`.
 */
export function installCommand(platform: string): string {
  if (/^mac|^darwin/i.test(platform)) return "brew install ffmpeg";
  if (/^win/i.test(platform)) return "winget install ffmpeg";
  return "sudo apt install ffmpeg";
}

/** What went wrong while inspecting or playing a film. `detail` is the worker's own text. */
export function troubleWords(kind: TroubleKind, detail: string): string {
  switch (kind) {
    case "converter":
    case "busy":
      // These sentences come from the daemon and are made for people.
      return detail || t("playerConverterFailed");
    case "gone":
      return t("playerFileGone");
    case "unreachable":
      return t("linkLostSilent");
    case "broken":
      return `${t("playerFileBroken")} ${t("playerOtherPlayer")}`;
    case "unplayable":
      return `${t("playerFileUnplayable")} ${t("playerOtherPlayer")}`;
    case "sound":
      return `${t("playerSoundBroken")} ${t("playerOtherPlayer")}`;
  }
}

/** Whether trying again would fail in the same way. */
export function isFinal(kind: TroubleKind): boolean {
  return kind !== "unreachable" && kind !== "busy";
}

/** Whether the film may still play at other places. */
export function isOfPlace(kind: TroubleKind): boolean {
  return kind === "broken" || kind === "unplayable";
}
