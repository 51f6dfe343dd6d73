// The types of notices.mjs.

interface Outputs {
  outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }>;
}
export function notices(metafile: Outputs, root: string): Promise<string>;
