// The one thing of Node that these tests use; all of its types would change those of the pages.
declare module "node:fs" {
  export function readFileSync(path: URL): Uint8Array;
}
