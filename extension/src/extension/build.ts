// The build of this code, and the build that is installed on disk.

/** Inserted by build.mjs. */
declare const BUILD_ID: string;
/** The version of package.json, inserted by build.mjs. */
declare const BUILD_VERSION: string;

/** The build id of this code. */
export const BUILD = BUILD_ID;
/** The version of this code, as in the manifest. */
export const VERSION = BUILD_VERSION;

/** The build id on disk, which a new context would load. `undefined` if it can't be read. */
export async function installedBuild(): Promise<string | undefined> {
  try {
    return (
      await (await fetch(new URL("./build.txt", location.href), { cache: "no-store" })).text()
    ).trim();
  } catch {
    return undefined;
  }
}
