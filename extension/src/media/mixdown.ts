// Mixes any channel layout down to stereo. Mono and stereo stay as they are.
//
// Channels are in FFmpeg's order: FL FR FC LFE, then back and side channels. The LFE is left out,
// as usual.

import type { Codec } from "./film";

/** What a channel is for. */
export type Role = "L" | "R" | "C" | "LFE" | "BC" | "SL" | "SR";

const HALF_POWER = Math.SQRT1_2;
/** Samples louder than this are compressed towards 1 instead of clipped. */
const KNEE = 0.8;

const WEIGHTS: Record<Role, readonly [number, number]> = {
  L: [1, 0],
  R: [0, 1],
  C: [HALF_POWER, HALF_POWER],
  LFE: [0, 0],
  BC: [0.5, 0.5],
  SL: [HALF_POWER, 0],
  SR: [0, HALF_POWER],
};

/** The default roles for a number of channels. */
const USUAL: readonly (readonly Role[])[] = [
  [],
  ["C"],
  ["L", "R"],
  ["L", "R", "C"],
  ["L", "R", "SL", "SR"],
  ["L", "R", "C", "SL", "SR"],
  ["L", "R", "C", "LFE", "SL", "SR"],
  ["L", "R", "C", "LFE", "BC", "SL", "SR"],
  ["L", "R", "C", "LFE", "SL", "SR", "SL", "SR"],
];

/** The layout in a frame's head, if it has `count` channels. */
export function rolesOf(codec: Codec, frame: Uint8Array, count: number): readonly Role[] {
  const inHead =
    codec === "dts" ? dts(frame) : codec === "ac3" || codec === "eac3" ? ac3(frame) : undefined;
  return inHead?.length === count
    ? inHead
    : (USUAL[count] ?? [...USUAL[8]!, ...new Array<Role>(Math.max(0, count - 8)).fill("LFE")]);
}

function layout(centre: boolean, lfe: boolean, back: readonly Role[]): Role[] {
  return ["L", "R", ...(centre ? ["C" as const] : []), ...(lfe ? ["LFE" as const] : []), ...back];
}

/** ETSI TS 102 366, 4.3 and annex E.1.2. */
function ac3(frame: Uint8Array): Role[] | undefined {
  if (frame.length < 8 || frame[0] !== 0x0b || frame[1] !== 0x77) return undefined;
  const version = frame[5]! >> 3;
  let mode: number;
  let lfe: boolean;
  if (version > 10) {
    mode = (frame[4]! >> 1) & 7;
    lfe = (frame[4]! & 1) !== 0;
  } else {
    mode = frame[6]! >> 5;
    // The mix levels before the LFE's bit depend on the mode.
    const skipped =
      ((mode & 1) !== 0 && mode !== 1 ? 2 : 0) + ((mode & 4) !== 0 ? 2 : 0) + (mode === 2 ? 2 : 0);
    const at = 51 + skipped;
    lfe = ((frame[at >> 3]! >> (7 - (at & 7))) & 1) !== 0;
  }
  if (mode === 1) return lfe ? ["C", "LFE"] : ["C"];
  const back: readonly Role[] = mode === 4 || mode === 5 ? ["BC"] : mode >= 6 ? ["SL", "SR"] : [];
  return layout(mode === 3 || mode === 5 || mode === 7, lfe, back);
}

/** ETSI TS 102 114, 5.3.1: AMODE and LFF of a core frame. */
function dts(frame: Uint8Array): Role[] | undefined {
  if (
    frame.length < 11 ||
    frame[0] !== 0x7f ||
    frame[1] !== 0xfe ||
    frame[2] !== 0x80 ||
    frame[3] !== 0x01
  )
    return undefined;
  const mode = ((frame[7]! & 15) << 2) | (frame[8]! >> 6);
  const lff = (frame[10]! >> 1) & 3;
  const lfe = lff === 1 || lff === 2;
  if (mode === 0) return lfe ? ["C", "LFE"] : ["C"];
  if (mode <= 4) return layout(false, lfe, []);
  if (mode <= 9)
    return layout(
      mode === 5 || mode === 7 || mode === 9,
      lfe,
      mode >= 8 ? ["SL", "SR"] : mode >= 6 ? ["BC"] : [],
    );
  return undefined;
}

/** Mixes `planes` into two planes of the same length. A single plane stays single. */
export function mixDown(
  planes: readonly Float32Array[],
  roles: readonly Role[],
): Float32Array<ArrayBuffer>[] {
  const [first] = planes;
  if (!first) return [];
  if (planes.length <= 2 && !roles.includes("LFE"))
    return planes.map((plane) => plane.slice() as Float32Array<ArrayBuffer>);
  if (roles[0] === "C") return [first.slice() as Float32Array<ArrayBuffer>];
  return [0, 1].map((side) => {
    const out = new Float32Array(first.length);
    for (const [index, plane] of planes.entries()) {
      const weight = WEIGHTS[roles[index] ?? "LFE"][side]!;
      if (weight !== 0) for (let i = 0; i < out.length; i += 1) out[i]! += plane[i]! * weight;
    }
    for (let i = 0; i < out.length; i += 1) if (Math.abs(out[i]!) > KNEE) out[i] = bend(out[i]!);
    return out;
  });
}

function bend(value: number): number {
  const over = (Math.abs(value) - KNEE) / (1 - KNEE);
  return Math.sign(value) * (KNEE + (1 - KNEE) * Math.tanh(over));
}
