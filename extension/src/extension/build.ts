// Which build this code is of, and which one lies on the disk.

/** Put in by build.mjs. */
declare const BUILD_ID: string;
/** Put in by build.mjs: the version of package.json. */
declare const BUILD_VERSION: string;

/** The build that this context runs. */
export const BUILD = BUILD_ID;
/** Its version, as the manifest has it. */
export const VERSION = BUILD_VERSION;

/** The build that a context would load now; `undefined` if that can't be told. */
export async function installedBuild(): Promise<string | undefined> {
  try {
    return (
      await (await fetch(new URL("./build.txt", location.href), { cache: "no-store" })).text()
    ).trim();
  } catch {
    return undefined;
  }
}
